"""Activation functions, element by element. `torch.nn.functional` spellings; `inplace=` is the nn layer's business."""

from __future__ import annotations

import math

from .. import ir
from ..runtime.families import elementwise
from ..runtime.promotion import INT_TO_FLOAT, SAME


@elementwise(promote=SAME, onnx="Relu")
def relu(input):
    """max(x, 0) of each element.

    >>> import flambeau
    >>> flambeau.relu(flambeau.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return ir.maximum(input, 0)


@relu.partials
def _(out, input):
    return (ir.where(out > 0, 1.0, 0.0),)


@elementwise(promote=INT_TO_FLOAT, onnx="Sigmoid")
def sigmoid(input):
    """1 / (1 + exp(-x)) of each element.

    >>> import flambeau
    >>> flambeau.sigmoid(flambeau.tensor([0.0, 2.0]))
    tensor([0.5000, 0.8808])
    """
    return ir.sigmoid(input)


@elementwise(promote=INT_TO_FLOAT, method=False)
def gelu(input, approximate: str = "none"):
    """Gaussian error linear unit: x * Phi(x), exact or by "tanh" (Hendrycks and Gimpel, 2016).

    >>> import flambeau
    >>> flambeau.gelu(flambeau.tensor([-1.0, 1.0]))
    tensor([-0.1587,  0.8413])
    """
    if approximate == "none":
        return input * 0.5 * (1 + ir.erf(input * math.sqrt(0.5)))
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (input + 0.044715 * input * input * input)
        return 0.5 * input * (1 + ir.tanh(inner))
    raise RuntimeError(f"approximate argument must be either none or tanh, got {approximate}")


@elementwise(promote=INT_TO_FLOAT, method=False)
def silu(input):
    """Sigmoid linear unit: x * sigmoid(x).

    >>> import flambeau
    >>> flambeau.silu(flambeau.tensor([-1.0, 1.0]))
    tensor([-0.2689,  0.7311])
    """
    return input * ir.sigmoid(input)


@elementwise(promote=INT_TO_FLOAT, method=False)
def softplus(input, beta: float = 1.0, threshold: float = 20.0):
    """log(1 + exp(beta x)) / beta, the identity where beta x exceeds `threshold`.

    >>> import flambeau
    >>> flambeau.softplus(flambeau.tensor([0.0, 30.0]))
    tensor([ 0.6931, 30.0000])
    """
    scaled = input * beta
    return ir.where(scaled > threshold, input, ir.log1p(ir.exp(scaled)) / beta)


@softplus.partials
def _(out, input, beta, threshold):
    scaled = input * beta
    return (ir.where(scaled > threshold, 1.0, ir.sigmoid(scaled)),)


@elementwise(promote=INT_TO_FLOAT, method=False)
def elu(input, alpha: float = 1.0):
    """x where positive, alpha * (exp(x) - 1) elsewhere.

    >>> import flambeau
    >>> flambeau.elu(flambeau.tensor([-1.0, 1.0]))
    tensor([-0.6321,  1.0000])
    """
    return ir.where(input > 0, input, alpha * ir.expm1(input))


@elementwise(promote=SAME, method=False)
def leaky_relu(input, negative_slope: float = 0.01):
    """x where positive, negative_slope * x elsewhere.

    >>> import flambeau
    >>> flambeau.leaky_relu(flambeau.tensor([-1.0, 1.0]))
    tensor([-0.0100,  1.0000])
    """
    return ir.where(input > 0, input, negative_slope * input)


@elementwise(promote=INT_TO_FLOAT, method=False)
def logsigmoid(input):
    """log(sigmoid(x)), accurate where sigmoid underflows.

    >>> import flambeau
    >>> flambeau.logsigmoid(flambeau.tensor([0.0, -100.0]))
    tensor([  -0.6931, -100.0000])
    """
    return ir.minimum(input, 0) - ir.log1p(ir.exp(-ir.abs(input)))


@logsigmoid.partials
def _(out, input):
    return (ir.sigmoid(-input),)


@elementwise(promote=SAME, method=False)
def hardtanh(input, min_val: float = -1.0, max_val: float = 1.0):
    """x clamped to [min_val, max_val]; the gradient is zero on the bounds.

    >>> import flambeau
    >>> flambeau.hardtanh(flambeau.tensor([-2.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    return ir.minimum(ir.maximum(input, min_val), max_val)


@hardtanh.partials
def _(out, input, min_val, max_val):
    return (ir.where(ir.logical_and(input > min_val, input < max_val), 1.0, 0.0),)
