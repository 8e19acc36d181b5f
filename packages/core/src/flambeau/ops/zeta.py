"""Hurwitz' zeta function, and through it the higher derivatives of the gamma function's logarithm."""

from __future__ import annotations

import math

from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from . import coefficients as c
from .doubles import aligned, as_double, common, in_double, inexact, pairwise, real

DIRECT = 10  # terms summed one by one before the formula of Euler and Maclaurin takes over


@primitive(method=False, promote=in_double)
def _zeta(input: Meta, other: Meta):
    """`zeta` of doubles."""
    return pairwise("zeta", input, other)


@_zeta.kernel
def _(xp, s, q):
    below = q <= 0
    value = _positive(xp, s, xp.where(below, 1.0, q))
    if not below.any():
        return value
    # zeta(s, q) + (-1)^s zeta(s, 1 - q) has period 1 in q: three values at positive q give one at a negative q.
    first = xp.where(below, q - xp.floor(q), 0.5)
    sign = xp.where(s % 2 == 0, 1.0, -1.0)
    mirrored = _positive(xp, s, first) + sign * (
        _positive(xp, s, 1 - first) - _positive(xp, s, xp.where(below, 1 - q, 1.0))
    )
    mirrored = xp.where(q == xp.floor(q), math.inf, xp.where(s == xp.floor(s), mirrored, math.nan))
    mirrored = xp.where(s > 1, mirrored, xp.where(s == 1, math.inf, math.nan))
    return xp.where(below, mirrored, value)


def _positive(xp, s, q):
    """zeta(s, q) for q > 0: ten terms, an integral for the others, and what that misses."""
    total = q**-s
    for k in range(1, DIRECT):
        total = total + (q + k) ** -s
    a = q + DIRECT
    last = a**-s
    total = total + a * last / (s - 1) + last / 2
    factor = s * last / a
    for k, bernoulli in enumerate(c.ZETA):
        total = total + bernoulli * factor
        factor = factor * ((s + 2 * k + 1) / a) * ((s + 2 * k + 2) / a)
    total = xp.where(q == math.inf, 0.0, xp.where(s == math.inf, q**-s, total))
    return xp.where(s > 1, total, xp.where(s == 1, math.inf, math.nan))


@_zeta.vjp
def _(g, _out, s, q):
    def by_exponent():
        raise NotImplementedError(
            "the derivative for 'zeta' by its first argument is not implemented."
        )

    return by_exponent, lambda: (g * -s * _zeta(s + 1, q)).sum_to_size(tuple(q.shape))


@_zeta.jvp
def _(tangents, out, s, q):
    if tangents[0] is not None:
        raise NotImplementedError(
            "the derivative for 'zeta' by its first argument is not implemented."
        )
    return (tangents[1] * -s * _zeta(s + 1, q)).expand(out.shape)


@_zeta.batch
def _(size, batched, s, q):
    return _zeta(*aligned(batched, s, q))


_zeta.refuse("onnx", "a series of this length is no use as a graph")


@composite(method=False)
def special_zeta(input: Tensor | float, other: Tensor | float):
    """Hurwitz' zeta function: the sum of (other + k)^-input over k = 0, 1, 2, ...

    It needs input > 1, and below other = 0 a whole number. There is no derivative by `input`.

    >>> import flambeau
    >>> flambeau.special.zeta(flambeau.tensor([2.0, 4.0]), 1)
    tensor([1.6449, 1.0823])
    """
    kind = common("zeta", input, other)
    like = input if isinstance(input, Tensor) else other
    return _zeta(as_double(input, like), as_double(other, like)).to(kind)


@composite(method=False)
def _polygamma(input: Tensor, n: int):
    """`polygamma` with the tensor first, as the method has it."""
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"polygamma(): argument 'n' must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, got n = {n}")
    if n == 0:
        from .gamma import digamma  # whose slope is polygamma

        return digamma(input)
    x = real("polygamma", input)
    factor = float(math.factorial(n)) if n <= 170 else math.inf
    order = as_double(n + 1, x)
    return (_zeta(order, x.to(order.dtype)) * (factor if n % 2 else -factor)).to(inexact(x.dtype))


def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The derivative of order `n` of `digamma`: (-1)^(n + 1) n! zeta(n + 1, x).

    >>> import flambeau
    >>> flambeau.polygamma(1, flambeau.tensor([1.0, 0.5]))
    tensor([1.6449, 4.9348])
    """
    return _polygamma(input, n, out=out)
