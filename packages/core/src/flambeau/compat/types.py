"""`torch.types`: names for annotations."""

from typing import Any, Union

from ..runtime.tensor import Size, Tensor

Number = Union[int, float, bool]
Device = Any
_TensorOrTensors = Any
_size = Union[Size, list, tuple]
__all__ = ["Device", "Number", "Size", "Tensor"]
