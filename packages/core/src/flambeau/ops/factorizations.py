"""Matrices as products of simpler ones: LU, LDL, Cholesky and QR, and the reflectors that QR is made of."""

from __future__ import annotations

from typing import Any

from .._base.checks import broadcast_shapes, check, fail
from .._base.dtypes import int32, int64
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .creation import arange, eye, tril, triu
from .joining import cat
from .matrices import (
    NO_ONNX,
    adjoint_of,
    batched,
    check_floating,
    check_info,
    check_matrix,
    check_square,
    check_supported,
    unit_like,
)
from .solvers import solve_lower

# -- LU ---------------------------------------------------------------------------------------------------------------


ZERO_PIVOT = (
    "{at}U[{info},{info}] is zero and using it on lu_solve would result in a division by zero. "
    "If you still want to perform the factorization, consider calling linalg.lu(A, pivot) or "
    "linalg.lu_factor_ex(A, pivot)"
)


@primitive(method=False, outputs=("LU", "pivots", "info"))
def lu_with_info(A: Meta, pivot: bool, strict: str):
    """(LU, pivots, info) of matrices, as LAPACK's getrf: A = P @ L @ U, L and U in one matrix, L's ones left out.

    Row i was swapped with row pivots[i] - 1, in this order. info is 0, or the place of the first zero pivot: an error of
    `strict`, if that names an operator.
    """
    _check_lu(A)
    k = min(A.shape[-2:])
    return A, A.like((*A.shape[:-2], k), int32), A.like(A.shape[:-2], int32)


def _check_lu(x: Any) -> None:
    check(
        x.ndim >= 2,
        lambda: (
            f"torch.lu_factor: Expected tensor with 2 or more dimensions. Got size: {list(x.shape)} instead"
        ),
    )
    check_supported(x, "lu_cpu")


@lu_with_info.kernel
def _(xp, a, *, pivot, strict):
    _check_lu(a)
    made = xp.lapack.lu(a, pivot)
    if strict:
        check_info(made[2], f"{strict}: {ZERO_PIVOT}", RuntimeError)
    return made


@lu_with_info.vjp
def _(g, out, a: Meta):
    """With A = P L U and F = tril(L^H gL, -1) + triu(gU U^H): the gradient is P L^-H F U^-H.

    Of wide and tall matrices the part beside or below the square one is solved for first.
    """
    (packed, pivots, _info), g = out, g[0]
    m, n = a.shape[-2:]
    k = min(m, n)
    square, gsquare = packed[..., :k, :k], g[..., :k, :k]
    low, up = tril(square, -1) + unit_like(square), triu(square)
    to_low, to_up = tril(gsquare, -1), triu(gsquare)
    left = adjoint_of(low) @ to_low
    right = to_up @ adjoint_of(up)
    if n > k:
        beside = g[..., :, k:]
        left = left - beside @ adjoint_of(packed[..., :, k:])
    if m > k:
        below = g[..., k:, :]
        right = right - adjoint_of(packed[..., k:, :]) @ below
    inner = tril(left, -1) + triu(right)
    lower = adjoint_of(low)
    # inner @ U^-H, then L^-H @ it
    inner = adjoint_of(solve_lower(up, adjoint_of(inner), True, False))
    made = solve_lower(lower, inner, True, True)
    if n > k:
        made = cat([made, solve_lower(lower, beside, True, True)], -1)
    if m > k:
        made = cat([made, adjoint_of(solve_lower(up, adjoint_of(below), True, False))], -2)
    return permuted(made, pivots, True)


batched(lu_with_info)
lu_with_info.refuse("onnx", NO_ONNX)


@primitive(method=False)
def rows_of_pivots(pivots: Meta, rows: int, back: bool):
    """Where each row comes from after the swaps that `pivots` tell (0 to rows - 1); `back`: where each went to."""
    return pivots.like((*pivots.shape[:-1], rows), int64)


