"""Samples of sums over the entries of sparse matrices."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def group_sum(make: Make) -> Iterator[Sample]:
    """Groups out of order, an empty one, wide rows, complex numbers, nothing at all."""
    yield Sample(make(6), make.ints(6, below=3), 4)
    yield Sample(make.transposed(5, 2), make.ints(5, below=3), 3)
    yield Sample(make.complex(4), make.ints(4, below=2), 2)
    yield Sample(make(0, 2), make.ints(0), 2)


def entries_matmul(make: Make) -> Iterator[Sample]:
    """Entries in disorder and at one place, one column, complex numbers, no entry."""
    yield Sample(make(5), make(3, 2), make.ints(5, below=4), make.ints(5, below=3), 4)
    yield Sample(make(5), make(3, 1), make.ints(5, below=4), make.ints(5, below=3), 4)
    yield Sample(
        make.complex(3), make.complex(2, 2), make.ints(3, below=2), make.ints(3, below=2), 2
    )
    yield Sample(make(0), make(3, 2), make.ints(0), make.ints(0), 2)


def entries_of_product(make: Make) -> Iterator[Sample]:
    """Entries in disorder and at one place, complex numbers, no entry."""
    yield Sample(make(4, 2), make(3, 2), make.ints(5, below=4), make.ints(5, below=3))
    yield Sample(
        make.complex(2, 2), make.complex(2, 2), make.ints(3, below=2), make.ints(3, below=2)
    )
    yield Sample(make(2, 3), make(2, 3), make.ints(0), make.ints(0))
