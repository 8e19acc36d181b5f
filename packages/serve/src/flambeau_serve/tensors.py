"""Tensors on the wire: JSON lists and raw bytes, to arrays and back.

A client is never trusted: sizes are compared as Python integers before anything is allocated, the type of every
element is looked at, and what does not fit its datatype is an InputError, never a wrapped or rounded number.
JSON cannot say NaN or infinity: they are refused coming in and become `null` going out. Binary carries them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from .datatypes import FLOATS, Array, datatype_of, dtype_of
from .errors import InputError

_MAX_RANK = 32
_MAX_SIZE = 2**31 - 1


def read_shape(value: object) -> tuple[int, ...]:
    """Check the `shape` of a request: a short list of integers from 1 up.

    >>> from flambeau_serve.tensors import read_shape
    >>> read_shape([1, 28, 28])
    (1, 28, 28)
    """
    if not isinstance(value, list) or not all(type(size) is int for size in value):
        raise InputError(f"shape must be a list of integers, got {_short(value)}")
    if len(value) > _MAX_RANK:
        raise InputError(f"shape has {len(value)} dimensions; at most {_MAX_RANK} are served")
    if not all(1 <= size <= _MAX_SIZE for size in value):
        raise InputError(f"every size of a shape must be from 1 to {_MAX_SIZE}, got {value}")
    return tuple(value)


def from_json(data: object, datatype: str, shape: tuple[int, ...]) -> Array:
    """Make an array of `data`, which is flat (row-major) or nested as `shape` says.

    >>> from flambeau_serve.tensors import from_json
    >>> from_json([[1, 2], [3, 4]], "FP32", (2, 2))
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    if not isinstance(data, list):
        raise InputError(f"data must be a list, got {_short(data)}")
    flat = _flatten(data, shape)
    return _ELEMENTS.get(datatype, _integers)(flat, datatype).reshape(shape)


