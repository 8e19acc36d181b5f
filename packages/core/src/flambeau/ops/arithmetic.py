"""Sums, products, quotients, powers and their like, element by element."""

from __future__ import annotations

from .. import ir
from .._base import dtypes
from ..runtime.families import composite, elementwise
from ..runtime.promotion import INT_DIVISOR, INT_TO_FLOAT, NO_BOOL, SAME, refusing
from ..runtime.tensor import Tensor
from .rounding import floor, trunc


@elementwise(promote=SAME, onnx="Add")
def add(input, other, *, alpha: float = 1):
    """Sum of two tensors: input + alpha * other.

    >>> import flambeau
    >>> flambeau.add(flambeau.tensor([1, 2]), 10)
    tensor([11, 12])
    """
    return ir.add(input, ir.mul(alpha, other))


@elementwise(promote=NO_BOOL, onnx="Sub")
def sub(input, other, *, alpha: float = 1):
    """Difference of two tensors: input - alpha * other.

    >>> import flambeau
    >>> flambeau.sub(flambeau.tensor([1, 2]), 1)
    tensor([0, 1])
    """
    return ir.sub(input, ir.mul(alpha, other))


@elementwise(promote=SAME, onnx="Mul")
def mul(input, other):
    """Product of two tensors, element by element.

    >>> import flambeau
    >>> flambeau.mul(flambeau.tensor([1.0, 2.0]), 3)
    tensor([3., 6.])
    """
    return ir.mul(input, other)


@elementwise(promote=INT_TO_FLOAT, onnx="Div")
def true_divide(input, other):
    """Quotient of two tensors; integers give floats.

    >>> import flambeau
    >>> flambeau.true_divide(flambeau.tensor([1, 2]), 2)
    tensor([0.5000, 1.0000])
    """
    return ir.div(input, other)


@elementwise(promote=INT_DIVISOR)
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


@composite
def div(input: Tensor, other: Tensor | float, *, rounding_mode: str | None = None):
    """Quotient of two tensors, rounded towards zero ("trunc"), down ("floor") or not at all (None).

    >>> import flambeau
    >>> flambeau.div(flambeau.tensor([7.0, -7.0]), 2, rounding_mode="trunc")
    tensor([ 3., -3.])
    """
    if rounding_mode is None:
        return true_divide(input, other)
    if rounding_mode == "floor":
        return (
            floor(true_divide(input, other))
            if _is_float(input, other)
            else floor_divide(input, other)
        )
    if rounding_mode == "trunc":
        if _is_float(input, other):
            return trunc(true_divide(input, other))
        return (input - fmod(input, other)) // other
    raise RuntimeError(
        f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
    )


def _is_float(*operands: object) -> bool:
    return any(
        isinstance(x, float) or (isinstance(x, Tensor) and x.dtype.is_floating_point)
        for x in operands
    )


@elementwise(promote=INT_DIVISOR)
def remainder(input, other):
    """Remainder of the division rounded down; it has the sign of `other`, as Python's %.

    >>> import flambeau
    >>> flambeau.remainder(flambeau.tensor([-3.0, 3.0]), 2)
    tensor([1., 1.])
    """
    return ir.remainder(input, other)


@elementwise(promote=INT_DIVISOR)
def fmod(input, other):
    """Remainder of the division rounded towards zero; it has the sign of `input`, as C's fmod.

    >>> import flambeau
    >>> flambeau.fmod(flambeau.tensor([-3.0, 3.0]), 2)
    tensor([-1.,  1.])
    """
    return ir.fmod(input, other)


@elementwise(promote=NO_BOOL, onnx="Neg")
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


@elementwise(promote=refusing("complex"), onnx="Sign")
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


@elementwise(promote=SAME, onnx="Pow")
def pow(input, exponent):
    """Each element to the power of `exponent`.

    >>> import flambeau
    >>> flambeau.pow(flambeau.tensor([2.0, 3.0]), 2)
    tensor([4., 9.])
    """
    return ir.pow(input, exponent)


@elementwise(promote=SAME, onnx="Max")
def maximum(input, other):
    """The larger of two elements; NaN if either is NaN. Ties share the gradient.

    >>> import flambeau
    >>> flambeau.maximum(flambeau.tensor([1.0, 5.0]), flambeau.tensor([3.0, 2.0]))
    tensor([3., 5.])
    """
    return ir.maximum(input, other)


@elementwise(promote=SAME, onnx="Min")
def minimum(input, other):
    """The smaller of two elements; NaN if either is NaN. Ties share the gradient.

    >>> import flambeau
    >>> flambeau.minimum(flambeau.tensor([1.0, 5.0]), flambeau.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    return ir.minimum(input, other)


@elementwise(promote=SAME, method=False)
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


@composite
def clamp(input: Tensor, min: Tensor | float | None = None, max: Tensor | float | None = None):
    """Elements below `min` become it, elements above `max` become it; the bounds are numbers or tensors.

    >>> import flambeau
    >>> flambeau.clamp(flambeau.tensor([-1.0, 0.5, 2.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        out = input if min is None else maximum(input, min)
        return out if max is None else minimum(out, max)
    if isinstance(min, float) or isinstance(max, float):
        if not input.dtype.is_floating_point:
            input = input + 0.0
    return clamp_number(input, min=min, max=max)


@elementwise(promote=SAME)
def lerp(input, end, weight):
    """Linear interpolation: input + weight * (end - input).

    >>> import flambeau
    >>> flambeau.lerp(flambeau.zeros(2), flambeau.ones(2), 0.25)
    tensor([0.2500, 0.2500])
    """
    return input + weight * (end - input)


@elementwise(promote=SAME)
def addcmul(input, tensor1, tensor2, *, value: float = 1):
    """input + value * tensor1 * tensor2.

    >>> import flambeau
    >>> flambeau.addcmul(flambeau.ones(2), flambeau.ones(2), flambeau.ones(2), value=2)
    tensor([3., 3.])
    """
    return input + ir.mul(value, tensor1 * tensor2)


@elementwise(promote=SAME)
def addcdiv(input, tensor1, tensor2, *, value: float = 1):
    """input + value * tensor1 / tensor2.

    >>> import flambeau
    >>> flambeau.addcdiv(flambeau.ones(2), flambeau.ones(2), flambeau.full((2,), 4.0))
    tensor([1.2500, 1.2500])
    """
    return input + ir.mul(value, tensor1 / tensor2)
