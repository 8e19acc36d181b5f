"""The zip container of PyTorch checkpoints: records stored as they are, each beginning at a multiple of 64 bytes.

The reader takes memory for a record only after its size was checked against the file, so a file cannot make it
allocate more than the file itself is long: compressed, overlapping and duplicate records are refused. The writer
knows every size beforehand and only ever appends, so it can write to a pipe. Both know zip64.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from .._base.checks import check, fail

ALIGNMENT = 64
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
_UTF8 = 0x800
_EPOCH = (1 << 5) | 1  # 1980-01-01: equal contents make equal files


class ArchiveWriter:
    """Appends records to a binary stream; `close` writes the directory."""

    def __init__(
        self, stream: IO[bytes], name: str, *, alignment: int = ALIGNMENT, checksums: bool = True
    ) -> None:
        from hashlib import sha256

        self._stream, self._name = stream, name
        self._alignment, self._checksums = alignment, checksums
        self._at = 0
        self._directory: list[bytes] = []
        self._checksum = sha256()

    def write(self, record: str, data: bytes | np.ndarray) -> None:
        """One record, `data` being bytes or a flat uint8 array."""
        name = f"{self._name}/{record}".encode()
        view = memoryview(data) if isinstance(data, bytes) else data.data
        crc, size, at = zlib.crc32(view) if self._checksums else 0, view.nbytes, self._at
        self._checksum.update(b"%d:%s%d," % (len(name), name[len(self._name.encode()) :], crc))
        wide = struct.pack("<2H2Q", 1, 16, size, size) if size >= _MAX32 else b""
        short = min(size, _MAX32)
        version = 45 if wide or at >= _MAX32 else 20
        room = -(at + _LOCAL.size + len(name) + len(wide) + 4) % self._alignment
        extra = wide + struct.pack("<2s H", b"FB", room) + b"Z" * room
        common = (version, _UTF8, 0, 0, _EPOCH, crc, short, short, len(name))
        self._append(_LOCAL.pack(b"PK\x03\x04", *common, len(extra)) + name + extra)
        self._append(view)
        sizes = (size, size) if wide else ()
        far = (at,) if at >= _MAX32 else ()
        central = (
            struct.pack(f"<2H{len(sizes + far)}Q", 1, 8 * len(sizes + far), *sizes, *far)
            if sizes + far
            else b""
        )
        self._directory.append(
            _CENTRAL.pack(
                b"PK\x01\x02", version, *common, len(central), 0, 0, 0, 0, min(at, _MAX32)
            )
            + name
            + central
        )

    def serialization_id(self) -> bytes:
        """Forty digits that depend on the names and contents of the records so far."""
        return b"%040d" % (int.from_bytes(self._checksum.digest(), "big") % 10**40)

    def close(self) -> None:
        """Writes the directory. The stream stays open."""
        start, count = self._at, len(self._directory)
        for entry in self._directory:
            self._append(entry)
        size = self._at - start
        if count >= _MAX16 or size >= _MAX32 or start >= _MAX32:
            end64 = self._at
            self._append(_END64.pack(b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start))
            self._append(_LOCATOR64.pack(b"PK\x06\x07", 0, end64, 1))
        short = min(count, _MAX16)
        self._append(
            _END.pack(b"PK\x05\x06", 0, 0, short, short, min(size, _MAX32), min(start, _MAX32), 0)
        )

    def _append(self, data: bytes | memoryview) -> None:
        self._stream.write(data)
        self._at += len(data) if isinstance(data, bytes) else data.nbytes


class ArchiveReader:
    """The records of a zip file by name, without the folder that they all lie in. RuntimeError for any other file."""

    def __init__(self, stream: IO[bytes]) -> None:
        import zipfile

        self._stream = stream
        self._length = stream.seek(0, io.SEEK_END)
        try:
            entries = zipfile.ZipFile(stream).infolist()
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            ValueError,
            EOFError,
            struct.error,
            OverflowError,
        ) as error:
            fail(f"load: the zip archive is cut short or damaged: {error}")
        self._entries: dict[str, Any] = {}
        for entry in entries:
            self._add(entry)
        total = sum(entry.file_size for entry in entries)
        check(
            total <= self._length,
            lambda: (
                f"load: the archive's records overlap: {total} bytes in a file of {self._length}"
            ),
        )

    def _add(self, entry: Any) -> None:
        name = entry.filename.partition("/")[2]
        check(
            name not in self._entries, lambda: f"load: the archive has two records called {name!r}"
        )
        check(
            entry.compress_type == 0
            and entry.compress_size == entry.file_size
            and not entry.flag_bits & 1,
            lambda: (
                f"load: record {name!r} is compressed or encrypted, which PyTorch's checkpoints never are"
            ),
        )
        check(
            0 <= entry.header_offset <= self._length - _LOCAL.size - entry.file_size,
            lambda: (
                f"load: the archive is cut short: record {name!r} of {entry.file_size} bytes "
                f"does not fit into a file of {self._length}"
            ),
        )
        self._entries[name] = entry

    def __contains__(self, record: str) -> bool:
        return record in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def size(self, record: str) -> int:
        """The record's length in bytes."""
        check(record in self._entries, lambda: f"load: the archive has no record {record!r}")
        return self._entries[record].file_size

    def offset(self, record: str) -> int:
        """Where in the file the record's bytes begin."""
        size, at = self.size(record), self._entries[record].header_offset
        self._stream.seek(at)
        header = self._stream.read(_LOCAL.size)
        check(
            len(header) == _LOCAL.size and header[:4] == b"PK\x03\x04",
            lambda: f"load: the archive is damaged: no header where record {record!r} should begin",
        )
        *_, name_length, extra_length = _LOCAL.unpack(header)
        start = at + _LOCAL.size + name_length + extra_length
        check(
            start + size <= self._length,
            lambda: f"load: the archive is cut short: record {record!r} passes the end of the file",
        )
        return start

    def read(self, record: str) -> np.ndarray:
        """The record's bytes in fresh memory, checked against its checksum."""
        raw = np.empty(self.size(record), np.uint8)
        self._stream.seek(self.offset(record))
        read_exactly(self._stream, raw, record)
        crc = self._entries[record].CRC
        # PyTorch writes 0 for all where the user switched its checksums off.
        check(
            crc in (0, zlib.crc32(raw.data)),
            lambda: f"load: record {record!r} is damaged: its checksum differs",
        )
        return raw


def read_exactly(stream: IO[bytes], into: np.ndarray, what: str) -> None:
    """Fills a flat uint8 array from a stream; RuntimeError if the stream ends before."""
    left = into.data
    while left:
        if hasattr(stream, "readinto"):
            got = stream.readinto(left) or 0
        else:
            part = stream.read(left.nbytes)
            got = len(part)
            left[:got] = part
        if not got:
            done = into.size - left.nbytes
            fail(f"load: the file is cut short: {what!r} needs {into.size} bytes, got {done}")
        left = left[got:]
