"""Event files: records with checksums, written by a thread of their own.

A record is its length (8 bytes), the length's checksum (4), the data, the data's checksum (4), all little-endian; a
checksum is a CRC-32C, rotated and shifted so that checksums of data that holds checksums stay good ones. Records go
to the system whole, in one write, as soon as the thread comes to them: a process that is killed leaves a file that
can be read up to its last record, and later writers append to nothing half written.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import socket
import struct
import threading
import time
import weakref
from typing import Any

import numpy as np

from flambeau.utils.tensorboard.messages import Event, TaggedRunMetadata

__all__ = ["EventFileWriter", "FileWriter", "RecordWriter", "crc32c"]

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
_ONES = 0xFFFFFFFF


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()
_LANES = 1024


def crc32c(data: bytes) -> int:
    """The CRC-32C of `data`.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    if len(data) >= 16 * _LANES:
        return _crc32c_large(data)
    crc = _ONES
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ _ONES


def _crc32c_large(data: bytes) -> int:
    """The same of much data (a picture): 1024 stretches side by side, then joined two by two.

    A register is linear in what went in, so that the register after A and B is that after A, moved on over as many
    zeros as B has bytes, plus that of B. One loop per byte of a stretch takes 10 ms a megabyte; per byte it were 100.
    """
    width = -(-len(data) // _LANES)
    lanes = np.zeros(_LANES * width, np.uint8)
    lanes[lanes.size - len(data) :] = np.frombuffer(data, np.uint8)
    # To begin with ones in the register is to begin with zeros and flip the first four bytes; zeros before change nothing.
    lanes[lanes.size - len(data) :][:4] ^= 255
    columns = np.ascontiguousarray(lanes.reshape(_LANES, width).T)
    table = np.array(_TABLE, np.uint32)
    register = np.zeros(_LANES, np.uint32)
    for column in columns:
        register = table[(register ^ column) & 255] ^ register >> np.uint32(8)
    moved = _over_zeros(width)
    while register.size > 1:
        register = _apply(moved, register[0::2]) ^ register[1::2]
        moved = _apply(moved, moved)
    return int(register[0]) ^ _ONES


def _over_zeros(count: int) -> np.ndarray:
    """What `count` zero bytes do to a register: where each of its 32 bits goes."""
    table = np.array(_TABLE, np.uint32)
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    step = table[bits & 255] ^ bits >> np.uint32(8)
    made = bits
    while count:
        if count & 1:
            made = _apply(step, made)
        step = _apply(step, step)
        count >>= 1
    return made


def _apply(matrix: np.ndarray, registers: np.ndarray) -> np.ndarray:
    out = np.zeros_like(registers)
    for bit in range(32):
        out ^= (registers >> np.uint32(bit) & np.uint32(1)) * matrix[bit]
    return out


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", (crc >> 15 | crc << 17) + 0xA282EAD8 & _ONES)


def framed(data: bytes) -> bytes:
    """`data` as a record."""
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


class RecordWriter:
    """Writes records (TensorFlow's TFRecord format) to a binary file object.

    >>> import io
    >>> file = io.BytesIO()
    >>> RecordWriter(file).write(b"abc")
    >>> len(file.getvalue())
    19
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, data: bytes) -> None:
        """Writes one record, in one piece."""
        self._writer.write(framed(data))

    def flush(self) -> None:
        """Gives to the system what the file holds back."""
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._writer.closed


_numbers = itertools.count()


class EventFileWriter:
    """An event file that a thread fills.

    `max_queue` events may wait for it; more make `add_event` wait. Events reach the system as soon as the thread can
    write them, which is before `flush_secs` have passed.
    """

    def __init__(
        self,
        logdir: str,
        max_queue_size: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        self._logdir = logdir
        os.makedirs(logdir, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self.path = os.path.join(logdir, name + filename_suffix)
        self._lane = _Lane(self.path, max_queue_size)
        # Also at the end of the program, where the thread would be stopped with events still waiting.
        self._finalize = weakref.finalize(self, self._lane.close)
        self.add_event(Event(wall_time=time.time(), file_version="brain.Event:2"))
        self.flush()

    def get_logdir(self) -> str:
        """The folder of the file."""
        return self._logdir

    def add_event(self, event: Any) -> None:
        """Adds an event: a message of ours, or any with `SerializeToString()`."""
        if not hasattr(event, "SerializeToString"):
            raise TypeError(f"Expected an event_pb2.Event proto,  but got {type(event)}")
        self._lane.put(event.SerializeToString())

    def flush(self) -> None:
        """Returns when all events are written."""
        self._lane.flush()

    def close(self) -> None:
        """Writes what is waiting and closes the file."""
        self._finalize.detach()
        self._lane.close()


class _Lane:
    """The file, the queue before it and the thread between them. Knows nothing of its writer, which may be forgotten."""

    def __init__(self, path: str, size: int) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115  (closed by close)
        self._queue: queue.Queue[bytes | None] = queue.Queue(max(size, 1))
        self._error: BaseException | None = None
        self._owner = os.getpid()
        self._thread = threading.Thread(target=self._run, name="tensorboard", daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        self._check()
        if os.getpid() != self._owner:
            self._write(
                data
            )  # a forked child has no such thread; whole appended records do not mix
        else:
            self._queue.put(data)

    def flush(self) -> None:
        if os.getpid() == self._owner and not self._file.closed:
            self._queue.join()
        if self._error is not None:
            self._check()

    def close(self) -> None:
        if self._file.closed:
            return
        if os.getpid() == self._owner:
            self._queue.put(None)
            self._thread.join()
        self._file.close()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _check(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if self._file.closed:
            raise OSError(f"Writer is closed: {self._file.name}")

    def _run(self) -> None:
        while True:
            data = self._queue.get()
            try:
                if data is None:
                    return
                self._write(data)
            except BaseException as error:
                self._error = error  # shown at the next call
            finally:
                self._queue.task_done()

    def _write(self, data: bytes) -> None:
        record = memoryview(framed(data))
        while record:
            record = record[self._file.write(record) :]


class FileWriter:
    """An event file in a folder, and its events and summaries.

    `max_queue` events may wait to be written, and none longer than `flush_secs`; `filename_suffix` ends the name.
    """

    def __init__(
        self, log_dir: Any, max_queue: int = 10, flush_secs: float = 120, filename_suffix: str = ""
    ) -> None:
        self._settings = (str(log_dir), max_queue, flush_secs, filename_suffix)
        self.event_writer = EventFileWriter(*self._settings)

    def get_logdir(self) -> str:
        """The folder of the event file."""
        return self.event_writer.get_logdir()

    def add_event(self, event: Any, step: Any = None, walltime: float | None = None) -> None:
        """Adds an event, of the given step and time (now)."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self.event_writer.add_event(event)

    def add_summary(
        self, summary: Any, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Adds a summary as an event."""
        self.add_event(Event(summary=summary), global_step, walltime)

    def add_graph(self, graph_profile: Any, walltime: float | None = None) -> None:
        """Adds a graph: a pair of GraphDef and RunMetadata."""
        graph, stats = graph_profile
        self.add_event(Event(graph_def=graph.SerializeToString()), None, walltime)
        metadata = TaggedRunMetadata(tag="step1", run_metadata=stats.SerializeToString())
        self.add_event(Event(tagged_run_metadata=metadata), None, walltime)

    def add_onnx_graph(self, graph: Any, walltime: float | None = None) -> None:
        """Adds a GraphDef made of an ONNX model."""
        self.add_event(Event(graph_def=graph.SerializeToString()), None, walltime)

    def flush(self) -> None:
        """Returns when all events are written."""
        self.event_writer.flush()

    def close(self) -> None:
        """Writes what is waiting and closes the file."""
        self.event_writer.close()

    def reopen(self) -> None:
        """Goes on in a new file of the same folder, after `close`."""
        with contextlib.suppress(OSError):
            self.event_writer.close()
        self.event_writer = EventFileWriter(*self._settings)
