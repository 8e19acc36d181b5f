"""Samples of eigenvalues and singular values. Vectors' signs and phases are free: tests/ops/test_linalg.py has their gradients."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample
from .factorizations import symmetric
from .linalg import regular_complex


def linalg_eigh(make: Make) -> Iterator[Sample]:
    """Both triangles."""
    yield Sample(symmetric(make, 3, 3), grad=False, onnx=False)
    yield Sample(symmetric(make, 2, 2, 2), "U", grad=False, onnx=False)


def linalg_eigvalsh(make: Make) -> Iterator[Sample]:
    """Both triangles."""
    yield Sample(symmetric(make, 3, 3), grad=False, onnx=False)
    yield Sample(symmetric(make, 2, 2, 2), "U", grad=False, onnx=False)


def linalg_eig(make: Make) -> Iterator[Sample]:
    """Real and complex."""
    yield Sample(symmetric(make, 3, 3), grad=False, onnx=False)
    yield Sample(regular_complex(make, 2, 2), grad=False, onnx=False)


def linalg_eigvals(make: Make) -> Iterator[Sample]:
    """Real, complex, a batch."""
    yield Sample(symmetric(make, 3, 3), onnx=False)
    yield Sample(regular_complex(make, 2, 2), onnx=False)
    yield Sample(symmetric(make, 2, 2, 2), onnx=False)


def svd_of(make: Make) -> Iterator[Sample]:
    """Tall, wide, full, none."""
    yield Sample(make(3, 2), False, grad=False, onnx=False)
    yield Sample(make(2, 2, 3), True, grad=False, onnx=False)
    yield Sample(make(0, 2), True, grad=False, onnx=False)


def linalg_svd(make: Make) -> Iterator[Sample]:
    """Reduced and full."""
    yield Sample(make(3, 2), False, grad=False, onnx=False)
    yield Sample(make(2, 2, 3), grad=False, onnx=False)


def svd(make: Make) -> Iterator[Sample]:
    """Reduced, and values alone."""
    yield Sample(make(3, 2), grad=False, onnx=False)
    yield Sample(make(2, 3), True, False, grad=False, onnx=False)


def singular_values(make: Make) -> Iterator[Sample]:
    """Tall, wide, complex, none."""
    yield Sample(make(3, 2), onnx=False)
    yield Sample(make(2, 2, 3), onnx=False)
    yield Sample(make.complex(2, 2), onnx=False)
    yield Sample(make(0, 2), onnx=False)


linalg_svdvals = singular_values
