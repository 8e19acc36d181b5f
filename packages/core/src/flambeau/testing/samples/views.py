"""Samples of views and of what moves elements about."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def reshape(make: Make) -> Iterator[Sample]:
    """Worked out sizes, a copy where strides force one, to and from 0-d, empty."""
    yield Sample(make(2, 3), (3, -1))
    yield Sample(make.transposed(2, 3), (6,))
    yield Sample(make(), (1, 1))
    yield Sample(make(1, 1), ())
    yield Sample(make(0, 2), (2, 0))
    yield Sample(make(2, 2, 3), -1, 3)


def view(make: Make) -> Iterator[Sample]:
    """Only where no copy is needed."""
    yield Sample(make(2, 3), 3, -1)
    yield Sample(make(2, 6), (2, 2, 3))
    yield Sample(make(), 1)
    yield Sample(make(0, 2), 0)


def view_dtype(make: Make) -> Iterator[Sample]:
    """Bytes of equal width."""
    from ..._base.dtypes import float64

    yield Sample(make.ints(2, 3), float64)


def permute(make: Make) -> Iterator[Sample]:
    """Positive and negative dimensions, 0-d and empty."""
    yield Sample(make(2, 3), (1, 0))
    yield Sample(make(2, 3, 1), -1, 0, 1)
    yield Sample(make(), ())
    yield Sample(make(0, 2), 1, 0)


def transpose(make: Make) -> Iterator[Sample]:
    """Positive and negative dimensions, 0-d and empty."""
    yield Sample(make(2, 3), 0, 1)
    yield Sample(make(2, 3, 2), -1, 0)
    yield Sample(make(), 0, -1)
    yield Sample(make(0, 2), 0, 1)


def t(make: Make) -> Iterator[Sample]:
    """Up to two dimensions."""
    yield Sample(make(2, 3))
    yield Sample(make(3))
    yield Sample(make())


def movedim(make: Make) -> Iterator[Sample]:
    """One dimension and several."""
    yield Sample(make(2, 3, 2), 0, -1)
    yield Sample(make(2, 1, 3), (0, 1), (2, 0))
    yield Sample(make(2), 0, 0)


def unsqueeze(make: Make) -> Iterator[Sample]:
    """In front, behind, 0-d."""
    yield Sample(make(2, 3), 0)
    yield Sample(make(2, 3), -1)
    yield Sample(make.transposed(2, 3), 1)
    yield Sample(make(), 0)


def squeeze(make: Make) -> Iterator[Sample]:
    """All, one, several, one that is not of size one."""
    yield Sample(make(1, 3, 1))
    yield Sample(make(1, 3), 0)
    yield Sample(make(2, 1), -1)
    yield Sample(make(2, 3), 0)
    yield Sample(make(1, 2, 1), (0, 2))
    yield Sample(make.transposed(3, 1), 1)
    yield Sample(make())


def expand(make: Make) -> Iterator[Sample]:
    """Sizes of one, kept sizes, new dimensions, to nothing."""
    yield Sample(make(1, 3), (2, -1))
    yield Sample(make(3), 2, 3)
    yield Sample(make(), (2,))
    yield Sample(make(2, 1), 2, 0)


def sum_to_size(make: Make) -> Iterator[Sample]:
    """The inverse of broadcasting."""
    yield Sample(make(2, 3), (1, 3))
    yield Sample(make(2, 3), (3,))
    yield Sample(make(2, 3), 2, 3)
    yield Sample(make(2, 3), ())
    yield Sample(make(0, 3), (1, 3))


def flatten(make: Make) -> Iterator[Sample]:
    """All, some, 0-d, empty, and with a copy."""
    yield Sample(make(2, 3))
    yield Sample(make(2, 1, 3), 1)
    yield Sample(make(2, 2, 3), -3, -2)
    yield Sample(make())
    yield Sample(make(0, 2))
    yield Sample(make.transposed(2, 3))


def unflatten(make: Make) -> Iterator[Sample]:
    """One size worked out; from behind."""
    yield Sample(make(2, 6), 1, (3, 2))
    yield Sample(make(6, 1), -2, (-1, 2))


def flip(make: Make) -> Iterator[Sample]:
    """One dimension, several, none."""
    yield Sample(make(2, 3), 0)
    yield Sample(make(2, 3), (0, -1))
    yield Sample(make(2), ())
    yield Sample(make(0, 2), 1)


def roll(make: Make) -> Iterator[Sample]:
    """Flat, along dimensions, backwards, more than once round."""
    yield Sample(make(2, 3), 1)
    yield Sample(make(2, 3), (1, -1), (0, 1))
    yield Sample(make(4), 9, 0)
    yield Sample(make(0, 2), 1, 0)


def contiguous(make: Make) -> Iterator[Sample]:
    """Already, and not."""
    yield Sample(make(2, 3))
    yield Sample(make.transposed(2, 3))
    yield Sample(make())
