"""Samples of norms."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def p_norm(make: Make) -> Iterator[Sample]:
    """Several orders, dimensions, complex numbers."""
    yield Sample(make(2, 3, low=0.2), 3.0, None, False)
    yield Sample(make(2, 3, low=0.2), 2.5, 1, True)
    yield Sample(make(2, 3, 2, low=0.2), -1.0, (0, 2), False)
    yield Sample(make.complex(2, 3), 3.0, 0, False, onnx=False)
    yield Sample(make(low=0.2), 0.5, None, False, onnx=False)


def linalg_vector_norm(make: Make) -> Iterator[Sample]:
    """Several orders."""
    yield Sample(make(2, 3, low=0.2))
    yield Sample(make(2, 3, low=0.2), 3, 1, True)
    yield Sample(make.distinct(2, 3), float("inf"), 0)
    yield Sample(make(2, 0), 2, 1)


def linalg_matrix_norm(make: Make) -> Iterator[Sample]:
    """Every order."""
    yield Sample(make(2, 3))
    for order in (1, -1, float("inf"), float("-inf")):
        yield Sample(make(2, 3, low=0.2), order)
    for kind in (2, -2, "nuc"):
        yield Sample(make(3, 2), kind, keepdim=True, onnx=False)
    yield Sample(make(0, 3), 1, onnx=False)


def linalg_norm(make: Make) -> Iterator[Sample]:
    """As vector norm and as matrix norm."""
    yield Sample(make(2, 3))
    yield Sample(make(3, low=0.2), 1)
    yield Sample(make(2, 3), "fro")
    yield Sample(make(2, 3, low=0.2), 3, 1)
    yield Sample(make(2, 3), 2, onnx=False)