@rows_of_pivots.kernel
def _(xp, pivots, *, rows, back):
    outer = pivots.shape[:-1]
    if pivots.size and not (int(pivots.min()) >= 1 and int(pivots.max()) <= rows):
        raise RuntimeError(
            "pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive."
            "Did you properly pass the result of lu_factor?"
        )
    if (
        0 < pivots.size <= 8 * pivots.shape[-1]
    ):  # few matrices: lists are quicker than arrays of one
        swaps = pivots.reshape(-1, pivots.shape[-1]).tolist()
        order = xp.asarray([_swapped(s, rows) for s in swaps], dtype="int64").reshape(*outer, rows)
    else:
        flat = pivots.reshape(_count(outer), pivots.shape[-1])
        order = xp.broadcast_to(xp.arange(rows), (flat.shape[0], rows)).copy()
        each = xp.arange(flat.shape[0])
        for i in range(flat.shape[-1]):
            at = flat[:, i] - 1
            here = order[:, i].copy()
            order[:, i] = order[each, at]
            order[each, at] = here
        order = order.reshape(*outer, rows)
    return xp.argsort(order, axis=-1) if back else order


def _count(sizes: Any) -> int:
    n = 1
    for s in sizes:
        n *= s
    return n


def _swapped(swaps: list[int], rows: int) -> list[int]:
    order = list(range(rows))
    for i, j in enumerate(swaps):
        order[i], order[j - 1] = order[j - 1], order[i]
    return order


rows_of_pivots.no_vjp("integer output")
rows_of_pivots.refuse("onnx", NO_ONNX)


@rows_of_pivots.batch
def _(size, flags, pivots, *, rows, back):
    return rows_of_pivots(pivots, rows, back)


def permuted(x: Tensor, pivots: Tensor, back: bool) -> Tensor:
    """P.T @ x for the swaps that `pivots` tell, or P @ x with `back`; batches broadcast."""
    order = rows_of_pivots(pivots, x.shape[-2], back).unsqueeze(-1)
    outer = broadcast_shapes(tuple(order.shape[:-2]), tuple(x.shape[:-2]))
    shape = (*outer, *tuple(x.shape[-2:]))
    return x.expand(shape).gather(-2, order.expand(shape))


