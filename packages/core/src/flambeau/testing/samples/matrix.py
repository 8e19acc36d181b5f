"""Samples of products of matrices and vectors."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def matmul(make: Make) -> Iterator[Sample]:
    """Vectors, matrices, batches that broadcast, nothing inside."""
    yield Sample(make(2, 3), make(3, 2))
    yield Sample(make(2, 1, 2, 3), make(2, 3, 1))
    yield Sample(make(3), make(3))
    yield Sample(make(2, 3), make(3))
    yield Sample(make(3), make(2, 3, 2))
    yield Sample(make(2, 2, 3), make(3, 2))
    yield Sample(make.transposed(2, 3), make.transposed(3, 2))
    yield Sample(make(2, 0), make(0, 3))
    yield Sample(make(0, 2), make(2, 3))


def mm(make: Make) -> Iterator[Sample]:
    """Two matrices, one of them transposed."""
    yield Sample(make(2, 3), make(3, 2))
    yield Sample(make.transposed(2, 3), make(3, 1))


def bmm(make: Make) -> Iterator[Sample]:
    """Two batches, and none."""
    yield Sample(make(2, 2, 3), make(2, 3, 1))
    yield Sample(make(0, 2, 3), make(0, 3, 1))


def mv(make: Make) -> Iterator[Sample]:
    """A matrix and a vector."""
    yield Sample(make(2, 3), make(3))


def dot(make: Make) -> Iterator[Sample]:
    """Two vectors, and two of length zero."""
    yield Sample(make(3), make(3))
    yield Sample(make(0), make(0))


def outer(make: Make) -> Iterator[Sample]:
    """Two vectors."""
    yield Sample(make(2), make(3))


def addmm(make: Make) -> Iterator[Sample]:
    """With factors; the sum's other part broadcast."""
    yield Sample(make(2, 2), make(2, 3), make(3, 2))
    yield Sample(make(2), make(2, 3), make(3, 2), beta=0.5, alpha=2)
    yield Sample(make(2), make(2, 3), make(3, 2), beta=0)


def baddbmm(make: Make) -> Iterator[Sample]:
    """With factors; the sum's other part broadcast."""
    yield Sample(make(2, 2, 2), make(2, 2, 3), make(2, 3, 2))
    yield Sample(make(2), make(2, 2, 3), make(2, 3, 2), beta=0.5, alpha=2)


def matmul_tn(make: Make) -> Iterator[Sample]:
    """Matrices, an empty one among them."""
    yield Sample(make(3, 2), make(3, 4))
    yield Sample(make(0, 2), make(0, 3))


def linear(make: Make) -> Iterator[Sample]:
    """Rows, one row, batches of rows, with and without bias."""
    yield Sample(make(2, 3), make(4, 3), make(4))
    yield Sample(make(3), make(2, 3), make(2))
    yield Sample(make(2, 2, 3), make(2, 3))
    yield Sample(make(2, 3), make(3), onnx=False)
    yield Sample(make(0, 3), make(2, 3), make(2))


def adjoint(make: Make) -> Iterator[Sample]:
    """Real and complex."""
    yield Sample(make(2, 3))
    yield Sample(make.complex(2, 2, 1), onnx=False)