def _flatten(data: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """Row-major elements of `data`, whose nesting must be none or exactly that of `shape`."""
    if not data or not isinstance(data[0], list):
        count = math.prod(shape)
        if len(data) != count:
            raise InputError(
                f"data has {len(data)} elements, but shape {list(shape)} needs {count}"
            )
        return data
    rows = [data]
    for depth, size in enumerate(shape):
        for row in rows:
            if not isinstance(row, list) or len(row) != size:
                came = f"{len(row)} elements" if isinstance(row, list) else _short(row)
                raise InputError(
                    f"nested data does not follow shape {list(shape)}: "
                    f"expected lists of {size} at depth {depth}, got {came}"
                )
        rows = list(chain.from_iterable(rows))
    return rows


def _expect(flat: list[Any], datatype: str, allowed: set[type], words: str) -> None:
    """Look at the type of every element at the speed of C: `true` is no number here."""
    if not set(map(type, flat)) <= allowed:
        wrong = next(value for value in flat if type(value) not in allowed)
        raise InputError(f"datatype {datatype} takes {words}, got {_short(wrong)}")


def _booleans(flat: list[Any], datatype: str) -> Array:
    _expect(flat, datatype, {bool}, "true and false")
    return np.array(flat, dtype=np.bool_)


def _integers(flat: list[Any], datatype: str) -> Array:
    _expect(flat, datatype, {int}, "integers")
    try:
        return np.array(flat, dtype=dtype_of(datatype))
    except OverflowError:
        info = np.iinfo(dtype_of(datatype))
        raise InputError(
            f"data does not fit datatype {datatype} ({info.min} to {info.max})"
        ) from None


def _floats(flat: list[Any], datatype: str) -> Array:
    _expect(flat, datatype, {int, float}, "numbers")
    try:
        exact = np.array(flat, dtype=np.float64)
    except OverflowError:
        raise InputError(f"data does not fit datatype {datatype}") from None
    with np.errstate(over="ignore"):
        array = exact.astype(dtype_of(datatype))
    if not np.isfinite(array).all():
        raise InputError(f"data does not fit datatype {datatype}")
    return array


def _strings(flat: list[Any], datatype: str) -> Array:
    _expect(flat, datatype, {str}, "strings")
    try:
        return _objects([value.encode() for value in flat])
    except UnicodeEncodeError:
        raise InputError("data holds half of a surrogate pair, which is not text") from None


def _objects(values: list[Any]) -> Array:
    array = np.empty(len(values), dtype=np.object_)
    array[:] = values
    return array


_ELEMENTS: dict[str, Callable[[list[Any], str], Array]] = {
    "BOOL": _booleans,
    "BYTES": _strings,
    **dict.fromkeys(FLOATS, _floats),
}


def from_bytes(raw: bytes | memoryview, datatype: str, shape: tuple[int, ...]) -> Array:
    """Make an array of little-endian elements in row-major order; BYTES have a 4-byte length before each.

    >>> from flambeau_serve.tensors import from_bytes
    >>> from_bytes(b"\\x01\\x00\\x02\\x00", "INT16", (2,))
    array([1, 2], dtype=int16)
    """
    count = math.prod(shape)
    if datatype == "BYTES":
        return _objects(_split(bytes(raw), count)).reshape(shape)
    dtype = dtype_of(datatype)
    if len(raw) != count * dtype.itemsize:
        raise InputError(
            f"binary data has {len(raw)} bytes, but {datatype}{list(shape)} needs "
            f"{count * dtype.itemsize}"
        )
    if datatype == "BOOL":  # any other byte than 0 and 1 would be a broken bool in NumPy
        return (np.frombuffer(raw, dtype=np.uint8) != 0).reshape(shape)
    little = dtype if dtype.kind == "V" else dtype.newbyteorder("<")
    return np.frombuffer(raw, dtype=little).astype(dtype).reshape(shape)


def _split(raw: bytes, count: int) -> list[bytes]:
    """The `count` elements of BYTES data, each behind its length."""
    values: list[bytes] = []
    at = 0
    while at < len(raw) and len(values) < count:
        end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
        if at + 4 > len(raw) or end > len(raw):
            raise InputError("binary BYTES data is cut short")
        values.append(raw[at + 4 : end])
        at = end
    if len(values) != count or at != len(raw):
        raise InputError(f"binary BYTES data does not hold exactly {count} elements")
    return values


def to_json(array: Array) -> list[Any]:
    """Flat, row-major JSON elements of an array; numbers JSON cannot say become None.

    >>> import numpy as np
    >>> from flambeau_serve.tensors import to_json
    >>> to_json(np.array([[1.5, np.nan]], dtype=np.float32))
    [1.5, None]
    """
    if datatype_of(array.dtype) == "BYTES":
        return [_text(value) for value in array.ravel().tolist()]
    if array.dtype.kind not in "fV":
        flat: list[Any] = array.ravel().tolist()
        return flat
    numbers: list[Any] = array.ravel().astype(np.float64).tolist()
    if np.isfinite(array).all():
        return numbers
    return [value if math.isfinite(value) else None for value in numbers]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise InputError(
                "a BYTES output is not UTF-8 text; ask for it with binary_data"
            ) from None
    raise TypeError(f"elements of a BYTES output must be str or bytes, got {type(value).__name__}")


def to_bytes(array: Array) -> bytes:
    """Little-endian, row-major bytes of an array, as `from_bytes` reads them.

    >>> import numpy as np
    >>> from flambeau_serve.tensors import to_bytes
    >>> to_bytes(np.array([1, 2], dtype=np.int16))
    b'\\x01\\x00\\x02\\x00'
    """
    if datatype_of(array.dtype) == "BYTES":
        parts = [v.encode() if isinstance(v, str) else v for v in array.ravel().tolist()]
        return b"".join(len(part).to_bytes(4, "little") + part for part in parts)
    little = array.dtype if array.dtype.kind == "V" else array.dtype.newbyteorder("<")
    return array.astype(little, copy=False).tobytes()


def _short(value: object) -> str:
    """A client's value in an error: never longer than a line."""
    text = repr(value) if not isinstance(value, list) else "a list"
    return text if len(text) <= 40 else text[:37] + "..."
