"""The error function's relatives: scaled, inverse, the normal distribution's; and products with a logarithm."""

from __future__ import annotations

import math

from .. import ir
from ..runtime.families import elementwise
from ..runtime.operator import ONE
from ..runtime.promotion import INT_TO_FLOAT
from . import coefficients as c
from .doubles import polynomial, special
from .exponential import exp

_SQRT_HALF = math.sqrt(0.5)


def _exp_square(a, by):
    """exp(by a^2), 0 <= a <= 64: a^2 in two parts, the first exact. Rounding it would cost a^2 units in the last place."""
    whole = ir.round(16 * a) / 16
    return ir.exp(by * whole * whole) * ir.exp(by * (a - whole) * (a + whole))


def _scaled(x):
    """exp(x^2) erfc(x)."""
    a = ir.abs(x)
    s = 4 / (4 + a)
    near = s * polynomial(3 * s - 2, c.ERFCX)
    far = polynomial(128 / (a * a) - 1, c.ERFCX_FAR) / a
    positive = ir.where(a < 8, near, far)
    return ir.where(x < 0, 2 * _exp_square(ir.minimum(a, 30.0), 1) - positive, positive)


def _tail(x):
    """The probability that a standard normal variable exceeds |x|."""
    b = ir.minimum(ir.abs(x), 64.0)
    return 0.5 * _scaled(b * _SQRT_HALF) * _exp_square(b, -0.5)


def _inverse(y):
    """erfinv(y) for y^2 <= 1/2."""
    return y * polynomial(4 * y * y - 1, c.ERFINV)


def _quantile(q):
    """-ndtri(q) for 0 <= q <= 0.15."""
    s = ir.sqrt(-2 * ir.log(q))
    near, far = (s - 1.9, c.NDTRI_NEAR), (s - 6, c.NDTRI_FAR)
    of_near, of_far = (
        polynomial(t, top) / polynomial(t, bottom) for t, (top, bottom) in (near, far)
    )
    return ir.where(ir.eq(q, 0), math.inf, s * ir.where(s < 6, of_near, of_far))


@special(method=False)
def special_erfcx(input):
    """exp(x^2) erfc(x), which stays finite where erfc itself vanishes.

    >>> import flambeau
    >>> flambeau.special.erfcx(flambeau.tensor([0.0, 1.0, 100.0]))
    tensor([1.0000, 0.4276, 0.0056])
    """
    return _scaled(input)


@special_erfcx.slope
def _(out, x):
    return 2 * x * out - 2 / math.sqrt(math.pi)


@special
def erfinv(input):
    """The number whose error function each element is: infinite at -1 and 1, NaN beyond.

    >>> import flambeau
    >>> flambeau.erfinv(flambeau.tensor([0.0, 0.5]))
    tensor([0.0000, 0.4769])
    """
    tail = _quantile((1 - ir.abs(input)) / 2) * _SQRT_HALF
    tail = ir.where(input < 0, -tail, tail)
    return ir.where(input * input <= 0.5, _inverse(input), tail)


@erfinv.slope
def _(out, _x):
    return (math.sqrt(math.pi) / 2) * exp(out * out)


@special(method=False)
def special_ndtr(input):
    """Probability that a standard normal variable is at most x: (1 + erf(x / sqrt(2))) / 2.

    >>> import flambeau
    >>> flambeau.special.ndtr(flambeau.tensor([-3.0, 0.0, 3.0]))
    tensor([0.0013, 0.5000, 0.9987])
    """
    tail = _tail(input)
    return ir.where(ir.eq(input, 0), 0.5, ir.where(input < 0, tail, 1 - tail))


@special_ndtr.slope
def _(_out, x):
    return exp(-x * x / 2) * (1 / math.sqrt(2 * math.pi))


@special(method=False)
def special_log_ndtr(input):
    """Logarithm of `ndtr`, finite where that vanishes.

    >>> import flambeau
    >>> flambeau.special.log_ndtr(flambeau.tensor([-100.0, 0.0]))
    tensor([-5.0055e+03, -6.9315e-01])
    """
    below = ir.log(_scaled(-input * _SQRT_HALF) / 2) - input * input / 2
    return ir.where(input < 0, below, ir.log1p(-_tail(input)))


@special_log_ndtr.slope
def _(_out, x):
    return math.sqrt(2 / math.pi) / special_erfcx(-x * _SQRT_HALF)


@special(method=False)
def special_ndtri(input):
    """The number that a standard normal variable is below with the probability given; the inverse of `ndtr`.

    >>> import flambeau
    >>> flambeau.special.ndtri(flambeau.tensor([0.0, 0.025, 0.5]))
    tensor([   -inf, -1.9600,  0.0000])
    """
    centred = 2 * input - 1
    lower = input < 0.5
    tail = _quantile(ir.where(lower, input, 1 - input))
    tail = ir.where(lower, -tail, tail)
    return ir.where(centred * centred <= 0.5, _inverse(centred) * math.sqrt(2), tail)


@special_ndtri.slope
def _(out, _x):
    return math.sqrt(2 * math.pi) * exp(out * out / 2)


# -- x log(x) ---------------------------------------------------------------------------------------------------------


@elementwise(promote=INT_TO_FLOAT, accepts="bool int float", method=False)
def special_entr(input):
    """-x log(x): 0 at 0, minus infinity below.

    >>> import flambeau
    >>> flambeau.special.entr(flambeau.tensor([-0.5, 0.0, 0.5]))
    tensor([  -inf, 0.0000, 0.3466])
    """
    inside = ir.where(ir.eq(input, 0), 0.0, -input * ir.log(input))
    return ir.where(input < 0, -math.inf, inside)


@special_entr.partials
def _(_out, input):
    return (-ir.log(input) - 1,)


@elementwise(promote=INT_TO_FLOAT, accepts="bool int float", numbers=ONE, method=False)
def special_xlog1py(input, other):
    """input * log1p(other), 0 where input is 0 unless other is NaN.

    >>> import flambeau
    >>> flambeau.special.xlog1py(flambeau.tensor([0.0, 1.0]), flambeau.tensor([-1.0, 1.0]))
    tensor([0.0000, 0.6931])
    """
    zero = ir.where(ir.isnan(other), other, 0.0 * input)
    return ir.where(ir.eq(input, 0), zero, input * ir.log1p(other))


@special_xlog1py.partials
def _(_out, input, other):
    known = ir.logical_and(ir.eq(input, 0), other <= -1)
    return ir.where(known, 0.0, ir.log1p(other)), input / (other + 1)
