"""Products with a packed matrix equal their definition, with everything that may follow them, and refuse what does not fit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from flambeau.backends import cpu
from flambeau.backends.cpu import threads
from flambeau.backends.cpu.products import Ending, multiply_packed, pack

pytestmark = pytest.mark.skipif(not cpu.available(), reason="no C compiler")

KINDS = [np.float32, np.float64]
# (m, n, k): few rows, one tile, edges of panels and of blocks of K, more than a run of panels, several blocks.
SIZES = [
    (1, 1, 1), (1, 33, 7), (1, 160, 513), (1, 700, 1100), (2, 95, 513), (3, 64, 40), (4, 31, 300),
    (6, 65, 30), (7, 33, 520), (8, 32, 9), (9, 31, 64), (14, 32, 64), (15, 100, 600), (128, 96, 70),
    (200, 45, 1025), (700, 20, 17), (5, 1, 900), (60, 300, 2),
]  # fmt: skip

erf = np.vectorize(math.erf)
FUNCTIONS = {
    Ending.NONE: lambda x: x,
    Ending.CLAMP: lambda x: np.where(np.isnan(x), x, np.clip(x, -0.5, 2.0)),
    Ending.GELU: lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    Ending.GELU_TANH: lambda x: (
        0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    Ending.SILU: lambda x: x / (1 + np.exp(-x)),
    Ending.TANH: np.tanh,
    Ending.SIGMOID: lambda x: 1 / (1 + np.exp(-x)),
    Ending.HARDSWISH: lambda x: x * np.clip(x + 3, 0, 6) / 6,
}


@pytest.fixture(autouse=True)
def given_back():
    before = threads.count()
    yield
    threads.set_count(before)


def operands(size, dtype, seed=0):
    m, n, k = size
    rng = np.random.default_rng(seed)
    x, w, bias, residual = (
        rng.standard_normal(s).astype(dtype) for s in ((m, k), (k, n), (n,), (m, n))
    )
    return x, w / np.asarray(math.sqrt(k), dtype), bias, residual


def close(got, want, dtype):
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(got, want, rtol=64 * eps, atol=128 * eps)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_size_and_number_of_threads(size, dtype):
    x, w, bias, residual = operands(size, dtype)
    n = size[1]
    exact = x.astype(np.float64) @ w
    for given, transposed in ((w, False), (np.ascontiguousarray(w.T), True)):
        kept = pack(given, transposed)
        made = []
        for count in (1, 2, 3):
            threads.set_count(count)
            made.append(multiply_packed(x, kept, n, bias, residual))
        close(made[0], exact + bias + residual, dtype)
        assert np.array_equal(made[0], made[1])  # to the last bit
        assert np.array_equal(made[0], made[2])
        close(multiply_packed(x, kept, n), exact, dtype)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("ending", FUNCTIONS)
@pytest.mark.parametrize("size", [(2, 75, 40), (40, 75, 600)], ids=str)
def test_what_follows(size, ending, dtype):
    x, w, bias, residual = operands(size, dtype, ending)
    n = size[1]
    kept = pack(w)
    for b, r in ((None, None), (bias, None), (None, residual), (bias, residual)):
        want = x.astype(np.float64) @ w + (0 if b is None else b) + (0 if r is None else r)
        made = multiply_packed(x, kept, n, b, r, ending, low=-0.5, high=2.0)
        close(made, FUNCTIONS[ending](want), dtype)


@pytest.mark.parametrize("dtype", KINDS)
def test_layouts_of_x_and_a_result_that_is_given(dtype):
    rng = np.random.default_rng(3)
    w = rng.standard_normal((50, 70)).astype(dtype)
    kept = pack(w)
    whole = rng.standard_normal((100, 150)).astype(dtype)
    y = np.empty((2, 9, 70), dtype)
    for x in (whole[:2, ::3], whole[1::2, 5:55], whole[:50].T, whole[::-1, 100:150], np.broadcast_to(whole[:1, :50], (20, 50))):  # fmt: skip
        np.testing.assert_allclose(multiply_packed(x, kept, 70), x @ w, rtol=1e-3, atol=1e-4)
    x = whole[:18, :50].reshape(2, 9, 50)
    assert multiply_packed(x, kept, 70, y=y) is y
    np.testing.assert_allclose(y, x @ w, rtol=1e-3, atol=1e-4)
    one = multiply_packed(whole[0, :50], kept, 70)
    assert one.shape == (70,)


def test_slices_of_weights_are_packed_from_their_strides():
    w = np.random.default_rng(0).standard_normal((90, 120))
    x = np.eye(30)
    for part in (w[::3, 5:25], w[30:0:-1, ::-6], w[:30, :20].copy(order="F")):
        assert np.array_equal(multiply_packed(x, pack(part), 20), part)


@pytest.mark.parametrize("rows", [1, 20])
def test_nan_stays_in_its_row_and_infinities_pass(rows):
    x, w, bias, _ = operands((rows, 40, 30), np.float32)
    kept = pack(w)
    x[0, 3] = np.nan
    for ending in FUNCTIONS:
        made = multiply_packed(x, kept, 40, bias, ending=ending, low=-1.0, high=1.0)
        assert np.isnan(made[0]).all() and np.isfinite(made[1:]).all()
    x[0, 3] = np.inf
    made = multiply_packed(x, kept, 40)
    assert np.array_equal(made[0], np.where(w[3] > 0, np.inf, -np.inf))


@pytest.mark.parametrize("shape", [(0, 5, 3), (4, 0, 3), (4, 5, 0), (1, 5, 0)])
def test_nothing_to_multiply(shape):
    m, n, k = shape
    bias = np.linspace(-1, 1, n)
    made = multiply_packed(np.ones((m, k)), pack(np.ones((k, n))), n, bias, ending=Ending.TANH)  # fmt: skip
    np.testing.assert_allclose(made, np.tanh(np.ones((m, k)) @ np.ones((k, n)) + bias))


def test_what_does_not_fit_is_refused():
    x, w, bias, residual = operands((6, 40, 30), np.float32)
    kept = pack(w)
    with pytest.raises(TypeError, match="float32 or float64"):
        pack(w.astype(np.int32))
    with pytest.raises(ValueError, match="expected a matrix"):
        pack(bias)
    with pytest.raises(TypeError, match="one dtype"):
        multiply_packed(x.astype(np.float64), kept, 40)
    with pytest.raises(TypeError, match="one dtype"):
        multiply_packed(x, kept, 40, bias.astype(np.float64))
    with pytest.raises(ValueError, match="no matrix of 70 columns"):
        multiply_packed(x, kept, 70)
    with pytest.raises(ValueError, match="bias: expected a dense"):
        multiply_packed(x, kept, 40, bias[:3])
    with pytest.raises(ValueError, match="residual: expected a dense"):
        multiply_packed(x, kept, 40, None, residual[:, ::2])
    with pytest.raises(ValueError, match="y: expected a dense"):
        multiply_packed(x, kept, 40, y=np.empty((40, 6), np.float32).T)
    with pytest.raises(ValueError, match="overlaps"):
        multiply_packed(x, kept, 40, None, residual, y=residual)
    with pytest.raises(ValueError, match="Ending"):
        multiply_packed(x, kept, 40, ending=9)
