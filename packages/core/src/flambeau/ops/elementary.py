"""Elementwise functions that few networks need, written with others: signs, angles, bounds, logarithms of sums."""

from __future__ import annotations

import math

from .._base.checks import check
from ..runtime.families import composite
from ..runtime.promotion import result_type
from ..runtime.tensor import Tensor
from .arithmetic import abs, clamp, floor_divide, maximum, minimum, mul, pow, sub
from .comparison import isnan, where
from .complex import complex as joined
from .exponential import exp, exp2, log1p, log2
from .rounding import trunc
from .trigonometry import atan2, cos, sin


@composite
def clamp_min(input: Tensor, min: Tensor | float):
    """Elements below `min` become it.

    >>> import flambeau
    >>> flambeau.clamp_min(flambeau.tensor([-1.0, 2.0]), 0)
    tensor([0., 2.])
    """
    return clamp(input, min=min)


@composite
def clamp_max(input: Tensor, max: Tensor | float):
    """Elements above `max` become it.

    >>> import flambeau
    >>> flambeau.clamp_max(flambeau.tensor([-1.0, 2.0]), 0)
    tensor([-1.,  0.])
    """
    return clamp(input, max=max)


@composite
def positive(input: Tensor):
    """The input itself; bools are refused.

    >>> import flambeau
    >>> flambeau.positive(flambeau.tensor([-1.0]))
    tensor([-1.])
    """
    check(
        input.dtype.name != "bool", lambda: "The `+` operator, on a bool tensor is not supported."
    )
    return input


@composite
def signbit(input: Tensor):
    """Whether the sign is set: for numbers below zero, and for -0.0.

    >>> import flambeau
    >>> flambeau.signbit(flambeau.tensor([-1.0, -0.0, 0.0]))
    tensor([ True,  True, False])
    """
    check(not input.dtype.is_complex, lambda: "signbit is not implemented for complex tensors.")
    if not input.dtype.is_floating_point:
        return input < 0
    return (input < 0) | ((input == 0) & (1 / input < 0))


@composite
def copysign(input: Tensor, other: Tensor | float):
    """The size of `input` with the sign of `other`.

    >>> import flambeau
    >>> flambeau.copysign(flambeau.tensor([1.0, -2.0]), flambeau.tensor([-1.0, 1.0]))
    tensor([-1.,  2.])
    """
    size = abs(input if input.dtype.is_floating_point else input * 1.0)
    if not isinstance(other, Tensor):
        return -size if math.copysign(1.0, other) < 0 else size
    return where(signbit(other), -size, size)


@composite
def deg2rad(input: Tensor):
    """Degrees as radians.

    >>> import flambeau
    >>> flambeau.deg2rad(flambeau.tensor([180.0]))
    tensor([3.1416])
    """
    return input * (math.pi / 180)


@composite
def rad2deg(input: Tensor):
    """Radians as degrees.

    >>> import flambeau
    >>> flambeau.rad2deg(flambeau.tensor([3.0]))
    tensor([171.8873])
    """
    return input * (180 / math.pi)


@composite
def frac(input: Tensor):
    """What is left of each element without its whole part; it keeps the sign.

    >>> import flambeau
    >>> flambeau.frac(flambeau.tensor([1.25, -1.25]))
    tensor([ 0.2500, -0.2500])
    """
    return input - trunc(input)


@composite
def fmax(input: Tensor, other: Tensor):
    """The larger of two elements; of a number and NaN the number.

    >>> import flambeau
    >>> flambeau.fmax(flambeau.tensor([1.0, float("nan")]), flambeau.tensor([2.0, 3.0]))
    tensor([2., 3.])
    """
    return where(isnan(input), other, where(isnan(other), input, maximum(input, other)))


@composite
def fmin(input: Tensor, other: Tensor):
    """The smaller of two elements; of a number and NaN the number.

    >>> import flambeau
    >>> flambeau.fmin(flambeau.tensor([1.0, float("nan")]), flambeau.tensor([2.0, 3.0]))
    tensor([1., 3.])
    """
    return where(isnan(input), other, where(isnan(other), input, minimum(input, other)))


@composite
def hypot(input: Tensor, other: Tensor):
    """sqrt(input² + other²), the long side of a right triangle.

    >>> import flambeau
    >>> flambeau.hypot(flambeau.tensor([3.0]), flambeau.tensor([4.0]))
    tensor([5.])
    """
    return (input * input + other * other) ** 0.5


@composite
def ldexp(input: Tensor, other: Tensor):
    """input * 2**other.

    >>> import flambeau
    >>> flambeau.ldexp(flambeau.tensor([1.0]), flambeau.tensor([3]))
    tensor([8.])
    """
    return input * pow(2.0, other)


def _apart(input: Tensor, other: Tensor) -> Tensor:
    """|input - other|, zero also between equal infinities."""
    same = input == other
    return where(same, 0.0, abs(where(same, 0.0, input) - where(same, 0.0, other)))


