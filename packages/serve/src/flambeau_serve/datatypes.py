"""The datatypes of the Open Inference Protocol and the NumPy dtypes that stand for them.

One table, read in both directions. BYTES are elements of any length: an object array of `bytes`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from ml_dtypes import bfloat16

from .errors import InputError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BF16": np.dtype(bfloat16),
    "BYTES": np.dtype(np.object_),
}
DATATYPES: dict[np.dtype[Any], str] = {dtype: name for name, dtype in DTYPES.items()}
FLOATS = frozenset({"FP16", "FP32", "FP64", "BF16"})


def dtype_of(datatype: object) -> np.dtype[Any]:
    """NumPy's dtype for a datatype name; InputError if the protocol has no such name.

    >>> from flambeau_serve.datatypes import dtype_of
    >>> dtype_of("FP32")
    dtype('float32')
    """
    dtype = DTYPES.get(datatype) if isinstance(datatype, str) else None
    if dtype is None:
        raise InputError(f"datatype {datatype!r} is unknown; expected one of {', '.join(DTYPES)}")
    return dtype


def datatype_of(dtype: np.dtype[Any]) -> str:
    """The protocol's name for a NumPy dtype; strings of every kind are BYTES.

    >>> import numpy as np
    >>> from flambeau_serve.datatypes import datatype_of
    >>> datatype_of(np.dtype("int64")), datatype_of(np.dtype("<U5"))
    ('INT64', 'BYTES')
    """
    if dtype.kind in "US":
        return "BYTES"
    name = DATATYPES.get(dtype.newbyteorder("="))
    if name is None:
        raise TypeError(
            f"dtype {dtype} has no datatype in the Open Inference Protocol; convert the model's output"
        )
    return name
