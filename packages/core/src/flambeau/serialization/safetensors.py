"""The safetensors format, read and written without its package: a length, a JSON header, then bytes.

A header is believed only after all of it was checked: the tensors must tile the rest of the file exactly, without
holes or overlaps, in a size that their shapes and dtypes demand, under names that occur once. So no header can point
at memory outside of the file or make a reader take more than the file's own length.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import IO, Any

import numpy as np

from .._base import dtypes
from .._base.checks import check, contiguous_strides, fail
from .._base.devices import device as Device
from ..runtime.tensor import Tensor, wrap
from .archive import read_exactly
from .files import whole_file
from .storage import UntypedStorage, address, rebuild_tensor

__all__ = ["SafetensorError", "load", "load_file", "safe_open", "save", "save_file"]

_LENGTH = struct.Struct("<Q")
_LONGEST_HEADER = 100_000_000  # the reference implementation's limit
_METADATA = "__metadata__"
# In the order by which the reference implementation lays out tensors: last comes first.
_NAMES = {
    "BOOL": dtypes.bool_, "U8": dtypes.uint8, "I8": dtypes.int8, "F8_E5M2": dtypes.float8_e5m2,
    "F8_E4M3": dtypes.float8_e4m3fn, "F8_E8M0": dtypes.float8_e8m0fnu, "F8_E4M3FNUZ": dtypes.float8_e4m3fnuz,
    "F8_E5M2FNUZ": dtypes.float8_e5m2fnuz, "I16": dtypes.int16, "U16": dtypes.uint16, "F16": dtypes.float16,
    "BF16": dtypes.bfloat16, "I32": dtypes.int32, "U32": dtypes.uint32, "F32": dtypes.float32,
    "C64": dtypes.complex64, "F64": dtypes.float64, "I64": dtypes.int64, "U64": dtypes.uint64,
}  # fmt: skip
_NAME_OF = {dtype: name for name, dtype in _NAMES.items()}
_RANK = {dtype: rank for rank, dtype in enumerate(_NAMES.values())}


class SafetensorError(RuntimeError):
    """A file that is not safetensors, or not a whole one; or tensors that the format cannot hold."""


class _Entry:
    """What a header says of one tensor; `begin` and `end` count from the end of the header."""

    __slots__ = ("begin", "dtype", "end", "kind", "shape")

    def __init__(self, kind: str, shape: tuple[int, ...], begin: int, end: int) -> None:
        self.kind, self.dtype, self.shape, self.begin, self.end = (
            kind,
            _NAMES[kind],
            shape,
            begin,
            end,
        )


def save(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file.

    >>> import flambeau
    >>> load(save({"w": flambeau.ones(2)}))
    {'w': tensor([1., 1.])}
    """
    header, parts = _laid_out(tensors, metadata)
    return b"".join((header, *(part.tobytes() for part in parts)))


