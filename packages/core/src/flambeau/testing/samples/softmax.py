"""Samples of softmax and its kin."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def softmax(make: Make) -> Iterator[Sample]:
    """Either dimension, three of them, 0-d, empty."""
    yield Sample(make(2, 3), dim=-1)
    yield Sample(make(2, 3), 0)
    yield Sample(make.transposed(2, 2, 3), 1)
    yield Sample(make(), 0, onnx=False)
    yield Sample(make(0, 2), 1)


def log_softmax(make: Make) -> Iterator[Sample]:
    """As softmax."""
    yield from softmax(make)


def softmin(make: Make) -> Iterator[Sample]:
    """Either dimension."""
    yield Sample(make(2, 3), dim=-1)
    yield Sample(make(2, 3), 0)
