"""Activations and softmax."""

from __future__ import annotations

import warnings
from typing import Any

from flambeau._base.checks import check
from flambeau._base.dtypes import float32, float64
from flambeau.ops import activation as _activation
from flambeau.ops import softmax as _softmax
from flambeau.ops.comparison import where
from flambeau.ops.creation import ones_like, tensor, zeros_like
from flambeau.ops.random import rand
from flambeau.ops.random import rand_like as _rand_like
from flambeau.ops.trigonometry import tanh as _tanh
from flambeau.runtime.promotion import check_fits
from flambeau.runtime.state import local
from flambeau.runtime.tensor import Tensor

from .placing import kept, overwritten, placed


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0) of each element.

    >>> import flambeau
    >>> relu(flambeau.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if inplace:
        return input.relu_()
    return _activation.relu(input)


def relu_(input: Tensor) -> Tensor:
    """In-place version of `relu`."""
    return input.relu_()


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x limited to [0, 6]."""
    if inplace and overwritten(_activation.relu6, input):
        return input
    return placed(_activation.relu6(input), input, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, negative_slope * x elsewhere."""
    return placed(_activation.leaky_relu(kept(input, inplace), negative_slope), input, inplace)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place version of `leaky_relu`."""
    return leaky_relu(input, negative_slope, True)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, alpha * (exp(x) - 1) elsewhere."""
    return placed(_activation.elu(kept(input, inplace), alpha), input, inplace)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place version of `elu`."""
    return elu(input, alpha, True)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, alpha * (exp(x / alpha) - 1) elsewhere."""
    check(alpha != 0, lambda: "ZeroDivisionError: alpha cannot be 0 for CELU")
    return placed(_activation.celu(kept(input, inplace), alpha), input, inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """elu with constants that keep the mean 0 and the variance 1 of deep networks."""
    return placed(_activation.selu(kept(input, inplace)), input, inplace)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place version of `celu`."""
    return celu(input, alpha, True)


def selu_(input: Tensor) -> Tensor:
    """In-place version of `selu`."""
    return selu(input, True)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x)."""
    return placed(_activation.silu(kept(input, inplace)), input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x))."""
    return placed(_activation.mish(kept(input, inplace)), input, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """x limited to [min_val, max_val]."""
    check(min_val <= max_val, lambda: "min_val cannot be greater than max_val", ValueError)
    limits = {"min_val": min_val, "max_val": max_val}
    if (
        inplace
        and type(min_val) is type(max_val) is float
        and overwritten(_activation.hardtanh, input, **limits)
    ):
        return input
    return placed(_activation.hardtanh(input, min_val, max_val), input, inplace)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place version of `hardtanh`."""
    return hardtanh(input, min_val, max_val, True)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """x / 6 + 1/2 between -3 and 3, 0 below, 1 above."""
    return placed(_activation.hardsigmoid(kept(input, inplace)), input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x)."""
    return placed(_activation.hardswish(kept(input, inplace)), input, inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it is above `threshold`, else `value`."""
    return placed(_activation.threshold(kept(input, inplace), threshold, value), input, inplace)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place version of `threshold`."""
    return placed(_activation.threshold(kept(input, True), threshold, value), input, True)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """Leaky ReLU; while training with a slope from [lower, upper] for each element.

    >>> import flambeau
    >>> rrelu(flambeau.tensor([-1.0, 1.0]), 0.5, 0.5)
    tensor([-0.5000,  1.0000])
    """
    check(lower <= upper, lambda: "Lower bound should be less than or equal to the upper bound")
    for slope in (lower, upper):
        check_fits(slope, input.dtype)
    if training:
        slopes = _slopes(input, lower, upper)
        x = kept(input, inplace)
        # Not `leaky_slopes`, which is prelu's and a product to autocast.
        return placed(where(x > 0, x, (x * slopes).to(x.dtype)), input, inplace)
    return leaky_relu(input, (lower + upper) / 2, inplace)


def _slopes(input: Tensor, lower: float, upper: float) -> Tensor:
    """A slope for each element: PyTorch's numbers, which are drawn for those alone that are not positive.

    How many are drawn depends on what the input holds, which a batch, a program being traced and `meta` cannot say: there one is
    drawn for every element.
    """
    if input._level or local.modes or input.device.type != "cpu":
        return _rand_like(input) * (upper - lower) + lower
    below = input.detach() <= 0
    kind = float64 if input.dtype is float64 else float32
    low, high = tensor([lower, upper], dtype=kind).tolist()
    drawn = rand(int(below.sum()), dtype=float64) * (high - low) + low
    return ones_like(input.detach(), dtype=kind).masked_scatter(below, drawn.to(kind))


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """In-place version of `rrelu`."""
    return rrelu(input, lower, upper, training, True)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Leaky ReLU with trained slopes: one, or one for each channel (dimension 1).

    >>> import flambeau
    >>> prelu(flambeau.tensor([-1.0, 1.0]), flambeau.tensor([0.5]))
    tensor([-0.5000,  1.0000])
    """
    check(
        weight.ndim < 2,
        lambda: (
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        ),
    )
    count = weight.numel()
    if count != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        check(
            count == channels,
            lambda: (
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{count} and channel size = {channels}."
            ),
        )
        weight = weight.reshape(-1, *[1] * (input.ndim - 2))
    elif input.ndim == 0:
        weight = weight.reshape(())
    return _activation.leaky_slopes(input, weight)


gelu = _activation.gelu
softplus = _activation.softplus
logsigmoid = _activation.logsigmoid
softsign = _activation.softsign
tanhshrink = _activation.tanhshrink
hardshrink = _activation.hardshrink
softshrink = _activation.softshrink


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)) of each element."""
    return _activation.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent of each element."""
    return _tanh(input)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along `dim` times the sigmoid of the second half.

    >>> import flambeau
    >>> glu(flambeau.tensor([2.0, 0.0]))
    tensor([1.])
    """
    check(input.ndim > 0, lambda: "glu does not support scalars because halving size must be even")
    size = input.shape[dim]
    check(
        size % 2 == 0,
        lambda: f"Halving dimension must be even, but dimension {dim} is size {size}",
    )
    value, gate = input.chunk(2, dim)
    return _activation.gated(value, gate)


def _softmax_dim(name: str, ndim: int, stacklevel: int) -> int:
    """PyTorch's guess where no dimension is given; it warns."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """exp(x), divided by its sum along `dim`.

    >>> import flambeau
    >>> softmax(flambeau.zeros(2), 0)
    tensor([0.5000, 0.5000])
    """
    dim = _softmax_dim("softmax", input.ndim, _stacklevel) if dim is None else dim
    return _softmax.softmax(input, dim, dtype=dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Logarithm of the softmax, computed without overflow."""
    dim = _softmax_dim("log_softmax", input.ndim, _stacklevel) if dim is None else dim
    return _softmax.log_softmax(input, dim, dtype=dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Softmax of -x."""
    dim = _softmax_dim("softmin", input.ndim, _stacklevel) if dim is None else dim
    return _softmax.softmin(input, dim, dtype=dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A sample of one class with probabilities softmax(logits), relaxed so that gradients flow.

    With `hard` the sample is one-hot, with the gradient of the relaxed one.

    >>> import flambeau
    >>> gumbel_softmax(flambeau.zeros(2, 3), hard=True).sum(1)
    tensor([1., 1.])
    """
    noise = -zeros_like(logits.detach()).exponential_().log()
    soft = _softmax.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.argmax(dim, True)
    sample = zeros_like(soft.detach()).scatter(dim, index, 1.0)
    return sample - soft.detach() + soft
