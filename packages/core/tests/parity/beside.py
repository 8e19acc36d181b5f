"""One function run in flambeau and in PyTorch: results, layouts, gradients and errors side by side."""

from __future__ import annotations

import numpy as np
import torch

import flambeau


def name_of(x):
    return str(x).rpartition(".")[2]


def parts(x):
    """What is to be compared of a result: kinds, shapes, layouts, numbers."""
    if isinstance(x, (tuple, list)):
        return [parts(y) for y in x]
    if type(x).__name__ == "MaskedTensor":
        return ["masked", parts(x.to_tensor(0)), parts(x.get_mask())]
    if isinstance(x, (flambeau.Tensor, torch.Tensor)):
        if x.is_nested:
            return ["nested", name_of(x.layout), [parts(y) for y in x.unbind()]]
        x = x.detach()
        layout = name_of(x.layout)
        dense = x.to_dense() if layout != "strided" else x
        if name_of(dense.dtype) == "bfloat16":
            dense = dense.float()
        return [layout, name_of(x.dtype), tuple(x.shape), np.asarray(dense.numpy())]
    if isinstance(x, (torch.dtype, torch.layout)) or type(x).__name__ in ("dtype", "layout"):
        return name_of(x)
    return x


def same(a, b):
    """Fails unless both say the same, floats within rounding."""
    if isinstance(b, np.ndarray):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)
    elif isinstance(b, list):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    else:
        assert a == b


def compare(f):
    """f(library) in both, or the same kind of refusal."""
    try:
        wanted = f(torch)
    except Exception as error:
        kind = next(c for c in type(error).__mro__ if c.__module__ == "builtins")
        try:
            got = f(flambeau)
        except kind:
            return
        raise AssertionError(f"PyTorch refuses ({error}), flambeau gives {got}") from None
    same(parts(f(flambeau)), parts(wanted))
