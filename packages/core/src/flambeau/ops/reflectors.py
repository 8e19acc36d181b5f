"""The reflectors that QR is made of, and products with the orthogonal matrix that they stand for."""

from __future__ import annotations

from typing import Any

from .._base.checks import check
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .creation import tril, triu
from .factorizations import tall_unit
from .matrices import (
    NO_ONNX,
    adjoint_of,
    batched,
    check_floating,
    check_matrix,
    check_same,
    scalar_name,
)
from .solvers import solve_lower


@primitive(outputs=("a", "tau"))
def geqrf(input: Meta):
    """(a, tau) as LAPACK's: R in a's upper triangle, below it and in tau the reflectors that `householder_product` reads.

    It has no gradient, as in PyTorch; `linalg.qr` has one.

    >>> import flambeau
    >>> flambeau.geqrf(flambeau.tensor([[3.0], [4.0]])).a
    tensor([[-5.0000],
            [ 0.5000]])
    """
    _check_geqrf(input)
    return input, input.like((*input.shape[:-2], min(input.shape[-2:])))


def _check_geqrf(x: Any) -> None:
    check_matrix("torch.geqrf", x, "input")
    check_floating("torch.geqrf", x, "geqrf_cpu")


@geqrf.kernel
def _(xp, a):
    _check_geqrf(a)
    if not a.size:
        return a.copy(), xp.zeros((*a.shape[:-2], min(a.shape[-2:])), dtype=a.dtype)
    turned, tau = xp.linalg.qr(a, mode="raw")
    return xp.swapaxes(turned, -1, -2), tau


geqrf.no_vjp("the derivative for 'geqrf' is not implemented, in PyTorch neither; linalg.qr has one")
batched(geqrf)
geqrf.refuse("onnx", NO_ONNX)


def _reflected(a: Tensor, tau: Tensor, other: Tensor, adjoint: bool) -> Tensor:
    """Q @ other, or Q.mH @ other: Q is the product of the reflectors I - tau[i] v v^H, v the i-th column of `a` below a one.

    Q is I - V T V^H with T = (I + D S)^-1 D, where D = diag(tau) and S = triu(V^H V, 1) (Schreiber and Van Loan's compact
    form, 1989, without its division by tau): three products and a triangular solve, whatever k is.
    """
    k = tau.shape[-1]
    v = tril(a[..., :, :k], -1) + tall_unit(a, a.shape[-2], k)
    back = adjoint_of(v)
    scale = tau.unsqueeze(-1)
    mixing = scale * triu(back @ v, 1)  # I + D S without its ones, which the solver supplies
    along = back @ other
    if adjoint:
        scale = scale.conj() if scale.is_complex() else scale
        return other - v @ (scale * solve_lower(adjoint_of(mixing), along, False, True))
    return other - v @ solve_lower(mixing, scale * along, True, True)


def _check_reflectors(name: str, a: Tensor, tau: Tensor) -> None:
    check(a.ndim >= 2, lambda: f"{name}: input must have at least 2 dimensions.")
    check_floating(name, a, "householder_product_cpu")
    check(
        a.ndim - tau.ndim == 1 and tuple(a.shape[:-2]) == tuple(tau.shape[:-1]),
        lambda: (
            f"{name}: Expected tau to have one dimension less than input and equal batches, but got input of shape "
            f"{list(a.shape)} and tau of shape {list(tau.shape)}"
        ),
    )
    check(
        tau.dtype is a.dtype,
        lambda: f"{name}: tau dtype {scalar_name(tau)} does not match input dtype {scalar_name(a)}",
    )


@composite(method=False)
def linalg_householder_product(input: Tensor, tau: Tensor):
    """The first n columns of the product of k reflectors I - tau[i] v v^H, v a column of `input` (m, n) below a one: Q of geqrf.

    >>> import flambeau
    >>> flambeau.linalg.householder_product(*flambeau.geqrf(flambeau.tensor([[3.0], [4.0]])))
    tensor([[-0.6000],
            [-0.8000]])
    """
    name = "torch.linalg.householder_product"
    check(input.ndim >= 2, lambda: f"{name}: input must have at least 2 dimensions.")
    check(tau.ndim, lambda: "Dimension specified as -1 but tensor has no dimensions", IndexError)
    m, n = input.shape[-2:]
    check(
        m >= n,
        lambda: f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]",
    )
    check(
        n >= tau.shape[-1],
        lambda: f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]",
    )
    _check_reflectors(name, input, tau)
    return _reflected(input, tau, tall_unit(input, m, n).expand(*input.shape[:-2], m, n), False)


@composite
def orgqr(input: Tensor, input2: Tensor):
    """The Q of `geqrf`; as `linalg.householder_product`.

    >>> import flambeau
    >>> flambeau.orgqr(*flambeau.geqrf(flambeau.tensor([[3.0], [4.0]])))
    tensor([[-0.6000],
            [-0.8000]])
    """
    return linalg_householder_product(input, input2)


@composite
def ormqr(
    input: Tensor, input2: Tensor, input3: Tensor, left: bool = True, transpose: bool = False
):
    """Q @ input3 (input3 @ Q unless `left`), Q or its adjoint if `transpose`, for the Q of (input, input2) from `geqrf`.

    >>> import flambeau
    >>> a, tau = flambeau.geqrf(flambeau.tensor([[3.0], [4.0]]))
    >>> flambeau.ormqr(a, tau, flambeau.tensor([[3.0], [4.0]]), transpose=True)
    tensor([[-5.],
            [ 0.]])
    """
    name = "torch.ormqr"
    _check_reflectors(name, input, input2)
    check_same(name, input, input3, "input", "other")
    check(input3.ndim >= 2, lambda: f"{name}: other must have at least 2 dimensions.")
    side = -2 if left else -1
    rows = input3.shape[side]
    check(
        rows >= input2.shape[-1],
        lambda: f"{name}: other.shape[{side}] must be greater than or equal to tau.shape[-1]",
    )
    check(
        rows == input.shape[-2],
        lambda: f"{name}: other.shape[{side}] must be equal to input.shape[-2]",
    )
    check(
        input2.shape[-1] == min(rows, input.shape[-1]),
        lambda: f"{name}: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])",
    )
    check(
        tuple(input.shape[:-2]) == tuple(input3.shape[:-2]),
        lambda: (
            f"{name}: batch dimensions of other to be equal to input.shape[:-2], but got {list(input3.shape[:-2])}"
        ),
    )
    if not (input.numel() and input2.numel() and input3.numel()):
        return input3.clone()
    if left:
        return _reflected(input, input2, input3, transpose)
    return adjoint_of(_reflected(input, input2, adjoint_of(input3), not transpose))
