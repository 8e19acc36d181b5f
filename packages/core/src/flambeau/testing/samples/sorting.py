"""Samples of order."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def sort(make: Make) -> Iterator[Sample]:
    """Either dimension and direction, 0-d."""
    yield Sample(make.distinct(2, 3))
    yield Sample(make.distinct(3, 2), 0, True)
    yield Sample(make.distinct(2, 3), dim=-2, stable=True)
    yield Sample(make.distinct())
    yield Sample(make(0, 2), 0)


def argsort(make: Make) -> Iterator[Sample]:
    """Either dimension and direction."""
    yield Sample(make.distinct(2, 3), onnx=False)
    yield Sample(make.distinct(3, 2), 0, True, onnx=False)


def topk(make: Make) -> Iterator[Sample]:
    """Largest and smallest, all and none."""
    yield Sample(make.distinct(2, 4), 2)
    yield Sample(make.distinct(3, 2), 2, 0, False)
    yield Sample(make.distinct(3), 3)
    yield Sample(make.distinct(3), 0)


def median(make: Make) -> Iterator[Sample]:
    """Of all, and along a dimension."""
    yield Sample(make.distinct(2, 3), onnx=False)
    yield Sample(make.distinct(2, 4), 1, onnx=False)
    yield Sample(make.distinct(3, 2), 0, True, onnx=False)


def unique_parts(make: Make) -> Iterator[Sample]:
    """With repetitions; nothing."""
    yield Sample(make.ints(2, 3, below=4))
    yield Sample(make.ints(0))


def unique(make: Make) -> Iterator[Sample]:
    """Alone, and with where and how often."""
    yield Sample(make.ints(2, 3, below=4), onnx=False)
    yield Sample(make.ints(5, below=3), return_inverse=True, return_counts=True, onnx=False)
    yield Sample(make.ints(6, 2, below=2), return_inverse=True, dim=0, onnx=False)
    yield Sample(make.ints(2, 6, below=2), dim=-1, onnx=False)
