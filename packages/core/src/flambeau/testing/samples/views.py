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
