"""Samples of reading and writing parts."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def basic_index(make: Make) -> Iterator[Sample]:
    """Ints, slices, None, Ellipsis."""
    yield Sample(make(2, 3), (1,))
    yield Sample(make(3, 4), (slice(0, 3, 2), slice(1, -1)))
    yield Sample(make(2, 3, 2), (..., None, -1))
    yield Sample(make(2, 3), (None, slice(1, 1), 0))
    yield Sample(make(), (None,))


def basic_index_grad(make: Make) -> Iterator[Sample]:
    """The same, transposed."""
    yield Sample(make(3), (2, 3), (1,))
    yield Sample(make(2, 2), (3, 4), (slice(0, 3, 2), slice(1, -1)))


def index(make: Make) -> Iterator[Sample]:
    """Neighbouring and separate positions, index tensors that broadcast, 0-d ones."""
    yield Sample([make(3, 2), make.ints(4, below=3)], (0,))
    yield Sample([make(2, 3), make.ints(2, 2, below=3)], (1,))
    yield Sample([make(3, 2, 3), make.ints(2, below=3), make.ints(2, 1, below=3)], (0, 2))
    yield Sample([make(2, 3, 2), make.ints(2, below=3), make.ints(below=2)], (1, 2))
    yield Sample([make(3, 2), make.ints(4, below=3)], (0,), False)


def index_grad(make: Make) -> Iterator[Sample]:
    """The same, transposed."""
    yield Sample([make(4, 2), make.ints(4, below=3)], (3, 2), (0,))
    yield Sample([make(2, 2, 2), make.ints(2, 2, below=3)], (2, 3), (1,))


def index_put_at(make: Make) -> Iterator[Sample]:
    """Written and added; values broadcast."""
    once = make.ints(2, below=2)
    yield Sample([make(3, 2), make(2, 2), (once * 0 + 1).cumsum(0)], (0,), False)
    yield Sample([make(3, 2), make(2), make.ints(4, below=3)], (0,), True)
    yield Sample([make(2, 3), make(2, 4), make.ints(4, below=3)], (1,), True)
    yield Sample([make(2, 3), make(2, 4), make.ints(4, below=3)], (1,), True, False)
    both = make.ints(2, 1, below=3), make.ints(4, below=4)
    yield Sample([make(2, 3, 4, 2), make(2, 2, 4, 2), *both], (1, 2), True)
    yield Sample([make(3, 2, 4), make(2, 4, 2), *both], (0, 2), True)


def index_put(make: Make) -> Iterator[Sample]:
    """Written and added; every second dimension."""
    yield Sample(make(3, 2), (make.order(3),), make(3, 2))
    yield Sample(make(3, 2), (make.ints(4, below=3), make.ints(4, below=2)), make(4), True)
