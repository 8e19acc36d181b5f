"""Weights of convolutions in another order of memory."""

from __future__ import annotations

from typing import Any

from flambeau.runtime.tensor import Tensor

from ..modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d
from ..modules.module import Module


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """The weights of all 2-d convolutions in `module` in this memory format, values unchanged.

    >>> import flambeau
    >>> from flambeau import nn
    >>> net = convert_conv2d_weight_memory_format(nn.Conv2d(2, 3, 2), flambeau.channels_last)
    >>> net.weight.is_contiguous(memory_format=flambeau.channels_last)
    True
    """
    return _converted(module, memory_format, (Conv2d, ConvTranspose2d), 4)


def convert_conv3d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """The weights of all 3-d convolutions in `module` in this memory format, values unchanged."""
    return _converted(module, memory_format, (Conv3d, ConvTranspose3d), 5)


def _converted(module: Module, memory_format: Any, kinds: tuple[type, ...], dims: int) -> Module:
    for below in module.modules():
        weight = getattr(below, "weight", None)
        if isinstance(weight, Tensor) and weight.ndim == dims and isinstance(below, kinds):
            weight.data = weight.data.detach().clone().contiguous(memory_format=memory_format)
    return module
