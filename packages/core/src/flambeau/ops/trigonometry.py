"""Trigonometric and hyperbolic functions, element by element. Angles are in radians."""

from __future__ import annotations

from .. import ir
from ..runtime.families import elementwise
from ..runtime.promotion import INT_TO_FLOAT


@elementwise(promote=INT_TO_FLOAT, onnx="Sin")
def sin(input):
    """Sine of each element.

    >>> import flambeau
    >>> flambeau.sin(flambeau.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8415])
    """
    return ir.sin(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Cos")
def cos(input):
    """Cosine of each element.

    >>> import flambeau
    >>> flambeau.cos(flambeau.tensor([0.0, 1.0]))
    tensor([1.0000, 0.5403])
    """
    return ir.cos(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Tan")
def tan(input):
    """Tangent of each element.

    >>> import flambeau
    >>> flambeau.tan(flambeau.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5574])
    """
    return ir.tan(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Asin")
def asin(input):
    """Inverse sine of each element.

    >>> import flambeau
    >>> flambeau.asin(flambeau.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5708])
    """
    return ir.asin(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Acos")
def acos(input):
    """Inverse cosine of each element.

    >>> import flambeau
    >>> flambeau.acos(flambeau.tensor([0.0, 1.0]))
    tensor([1.5708, 0.0000])
    """
    return ir.acos(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Atan")
def atan(input):
    """Inverse tangent of each element.

    >>> import flambeau
    >>> flambeau.atan(flambeau.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7854])
    """
    return ir.atan(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Sinh")
def sinh(input):
    """Hyperbolic sine of each element.

    >>> import flambeau
    >>> flambeau.sinh(flambeau.tensor([0.0, 1.0]))
    tensor([0.0000, 1.1752])
    """
    return ir.sinh(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Cosh")
def cosh(input):
    """Hyperbolic cosine of each element.

    >>> import flambeau
    >>> flambeau.cosh(flambeau.tensor([0.0, 1.0]))
    tensor([1.0000, 1.5431])
    """
    return ir.cosh(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Tanh")
def tanh(input):
    """Hyperbolic tangent of each element.

    >>> import flambeau
    >>> flambeau.tanh(flambeau.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """
    return ir.tanh(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Asinh")
def asinh(input):
    """Inverse hyperbolic sine of each element.

    >>> import flambeau
    >>> flambeau.asinh(flambeau.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8814])
    """
    return ir.asinh(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Acosh")
def acosh(input):
    """Inverse hyperbolic cosine of each element.

    >>> import flambeau
    >>> flambeau.acosh(flambeau.tensor([1.0, 2.0]))
    tensor([0.0000, 1.3170])
    """
    return ir.acosh(input)


@elementwise(promote=INT_TO_FLOAT, onnx="Atanh")
def atanh(input):
    """Inverse hyperbolic tangent of each element.

    >>> import flambeau
    >>> flambeau.atanh(flambeau.tensor([0.0, 0.5]))
    tensor([0.0000, 0.5493])
    """
    return ir.atanh(input)


@elementwise(promote=INT_TO_FLOAT, accepts="float")
def atan2(input, other):
    """The angle of the point (other, input), in (-pi, pi].

    >>> import flambeau
    >>> flambeau.atan2(flambeau.tensor([1.0]), flambeau.tensor([1.0]))
    tensor([0.7854])
    """
    return ir.atan2(input, other)
