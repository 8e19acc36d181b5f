"""Rounding to integers, element by element. Derivatives are zero."""

from __future__ import annotations

from .. import ir
from .._base import dtypes
from ..runtime.families import elementwise
from ..runtime.promotion import SAME


def _decimals(op, arrays, attrs):
    """As SAME; integers have no decimals to round to."""
    made = SAME(op, arrays, attrs)
    if not attrs["decimals"]:
        attrs["decimals"] = None  # so that the expression is the plain one
    elif made[0].dtype.category <= dtypes.INT:
        raise NotImplementedError(
            f'"round" with decimals not implemented for {made[0].dtype.name}; it takes float dtypes'
        )
    return made


@elementwise(promote=SAME, accepts="int float", onnx="Floor", exact_out=True)
def floor(input):
    """The largest integer not above each element.

    >>> import flambeau
    >>> flambeau.floor(flambeau.tensor([1.5, -1.5]))
    tensor([ 1., -2.])
    """
    return ir.floor(input)


@elementwise(promote=SAME, accepts="int float", onnx="Ceil", exact_out=True)
def ceil(input):
    """The smallest integer not below each element.

    >>> import flambeau
    >>> flambeau.ceil(flambeau.tensor([1.5, -1.5]))
    tensor([ 2., -1.])
    """
    return ir.ceil(input)


@elementwise(promote=SAME, accepts="int float", exact_out=True)
def trunc(input):
    """Each element without its fraction.

    >>> import flambeau
    >>> flambeau.trunc(flambeau.tensor([1.5, -1.5]))
    tensor([ 1., -1.])
    """
    return ir.trunc(input)


@elementwise(promote=_decimals, accepts="int float", onnx="Round", exact_out=True)
def round(input, *, decimals: int = 0):
    """Each element rounded to `decimals` places, halves to even.

    >>> import flambeau
    >>> flambeau.round(flambeau.tensor([0.5, 1.5, 2.4]))
    tensor([0., 2., 2.])
    """
    if not decimals:
        return ir.round(input)
    up, down = ir.pow(10.0, ir.maximum(decimals, 0)), ir.pow(10.0, ir.maximum(ir.neg(decimals), 0))
    return ir.div(ir.mul(ir.round(ir.div(ir.mul(input, up), down)), down), up)
