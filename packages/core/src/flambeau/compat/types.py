"""`torch.types`: names for annotations."""

from typing import Any

from ..runtime.tensor import Size, Tensor

Number = int | float | bool
Device = Any
_TensorOrTensors = Any
_size = Size | list | tuple
__all__ = ["Device", "Number", "Size", "Tensor"]
