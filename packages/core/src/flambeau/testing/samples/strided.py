"""Samples of windows given by strides."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def as_strided(make: Make) -> Iterator[Sample]:
    """Gapped, overlapping, transposed, repeated; of a transposed tensor; 0-d and empty."""
    yield Sample(make(3, 4), (2, 3), (4, 1))
    yield Sample(make(3, 4), (2, 2), (5, 2), 1, batch=False)  # rows of a batch lie elsewhere
    yield Sample(make(6), (4, 3), (1, 1))
    yield Sample(make(3, 2), (2, 3), (1, 2))
    yield Sample(make(4), (3, 2), (0, 1), 2, batch=False)
    yield Sample(make.transposed(3, 4), (2, 2), (1, 3), batch=False)
    yield Sample(make(), (2,), (0,))
    yield Sample(make(5), (0, 2), (2, 1))


as_strided_copy = as_strided


def as_strided_scatter(make: Make) -> Iterator[Sample]:
    """Into rows, columns, every second element."""
    yield Sample(make(3, 4), make(2, 3), (2, 3), (4, 1))
    yield Sample(make(3, 4), make(2, 2), (2, 2), (5, 2), 1, batch=False)
    yield Sample(make(6), make(3), (3,), (2,))


def strided_view(make: Make) -> Iterator[Sample]:
    """As as_strided, with the input's own geometry told."""
    yield Sample(make(3, 4), (2, 3), (4, 1), 0, ((3, 4), (4, 1), 0))
    yield Sample(make(6), (4, 3), (1, 1), 0, ((6,), (1,), 0))


def restride(make: Make) -> Iterator[Sample]:
    """From rows to overlapping windows and back, counted on either side."""
    rows, windows = ((2, 3), (3, 1), 0), ((4, 2), (1, 1), 1)
    yield Sample(make(2, 3), rows, windows, 0)
    yield Sample(make(4, 2), windows, rows, 1)
    yield Sample(make(4, 2), windows, rows, 0)
    yield Sample(make(3), ((3,), (1,), 2), ((2,), (2,), 0), 0)
