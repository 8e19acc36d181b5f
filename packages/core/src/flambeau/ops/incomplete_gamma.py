"""The regularized incomplete gamma functions P(a, x) and Q(a, x) = 1 - P(a, x).

Four ways, each where few steps do: a power series left of a, a continued fraction right of it, Temme's uniform expansion
around large a, and for small a and x the series of Q itself, which 1 - P would lose. After Gautschi, A computational
procedure for incomplete gamma functions (1979), and DLMF 8.7, 8.9 and 8.12.
"""

from __future__ import annotations

import math
from typing import Any

from ..runtime.elementwise import ndarray
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.operator import registry
from ..runtime.promotion import result_type
from ..runtime.tensor import Tensor
from . import coefficients as c
from .doubles import aligned, in_double, pairwise, polynomial
from .exponential import exp, log
from .gamma import lgamma

MOST = 2000  # steps of a series; 200 are needed at worst
EPSILON = 2.0**-54
BLOCK = 1 << 13  # elements at a time: NumPy takes 0.16 s for 100,000, 0.44 in blocks of 1,024


@primitive(method=False, promote=in_double)
def _igamma(input: Meta, other: Meta, upper: bool):
    """P(input, other), or with `upper` Q, of doubles."""
    return pairwise("igamma", input, other)


@_igamma.kernel
def _(xp, a, x, *, upper):
    a, x = xp.broadcast_arrays(a, x)
    shape = a.shape
    a, x = a.ravel(), x.ravel()
    if type(a) is not ndarray or a.size <= BLOCK:
        return _block(xp, a, x, upper).reshape(shape)
    out = xp.empty_like(a)
    for i in range(0, a.size, BLOCK):
        out[i : i + BLOCK] = _block(xp, a[i : i + BLOCK], x[i : i + BLOCK], upper)
    return out.reshape(shape)


def _block(xp, a, x, upper):
    out = xp.full(a.shape, math.nan)
    inner = (a > 0) & (x > 0) & (a < math.inf) & (x < math.inf)
    # At the edges P is 0 or 1: nothing is below x = 0 or right of an infinite a, everything below an infinite x.
    one = ((a == 0) & (x > 0)) | ((a > 0) & (a < math.inf) & (x == math.inf))
    zero = ((a > 0) & (x == 0)) | ((a == math.inf) & (x >= 0) & (x < math.inf))
    out[one], out[zero] = (0.0, 1.0) if upper else (1.0, 0.0)
    temme = inner & (a > 20) & (xp.abs(x - a) < 0.3 * a)
    rest = inner & ~temme
    fraction = rest & (x > 1.1) & (x >= a)
    small = rest & (x <= 1.1) & xp.where(x <= 0.5, a <= -0.4 / xp.log(x), 1.1 * x >= a)
    power = rest & ~fraction & ~small
    for chosen, way, gives_upper in (
        (temme, _temme_upper if upper else _temme_lower, upper),
        (fraction, _fraction, True),
        (small, _small, True),
        (power, _power, False),
    ):
        if chosen.any():
            value = way(xp, a[chosen], x[chosen])
            out[chosen] = value if gives_upper is upper else 1 - value
    return out


def _converge(xp, step, *given):
    """The last result of `step(k, *state) -> (result, change, *state)`, repeated until the change is below EPSILON.

    Every eighth step says so, and sends those elements home that are done.
    """
    out: Any = None
    places: Any = None
    state: Any = given
    for k in range(1, MOST):
        result, change, *state = step(float(k), *state)
        if k % 8:
            continue
        if out is None:
            out, places = result.copy(), xp.arange(result.size)
        else:
            out[places] = result
        going = xp.abs(change) > EPSILON
        left = int(going.sum())
        if not left:
            break
        if 2 * left < going.size:
            places, state = places[going], [s[going] for s in state]
    return out


def _log_gamma(xp, a):
    return registry["_lgamma"].kernels[None](xp, a)


def _log_gamma_beside_one(xp, a):
    """log(gamma(1 + a)), to the last digit also for tiny a."""
    near = a * polynomial(2 * xp.minimum(a, 0.5), c.LGAMMA) - xp.log1p(a)
    return xp.where(a <= 0.5, near, _log_gamma(xp, 1 + a))


def _excess(xp, x, a):
    """r - 1 - log(r) for r = x / a > 0, to its last digits also where r is near 1."""
    d = (x - a) / a
    s = d / (2 + d)
    series, power = 0.0, s * s
    for k in range(12, 0, -1):  # (atanh(s) - s) / s^3
        series = series * power + 1 / (2 * k + 1)
    near = 2 * power / (1 - s) - 2 * s * power * series
    return xp.where(xp.abs(d) < 0.35, near, d - xp.log(x / a))


