"""Elementwise functions that do not fit a narrower file."""

from __future__ import annotations

import math
from math import inf
from typing import Any

from .. import ir
from .._base import dtypes
from .._base.limits import finfo
from ..runtime import state
from ..runtime.families import composite, elementwise
from ..runtime.meta import Meta
from ..runtime.numbers import number_array
from ..runtime.operator import ONE
from ..runtime.promotion import INT_TO_FLOAT, SAME, check_fits, wrapped
from ..runtime.tensor import Tensor
from .comparison import isfinite, isnan, where
from .complex import complex

NUMBERS: tuple[Any, ...] = (bool, int, float, lambda x: x)  # by the number of a dtype's category


def check_element(value: Tensor, dtype: dtypes.dtype) -> None:
    """RuntimeError for a 0-d tensor of another dtype whose number `dtype` cannot hold; nothing where it is not to be seen."""
    if value.dtype is dtype or dtype is dtypes.bool_ or value.is_meta:
        return
    if value._level or state.active:
        complex_lost = value.dtype.is_complex and dtype.category < dtypes.COMPLEX
        if not complex_lost:
            return
    check_fits(value.item(), dtype)


@composite(numbers=("value",))
def masked_fill(input: Tensor, mask: Tensor, value: Tensor | float):
    """`input` with `value`, a number or a 0-d tensor, where `mask` (bool, broadcast to input) holds.

    >>> import flambeau
    >>> flambeau.masked_fill(flambeau.ones(2), flambeau.tensor([True, False]), 5)
    tensor([5., 1.])
    """
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype.name}"
        )
    dtype = input.dtype
    if not isinstance(value, Tensor):
        check_fits(value, dtype)
        value = NUMBERS[dtype.category](value)
        return where(mask, wrapped(value, dtype) if type(value) is int else value, input)
    if value.ndim:
        raise RuntimeError(
            "masked_fill only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    check_element(value, dtype)
    return where(mask, value if value.dtype is dtype else value.to(dtype), input)


@masked_fill.small
def _(xp, x, mask, value):
    return xp.where(mask, x.dtype.type(value), x) if _fillable(x, mask, value) else NotImplemented


@masked_fill.small_into
def _(xp, x, mask, value):
    if not _fillable(x, mask, value):
        return NotImplemented
    xp.copyto(x, number_array(value, x.dtype), where=mask)  # which refuses a mask that does not fit
    return None


def _fillable(x: Any, mask: Any, value: Any) -> bool:
    """Whether a raw array surely holds a number that is to be written under a mask."""
    kind = type(value)
    if mask.dtype.char != "?":
        return False
    if x.dtype.char in "ilq":
        return kind is int and -(1 << 31) <= value < 1 << 31
    if x.dtype.char not in "fd" or (kind is not float and kind is not int):
        return False
    if kind is int and not -(1 << 63) <= value < 1 << 64:  # refused
        return False
    return -3e38 < value < 3e38 or value in (inf, -inf)


@masked_fill.small_vjp
def _(g, _out, x: Meta, mask, _value):
    g = g.masked_fill(mask, 0)
    return g if g.shape == x.shape else g.sum_to_size(x.shape), None, None


@elementwise(promote=SAME, method=False)
def finite_numbers(input, nan: float, high: float, low: float):
    """`nan_to_num` of real numbers."""
    bounded = ir.where(ir.eq(input, math.inf), high, ir.where(ir.eq(input, -math.inf), low, input))
    return ir.where(ir.isnan(input), nan, bounded)


@finite_numbers.partials
def _(out, input, nan, high, low):
    return (ir.where(ir.isfinite(input), 1.0, 0.0),)


@composite(exact_out=True)
def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
):
    """NaN and infinities replaced by numbers: 0 and the largest finite values unless given.

    >>> import flambeau
    >>> flambeau.nan_to_num(flambeau.tensor([float("nan"), 1.0]))
    tensor([0., 1.])
    """
    if input.dtype.category < dtypes.FLOAT:
        return input.clone()
    if input.dtype.is_complex:
        parts = (nan_to_num(part, nan, posinf, neginf) for part in (input.real, input.imag))
        return complex(*parts)
    largest = finfo(input.dtype).max
    return finite_numbers(
        input,
        0.0 if nan is None else float(nan),
        largest if posinf is None else float(posinf),
        -largest if neginf is None else float(neginf),
    )


@composite(numbers=())
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
):
    """Whether |input - other| <= atol + rtol * |other|, element by element.

    >>> import flambeau
    >>> flambeau.isclose(flambeau.tensor([1.0]), flambeau.tensor([1.0 + 1e-7]))
    tensor([True])
    """
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{input.dtype} did not match {other.dtype}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not value >= 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    close = input == other
    if equal_nan and input.dtype.category >= dtypes.FLOAT:
        close = close | (isnan(input) & isnan(other))
    if rtol == 0 and atol == 0:
        return close
    if input.dtype.category < dtypes.FLOAT:
        input, other = (x.to(dtypes.get_default_dtype()) for x in (input, other))
    distance = (input - other).abs()
    return close | (isfinite(distance) & (distance <= atol + (rtol * other).abs()))


def _vanishes(input, other):
    return ir.logical_and(ir.eq(input, 0), ir.logical_not(ir.isnan(other)))


@elementwise(promote=INT_TO_FLOAT, accepts="float", numbers=ONE)
def xlogy(input, other):
    """input * log(other), 0 where input is 0.

    >>> import flambeau
    >>> flambeau.xlogy(flambeau.tensor([0.0, 1.0]), flambeau.tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    return ir.where(_vanishes(input, other), 0.0, input * ir.log(other))


@xlogy.partials
def _(out, input, other):
    flat = ir.logical_and(ir.eq(input, 0), other <= 0)
    return ir.where(flat, 0.0, ir.log(other)), input / other
