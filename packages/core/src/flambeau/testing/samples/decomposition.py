"""Samples of decompositions."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def qr(make: Make) -> Iterator[Sample]:
    """Tall, wide, batched, complete."""
    yield Sample(make(3, 2))
    yield Sample(make(2, 3))
    yield Sample(make(2, 3, 2), False)