def _density(xp, a, x):
    """x^a exp(-x) / gamma(1 + a)."""
    out = xp.empty_like(a)
    near, far = a < 8, a >= 8
    if near.any():
        b, y = a[near], x[near]
        out[near] = xp.exp(b * xp.log(y) - y - _log_gamma_beside_one(xp, b))
    if far.any():
        b, y = a[far], x[far]
        stirling = polynomial(128 / (b * b) - 1, c.STIRLING) / b
        out[far] = xp.exp(-b * _excess(xp, y, b) - stirling) / xp.sqrt(2 * math.pi * b)
    return out


def _power(xp, a, x):
    """P by its power series: density times 1 + x / (a + 1) + x^2 / ((a + 1) (a + 2)) + ..."""

    def step(k, a, x, term, total):
        term = term * (x / (a + k))
        total = total + term
        return total, term / total, a, x, term, total

    return _density(xp, a, x) * _converge(xp, step, a, x, xp.ones_like(a), xp.ones_like(a))


def _fraction(xp, a, x):
    """Q by its continued fraction, evaluated from the front (Lentz)."""

    def step(k, a, b, d, ratio, total):
        numerator, b = k * (a - k), b + 2
        d = 1 / (numerator * d + b)
        ratio = b + numerator / ratio
        total = total * (ratio * d)
        return total, (ratio * d - 1) / 4, a, b, d, ratio, total

    b = x + 1 - a
    infinite = xp.full(a.shape, math.inf)
    return _density(xp, a, x) * a * _converge(xp, step, a, b, 1 / b, infinite, 1 / b)


def _small(xp, a, x):
    """Q for small a and x: 1 - x^a / gamma(1 + a) and the rest of P's alternating series."""

    def step(k, a, x, term, total):
        term = term * (-x / k)
        total = total + term / (a + k)
        return total, term, a, x, term, total

    logs = a * xp.log(x) - _log_gamma_beside_one(xp, a)
    total = _converge(xp, step, a, x, xp.ones_like(a), xp.zeros_like(a))
    return -xp.expm1(logs) - xp.exp(logs) * a * total


def _temme(xp, a, x):
    """(eta sqrt(a / 2), what the normal distribution misses)."""
    eta = xp.sign(x - a) * xp.sqrt(2 * _excess(xp, x, a))
    total = 0.0
    for row in reversed(c.TEMME):
        total = total / a + polynomial(eta, row)
    return eta * xp.sqrt(a / 2), xp.exp(-a * eta * eta / 2) / xp.sqrt(2 * math.pi * a) * total


def _temme_lower(xp, a, x):
    z, rest = _temme(xp, a, x)
    return 0.5 * xp.erfc(-z) - rest


def _temme_upper(xp, a, x):
    z, rest = _temme(xp, a, x)
    return 0.5 * xp.erfc(z) + rest


def _slope(a, x):
    """The derivative of P by x: x^(a - 1) exp(-x) / gamma(a)."""
    return exp((a - 1) * log(x) - x - lgamma(a))


def _refuse():
    raise NotImplementedError(
        "the derivative for 'igamma' by its first argument is not implemented."
    )


@_igamma.vjp
def _(g, _out, a, x, *, upper):
    def by_other():
        slope = _slope(a, x)
        return (g * (-slope if upper else slope)).sum_to_size(tuple(x.shape))

    return _refuse, by_other


@_igamma.jvp
def _(tangents, out, a, x, *, upper):
    if tangents[0] is not None:
        _refuse()
    slope = _slope(a, x)
    return (tangents[1] * (-slope if upper else slope)).expand(out.shape)


@_igamma.batch
def _(size, batched, a, x, *, upper):
    return _igamma(*aligned(batched, a, x), upper)


_igamma.refuse("onnx", "a series whose length depends on the values is no graph")


def _regularized(name: str, input: Tensor, other: Tensor, upper: bool) -> Tensor:
    kind = result_type(input, other)
    if not kind.is_floating_point:
        raise NotImplementedError(f"{name}: not implemented for {kind}; expected floating point")
    return _igamma(input, other, upper).to(kind)


@composite(numbers=())
def igamma(input: Tensor, other: Tensor):
    """The regularized lower incomplete gamma function P(input, other).

    The share of `other` in the integral of t^(input - 1) exp(-t). There is no derivative by `input`.

    >>> import flambeau
    >>> flambeau.igamma(flambeau.tensor([4.0]), flambeau.tensor([3.0, 4.0]))
    tensor([0.3528, 0.5665])
    """
    return _regularized("igamma", input, other, False)


@composite(numbers=())
def igammac(input: Tensor, other: Tensor):
    """The regularized upper incomplete gamma function, 1 - igamma(input, other).

    >>> import flambeau
    >>> flambeau.igammac(flambeau.tensor([4.0]), flambeau.tensor([3.0, 4.0]))
    tensor([0.6472, 0.4335])
    """
    return _regularized("igammac", input, other, True)
