"""Samples of pooling by chance."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def fractional_max_pool(make: Make) -> Iterator[Sample]:
    """A line, an image and a volume, with their draws given."""
    for dims in (1, 2, 3):
        draws = make(2, 2, dims, low=0.0, high=1.0, grad=False)
        size = (5, 4, 3)[:dims]
        yield Sample(make.distinct(2, 2, *size), (2,) * dims, (3, 2, 2)[:dims], draws)
