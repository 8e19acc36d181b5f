"""Bessel functions of orders 0 and 1, and Airy's function.

Up to x = 8 by polynomials (of J without its zeros, so that it is right beside them), beyond by Hankel's expansion with
fitted amplitudes (Abramowitz and Stegun 9.2.5; for Airy's function 10.4.59 and 10.4.60). Where scipy.special has a limit at
infinity and PyTorch NaN, here is the limit.
"""

from __future__ import annotations

import math

from .. import ir
from . import coefficients as c
from .arithmetic import sign
from .comparison import where
from .doubles import polynomial, special

# -- I: modified, growing ---------------------------------------------------------------------------------------------


def _i_parts(x, order: int):
    """(I(x) for |x| <= 8, exp(-|x|) I(x) for |x| >= 8, |x|)."""
    a = ir.abs(x)
    z = a * a / 4
    if order == 0:
        return polynomial(z, c.I0), polynomial(16 / a - 1, c.I0_FAR) / ir.sqrt(a), a
    far = polynomial(16 / a - 1, c.I1_FAR) / ir.sqrt(a)
    return x / 2 * polynomial(z, c.I1), ir.where(x < 0, -far, far), a


def _i(x, order: int):
    near, far, a = _i_parts(x, order)
    half = ir.exp(ir.minimum(a, 1500.0) / 2)  # exp(a) itself would overflow before the result
    return ir.where(
        a <= 8, near, ir.where(ir.eq(a, math.inf), x if order else a, half * far * half)
    )


def _i_scaled(x, order: int):
    near, far, a = _i_parts(x, order)
    return ir.where(a <= 8, near * ir.exp(-a), far)


@special
def i0(input):
    """Modified Bessel function of the first kind of order 0.

    >>> import flambeau
    >>> flambeau.i0(flambeau.tensor([0.0, 1.0, 3.0]))
    tensor([1.0000, 1.2661, 4.8808])
    """
    return _i(input, 0)


@i0.slope
def _(_out, x):
    return special_i1(x)


@special(method=False)
def special_i0e(input):
    """exp(-|x|) i0(x).

    >>> import flambeau
    >>> flambeau.special.i0e(flambeau.tensor([0.0, 1000.0]))
    tensor([1.0000, 0.0126])
    """
    return _i_scaled(input, 0)


@special_i0e.slope
def _(out, x):
    return special_i1e(x) - sign(x) * out


@special(method=False)
def special_i1(input):
    """Modified Bessel function of the first kind of order 1.

    >>> import flambeau
    >>> flambeau.special.i1(flambeau.tensor([0.0, 1.0, 3.0]))
    tensor([0.0000, 0.5652, 3.9534])
    """
    return _i(input, 1)


@special_i1.slope
def _(out, x):
    zero = x == 0
    return where(zero, 0.5, i0(x) - out / where(zero, 1.0, x))


@special(method=False)
def special_i1e(input):
    """exp(-|x|) i1(x).

    >>> import flambeau
    >>> flambeau.special.i1e(flambeau.tensor([0.0, 1000.0]))
    tensor([0.0000, 0.0126])
    """
    return _i_scaled(input, 1)


@special_i1e.slope
def _(out, x):
    zero = x == 0
    safe = where(zero, 1.0, x)
    return where(zero, 0.5, special_i0e(x) - out * (sign(safe) + 1 / safe))


@special(method=False)
def special_modified_bessel_i0(input):
    """`i0`, without a derivative.

    >>> import flambeau
    >>> flambeau.special.modified_bessel_i0(flambeau.tensor([1.0]))
    tensor([1.2661])
    """
    return _i(input, 0)


@special(method=False)
def special_modified_bessel_i1(input):
    """`i1`, without a derivative.

    >>> import flambeau
    >>> flambeau.special.modified_bessel_i1(flambeau.tensor([1.0]))
    tensor([0.5652])
    """
    return _i(input, 1)


# -- K: modified, falling ---------------------------------------------------------------------------------------------


