"""Functions and methods that are no operators beside PyTorch: the calls of `tests/ops/other_calls.py`, gradients included."""

from __future__ import annotations

import functools
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import flambeau

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parent.parent / "ops"))
from other_calls import CALLS, arguments

SPACES = ("", "Tensor.", "nn.functional.")
DRAWN = {"randint", "new_empty_strided"}  # of which only the form is compared
FIRST = {"embedding_bag"}  # of whose results the others are for its own backward
MORE = {"indices_copy", "values_copy"}  # which PyTorch does not have for COO


def found(lib, name):
    """The functions of this name in a library: of the module, of Tensor, of nn.functional."""
    places = {"": lib, "Tensor.": lib.Tensor, "nn.functional.": lib.nn.functional}
    for space in SPACES:
        if space + name in CALLS and space:
            continue  # which has calls of its own
        owner = places[space]
        path = name.split(".")
        for part in path[:-1]:
            owner = getattr(owner, part, None)
        made = getattr(owner, path[-1], None)
        if callable(made) and not isinstance(made, type):
            yield space + name, made


def shown(lib, x, content):
    """A result in plain values."""
    if isinstance(x, (tuple, list)):
        return [shown(lib, y, content) for y in x]
    if isinstance(x, lib.Tensor):
        form = [str(x.dtype).rpartition(".")[2], str(x.layout).rpartition(".")[2], tuple(x.shape)]
        if not content:
            return form
        x = x.detach()
        if getattr(x, "is_quantized", False):
            x = x.int_repr()
        x = x.to_dense() if form[1] != "strided" else x
        return [*form, np.asarray(x.to(lib.float64).numpy())]
    if type(x).__name__ in ("dtype", "qscheme", "per_tensor_affine") or x is None:
        return str(x).rpartition(".")[2]
    return x if isinstance(x, (bool, int, float)) else "an object"


def outcome(lib, place, name, function):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        args, kwargs = arguments(lib, name)
        if place.startswith("Tensor."):  # called on the tensor, whose class may have its own
            function = functools.partial(getattr(type(args[0]), name), args[0])
        try:
            made = function(*args[place.startswith("Tensor.") :], **kwargs)
        except Exception as error:
            return type(error).__name__
    grads = [a.grad for a in args if isinstance(a, lib.Tensor) and a.requires_grad and a.is_leaf]
    made = made[0] if name in FIRST else made
    return shown(lib, [made, grads], name not in DRAWN)


def same(a, b):
    if isinstance(b, np.ndarray):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    elif isinstance(b, list):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    else:
        assert a == b


PAIRS = [
    (place, name, ours, dict(found(torch, name))[place])
    for name in sorted(CALLS.keys() - MORE)
    for place, ours in found(flambeau, name)
    if place in dict(found(torch, name))
]


@pytest.mark.parametrize(("place", "name", "ours", "theirs"), PAIRS, ids=[p[0] for p in PAIRS])
def test_calls_agree(place, name, ours, theirs):
    same(outcome(flambeau, place, name, ours), outcome(torch, place, name, theirs))
