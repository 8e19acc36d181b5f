"""Elementwise functions that few networks need, written with others: signs, angles, bounds, logarithms of sums."""

from __future__ import annotations

import math

from .. import ir
from .._base import dtypes
from .._base.checks import check
from ..runtime.families import composite, elementwise
from ..runtime.operator import ONE
from ..runtime.promotion import INT_TO_FLOAT, SAME, check_fits, refusing, result_type
from ..runtime.tensor import Tensor
from .arithmetic import clamp, mul, pow, sub
from .comparison import where
from .complex import complex as joined
from .trigonometry import atan2, cos, sin


@composite(numbers=("min",))
def clamp_min(input: Tensor, min: Tensor | float):
    """Elements below `min` become it.

    >>> import flambeau
    >>> flambeau.clamp_min(flambeau.tensor([-1.0, 2.0]), 0)
    tensor([0., 2.])
    """
    return clamp(input, min=min)


@composite(numbers=("max",))
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


@elementwise(promote=SAME, result="bool", accepts="bool int float", inplace=False, exact_out=True)
def signbit(input):
    """Whether the sign is set: for numbers below zero, and for -0.0.

    >>> import flambeau
    >>> flambeau.signbit(flambeau.tensor([-1.0, -0.0, 0.0]))
    tensor([ True,  True, False])
    """
    return ir.signbit(input)


@elementwise(promote=INT_TO_FLOAT, accepts="float", numbers=("other",))
def copysign(input, other):
    """The size of `input` with the sign of `other`.

    >>> import flambeau
    >>> flambeau.copysign(flambeau.tensor([1.0, -2.0]), flambeau.tensor([-1.0, 1.0]))
    tensor([-1.,  2.])
    """
    return ir.copysign(input, other)


def _real_angles(op, arrays, attrs):
    """As INT_TO_FLOAT, for real numbers."""
    return INT_TO_FLOAT(op, refusing("complex")(op, arrays, attrs), attrs)


@elementwise(promote=_real_angles)
def deg2rad(input):
    """Degrees as radians.

    >>> import flambeau
    >>> flambeau.deg2rad(flambeau.tensor([180.0]))
    tensor([3.1416])
    """
    return input * (math.pi / 180)


@elementwise(promote=_real_angles)
def rad2deg(input):
    """Radians as degrees.

    >>> import flambeau
    >>> flambeau.rad2deg(flambeau.tensor([3.0]))
    tensor([171.8873])
    """
    return input * (180 / math.pi)


@elementwise(promote=SAME, accepts="float", exact_out=True)
def frac(input):
    """What is left of each element without its whole part; it keeps the sign.

    >>> import flambeau
    >>> flambeau.frac(flambeau.tensor([1.25, -1.25]))
    tensor([ 0.2500, -0.2500])
    """
    return input - ir.trunc(input)


@elementwise(promote=refusing("complex"), inplace=False)
def fmax(input, other):
    """The larger of two elements; of a number and NaN the number.

    >>> import flambeau
    >>> flambeau.fmax(flambeau.tensor([1.0, float("nan")]), flambeau.tensor([2.0, 3.0]))
    tensor([2., 3.])
    """
    return ir.fmax(input, other)


@elementwise(promote=refusing("complex"), inplace=False)
def fmin(input, other):
    """The smaller of two elements; of a number and NaN the number.

    >>> import flambeau
    >>> flambeau.fmin(flambeau.tensor([1.0, float("nan")]), flambeau.tensor([2.0, 3.0]))
    tensor([1., 3.])
    """
    return ir.fmin(input, other)


@elementwise(promote=SAME, accepts="float")
def hypot(input, other):
    """sqrt(input² + other²), the long side of a right triangle.

    >>> import flambeau
    >>> flambeau.hypot(flambeau.tensor([3.0]), flambeau.tensor([4.0]))
    tensor([5.])
    """
    return ir.hypot(input, other)


@composite(numbers=())
def ldexp(input: Tensor, other: Tensor):
    """input * 2**other.

    >>> import flambeau
    >>> flambeau.ldexp(flambeau.tensor([1.0]), flambeau.tensor([3]))
    tensor([8.])
    """
    if not input.dtype.is_floating_point:
        return mul(input, pow(2.0, other))
    if other.dtype.category == dtypes.BOOL:
        raise NotImplementedError('"ldexp" not implemented for exponents of dtype bool')
    if other.dtype.category > dtypes.INT:
        return mul(input, pow(2.0, other))
    # In two steps: 2**other itself may be beyond the largest number while the result is not.
    wide = dtypes.float32 if input.dtype.itemsize == 2 else input.dtype
    half = other // 2
    made = input.to(wide) * pow(2.0, half.to(wide)) * pow(2.0, (other - half).to(wide))
    return made.to(input.dtype)


@elementwise(promote=SAME, accepts="float complex", inplace=False)
def logaddexp(input, other):
    """log(exp(input) + exp(other)) without overflow.

    >>> import flambeau
    >>> flambeau.logaddexp(flambeau.tensor([1000.0]), flambeau.tensor([1000.0]))
    tensor([1000.6932])
    """
    high, low = ir.where(input < other, other, input), ir.where(input < other, input, other)
    return ir.where(ir.eq(high, low), high + math.log(2), high + ir.log1p(ir.exp(low - high)))


@logaddexp.partials
def _(out, input, other):
    return 1 / (1 + ir.exp(other - input)), 1 / (1 + ir.exp(input - other))


