"""Samples of pseudo-inverse, rank and condition."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample
from .factorizations import symmetric


def pinv_of(make: Make) -> Iterator[Sample]:
    """Tall and wide; tolerances as tensors."""
    none = make(low=0, high=1e-9, grad=False)
    yield Sample(make(3, 2), none, none, False, batch=False, onnx=False)
    yield Sample(make(2, 3), none, none, False, batch=False, onnx=False)


def linalg_pinv(make: Make) -> Iterator[Sample]:
    """Tall, wide, Hermitian."""
    yield Sample(make(3, 2), onnx=False)
    yield Sample(make(2, 3), onnx=False)
    yield Sample(make.complex(2, 3), onnx=False)
    yield Sample(symmetric(make, 3, 3), hermitian=True, grad=False, onnx=False)
    yield Sample(make(0, 3), onnx=False)


def pinverse(make: Make) -> Iterator[Sample]:
    """Tall and wide."""
    yield Sample(make(3, 2), onnx=False)
    yield Sample(make(2, 3), onnx=False)


def linalg_matrix_rank(make: Make) -> Iterator[Sample]:
    """Full, Hermitian."""
    yield Sample(make(3, 2), onnx=False)
    yield Sample(symmetric(make, 2, 3, 3), hermitian=True, onnx=False)


def linalg_cond(make: Make) -> Iterator[Sample]:
    """Every norm."""
    for p in (None, 2, -2):
        yield Sample(make(3, 2), p, onnx=False)
    for kind in ("fro", "nuc", 1, -1, float("inf"), float("-inf")):
        yield Sample(make(2, 2), kind, onnx=False)
