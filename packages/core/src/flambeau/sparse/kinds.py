"""`sparse.FloatTensor`, `sparse.LongTensor` and their like: PyTorch's old names for sparse tensors of a dtype.

Calling one makes a tensor of its dtype, `isinstance(x, sparse.FloatTensor)` asks for dtype and layout; no tensor is ever of such a
class.
"""

from __future__ import annotations

from typing import Any

from .._base import dtypes
from .._base.formats import sparse_coo
from ..runtime.tensor import Tensor
from .create import sparse_coo_tensor


class SparseType(type):
    """The class of the old names."""

    dtype: dtypes.dtype
    layout = sparse_coo
    is_cuda, is_sparse = False, True

    def __instancecheck__(cls, instance: Any) -> bool:
        return (
            isinstance(instance, Tensor)
            and instance.layout is sparse_coo
            and instance.dtype is cls.dtype
            and instance.device.type == "cpu"
        )

    def __call__(cls, *args: Any, device: Any = "cpu") -> Tensor:
        """`FloatTensor(indices, values[, size])`, or `FloatTensor(2, 3)` and `FloatTensor(size)` without entries."""
        if str(device) != "cpu":
            raise RuntimeError(
                f"legacy constructor expects device type: cpu but device type: {device} was passed"
            )
        if args and isinstance(args[0], Tensor):
            return sparse_coo_tensor(*args, dtype=cls.dtype)
        size = args if not args or isinstance(args[0], int) else args[0]
        return sparse_coo_tensor(tuple(size) or (0,), dtype=cls.dtype)

    def __repr__(cls) -> str:
        return f"<class 'torch.sparse.{cls.__name__}'>"


def _kind(name: str, dtype: dtypes.dtype) -> SparseType:
    return SparseType(name, (), {"dtype": dtype, "__doc__": f"Sparse tensors of {dtype}."})


FloatTensor = _kind("FloatTensor", dtypes.float32)
DoubleTensor = _kind("DoubleTensor", dtypes.float64)
HalfTensor = _kind("HalfTensor", dtypes.float16)
BFloat16Tensor = _kind("BFloat16Tensor", dtypes.bfloat16)
LongTensor = _kind("LongTensor", dtypes.int64)
IntTensor = _kind("IntTensor", dtypes.int32)
ShortTensor = _kind("ShortTensor", dtypes.int16)
CharTensor = _kind("CharTensor", dtypes.int8)
ByteTensor = _kind("ByteTensor", dtypes.uint8)
