"""Reading archives of programs: records as checkpoints have them, and compressed text, which only PyTorch's `code/` is."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import IO, Any

import numpy as np

from ...serialization.archive import ArchiveReader
from .data import damaged

MOST_CODE = 64 << 20  # bytes of all compressed records together, unpacked


class Archive(ArchiveReader):
    """The records of a file of `jit.save`, ours or PyTorch's."""

    def __init__(self, stream: IO[bytes]) -> None:
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
            raise RuntimeError(f"jit.load: the archive is cut short or damaged: {error}") from None
        self._entries: dict[str, Any] = {}
        self._packed: dict[str, Any] = {}
        for entry in entries:
            if entry.compress_type == zipfile.ZIP_DEFLATED and not entry.flag_bits & 1:
                self._packed[entry.filename.partition("/")[2]] = entry
            else:
                self._add(entry)
        if sum(e.compress_size for e in entries) > self._length:
            damaged("its records overlap")
        if sum(e.file_size for e in self._packed.values()) > MOST_CODE:
            damaged(f"its compressed records are longer than {MOST_CODE} bytes")

    def __contains__(self, record: str) -> bool:
        return record in self._entries or record in self._packed

    def records(self) -> list[str]:
        """The names of all records."""
        return [*self._entries, *self._packed]

    def read(self, record: str) -> np.ndarray:
        """The record's bytes in fresh memory."""
        entry = self._packed.get(record)
        if entry is None:
            return super().read(record)
        self._stream.seek(entry.header_offset)
        header = self._stream.read(30)
        if len(header) != 30 or header[:4] != b"PK\x03\x04":
            damaged(f"no header where record {record!r} should begin")
        name, extra = struct.unpack("<2H", header[26:])
        self._stream.seek(entry.header_offset + 30 + name + extra)
        packed = self._stream.read(entry.compress_size)
        try:
            raw = zlib.decompressobj(-15).decompress(packed, entry.file_size + 1)
        except zlib.error as error:
            damaged(f"record {record!r} does not unpack ({error})")
        if len(raw) != entry.file_size or zlib.crc32(raw) != entry.CRC:
            damaged(f"the checksum of record {record!r} differs")
        return np.frombuffer(bytearray(raw), np.uint8)
