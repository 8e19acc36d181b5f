"""Samples of factorizations. What reads one triangle has no gradient element by element: tests/ops/test_linalg.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import Make, Sample
from .linalg import regular, regular_complex


def symmetric(make: Make, *shape: int) -> Any:
    """Positive-definite matrices whose eigenvalues are apart."""
    x = make(*shape, grad=False)
    spread = make(1, grad=False).new_tensor([1.0, 3.0, 6.0][: shape[-1]]).diag_embed()
    return ((x + x.mT) * 0.1 + spread).requires_grad_()


def lu_with_info(make: Make) -> Iterator[Sample]:
    """Square, wide, tall, complex, none."""
    yield Sample(regular(make, 3, 3), True, "", onnx=False)
    yield Sample(regular(make, 4, 4)[..., :2, :].detach().requires_grad_(), True, "lu", onnx=False)
    yield Sample(regular(make, 2, 4, 4)[..., :2].detach().requires_grad_(), True, "lu", onnx=False)
    yield Sample(regular_complex(make, 2, 2), True, "", onnx=False)
    yield Sample(make(0, 2), True, "lu", onnx=False)


def linalg_lu_factor_ex(make: Make) -> Iterator[Sample]:
    """Square, and a batch of tall ones."""
    yield Sample(regular(make, 3, 3), onnx=False)
    yield Sample(regular(make, 2, 4, 4)[..., :2].detach().requires_grad_(), onnx=False)


linalg_lu_factor = linalg_lu = linalg_lu_factor_ex


def lu(make: Make) -> Iterator[Sample]:
    """With and without the places of zeros."""
    yield Sample(regular(make, 3, 3), onnx=False)
    yield Sample(regular(make, 2, 2, 2), get_infos=True, onnx=False)


def _factors(make: Make, *shape: int) -> tuple[Any, Any]:
    from ...ops.factorizations import linalg_lu_factor as factor

    packed, pivots = factor(make(*shape, grad=False))
    return packed.requires_grad_(), pivots


def rows_of_pivots(make: Make) -> Iterator[Sample]:
    """Both ways."""
    yield Sample(_factors(make, 3, 3)[1], 3, False, onnx=False)
    yield Sample(_factors(make, 2, 4, 2)[1], 4, True, onnx=False)


def lu_unpack(make: Make) -> Iterator[Sample]:
    """All, and only one part."""
    yield Sample(*_factors(make, 3, 3), onnx=False)
    yield Sample(*_factors(make, 2, 3, 2), True, False, onnx=False)


def cholesky_with_info(make: Make) -> Iterator[Sample]:
    """Lower and upper."""
    yield Sample(symmetric(make, 3, 3), False, "cholesky", True, grad=False, onnx=False)
    yield Sample(symmetric(make, 2, 2, 2), True, "cholesky", False, grad=False, onnx=False)


def linalg_cholesky(make: Make) -> Iterator[Sample]:
    """Lower and upper."""
    yield Sample(symmetric(make, 3, 3), grad=False, onnx=False)
    yield Sample(symmetric(make, 2, 2, 2), upper=True, grad=False, onnx=False)


linalg_cholesky_ex = cholesky = linalg_cholesky


def ldl_with_info(make: Make) -> Iterator[Sample]:
    """Symmetric and Hermitian."""
    yield Sample(symmetric(make, 3, 3), False, False, onnx=False)
    yield Sample(symmetric(make, 2, 2, 2), True, True, onnx=False)


def linalg_ldl_factor(make: Make) -> Iterator[Sample]:
    """Symmetric and Hermitian."""
    yield Sample(symmetric(make, 3, 3), grad=False, onnx=False)
    yield Sample(symmetric(make, 2, 2, 2), hermitian=True, grad=False, onnx=False)


linalg_ldl_factor_ex = linalg_ldl_factor


def linalg_qr(make: Make) -> Iterator[Sample]:
    """Tall, wide, complex, complete, none."""
    yield Sample(make(3, 2), onnx=False)
    yield Sample(make(2, 3), "complete", onnx=False)
    yield Sample(make(2, 2, 3), onnx=False)
    yield Sample(make.complex(3, 2), onnx=False)
    yield Sample(make(3, 2), "complete", grad=False, onnx=False)
    yield Sample(make(3, 2), "r", grad=False, batch=False, onnx=False)
    yield Sample(make(0, 2), onnx=False)


def qr(make: Make) -> Iterator[Sample]:
    """Tall, wide."""
    yield Sample(make(3, 2), onnx=False)
    yield Sample(make(2, 3), False, onnx=False)
