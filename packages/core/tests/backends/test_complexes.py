"""Complex numbers on all cores: taken where dense, equal to NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, complexes, threads, ufuncs

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")


def numbers(n, dtype, seed=0):
    rng = np.random.default_rng(seed)
    made = rng.standard_normal(n) + 1j * rng.standard_normal(n)
    made[:4] = [np.inf, 1j * np.inf, np.nan, 0]
    return made.astype(dtype)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("count", [1, 3])
def test_sums_and_products(dtype, count, monkeypatch):
    taken = []
    dense = complexes.Complex.dense

    def watched(self, *args):
        made = dense(self, *args)
        taken.append(made is not None)
        return made

    monkeypatch.setattr(complexes.Complex, "dense", watched)
    before = threads.count()
    threads.set_count(count)
    a, b = numbers(300 * 301, dtype).reshape(300, 301), numbers(300 * 301, dtype, 1).reshape(300, 301)  # fmt: skip
    x, y = flambeau.from_numpy(a), flambeau.from_numpy(b)
    try:
        with np.errstate(all="ignore"):
            for made, want in [(x + y, a + b), (x - y, a - b), (-x, -a), (x * y, a * b), (x * 2.5, a * a.dtype.type(2.5)),
                               (x * (1 - 2j), a * a.dtype.type(1 - 2j)), (x * y.t().t(), a * b)]:  # fmt: skip
                assert made.numpy().dtype == want.dtype
                np.testing.assert_allclose(made.numpy(), want, rtol=3e-6, atol=1e-6)
        assert taken == [True] * 7
    finally:
        threads.set_count(before)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_quotients_and_exponentials_are_numpys_bit_for_bit(dtype, monkeypatch):
    planned = []
    plan = ufuncs.Shared.plan
    monkeypatch.setattr(
        ufuncs.Shared, "plan", lambda self, *args: planned.append(plan(self, *args)) or planned[-1]
    )
    a, b = numbers(1 << 16, dtype), numbers(1 << 16, dtype, 1)
    b[:6] = [0, np.inf, 1, -0.0, np.nan, 1e-40]
    x, y = flambeau.from_numpy(a), flambeau.from_numpy(b)
    with np.errstate(all="ignore"):
        for made, want in [(x / y, a / b), (y / 2.5, b / a.dtype.type(2.5)), (y.reciprocal(), np.reciprocal(b)),
                           (x.exp(), np.exp(a)), (y.log(), np.log(b)), (y.sqrt(), np.sqrt(b))]:  # fmt: skip
            np.testing.assert_array_equal(made.numpy(), want)
    assert len(planned) == 6 and all(p is not None for p in planned)


def test_what_is_left_to_the_reference():
    a = numbers(300 * 301, "complex64").reshape(300, 301)
    x = flambeau.from_numpy(a)
    with np.errstate(all="ignore"):
        for made, want in [(x.t() + x.t(), a.T + a.T), (x * x.real, a * a.real), (x.add(x, alpha=2), a + 2 * a)]:  # fmt: skip
            np.testing.assert_allclose(made.numpy()[9:], want[9:], rtol=3e-6, atol=1e-6)


def test_brought_together_and_differentiated():
    rng = np.random.default_rng(0)
    for kind in ("float32", "float64"):
        a, b = rng.standard_normal((2, 300, 301)).astype(kind)
        made = flambeau.complex(flambeau.from_numpy(a), flambeau.from_numpy(b)).numpy()
        np.testing.assert_array_equal(made, a + np.array(1j, made.dtype) * b)
    x = flambeau.from_numpy(numbers(90_000, "complex128")[4:]).requires_grad_()
    (x * x).abs().square().sum().backward()
    wanted = 4 * x.detach() * x.detach().abs().square()
    assert flambeau.allclose(x.grad, wanted)


def test_counts():
    rng = np.random.default_rng(1)
    for dtype in ("float32", "float64", "int64", "bool", "uint8"):
        values = (rng.standard_normal((300, 301)) * 1.2).astype(dtype)
        if dtype == "float32":
            values[:2, :2] = [[np.nan, -0.0], [np.inf, 0]]
        x = flambeau.from_numpy(values)
        made = flambeau.count_nonzero(x)
        assert made.dtype is flambeau.int64 and made.shape == () and made.item() == np.count_nonzero(values)  # fmt: skip
        by_row = flambeau.count_nonzero(x, 1).numpy()
        np.testing.assert_array_equal(by_row, np.count_nonzero(values, axis=1))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_broadcast(dtype, monkeypatch):
    taken = []
    spread = complexes.Complex.spread

    def watched(self, *args):
        made = spread(self, *args)
        taken.append(made is not None)
        return made

    monkeypatch.setattr(complexes.Complex, "spread", watched)
    before = threads.count()
    try:
        for shape, other in [((300, 301), (301,)), ((300, 301), (300, 1)), ((5, 60, 301), (60, 301)), ((5, 60, 301), (5, 1, 1)),
                             ((5, 60, 301), (1, 60, 1)), ((2, 50_000), (2, 1)), ((90_000,), (1,))]:  # fmt: skip
            threads.set_count(1 if shape[0] == 5 else 3)
            a = numbers(np.prod(shape) + 4, dtype)[4:].reshape(shape)
            b = numbers(np.prod(other) + 4, dtype, 1)[4:].reshape(other)
            x, y = flambeau.from_numpy(a), flambeau.from_numpy(b)
            with np.errstate(all="ignore"):
                for made, want in [(x * y, a * b), (x + y, a + b), (x - y, a - b)]:
                    np.testing.assert_allclose(made.numpy(), want, rtol=3e-6, atol=1e-5)
                whole = other != (1, 60, 1)  # three loops are the reference's
                assert taken == [whole] * 3, (shape, other)
                for made, want in [(y * x, b * a), (y + x, b + a), (y - x, b - a)]:
                    np.testing.assert_allclose(made.numpy(), want, rtol=3e-6, atol=1e-5)
                taken.clear()
    finally:
        threads.set_count(before)


def test_loops_of_a_broadcast_operand():
    assert complexes._broadcast((3, 4, 5), (4, 5)) == (3, 20, 0, 1)
    assert complexes._broadcast((3, 4, 5), (3, 4, 1)) == (12, 5, 1, 0)
    assert complexes._broadcast((3, 4, 5), (3, 1, 5)) is None
    assert complexes._broadcast((3, 5), (2, 3, 5)) is None
    assert complexes._broadcast((3, 5), (2,)) is None


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_sums_with_a_number(dtype):
    rng = np.random.default_rng(6)
    a = (rng.standard_normal((130, 70)) + 1j * rng.standard_normal((130, 70))).astype(dtype)
    x = flambeau.from_numpy(a)
    for number in (3, -0.5, 1 - 2j):
        for _ in range(2):
            np.testing.assert_array_equal((x + number).numpy(), a + a.dtype.type(number))
            np.testing.assert_array_equal((x - number).numpy(), a - a.dtype.type(number))
            np.testing.assert_array_equal((number - x).numpy(), a.dtype.type(number) - a)
