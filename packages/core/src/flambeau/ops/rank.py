"""Pseudo-inverse, rank and condition of matrices, by their singular values."""

from __future__ import annotations

from typing import Any

from .._base.checks import check
from .._base.dtypes import int64
from .._base.limits import finfo
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .creation import tensor
from .matrices import (
    NO_ONNX,
    adjoint_of,
    aligned,
    check_floating,
    check_matrix,
    check_square,
    scalar_name,
)
from .norms import linalg_matrix_norm
from .reduction import amax, sum
from .solvers import inv_with_info
from .spectra import linalg_eigvalsh, no_convergence, singular_values


def pinv_pullback(g: Tensor, inverted: Tensor, a: Tensor) -> Tensor:
    """The gradient of A through its pseudo-inverse P (Golub and Pereyra, 1973):

    -P^H g P^H + (I - A P) g^H P P^H + P^H P g^H (I - P A)
    """
    back, gh = adjoint_of(inverted), adjoint_of(g)
    first = gh @ (inverted @ back)
    second = (back @ inverted) @ gh
    made = -(back @ g @ back) + first - a @ (inverted @ first)
    return made + second - (second @ inverted) @ a


@primitive(method=False)
def pinv_of(A: Meta, atol: Meta, rtol: Meta, hermitian: bool):
    """The pseudo-inverse by singular values (or eigenvalues) above max(atol, rtol * the largest)."""
    _check_pinv(A, hermitian)
    return A.like((*A.shape[:-2], A.shape[-1], A.shape[-2]))


def _check_pinv(x: Any, hermitian: bool) -> None:
    check(
        x.ndim >= 2 and x.dtype.name in ("float32", "float64", "complex64", "complex128"),
        lambda: (
            f"linalg.pinv({scalar_name(x)}{{{list(x.shape)}}}): expected a tensor with 2 or more dimensions of float, "
            "double, cfloat or cdouble types"
        ),
    )
    if hermitian:
        check_square("linalg.pinv", x)


@pinv_of.kernel
def _(xp, a, atol, rtol, *, hermitian):
    _check_pinv(a, hermitian)
    try:
        if hermitian:
            values, u = xp.linalg.eigh(a)
            vh = xp.swapaxes(u, -1, -2).conj()
        else:
            u, values, vh = xp.linalg.svd(a, full_matrices=False)
    except ValueError:
        solve = xp.linalg.eigh if hermitian else xp.linalg.svd
        no_convergence("linalg.pinv", "singular values", xp, a, solve)
    size = xp.abs(values)
    bound = xp.maximum(atol[..., None], rtol[..., None] * size.max(-1, keepdims=True))
    keep = size > bound
    over = xp.where(keep, 1 / xp.where(keep, values, 1), 0).astype(a.dtype)
    v, uh = xp.swapaxes(vh, -1, -2).conj(), xp.swapaxes(u, -1, -2).conj()
    return xp.matmul(v * over[..., None, :], uh)


@pinv_of.vjp
def _(g, out, a, _atol, _rtol):
    return pinv_pullback(g, out, a), None, None


@pinv_of.batch
def _(size, flags, a, atol, rtol, *, hermitian):
    return pinv_of(*aligned(size, flags, (2, 0, 0), (a, atol, rtol)), hermitian)


pinv_of.refuse("onnx", NO_ONNX)


def _tolerances(name: str, A: Tensor, atol: Any, rtol: Any) -> tuple[Tensor, Tensor]:
    """Both as real tensors: nothing given means rtol = eps * the larger size, only atol given rtol = 0."""
    kind = A.dtype.to_real() if A.dtype.is_complex else A.dtype

    def real(x: Any, letter: str) -> Tensor:
        if not isinstance(x, Tensor):
            return tensor(float(x), dtype=kind, device=A.device)
        check(
            not x.is_complex(),
            lambda: f"{name}: {letter} tensor of complex type is not supported.",
        )
        return x.to(kind)

    if rtol is None:
        rtol = finfo(A.dtype).eps * max(A.shape[-2:])
        if isinstance(atol, Tensor):
            rtol = (atol > 0).to(kind).mul(-rtol).add(rtol)
        elif atol:
            rtol = 0.0
    return real(0.0 if atol is None else atol, "atol"), real(rtol, "rtol")


@composite(method=False)
def linalg_pinv(
    input: Tensor,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
):
    """The pseudo-inverse, by singular values above max(atol, rtol * the largest); of Hermitian matrices by eigenvalues.

    Both tolerances may be tensors, one for each matrix. Unless either is given, rtol is eps times the larger size.
    `rcond`, second by position, is rtol's older name.

    >>> import flambeau
    >>> flambeau.linalg.pinv(flambeau.tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    _check_pinv(input, hermitian)
    if rtol is None:
        rtol = rcond
    if not input.numel():
        return input.mT * 1
    return pinv_of(input, *_tolerances("linalg.pinv", input, atol, rtol), hermitian)


@composite
def pinverse(input: Tensor, rcond: float = 1e-15):
    """The pseudo-inverse, by singular values above `rcond` times the largest.

    >>> import flambeau
    >>> flambeau.pinverse(flambeau.tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    return linalg_pinv(input, rtol=rcond)


@composite(method=False)
def linalg_matrix_rank(
    input: Tensor,
    tol: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
):
    """How many singular values are above max(atol, rtol * the largest); `tol` is atol with rtol = 0.

    >>> import flambeau
    >>> flambeau.linalg.matrix_rank(flambeau.tensor([[1.0, 1.0], [1.0, 1.0]]))
    tensor(1)
    """
    check_matrix("linalg.matrix_rank", input)
    check_floating("linalg.matrix_rank", input, "svd_cpu")
    if tol is not None:
        atol, rtol = tol, 0.0
    if not input.numel():
        return input.new_zeros(tuple(input.shape[:-2])).to(int64)
    input = input.detach()
    atol, rtol = _tolerances("torch.linalg.matrix_rank", input, atol, rtol)
    size = linalg_eigvalsh(input).abs() if hermitian else singular_values(input)
    bound = atol.maximum(rtol * amax(size, -1))
    return sum(size > bound.unsqueeze(-1), -1)


@composite(method=False)
def linalg_cond(input: Tensor, p: Any = None):
    """The condition of matrices: the largest over the smallest singular value, or for a norm p, |A| * |A^-1|.

    p is None, 2, -2 (by singular values, of matrices of any shape), "fro", "nuc", inf, -inf, 1 or -1. Singular matrices have
    infinity.

    >>> import flambeau
    >>> flambeau.linalg.cond(flambeau.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor(2.)
    """
    check_matrix("linalg.cond", input)
    check_floating("linalg.cond", input, "svd_cpu")
    check(
        p in (None, "fro", "nuc", 1, -1, 2, -2, float("inf"), -float("inf")),
        lambda: f"linalg.cond got an invalid norm type: {p}",
    )
    kind = input.dtype.to_real() if input.dtype.is_complex else input.dtype
    if not input.numel():
        return input.new_zeros(tuple(input.shape[:-2]), dtype=kind)
    if p in (None, 2, -2):
        s = singular_values(input)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    check_square(f"linalg.cond(ord={p})", input)
    inverted, info = inv_with_info(input, "linalg.inv", False)
    singular = info != 0
    made = linalg_matrix_norm(input, p) * linalg_matrix_norm(
        inverted.masked_fill(singular.unsqueeze(-1).unsqueeze(-1), 0), p
    )
    return made.masked_fill(singular, float("inf"))
