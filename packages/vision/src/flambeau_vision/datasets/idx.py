"""The IDX format of MNIST: a dtype, a shape, and the numbers, big-endian, perhaps gzipped.

A file of another kind, cut short or too long is refused with what was found; nothing is guessed.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib

import numpy

import flambeau
from flambeau import Tensor

_GZIP_MAGIC = b"\x1f\x8b"
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {
    "uint8": 0x08,
    "int8": 0x09,
    "int16": 0x0B,
    "int32": 0x0C,
    "float32": 0x0D,
    "float64": 0x0E,
}


def _read(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(_GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"read_idx: {os.fspath(path)}: the gzip file is cut short or damaged ({error})"
        ) from error


def read_idx(path: str | os.PathLike[str]) -> Tensor:
    """The tensor in an IDX file, gzipped or not.

    Raises ValueError where the file is of another kind, cut short or longer than it says.

    >>> import os
    >>> import flambeau
    >>> from flambeau_vision.datasets import read_idx, write_idx
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "labels-idx1-ubyte.gz")
    >>> write_idx(flambeau.tensor([7, 2, 1], dtype=flambeau.uint8), path)
    >>> read_idx(path)
    tensor([7, 2, 1], dtype=flambeau.uint8)
    """
    data, name = _read(path), os.fspath(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES:
        raise ValueError(
            f"read_idx: {name} starts with {data[:4].hex(' ') or 'nothing'}; expected an IDX file "
            "(two zero bytes, a type of 08 to 0e, the number of dimensions)"
        )
    dtype, ndim = numpy.dtype(_TYPES[data[2]]), data[3]
    start = 4 + 4 * ndim
    if len(data) < start:
        raise ValueError(f"read_idx: {name} is cut short in its header ({len(data)} bytes)")
    shape = struct.unpack(f">{ndim}I", data[4:start])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        what = "is cut short" if len(data) < expected else "has bytes left over"
        raise ValueError(
            f"read_idx: {name} {what}: {len(data)} bytes; expected {expected} for {list(shape)} "
            f"of {dtype.newbyteorder('=')}"
        )
    numbers = numpy.frombuffer(data, dtype, offset=start).reshape(shape)
    return flambeau.from_numpy(numbers.astype(dtype.newbyteorder("="), copy=True))


def write_idx(tensor: Tensor, path: str | os.PathLike[str]) -> None:
    """Writes a tensor as an IDX file, gzipped where the name ends in `.gz`.

    Raises TypeError for dtypes that IDX does not have.
    """
    numbers = tensor.detach().cpu().numpy()
    code = _CODES.get(str(numbers.dtype))
    if code is None:
        raise TypeError(f"write_idx: {tensor.dtype}; expected one of {', '.join(_CODES)}")
    header = struct.pack(f">BBBB{numbers.ndim}I", 0, 0, code, numbers.ndim, *numbers.shape)
    data = header + numbers.astype(_TYPES[code]).tobytes()
    with open(path, "wb") as file:
        # no name and no time inside: equal tensors make equal files
        file.write(gzip.compress(data, mtime=0) if os.fspath(path).endswith(".gz") else data)
