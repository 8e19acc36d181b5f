"""How PyTorch's files name element types: by the class of the storage that holds them."""

from __future__ import annotations

from .._base import dtypes

# Storage classes are the only spelling that old PyTorch knows; newer dtypes come as bytes plus the name of a dtype.
_STORAGES = {
    "BoolStorage": dtypes.bool_,
    "ByteStorage": dtypes.uint8,
    "CharStorage": dtypes.int8,
    "ShortStorage": dtypes.int16,
    "IntStorage": dtypes.int32,
    "LongStorage": dtypes.int64,
    "HalfStorage": dtypes.float16,
    "BFloat16Storage": dtypes.bfloat16,
    "FloatStorage": dtypes.float32,
    "DoubleStorage": dtypes.float64,
    "ComplexFloatStorage": dtypes.complex64,
    "ComplexDoubleStorage": dtypes.complex128,
}
UNTYPED = "UntypedStorage"

storage_of_dtype: dict[dtypes.dtype, str] = {d: name for name, d in _STORAGES.items()}
dtype_of_storage: dict[str, dtypes.dtype] = {**_STORAGES, UNTYPED: dtypes.uint8}
dtype_of_name: dict[str, dtypes.dtype] = {d.name: d for d in dtypes.ALL}
