"""Batches from a worker to the main process through shared memory.

Each worker has one file without a name (a memfd, or a temporary file that is unlinked at once), made by the
main process before the worker starts. Nothing is left behind however the processes end, and nothing counts
against the size of /dev/shm. The worker writes the buffers of a batch into a slot of the file and sends the
rest, pickled, through a pipe; the main process maps the slot and builds tensors on it without a copy. When
the last of them is gone the slot is told free with the next task, and used again: after the first batches no
memory is newly mapped or zeroed, which is what makes this quicker than one shared block a tensor.

A message that would not fit into the pipe together with the others on their way goes into the slot as well,
so that a worker never waits in sending while the main process waits to send it a task.
"""

# ruff: noqa: S301  (what is unpickled here was pickled by our own worker process)

from __future__ import annotations

import io
import mmap
import os
import pickle
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from flambeau.runtime.memory import own_dtype
from flambeau.runtime.tensor import Tensor, wrap

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["Receiver", "Sender", "SharedFile"]

# Buffers smaller than this travel in the pipe: mapping them would cost more than copying.
SMALL = 1024
# What may lie in a pipe at once; Linux gives 64 KiB, of which some is kept for headers.
PIPE = 48 * 1024
ALIGNMENT = 64
SMALLEST_SLOT = 64 * 1024


class SharedFile:
    """A file in memory without a name. Pickled (for a spawned worker) it becomes the same file there."""

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = _anonymous_file() if descriptor is None else descriptor
        self._close = weakref.finalize(self, os.close, self.descriptor)

    def close(self) -> None:
        """Gives the descriptor back; mappings stay valid."""
        self._close()

    def mapped(self, offset: int, size: int) -> mmap.mmap:
        """The memory of a part of the file."""
        return mmap.mmap(self.descriptor, size, offset=offset)

    def __reduce__(self) -> tuple[Any, ...]:
        from multiprocessing.reduction import DupFd

        return _opened, (DupFd(self.descriptor),)


def _opened(duplicate: Any) -> SharedFile:
    return SharedFile(duplicate.detach())


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("flambeau-dataloader", os.MFD_CLOEXEC)
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Packed(NamedTuple):
    """A pickled message: what the pipe carries (None if all is in the buffers) and what shared memory does."""

    body: bytes | None
    buffers: list[memoryview]


class Sender:
    """The worker's end: `send` writes the batch's memory into a free slot and the rest into the pipe."""

    def __init__(self, pipe: Connection, file: SharedFile, in_flight: int) -> None:
        self.pipe = pipe
        self.file = file
        self.largest_message = PIPE // max(in_flight, 1)
        self.length = 0  # of the file
        self.slots: dict[int, mmap.mmap] = {}  # by offset
        self.free: list[int] = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "slots": {}}

    def take_back(self, offsets: list[int]) -> None:
        """Notes slots that the main process has done with."""
        self.free += offsets

    def send(self, number: int, kind: int, content: Any) -> None:
        """Sends one message; `content` may hold tensors and arrays anywhere."""
        self.post(number, kind, self.packed(content))

    def packed(self, content: Any) -> Packed:
        """`content` pickled, ready to be sent; fails as pickling fails."""
        buffers: list[memoryview] = []
        body = _pickled(content, buffers)
        if len(body) + 32 * len(buffers) < self.largest_message:
            return Packed(body, buffers)
        # Too long for the pipe: it goes behind the buffers, with their sizes.
        buffers.append(memoryview(pickle.dumps((body, [len(b) for b in buffers]), 5)))
        return Packed(None, buffers)

    def post(self, number: int, kind: int, message: Packed) -> None:
        """Writes the buffers into a slot and the rest into the pipe."""
        body, buffers = message
        offset, capacity, at = -1, 0, 0
        if buffers:
            offset, slot = self._slot(sum(_padded(len(b)) for b in buffers))
            capacity = len(slot)
        for buffer in buffers:
            slot[at : at + len(buffer)] = buffer
            last, at = at, at + _padded(len(buffer))
        sizes = [len(b) for b in buffers] if body is not None else (last, len(buffers[-1]))
        self.pipe.send_bytes(pickle.dumps((number, kind, body, offset, capacity, sizes), 5))

    def _slot(self, size: int) -> tuple[int, mmap.mmap]:
        """The smallest free slot of at least `size` bytes, else a new one at the end of the file."""
        fitting = [offset for offset in self.free if len(self.slots[offset]) >= size]
        if fitting:
            offset = min(fitting, key=lambda o: len(self.slots[o]))
            self.free.remove(offset)
            return offset, self.slots[offset]
        # Powers of two, so that batches of nearly equal size use the same slots.
        capacity = max(SMALLEST_SLOT, 1 << (size - 1).bit_length())
        offset, self.length = self.length, self.length + capacity
        os.ftruncate(self.file.descriptor, self.length)
        self.slots[offset] = self.file.mapped(offset, capacity)
        return offset, self.slots[offset]


