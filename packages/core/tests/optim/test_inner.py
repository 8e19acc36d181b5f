"""What L-BFGS computes of vectors: right values by the kernels, and by the operators where these may not be used."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available
from flambeau.optim import inner

SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 24, 33, 63, 130, 511, 1024, 2047]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", SIZES)
def test_values(dtype, n):
    x, y = np.random.default_rng(n).standard_normal((2, n)).astype(dtype)
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-11}
    a, b = flambeau.from_numpy(x.copy()), flambeau.from_numpy(y)
    made = inner.dot(a, b), inner.sizes(a)
    assert all(m.dtype is a.dtype and m.shape == () for m in made)
    np.testing.assert_allclose(made[0].item(), float(x.astype("f8") @ y.astype("f8")), **tolerance)
    np.testing.assert_allclose(made[1].item(), np.abs(x.astype("f8")).sum(), **tolerance)
    before = a._version
    inner.add_scaled(a, b, flambeau.tensor(-0.3))
    assert a._version == before + 1
    np.testing.assert_allclose(
        a.numpy(), x + np.asarray(np.float32(-0.3), dtype) * y, rtol=1e-5, atol=1e-6
    )


@pytest.mark.skipif(not available(), reason="no C compiler on this machine")
def test_products_are_rounded_before_they_are_added_and_sums_scaled_are_rounded_once():
    """(1 + e) (1 - e) = 1 - e^2 is 1 when it is rounded."""
    e = 2.0**-30
    x = flambeau.tensor([1 + e, -1.0], dtype=flambeau.float64)
    y = flambeau.tensor([1 - e, 1.0], dtype=flambeau.float64)
    assert inner.dot(x, y).item() == 0
    total = flambeau.tensor([-1.0], dtype=flambeau.float64)
    inner.add_scaled(total, x[:1], 1 - e)
    assert total.item() == -(e**2)


@pytest.mark.parametrize(
    "x",
    [
        flambeau.arange(12.0)[::2],
        flambeau.arange(6.0).half(),
        flambeau.arange(6.0) + 0j,
        flambeau.arange(inner.SHORT + 1.0),
        flambeau.zeros(0),
        flambeau.arange(4.0).requires_grad_() * 1,
    ],
    ids=["strided", "half", "complex", "long", "empty", "recorded"],
)
def test_other_vectors_are_left_to_the_operators(x):
    with flambeau.no_grad():
        assert inner.dot(x, x) == x.dot(x)
        assert inner.sizes(x) == x.abs().sum()
        made = x.clone()
        inner.add_scaled(made, x, 2.0)
        assert flambeau.equal(made, 3 * x)
