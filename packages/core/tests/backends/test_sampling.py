"""Bilinear grid_sample in C: taken, equal to the definition in float64, forward and backward, on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, sampling, threads
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
NEAR = {"float32": 3e-6, "float64": 1e-12}


@pytest.fixture
def taken(monkeypatch):
    seen = []
    numbers = sampling._numbers
    monkeypatch.setattr(sampling, "_numbers", lambda *a: seen.append(1) or numbers(*a))
    return seen


def by_body(*args):
    op = registry["grid_sampler"]
    return op.call_body(*op.bind(args, {}))


def with_gradients(f, *arrays):
    given = [flambeau.tensor(a, requires_grad=True) for a in arrays]
    out = f(*given)
    g = np.random.default_rng(1).standard_normal(tuple(out.shape)).astype(arrays[0].dtype)
    out.backward(flambeau.tensor(g))
    return [out.numpy(force=True), *(t.grad.numpy() for t in given)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("corners", [False, True])
def test_equal_to_the_definition(padding, corners, dtype, taken):
    draw = np.random.default_rng(0)
    for (n, c, h, w), places in (
        ((2, 3, 5, 7), (4, 6)),
        ((1, 9, 1, 3), (13, 11)),
        ((3, 1, 20, 1), (1, 1)),
    ):
        x = draw.standard_normal((n, c, h, w)).astype("float32")
        grid = (draw.standard_normal((n, *places, 2)) * 1.3).astype("float32")
        options = (0, padding, corners)
        before = len(taken)
        want = with_gradients(
            lambda x, p: by_body(x, p, *options), x.astype("float64"), grid.astype("float64")
        )
        assert len(taken) == before
        made, count = [], threads.count()
        try:
            for k in (1, 3):
                threads.set_count(k)
                made.append(
                    with_gradients(
                        lambda x, p: flambeau.grid_sampler(x, p, *options),
                        x.astype(dtype),
                        grid.astype(dtype),
                    )
                )
        finally:
            threads.set_count(count)
        assert len(taken) == before + 4
        for one, three, expected in zip(*made, want):
            np.testing.assert_array_equal(one, three)
            assert one.dtype == dtype
            scale = max(1, np.abs(expected).max())
            np.testing.assert_allclose(one, expected, rtol=0, atol=NEAR[dtype] * scale)


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_places_that_are_not_finite_or_far_away(padding):
    inf, nan = np.inf, np.nan
    x = flambeau.randn(1, 2, 4, 5)
    places = flambeau.tensor([[nan, 0.0], [inf, 0.5], [-inf, 0.5], [1e30, -1e30], [0.2, nan]])
    places = places.reshape(1, 1, 5, 2)
    made = flambeau.grid_sampler(x, places, 0, padding, False)
    flambeau.testing.assert_close(made, by_body(x, places, 0, padding, False), equal_nan=True)


def test_a_pixel_that_is_not_finite_stays_where_it_is():
    x = flambeau.zeros(1, 1, 3, 3)
    x[0, 0, 0, 0] = float("inf")
    places = flambeau.tensor([[[[5.0, 5.0], [1.0, 1.0]]]])
    assert not flambeau.grid_sampler(x, places, 0, 0, True).any()


def test_other_modes_and_wrong_calls_are_the_definitions(taken):
    x, places = flambeau.randn(1, 2, 4, 5), flambeau.randn(1, 3, 3, 2)
    for mode in (1, 2):
        flambeau.grid_sampler(x, places, mode, 0, False)
    with pytest.raises(RuntimeError):
        flambeau.grid_sampler(x, flambeau.randn(2, 3, 3, 2), 0, 0, False)
    assert not taken
