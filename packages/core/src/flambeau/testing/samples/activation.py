"""Samples of activation functions that are written with other operators."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def softsign(make: Make) -> Iterator[Sample]:
    """Away from the kink of the absolute value."""
    yield Sample(make(2, 3, low=0.1))
    yield Sample(make(low=0.1))
    yield Sample(make(0, 2))
    yield Sample(make.transposed(2, 3, low=-2, high=-0.1))
