"""Rounding to the levels that a quantized model will have, in floats: for training a model that is quantized later.

The gradient passes straight through the rounding, and stops where numbers were cut off (Y. Bengio and others, Estimating
or Propagating Gradients Through Stochastic Neurons, 2013).
"""

from __future__ import annotations

from typing import Any

from .._base.checks import check
from ..runtime.families import composite
from ..runtime.tensor import Tensor
from .comparison import where
from .loss import _values_known


def _rounded(input: Tensor, scale: Any, zero: Any, low: int, high: int) -> Tensor:
    """The nearest level of each number, with the gradient of the number itself where no level was cut off."""
    fixed = input.detach()
    level = (fixed * (1 / scale)).round() + zero
    inside = (level >= low) & (level <= high)
    value = ((level.clamp(low, high) - zero) * scale).to(input.dtype)
    return value + where(inside, input - fixed, 0.0)


def _check_range(low: int, high: int) -> None:
    check(
        low <= high,
        lambda: f"`quant_min` should be less than or equal to `quant_max`, got {low} and {high}",
    )


@composite(method=False, ints=("quant_min", "quant_max"))
def fake_quantize_per_tensor_affine(
    input: Tensor, scale: float | Tensor, zero_point: int | Tensor, quant_min: int, quant_max: int
):
    """The nearest of the numbers (q - zero_point) * scale, q from `quant_min` to `quant_max`.

    `scale` and `zero_point` are numbers or tensors of one element.

    >>> import flambeau
    >>> flambeau.fake_quantize_per_tensor_affine(flambeau.tensor([0.26, -3.0, 9.0]), 0.1, 10, 0, 30)
    tensor([ 0.3000, -1.0000,  2.0000])
    """
    _check_range(quant_min, quant_max)
    known = not isinstance(zero_point, Tensor) or _values_known(zero_point)
    check(
        not known or quant_min <= int(zero_point) <= quant_max,
        lambda: "`zero_point` must be between `quant_min` and `quant_max`.",
    )
    scale, zero = (
        x.detach().reshape(()).to(input.dtype) if isinstance(x, Tensor) else x
        for x in (scale, zero_point)
    )
    return _rounded(input, scale, zero, quant_min, quant_max)


@composite(method=False)
def fake_quantize_per_channel_affine(
    input: Tensor, scale: Tensor, zero_point: Tensor, axis: int, quant_min: int, quant_max: int
):
    """As `fake_quantize_per_tensor_affine`, with a scale and a zero point for each slice along `axis`.

    >>> import flambeau
    >>> x, scales = flambeau.tensor([[0.26], [0.26]]), flambeau.tensor([0.1, 0.5])
    >>> zeros = flambeau.tensor([0, 0], dtype=flambeau.int32)
    >>> flambeau.fake_quantize_per_channel_affine(x, scales, zeros, 0, 0, 9)
    tensor([[0.3000],
            [0.5000]])
    """
    _check_range(quant_min, quant_max)
    check(
        scale.dtype.name == "float32",
        lambda: f"Scale must be Float, found {scale.dtype.name}",
    )
    check(
        zero_point.dtype.name in ("int32", "float32", "float16"),
        lambda: f"Zero-point must be Int32, Float or Half, found {zero_point.dtype.name}",
    )
    check(
        scale.ndim == 1 and tuple(scale.shape) == tuple(zero_point.shape),
        lambda: (
            "fake_quantize_per_channel_affine: scale and zero-point need to be 1-D and of one size, but "
            f"got {list(scale.shape)} and {list(zero_point.shape)}"
        ),
    )
    check(
        -input.ndim <= axis < input.ndim and scale.shape[0] == input.shape[axis],
        lambda: (
            f"dimensions of scale and zero-point are not consistent with input tensor: {scale.shape[0]} "
            f"of them for axis {axis} of {list(input.shape)}"
        ),
    )
    if zero_point.numel() and _values_known(zero_point):
        inside = int(zero_point.min()) >= quant_min and int(zero_point.max()) <= quant_max
        check(inside, lambda: "`zero_point` must be between `quant_min` and `quant_max`.")
    shape = [1] * input.ndim
    shape[axis] = -1
    along = [x.detach().to(input.dtype).reshape(shape) for x in (scale, zero_point)]
    return _rounded(input, along[0], along[1], quant_min, quant_max)