def save_file(
    tensors: Mapping[str, Tensor],
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes tensors by name, and optionally a dict of strings, to a file that appears whole or not at all.

    The format has no way to say that tensors share memory: RuntimeError for those, since they would come back apart.
    """
    header, parts = _laid_out(tensors, metadata)
    with whole_file(filename) as stream:
        stream.write(header)
        for part in parts:
            stream.write(part.data)


def load(data: bytes) -> dict[str, Tensor]:
    """The tensors of a safetensors file in memory."""
    import io

    return _read_all(io.BytesIO(data), Device("cpu"))


def load_file(filename: str | os.PathLike[str], device: str | Device = "cpu") -> dict[str, Tensor]:
    """The tensors of a safetensors file, each in memory of its own on `device`."""
    with open(filename, "rb") as stream:
        return _read_all(stream, Device(device))


@contextmanager
def safe_open(
    filename: str | os.PathLike[str], framework: str = "pt", device: str | Device = "cpu"
) -> Iterator[SafeFile]:
    """Opens a file to take single tensors, or parts of them, out of it; nothing else is read.

    >>> import flambeau, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_file({"w": flambeau.ones(4, 2)}, f"{folder}/x.safetensors")
    ...     with safe_open(f"{folder}/x.safetensors") as f:
    ...         f.keys(), f.get_slice("w")[1:3].shape
    (['w'], flambeau.Size([2, 2]))
    """
    check(
        framework in ("pt", "torch", "pytorch", "flambeau"),
        lambda: (
            f"safe_open: framework must be 'pt', as tensors are what this returns, got {framework!r}"
        ),
        SafetensorError,
    )
    with open(filename, "rb") as stream:
        yield SafeFile(stream, Device(device))


class SafeFile:
    """An open safetensors file; made by `safe_open`."""

    def __init__(self, stream: IO[bytes], device: Device) -> None:
        import mmap

        self._entries, self._metadata, self._start = _read_header(stream)
        self._device = device
        # Read only, and no part of it is touched before a tensor is asked for.
        self._bytes = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

    def keys(self) -> list[str]:
        """The names of the tensors, sorted."""
        return sorted(self._entries)

    def offset_keys(self) -> list[str]:
        """The names in the order of the file."""
        return sorted(
            self._entries, key=lambda name: (self._entries[name].begin, self._entries[name].end)
        )

    def metadata(self) -> dict[str, str] | None:
        """The strings that were saved along, or None."""
        return self._metadata

    def get_tensor(self, name: str) -> Tensor:
        """One tensor, copied out of the file."""
        return _placed(self._array(name).copy(), self._device)

    def get_slice(self, name: str) -> SafeSlice:
        """A tensor to index: only the part asked for is read."""
        return SafeSlice(self._array(name), self._entries[name], self._device)

    def _array(self, name: str) -> np.ndarray:
        entry = self._entries.get(name)
        if entry is None:
            raise SafetensorError(f"safetensors: the file does not contain tensor {name!r}")
        dtype = entry.dtype.numpy
        return np.frombuffer(
            self._bytes,
            dtype,
            math.prod(entry.shape),
            self._start + entry.begin if math.prod(entry.shape) else 0,
        ).reshape(entry.shape)


class SafeSlice:
    """A tensor still in its file; indexing it gives a Tensor of that part."""

    def __init__(self, array: np.ndarray, entry: _Entry, device: Device) -> None:
        self._array, self._entry, self._device = array, entry, device

    def get_shape(self) -> list[int]:
        """The whole tensor's shape."""
        return list(self._entry.shape)

    def get_dtype(self) -> str:
        """The dtype by the format's name, such as F32."""
        return self._entry.kind

    def __getitem__(self, index: Any) -> Tensor:
        return _placed(np.array(self._array[index]), self._device)


def _read_all(stream: IO[bytes], device: Device) -> dict[str, Tensor]:
    entries, _, start = _read_header(stream)
    tensors = {}
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        raw = np.empty(entry.end - entry.begin, np.uint8)
        if raw.size:
            stream.seek(start + entry.begin)
            read_exactly(stream, raw, name)
        tensors[name] = _placed(raw.view(entry.dtype.numpy).reshape(entry.shape), device)
    return tensors


def _placed(array: np.ndarray, device: Device) -> Tensor:
    if device.type == "cpu":
        return wrap(array)
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    dtype = dtypes.from_numpy(array.dtype)
    storage = UntypedStorage(raw).to(device)
    return rebuild_tensor(storage, dtype, 0, array.shape, contiguous_strides(array.shape))


def _laid_out(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None
) -> tuple[bytes, list[np.ndarray]]:
    """Length and header, and the bytes of each tensor in the order of the file: widest elements first, then by name."""
    for name, tensor in tensors.items():
        if not (isinstance(name, str) and isinstance(tensor, Tensor)):
            kind = type(tensor).__name__
            fail(f"safetensors: expected tensors by name, got a {kind} for {name!r}", ValueError)
    _refuse_shared(tensors)
    header: dict[str, Any] = {}
    if metadata:
        check(
            all(isinstance(v, str) for pair in metadata.items() for v in pair),
            lambda: "safetensors: metadata must be strings by strings",
            ValueError,
        )
        header[_METADATA] = dict(metadata)
    parts, end = [], 0
    for name in sorted(tensors, key=lambda name: (-_RANK.get(tensors[name].dtype, 0), name)):
        tensor = tensors[name]
        kind = _NAME_OF.get(tensor.dtype)
        if kind is None:
            raise SafetensorError(
                f"safetensors: tensor {name!r} is {tensor.dtype.name}, which the format lacks"
            )
        array = np.ascontiguousarray(_on_cpu(tensor))
        parts.append(array.reshape(-1).view(np.uint8))
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers lie at multiples of their size
    return _LENGTH.pack(len(text)) + text, parts


def _on_cpu(tensor: Tensor) -> np.ndarray:
    from ..runtime import state
    from ..runtime.backend import of_array

    if state.active:
        state.leaves(tensor, "being saved")
    return of_array(tensor._array).to_numpy(tensor._array)


def _refuse_shared(tensors: Mapping[str, Tensor]) -> None:
    spans = sorted((*_span(t._array), name) for name, t in tensors.items() if math.prod(t.shape))
    for (_, end, first), (start, _, second) in pairwise(spans):
        if start < end:
            raise RuntimeError(
                f"safetensors: tensors {first!r} and {second!r} share memory, which the format cannot say; "
                "save one of them, or a clone"
            )


def _span(array: Any) -> tuple[int, int]:
    """The addresses that an array's elements lie between."""
    steps = [(n - 1) * s for n, s in zip(array.shape, array.strides, strict=True)]
    first = address(array)
    return first + sum(s for s in steps if s < 0), first + sum(
        s for s in steps if s > 0
    ) + array.itemsize


def _read_header(stream: IO[bytes]) -> tuple[dict[str, _Entry], dict[str, str] | None, int]:
    """The checked header, the metadata, and where the bytes of the tensors begin."""
    total = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    first = stream.read(_LENGTH.size)
    _require(len(first) == _LENGTH.size, lambda: f"header too small: the file has {total} bytes")
    (length,) = _LENGTH.unpack(first)
    _require(
        length <= _LONGEST_HEADER,
        lambda: f"header too large: {length} bytes; is this a safetensors file?",
    )
    start = _LENGTH.size + length
    _require(start <= total, lambda: f"invalid header length: {length} bytes in a file of {total}")
    text = stream.read(length)
    _require(text[:1] == b"{", lambda: "invalid header start: expected a JSON object")
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise SafetensorError(f"safetensors: invalid header: {error}") from error
    metadata = header.pop(_METADATA, None)
    _require(
        metadata is None
        or (isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())),
        lambda: "metadata must be strings by strings",
    )
    entries = {name: _entry(name, value) for name, value in header.items()}
    _check_tiling(entries, total - start)
    return entries, metadata, start


