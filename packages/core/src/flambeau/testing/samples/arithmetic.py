"""Samples of arithmetic that is written with other operators."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def clamp(make: Make) -> Iterator[Sample]:
    """Both bounds, one, tensors."""
    yield Sample(make.distinct(2, 3), -0.3, 0.5)
    yield Sample(make.distinct(2, 3), min=0.05)
    yield Sample(make.distinct(2, 3), max=0.05)
    yield Sample(make.distinct(2, 3), make(3, low=-0.1, high=-0.01), make(2, 3, low=0.02, high=0.1))


def div(make: Make) -> Iterator[Sample]:
    """True, down, towards zero."""
    yield Sample(make(2, 3), make(3, low=0.5))
    yield Sample(make(2, 3), make(2, 3, low=0.5), rounding_mode="floor")
    yield Sample(make(2, 3), 0.7, rounding_mode="trunc")