@elementwise(promote=SAME, accepts="float", inplace=False)
def logaddexp2(input, other):
    """log2(2**input + 2**other) without overflow.

    >>> import flambeau
    >>> flambeau.logaddexp2(flambeau.tensor([1000.0]), flambeau.tensor([1000.0]))
    tensor([1001.])
    """
    high, low = ir.where(input < other, other, input), ir.where(input < other, input, other)
    above = ir.log1p(ir.exp2(low - high)) / math.log(2)
    return ir.where(ir.eq(high, low), high + 1, high + above)


@logaddexp2.partials
def _(out, input, other):
    return 1 / (1 + ir.exp2(other - input)), 1 / (1 + ir.exp2(input - other))


@composite(numbers=(), exact_out=True)
def heaviside(input: Tensor, values: Tensor):
    """0 below zero, 1 above, `values` at zero.

    >>> import flambeau
    >>> flambeau.heaviside(flambeau.tensor([-1.0, 0.0, 2.0]), flambeau.tensor([0.5]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    check(
        not (input.dtype.is_complex or values.dtype.is_complex),
        lambda: "heaviside is not yet implemented for complex tensors.",
    )
    check(
        input.dtype is values.dtype,
        lambda: "heaviside is not yet implemented for tensors with different dtypes.",
    )
    return where(input == 0, values, (input > 0).to(input.dtype)).detach()


@composite(exact_out=True)
def isposinf(input: Tensor):
    """Whether each element is positive infinity.

    >>> import flambeau
    >>> flambeau.isposinf(flambeau.tensor([float("inf"), -float("inf")]))
    tensor([ True, False])
    """
    check(not input.dtype.is_complex, lambda: "isposinf does not support complex inputs.")
    return input == math.inf


@composite(exact_out=True)
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


@composite(numbers=ONE, exact_out=True)
def float_power(input: Tensor | float, exponent: Tensor | float):
    """`pow` in double precision.

    >>> import flambeau
    >>> flambeau.float_power(flambeau.tensor([2, 3]), 2)
    tensor([4., 9.], dtype=flambeau.float64)
    """
    complex = result_type(input, exponent).is_complex
    target = dtypes.complex128 if complex else dtypes.float64

    def wide(x: Tensor | float) -> Tensor | float:
        if not isinstance(x, Tensor):
            check_fits(x, target)
            return x
        return x.to(target)

    return pow(wide(input), wide(exponent))


@composite(numbers=("other",))
def rsub(input: Tensor, other: Tensor | float, *, alpha: float = 1):
    """other - alpha * input.

    >>> import flambeau
    >>> flambeau.rsub(flambeau.tensor([1, 2]), 10)
    tensor([9, 8])
    """
    return sub(other, input, alpha=alpha)


@elementwise(promote=SAME, accepts="int", numbers=ONE)
def bitwise_left_shift(input, other):
    """Bits moved `other` places up.

    >>> import flambeau
    >>> flambeau.bitwise_left_shift(flambeau.tensor([1, 3]), 2)
    tensor([ 4, 12])
    """
    return ir.bitwise_left_shift(input, other)


bitwise_left_shift.no_vjp("defined on integers only")


@elementwise(promote=SAME, accepts="int", numbers=ONE)
def bitwise_right_shift(input, other):
    """Bits moved `other` places down; the sign stays.

    >>> import flambeau
    >>> flambeau.bitwise_right_shift(flambeau.tensor([4, -8]), 2)
    tensor([ 1, -2])
    """
    return ir.bitwise_right_shift(input, other)


bitwise_right_shift.no_vjp("defined on integers only")


@elementwise(promote=INT_TO_FLOAT)
def sinc(input):
    """sin(pi x) / (pi x), and 1 at zero.

    >>> import flambeau
    >>> flambeau.sinc(flambeau.tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """
    angle = input * math.pi
    zero = ir.eq(input, 0)
    return ir.where(zero, 1.0, ir.sin(angle) / ir.where(zero, 1.0, angle))


@sinc.partials
def _(out, input):
    angle = input * math.pi
    flat = ir.eq(input * angle, 0)
    slope = (ir.cos(angle) * angle - ir.sin(angle)) / ir.where(flat, 1.0, input * angle)
    return (ir.where(flat, 0.0, slope),)


@elementwise(promote=INT_TO_FLOAT, accepts="float", method=False)
def angle_of_real(input):
    """`angle` of real numbers: 0, pi for those below zero, NaN of NaN."""
    return ir.where(ir.isnan(input), input, ir.where(input < 0, math.pi, 0.0))


@angle_of_real.partials
def _(out, input):
    return (None,)


@composite
def angle(input: Tensor):
    """The angle of each complex number; of real ones 0 or pi.

    >>> import flambeau
    >>> flambeau.angle(flambeau.tensor([1.0, -1.0]))
    tensor([0.0000, 3.1416])
    """
    return atan2(input.imag, input.real) if input.dtype.is_complex else angle_of_real(input)


@composite(method=False, numbers=(), exact_out=True)
def polar(abs: Tensor, angle: Tensor):
    """Complex numbers from their sizes and angles.

    >>> import flambeau
    >>> flambeau.polar(flambeau.tensor([2.0]), flambeau.tensor([0.0]))
    tensor([2.+0.j])
    """
    check(
        abs.dtype.is_floating_point and abs.dtype is angle.dtype,
        lambda: (
            "polar(): expected abs and angle to be floats of one dtype, but got "
            f"{abs.dtype.name} and {angle.dtype.name}"
        ),
    )
    return joined(abs * cos(angle), abs * sin(angle))