def _k(x, order: int, scaled: bool):
    z = x * x / 4
    logs = ir.log(x) - math.log(2)  # not log(x / 2): the half of the smallest number is 0
    if order == 0:
        near = polynomial(z, c.K0) - logs * polynomial(z, c.I0[-10:])
        middle, far = c.K0_MIDDLE, c.K0_FAR
    else:
        series = polynomial(z, c.K1) / 2 + logs * polynomial(z, c.I1[-10:]) / 2
        near = 1 / x + x * series
        middle, far = c.K1_MIDDLE, c.K1_FAR
    r = 8 / x
    beyond = ir.where(x <= 4, polynomial((r - 5) / 3, middle), polynomial(r - 1, far)) / ir.sqrt(x)
    value = (
        ir.where(x <= 1, near * ir.exp(x), beyond)
        if scaled
        else ir.where(x <= 1, near, beyond * ir.exp(-x))
    )
    return ir.where(x < 0, math.nan, ir.where(ir.eq(x, 0), math.inf, value))


@special(method=False)
def special_modified_bessel_k0(input):
    """Modified Bessel function of the second kind of order 0; NaN below 0.

    >>> import flambeau
    >>> flambeau.special.modified_bessel_k0(flambeau.tensor([0.0, 1.0]))
    tensor([   inf, 0.4210])
    """
    return _k(input, 0, False)


@special(method=False)
def special_modified_bessel_k1(input):
    """Modified Bessel function of the second kind of order 1; NaN below 0.

    >>> import flambeau
    >>> flambeau.special.modified_bessel_k1(flambeau.tensor([0.0, 1.0]))
    tensor([   inf, 0.6019])
    """
    return _k(input, 1, False)


@special(method=False)
def special_scaled_modified_bessel_k0(input):
    """exp(x) modified_bessel_k0(x).

    >>> import flambeau
    >>> flambeau.special.scaled_modified_bessel_k0(flambeau.tensor([1.0, 1000.0]))
    tensor([1.1445, 0.0396])
    """
    return _k(input, 0, True)


@special(method=False)
def special_scaled_modified_bessel_k1(input):
    """exp(x) modified_bessel_k1(x).

    >>> import flambeau
    >>> flambeau.special.scaled_modified_bessel_k1(flambeau.tensor([1.0, 1000.0]))
    tensor([1.6362, 0.0396])
    """
    return _k(input, 1, True)


# -- J and Y: oscillating ---------------------------------------------------------------------------------------------


def _j_near(x, order: int):
    """J(x) for |x| <= 8: its zeros times a polynomial."""
    a = ir.abs(x)
    value = polynomial(a * a / 32 - 1, (c.J0, c.J1)[order])
    for high, low in (c.J0_ZEROS, c.J1_ZEROS)[order]:
        value = value * (((a - high) - low) * (a + high))
    return value if order == 0 else x * value


def _hankel(a, order: int):
    """J(a) and Y(a) for a >= 8. cos(a - pi / 4) by sums, as a - pi / 4 would be rounded."""
    cosine, sine = ir.cos(a), ir.sin(a)
    both, apart = cosine + sine, sine - cosine
    t = 128 / (a * a) - 1
    p, q = (polynomial(t, row) for row in ((c.P0, c.Q0), (c.P1, c.Q1))[order])
    q = q / a
    scale = (1 / math.sqrt(math.pi)) / ir.sqrt(a)
    if order == 0:
        return scale * (p * both - q * apart), scale * (p * apart + q * both)
    return scale * (p * apart + q * both), scale * (q * apart - p * both)


def _j(x, order: int):
    a = ir.abs(x)
    far = ir.where(ir.eq(a, math.inf), 0.0, _hankel(a, order)[0])
    far = ir.where(x < 0, -far, far) if order else far
    return ir.where(a <= 8, _j_near(x, order), far)


def _y(x, order: int):
    t = x * x / 32 - 1
    if order == 0:
        near = (2 / math.pi) * (ir.log(x) * _j_near(x, 0)) + polynomial(t, c.Y0)
    else:
        near = (2 / math.pi) * (ir.log(x) * _j_near(x, 1) - 1 / x) + x * polynomial(t, c.Y1)
    value = ir.where(x <= 8, near, _hankel(x, order)[1])
    value = ir.where(ir.eq(x, math.inf), 0.0, ir.where(ir.eq(x, 0), -math.inf, value))
    return ir.where(x < 0, math.nan, value)


@special(method=False)
def special_bessel_j0(input):
    """Bessel function of the first kind of order 0.

    >>> import flambeau
    >>> flambeau.special.bessel_j0(flambeau.tensor([0.0, 1.0, 100.0]))
    tensor([1.0000, 0.7652, 0.0200])
    """
    return _j(input, 0)


