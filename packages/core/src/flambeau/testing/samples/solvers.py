"""Samples of inverses and solutions: matrices far from singular."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample
from .linalg import regular, regular_complex, squares

linalg_inv = linalg_inv_ex = inverse = squares(onnx=False)


def inv_with_info(make: Make) -> Iterator[Sample]:
    """One, a batch, a singular one."""
    yield Sample(regular(make, 3, 3), "inv", True, onnx=False)
    yield Sample(regular(make, 2, 2, 2), "inv", False, onnx=False)
    yield Sample(make(2, 2) * 0, "inv", False, grad=False, onnx=False)


def solve_with_info(make: Make) -> Iterator[Sample]:
    """One, and batches that broadcast."""
    yield Sample(regular(make, 3, 3), make(3, 2), "solve", True, onnx=False)
    yield Sample(regular(make, 2, 2, 2), make(2, 1), "solve", False, onnx=False)
    yield Sample(regular(make, 2, 2), make(3, 2, 1), "solve", False, batch=False, onnx=False)


def linalg_solve(make: Make) -> Iterator[Sample]:
    """Vectors and matrices, from either side, complex."""
    yield Sample(regular(make, 3, 3), make(3), onnx=False)
    yield Sample(regular(make, 2, 2), make(2, 3), onnx=False)
    yield Sample(regular(make, 2, 2), make(3, 2), left=False, onnx=False)
    yield Sample(regular_complex(make, 2, 2), make.complex(2, 1), onnx=False)
    yield Sample(make(0, 0), make(0, 2), onnx=False)


linalg_solve_ex = linalg_solve


def solve_lower(make: Make) -> Iterator[Sample]:
    """Each triangle, batches that broadcast, a diagonal of ones, complex."""
    yield Sample(regular(make, 3, 3), make(3, 2), False, False, onnx=False)
    yield Sample(regular(make, 2, 2, 2), make(2, 1), True, False, onnx=False)
    yield Sample(regular(make, 3, 3), make(2, 3, 1), True, True, onnx=False)
    yield Sample(regular_complex(make, 2, 2), make.complex(2, 1), False, False, onnx=False)
    yield Sample(make(0, 0), make(0, 2), False, False, onnx=False)


def linalg_solve_triangular(make: Make) -> Iterator[Sample]:
    """From either side."""
    yield Sample(regular(make, 3, 3), make(3, 2), upper=True, onnx=False)
    yield Sample(regular(make, 2, 2), make(3, 2), upper=False, left=False, onnx=False)
    yield Sample(
        regular(make, 3, 3).mT.detach().requires_grad_(), make(3, 2), upper=False, unitriangular=True, onnx=False
    )  # fmt: skip


def triangular_solve(make: Make) -> Iterator[Sample]:
    """Plain, and of the transpose."""
    yield Sample(make(3, 2), regular(make, 3, 3), onnx=False)
    yield Sample(make(3, 2), regular(make, 3, 3), False, True, onnx=False)


def least_squares(make: Make) -> Iterator[Sample]:
    """Tall, wide, each driver."""
    for driver in ("gels", "gelsy"):
        yield Sample(make(4, 2), make(4, 1), 1e-12, driver, onnx=False)
        yield Sample(make(2, 2, 3), make(2, 2, 2), 1e-12, driver, onnx=False)
    yield Sample(make(4, 2), make(4, 1), 1e-12, "gelsd", grad=False, onnx=False)


def linalg_lstsq(make: Make) -> Iterator[Sample]:
    """Tall, wide; the residuals too."""
    yield Sample(make(4, 2), make(4, 2), driver="gels", onnx=False)
    yield Sample(make(2, 3), make(2, 2), onnx=False)
    yield Sample(make(2, 4, 2), make(2, 4), driver="gelsd", batch=False, onnx=False)


def linalg_tensorinv(make: Make) -> Iterator[Sample]:
    """Four dimensions, three."""
    yield Sample(regular(make, 4, 4).reshape(2, 2, 4).detach().requires_grad_(), onnx=False)
    yield Sample(regular(make, 4, 4).reshape(4, 2, 2).detach().requires_grad_(), 1, onnx=False)


def linalg_tensorsolve(make: Make) -> Iterator[Sample]:
    """Plain, and with dimensions moved."""
    yield Sample(
        regular(make, 4, 4).reshape(4, 2, 2).detach().requires_grad_(), make(4), onnx=False
    )
    yield Sample(
        regular(make, 4, 4).reshape(2, 4, 2).detach().requires_grad_(), make(4), (0, 2), onnx=False
    )
