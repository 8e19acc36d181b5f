"""Allocators of one's own: functions of a shared library that give out a GPU's memory in place of CuPy's pool."""

from __future__ import annotations

import ctypes
from typing import Any

from .._base.checks import check
from .._base.errors import OutOfMemoryError
from .devices import runtime

current: CUDAPluggableAllocator | None = None


class CUDAPluggableAllocator:
    """Two C functions of a shared library.

    void *alloc(ssize_t size, int device, cudaStream_t stream);
    void free(void *ptr, ssize_t size, int device, cudaStream_t stream);

    `alloc` returns NULL where there is no memory. `free` is given the size and stream of the allocation.
    """

    def __init__(self, path_to_so_file: str, alloc_fn_name: str, free_fn_name: str) -> None:
        self._library = ctypes.CDLL(path_to_so_file)
        self._alloc = getattr(self._library, alloc_fn_name)
        self._alloc.restype = ctypes.c_void_p
        self._alloc.argtypes = [ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p]
        self._free = getattr(self._library, free_fn_name)
        self._free.restype = None
        self._free.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p]
        self._held: dict[int, tuple[int, int]] = {}  # size and stream by address

    def allocator(self) -> CUDAPluggableAllocator:
        """What `change_current_allocator` and `MemPool` take."""
        return self

    def _malloc(self, size: int, device: int) -> int:
        if not size:
            return 0
        stream = runtime().cuda.get_current_stream().ptr
        address = self._alloc(size, device, stream)
        if not address:
            raise OutOfMemoryError(
                f"CUDA out of memory: an allocator of one's own gave no {size} bytes on device {device}"
            )
        self._held[address] = size, stream
        return address

    def _release(self, address: int, device: int) -> None:
        if address:
            size, stream = self._held.pop(address)
            self._free(address, size, device, stream)

    def _for_cupy(self) -> Any:
        return runtime().cuda.PythonFunctionAllocator(self._malloc, self._release).malloc


def change_current_allocator(allocator: CUDAPluggableAllocator) -> None:
    """Takes all memory of GPUs from `allocator` from now on. RuntimeError once memory was taken from another.

    Nothing is kept for later tensors then but what the allocator itself keeps, and there are no figures of memory.
    """
    global current
    check(
        isinstance(allocator, CUDAPluggableAllocator),
        lambda: (
            f"change_current_allocator expects a CUDAPluggableAllocator, but got {type(allocator).__name__}"
        ),
        TypeError,
    )
    cp = runtime()
    used = current is not None
    for index in range(cp.cuda.runtime.getDeviceCount()):
        with cp.cuda.Device(index):
            used = used or cp.get_default_memory_pool().total_bytes() > 0
    check(not used, lambda: "Can't swap an already initialized allocator")
    cp.cuda.set_allocator(allocator._for_cupy())
    current = allocator


def check_figures() -> None:
    """RuntimeError where memory is not the pool's, whose figures would be wrong."""
    check(
        current is None,
        lambda: "CUDAPluggableAllocator does not count: there are no figures of memory",
    )
