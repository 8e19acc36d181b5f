"""Inverses and solutions of linear equations: of square, triangular, factored and tall matrices, and of tensors."""

from __future__ import annotations

from typing import Any

from .._base.checks import broadcast_shapes, check
from .._base.dtypes import int32, int64
from .._base.limits import finfo
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.promotion import SAME
from ..runtime.tensor import Tensor
from .creation import tril, triu
from .matrices import (
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
from .matrix import matmul

SINGULAR = "the inversion could not be completed because the input matrix is singular."


# -- inverse ----------------------------------------------------------------------------------------------------------


def _check_inverse(caller: str, x: Any) -> None:
    check_square(caller, x)
    check_floating(caller, x)


@primitive(method=False, outputs=("inverse", "info"))
def inv_with_info(A: Meta, caller: str, strict: bool):
    """(inverse, info): info is 0, or the place of the zero pivot that shows a matrix to be singular.

    With `strict` a singular matrix is an error, in the name of `caller`.
    """
    _check_inverse(caller, A)
    return A, A.like(A.shape[:-2], int32)


@inv_with_info.kernel
def _(xp, a, *, caller, strict):
    _check_inverse(caller, a)
    made, info = xp.lapack.inverse(a)
    if strict:
        check_info(info, f"{caller}: {{at}}The diagonal element {{info}} is zero, {SINGULAR}")
    return made, info


@inv_with_info.vjp
def _(g, out, _a):
    back = adjoint_of(out[0])
    return -(back @ g[0] @ back)


batched(inv_with_info)
inv_with_info.refuse("onnx", "ONNX has no inverse of matrices")


@composite(method=False)
def linalg_inv(A: Tensor):
    """The inverse of square matrices. LinAlgError where one is singular.

    >>> import flambeau
    >>> flambeau.linalg.inv(flambeau.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return inv_with_info(A, "linalg.inv", True)[0]


@composite(method=False, outputs=("inverse", "info"))
def linalg_inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """(inverse, info) of square matrices: info is 0, or the place of a singular matrix's zero pivot.

    >>> import flambeau
    >>> flambeau.linalg.inv_ex(flambeau.zeros(2, 2)).info
    tensor(1, dtype=flambeau.int32)
    """
    made = inv_with_info(A, "linalg.inv_ex", check_errors)
    return linalg_inv_ex.op.tags["named"](*made)


@composite
def inverse(input: Tensor):
    """The inverse of square matrices; as `linalg.inv`.

    >>> import flambeau
    >>> flambeau.inverse(flambeau.tensor([[4.0]]))
    tensor([[0.2500]])
    """
    return linalg_inv(input)


# -- square systems ---------------------------------------------------------------------------------------------------


def check_system(name: str, A: Any, B: Any, left: bool = True) -> None:
    """Refuses B whose size does not fit square A, in the equation A X = B or X A = B."""
    check_square(name, A)
    check_matrix(name, B, "B")
    check(
        B.shape[-2 if left else -1] == A.shape[-1],
        lambda: (
            f"{name}: Incompatible shapes of A and B for the equation {'AX' if left else 'XA'} = B "
            f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        ),
    )


@primitive(method=False, outputs=("result", "info"))
def solve_with_info(A: Meta, B: Meta, caller: str, strict: bool):
    """(X, info) with A @ X = B for square matrices A and matrices B, both in batches that broadcast.

    info is 0, or the place of the zero pivot that shows a matrix to be singular: an error of `caller` if `strict`.
    """
    _check_solve(caller, A, B)
    outer = broadcast_shapes(A.shape[:-2], B.shape[:-2])
    return B.like((*outer, *B.shape[-2:])), A.like(A.shape[:-2], int32)


def _check_solve(caller: str, a: Any, b: Any) -> None:
    check_square(caller, a)
    check_floating(caller, a)
    check_same(caller, a, b)
    check_system(caller, a, b)


@solve_with_info.kernel
def _(xp, a, b, *, caller, strict):
    _check_solve(caller, a, b)
    made, info = xp.lapack.solve(a, b)
    if strict:
        check_info(
            info,
            f"torch.{caller}: {{at}}The solver failed because the input matrix is singular.",
        )
    return made, info


@solve_with_info.vjp
def _(g, out, a, b: Meta, *, caller, strict):
    to_b = solve_with_info(adjoint_of(a), g[0], caller, strict)[0]
    return (
        lambda: (-(to_b @ adjoint_of(out[0]))).sum_to_size(a.shape),
        lambda: to_b.sum_to_size(b.shape),
    )


@solve_with_info.batch
def _(size, flags, a, b, *, caller, strict):
    a, b = aligned(size, flags, (2, 2), (a, b))
    made, info = solve_with_info(a, b, caller, strict)
    # One row of A's batch, if only B is mapped: the info of A goes to every row.
    return made, info if flags[0] else info.expand(size, *info.shape)


solve_with_info.refuse("onnx", "ONNX solves no systems of equations")


def _is_vector(A: Tensor, B: Tensor) -> bool:
    """Whether B holds vectors: one, or one for each matrix of A."""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))


def _solve(A: Tensor, B: Tensor, left: bool, name: str, strict: bool) -> tuple[Tensor, Tensor]:
    check_square(name, A)
    check_floating(name, A)
    check_same(name, A, B)
    if _is_vector(A, B):
        check(
            left,
            lambda: (
                f"{name}: Vector broadcasting of the left hand side is not supported for left=False."
                " In this case linalg.solve is equivalent to B / A.squeeze(-1)"
            ),
        )
        made, info = solve_with_info(A, B.unsqueeze(-1), name, strict)
        return made.squeeze(-1), info
    check_system(name, A, B, left)
    if left:
        made, info = solve_with_info(A, B, name, strict)
        return made, info
    made, info = solve_with_info(A.mT, B.mT, name, strict)
    return made.mT, info


@composite(method=False)
def linalg_solve(A: Tensor, B: Tensor, *, left: bool = True):
    """X with A @ X = B (X @ A = B unless `left`); B holds vectors or matrices. LinAlgError where A is singular.

    >>> import flambeau
    >>> flambeau.linalg.solve(flambeau.eye(2) * 2, flambeau.tensor([2.0, 4.0]))
    tensor([1., 2.])
    """
    return _solve(A, B, left, "linalg.solve", True)[0]


@composite(method=False, outputs=("result", "info"))
def linalg_solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """(X, info) with A @ X = B: info is 0, or the place of a singular matrix's zero pivot.

    >>> import flambeau
    >>> flambeau.linalg.solve_ex(flambeau.eye(2) * 2, flambeau.tensor([2.0, 4.0])).result
    tensor([1., 2.])
    """
    return linalg_solve_ex.op.tags["named"](*_solve(A, B, left, "linalg.solve_ex", check_errors))


# -- triangular systems -----------------------------------------------------------------------------------------------


def _check_triangular(a: Any, b: Any) -> None:
    check_system("linalg.solve_triangular", a, b)
    check_floating("linalg.solve_triangular", a, "triangular_solve_cpu")


@primitive(method=False, promote=SAME)
def solve_lower(A: Meta, B: Meta, upper: bool, unitriangular: bool):
    """X with A @ X = B, of which one triangle is read: the lower one, or the upper one."""
    _check_triangular(A, B)
    outer = broadcast_shapes(A.shape[:-2], B.shape[:-2])
    return B.like((*outer, *B.shape[-2:]))


@solve_lower.kernel
def _(xp, a, b, *, upper, unitriangular):
    _check_triangular(a, b)
    return xp.lapack.triangular(a, b, upper, unitriangular)


@solve_lower.vjp
def _(g, out, a, b: Meta, *, upper, unitriangular):
    to_b = solve_lower(adjoint_of(a), g, not upper, unitriangular)

    def to_a():
        whole = -(to_b @ adjoint_of(out))
        part = triu(whole, int(unitriangular)) if upper else tril(whole, -int(unitriangular))
        return part.sum_to_size(a.shape)

    return to_a, lambda: to_b.sum_to_size(b.shape)


@solve_lower.batch
def _(size, flags, a, b, *, upper, unitriangular):
    return solve_lower(*aligned(size, flags, (2, 2), (a, b)), upper, unitriangular)


solve_lower.refuse("onnx", "ONNX solves no systems of equations")


@composite(method=False)
def linalg_solve_triangular(
    input: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
):
    """X with input @ X = B (X @ input = B unless `left`) for triangular `input`, of which only that triangle is read.

    With `unitriangular` the diagonal is taken to be ones. A zero on the diagonal gives infinities, no error.

    >>> import flambeau
    >>> flambeau.linalg.solve_triangular(flambeau.tensor([[2.0, 0.0], [1.0, 1.0]]), flambeau.ones(2, 1), upper=False)
    tensor([[0.5000],
            [0.5000]])
    """
    check_system("linalg.solve_triangular", input, B, left)
    if left:
        return solve_lower(input, B, upper, unitriangular)
    return solve_lower(input.mT, B.mT, not upper, unitriangular).mT


@composite(outputs=("solution", "cloned_coefficient"))
def triangular_solve(
    input: Tensor,
    A: Tensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
) -> Any:
    """(X, a copy of A) with A @ X = input for triangular A; with `transpose` of A's transpose.

    >>> import flambeau
    >>> flambeau.triangular_solve(flambeau.ones(1, 1), flambeau.tensor([[4.0]])).solution
    tensor([[0.2500]])
    """
    check_pair("triangular_solve", input, A)
    matrix = A.mT if transpose else A
    made = solve_lower(matrix, input, upper != transpose, unitriangular)
    outer = made.shape[:-2]
    return triangular_solve.op.tags["named"](made, A.expand(*outer, *A.shape[-2:]).clone())


def check_pair(name: str, b: Any, A: Any) -> None:
    """Refuses what does not fit, in the words of the older functions, whose right side comes first."""
    for letter, x in (("b", b), ("A", A)):
        check(
            x.ndim >= 2,
            lambda: (
                f"{letter} should have at least 2 dimensions, but has {x.ndim} dimensions instead"
            ),
        )
    check(
        b.dtype == A.dtype,
        lambda: (
            f"{name}: Expected b and A to have the same dtype, but found {b.dtype} and {A.dtype}"
        ),
    )
    check(
        A.shape[-1] == A.shape[-2],
        lambda: (
            f"A must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} matrices"
        ),
    )
    check(
        A.shape[-1] == b.shape[-2],
        lambda: (
            f"Incompatible matrix sizes for {name}: each A matrix is {A.shape[-1]} by {A.shape[-1]} "
            f"but each b matrix is {b.shape[-2]} by {b.shape[-1]}"
        ),
    )


# -- tall and wide systems --------------------------------------------------------------------------------------------

DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@primitive(method=False, outputs=("solution", "rank", "singular_values"))
def least_squares(A: Meta, B: Meta, rcond: float, driver: str):
    """(X, rank, singular values): X is the shortest that brings A @ X nearest to B; one batch for both.

    Gradients are those of X; singular values have none here, as in PyTorch.
    """
    _check_least_squares(A, B)
    *outer, m, n = A.shape
    some = min(m, n) if driver in ("gelsd", "gelss") else 0
    real = A.dtype.to_real() if A.dtype.is_complex else None
    return (
        B.like((*outer, n, B.shape[-1])),
        A.like(tuple(outer), int64),
        A.like((*outer, some), real),
    )


def _check_least_squares(a: Any, b: Any) -> None:
    check_floating("torch.linalg.lstsq", a)
    check(
        a.ndim >= 2 and b.ndim >= 2 and a.shape[:-1] == b.shape[:-1],
        lambda: "torch.linalg.lstsq: input.size(-2) should match other.size(-2)",
    )


@least_squares.kernel
def _(xp, a, b, *, rcond, driver):
    _check_least_squares(a, b)
    *outer, m, n = a.shape
    wanted = driver in ("gelsd", "gelss")
    real = a.real.dtype
    if not a.size or not b.size:
        return (
            xp.zeros((*outer, n, b.shape[-1]), dtype=b.dtype),
            xp.zeros(tuple(outer), dtype="int64"),
            xp.zeros((*outer, min(m, n) if wanted else 0), dtype=real),
        )
    check(not xp.isnan(a).any(), lambda: "torch.linalg.lstsq: input contains NaN")
    check(not xp.isnan(b).any(), lambda: "torch.linalg.lstsq: other contains NaN")
    made, rank, values = xp.lapack.lstsq(a, b, rcond, driver)
    return made, xp.asarray(rank).astype("int64"), values if wanted else values[..., :0]


@least_squares.vjp
def _(g, _out, a, b, *, rcond, driver):
    from .rank import linalg_pinv, pinv_pullback

    inverted = linalg_pinv(a, rtol=rcond)
    return (
        lambda: pinv_pullback(g[0] @ adjoint_of(b), inverted, a),
        lambda: adjoint_of(inverted) @ g[0],
    )


@least_squares.batch
def _(size, flags, a, b, *, rcond, driver):
    a, b = (x if has else x.expand(size, *x.shape) for x, has in zip((a, b), flags))
    return tuple(least_squares(a, b, rcond, driver))


least_squares.refuse("onnx", "ONNX solves no systems of equations")


@composite(method=False, outputs=("solution", "residuals", "rank", "singular_values"))
def linalg_lstsq(
    input: Tensor, b: Tensor, rcond: float | None = None, *, driver: str | None = None
) -> Any:
    """The X that brings input @ X nearest to b, and what is known besides: (solution, residuals, rank, singular_values).

    `driver` is LAPACK's way: "gelsy" (unless given), "gels" (input has full rank), "gelsd" and "gelss" (by singular values).
    Residuals, sums of squares over rows, are there for tall input of full rank and drivers other than gelsy; the rank for all
    but gels; singular values for gelsd and gelss. What is not there is empty.

    >>> import flambeau
    >>> A, B = flambeau.tensor([[1.0], [1.0]]), flambeau.tensor([[1.0], [3.0]])
    >>> flambeau.linalg.lstsq(A, B).solution
    tensor([[2.0000]])
    """
    name = "torch.linalg.lstsq"
    check(input.ndim >= 2, lambda: f"{name}: input must have at least 2 dimensions.")
    check(b.ndim >= 1, lambda: f"{name}: other must have at least 1 dimension.")
    check_floating(name, input)
    check(
        input.dtype is b.dtype,
        lambda: (
            f"{name}: Expected input and other to have the same dtype, but got input's dtype {scalar_name(input)} and "
            f"other's dtype {scalar_name(b)}"
        ),
    )
    difference = input.ndim - b.ndim
    check(
        0 <= difference <= 1,
        lambda: (
            f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1"
        ),
    )
    driver = "gelsy" if driver is None else driver
    check(
        driver in DRIVERS,
        lambda: f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)",
    )
    vector = difference == 1 or _is_vector(input, b)
    right = b.unsqueeze(-1) if vector else b
    rows = "-1" if vector else "-2"
    check(
        input.shape[-2] == right.shape[-2],
        lambda: f"{name}: input.size(-2) should match other.size({rows})",
    )
    m, n = input.shape[-2:]
    if rcond is None:
        rcond = finfo(input.dtype).eps * max(m, n)
    outer = broadcast_shapes(tuple(input.shape[:-2]), tuple(right.shape[:-2]))
    input, right = input.expand(*outer, m, n), right.expand(*outer, *right.shape[-2:])
    made, rank, values = least_squares(input, right, float(rcond), driver)
    real = input.dtype.to_real() if input.dtype.is_complex else input.dtype
    residuals = input.new_zeros((0,), dtype=real)
    full = driver == "gels" or (driver != "gelsy" and bool((rank == n).all()))
    if m > n and full:
        off = matmul(input, made) - right
        residuals = (off * off.conj()).real.sum(-2) if input.is_complex() else (off * off).sum(-2)
    return linalg_lstsq.op.tags["named"](
        made.squeeze(-1) if vector else made,
        residuals,
        rank.new_zeros((0,)) if driver == "gels" else rank,
        values.detach() if driver in ("gelsd", "gelss") else input.new_zeros((0,), dtype=real),
    )


# -- tensors ----------------------------------------------------------------------------------------------------------


def _count(sizes: Any) -> int:
    n = 1
    for s in sizes:
        n *= s
    return n


@composite(method=False)
def linalg_tensorinv(input: Tensor, ind: int = 2):
    """The inverse of `tensordot` with `input` over its last dimensions: its first `ind` dimensions are rows, the rest columns.

    >>> import flambeau
    >>> flambeau.linalg.tensorinv(flambeau.eye(4).reshape(2, 2, 4)).shape
    flambeau.Size([4, 2, 2])
    """
    check(ind > 0, lambda: f"Expected a strictly positive integer for 'ind', but got {ind}")
    check(
        ind <= input.ndim,
        lambda: (
            f"linalg.tensorinv: ind={ind} splits off more dimensions than the input's {input.ndim}"
        ),
    )
    first, last = tuple(input.shape[:ind]), tuple(input.shape[ind:])
    rows, columns = _count(first), _count(last)
    check(
        rows == columns,
        lambda: (
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{columns} != {rows}"
        ),
    )
    return inv_with_info(input.reshape(rows, columns), "inv", True)[0].reshape(*last, *first)


@composite(method=False)
def linalg_tensorsolve(input: Tensor, other: Tensor, dims: tuple[int, ...] | None = None):
    """X with tensordot(input, X, X.ndim) = other; `dims` of `input` are moved to the end before.

    >>> import flambeau
    >>> flambeau.linalg.tensorsolve(flambeau.eye(4).reshape(4, 2, 2), flambeau.ones(4)).shape
    flambeau.Size([2, 2])
    """
    if dims is not None:
        input = input.movedim(tuple(dims), tuple(range(input.ndim - len(dims), input.ndim)))
    shape = tuple(input.shape[other.ndim :])
    rows, columns = _count(input.shape[: other.ndim]), _count(shape)
    check(
        rows == columns,
        lambda: (
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {columns} != {rows}"
        ),
    )
    return linalg_solve(input.reshape(rows, columns), other.reshape(-1)).reshape(shape)