class Receiver:
    """The main process's end: `receive` builds the batch on the worker's memory.

    `returned` collects the slots that are free again; the caller passes them on to the worker.
    """

    def __init__(self, pipe: Connection, file: SharedFile) -> None:
        self.pipe = pipe
        self.file = file
        self.slots: dict[int, mmap.mmap] = {}
        self.returned: list[int] = []
        self._leases: dict[int, weakref.ref[_Lease]] = {}

    def receive(self) -> tuple[int, int, Any]:
        """The next message: `(number, kind, content)`."""
        number, kind, body, offset, capacity, sizes = pickle.loads(self.pipe.recv_bytes())
        if offset < 0:
            return number, kind, pickle.loads(body)
        memory = self._leased(offset, capacity)
        if body is None:
            start, size = sizes
            body, sizes = pickle.loads(memory[start : start + size].tobytes())
        buffers, at = [], 0
        for size in sizes:
            buffers.append(memory[at : at + size])
            at += _padded(size)
        return number, kind, pickle.loads(body, buffers=buffers)

    def take_returned(self) -> list[int]:
        """The slots that became free since the last call."""
        # Garbage collection may add to the list at any moment, so take what is there and no more.
        count = len(self.returned)
        taken, self.returned[:count] = self.returned[:count], []
        return taken

    def _leased(self, offset: int, capacity: int) -> _Lease:
        """A slot's memory, as an array whose end tells that the slot is free."""
        if offset not in self.slots:
            self.slots[offset] = self.file.mapped(offset, capacity)
        lease = _Lease(capacity, np.uint8, self.slots[offset])
        self._leases[offset] = weakref.ref(lease, _returns(offset, self.returned, self._leases))
        return lease


class _Lease(np.ndarray):
    """The memory of a slot while any array built on it lives.

    A subclass, because NumPy shortens chains of bases: a view of a plain array would hold the mapping
    itself, and nobody would know when it is gone; the chain stops at an array of another class.
    """


def _returns(
    offset: int, returned: list[int], leases: dict[int, Any]
) -> Callable[[weakref.ref[_Lease]], None]:
    def free(_: weakref.ref[_Lease]) -> None:
        leases.pop(offset, None)
        returned.append(offset)

    return free


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _pickled(content: Any, buffers: list[memoryview]) -> bytes:
    """`content` pickled, without the memory of large arrays and tensors, which is added to `buffers`."""
    file = io.BytesIO()

    def keep(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < SMALL:
            return True
        buffers.append(raw)
        return False

    _BatchPickler(file, 5, buffer_callback=keep).dump(content)
    return file.getvalue()


class _BatchPickler(pickle.Pickler):
    """Pickles tensors and arrays by their memory."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return _reduced_tensor(value)
        if type(value) is np.ndarray and not value.dtype.hasobject:
            return _array, _parts(value)
        return NotImplemented


def _reduced_tensor(tensor: Tensor) -> tuple[Any, ...]:
    if not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not "
            "support crossing process boundaries.  If you just want to transfer the data, call detach() on "
            "the tensor before serializing (e.g., putting it on the queue)."
        )
    if type(tensor.__dict__.get("_array")) is not np.ndarray:
        raise RuntimeError(
            f"DataLoader: a worker made a tensor on {tensor.device}; expected one on cpu: move batches to the "
            "device in the main process"
        )
    cls = type(tensor) if type(tensor) is not Tensor else None
    return _tensor, (*_parts(tensor._array), tensor.requires_grad, cls)


def _parts(array: np.ndarray) -> tuple[Any, ...]:
    """Memory, dtype and shape of an array."""
    dense = np.ascontiguousarray(array)
    memory: Any = dense.reshape(-1).view(np.uint8)
    return pickle.PickleBuffer(memory), array.dtype, array.shape


def _array(memory: Any, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    array = np.ndarray(shape, own_dtype(dtype), memory)
    return array if array.flags.writeable else array.copy()


def _tensor(
    memory: Any, dtype: np.dtype, shape: tuple[int, ...], requires_grad: bool, cls: type | None
) -> Tensor:
    tensor = wrap(_array(memory, dtype, shape))
    if cls is not None:
        tensor.__class__ = cls
    if requires_grad:
        tensor.requires_grad = True
    return tensor
