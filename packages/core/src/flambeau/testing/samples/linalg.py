"""Samples of determinants, powers and exponentials: matrices far from singular."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import Make, Sample


def regular(make: Make, *shape: int) -> Any:
    """Square matrices with a large diagonal."""
    from ...ops.creation import eye

    x = make(*shape, grad=False) * 0.3 + eye(shape[-1], dtype=make(1).dtype) * 2
    return x.requires_grad_()


def regular_complex(make: Make, *shape: int) -> Any:
    """Complex square matrices with a large diagonal."""
    from ...ops.creation import eye

    x = make.complex(*shape, grad=False) * 0.3 + eye(shape[-1], dtype=make(1).dtype) * 2
    return x.requires_grad_()


def squares(**options: Any) -> Callable[[Make], Iterator[Sample]]:
    """One matrix, a batch, complex ones, none."""

    def samples(make: Make) -> Iterator[Sample]:
        yield Sample(regular(make, 3, 3), **options)
        yield Sample(regular_complex(make, 2, 2), **{**options, "onnx": False})
        yield Sample(regular(make, 2, 2, 2), **options)
        yield Sample(make(0, 3, 3), **{**options, "onnx": False})

    return samples


linalg_det = det = squares()
cofactors = linalg_slogdet = slogdet = logdet = squares(onnx=False)


def matrix_exp(make: Make) -> Iterator[Sample]:
    """Small, large and complex ones."""
    yield Sample(make(3, 3), onnx=False)
    yield Sample(make.complex(2, 2), onnx=False)
    yield Sample(make(2, 2, 2, low=-9, high=9), onnx=False)


linalg_matrix_exp = matrix_exp


def matrix_power(make: Make) -> Iterator[Sample]:
    """Positive, zero, negative."""
    yield Sample(regular(make, 2, 2), 3)
    yield Sample(regular(make, 2, 2), -2, onnx=False)
    yield Sample(regular(make, 2, 2, 2), 1)
    yield Sample(regular(make, 2, 2), 6)
    yield Sample(make(2, 2, grad=False), 0, batch=False, onnx=False)


def linalg_multi_dot(make: Make) -> Iterator[Sample]:
    """Matrices, and vectors at both ends."""
    yield Sample([make(2, 3), make(3, 4), make(4, 1)], batch=False)
    yield Sample([make(3), make(3, 2), make(2)], batch=False)


def chain_matmul(make: Make) -> Iterator[Sample]:
    """Three, and one."""
    yield Sample(make(2, 3), make(3, 4), make(4, 1), batch=False)
    yield Sample(make(2, 3), batch=False)