@special(method=False)
def special_bessel_j1(input):
    """Bessel function of the first kind of order 1.

    >>> import flambeau
    >>> flambeau.special.bessel_j1(flambeau.tensor([0.0, 1.0, 100.0]))
    tensor([ 0.0000,  0.4401, -0.0771])
    """
    return _j(input, 1)


@special(method=False)
def special_bessel_y0(input):
    """Bessel function of the second kind of order 0; NaN below 0.

    >>> import flambeau
    >>> flambeau.special.bessel_y0(flambeau.tensor([0.0, 1.0, 100.0]))
    tensor([   -inf,  0.0883, -0.0772])
    """
    return _y(input, 0)


@special(method=False)
def special_bessel_y1(input):
    """Bessel function of the second kind of order 1; NaN below 0.

    >>> import flambeau
    >>> flambeau.special.bessel_y1(flambeau.tensor([0.0, 1.0, 100.0]))
    tensor([   -inf, -0.7812, -0.0204])
    """
    return _y(input, 1)


@special(method=False)
def special_spherical_bessel_j0(input):
    """sin(x) / x.

    >>> import flambeau
    >>> flambeau.special.spherical_bessel_j0(flambeau.tensor([0.0, 1.0]))
    tensor([1.0000, 0.8415])
    """
    x = ir.where(ir.eq(input, 0), 1.0, input)
    value = ir.where(ir.eq(ir.abs(input), math.inf), 0.0, ir.sin(x) / x)
    return ir.where(ir.eq(input, 0), 1.0, value)


# -- Airy -------------------------------------------------------------------------------------------------------------


def _zeta(x, root):
    """z = 2/3 x^(3/2) as a multiple of 1/8 and the rest. Rounding z itself would cost z units in the last place.

    x and its root are cut to 16 binary places, so that their product is exact.
    """
    root_high, x_high = ir.round(root * 65536.0) / 65536.0, ir.round(x * 65536.0) / 65536.0
    root_low = (x - root_high * root_high) / (root + root_high)
    eighths = ir.round(x * root * (16 / 3)) / 8
    rest = (x_high * root_high - 1.5 * eighths) + ((x - x_high) * root_high + x * root_low)
    return eighths, rest * (2 / 3)


def _airy_right(x):
    """Ai(x) for x >= 3/2: exp(-z) / x^(1/4) times a fitted factor."""
    x = ir.minimum(x, 110.0)  # where it vanishes
    root = ir.sqrt(x)
    eighths, rest = _zeta(x, root)
    t = 32 / (3 * (eighths + rest)) - 1
    factor = ir.where(x <= 4, polynomial((4 * x - 11) / 5, c.AIRY_RIGHT), polynomial(t, c.AIRY_FAR))
    return ir.exp(-eighths) * ir.exp(-rest) * factor / ir.sqrt(root)


def _airy_left(x):
    """Ai(x) for x <= -5: a wave of falling height."""
    a = -x
    root = ir.sqrt(a)
    eighths, rest = _zeta(a, root)
    z = eighths + rest
    t = (1000 / 9) / (z * z) - 1
    p, q = polynomial(t, c.AIRY_P), polynomial(t, c.AIRY_Q) / z
    c1, s1, c2, s2 = ir.cos(eighths), ir.sin(eighths), ir.cos(rest), ir.sin(rest)
    cosine, sine = c1 * c2 - s1 * s2, s1 * c2 + c1 * s2
    scale = math.sqrt(0.5 / math.pi) / ir.sqrt(root)
    return scale * (p * (cosine + sine) + q * (sine - cosine))


@special(method=False)
def special_airy_ai(input):
    """Airy's function Ai, the solution of y'' = x y that falls for positive x.

    >>> import flambeau
    >>> flambeau.special.airy_ai(flambeau.tensor([-1.0, 0.0, 1.0]))
    tensor([0.5356, 0.3550, 0.1353])
    """
    x = input
    left = polynomial(x / 2 + 1.5, c.AIRY_LEFT)
    for high, low in c.AIRY_ZEROS:
        left = left * ((x - high) - low)
    middle = ir.where(x < -1, left, polynomial((4 * x - 1) / 5, c.AIRY_MIDDLE))
    value = ir.where(x < 1.5, ir.where(x < -5, _airy_left(x), middle), _airy_right(x))
    return ir.where(ir.eq(x, -math.inf), 0.0, value)
