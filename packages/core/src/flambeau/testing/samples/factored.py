"""Samples of solutions by factors."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample
from .factorizations import _factors, symmetric


def cholesky_solve(make: Make) -> Iterator[Sample]:
    """Gradients of the right side; that of the factor is PyTorch's, of the whole matrix: tests/parity."""
    yield Sample(make(3, 2), symmetric(make, 3, 3).detach(), onnx=False)
    yield Sample(make(2, 2, 1), symmetric(make, 2, 2).detach(), True, onnx=False)


def cholesky_inverse(make: Make) -> Iterator[Sample]:
    """Both triangles."""
    yield Sample(symmetric(make, 3, 3), grad=False, onnx=False)
    yield Sample(symmetric(make, 2, 2, 2), True, grad=False, onnx=False)


def linalg_lu_solve(make: Make) -> Iterator[Sample]:
    """From either side, of the adjoint."""
    yield Sample(*_factors(make, 3, 3), make(3, 2), onnx=False)
    yield Sample(*_factors(make, 2, 3, 3), make(2, 2, 3), left=False, onnx=False)
    yield Sample(*_factors(make, 3, 3), make(3, 2), adjoint=True, onnx=False)


def lu_solve(make: Make) -> Iterator[Sample]:
    """One, and a batch."""
    yield Sample(make(3, 2), *_factors(make, 3, 3), onnx=False)
    yield Sample(make(2, 2, 1), *_factors(make, 2, 2, 2), onnx=False)


def linalg_ldl_solve(make: Make) -> Iterator[Sample]:
    """Symmetric and Hermitian."""
    from ...ops.factorizations import linalg_ldl_factor as factor

    yield Sample(*factor(symmetric(make, 3, 3).detach()), make(3, 2), batch=False, onnx=False)
    yield Sample(
        *factor(symmetric(make, 2, 2, 2).detach(), hermitian=True),
        make(2, 2, 1), hermitian=True, batch=False, onnx=False,
    )  # fmt: skip