def _factored(A: Tensor, pivot: bool, strict: str = "") -> Any:
    if not pivot and A.device.type == "cpu":
        fail("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    return lu_with_info(A, pivot, strict)


@composite(method=False, outputs=("LU", "pivots", "info"))
def linalg_lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """(LU, pivots, info): as `lu_factor`, with the place of the first zero pivot or 0 instead of an error.

    >>> import flambeau
    >>> flambeau.linalg.lu_factor_ex(flambeau.zeros(2, 2)).info
    tensor(1, dtype=flambeau.int32)
    """
    return linalg_lu_factor_ex.op.tags["named"](
        *_factored(A, pivot, "torch.linalg.lu_factor_ex" if check_errors else "")
    )


@composite(method=False, outputs=("LU", "pivots"))
def linalg_lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """(LU, pivots) for `lu_solve`: L and U in one matrix, L's diagonal of ones left out. RuntimeError for a zero pivot.

    >>> import flambeau
    >>> flambeau.linalg.lu_factor(flambeau.tensor([[1.0, 2.0], [2.0, 2.0]])).pivots
    tensor([2, 2], dtype=flambeau.int32)
    """
    made = _factored(A, pivot, "torch.linalg.lu_factor")
    return linalg_lu_factor.op.tags["named"](made[0], made[1])


@composite(method=False, outputs=("P", "L", "U"))
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """(P, L, U) of what `lu_factor` gives; what is not asked for is empty.

    >>> import flambeau
    >>> P, L, U = flambeau.lu_unpack(*flambeau.linalg.lu_factor(flambeau.tensor([[1.0, 2.0], [2.0, 2.0]])))
    >>> L
    tensor([[1.0000, 0.0000],
            [0.5000, 1.0000]])
    """
    check_matrix("lu_unpack", LU_data)
    m, n = LU_data.shape[-2:]
    k = min(m, n)
    check(
        not unpack_pivots or tuple(LU_pivots.shape) == (*LU_data.shape[:-2], k),
        lambda: (
            f"torch.lu_unpack: LU_pivots must have shape {[*LU_data.shape[:-2], k]} for LU_data of shape "
            f"{list(LU_data.shape)}, but got {list(LU_pivots.shape)}"
        ),
    )
    check(
        LU_pivots.dtype is int32,
        lambda: (
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\n"
            "Note: this function is intended to be used with the output produced by torch.linalg.lu_factor"
        ),
    )
    P = L = U = LU_data.new_zeros((0,))
    if unpack_data:
        low = LU_data[..., :, :k]
        L = tril(low, -1) + tall_unit(low, m, k)
        U = triu(LU_data[..., :k, :])
    if unpack_pivots:
        order = rows_of_pivots(LU_pivots, m, False)
        places = arange(m, device=LU_data.device).unsqueeze(-1)
        P = (order.unsqueeze(-2) == places).to(LU_data.dtype)
    return lu_unpack.op.tags["named"](P, L, U)


def tall_unit(x: Tensor, m: int, n: int) -> Tensor:
    """The m x n matrix with ones on its diagonal, of x's dtype and device."""
    return eye(m, n, dtype=x.dtype, device=x.device)


@composite(method=False, outputs=("P", "L", "U"))
def linalg_lu(A: Tensor, *, pivot: bool = True) -> Any:
    """(P, L, U) with A = P @ L @ U: a permutation, a lower triangle with ones on the diagonal, an upper triangle.

    >>> import flambeau
    >>> flambeau.linalg.lu(flambeau.tensor([[1.0, 2.0], [2.0, 2.0]])).P
    tensor([[0., 1.],
            [1., 0.]])
    """
    made = _factored(A, pivot)
    return linalg_lu.op.tags["named"](*lu_unpack(made[0], made[1]))


_Lu = linalg_lu_factor_ex.op.tags["named"]


@composite(name="lu", truths=("get_infos",))
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """(LU, pivots), and with `get_infos` the places of zero pivots: PyTorch's older `linalg.lu_factor_ex`.

    >>> import flambeau
    >>> flambeau.lu(flambeau.tensor([[2.0]]))[0]
    tensor([[2.]])
    """
    made = _factored(A, pivot)
    return _Lu(*made) if get_infos else (made[0], made[1])


# -- Cholesky ---------------------------------------------------------------------------------------------------------

NOT_POSITIVE = (
    "The factorization could not be completed because the input is not positive-definite "
    "(the leading minor of order {info} is not positive-definite)."
)


def _check_cholesky(caller: str, x: Any) -> None:
    check_square(caller, x)
    check_floating(caller, x, "cholesky_cpu")


@primitive(method=False, outputs=("L", "info"))
def cholesky_with_info(A: Meta, upper: bool, caller: str, strict: bool):
    """(L, info) with L @ L.mH = A, or its adjoint with `upper`; info is the order of the first minor that is not positive.

    With `strict` that is an error, in the name of `caller`.
    """
    _check_cholesky(caller, A)
    return A, A.like(A.shape[:-2], int32)


@cholesky_with_info.kernel
def _(xp, a, *, upper, caller, strict):
    _check_cholesky(caller, a)
    # One triangle is read, as everywhere; with `upper` that is the upper one.
    low, info = xp.lapack.cholesky(xp.swapaxes(a, -1, -2).conj() if upper else a)
    # Not every LAPACK says that a pivot was no number.
    lost = xp.isnan(xp.diagonal(low, axis1=-2, axis2=-1))
    if lost.any():
        order = (xp.argmax(lost, axis=-1) + 1).astype(info.dtype)
        info = xp.where((info == 0) & lost.any(-1), order, info)
    if strict:
        check_info(info, f"{caller}: {{at}}{NOT_POSITIVE}")
    return xp.swapaxes(low, -1, -2).conj() if upper else low, info


@cholesky_with_info.vjp
def _(g, out, _a, *, upper):
    """With F = tril(L^H gL), and the adjoint of what is below its diagonal added: L^-H F L^-1 / 2.

    PyTorch keeps the imaginary part of F's diagonal, which no Hermitian change of A feels; so it is kept here.
    """
    low, to_low = (adjoint_of(out[0]), adjoint_of(g[0])) if upper else (out[0], g[0])
    inner = tril(adjoint_of(low) @ tril(to_low))
    both = (inner + adjoint_of(tril(inner, -1))) * 0.5
    back = adjoint_of(low)
    half = solve_lower(back, both, True, False)
    return adjoint_of(solve_lower(back, adjoint_of(half), True, False))


batched(cholesky_with_info)
cholesky_with_info.refuse("onnx", NO_ONNX)


@composite(method=False)
def linalg_cholesky(input: Tensor, *, upper: bool = False):
    """L lower triangular with L @ L.mH = input, for Hermitian positive-definite matrices; its adjoint with `upper`.

    >>> import flambeau
    >>> flambeau.linalg.cholesky(flambeau.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    return cholesky_with_info(input, upper, "linalg.cholesky", True)[0]


@composite(method=False, outputs=("L", "info"))
def linalg_cholesky_ex(input: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """(L, info): as `cholesky`, with 0 or the order of the first minor that is not positive instead of an error.

    >>> import flambeau
    >>> flambeau.linalg.cholesky_ex(-flambeau.eye(2)).info
    tensor(1, dtype=flambeau.int32)
    """
    made = cholesky_with_info(input, upper, "linalg.cholesky_ex", check_errors)
    return linalg_cholesky_ex.op.tags["named"](*made)


@composite
def cholesky(input: Tensor, upper: bool = False):
    """The factor L of positive-definite matrices; as `linalg.cholesky`.

    >>> import flambeau
    >>> flambeau.cholesky(flambeau.tensor([[4.0]]))
    tensor([[2.]])
    """
    return cholesky_with_info(input, upper, "cholesky", True)[0]


# -- LDL --------------------------------------------------------------------------------------------------------------


def _check_ldl(x: Any) -> None:
    check_square("torch.linalg.ldl_factor_ex", x)
    check_floating("torch.linalg.ldl_factor_ex", x, "ldl_factor_cpu")


@primitive(method=False, outputs=("LD", "pivots", "info"))
def ldl_with_info(A: Meta, hermitian: bool, strict: bool):
    """(LD, pivots, info) of symmetric (Hermitian) matrices, as LAPACK's sytrf (hetrf) of the lower triangle.

    info is 0, or the place of a zero block: with `strict` an error.
    """
    _check_ldl(A)
    return A, A.like(A.shape[:-1], int32), A.like(A.shape[:-2], int32)


@ldl_with_info.kernel
def _(xp, a, *, hermitian, strict):
    _check_ldl(a)
    factors, pivots, info = xp.lapack.ldl(a, hermitian)
    if strict:
        check_info(
            info,
            "torch.linalg.ldl_factor_ex: {at}D[{info},{info}] is zero, so that ldl_solve would divide by zero: "
            "the matrix is singular",
        )
    return xp.tril(factors), pivots, info


ldl_with_info.no_vjp("PyTorch has no gradient of LDL factors")
batched(ldl_with_info)
ldl_with_info.refuse("onnx", NO_ONNX)


@composite(method=False, outputs=("LD", "pivots", "info"))
def linalg_ldl_factor_ex(
    input: Tensor, *, hermitian: bool = False, check_errors: bool = False
) -> Any:
    """(LD, pivots, info) for `ldl_solve`: as `ldl_factor`, with the place of a zero block or 0 instead of an error.

    >>> import flambeau
    >>> flambeau.linalg.ldl_factor_ex(flambeau.zeros(2, 2)).info
    tensor(1, dtype=flambeau.int32)
    """
    return linalg_ldl_factor_ex.op.tags["named"](*ldl_with_info(input, hermitian, check_errors))


@composite(method=False, outputs=("LD", "pivots"))
def linalg_ldl_factor(input: Tensor, *, hermitian: bool = False) -> Any:
    """(LD, pivots) of symmetric (Hermitian) matrices, for `ldl_solve`; the lower triangle is read. LinAlgError if singular.

    L and the block-diagonal D are in one matrix; pivots are LAPACK's, negative for blocks of two.

    >>> import flambeau
    >>> flambeau.linalg.ldl_factor(flambeau.tensor([[4.0, 2.0], [2.0, 5.0]])).LD
    tensor([[4.0000, 0.0000],
            [0.5000, 4.0000]])
    """
    made = ldl_with_info(input, hermitian, True)
    return linalg_ldl_factor.op.tags["named"](made[0], made[1])


# -- QR ---------------------------------------------------------------------------------------------------------------

MODES = ("reduced", "complete", "r")


def _check_qr(x: Any, mode: str) -> None:
    check_matrix("linalg.qr", x)
    check_floating("linalg.qr", x, "geqrf_cpu")
    check(
        mode in MODES,
        lambda: (
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        ),
    )


@primitive(method=False, outputs=("Q", "R"))
def linalg_qr(A: Meta, mode: str = "reduced"):
    """(Q, R) with A = Q @ R: Q has orthonormal columns, R is upper triangular.

    For (m, n) and k the smaller: "reduced" gives (m, k) and (k, n), "complete" (m, m) and (m, n), "r" no Q.

    >>> import flambeau
    >>> Q, R = flambeau.linalg.qr(flambeau.eye(2) * 2)
    >>> Q @ R
    tensor([[2., 0.],
            [0., 2.]])
    """
    _check_qr(A, mode)
    *outer, m, n = A.shape
    k = m if mode == "complete" else min(m, n)
    return A.like((0,) if mode == "r" else (*outer, m, k)), A.like((*outer, k, n))


@linalg_qr.kernel
def _(xp, a, *, mode):
    _check_qr(a, mode)
    if mode == "r":
        return xp.zeros((0,), dtype=a.dtype), xp.linalg.qr(a, mode="r")
    q, r = xp.linalg.qr(a, mode=mode)
    return q, r


@linalg_qr.vjp
def _(g, out, a: Meta, *, mode):
    """With M = R gR^H - gQ^H Q, made Hermitian from its lower triangle: gA = (gQ + Q M) R^-H.

    Of wide matrices that is the square part; the columns beside it are Q @ R2, and their gradient is Q @ gR2.
    """
    check(
        mode != "r",
        lambda: (
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. "
            "Please use linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr."
        ),
    )
    m, n = a.shape[-2:]
    check(
        mode != "complete" or m <= n,
        lambda: (
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols."
        ),
    )
    (gq, gr), (q, r) = g, out
    k = min(m, n)
    r1, gr1 = r[..., :, :k], gr[..., :, :k]
    if n > k:
        beside = q @ gr[..., :, k:]
        gq = gq + q @ (r[..., :, k:] @ adjoint_of(gr[..., :, k:]))
    middle = r1 @ adjoint_of(triu(gr1)) - adjoint_of(gq) @ q
    low = tril(middle, -1)
    inner = gq + q @ (low + adjoint_of(low) + middle.diagonal(0, -2, -1).real.diag_embed())
    made = adjoint_of(solve_lower(r1, adjoint_of(inner), True, False))
    return cat([made, beside], -1) if n > k else made


batched(linalg_qr)
linalg_qr.refuse("onnx", NO_ONNX)


@composite(outputs=("Q", "R"))
def qr(input: Tensor, some: bool = True) -> Any:
    """(Q, R) with input = Q @ R; with `some` reduced, else complete. As `linalg.qr`.

    >>> import flambeau
    >>> q, r = flambeau.qr(flambeau.eye(2) * 2)
    >>> q @ r
    tensor([[2., 0.],
            [0., 2.]])
    """
    return qr.op.tags["named"](*linalg_qr(input, "reduced" if some else "complete"))