def _entry(name: str, value: Any) -> _Entry:
    _require(
        isinstance(value, dict) and set(value) == {"dtype", "shape", "data_offsets"},
        lambda: f"tensor {name!r} needs exactly dtype, shape and data_offsets",
    )
    kind, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    _require(
        isinstance(kind, str) and kind in _NAMES,
        lambda: f"tensor {name!r} is of dtype {str(kind)[:40]!r}, which flambeau does not have",
    )
    _require(
        isinstance(shape, list)
        and len(shape) <= 64
        and all(type(n) is int and 0 <= n < 2**63 for n in shape),
        lambda: f"tensor {name!r} has an impossible shape",
    )
    _require(
        isinstance(offsets, list)
        and len(offsets) == 2
        and all(type(n) is int and 0 <= n < 2**63 for n in offsets),
        lambda: f"tensor {name!r} has impossible offsets",
    )
    begin, end = offsets
    needed = math.prod(shape) * _NAMES[kind].itemsize
    _require(
        end - begin == needed,
        lambda: (
            f"tensor {name!r} of shape {shape} and dtype {kind} needs {needed} bytes, but has {end - begin}"
        ),
    )
    return _Entry(kind, tuple(shape), begin, end)


def _check_tiling(entries: dict[str, _Entry], size: int) -> None:
    at = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        _require(
            entry.begin == at,
            lambda: f"tensor {name!r} begins at {entry.begin}, but the one before it ends at {at}",  # noqa: B023
        )
        at = entry.end
    _require(
        at == size,
        lambda: f"the tensors take {at} bytes, but {size} follow the header: file cut short?",
    )


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    _require(len(made) == len(pairs), lambda: "a name occurs twice in the header")
    return made


def _require(condition: bool, message: Any) -> None:
    if not condition:
        fail(f"safetensors: {message()}", SafetensorError)
