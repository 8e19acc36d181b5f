"""Samples of reflectors."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def geqrf(make: Make) -> Iterator[Sample]:
    """Tall, wide, batched."""
    yield Sample(make(3, 2), onnx=False)
    yield Sample(make(2, 2, 3), onnx=False)


def linalg_householder_product(make: Make) -> Iterator[Sample]:
    """Any reflectors, not only orthogonal ones; fewer than columns; complex."""
    yield Sample(make(4, 2), make(2), onnx=False)
    yield Sample(make(2, 3, 3), make(2, 2), onnx=False)
    yield Sample(make.complex(3, 2), make.complex(2), onnx=False)


orgqr = linalg_householder_product


def ormqr(make: Make) -> Iterator[Sample]:
    """From both sides, turned, complex."""
    yield Sample(make(3, 2), make(2), make(3, 2), onnx=False)
    yield Sample(make(3, 2), make(2), make(2, 3), False, True, onnx=False)
    yield Sample(make.complex(3, 2), make.complex(2), make.complex(2, 3), False, onnx=False)
    yield Sample(make(2, 3, 2), make(2, 2), make(2, 3, 1), transpose=True, onnx=False)
