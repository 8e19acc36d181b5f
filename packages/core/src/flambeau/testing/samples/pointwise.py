"""Samples of elementwise compositions."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def isclose(make: Make) -> Iterator[Sample]:
    """Equal, near, far."""
    x = make(2, 3, grad=False)
    yield Sample(x, x + 1e-9)
    yield Sample(x, make(3, grad=False), rtol=0.5, atol=0.1)


def masked_fill(make: Make) -> Iterator[Sample]:
    """A number and a tensor, the mask broadcast."""
    yield Sample(make(2, 3), make.bools(2, 3), 1.5)
    yield Sample(make(2, 3), make.bools(3), make())
    yield Sample(make(), make.bools(), 2)


def nan_to_num(make: Make) -> Iterator[Sample]:
    """Finite numbers pass; others are replaced."""
    yield Sample(make(2, 3))
    yield Sample(make(2, 3, grad=False) / 0, 1.0, 2.0, -2.0)


def xlogy(make: Make) -> Iterator[Sample]:
    """Away from zero."""
    yield Sample(make(2, 3, low=0.2), make(3, low=0.2))
    yield Sample(make(low=0.2), make(2, low=0.2))
    yield Sample(make(2, 3, low=0.2), 1.5)
    yield Sample(make(0, 2), make(2))


def finite_numbers(make: Make) -> Iterator[Sample]:
    """As nan_to_num."""
    yield Sample(make(2, 3), 0.0, 9.0, -9.0)
    yield Sample(make.transposed(2, 3), 1.0, 9.0, -9.0)
    yield Sample(make(2, 3, grad=False) / 0, 1.0, 9.0, -9.0)
