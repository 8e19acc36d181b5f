"""Which calls share a loop nest, seen from outside: results of compiled functions equal to eager ones."""

from __future__ import annotations

import pytest

import flambeau


def kept_and_dropped(x):
    """Two reductions over the same rows, one of which keeps the dimension."""
    y = x * 2
    return y.sum(1), y.amax(1, keepdim=True), (y - y.mean(1, keepdim=True)).sum(1)


def dropped_after_kept(x):
    """The other way round."""
    y = x * 2
    return y.amax(1, keepdim=True), y.sum(1)


def rows_and_columns(x):
    """Reductions over different dimensions of one chain."""
    y = (x + 1) * 3
    return y.sum(0), y.sum(1), y.sum()


def needs_its_own_sum(x):
    """Elementwise calls that wait for a reduction of what comes before them."""
    e = (x - x.amax(1, keepdim=True)).exp()
    return e / e.sum(1, keepdim=True) + x


@pytest.mark.parametrize(
    "f", [kept_and_dropped, dropped_after_kept, rows_and_columns, needs_its_own_sum]
)
def test_reductions_that_cannot_share_a_nest(f):
    flambeau.manual_seed(0)
    x = flambeau.randn(64, 33)
    expected, made = f(x), flambeau.compile(f)(x)
    expected, made = (t if isinstance(t, tuple) else (t,) for t in (expected, made))
    for e, m in zip(expected, made, strict=True):
        flambeau.testing.assert_close(m, e)


def test_numbers_are_drawn_in_order():
    def f(x):
        noise = flambeau.nn.functional.dropout(x, 0.5) + flambeau.rand_like(x)
        return noise + flambeau.randn(x.shape[0], 1)

    compiled, x = flambeau.compile(f), flambeau.ones(4, 3)
    for seed in range(3):
        flambeau.manual_seed(seed)
        made = compiled(x)
        flambeau.manual_seed(seed)
        flambeau.testing.assert_close(made, f(x))
