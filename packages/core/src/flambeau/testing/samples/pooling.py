"""Samples of pooling and of windows."""

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
        best = ops.pooling.max_pool(x, *options)
        yield Sample(make(*best.shape), x, best, *options)


def max_pool_pick(make: Make) -> Iterator[Sample]:
    """Values picked where `max_pool`'s samples are largest."""
    for sample in max_pool(make):
        x, *options = sample.args
        x = x.detach()
        yield Sample(make(*x.shape), x, ops.pooling.max_pool(x, *options), *options)


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


def _max(make: Make, dims: int) -> Iterator[Sample]:
    size = (4, 3, 2)[:dims]
    yield Sample(make.distinct(1, 2, *size), 2)
    yield Sample(make.distinct(2, *size), 2, 1, 1)


def _avg(make: Make, dims: int) -> Iterator[Sample]:
    size = (4, 3, 2)[:dims]
    yield Sample(make(1, 2, *size), 2)
    yield Sample(make(2, *size), 2, 1, 1, True, False)


def _adaptive(make: Make, dims: int) -> Iterator[Sample]:
    size = (4, 3, 2)[:dims]
    yield Sample(make.distinct(1, 2, *size), 1)
    yield Sample(make.distinct(2, *size), (3, 2, 1)[:dims])


def max_pool1d(make: Make) -> Iterator[Sample]:
    """Batched and single, strided, padded."""
    yield from _max(make, 1)


def max_pool2d(make: Make) -> Iterator[Sample]:
    """Batched and single, strided, padded."""
    yield from _max(make, 2)


def max_pool3d(make: Make) -> Iterator[Sample]:
    """Batched and single, strided, padded."""
    yield from _max(make, 3)


def avg_pool1d(make: Make) -> Iterator[Sample]:
    """Batched and single, strided, padded."""
    yield from _avg(make, 1)


def avg_pool2d(make: Make) -> Iterator[Sample]:
    """Batched and single, strided, padded."""
    yield from _avg(make, 2)


def avg_pool3d(make: Make) -> Iterator[Sample]:
    """Batched and single, strided, padded."""
    yield from _avg(make, 3)


def adaptive_avg_pool1d(make: Make) -> Iterator[Sample]:
    """To one, and to a size that does not divide."""
    yield from _adaptive(make, 1)


def adaptive_avg_pool2d(make: Make) -> Iterator[Sample]:
    """To one, and to a size that does not divide."""
    yield from _adaptive(make, 2)


def adaptive_avg_pool3d(make: Make) -> Iterator[Sample]:
    """To one, and to a size that does not divide."""
    yield from _adaptive(make, 3)


def adaptive_max_pool1d(make: Make) -> Iterator[Sample]:
    """To one, and to a size that does not divide."""
    yield from _adaptive(make, 1)


def adaptive_max_pool2d(make: Make) -> Iterator[Sample]:
    """To one, and to a size that does not divide."""
    yield from _adaptive(make, 2)


def adaptive_max_pool3d(make: Make) -> Iterator[Sample]:
    """To one, and to a size that does not divide."""
    yield from _adaptive(make, 3)


def unfold_windows(make: Make) -> Iterator[Sample]:
    """Batched and single."""
    yield Sample(make(1, 2, 3, 4), 2, onnx=False)
    yield Sample(make(2, 4, 3), (2, 1), 1, 1, 2, onnx=False)


def fold(make: Make) -> Iterator[Sample]:
    """Batched and single."""
    yield Sample(make(1, 8, 6), (3, 4), 2)
    yield Sample(make(4, 6), (3, 4), 2)
