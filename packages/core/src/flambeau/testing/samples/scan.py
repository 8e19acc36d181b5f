"""Samples of running sums and products."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def _along(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 3), 1)
    yield Sample(make(3, 2), -2)
    yield Sample(make.transposed(2, 3), 0)
    yield Sample(make(), 0, onnx=False)
    yield Sample(make(0, 2), 0)


def cumsum(make: Make) -> Iterator[Sample]:
    """Either dimension, 0-d, empty, another dtype."""
    yield from _along(make)
    yield Sample(make.ints(3).int(), 0)


def cumprod(make: Make) -> Iterator[Sample]:
    """Either dimension, 0-d, empty, with a zero."""
    yield from _along(make)
    yield Sample(make.order(4).double().requires_grad_(), 0)
