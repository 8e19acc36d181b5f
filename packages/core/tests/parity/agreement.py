"""One piece of code in two libraries: what it gives, or how it fails, must be the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import flambeau


def plain(value: Any) -> Any:
    """A result with arrays for tensors, so that those of both libraries compare."""
    if isinstance(value, flambeau.Tensor):
        return value.detach().numpy()
    if isinstance(value, torch.Tensor):
        return value.detach().resolve_conj().numpy()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    return value


def outcome(lib: Any, case: Callable[[Any], Any]) -> tuple[str, Any]:
    """("", result) or (class of the error, its text)."""
    lib.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "", plain(case(lib))
        except Exception as error:
            text = str(error).replace("flambeau.", "torch.").replace("arguments:", "argument:")
            kind = next(c for c in type(error).__mro__ if c.__module__ == "builtins")
            return kind.__name__, text.replace('"', "'")


def agree(case: Callable[[Any], Any], text: bool = True, tolerance: float = 1e-5) -> None:
    """Runs `case(library)` in both; `text` compares errors by their first line too."""
    (got, ours), (expected, theirs) = outcome(flambeau, case), outcome(torch, case)
    assert got == expected, (
        f"{got or 'no error'} ({ours}); PyTorch: {expected or 'no error'} ({theirs})"
    )
    if got:
        if text:
            assert ours.splitlines()[0] == theirs.splitlines()[0]
        return
    same(ours, theirs, tolerance)


def same(a: Any, b: Any, tolerance: float) -> None:
    """AssertionError where two plain results differ."""
    if isinstance(a, np.ndarray):
        assert isinstance(b, np.ndarray) and a.shape == b.shape and a.dtype == b.dtype, (a, b)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for k in a:
            same(a[k], b[k], tolerance)
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), (a, b)
        for x, y in zip(a, b):
            same(x, y, tolerance)
    elif isinstance(a, (bool, int, float, str)) or a is None:
        assert a == b
    else:
        assert str(a).replace("flambeau.", "torch.") == str(b)
