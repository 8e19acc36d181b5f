"""Samples of linear algebra: matrices far from singular, gradients only of what is unique."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import Make, Sample


def _regular(make: Make, *shape: int) -> Any:
    """Square matrices with a large diagonal."""
    from ...ops.creation import eye

    x = make(*shape, grad=False) * 0.3 + eye(shape[-1], dtype=make(1).dtype) * 2
    return x.requires_grad_()


def _squares(**options: Any) -> Callable[[Make], Iterator[Sample]]:
    def samples(make: Make) -> Iterator[Sample]:
        yield Sample(_regular(make, 3, 3), **options)
        yield Sample(_regular(make, 2, 2, 2), **options)

    return samples


linalg_inv = linalg_det = _squares()
linalg_slogdet = logdet = _squares(onnx=False)


def solve_matrices(make: Make) -> Iterator[Sample]:
    """One, and a batch that broadcasts."""
    yield Sample(_regular(make, 3, 3), make(3, 2))
    yield Sample(_regular(make, 2, 2, 2), make(2, 1))


def linalg_solve(make: Make) -> Iterator[Sample]:
    """Vectors and matrices, from either side."""
    yield Sample(_regular(make, 3, 3), make(3), onnx=False)
    yield Sample(_regular(make, 2, 2), make(2, 3), onnx=False)
    yield Sample(_regular(make, 2, 2), make(3, 2), left=False, onnx=False)


def _symmetric(make: Make, *shape: int) -> Any:
    x = make(*shape, grad=False)
    spread = make(1, grad=False).new_tensor([1.0, 3.0, 6.0][: shape[-1]]).diag_embed()
    return ((x + x.mT) * 0.1 + spread).requires_grad_()


def linalg_cholesky(make: Make) -> Iterator[Sample]:
    """Only one triangle is read, so that numbers moved one by one say nothing: the products in tests/ops/test_linalg.py do."""
    yield Sample(_symmetric(make, 3, 3), grad=False)
    yield Sample(_symmetric(make, 2, 2, 2), upper=True, grad=False)


def linalg_eigh(make: Make) -> Iterator[Sample]:
    """As cholesky."""
    yield Sample(_symmetric(make, 3, 3), grad=False, batch=False)
    yield Sample(_symmetric(make, 2, 2, 2), "U", grad=False, batch=False)


def linalg_eigvalsh(make: Make) -> Iterator[Sample]:
    """As cholesky."""
    yield Sample(_symmetric(make, 3, 3), grad=False, onnx=False)


def linalg_svd(make: Make) -> Iterator[Sample]:
    """The bases' signs are free: gradients are tested through products in tests/ops/test_linalg.py."""
    yield Sample(make(3, 2), False, grad=False, batch=False)
    yield Sample(make(2, 2, 3), grad=False, batch=False)


def linalg_svdvals(make: Make) -> Iterator[Sample]:
    """Tall, wide, batched."""
    yield Sample(make(3, 2), onnx=False)
    yield Sample(make(2, 2, 3), onnx=False)


def linalg_vector_norm(make: Make) -> Iterator[Sample]:
    """Several orders."""
    yield Sample(make(2, 3, low=0.2))
    yield Sample(make(2, 3, low=0.2), 3, 1, True)
    yield Sample(make.distinct(2, 3), float("inf"), 0)


def linalg_matrix_norm(make: Make) -> Iterator[Sample]:
    """Every order."""
    yield Sample(make(2, 3))
    for order in (1, -1, float("inf"), float("-inf")):
        yield Sample(make(2, 3, low=0.2), order)
    for kind in (2, -2, "nuc"):
        yield Sample(make(3, 2), kind, keepdim=True, onnx=False)


def linalg_norm(make: Make) -> Iterator[Sample]:
    """As vector norm and as matrix norm."""
    yield Sample(make(2, 3))
    yield Sample(make(3, low=0.2), 1)
    yield Sample(make(2, 3), "fro")
    yield Sample(make(2, 3, low=0.2), 3, 1)


def matrix_power(make: Make) -> Iterator[Sample]:
    """Positive, zero, negative."""
    yield Sample(_regular(make, 2, 2), 3)
    yield Sample(_regular(make, 2, 2), -2, onnx=False)
    yield Sample(_regular(make, 2, 2, 2), 1)
    yield Sample(make(2, 2, grad=False), 0, batch=False, onnx=False)


def linalg_multi_dot(make: Make) -> Iterator[Sample]:
    """Matrices, and vectors at both ends."""
    yield Sample([make(2, 3), make(3, 4), make(4, 1)], batch=False)
    yield Sample([make(3), make(3, 2), make(2)], batch=False)


def linalg_pinv(make: Make) -> Iterator[Sample]:
    """Tall and wide."""
    yield Sample(make(3, 2), onnx=False)
    yield Sample(make(2, 3), onnx=False)


def linalg_matrix_rank(make: Make) -> Iterator[Sample]:
    """Full."""
    yield Sample(make(3, 2), onnx=False)
