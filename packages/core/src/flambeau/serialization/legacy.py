"""The format of before PyTorch 1.6: five pickles in a row, then the bytes of the storages.

When reading, the main pickle mentions storages whose bytes come after it, so their memory is taken while it is read. The sizes it
claims are added up and held against the length of the file first.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from .._base.checks import check
from .archive import read_exactly
from .composed import LOOKED_INTO
from .globals import LoadedStorage, values_known
from .storage import UntypedStorage
from .unpickling import damaged

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
# The pickle of the magic number, without its end: how such files begin (protocol 2 and up).
FIRST_BYTES = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

_SIZES = {"short": 2, "int": 4, "long": 4}

Unpickler = Callable[[Any, Callable[[Any], Any]], Any]


def write(stream: IO[bytes], obj: Any, pickler: Any, protocol: int) -> None:
    """Writes an object; `pickler(stream, protocol)` makes what knows tensors."""
    little = sys.byteorder == "little"
    system = {"protocol_version": _PROTOCOL, "little_endian": little, "type_sizes": _SIZES}
    for part in (_MAGIC, _PROTOCOL, system):
        pickle.dump(part, stream, protocol)
    writer = pickler(stream, protocol)
    writer.dump(obj)
    keys = sorted(str(key) for key in range(len(writer.storages)))
    pickle.dump(keys, stream, protocol)
    for key in keys:
        raw, itemsize = writer.storages[int(key)]
        stream.write((raw.size // itemsize).to_bytes(8, sys.byteorder))
        stream.write(raw.data)


def read(
    stream: IO[bytes],
    unpickler: Unpickler,
    restore: Callable[[UntypedStorage, str], UntypedStorage],
    trusted: bool = False,
) -> Any:
    """The object in the file; `unpickler` makes the reader of one pickle, `restore` says where a storage goes."""
    return _LegacyReader(stream, unpickler, restore, trusted).read()


class _LegacyReader:
    def __init__(
        self, stream: IO[bytes], unpickler: Unpickler, restore: Callable, trusted: bool
    ) -> None:
        at = stream.tell()
        end = stream.seek(0, io.SEEK_END)
        stream.seek(at)
        self._stream, self._unpickler, self._restore = stream, unpickler, restore
        self._trusted = trusted
        self._source, self._left = _Source(stream, end), end - at
        self._raw: dict[str, tuple[np.ndarray, int]] = {}  # bytes and size of an element
        self._loaded: dict[str, UntypedStorage] = {}

    def read(self) -> Any:
        check(self._pickle() == _MAGIC, lambda: "load: Invalid magic number; corrupt file?")
        protocol = self._pickle()
        check(protocol == _PROTOCOL, lambda: f"load: Invalid protocol number: {protocol}")
        system = self._pickle()
        start = self._stream.tell()
        values_known.are_there = False
        try:
            result = self._pickle()
        finally:
            values_known.are_there = True
        length = self._stream.tell() - start
        keys = self._pickle()
        little = not isinstance(system, dict) or bool(system.get("little_endian", True))
        if type(keys) is not list or sorted(map(str, keys)) != sorted(self._raw):
            raise damaged(ValueError("the storages mentioned and those that follow differ"))
        for key in keys:
            self._fill(str(key), "little" if little else "big")
        return self._again(start, length, result)

    def _again(self, start: int, length: int, result: Any) -> Any:
        """What was made of tensors' values, which have only come now, is made once more."""
        end = self._stream.tell()
        self._stream.seek(start)
        program = self._stream.read(length)
        if any(name in program for name in LOOKED_INTO):
            self._stream.seek(start)
            result = self._pickle()
        self._stream.seek(end)
        return result

    def _pickle(self) -> Any:
        return self._unpickler(self._source, self._load_storage).load()

    def _load_storage(self, pid: Any) -> Any:
        from .checkpoint import check_storage_id

        if self._trusted and type(pid) is tuple and pid[:1] == ("module",) and len(pid) == 4:
            return pid[1]  # a class of modules, with its source text, which is not compared
        kind, key, location, count = check_storage_id(pid, extra=1)
        check(
            len(pid) == 5 or pid[5] is None,
            lambda: "load: views of storages, as PyTorch before 0.4 wrote them, are not supported",
        )
        nbytes = count * kind.dtype.itemsize
        if key not in self._raw:
            self._left -= nbytes
            check(
                self._left >= 0,
                lambda: f"load: storage {key!r} should have {nbytes} bytes, more than the file has",
            )
            raw = np.zeros(nbytes, np.uint8)
            self._raw[key] = raw, kind.dtype.itemsize
            self._loaded[key] = self._restore(UntypedStorage(raw), location)
        check(
            self._raw[key][0].size == nbytes,
            lambda: (
                f"load: storage {key!r} has {self._raw[key][0].size} bytes, but a tensor expects {nbytes}"
            ),
        )
        return LoadedStorage(kind, self._loaded[key])

    def _fill(self, key: str, order: str) -> None:
        raw, itemsize = self._raw[key]
        count = np.empty(8, np.uint8)
        read_exactly(self._stream, count, f"size of storage {key}")
        claimed = int.from_bytes(count.tobytes(), order)  # type: ignore[arg-type]
        check(
            claimed * itemsize == raw.size,
            lambda: (
                f"load: storage {key!r} has {claimed} elements, but its tensors expect {raw.size // itemsize}"
            ),
        )
        if raw.size:
            read_exactly(self._stream, raw, f"storage {key}")
        if order != sys.byteorder and itemsize > 1:
            raw.view(f"u{min(itemsize, 8)}").byteswap(inplace=True)
        self._loaded[key]._refresh()


class _Source:
    """A stream that hands out no more than it has: what a pickle claims is not allocated first and read then."""

    def __init__(self, stream: IO[bytes], end: int) -> None:
        self.readline = stream.readline
        self._stream, self._end = stream, end

    def read(self, count: int) -> bytes:
        if count > self._end - self._stream.tell():
            raise EOFError(f"a value of {count} bytes passes the end of the file")
        return self._stream.read(count)
