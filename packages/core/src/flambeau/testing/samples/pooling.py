"""Samples of pooling."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


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


def adaptive_max_windows(make: Make) -> Iterator[Sample]:
    """A line, an image and a volume, and windows that are alike."""
    yield Sample(make.distinct(2, 5), (2,))
    yield Sample(make.distinct(2, 3, 4, 5), (3, 2))
    yield Sample(make.distinct(1, 2, 3, 2, 4), (2, 2, 3))
    yield Sample(make.distinct(2, 4, 4), (2, 2))


def unfold_windows(make: Make) -> Iterator[Sample]:
    """Batched and single."""
    yield Sample(make(1, 2, 3, 4), 2, onnx=False)
    yield Sample(make(2, 4, 3), (2, 1), 1, 1, 2, onnx=False)


def fold(make: Make) -> Iterator[Sample]:
    """Batched and single."""
    yield Sample(make(1, 8, 6), (3, 4), 2)
    yield Sample(make(4, 6), (3, 4), 2)
