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


def integer_quotient(make: Make) -> Iterator[Sample]:
    """Whole numbers of both signs, and no zero to divide by."""
    yield Sample(make.ints(2, 3, below=9, above=-9), make.ints(3, below=5, above=1))
    yield Sample(make.ints(2, 3, below=9, above=-9), -2)


def _choice(make: Make) -> Iterator[Sample]:
    yield Sample(make.distinct(2, 3), make(3, low=0.02, high=0.06))
    yield Sample(make.distinct(4), make(2, 4, low=-0.05, high=-0.02))


clamp_low = clamp_high = _choice


def clamp_between(make: Make) -> Iterator[Sample]:
    """Bounds in order, and crossed."""
    yield Sample(make.distinct(2, 3), make(3, low=-0.1, high=-0.01), make(2, 3, low=0.02, high=0.1))
    yield Sample(make.distinct(4), make(4, low=0.02, high=0.1), make(4, low=-0.1, high=-0.01))


def lerp(make: Make) -> Iterator[Sample]:
    """Weights on either side of one half, as numbers and as tensors."""
    yield Sample(make(2, 3), make(3), 0.25)
    yield Sample(make(2, 3), make(2, 3), 0.75)
    yield Sample(make(2, 3), make(3), make(2, 3, low=0.1, high=0.9))
    yield Sample(make(), make(2), make(2, low=-0.5, high=1.5))
    yield Sample(make(0, 2), make(2), 0.5)
