"""Samples of views of parts of a tensor, and of their gradients."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def window(make: Make) -> Iterator[Sample]:
    """With steps, from behind, empty."""
    yield Sample(make(2, 5), 1, 1, 4)
    yield Sample(make(5, 2), -2, 0, 5, 2)
    yield Sample(make(3), 0, 1, 1)


def window_grad(make: Make) -> Iterator[Sample]:
    """The same, transposed."""
    yield Sample(make(2, 3), (2, 5), 1, 1, 4, 1)
    yield Sample(make(3, 2), (5, 2), -2, 0, 5, 2)


def select(make: Make) -> Iterator[Sample]:
    """Positive and negative places."""
    yield Sample(make(2, 3), 0, 1)
    yield Sample(make(2, 3), -1, -1)
    yield Sample(make(3), 0, 2)


def narrow(make: Make) -> Iterator[Sample]:
    """From the front, from behind, nothing."""
    yield Sample(make(2, 4), 1, 1, 2)
    yield Sample(make(4, 2), -2, -3, 2)
    yield Sample(make(3), 0, 1, 0)


def split(make: Make) -> Iterator[Sample]:
    """By size with a rest, by list, empty."""
    yield Sample(make(5, 2), 2)
    yield Sample(make(2, 4), (1, 3), 1)
    yield Sample(make(2, 4), 4, -1)
    yield Sample(make(0, 2), 1)


def chunk(make: Make) -> Iterator[Sample]:
    """Even, uneven, empty."""
    yield Sample(make(4, 2), 2)
    yield Sample(make(2, 5), 3, -1)
    yield Sample(make(0, 2), 2)


def unbind(make: Make) -> Iterator[Sample]:
    """Along either dimension."""
    yield Sample(make(2, 3))
    yield Sample(make(2, 3), -1)


def diagonal(make: Make) -> Iterator[Sample]:
    """Above, below, in other dimensions, past the corner."""
    yield Sample(make(3, 3))
    yield Sample(make(2, 4), 1)
    yield Sample(make(3, 2), -1)
    yield Sample(make(2, 3, 2), 0, -1, 0)
    yield Sample(make(2, 2), 3)


def diagonal_grad(make: Make) -> Iterator[Sample]:
    """The same, transposed."""
    yield Sample(make(3), (3, 3), 0, 0, 1)
    yield Sample(make(2), (3, 2), -1, 0, 1)


def unfold(make: Make) -> Iterator[Sample]:
    """Windows that overlap and windows with gaps."""
    yield Sample(make(5), 0, 3, 1)
    yield Sample(make(2, 5), -1, 2, 3)
    yield Sample(make.transposed(4, 2), 0, 2, 1)
    yield Sample(make(), 0, 1, 1)


def unfold_grad(make: Make) -> Iterator[Sample]:
    """The same, transposed."""
    yield Sample(make(3, 3), (5,), 0, 3, 1)
    yield Sample(make(2, 2, 2), (2, 5), -1, 2, 3)
