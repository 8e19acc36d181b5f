"""Exponentials, logarithms, roots, and the error function, element by element."""

from __future__ import annotations

import math

from .. import ir
from ..runtime.families import elementwise
from ..runtime.promotion import INT_TO_FLOAT, fitting


@elementwise(promote=INT_TO_FLOAT, onnx="Exp")
def exp(input):
    """e to the power of each element.

    >>> import flambeau
    >>> flambeau.exp(flambeau.tensor([0.0, 1.0]))
    tensor([1.0000, 2.7183])
    """
    return ir.exp(input)


@elementwise(promote=INT_TO_FLOAT)
def exp2(input):
    """2 to the power of each element.

    >>> import flambeau
    >>> flambeau.exp2(flambeau.tensor([0.0, 3.0]))
    tensor([1., 8.])
    """
    return ir.exp2(input)


@elementwise(promote=INT_TO_FLOAT)
def expm1(input):
    """exp(x) - 1, accurate near zero.

    >>> import flambeau
    >>> flambeau.expm1(flambeau.tensor([0.0, 1.0]))
    tensor([0.0000, 1.7183])
    """
    return ir.expm1(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Log")
def log(input):
    """Natural logarithm of each element.

    >>> import flambeau
    >>> flambeau.log(flambeau.tensor([1.0, 2.0]))
    tensor([0.0000, 0.6931])
    """
    return ir.log(input)


@elementwise(promote=INT_TO_FLOAT)
def log2(input):
    """Logarithm to base 2 of each element.

    >>> import flambeau
    >>> flambeau.log2(flambeau.tensor([1.0, 8.0]))
    tensor([0., 3.])
    """
    return ir.log2(input)


@elementwise(promote=INT_TO_FLOAT)
def log10(input):
    """Logarithm to base 10 of each element.

    >>> import flambeau
    >>> flambeau.log10(flambeau.tensor([1.0, 50.0]))
    tensor([0.0000, 1.6990])
    """
    return ir.log10(input)


@elementwise(promote=INT_TO_FLOAT)
def log1p(input):
    """log(1 + x), accurate near zero.

    >>> import flambeau
    >>> flambeau.log1p(flambeau.tensor([0.0, 1.0]))
    tensor([0.0000, 0.6931])
    """
    return ir.log1p(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Sqrt")
def sqrt(input):
    """Square root of each element.

    >>> import flambeau
    >>> flambeau.sqrt(flambeau.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    return ir.sqrt(input)


@elementwise(promote=INT_TO_FLOAT)
def rsqrt(input):
    """One over the square root of each element.

    >>> import flambeau
    >>> flambeau.rsqrt(flambeau.tensor([4.0, 16.0]))
    tensor([0.5000, 0.2500])
    """
    return ir.rsqrt(input)


@elementwise(promote=INT_TO_FLOAT, accepts="float", onnx="Erf")
def erf(input):
    """Error function of each element: 2 / sqrt(pi) times the integral of exp(-t^2) from 0.

    >>> import flambeau
    >>> flambeau.erf(flambeau.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8427])
    """
    return ir.erf(input)


@elementwise(promote=INT_TO_FLOAT, accepts="float")
def erfc(input):
    """1 - erf(x), accurate for large x.

    >>> import flambeau
    >>> flambeau.erfc(flambeau.tensor([0.0, 1.0]))
    tensor([1.0000, 0.1573])
    """
    return ir.erfc(input)


@elementwise(promote=fitting(INT_TO_FLOAT), accepts="float")
def logit(input, eps: float | None = None):
    """Log-odds of each element, log(x / (1 - x)); with `eps`, x is first kept within [eps, 1 - eps].

    >>> import flambeau
    >>> flambeau.logit(flambeau.tensor([0.5, 0.9]))
    tensor([0.0000, 2.1972])
    """
    if eps is not None:
        input = ir.where(input < eps, eps, ir.where(input > 1 - eps, 1 - eps, input))
    return ir.log(input / (1 - input))


@logit.partials
def _(out, input, eps):
    # Derived through the quotient it would be inf * 0 at 0 and 1, and finite where logit itself is NaN.
    slope = 1 / (input * (1 - input))
    low, high, outside = (0, 1, math.nan) if eps is None else (eps, 1 - eps, 0.0)
    return (ir.where(input < low, outside, ir.where(input > high, outside, slope)),)
