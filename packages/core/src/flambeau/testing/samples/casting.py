"""Samples of copies and casts."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def clone(make: Make) -> Iterator[Sample]:
    """Contiguous, transposed, 0-d, empty."""
    yield Sample(make(2, 3))
    yield Sample(make.transposed(2, 3))
    yield Sample(make())
    yield Sample(make(0, 2))


def stop_gradient(make: Make) -> Iterator[Sample]:
    """As it is."""
    yield Sample(make(2, 3))


def to_dtype(make: Make) -> Iterator[Sample]:
    """Between kinds of numbers."""
    from ..._base.dtypes import bool_, float32, float64, int64

    yield Sample(make.ints(2, 3), float64)
    yield Sample(make(2, 3, grad=False), float32)
    yield Sample(make(2, 3, grad=False), int64)
    yield Sample(make.ints(2, 3, below=2), bool_)
    yield Sample(make(2, 3), float64)
