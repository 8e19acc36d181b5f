"""Sums, products, quotients, powers and their like, element by element."""

from __future__ import annotations

from .. import ir
from .._base import dtypes
from ..runtime.families import composite, elementwise
from ..runtime.numbers import number_array
from ..runtime.operator import ONE
from ..runtime.promotion import (
    INT_DIVISOR,
    INT_TO_FLOAT,
    NO_BOOL,
    SAME,
    check_fits,
    check_kind,
    computed,
    fitting,
    refusing,
    result_type,
    scaled,
    weight,
)
from ..runtime.straight import attacher
from ..runtime.tensor import Tensor, history


@elementwise(promote=scaled(SAME), onnx="Add", numbers=("input", "other"))
def add(input, other, *, alpha: float = 1):
    """Sum of two tensors: input + alpha * other.

    >>> import flambeau
    >>> flambeau.add(flambeau.tensor([1, 2]), 10)
    tensor([11, 12])
    """
    return ir.add(input, ir.mul(alpha, other))


@elementwise(promote=scaled(NO_BOOL), onnx="Sub", numbers=("input", "other"))
def sub(input, other, *, alpha: float = 1):
    """Difference of two tensors: input - alpha * other.

    >>> import flambeau
    >>> flambeau.sub(flambeau.tensor([1, 2]), 1)
    tensor([0, 1])
    """
    return ir.sub(input, ir.mul(alpha, other))


@elementwise(promote=SAME, onnx="Mul", numbers=("input", "other"))
def mul(input, other):
    """Product of two tensors, element by element.

    >>> import flambeau
    >>> flambeau.mul(flambeau.tensor([1.0, 2.0]), 3)
    tensor([3., 6.])
    """
    return ir.mul(input, other)


@elementwise(promote=INT_TO_FLOAT, onnx="Div", numbers=("input", "other"))
def true_divide(input, other):
    """Quotient of two tensors; integers give floats.

    >>> import flambeau
    >>> flambeau.true_divide(flambeau.tensor([1, 2]), 2)
    tensor([0.5000, 1.0000])
    """
    return ir.div(input, other)


