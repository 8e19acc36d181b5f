"""Solutions of linear equations whose matrix is given by its factors: of Cholesky, LU and LDL."""

from __future__ import annotations

from typing import Any

from .._base.checks import broadcast_shapes, check
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .factorizations import permuted
from .matrices import (
    NO_ONNX,
    adjoint_of,
    aligned,
    batched,
    check_floating,
    check_info,
    check_matrix,
    check_same,
    check_square,
    scalar_name,
)
from .solvers import SINGULAR, check_pair, check_system, solve_lower


@primitive
def cholesky_solve(input: Meta, input2: Meta, upper: bool = False):
    """X with (input2 @ input2.mH) @ X = input, input2 the factor of a positive-definite matrix (input2.mH @ input2 with `upper`).

    >>> import flambeau
    >>> flambeau.cholesky_solve(flambeau.ones(1, 1), flambeau.tensor([[2.0]]))
    tensor([[0.2500]])
    """
    check_pair("cholesky_solve", input, input2)
    check_floating("cholesky_solve", input2, "cholesky_solve_cpu")
    return input.like((*broadcast_shapes(input.shape[:-2], input2.shape[:-2]), *input.shape[-2:]))


@cholesky_solve.kernel
def _(xp, b, a, *, upper):
    check_pair("cholesky_solve", b, a)
    check_floating("cholesky_solve", a, "cholesky_solve_cpu")
    turned = xp.swapaxes(a, -1, -2).conj()
    first, second = (turned, a) if upper else (a, turned)
    half = xp.lapack.triangular(first, b, False, False)
    return xp.lapack.triangular(second, half, True, False)


@cholesky_solve.vjp
def _(g, out, b: Meta, a, *, upper):
    """Of L the whole matrix gets a gradient, as in PyTorch, though one triangle is read."""
    to_b = cholesky_solve(g, a, upper)

    def to_a():
        one = to_b @ adjoint_of(out)
        both = one + adjoint_of(one)
        return -(a @ both if upper else both @ a).sum_to_size(a.shape)

    return lambda: to_b.sum_to_size(b.shape), to_a


@cholesky_solve.batch
def _(size, flags, b, a, *, upper):
    return cholesky_solve(*aligned(size, flags, (2, 2), (b, a)), upper)


cholesky_solve.refuse("onnx", "ONNX solves no systems of equations")


@primitive
def cholesky_inverse(input: Meta, upper: bool = False):
    """The inverse of input @ input.mH (of input.mH @ input with `upper`), for the factor of a positive-definite matrix.

    >>> import flambeau
    >>> flambeau.cholesky_inverse(flambeau.tensor([[2.0]]))
    tensor([[0.2500]])
    """
    _check_factor(input)
    return input


def _check_factor(x: Any) -> None:
    check_square("cholesky_inverse", x)
    check_floating("cholesky_inverse", x, "cholesky_inverse_out_cpu")


@cholesky_inverse.kernel
def _(xp, a, *, upper):
    _check_factor(a)
    n = a.shape[-1]
    zero = xp.diagonal(a, 0, -2, -1) == 0
    info = xp.where(zero.any(-1), zero.argmax(-1) + 1, 0) if n else xp.zeros(a.shape[:-2], "int32")
    check_info(info, f"cholesky_inverse: {{at}}The diagonal element {{info}} is zero, {SINGULAR}")
    low = xp.swapaxes(a, -1, -2).conj() if upper else a
    inverted = xp.lapack.triangular(low, xp.eye(n, dtype=a.dtype), False, False)
    return xp.matmul(xp.swapaxes(inverted, -1, -2).conj(), inverted)


@cholesky_inverse.vjp
def _(g, out, a, *, upper):
    """The whole matrix gets a gradient, as in PyTorch, though one triangle is read."""
    both = out @ (g + adjoint_of(g)) @ out
    return -(a @ both if upper else both @ a)


batched(cholesky_inverse)
cholesky_inverse.refuse("onnx", "ONNX has no inverse of matrices")


