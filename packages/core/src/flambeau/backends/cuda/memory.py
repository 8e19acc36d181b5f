"""CuPy's memory pool, with the highest use remembered and one clear error when it runs out.

Asking the pool for its use walks all blocks. So each allocation adds to an upper bound, and only when that passes the
highest use known is the pool asked: after frees the bound is set right again.
"""

from __future__ import annotations

from typing import Any

import cupy

from ..._base.errors import OutOfMemoryError

_peak: dict[int, int] = {}
_bound: dict[int, int] = {}
_given: dict[int, Given] = {}
UNIT = 512  # bytes that the pool rounds up to


class Given:
    """What was given out on a device since `reset_accumulated`: bytes, blocks, refusals, and the bytes in use at its start."""

    __slots__ = ("before", "blocks", "bytes", "refused")

    def __init__(self, before: int) -> None:
        self.before = before
        self.bytes = self.blocks = self.refused = 0


def given(device: int) -> Given:
    """The sums over time of a device."""
    found = _given.get(device)
    if found is None:
        found = _given[device] = Given(0)
    return found


def reset_accumulated(device: int) -> None:
    """Sums over time start from 0."""
    with cupy.cuda.Device(device):
        _given[device] = Given(cupy.get_default_memory_pool().used_bytes())


def allocate(size: int) -> Any:
    """Memory from the pool: CuPy's allocator from the moment the backend loads."""
    pool = cupy.get_default_memory_pool()
    device = cupy.cuda.runtime.getDevice()
    try:
        memory = pool.malloc(size)
    except cupy.cuda.memory.OutOfMemoryError as error:
        given(device).refused += 1
        free, total = cupy.cuda.runtime.memGetInfo()
        raise OutOfMemoryError(
            f"CUDA out of memory. Tried to allocate {size} bytes on device {device}: {free} of {total} bytes are free "
            f"and {pool.used_bytes()} are held by tensors"
        ) from error
    sums = given(device)
    sums.bytes += -(-size // UNIT) * UNIT
    sums.blocks += 1
    _bound[device] = _bound.get(device, 0) + size
    if _bound[device] > _peak.get(device, 0):
        used = _bound[device] = pool.used_bytes()
        _peak[device] = max(used, _peak.get(device, 0))
    return memory


def install() -> None:
    """Makes CuPy allocate through `allocate`."""
    cupy.cuda.set_allocator(allocate)


def peak(device: int) -> int:
    """The highest number of bytes held by tensors since the last `reset_peak`."""
    with cupy.cuda.Device(device):
        return max(_peak.get(device, 0), cupy.get_default_memory_pool().used_bytes())


def reset_peak(device: int) -> None:
    """Starts counting the highest use from now."""
    with cupy.cuda.Device(device):
        _peak[device] = _bound[device] = cupy.get_default_memory_pool().used_bytes()