@elementwise(promote=INT_DIVISOR, numbers=("input", "other"), accepts="int float")
def floor_divide(input, other):
    """Quotient rounded down.

    >>> import flambeau
    >>> flambeau.floor_divide(flambeau.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    return ir.floor_divide(input, other)


floor_divide.no_vjp(
    "rounds down: the derivative is zero almost everywhere and PyTorch defines none"
)


@elementwise(promote=INT_DIVISOR, numbers=("input", "other"), accepts="int float", method=False)
def quotient_down(input, other):
    """`div` with rounding_mode="floor": as floor_divide, with gradients of zero."""
    return ir.floor_divide(input, other)


@quotient_down.partials
def _(out, input, other):
    return None, None


@elementwise(promote=INT_DIVISOR, numbers=("input", "other"), accepts="int float", method=False)
def quotient_to_zero(input, other):
    """`div` of floats with rounding_mode="trunc"."""
    return ir.trunc(ir.div(input, other))


@elementwise(promote=INT_DIVISOR, numbers=("input", "other"), accepts="int", method=False)
def integer_quotient(input, other):
    """`div` of integers with rounding_mode="trunc": what is left when the remainder of that kind is gone."""
    return ir.floor_divide(ir.sub(input, ir.fmod(input, other)), other)


integer_quotient.no_vjp("defined on integers only")


@composite(numbers=("input", "other"))
def div(input: Tensor | float, other: Tensor | float, *, rounding_mode: str | None = None):
    """Quotient of two tensors, rounded towards zero ("trunc"), down ("floor") or not at all (None).

    >>> import flambeau
    >>> flambeau.div(flambeau.tensor([7.0, -7.0]), 2, rounding_mode="trunc")
    tensor([ 3., -3.])
    """
    if rounding_mode is None:
        return true_divide(input, other)
    if rounding_mode == "floor":
        return quotient_down(input, other)
    if rounding_mode == "trunc":
        whole = result_type(input, other).category <= dtypes.INT
        return integer_quotient(input, other) if whole else quotient_to_zero(input, other)
    raise RuntimeError(
        f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
    )


@elementwise(promote=INT_DIVISOR, numbers=ONE, accepts="int float")
def remainder(input, other):
    """Remainder of the division rounded down; it has the sign of `other`, as Python's %.

    >>> import flambeau
    >>> flambeau.remainder(flambeau.tensor([-3.0, 3.0]), 2)
    tensor([1., 1.])
    """
    return ir.remainder(input, other)


@elementwise(promote=INT_DIVISOR, numbers=("other",), accepts="int float")
def fmod(input, other):
    """Remainder of the division rounded towards zero; it has the sign of `input`, as C's fmod.

    >>> import flambeau
    >>> flambeau.fmod(flambeau.tensor([-3.0, 3.0]), 2)
    tensor([-1.,  1.])
    """
    return ir.fmod(input, other)


@elementwise(promote=NO_BOOL, onnx="Neg", exact_out=True)
def neg(input):
    """Each element with its sign changed.

    >>> import flambeau
    >>> flambeau.neg(flambeau.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    return ir.neg(input)


def _real(d):
    """The dtype of a modulus: complex numbers have a real one. (The gradient of that is in `complex.py`.)"""
    return d.type(0).real.dtype if d.kind == "c" else d


@elementwise(promote=refusing("bool"), onnx="Abs", result=_real)
def abs(input):
    """Absolute value of each element.

    >>> import flambeau
    >>> flambeau.abs(flambeau.tensor([1.0, -2.0]))
    tensor([1., 2.])
    """
    return ir.abs(input)


@elementwise(promote=refusing("complex"), onnx="Sign", exact_out=True)
def sign(input):
    """-1, 0 or 1 by the sign of each element.

    >>> import flambeau
    >>> flambeau.sign(flambeau.tensor([3.0, 0.0, -2.0]))
    tensor([ 1.,  0., -1.])
    """
    return ir.sign(input)


def _bools_counted(op, arrays, attrs):
    """As SAME, bools as int64."""
    (x,) = arrays
    return (
        (x.to(dtypes.int64),)
        if isinstance(x, Tensor) and x.dtype is dtypes.bool_
        else SAME(op, arrays, attrs)
    )


@elementwise(promote=_bools_counted)
def square(input):
    """Each element times itself.

    >>> import flambeau
    >>> flambeau.square(flambeau.tensor([3.0, -2.0]))
    tensor([9., 4.])
    """
    return ir.square(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Reciprocal")
def reciprocal(input):
    """One over each element.

    >>> import flambeau
    >>> flambeau.reciprocal(flambeau.tensor([2.0, 4.0]))
    tensor([0.5000, 0.2500])
    """
    return ir.reciprocal(input)


def _powers(op, arrays, attrs):
    """As SAME. An exponent must fit into the dtype; integers have no negative power but of 1 and -1."""
    target = result_type(*arrays)
    if not isinstance(arrays[1], Tensor):
        check_fits(arrays[1], target)
    made, exponent = SAME(op, arrays, attrs), arrays[1]
    if target.category == dtypes.BOOL and not isinstance(exponent, bool):
        raise NotImplementedError('"pow" not implemented for bool')
    if type(exponent) is int and exponent < 0 and target.category == dtypes.INT:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return made


@elementwise(promote=_powers, onnx="Pow", numbers=ONE)
def pow(input, exponent):
    """Each element to the power of `exponent`.

    >>> import flambeau
    >>> flambeau.pow(flambeau.tensor([2.0, 3.0]), 2)
    tensor([4., 9.])
    """
    return ir.pow(input, exponent)


@elementwise(promote=refusing("complex"), onnx="Max", inplace=False)
def maximum(input, other):
    """The larger of two elements; NaN if either is NaN. Ties share the gradient.

    >>> import flambeau
    >>> flambeau.maximum(flambeau.tensor([1.0, 5.0]), flambeau.tensor([3.0, 2.0]))
    tensor([3., 5.])
    """
    return ir.maximum(input, other)


@elementwise(promote=refusing("complex"), onnx="Min", inplace=False)
def minimum(input, other):
    """The smaller of two elements; NaN if either is NaN. Ties share the gradient.

    >>> import flambeau
    >>> flambeau.minimum(flambeau.tensor([1.0, 5.0]), flambeau.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    return ir.minimum(input, other)


def _bounded(op, arrays, attrs):
    """The result type of input and bounds, into which the bounds must fit."""
    target = result_type(*arrays, *attrs.values())
    for name, v in attrs.items():
        if v is not None:
            weight(attrs, name, target)
    if target is arrays[0].dtype:
        return arrays
    check_kind(op, target)
    return tuple([a.to(target) for a in arrays])


@elementwise(promote=_bounded, accepts="int float", method=False)
def clamp_number(input, *, min: float | None = None, max: float | None = None):
    """`clamp` between numbers: one pass, gradient 1 inside and on the bounds."""
    out = input
    if min is not None:
        out = ir.maximum(out, min)
    if max is not None:
        out = ir.minimum(out, max)
    return out


@clamp_number.partials
def _(out, input, *, min, max):
    inside: object = True
    if min is not None:
        inside = ir.ge(input, min)
    if max is not None:
        below = ir.le(input, max)
        inside = below if inside is True else ir.logical_and(inside, below)
    return (1,) if inside is True else (ir.where(inside, 1.0, 0.0),)


@elementwise(promote=SAME, accepts="bool int float", method=False)
def clamp_low(input, min):
    """`clamp` by a tensor of lower bounds."""
    return ir.maximum(input, min)


@clamp_low.partials
def _(out, input, min):
    return ir.where(input >= min, 1.0, 0.0), ir.where(input < min, 1.0, 0.0)


@elementwise(promote=SAME, accepts="bool int float", method=False)
def clamp_high(input, max):
    """`clamp` by a tensor of upper bounds."""
    return ir.minimum(input, max)


@clamp_high.partials
def _(out, input, max):
    return ir.where(input <= max, 1.0, 0.0), ir.where(input > max, 1.0, 0.0)


@elementwise(promote=SAME, accepts="int float", method=False)
def clamp_between(input, min, max):
    """`clamp` by tensors of bounds; where they cross, the upper one holds."""
    return ir.minimum(ir.maximum(input, min), max)


@clamp_between.partials
def _(out, input, min, max):
    inside = ir.logical_and(input >= min, input <= max)
    low = ir.logical_and(min < max, input < min)
    high = ir.logical_or(input > max, max < min)
    return ir.where(inside, 1.0, 0.0), ir.where(low, 1.0, 0.0), ir.where(high, 1.0, 0.0)


@composite(numbers=("min", "max"))
def clamp(input: Tensor, min: Tensor | float | None = None, max: Tensor | float | None = None):
    """Elements below `min` become it, elements above `max` become it; both bounds are numbers, or both tensors.

    >>> import flambeau
    >>> flambeau.clamp(flambeau.tensor([-1.0, 0.5, 2.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    if not (isinstance(min, Tensor) or isinstance(max, Tensor)):
        return clamp_number(input, min=min, max=max)
    if max is None:
        return clamp_low(input, min)
    return clamp_high(input, max) if min is None else clamp_between(input, min, max)


@clamp.small
def _(xp, x, min, max):
    kinds = (int,) if x.dtype.char in "ilq" else (float, int)
    if x.dtype.char not in "fdilq":
        return NotImplemented
    out = x
    for bound, ufunc in ((min, xp.maximum), (max, xp.minimum)):
        if bound is not None:
            if type(bound) not in kinds or not -6e4 < bound < 6e4:
                return NotImplemented
            out = ufunc(out, number_array(bound, x.dtype))
    return NotImplemented if out is x else out


_attach = attacher(clamp_number.op, clamp_number.op.vjp_rule)


@clamp.small_record
def _(out, x, min, max):
    _attach(out, (x,), {"min": min, "max": max}, (history(x),))


def _ends(op, arrays, attrs):
    """All three of one dtype."""
    first = arrays[0].dtype
    check_kind(op, first)
    for name, x in zip(("end", "weight"), arrays[1:]):
        if isinstance(x, Tensor) and x.dtype is not first:
            raise RuntimeError(f"expected dtype {first} for `{name}` but got dtype {x.dtype}")
    if not isinstance(arrays[2], Tensor):
        check_fits(arrays[2], computed(first))
        if type(arrays[2]) is complex and not first.is_complex:
            arrays = (*arrays[:2], arrays[2].real)
    return SAME(op, arrays, attrs)


@elementwise(promote=_ends, numbers=("weight",), accepts="float complex")
def lerp(input, end, weight):
    """Linear interpolation: input + weight * (end - input).

    >>> import flambeau
    >>> flambeau.lerp(flambeau.zeros(2), flambeau.ones(2), 0.25)
    tensor([0.2500, 0.2500])
    """
    # From the nearer end, so that weights 0 and 1 give the ends themselves.
    step = end - input
    return ir.where(ir.abs(weight) < 0.5, input + weight * step, end - step * (1 - weight))


@lerp.partials
def _(out, input, end, weight):
    return 1 - weight, weight, end - input


def _valued(op, arrays, attrs):
    """As SAME, and a `value` of that dtype."""
    made = SAME(op, arrays, attrs)
    weight(attrs, "value", computed(result_type(*made)))
    return made


@elementwise(promote=_valued, accepts="int float complex")
def addcmul(input, tensor1, tensor2, *, value: float = 1):
    """input + value * tensor1 * tensor2.

    >>> import flambeau
    >>> flambeau.addcmul(flambeau.ones(2), flambeau.ones(2), flambeau.ones(2), value=2)
    tensor([3., 3.])
    """
    return input + ir.mul(value, tensor1 * tensor2)


def _true_quotients(op, arrays, attrs):
    """As SAME, for what divides into floats only."""
    made = SAME(op, arrays, attrs)
    if result_type(*made).category < dtypes.FLOAT:
        raise RuntimeError(
            "addcdiv: integers are not divided here; convert the inputs to a floating dtype, or write "
            "input + value * flambeau.div(tensor1, tensor2, rounding_mode='trunc')"
        )
    return made


@elementwise(promote=fitting(_true_quotients, "value"))
def addcdiv(input, tensor1, tensor2, *, value: float = 1):
    """input + value * tensor1 / tensor2.

    >>> import flambeau
    >>> flambeau.addcdiv(flambeau.ones(2), flambeau.ones(2), flambeau.full((2,), 4.0))
    tensor([1.2500, 1.2500])
    """
    return input + ir.mul(value, tensor1 / tensor2)
