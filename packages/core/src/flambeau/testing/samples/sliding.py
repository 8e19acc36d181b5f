"""Samples of windows and what is taken of them."""

from __future__ import annotations

from collections.abc import Iterator

from ... import ops
from . import Make, Sample


def max_pool(make: Make) -> Iterator[Sample]:
    """Windows that overlap, reach over the border, and have holes."""
    yield Sample(make.distinct(2, 5), (2,), (2,), (0,), (1,), (2,))
    yield Sample(make.distinct(1, 2, 4, 3), (2, 3), (1, 2), (1, 1), (2, 1), (4, 2))


def max_pool_places(make: Make) -> Iterator[Sample]:
    """As `max_pool`."""
    yield from max_pool(make)


def max_pool_spread(make: Make) -> Iterator[Sample]:
    """Gradients of `max_pool`'s samples."""
    for sample in max_pool(make):
        x, *options = sample.args
        x = x.detach()
        best = ops.sliding.max_pool(x, *options)
        yield Sample(make(*best.shape), x, best, *options)


def max_pool_pick(make: Make) -> Iterator[Sample]:
    """Values picked where `max_pool`'s samples are largest."""
    for sample in max_pool(make):
        x, *options = sample.args
        x = x.detach()
        yield Sample(make(*x.shape), x, ops.sliding.max_pool(x, *options), *options)


def window_sum(make: Make) -> Iterator[Sample]:
    """Windows that overlap and reach over the border."""
    yield Sample(make(2, 5), (2,), (2,), (0,), (2,))
    yield Sample(make(1, 2, 4, 3), (2, 3), (1, 2), (1, 1), (5, 2))


def window_spread(make: Make) -> Iterator[Sample]:
    """The same, transposed."""
    yield Sample(make(2, 2), (5,), (2,), (2,), (0,))
    yield Sample(make(1, 2, 5, 2), (4, 3), (2, 3), (1, 2), (1, 1))


def window_columns(make: Make) -> Iterator[Sample]:
    """Windows with stride, padding and holes."""
    yield Sample(make(2, 2, 4), (2,), (1,), (0,), (1,))
    yield Sample(make(1, 2, 4, 3), (2, 2), (2, 1), (1, 0), (1, 2))


def columns_sum(make: Make) -> Iterator[Sample]:
    """The same, transposed."""
    yield Sample(make(2, 4, 3), (4,), (2,), (1,), (0,), (1,))
    yield Sample(make(1, 8, 4), (4, 3), (2, 2), (2, 1), (1, 0), (1, 2))
