"""The onnx package, imported when first needed, and its names for our dtypes."""

from __future__ import annotations

from typing import Any

from .._base import dtypes
from .._base.errors import missing_extra


def onnx() -> Any:
    """The onnx module; MissingExtra says how to get it."""
    try:
        import onnx as module
        import onnx.helper
        import onnx.inliner
        import onnx.numpy_helper
    except ImportError:
        raise missing_extra("flambeau.onnx", "onnx", "onnx") from None
    return module


_NAMES = {
    "float32": "FLOAT", "float64": "DOUBLE", "float16": "FLOAT16", "bfloat16": "BFLOAT16", "int64": "INT64",
    "int32": "INT32", "int16": "INT16", "int8": "INT8", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32",
    "uint64": "UINT64", "bool": "BOOL", "complex64": "COMPLEX64", "complex128": "COMPLEX128",
}  # fmt: skip


def element_type(d: dtypes.dtype) -> int:
    """ONNX's number of a dtype."""
    return getattr(onnx().TensorProto, _NAMES[d.name])


def dtype_of(number: int) -> dtypes.dtype:
    """Our dtype of ONNX's number."""
    name = onnx().TensorProto.DataType.Name(number)
    found = next((ours for ours, theirs in _NAMES.items() if theirs == name), None)
    if found is None:
        raise RuntimeError(f"onnx: element type {name} has no twin in flambeau")
    return next(d for d in dtypes.ALL if d.name == found)
