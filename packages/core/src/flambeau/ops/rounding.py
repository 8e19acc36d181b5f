"""Rounding to integers, element by element. Derivatives are zero."""

from __future__ import annotations

from .. import ir
from ..runtime.families import elementwise
from ..runtime.promotion import refusing

ROUNDED = refusing("bool", "complex")


@elementwise(promote=ROUNDED, onnx="Floor")
def floor(input):
    """The largest integer not above each element.

    >>> import flambeau
    >>> flambeau.floor(flambeau.tensor([1.5, -1.5]))
    tensor([ 1., -2.])
    """
    return ir.floor(input)


@elementwise(promote=ROUNDED, onnx="Ceil")
def ceil(input):
    """The smallest integer not below each element.

    >>> import flambeau
    >>> flambeau.ceil(flambeau.tensor([1.5, -1.5]))
    tensor([ 2., -1.])
    """
    return ir.ceil(input)


@elementwise(promote=ROUNDED)
def trunc(input):
    """Each element without its fraction.

    >>> import flambeau
    >>> flambeau.trunc(flambeau.tensor([1.5, -1.5]))
    tensor([ 1., -1.])
    """
    return ir.trunc(input)


@elementwise(promote=ROUNDED, onnx="Round")
def round(input, *, decimals: int = 0):
    """Each element rounded to `decimals` places, halves to even.

    >>> import flambeau
    >>> flambeau.round(flambeau.tensor([0.5, 1.5, 2.4]))
    tensor([0., 2., 2.])
    """
    scale = ir.pow(10.0, decimals)
    return ir.div(ir.round(ir.mul(input, scale)), scale)
