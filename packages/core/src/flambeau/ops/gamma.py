"""The gamma function's relatives of one argument: log gamma, digamma, and their multivariate and higher forms."""

from __future__ import annotations

import math

from .. import ir
from .._base.checks import check
from ..runtime.families import composite
from ..runtime.tensor import Tensor
from . import coefficients as c
from .creation import arange
from .doubles import inexact, polynomial, real, special
from .zeta import _polygamma


def _sin_pi(r):
    """sin(pi r) for |r| <= 1/2. The C library's sine would keep the whole loop scalar."""
    return r * polynomial(8 * r * r - 1, c.SIN_PI)


def _cos_pi(r):
    return polynomial(8 * r * r - 1, c.COS_PI)


@special
def lgamma(input):
    """Logarithm of the absolute value of the gamma function; infinite at 0, -1, -2, ...

    Around 2 by a polynomial, elsewhere by gamma(x + 1) = x gamma(x), beyond 8 by Stirling's series, below 0 by
    gamma(x) gamma(-x) = -pi / (x sin(pi x)).

    >>> import flambeau
    >>> flambeau.lgamma(flambeau.tensor([0.5, 1.0, 10.0]))
    tensor([ 0.5724,  0.0000, 12.8018])
    """
    a = ir.abs(input)
    product, steps = 1.0, 0.0
    for j in range(1, 7):
        beyond = a >= j + 1.5
        product, steps = product * ir.where(beyond, a - j, 1.0), steps + ir.where(beyond, 1.0, 0.0)
    low, mid = a < 0.5, a < 1.5
    w = ir.where(low, a, ir.where(mid, a - 1, a - 2 - steps))
    logs = ir.log(ir.where(low, a * (a + 1), ir.where(mid, a, product)))
    near = w * polynomial(2 * w, c.LGAMMA) + ir.where(mid, -logs, logs)
    stirling = polynomial(128 / (a * a) - 1, c.STIRLING) / a
    far = (a - 0.5) * (ir.log(a) - 1) + (stirling + (0.5 * math.log(2 * math.pi) - 0.5))
    positive = ir.where(a < 8, near, far)
    wave = ir.abs(_sin_pi(a - ir.round(a)))
    mirrored = ir.where(a < 1e-17, positive, ir.log(math.pi / (a * wave)) - positive)
    mirrored = ir.where(ir.eq(wave, 0), math.inf, mirrored)
    return ir.where(ir.eq(a, math.inf), math.inf, ir.where(input < 0, mirrored, positive))


@lgamma.slope
def _(_out, x):
    return digamma(x)


@special
def digamma(input):
    """Derivative of `lgamma`; NaN at -1, -2, ..., infinite at 0.

    >>> import flambeau
    >>> flambeau.digamma(flambeau.tensor([1.0, 0.5]))
    tensor([-0.5772, -1.9635])
    """
    a = ir.abs(input)
    base, total = ir.where(a < 1, a + 1, a), ir.as_expr(0.0)
    for j in range(1, 7):
        beyond = a > j + 1
        base, total = ir.where(beyond, a - j, base), total + ir.where(beyond, 1 / (a - j), 0.0)
    first, second, third = c.DIGAMMA_ROOT
    near = ((base - first) - second - third) * polynomial(2 * base - 3, c.DIGAMMA) + total
    r = 1 / (a * a)
    far = ir.log(a) - 0.5 / a - r * polynomial(128 * r - 1, c.DIGAMMA_FAR)
    beyond_one = ir.where(a < 8, near, far)
    positive = ir.where(a < 1, near - 1 / a, beyond_one)
    off = a - ir.round(a)
    mirrored = ir.where(a < 1, near, beyond_one + 1 / a) + math.pi * (_cos_pi(off) / _sin_pi(off))
    mirrored = ir.where(ir.eq(off, 0), math.nan, mirrored)
    return ir.where(ir.eq(a, 0), -1 / input, ir.where(input < 0, mirrored, positive))


@digamma.slope
def _(_out, x):
    return _polygamma(x, 1)


@composite(ints=("p",))
def mvlgamma(input: Tensor, p: int):
    """Logarithm of the multivariate gamma function of dimension `p`, defined for x > (p - 1) / 2.

    p (p - 1) / 4 log(pi) plus the sum of lgamma(x - k / 2) over k < p.

    >>> import flambeau
    >>> flambeau.mvlgamma(flambeau.tensor([2.0, 3.0]), 2)
    tensor([0.4516, 1.5502])
    """
    x = real("mvlgamma", input)
    check(x.dtype.name != "bool", lambda: "mvlgamma: The input tensor may not be a boolean tensor.")
    check(p >= 1, lambda: f"mvlgamma: p has to be greater than or equal to 1, got {p}")
    kind = inexact(x.dtype)
    halves = arange(p, device=x.device) * -0.5
    terms = lgamma(x.to(kind).double().unsqueeze(-1) + halves.double())
    return (terms.sum(-1) + p * (p - 1) / 4 * math.log(math.pi)).to(kind)
