"""The quantized layer: int8 weights, activations quantized at each call. For inference: nothing in it is trained."""

from __future__ import annotations

from typing import Any

from .._base import dtypes
from ..amp import autocast, is_autocast_enabled
from ..autograd.modes import no_grad
from ..nn import Linear, Module
from ..ops.creation import zeros
from ..runtime.tensor import Tensor
from .numbers import LONGEST, integer_product, quantize_activation, quantize_weight


class DynamicLinear(Module):
    """y = x A^T + b with A in int8: `weight` (out, in) int8, `weight_scale` () or (out,), `bias` (out,) in float32.

    Made of a trained layer by `from_float`, usually through `quantize_dynamic`. Differs from PyTorch's in what its
    state_dict holds: plain tensors, which `flambeau.load` reads with `weights_only` and safetensors can keep.

    >>> import flambeau
    >>> flambeau.quantization.DynamicLinear.from_float(flambeau.nn.Linear(3, 2))
    DynamicQuantizedLinear(in_features=3, out_features=2, dtype=flambeau.qint8, qscheme=flambeau.per_tensor_affine)
    """

    weight: Tensor
    weight_scale: Tensor
    bias: Tensor | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, per_channel: bool = False
    ) -> None:
        super().__init__()
        if in_features > LONGEST:
            raise ValueError(
                f"DynamicLinear: in_features must be at most {LONGEST}, so that int32 holds the sums, but got {in_features}"
            )
        self.in_features, self.out_features, self.per_channel = (
            in_features,
            out_features,
            per_channel,
        )
        self.register_buffer("weight", zeros(out_features, in_features, dtype=dtypes.int8))
        self.register_buffer("weight_scale", zeros(*([out_features] if per_channel else [])) + 1)
        self.register_buffer("bias", zeros(out_features) if bias else None)

    @classmethod
    def from_float(cls, mod: Linear, per_channel: bool = False) -> DynamicLinear:
        """The quantized form of a float32 `nn.Linear`, which is left as it is."""
        if mod.weight.dtype is not dtypes.float32:
            raise TypeError(
                f"DynamicLinear.from_float: expected float32 weights, but got {mod.weight.dtype}"
            )
        made = cls(mod.in_features, mod.out_features, mod.bias is not None, per_channel)
        with no_grad():
            made.weight, made.weight_scale = quantize_weight(mod.weight.detach(), per_channel)
            if mod.bias is not None:
                made.bias = mod.bias.detach().clone()
        return made.train(mod.training)

    def dequantize(self) -> Tensor:
        """The weight that the int8 one stands for, in float32.

        >>> import flambeau
        >>> layer = flambeau.nn.Linear(3, 2)
        >>> quantized = flambeau.quantization.DynamicLinear.from_float(layer)
        >>> bool(((quantized.dequantize() - layer.weight).abs() <= quantized.weight_scale).all())
        True
        """
        scale = self.weight_scale.unsqueeze(1) if self.per_channel else self.weight_scale
        return self.weight.to(dtypes.float32) * scale

    def forward(self, input: Tensor) -> Tensor:
        if not input.dtype.is_floating_point:
            raise RuntimeError(
                f"DynamicLinear: expected a floating point input, but got {input.dtype}"
            )
        if not input.ndim or input.shape[-1] != self.in_features:
            raise RuntimeError(
                f"DynamicLinear: expected input (..., {self.in_features}), but got shape {list(input.shape)}"
            )
        if input.numel() == 0:
            return input.new_zeros((*input.shape[:-1], self.out_features))
        with no_grad():
            if not is_autocast_enabled(input.device.type):
                return self._quantized(input)
            with autocast(input.device.type, enabled=False):  # 16 bits would not hold the sums
                return self._quantized(input)

    def _quantized(self, input: Tensor) -> Tensor:
        steps, scale = quantize_activation(input.to(dtypes.float32))
        out = integer_product(steps, self.weight) * (scale * self.weight_scale)
        if self.bias is not None:
            out = out + self.bias
        return out.to(input.dtype)

    def _get_name(self) -> str:
        return "DynamicQuantizedLinear"

    def extra_repr(self) -> str:
        prefix, scheme = (
            dtypes.dtype.prefix,
            "per_channel_affine" if self.per_channel else "per_tensor_affine",
        )
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, dtype={prefix}qint8, "
            f"qscheme={prefix}{scheme}"
        )


def unsupported(kind: Any) -> str:
    """Why a layer cannot be quantized, and what to do."""
    name = kind.__name__ if isinstance(kind, type) else repr(kind)
    return (
        f"quantize_dynamic: {name} has no dynamic int8 form here, only nn.Linear does; leave it out of qconfig_spec "
        "to keep it in floating point"
    )
