"""Samples of differences, slopes and integrals."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def diff(make: Make) -> Iterator[Sample]:
    """Once and twice; with something put before and behind."""
    yield Sample(make(2, 4))
    yield Sample(make(4, 2), 2, 0)
    yield Sample(make(2, 2), 1, -1, make(2, 1), make(2, 1))


def trapezoid(make: Make) -> Iterator[Sample]:
    """Steps of one, of another size, and given places."""
    yield Sample(make(2, 4))
    yield Sample(make(4, 2), dx=0.5, dim=0)
    yield Sample(make(2, 4), make(4))


def cumulative_trapezoid(make: Make) -> Iterator[Sample]:
    """As trapezoid."""
    yield from trapezoid(make)


def trapz(make: Make) -> Iterator[Sample]:
    """As trapezoid."""
    yield from trapezoid(make)


def gradient(make: Make) -> Iterator[Sample]:
    """Every dimension and one; steps, one for each, coordinates; ends of second order."""
    yield Sample(make(4))
    yield Sample(make(3, 4), spacing=0.5)
    yield Sample(make(3, 4), spacing=[0.5, 2.0], edge_order=2)
    yield Sample(make(2, 3, 4), dim=(0, -1))
    places = make(4, grad=False).sort().values
    yield Sample(make(2, 4), spacing=[places], dim=1, batch=False)
    yield Sample(make(2, 4), spacing=[places], dim=1, edge_order=2, batch=False)
