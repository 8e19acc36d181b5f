"""Samples of the way back from max pooling."""

from __future__ import annotations

from collections.abc import Iterator

from ...ops.creation import tensor
from . import Make, Sample


def max_unpool(make: Make) -> Iterator[Sample]:
    """A line, and images."""
    yield Sample(make(2, 3), tensor([[0, 2, 4], [1, 3, 5]]), (6,))
    places = tensor([[[0, 3], [9, 10]], [[5, 2], [8, 15]]])
    yield Sample(make(2, 2, 2), places, (4, 4))