@composite
def logaddexp(input: Tensor, other: Tensor):
    """log(exp(input) + exp(other)) without overflow.

    >>> import flambeau
    >>> flambeau.logaddexp(flambeau.tensor([1000.0]), flambeau.tensor([1000.0]))
    tensor([1000.6932])
    """
    return maximum(input, other) + log1p(exp(-_apart(input, other)))


@composite
def logaddexp2(input: Tensor, other: Tensor):
    """log2(2**input + 2**other) without overflow.

    >>> import flambeau
    >>> flambeau.logaddexp2(flambeau.tensor([1000.0]), flambeau.tensor([1000.0]))
    tensor([1001.])
    """
    return maximum(input, other) + log2(1 + exp2(-_apart(input, other)))


@composite
def heaviside(input: Tensor, values: Tensor):
    """0 below zero, 1 above, `values` at zero.

    >>> import flambeau
    >>> flambeau.heaviside(flambeau.tensor([-1.0, 0.0, 2.0]), flambeau.tensor([0.5]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    check(
        input.dtype is values.dtype,
        lambda: "heaviside is not yet implemented for tensors with different dtypes.",
    )
    return where(input == 0, values, (input > 0).to(input.dtype)).detach()


@composite
def isposinf(input: Tensor):
    """Whether each element is positive infinity.

    >>> import flambeau
    >>> flambeau.isposinf(flambeau.tensor([float("inf"), -float("inf")]))
    tensor([ True, False])
    """
    check(not input.dtype.is_complex, lambda: "isposinf does not support complex inputs.")
    return input == math.inf


@composite
def isneginf(input: Tensor):
    """Whether each element is negative infinity.

    >>> import flambeau
    >>> flambeau.isneginf(flambeau.tensor([float("inf"), -float("inf")]))
    tensor([False,  True])
    """
    check(not input.dtype.is_complex, lambda: "isneginf does not support complex inputs.")
    return input == -math.inf


@composite
def isreal(input: Tensor):
    """Whether each element has no imaginary part.

    >>> import flambeau
    >>> flambeau.isreal(flambeau.tensor([1 + 0j, 1 + 1j]))
    tensor([ True, False])
    """
    return input.imag == 0 if input.dtype.is_complex else (input == input) | True


@composite
def float_power(input: Tensor | float, exponent: Tensor | float):
    """`pow` in double precision.

    >>> import flambeau
    >>> flambeau.float_power(flambeau.tensor([2, 3]), 2)
    tensor([4., 9.], dtype=flambeau.float64)
    """

    def wide(x: Tensor | float) -> Tensor | float:
        if not isinstance(x, Tensor):
            return x
        return x.to(result_type(x).to_complex()) if x.dtype.is_complex else x.double()

    return pow(wide(input), wide(exponent))


@composite
def rsub(input: Tensor, other: Tensor | float, *, alpha: float = 1):
    """other - alpha * input.

    >>> import flambeau
    >>> flambeau.rsub(flambeau.tensor([1, 2]), 10)
    tensor([9, 8])
    """
    return sub(other, input, alpha=alpha)


@composite
def bitwise_left_shift(input: Tensor, other: Tensor | int):
    """Bits moved `other` places up.

    >>> import flambeau
    >>> flambeau.bitwise_left_shift(flambeau.tensor([1, 3]), 2)
    tensor([ 4, 12])
    """
    return mul(input, pow(2, other))


@composite
def bitwise_right_shift(input: Tensor, other: Tensor | int):
    """Bits moved `other` places down; the sign stays.

    >>> import flambeau
    >>> flambeau.bitwise_right_shift(flambeau.tensor([4, -8]), 2)
    tensor([ 1, -2])
    """
    return floor_divide(input, pow(2, other))


@composite
def sinc(input: Tensor):
    """sin(pi x) / (pi x), and 1 at zero.

    >>> import flambeau
    >>> flambeau.sinc(flambeau.tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """
    x = input * math.pi
    zero = x == 0
    safe = where(zero, 1.0, x)
    return where(zero, 1.0, sin(safe) / safe)


@composite
def angle(input: Tensor):
    """The angle of each complex number; of real ones 0 or pi.

    >>> import flambeau
    >>> flambeau.angle(flambeau.tensor([1.0, -1.0]))
    tensor([0.0000, 3.1416])
    """
    if input.dtype.is_complex:
        return atan2(input.imag, input.real)
    x = (input if input.dtype.is_floating_point else input * 1.0).detach()
    return where(isnan(x), x, where(x < 0, math.pi, x * 0))


@composite(method=False)
def polar(abs: Tensor, angle: Tensor):
    """Complex numbers from their sizes and angles.

    >>> import flambeau
    >>> flambeau.polar(flambeau.tensor([2.0]), flambeau.tensor([0.0]))
    tensor([2.+0.j])
    """
    return joined(abs * cos(angle), abs * sin(angle))
