"""Running sums of exponentials, kept as logarithms: logcumsumexp and its derivatives, which never overflow.

With A[k, i] = exp(x[i] - out[k]) for i <= k, a row of weights for each result that sums to one, the derivative of
logcumsumexp is A, forwards A @ t and backwards A.T @ g. Both products are one operator, `weigh`, computed in O(n) as
running sums of logarithms, positive and negative terms apart.
"""

from __future__ import annotations

from typing import Any

from .._base import dtypes
from .._base.checks import check, wrap_dim
from ..runtime.families import primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor


@primitive
def logcumsumexp(input: Meta, dim: int):
    """log of the running sum of exp(input) along `dim`, without overflow.

    >>> import flambeau
    >>> flambeau.logcumsumexp(flambeau.tensor([0.0, 0.0]), 0)
    tensor([0.0000, 0.6931])
    """
    wrap_dim(dim, input.ndim)
    check(
        input.dtype.category >= dtypes.FLOAT,
        lambda: (
            f"logcumsumexp: not defined for {input.dtype.name} tensors; cast the input with .to(dtype) first"
        ),
    )
    return input


@logcumsumexp.kernel
def _(xp, x, *, dim):
    logcumsumexp.op.body(Meta(x.shape, dtypes.from_numpy(x.dtype)), dim)
    if not x.size or not x.ndim:
        return x.copy()
    if x.dtype.kind != "c":
        return xp.logaddexp.accumulate(_wide(x), axis=dim).astype(x.dtype)
    out = x.astype("complex128")
    steps = xp.moveaxis(out, dim, 0)
    for i in range(
        1, len(steps)
    ):  # one by one: the imaginary part goes on where log's own would start anew
        a, b = steps[i - 1], steps[i]
        swap = a.real < b.real
        high, low = xp.where(swap, b, a), xp.where(swap, a, b)
        sum = xp.log1p(xp.exp(low - high)) + high
        steps[i] = xp.where(xp.isinf(high.real) & (high.real < 0), high, sum)
    return out.astype(x.dtype)


def _wide(x: Any) -> Any:
    """Running sums are kept in float64, as PyTorch keeps them; those of two-byte floats in float32."""
    return x.astype("float32" if x.dtype.itemsize == 2 else "float64")


@logcumsumexp.vjp
def _(g, out, x, *, dim):
    return weigh(g, _conjugate(out), _conjugate(x), dim, True)


@logcumsumexp.jvp
def _(tangents, out, x, *, dim):
    return weigh(tangents[0], out, x, dim, False)


@logcumsumexp.batch
def _(size, batched, x, *, dim):
    return logcumsumexp(x, wrap_dim(dim, x.ndim - 1) + 1) if x.ndim > 1 else x.clone()


logcumsumexp.refuse("onnx", "ONNX has no running sum of exponentials")


def _conjugate(x: Tensor) -> Tensor:
    return x.conj() if x.is_complex() else x


@primitive(method=False)
def weigh(g: Meta, out: Meta, x: Meta, dim: int, back: bool):
    """A @ g, or A.T @ g with `back`, for A[k, i] = exp(x[i] - out[k]) where i <= k."""
    return g


@weigh.kernel
def _(xp, g, out, x, *, dim, back):
    if not g.size:
        return g.copy()
    if not g.ndim:
        return (g * xp.exp(x - out)).astype(g.dtype)
    if g.dtype.kind != "c":
        return _weighed(xp, _wide(g), _wide(out), _wide(x), dim, back).astype(g.dtype)
    kind = g.dtype
    # The phases are no part of what may overflow: they go into the terms, whose two parts are summed one by one.
    g, out, x = (a.astype("complex128") for a in (g, out, x))
    inner, outer = (-out.imag, x.imag) if back else (x.imag, -out.imag)
    terms = g * xp.exp(1j * inner)
    real, imag = (_weighed(xp, t, out.real, x.real, dim, back) for t in (terms.real, terms.imag))
    return ((real + 1j * imag) * xp.exp(1j * outer)).astype(kind)


def _weighed(xp: Any, g: Any, out: Any, x: Any, dim: int, back: bool) -> Any:
    # Where nothing was summed yet, out is -inf, as is x: no weight there.
    some = out != -xp.inf
    inner, outer = (-out, x) if back else (x, -out)
    inner, outer = xp.where(some, inner, -xp.inf), xp.where(some, outer, 0)
    total = 0
    for sign in (1, -1):
        logs = xp.log(xp.maximum(sign * g, 0)) + inner
        logs = xp.where(g * sign > 0, logs, -xp.inf)
        if back:
            logs = xp.flip(xp.logaddexp.accumulate(xp.flip(logs, dim), axis=dim), dim)
        else:
            logs = xp.logaddexp.accumulate(logs, axis=dim)
        total = total + sign * xp.exp(logs + outer)
    return total


@weigh.vjp
def _(c, result, g, out, x, *, dim, back):
    conj = [_conjugate(t) for t in (g, out, x, result)]

    def turned() -> Tensor:
        return weigh(c, conj[1], conj[2], dim, not back)

    if back:
        return turned, lambda: -conj[0] * turned(), lambda: c * conj[3]
    return turned, lambda: -c * conj[3], lambda: conj[0] * turned()


@weigh.batch
def _(size, batched, g, out, x, *, dim, back):
    g, out, x = (
        t if b else t.unsqueeze(0).expand(size, *t.shape) for t, b in zip((g, out, x), batched)
    )
    if g.ndim == 1:  # the elements are numbers, each a row of one
        return weigh(g.unsqueeze(1), out.unsqueeze(1), x.unsqueeze(1), 1, back).squeeze(1)
    return weigh(g, out, x, wrap_dim(dim, g.ndim - 1) + 1, back)


weigh.refuse("onnx", "appears in gradients only, which are not exported")