@composite(method=False)
def linalg_lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False
):
    """X with A @ X = B (X @ A = B unless `left`), A given by `lu_factor`; with `adjoint` of A.mH.

    >>> import flambeau
    >>> LU, pivots = flambeau.linalg.lu_factor(flambeau.tensor([[0.0, 2.0], [1.0, 0.0]]))
    >>> flambeau.linalg.lu_solve(LU, pivots, flambeau.tensor([[4.0], [3.0]]))
    tensor([[3.],
            [2.]])
    """
    _check_lu_solve(LU, pivots)
    check_same("linalg.lu_solve", LU, B, "LU", "B")
    check_system("linalg.lu_solve", LU, B, left)
    if not left:
        return adjoint_of(
            linalg_lu_solve(LU, pivots, adjoint_of(B), left=True, adjoint=not adjoint)
        )
    if not adjoint:
        low = solve_lower(LU, permuted(B, pivots, False), False, True)
        return solve_lower(LU, low, True, False)
    back = adjoint_of(LU)
    return permuted(solve_lower(back, solve_lower(back, B, False, False), True, True), pivots, True)


def _check_lu_solve(LU: Tensor, pivots: Tensor) -> None:
    check_square("torch.linalg.lu_solve", LU)
    check_floating("linalg.lu_solve", LU)
    check(
        pivots.dtype.name == "int32",
        lambda: "linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32",
    )
    check(
        tuple(pivots.shape) == tuple(LU.shape[:-1]),
        lambda: (
            "linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix"
        ),
    )


@composite
def lu_solve(input: Tensor, LU_data: Tensor, LU_pivots: Tensor):
    """X with A @ X = input, A given by `lu_factor`; as `linalg.lu_solve` with the right side first.

    >>> import flambeau
    >>> flambeau.lu_solve(flambeau.ones(1, 1), *flambeau.linalg.lu_factor(flambeau.tensor([[4.0]])))
    tensor([[0.2500]])
    """
    return linalg_lu_solve(LU_data, LU_pivots, input)


@primitive(method=False)
def linalg_ldl_solve(LD: Meta, pivots: Meta, B: Meta, *, hermitian: bool = False):
    """X with A @ X = B for symmetric (Hermitian) A, given by `ldl_factor`. It has no gradient, as in PyTorch.

    >>> import flambeau
    >>> LD, pivots = flambeau.linalg.ldl_factor(flambeau.tensor([[4.0]]))
    >>> flambeau.linalg.ldl_solve(LD, pivots, flambeau.ones(1, 1))
    tensor([[0.2500]])
    """
    _check_ldl_solve(LD, pivots, B)
    return B.like((*broadcast_shapes(LD.shape[:-2], B.shape[:-2]), *B.shape[-2:]))


def _check_ldl_solve(ld: Any, pivots: Any, b: Any) -> None:
    check_square("torch.linalg.ldl_solve", ld)
    check_floating("torch.linalg.ldl_solve", ld)
    check_matrix("torch.linalg.ldl_solve", b, "B")
    check_same("torch.linalg.ldl_solve", ld, b, "LD", "B")
    check_system("torch.linalg.ldl_solve", ld, b)
    check(
        pivots.dtype.name.lstrip("u").startswith("int"),
        lambda: (
            f"torch.linalg.ldl_solve: Expected pivots to be integers. Got {scalar_name(pivots)}"
        ),
    )
    check(
        tuple(pivots.shape) == tuple(ld.shape[:-1]),
        lambda: (
            f"torch.linalg.ldl_solve: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with "
            f"shape {list(pivots.shape)} instead"
        ),
    )


@linalg_ldl_solve.kernel
def _(xp, ld, pivots, b, *, hermitian):
    _check_ldl_solve(ld, pivots, b)
    return xp.lapack.ldl_solve(ld, pivots, b, hermitian)


@linalg_ldl_solve.batch
def _(size, flags, ld, pivots, b, *, hermitian):
    ld, pivots, b = aligned(size, flags, (2, 1, 2), (ld, pivots, b))
    if flags[1] and not flags[0]:
        ld = ld.expand(size, *ld.shape)
    if flags[0] and not flags[1]:
        pivots = pivots.expand(size, *pivots.shape)
    return linalg_ldl_solve(ld, pivots, b, hermitian=hermitian)


linalg_ldl_solve.no_vjp("PyTorch has no gradient of ldl_solve; linalg.solve has one")
linalg_ldl_solve.refuse("onnx", NO_ONNX)
