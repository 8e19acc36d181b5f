"""Pinned host memory, counted: CuPy's pool of it, which asks for blocks and hands them out through here.

CuPy copies arrays from the CPU through such memory. Blocks are counted when they are taken from CUDA and given back, and when they are
handed out and come back; their sizes are the pool's, rounded up.
"""

from __future__ import annotations

import time
import weakref
from typing import Any

import cupy

ALLOCATIONS, BYTES, REQUESTS, ACTIVE = (
    "allocations", "allocated_bytes", "active_requests", "active_bytes",
)  # fmt: skip


class Figure:
    """A number that grows and shrinks: what it is, the most it was, and all that was added and taken."""

    __slots__ = ("added", "most", "now", "taken")

    def __init__(self) -> None:
        self.now = self.most = self.added = self.taken = 0

    def add(self, n: int) -> None:
        self.now += n
        self.added += n
        self.most = max(self.most, self.now)

    def take(self, n: int) -> None:
        self.now -= n
        self.taken += n


class Times:
    """Microseconds of calls of CUDA: their sum, the longest and shortest, how many."""

    __slots__ = ("count", "longest", "shortest", "total")

    def __init__(self) -> None:
        self.total = self.longest = self.shortest = self.count = 0

    def add(self, seconds: float) -> None:
        n = round(seconds * 1e6)
        self.shortest = min(self.shortest, n) if self.count else n
        self.longest = max(self.longest, n)
        self.total += n
        self.count += 1


figures = {name: Figure() for name in (ALLOCATIONS, BYTES, REQUESTS, ACTIVE)}
taking = Times()


def _grown(size: int) -> Any:
    """A new block from CUDA, counted until CUDA has it back."""
    start = time.perf_counter()
    block = cupy.cuda.PinnedMemory(size)
    taking.add(time.perf_counter() - start)
    figures[ALLOCATIONS].add(1)
    figures[BYTES].add(size)
    weakref.finalize(block, _shrunk, size)
    return cupy.cuda.PinnedMemoryPointer(block, 0)


def _shrunk(size: int) -> None:
    figures[ALLOCATIONS].take(1)
    figures[BYTES].take(size)


pool = cupy.cuda.PinnedMemoryPool(_grown)


def allocate(size: int) -> Any:
    """Memory from the pool: CuPy's allocator of pinned memory from the moment the backend loads."""
    pointer = pool.malloc(size)
    held = pointer.mem.size
    figures[REQUESTS].add(1)
    figures[ACTIVE].add(held)
    weakref.finalize(pointer.mem, _returned, held)
    return pointer


def _returned(size: int) -> None:
    figures[REQUESTS].take(1)
    figures[ACTIVE].take(size)


def install() -> None:
    """Makes CuPy take pinned memory through `allocate`."""
    cupy.cuda.set_pinned_memory_allocator(allocate)


def reset_peak() -> None:
    """The most that there was is what there is now."""
    for f in figures.values():
        f.most = f.now


def reset_accumulated() -> None:
    """Sums over time start from 0."""
    for f in figures.values():
        f.added = f.taken = 0
    taking.__init__()  # type: ignore[misc]
