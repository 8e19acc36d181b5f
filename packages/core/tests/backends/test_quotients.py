"""Remainders, floors of quotients, hypotenuses and extremes without NaN in C: bit by bit what NumPy computes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from flambeau.backends.cpu import elementwise, library
from flambeau.ops import load_all
from flambeau.runtime.backend import of_device
from flambeau.runtime.operator import registry

load_all()
pytestmark = pytest.mark.skipif(not library.available(), reason="no compiler")
NAMES = ("fmod", "remainder", "floor_divide", "hypot", "fmax", "fmin", "copysign")
SPECIAL = [
    *(0.0, 1.0, 2.0, 0.1, 7.0, 3.0, np.inf, 1e-45, 1e-38, 3e38, 16777216.0, 1e30),
    *(-0.0, -1.0, -2.0, -0.1, -7.0, -np.inf, -1e-45, -3e38, np.nan),
]


def pairs(kind: str) -> list[np.ndarray]:
    """Two arrays: each special value with each, wide ranges, whole numbers whose remainders are often 0, tenths."""
    rng = np.random.default_rng(1)
    both = np.array(list(itertools.product(SPECIAL, SPECIAL))).T
    wide = rng.standard_normal((2, 5001)) * 10.0 ** rng.integers(-9, 9, (2, 5001))
    whole = rng.integers(-50, 50, (2, 3000))
    with np.errstate(all="ignore"):
        return [a.astype(kind) for a in np.concatenate([both, wide, whole, whole * 0.1], axis=1)]


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_pairs_are_what_numpy_says(name, kind):
    op = registry[name]
    a, b = pairs(kind)
    compiled = elementwise.Compiled(op)
    call = compiled.call((a, b), {})
    assert call is not None, "left to the reference"
    xp = of_device("cpu").xp
    with np.errstate(all="ignore"):
        got, want = compiled(xp, a, b), op.kernels[None](xp, a, b)
    np.testing.assert_array_equal(got, want)
    if name not in ("fmax", "fmin"):  # which zero is the larger is nobody's business
        there = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got)[there], np.signbit(want)[there])


@pytest.mark.parametrize("name", NAMES)
def test_a_number_and_a_row_broadcast(name):
    op = registry[name]
    a, b = (x[:3000].reshape(60, 50) for x in pairs("float32"))
    xp = of_device("cpu").xp
    compiled = elementwise.Compiled(op)
    with np.errstate(all="ignore"):
        for x, y in ((a, b[:1]), (a[:, :1], b), (a[:, ::2], b[:, 1::2])):
            np.testing.assert_array_equal(compiled(xp, x, y), op.kernels[None](xp, x, y))


@pytest.mark.parametrize("kind", ["int32", "int64", "uint8"])
@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide"])
def test_whole_numbers_divide_without_a_trap(name, kind):
    op = registry[name]
    info = np.iinfo(kind)
    numbers = [info.min, info.max, 0, 1, 2, 7, *([-1, -7] if info.min else [])]
    a, b = np.array([(x, y) for x in numbers for y in numbers if y], kind).T
    xp = of_device("cpu").xp
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(
            elementwise.Compiled(op)(xp, a, b), op.kernels[None](xp, a, b)
        )
