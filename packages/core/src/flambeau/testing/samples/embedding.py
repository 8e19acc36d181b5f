"""Samples of tables of vectors."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def embedding(make: Make) -> Iterator[Sample]:
    """Indices of any shape, with repetitions."""
    yield Sample(make.ints(2, 3, below=4), make(4, 2))
    yield Sample(make.ints(below=4), make(4, 2))


def embedding_bag(make: Make) -> Iterator[Sample]:
    """Each mode; rows and runs."""
    yield Sample(make.ints(2, 3, below=4), make(4, 2), batch=False)
    yield Sample(make.ints(2, 3, below=4), make.distinct(4, 2), mode="max", batch=False)
