"""Linear algebra: determinants, powers and exponentials of square matrices, products of many.

Factors are in `factorizations`, equations in `solvers`, eigenvalues and singular values in `spectra`, norms in `norms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._base.checks import check
from .._base.dtypes import bool_
from .._base.limits import finfo
from ..runtime.dispatch import write_out
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .creation import eye
from .exponential import log
from .joining import cat
from .matrices import (
    NO_ONNX,
    adjoint_of,
    batched,
    check_floating,
    check_square,
    scalar_name,
)
from .matrix import matmul
from .solvers import inv_with_info

# -- determinants -----------------------------------------------------------------------------------------------------


def _check_det(x: Any) -> None:
    check_square("linalg.det", x)
    check_floating("linalg.det", x, "lu_cpu")


@primitive(method=False)
def linalg_det(A: Meta):
    """The determinant of square matrices.

    Singular matrices have the gradient that is the limit there, the cofactors; PyTorch gives zeros for a zero pivot.

    >>> import flambeau
    >>> flambeau.linalg.det(flambeau.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(-2.)
    """
    _check_det(A)
    return A.like(A.shape[:-2])


@linalg_det.kernel
def _(xp, a):
    _check_det(a)
    return xp.linalg.det(a)


@linalg_det.vjp
def _(g, _out, a):
    return g.unsqueeze(-1).unsqueeze(-1) * cofactors(a).conj()


batched(linalg_det)


@linalg_det.onnx
def _(builder, a):
    return builder.node("Det", [a])


@primitive(method=False)
def cofactors(A: Meta):
    """The derivatives of the determinant: det(A) * inv(A).mT, and their limit where A is singular.

    With A = U S Vh it is det(U Vh) conj(U) adj(S) conj(Vh), where adj(S) has the products of all the other singular values.
    """
    _check_det(A)
    return A


@cofactors.kernel
def _(xp, a):
    _check_det(a)
    if not a.size:
        return a.copy()
    inverted, info = xp.lapack.inverse(a)
    out = xp.swapaxes(inverted, -1, -2) * xp.asarray(xp.linalg.det(a))[..., None, None]
    singular = info != 0
    if singular.any():
        out[singular] = _cofactors_of_singular(xp, a[singular])
    return out


def _cofactors_of_singular(xp: Any, a: Any) -> Any:
    u, s, vh = xp.linalg.svd(a)
    phase = xp.linalg.det(u) * xp.linalg.det(vh)
    ones = xp.ones_like(s[..., :1])
    before = xp.cumprod(xp.concatenate([ones, s[..., :-1]], axis=-1), axis=-1)
    after = xp.cumprod(xp.concatenate([ones, s[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    others = (before * after * phase[..., None]).astype(a.dtype)
    return xp.matmul(u.conj() * others[..., None, :], vh.conj())


@cofactors.vjp
def _(g, out, a):
    """With C = det(A) A^-T: sum(conj(C) g) A^-H - A^-H g^T conj(C). Of singular matrices the inverse is taken a little beside."""
    inverted = inv_with_info(_regular(a), "linalg.det", False)[0]
    back = inverted.mT.conj()
    inner = (out.conj() * g).sum((-2, -1), True)
    return back * inner - back @ g.mT @ out.conj()


def _regular(a: Tensor) -> Tensor:
    """Singular matrices moved by a hundred roundings; others as they are."""
    singular = (inv_with_info(a.detach(), "linalg.det", False)[1] != 0).to(a.dtype)
    size = a.detach().abs().amax((-2, -1)).to(a.dtype) + finfo(a.dtype).tiny
    shift = (singular * size * (100 * finfo(a.dtype).eps)).unsqueeze(-1).unsqueeze(-1)
    return a + shift * eye(a.shape[-1], dtype=a.dtype, device=a.device)


batched(cofactors)
cofactors.refuse("onnx", NO_ONNX)


@composite
def det(input: Tensor):
    """The determinant of square matrices; as `linalg.det`.

    >>> import flambeau
    >>> flambeau.det(flambeau.eye(2) * 2)
    tensor(4.)
    """
    return linalg_det(input)


def _check_slogdet(x: Any) -> None:
    check_square("linalg.slogdet", x)
    check_floating("linalg.slogdet", x)


@primitive(method=False, outputs=("sign", "logabsdet"))
def linalg_slogdet(A: Meta):
    """(sign, log of the size) of the determinant, which itself may over- or underflow.

    >>> import flambeau
    >>> flambeau.linalg.slogdet(flambeau.eye(2)).sign
    tensor(1.)
    """
    _check_slogdet(A)
    real = A.dtype.to_real() if A.dtype.is_complex else None
    return A.like(A.shape[:-2]), A.like(A.shape[:-2], real)


@linalg_slogdet.kernel
def _(xp, a):
    _check_slogdet(a)
    sign, size = xp.linalg.slogdet(a)
    return xp.asarray(sign), xp.asarray(size)


@linalg_slogdet.vjp
def _(g, out, a):
    """(g[log] + i Im(g[sign] conj(sign))) A^-H: a real sign does not move, a complex one turns."""
    (to_sign, to_size), sign = g, out[0]
    if a.is_complex():
        turn = (to_sign * sign.conj()).imag
        to_size = to_size + 1j * turn
    inverted = inv_with_info(a, "linalg.slogdet", False)[0]
    return to_size.unsqueeze(-1).unsqueeze(-1) * adjoint_of(inverted)


batched(linalg_slogdet)
linalg_slogdet.refuse("onnx", "ONNX has the determinant only; export det")


@composite(outputs=("sign", "logabsdet"))
def slogdet(input: Tensor) -> Any:
    """(sign, log of the size) of the determinant; as `linalg.slogdet`.

    >>> import flambeau
    >>> flambeau.slogdet(flambeau.eye(2)).logabsdet
    tensor(0.)
    """
    return slogdet.op.tags["named"](*linalg_slogdet(input))


@composite
def logdet(input: Tensor):
    """log of the determinant; NaN where that is negative.

    >>> import flambeau
    >>> flambeau.logdet(flambeau.eye(2))
    tensor(0.)
    """
    sign, size = linalg_slogdet(input)
    return log(sign) + size


# -- powers and exponentials ------------------------------------------------------------------------------------------


@composite
def matrix_power(input: Tensor, n: int):
    """A square matrix times itself n times; of its inverse for n < 0.

    >>> import flambeau
    >>> flambeau.matrix_power(flambeau.eye(2) * 2, 3).tolist()
    [[8.0, 0.0], [0.0, 8.0]]
    """
    check_square("linalg.matrix_power", input)
    if n < 0:
        return matrix_power(inv_with_info(input, "linalg.inv", True)[0], -n)
    if n == 0:
        unit = eye(input.shape[-1], dtype=input.dtype, device=input.device)
        # Not input * 0, which is NaN for what is not finite.
        return input.masked_fill(unit.new_ones((), dtype=bool_), 0) + unit
    if n == 1:
        return input.clone()
    if n == 3:  # two products; squaring twice would be no more, but this rounds as PyTorch does
        return matmul(matmul(input, input), input)
    out, square = None, input
    while n:
        if n & 1:
            out = square if out is None else matmul(out, square)
        n >>= 1
        square = matmul(square, square) if n else square
    return out


# Padé's approximants to exp (Higham, The scaling and squaring method revisited, 2005): the degree, and up to which norm it
# is exact in single and in double precision.
_PADE = {
    "single": ((3, 0.4258730016922831), (5, 1.880152677804762), (7, 3.925724783138660)),
    "double": (
        (3, 0.01495585217958292), (5, 0.2539398330063230), (7, 0.9504178996162932), (9, 2.097847961257068),
        (13, 5.371920351148152),
    ),
}  # fmt: skip


def _coefficients(degree: int) -> list[float]:
    """c[j] of the numerator of Padé's [degree/degree] approximant, c[0] = 1."""
    made = [1.0]
    for j in range(1, degree + 1):
        made.append(made[-1] * (degree - j + 1) / (j * (2 * degree - j + 1)))
    return made


def _approximant(xp: Any, a: Any, degree: int) -> Any:
    """Padé's approximant of each matrix: (V - U)^-1 (V + U), U and V the odd and the even powers."""
    c = _coefficients(degree)
    unit = xp.eye(a.shape[-1], dtype=a.dtype)
    squared = xp.matmul(a, a)
    power, even, odd = unit, c[0] * unit, c[1] * unit
    for j in range(2, degree + 1, 2):
        power = squared if j == 2 else xp.matmul(power, squared)
        even = even + c[j] * power
        if j + 1 <= degree:
            odd = odd + c[j + 1] * power
    odd = xp.matmul(a, odd)
    return xp.linalg.solve(even - odd, even + odd)


def _check_exp(x: Any) -> None:
    check_square("linalg.matrix_exp", x)
    kind = scalar_name(x)
    check(
        kind in ("Half", "BFloat16", "Float", "Double") or kind.startswith("Complex"),
        lambda: (
            f"linalg.matrix_exp: Expected a floating point or complex tensor as input. Got {kind}"
        ),
    )


@primitive
def matrix_exp(input: Meta):
    """exp of square matrices, I + A + A^2 / 2 + ...: by Padé's approximants, scaling and squaring.

    >>> import flambeau
    >>> flambeau.matrix_exp(flambeau.tensor([[0.0, 1.0], [0.0, 0.0]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    _check_exp(input)
    return input


@matrix_exp.kernel
def _(xp, a):
    _check_exp(a)
    if not a.size:
        return a.copy()
    kind = a.dtype
    if kind.itemsize == 2:  # computed in float32, rounded once
        a = a.astype("float32")
    rows = _PADE["single" if a.real.dtype.itemsize == 4 else "double"]
    flat = a.reshape(-1, *a.shape[-2:])
    size = xp.abs(flat).sum(-2).max(-1)
    out = xp.empty_like(flat)
    done = xp.zeros(size.shape, dtype=bool)
    for degree, bound in rows[:-1]:
        chosen = ~done & (size <= bound)
        if chosen.any():
            out[chosen] = _approximant(xp, flat[chosen], degree)
        done |= chosen
    if not done.all():
        degree, bound = rows[-1]
        rest = flat[~done]
        steps = xp.ceil(xp.log2(xp.where(xp.isfinite(size[~done]), size[~done], 1) / bound))
        steps = xp.maximum(steps, 0)
        made = _approximant(xp, rest / (2.0**steps)[:, None, None].astype(rest.real.dtype), degree)
        for i in range(int(steps.max())):
            more = steps > i
            made[more] = xp.matmul(made[more], made[more])
        out[~done] = xp.where(xp.isfinite(size[~done])[:, None, None], made, xp.nan)
    return out.reshape(a.shape).astype(kind)


@matrix_exp.vjp
def _(g, _out, a):
    """exp of [[A^H, G], [0, A^H]] has the gradient in its upper right corner (Najfeld and Havel, 1995)."""
    n = a.shape[-1]
    back = adjoint_of(a)
    rows = [cat([back, g], -1), cat([back * 0, back], -1)]
    return matrix_exp(cat(rows, -2))[..., :n, n:]


batched(matrix_exp)
matrix_exp.refuse("onnx", "ONNX has no exponential of matrices")


@composite(method=False)
def linalg_matrix_exp(input: Tensor):
    """exp of square matrices; as `matrix_exp`.

    >>> import flambeau
    >>> flambeau.linalg.matrix_exp(flambeau.zeros(1, 1))
    tensor([[1.]])
    """
    return matrix_exp(input)


# -- products of many -------------------------------------------------------------------------------------------------


@composite(method=False)
def linalg_multi_dot(tensors: Sequence[Tensor]):
    """Product of several matrices, in the order that costs least; the first and last may be vectors.

    >>> import flambeau
    >>> flambeau.linalg.multi_dot([flambeau.ones(2, 3), flambeau.ones(3, 4), flambeau.ones(4)]).shape
    flambeau.Size([2])
    """
    count = len(tensors)
    check(count >= 2, lambda: f"multi_dot(): expected at least 2 tensors but got {count}")
    for i, t in enumerate(tensors):
        end = i in (0, count - 1)
        check(
            t.ndim == 2 or (end and t.ndim == 1),
            lambda: (
                f"multi_dot(): the {'first' if i == 0 else 'last'} tensor must be 1D or 2D but got {t.ndim}D"
                if end
                else f"multi_dot(): tensor {i} must be 2D but got {t.ndim}D"
            ),
        )
        check(
            t.dtype is tensors[0].dtype,
            lambda: (
                "multi_dot(): all tensors must have be the same dtype but tensor 0 is "
                f"{scalar_name(tensors[0]).lower()} and tensor {i} {scalar_name(t).lower()}"
            ),
        )
    first, last = tensors[0].ndim == 1, tensors[-1].ndim == 1
    parts = [*tensors]
    parts[0] = parts[0].unsqueeze(0) if first else parts[0]
    parts[-1] = parts[-1].unsqueeze(1) if last else parts[-1]
    for i in range(count - 1):
        check(
            parts[i].shape[1] == parts[i + 1].shape[0],
            lambda: (
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(parts[i].shape)} and "
                f"{list(parts[i + 1].shape)} cannot be multiplied"
            ),
        )
    out = _product(parts, _cheapest(parts), 0, count - 1)
    out = out.squeeze(0) if first else out
    return out.squeeze(-1) if last else out


def _product(parts: list, split: list[list[int]], i: int, j: int) -> Any:
    if i == j:
        return parts[i]
    k = split[i][j]
    return matmul(_product(parts, split, i, k), _product(parts, split, k + 1, j))


def _cheapest(parts: list) -> list[list[int]]:
    """split[i][j]: after which of the parts i to j their product is best taken apart (dynamic programming)."""
    sizes = [p.shape[0] for p in parts] + [parts[-1].shape[1]]
    n = len(parts)
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], split[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )
    return split


@composite(method=False)
def chain_matmul(*matrices: Tensor, out: Any = None):
    """Product of several matrices, in the order that costs least; PyTorch's older `linalg.multi_dot`.

    >>> import flambeau
    >>> flambeau.chain_matmul(flambeau.ones(2, 3), flambeau.ones(3, 1)).shape
    flambeau.Size([2, 1])
    """
    for i, m in enumerate(matrices):
        check(
            isinstance(m, Tensor),
            lambda: f"expected Tensor as element {i} in argument 0, but got {type(m).__name__}",
            TypeError,
        )
        check(
            m.ndim == 2, lambda: f"chain_matmul: Tensor dimension is {m.ndim}, expected 2 instead."
        )
    check(matrices, lambda: "chain_matmul(): Expected one or more matrices")
    made = matrices[0].clone() if len(matrices) == 1 else linalg_multi_dot(list(matrices))
    return made if out is None else write_out(chain_matmul.op, out, made)
