"""`torch.types` and `torch.nn.common_types`: names for annotations."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, Union

from .._base.devices import device as _device
from ..runtime.tensor import Size, Tensor

Number = int | float | bool
Device = _device | str | int | None
FileLike = str | os.PathLike[str] | Any
Storage = Any
SymInt = int
_TensorOrTensors = Tensor | Sequence[Tensor]
_TensorOrTensorsOrGradEdge = Any
_size = Size | list[int] | tuple[int, ...]
_symsize = _size
_dispatchkey = str
PySymType = int | float | bool
BoolLikeType, IntLikeType, FloatLikeType = bool, int, float
py_sym_types = (int, float, bool)
MAP_LOCATION = Callable[[Any, str], Any] | _device | str | dict[str, str] | None

# A number or a tuple of as many as there are dimensions.
_T = TypeVar("_T")
_scalar_or_tuple_any_t = Union[_T, tuple[_T, ...]]  # noqa: UP007  (an alias with a parameter)
_scalar_or_tuple_1_t = Union[_T, tuple[_T]]  # noqa: UP007  (an alias with a parameter)
_scalar_or_tuple_2_t = Union[_T, tuple[_T, _T]]  # noqa: UP007  (an alias with a parameter)
_scalar_or_tuple_3_t = Union[_T, tuple[_T, _T, _T]]  # noqa: UP007  (an alias with a parameter)
_scalar_or_tuple_4_t = Union[_T, tuple[_T, _T, _T, _T]]  # noqa: UP007  (an alias with a parameter)
_scalar_or_tuple_5_t = Union[_T, tuple[_T, _T, _T, _T, _T]]  # noqa: UP007  (an alias with a parameter)
_scalar_or_tuple_6_t = Union[_T, tuple[_T, _T, _T, _T, _T, _T]]  # noqa: UP007  (an alias with a parameter)
_size_any_t = int | tuple[int, ...]
_size_1_t = int | tuple[int]
_size_2_t = int | tuple[int, int]
_size_3_t = int | tuple[int, int, int]
_size_4_t = int | tuple[int, int, int, int]
_size_5_t = int | tuple[int, int, int, int, int]
_size_6_t = int | tuple[int, int, int, int, int, int]
_size_any_opt_t = int | None | tuple[int | None, ...]
_size_2_opt_t = int | None | tuple[int | None, int | None]
_size_3_opt_t = int | None | tuple[int | None, int | None, int | None]
_ratio_any_t = float | tuple[float, ...]
_ratio_2_t = float | tuple[float, float]
_ratio_3_t = float | tuple[float, float, float]
_tensor_list_t = Tensor | list[Tensor]
_maybe_indices_t = Tensor | tuple[Tensor, Tensor]

__all__ = ["Device", "FileLike", "Number", "Size", "Storage", "Tensor"]
