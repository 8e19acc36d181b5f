"""Activation functions, element by element. `torch.nn.functional` spellings; `inplace=` is the nn layer's business."""

from __future__ import annotations

import math

from .. import ir
from .._base import dtypes
from .._base.checks import check
from ..runtime.families import composite, elementwise
from ..runtime.promotion import INT_TO_FLOAT, NO_BOOL, SAME, fitting, refusing
from ..runtime.tensor import Tensor
from .arithmetic import abs


@elementwise(promote=refusing("bool", "complex"), onnx="Relu")
def relu(input):
    """max(x, 0) of each element.

    >>> import flambeau
    >>> flambeau.relu(flambeau.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return ir.maximum(input, 0)


@relu.partials
def _(out, input):
    return (ir.where(out <= 0, 0.0, 1.0),)  # 1 for NaN, as PyTorch


@elementwise(promote=INT_TO_FLOAT, onnx="Sigmoid")
def sigmoid(input):
    """1 / (1 + exp(-x)) of each element.

    >>> import flambeau
    >>> flambeau.sigmoid(flambeau.tensor([0.0, 2.0]))
    tensor([0.5000, 0.8808])
    """
    return ir.sigmoid(input)


@elementwise(promote=SAME, accepts="float", method=False)
def gelu(input, approximate: str = "none"):
    """Gaussian error linear unit: x * Phi(x), exact or by "tanh" (Hendrycks and Gimpel, 2016).

    >>> import flambeau
    >>> flambeau.ops.activation.gelu(flambeau.tensor([-1.0, 1.0]))
    tensor([-0.1587,  0.8413])
    """
    if approximate == "none":
        return input * 0.5 * (1 + ir.erf(input * math.sqrt(0.5)))
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (input + 0.044715 * input * input * input)
        return 0.5 * input * (1 + ir.tanh(inner))
    raise RuntimeError(f"approximate argument must be either none or tanh, got {approximate}")


@elementwise(promote=SAME, accepts="float complex", method=False)
def silu(input):
    """Sigmoid linear unit: x * sigmoid(x).

    >>> import flambeau
    >>> flambeau.ops.activation.silu(flambeau.tensor([-1.0, 1.0]))
    tensor([-0.2689,  0.7311])
    """
    return input * ir.sigmoid(input)


@elementwise(promote=fitting(SAME, "beta", "threshold"), accepts="float", method=False)
def softplus(input, beta: float = 1.0, threshold: float = 20.0):
    """log(1 + exp(beta x)) / beta, the identity where beta x exceeds `threshold`.

    >>> import flambeau
    >>> flambeau.ops.activation.softplus(flambeau.tensor([0.0, 30.0]))
    tensor([ 0.6931, 30.0000])
    """
    scaled = input * beta
    return ir.where(scaled > threshold, input, ir.log1p(ir.exp(scaled)) / beta)


@softplus.partials
def _(out, input, beta, threshold):
    scaled = input * beta
    return (ir.where(scaled > threshold, 1.0, ir.sigmoid(scaled)),)


def _below_zero(input):
    """min(x, 0), whose own derivative at 0 is 0 and not shared as that of `minimum`."""
    return ir.where(input < 0, input, 0.0)


@elementwise(promote=fitting(SAME, "alpha"), accepts="float", method=False)
def elu(input, alpha: float = 1.0):
    """x where positive, alpha * (exp(x) - 1) elsewhere.

    >>> import flambeau
    >>> flambeau.ops.activation.elu(flambeau.tensor([-1.0, 1.0]))
    tensor([-0.6321,  1.0000])
    """
    return ir.where(input > 0, input, alpha * ir.expm1(input))


@elu.partials
def _(out, input, alpha):
    # Derived, it would be 0 * inf where exp overflows, which is never asked for.
    return (ir.where(input <= 0, alpha * ir.exp(_below_zero(input)), 1.0),)


@elementwise(promote=fitting(SAME, "negative_slope"), accepts="float", method=False)
def leaky_relu(input, negative_slope: float = 0.01):
    """x where positive, negative_slope * x elsewhere.

    >>> import flambeau
    >>> flambeau.ops.activation.leaky_relu(flambeau.tensor([-1.0, 1.0]))
    tensor([-0.0100,  1.0000])
    """
    return ir.where(input > 0, input, negative_slope * input)


@leaky_relu.onnx
def _(builder, input, *, negative_slope):
    return builder.node("LeakyRelu", [input], alpha=float(negative_slope))


@elementwise(promote=SAME, accepts="float", method=False)
def logsigmoid(input):
    """log(sigmoid(x)), accurate where sigmoid underflows.

    >>> import flambeau
    >>> flambeau.ops.activation.logsigmoid(flambeau.tensor([0.0, -100.0]))
    tensor([  -0.6931, -100.0000])
    """
    return ir.minimum(input, 0) - ir.log1p(ir.exp(-ir.abs(input)))


@logsigmoid.partials
def _(out, input):
    return (ir.sigmoid(-input),)


def _limits(op, arrays, attrs):
    """As SAME; unsigned numbers have no room for a limit below zero."""
    made = refusing("bool", "complex")(op, arrays, attrs)
    if made[0].dtype.category == dtypes.INT and not made[0].dtype.is_signed:
        check(
            attrs["min_val"] >= 0 and attrs["max_val"] >= 0,
            lambda: "cannot do hardtanh on an unsigned type with negative limits",
        )
    return made


@elementwise(promote=fitting(_limits), method=False)
def hardtanh(input, min_val: float = -1.0, max_val: float = 1.0):
    """x clamped to [min_val, max_val]; the gradient is zero on the bounds.

    >>> import flambeau
    >>> flambeau.ops.activation.hardtanh(flambeau.tensor([-2.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    return ir.minimum(ir.maximum(input, min_val), max_val)


@hardtanh.partials
def _(out, input, min_val, max_val):  # of the result, so that the input may be overwritten
    return (ir.where(ir.logical_or(out <= min_val, out >= max_val), 0.0, 1.0),)


@elementwise(promote=refusing("bool", "complex"), method=False)
def relu6(input):
    """x limited to [0, 6]; the gradient is zero on the bounds.

    >>> import flambeau
    >>> flambeau.ops.activation.relu6(flambeau.tensor([-1.0, 9.0]))
    tensor([0., 6.])
    """
    return ir.minimum(ir.maximum(input, 0), 6)


@relu6.partials
def _(out, input):  # of the result, so that the input may be overwritten
    return (ir.where(ir.logical_or(out <= 0, out >= 6), 0.0, 1.0),)


@elementwise(promote=fitting(SAME, "alpha"), accepts="float", method=False)
def celu(input, alpha: float = 1.0):
    """x where positive, alpha * (exp(x / alpha) - 1) elsewhere.

    >>> import flambeau
    >>> flambeau.ops.activation.celu(flambeau.tensor([-1.0, 1.0]))
    tensor([-0.6321,  1.0000])
    """
    return ir.where(input > 0, input, alpha * ir.expm1(input / alpha))


@celu.partials
def _(out, input, alpha):
    return (ir.where(input <= 0, ir.exp(_below_zero(input) / alpha), 1.0),)


SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@elementwise(promote=SAME, accepts="float", method=False)
def selu(input):
    """elu with constants that keep the mean 0 and the variance 1 of deep networks.

    >>> import flambeau
    >>> flambeau.ops.activation.selu(flambeau.tensor([-1.0, 1.0]))
    tensor([-1.1113,  1.0507])
    """
    return SELU_SCALE * ir.where(input > 0, input, SELU_ALPHA * ir.expm1(input))


@selu.partials
def _(out, input):
    below = SELU_SCALE * SELU_ALPHA * ir.exp(_below_zero(input))
    return (ir.where(input <= 0, below, SELU_SCALE),)


@elementwise(promote=SAME, accepts="float", method=False)
def mish(input):
    """x * tanh(softplus(x)).

    >>> import flambeau
    >>> flambeau.ops.activation.mish(flambeau.tensor([-1.0, 1.0]))
    tensor([-0.3034,  0.8651])
    """
    soft = ir.maximum(input, 0) + ir.log1p(ir.exp(-ir.abs(input)))
    return input * ir.tanh(soft)


@mish.partials
def _(out, input):
    soft = ir.maximum(input, 0) + ir.log1p(ir.exp(-ir.abs(input)))
    t = ir.tanh(soft)
    return (t + input * ir.sigmoid(input) * (1 - t * t),)


@elementwise(promote=SAME, accepts="float", method=False)
def hardsigmoid(input):
    """Piecewise linear sigmoid: x / 6 + 1/2 between -3 and 3, 0 below, 1 above.

    >>> import flambeau
    >>> flambeau.ops.activation.hardsigmoid(flambeau.tensor([-4.0, 0.0]))
    tensor([0.0000, 0.5000])
    """
    return ir.minimum(ir.maximum(input + 3, 0), 6) / 6


@hardsigmoid.partials
def _(out, input):
    return (ir.where(ir.logical_and(input > -3, input < 3), 1.0 / 6, 0.0),)


@elementwise(promote=SAME, accepts="float", method=False)
def hardswish(input):
    """x * hardsigmoid(x).

    >>> import flambeau
    >>> flambeau.ops.activation.hardswish(flambeau.tensor([-4.0, 3.0]))
    tensor([-0.,  3.])
    """
    return input * ir.minimum(ir.maximum(input + 3, 0), 6) / 6


@hardswish.partials
def _(out, input):
    return (ir.where(input <= -3, 0.0, ir.where(input < 3, input / 3 + 0.5, 1.0)),)


@elementwise(promote=fitting(SAME), accepts="float", method=False)
def hardshrink(input, lambd: float = 0.5):
    """x where |x| > lambd, else 0.

    >>> import flambeau
    >>> flambeau.ops.activation.hardshrink(flambeau.tensor([0.2, 1.0]))
    tensor([0., 1.])
    """
    inside = ir.logical_and(input >= -lambd, input <= lambd)
    return ir.where(inside, 0.0, input)


def _positive_lambda(op, arrays, attrs):
    """As SAME; `lambd` must not be negative."""
    lambd = attrs["lambd"]
    check(lambd >= 0, lambda: f"softshrink: lambd must not be negative, but found {lambd}")
    return SAME(op, arrays, attrs)


_positive_lambda.by_value = True  # type: ignore[attr-defined]


@elementwise(promote=fitting(_positive_lambda), accepts="float", method=False)
def softshrink(input, lambd: float = 0.5):
    """x moved towards 0 by lambd, 0 where |x| <= lambd.

    >>> import flambeau
    >>> flambeau.ops.activation.softshrink(flambeau.tensor([0.2, 1.0]))
    tensor([0.0000, 0.5000])
    """
    small = ir.where(ir.isnan(input), input, 0.0)
    return ir.where(input > lambd, input - lambd, ir.where(input < -lambd, input + lambd, small))


@softshrink.partials
def _(out, input, lambd):
    return (ir.where(ir.logical_and(input >= -lambd, input <= lambd), 0.0, 1.0),)


@composite(method=False)
def softsign(input: Tensor):
    """x / (1 + |x|).

    >>> import flambeau
    >>> flambeau.ops.activation.softsign(flambeau.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """
    return input / (abs(input) + 1)


def _no_bools(op, arrays, attrs):
    """As INT_TO_FLOAT; bools, from which nothing can be subtracted, are refused."""
    return INT_TO_FLOAT(op, NO_BOOL(op, arrays, attrs), attrs)


@elementwise(promote=_no_bools, method=False)
def tanhshrink(input):
    """x - tanh(x).

    >>> import flambeau
    >>> flambeau.ops.activation.tanhshrink(flambeau.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2384])
    """
    return input - ir.tanh(input)


@elementwise(promote=fitting(SAME, "threshold"), accepts="int float", method=False)
def threshold(input, threshold: float, value: float):
    """x where it is above `threshold`, else `value`.

    >>> import flambeau
    >>> flambeau.ops.activation.threshold(flambeau.tensor([0.0, 2.0]), 1.0, 20.0)
    tensor([20.,  2.])
    """
    return ir.where(input <= threshold, value, input)


@elementwise(promote=SAME, accepts="float", method=False)
def gated(input, gate):
    """x times the sigmoid of another tensor: what `glu` makes of two halves.

    >>> import flambeau
    >>> flambeau.ops.activation.gated(flambeau.tensor([2.0]), flambeau.tensor([0.0]))
    tensor([1.])
    """
    return input * ir.sigmoid(gate)


@elementwise(promote=SAME, accepts="float", method=False)
def leaky_slopes(input, weight):
    """x where positive, weight * x elsewhere, with broadcasting: what `prelu` applies.

    >>> import flambeau
    >>> flambeau.ops.activation.leaky_slopes(flambeau.tensor([-1.0, 1.0]), flambeau.tensor(0.5))
    tensor([-0.5000,  1.0000])
    """
    return ir.where(input > 0, input, weight * input)
