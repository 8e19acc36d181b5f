"""NumPy's loops on all cores: the same bits as NumPy's own calls, on one thread and on several; powers on vectors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import elementwise, library, providers, ufuncs
from flambeau.ops import load_all
from flambeau.runtime.backend import of_device
from flambeau.runtime.operator import registry

load_all()
pytestmark = pytest.mark.skipif(not library.available(), reason="no compiler")
XP = of_device("cpu").xp
SIZE = 5 * ufuncs.BLOCK + 37


def numbers(count: int, kind: str, size: int = SIZE) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    made = rng.uniform(-2, 2, (count, size))
    made[:, ::101] = rng.choice(
        [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, 1e30], made[:, ::101].shape
    )
    return list(made.astype(kind))


def refuse(*_):
    raise AssertionError("left to the reference")


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("name", ufuncs.FUNCTIONS)
def test_results_are_numpys_whoever_computes_them(name, kind):
    op, ufunc = registry[name], ufuncs.FUNCTIONS[name]
    shared = ufuncs.Shared(op, ufunc, refuse)
    arrays = numbers(len(op.arrays), kind)
    before = flambeau.get_num_threads()
    with np.errstate(all="ignore"):
        want = ufunc(*arrays)
        for threads in (1, 3):
            flambeau.set_num_threads(threads)
            try:
                np.testing.assert_array_equal(shared(XP, *arrays), want)
            finally:
                flambeau.set_num_threads(before)


@pytest.mark.parametrize("name", providers.SHARED)
def test_operators_take_the_shared_loop(name, monkeypatch):
    op = registry[name]
    arrays = [flambeau.from_numpy(a) for a in numbers(len(op.arrays), "float32")]
    seen = []
    plan = ufuncs.Shared.plan
    monkeypatch.setattr(ufuncs.Shared, "plan", lambda *a: seen.append(1) or plan(*a))
    op.public(*arrays)
    assert seen


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
@pytest.mark.parametrize("size", [3, 700, SIZE])
@pytest.mark.parametrize("name", [*providers.SHARED, "tanh", "floor", "maximum"])
def test_halves_are_computed_in_float32_and_rounded_once(name, size, half):
    op, dtype = registry[name], getattr(flambeau, half)
    arrays = [flambeau.from_numpy(a).to(dtype) for a in numbers(len(op.arrays), "float32", size)]
    made, wide = op.public(*arrays), op.public(*[a.float() for a in arrays])
    assert made.dtype is dtype
    one = float(flambeau.finfo(dtype).eps)  # NumPy's loops of halves are a unit off now and then
    np.testing.assert_allclose(
        made.float().numpy(), wide.to(dtype).float().numpy(), rtol=one, atol=1e-7
    )


def test_what_is_not_dense_or_not_alike_is_left_to_the_reference():
    op = registry["atan2"]
    shared = ufuncs.Shared(op, np.arctan2, op.kernels[None])
    a, b = (x[:6000].reshape(60, 100) for x in numbers(2, "float32"))
    with np.errstate(all="ignore"):
        for x, y in (
            (a[:, ::2], b[:, ::2]),
            (a, b[:1]),
            (a.T, b.T),
            (a, 0.5),
            (-1.5, b),
            (a, np.float32(2) * b[0, 0]),
        ):
            np.testing.assert_array_equal(shared(XP, x, y), op.kernels[None](XP, x, y))
        empty = np.empty((0, 3), np.float32)
        assert shared(XP, empty, empty).shape == (0, 3)


def test_a_table_that_is_not_as_expected_is_not_read():
    assert ufuncs.loop(np.sin, np.dtype("float32").num) is not None
    assert ufuncs.loop(np.sin, np.dtype("int64").num) is None  # NumPy has none for whole numbers


POWERS = [
    *(0.0, 1.0, 2.0, 0.5, 7.0, 3.0, np.inf, 1e-45, 3e38, 1e-38, 16777216.0, 16777215.0, 0.1, 1.5, 0.75, 0.99999994),
    *(-0.0, -1.0, -2.0, -0.5, -7.0, -3.0, -np.inf, -1e-45, -3e38, -16777215.0, np.nan),
]  # fmt: skip


def test_powers_of_floats_are_true_to_the_last_place():
    rng = np.random.default_rng(0)
    odd = np.array(list(itertools.product(POWERS, POWERS)), np.float32).T
    a = np.concatenate([odd[0], np.exp(rng.uniform(-20, 20, 9000)), rng.uniform(-4, 4, 999)])
    b = np.concatenate([odd[1], rng.uniform(-8, 8, 9000), rng.integers(-20, 20, 999)])
    a, b = a.astype(np.float32), b.astype(np.float32)
    compiled = elementwise.Compiled(registry["pow"])
    assert compiled.call((a, b), {}) is not None
    with np.errstate(all="ignore"):
        want = (a.astype(np.float64) ** b.astype(np.float64)).astype(np.float32)
        got = compiled(XP, a, b)
        np.testing.assert_allclose(got, want, rtol=1.2e-7, atol=1.5e-45)
        there = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got)[there], np.signbit(want)[there])
        x = np.abs(a)
        np.testing.assert_allclose(compiled(XP, x, 1.7), x ** np.float32(1.7), rtol=4e-7)
        np.testing.assert_allclose(
            compiled(XP, 2.5, b), np.float32(2.5) ** b, rtol=4e-7, atol=1.5e-45
        )


def test_powers_of_doubles_and_whole_numbers_are_numpys():
    rng = np.random.default_rng(0)
    compiled = elementwise.Compiled(registry["pow"])
    a, b = rng.uniform(0.1, 3, (2, SIZE))
    np.testing.assert_array_equal(compiled(XP, a, b), a**b)
    np.testing.assert_array_equal(compiled(XP, a, 1.7), a**1.7)
    k = rng.integers(0, 9, SIZE)
    np.testing.assert_array_equal(compiled(XP, k, 3), k**3)
