"""Comparisons, predicates and logic, element by element. Results are boolean and have no gradient."""

from __future__ import annotations

from .. import ir
from .._base import dtypes
from .._base.devices import CPU
from ..runtime.families import elementwise
from ..runtime.operator import ONE, registry
from ..runtime.promotion import SAME, TO_BOOL, only
from ..runtime.tensor import Tensor


@elementwise(promote=SAME, result="bool", onnx="Equal", numbers=("other",))
def eq(input, other):
    """Whether the elements are equal.

    >>> import flambeau
    >>> flambeau.eq(flambeau.tensor([1.0, 2.0]), 2)
    tensor([False,  True])
    """
    return ir.eq(input, other)


@elementwise(promote=SAME, result="bool", numbers=("other",))
def ne(input, other):
    """Whether the elements differ.

    >>> import flambeau
    >>> flambeau.ne(flambeau.tensor([1.0, 2.0]), 2)
    tensor([ True, False])
    """
    return ir.ne(input, other)


@elementwise(promote=SAME, result="bool", onnx="Less", numbers=("other",), accepts="bool int float")
def lt(input, other):
    """Whether input < other.

    >>> import flambeau
    >>> flambeau.lt(flambeau.tensor([1.0, 2.0]), 2)
    tensor([ True, False])
    """
    return ir.lt(input, other)


@elementwise(
    promote=SAME, result="bool", onnx="LessOrEqual", numbers=("other",), accepts="bool int float"
)
def le(input, other):
    """Whether input <= other.

    >>> import flambeau
    >>> flambeau.le(flambeau.tensor([1.0, 2.0]), 2)
    tensor([True, True])
    """
    return ir.le(input, other)


@elementwise(
    promote=SAME, result="bool", onnx="Greater", numbers=("other",), accepts="bool int float"
)
def gt(input, other):
    """Whether input > other.

    >>> import flambeau
    >>> flambeau.gt(flambeau.tensor([1.0, 2.0]), 2)
    tensor([False, False])
    """
    return ir.gt(input, other)


@elementwise(
    promote=SAME, result="bool", onnx="GreaterOrEqual", numbers=("other",), accepts="bool int float"
)
def ge(input, other):
    """Whether input >= other.

    >>> import flambeau
    >>> flambeau.ge(flambeau.tensor([1.0, 2.0]), 2)
    tensor([False,  True])
    """
    return ir.ge(input, other)


@elementwise(promote=SAME, result="bool", onnx="IsNaN", inplace=False)
def isnan(input):
    """Whether each element is NaN.

    >>> import flambeau
    >>> flambeau.isnan(flambeau.tensor([1.0, float("inf"), float("nan")]))
    tensor([False, False,  True])
    """
    return ir.isnan(input)


@elementwise(promote=SAME, result="bool", onnx="IsInf", inplace=False)
def isinf(input):
    """Whether each element is infinite.

    >>> import flambeau
    >>> flambeau.isinf(flambeau.tensor([1.0, float("inf"), float("nan")]))
    tensor([False,  True, False])
    """
    return ir.isinf(input)


@elementwise(promote=SAME, result="bool", inplace=False)
def isfinite(input):
    """Whether each element is neither infinite nor NaN.

    >>> import flambeau
    >>> flambeau.isfinite(flambeau.tensor([1.0, float("inf"), float("nan")]))
    tensor([ True, False, False])
    """
    return ir.isfinite(input)


@elementwise(promote=TO_BOOL, result="bool", onnx="And")
def logical_and(input, other):
    """Logical and of truth values; numbers are true unless zero.

    >>> import flambeau
    >>> flambeau.logical_and(flambeau.tensor([True, False]), flambeau.tensor([True, True]))
    tensor([ True, False])
    """
    return ir.logical_and(input, other)


@elementwise(promote=TO_BOOL, result="bool", onnx="Or")
def logical_or(input, other):
    """Logical or of truth values; numbers are true unless zero.

    >>> import flambeau
    >>> flambeau.logical_or(flambeau.tensor([True, False]), flambeau.tensor([True, True]))
    tensor([True, True])
    """
    return ir.logical_or(input, other)


@elementwise(promote=TO_BOOL, result="bool", onnx="Xor")
def logical_xor(input, other):
    """Logical xor of truth values; numbers are true unless zero.

    >>> import flambeau
    >>> flambeau.logical_xor(flambeau.tensor([True, False]), flambeau.tensor([True, True]))
    tensor([False,  True])
    """
    return ir.logical_xor(input, other)


@elementwise(promote=TO_BOOL, result="bool", onnx="Not")
def logical_not(input):
    """Logical not of truth values.

    >>> import flambeau
    >>> flambeau.logical_not(flambeau.tensor([0, 1]))
    tensor([ True, False])
    """
    return ir.logical_not(input)


@elementwise(promote=SAME, numbers=ONE, accepts="bool int")
def bitwise_and(input, other):
    """Bitwise and of integers; logical and of bools.

    >>> import flambeau
    >>> flambeau.bitwise_and(flambeau.tensor([5, 6]), 3)
    tensor([1, 2])
    """
    return ir.bitwise_and(input, other)


bitwise_and.no_vjp("defined on integers only")


@elementwise(promote=SAME, numbers=ONE, accepts="bool int")
def bitwise_or(input, other):
    """Bitwise or of integers; logical or of bools.

    >>> import flambeau
    >>> flambeau.bitwise_or(flambeau.tensor([5, 6]), 3)
    tensor([7, 7])
    """
    return ir.bitwise_or(input, other)


bitwise_or.no_vjp("defined on integers only")


@elementwise(promote=SAME, numbers=ONE, accepts="bool int")
def bitwise_xor(input, other):
    """Bitwise xor of integers; logical xor of bools.

    >>> import flambeau
    >>> flambeau.bitwise_xor(flambeau.tensor([5, 6]), 3)
    tensor([6, 5])
    """
    return ir.bitwise_xor(input, other)


bitwise_xor.no_vjp("defined on integers only")


@elementwise(promote=SAME, accepts="bool int", exact_out=True)
def bitwise_not(input):
    """Bitwise not of integers; logical not of bools.

    >>> import flambeau
    >>> flambeau.bitwise_not(flambeau.tensor([0, 1]))
    tensor([-1, -2])
    """
    return ir.bitwise_not(input)


bitwise_not.no_vjp("defined on integers only")


def new_number(value, dtype, device):
    """A number as a 0-d tensor."""
    return registry["fill_new"].public(shape=(), value=value, dtype=dtype, device=device)


CONDITIONS = (dtypes.bool_, dtypes.uint8)


def _choices(op, arrays, attrs):
    """Both choices in one dtype: of two numbers their own, not the condition's."""
    condition, *choices = arrays
    if isinstance(condition, Tensor) and condition.dtype not in CONDITIONS:
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype.name}"
        )
    if not any(isinstance(c, Tensor) for c in choices):
        device = condition.device if isinstance(condition, Tensor) else CPU
        choices = [new_number(c, dtypes.of_number(c), device) for c in choices]
    return only(1, 2)(op, (condition, *choices), attrs)


@elementwise(promote=_choices, onnx="Where", numbers=("input", "other"), inplace=False)
def where(condition, input, other):
    """Elements of `input` where `condition` holds, of `other` elsewhere; all three broadcast.

    >>> import flambeau
    >>> flambeau.where(flambeau.tensor([True, False]), flambeau.ones(2), flambeau.zeros(2))
    tensor([1., 0.])
    """
    return ir.where(condition, input, other)
