"""Largest values and their places in uneven and drawn windows: what the composites' bodies find, by the kernel."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available
from flambeau.ops import load_all
from flambeau.ops.fractional import fractional_max_pool
from flambeau.ops.pooling import adaptive_max_windows
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

F = flambeau.nn.functional


@pytest.fixture(scope="module")
def kernels():
    load_all()
    from flambeau.backends.cpu import placedpools

    return placedpools


def tricky(rng, shape, dtype):
    """Numbers with many equal ones, zeros of both signs, infinities and NaN."""
    x = rng.integers(-3, 4, shape).astype(dtype)
    x[rng.random(shape) < 0.1] = -0.0
    for value in (np.nan, np.inf, -np.inf):
        x[rng.random(shape) < 0.02] = value
    return flambeau.tensor(x)


def same(made, wanted):
    for a, b in zip(made, wanted, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a.numpy(), b.numpy())


SHAPES = [  # space, windows
    *[((37,), (5,)), ((200,), (7,)), ((5,), (5,)), ((1, 70), (1, 3))],
    *[((9, 40), (4, 17)), ((13, 14), (13, 1)), ((6, 5, 7), (2, 3, 4)), ((2, 3, 90), (2, 2, 4))],
]


@pytest.mark.parametrize("space, windows", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uneven_windows(kernels, some_threads, space, windows, dtype):
    x = tricky(np.random.default_rng(sum(space)), (3, 2, *space), dtype)
    op = registry["adaptive_max_windows"]
    assert kernels._accepts_even([x._meta], {"size": windows})
    made = adaptive_max_windows(x, windows)
    body = [op.call_body((plane,), {"size": windows}) for plane in x.flatten(0, 1)]
    wanted = [flambeau.stack(list(parts)).reshape(made[0].shape) for parts in zip(*body)]
    same(made, wanted)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_drawn_windows(kernels, some_threads, count, dtype):
    rng = np.random.default_rng(count)
    space, kernel, size = (9, 30, 7)[-count:], (2, 3, 3)[-count:], (4, 13, 5)[-count:]
    for lead in ((3, 4), (4,)):
        x = tricky(rng, (*lead, *space), dtype)
        draws = flambeau.tensor(rng.random((3, 4, count)).astype(dtype))
        attrs = {"kernel": kernel, "size": size}
        if len(lead) == 2:
            assert kernels._accepts_drawn([x._meta, draws._meta], attrs)
        same(
            fractional_max_pool(x, kernel, size, draws),
            registry["fractional_max_pool"].call_body((x, draws), attrs),
        )


def test_gradients_go_where_values_were_found(kernels, some_threads):
    rng = np.random.default_rng(0)
    x = flambeau.tensor(rng.permutation(2 * 3 * 11 * 13).reshape(2, 3, 11, 13).astype("f4"))
    draws = flambeau.tensor(rng.random((2, 3, 2)).astype("f4"))
    for public, arrays, attrs in (
        (adaptive_max_windows, (x,), {"size": (4, 5)}),
        (fractional_max_pool, (x, draws), {"kernel": (3, 2), "size": (5, 6)}),
    ):
        op, found = registry[public.__name__], []
        for by_kernel in (True, False):
            own = x.detach().clone().requires_grad_()
            given = (own, *arrays[1:])
            if by_kernel:
                values, _ = public(given[0], *attrs.values(), *given[1:])
            else:
                values, _ = op.call_body(given, attrs)
            weights = flambeau.arange(values.numel(), dtype=flambeau.float32)
            (values * weights.reshape(values.shape)).sum().backward()
            found.append(own.grad.numpy())
        np.testing.assert_array_equal(*found)


def test_draws_outside_of_their_range_read_nothing_else(kernels):
    """Where windows would begin outside, the body is left to refuse them."""
    x = flambeau.tensor(np.random.default_rng(0).normal(size=(1, 1, 6)).astype("f4"))
    attrs = {"kernel": (2,), "size": (5,)}
    for draw in (5.0, 1e9, -3.3, float("nan"), float("inf")):
        draws, found = flambeau.full((1, 1, 1), draw), []
        for call in (
            lambda: fractional_max_pool(x, (2,), (5,), draws),
            lambda: registry["fractional_max_pool"].call_body((x, draws), attrs),
        ):
            try:
                found.append([part.tolist() for part in call()])
            except (IndexError, RuntimeError) as error:
                found.append(type(error))
        assert found[0] == found[1]


def test_large_windows_that_are_alike_are_looked_through_once(kernels):
    x = tricky(np.random.default_rng(2), (2, 3, 20, 18), "float32")
    values, places = F.adaptive_max_pool2d(x, (2, 1), return_indices=True)
    same((values, places), F.max_pool2d(x, (10, 18), return_indices=True))
