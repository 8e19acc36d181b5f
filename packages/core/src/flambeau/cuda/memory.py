"""How much memory tensors hold on a GPU. Without a GPU all figures are 0, as in PyTorch; freeing nothing is no error."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .._base.checks import check
from . import allocators
from .allocators import CUDAPluggableAllocator
from .devices import index_of, is_initialized, runtime


def _pool_figure(name: str, device: Any) -> int:
    if not is_initialized():
        return 0
    allocators.check_figures()
    cp = runtime()
    with cp.cuda.Device(index_of(device)):
        return getattr(cp.get_default_memory_pool(), name)()


_reserved: dict[int, int] = {}  # the most that was seen, by device


def memory_allocated(device: Any = None) -> int:
    """Bytes held by tensors, in units of 512."""
    return _pool_figure("used_bytes", device)


def memory_reserved(device: Any = None) -> int:
    """Bytes taken from the device, those kept for the next tensors included."""
    return _pool_figure("total_bytes", device)


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that tensors held at once since the start or `reset_peak_memory_stats`."""
    if not is_initialized():
        return 0
    allocators.check_figures()
    from ..backends.cuda import memory

    return memory.peak(index_of(device))


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes taken from the device at once since the start or `reset_peak_memory_stats`.

    The pool only grows until `empty_cache`, which is when it is looked at, and here; where CuPy itself empties it because memory ran
    out, what was there before is not seen.
    """
    if not is_initialized():
        return 0
    index = index_of(device)
    _reserved[index] = max(
        _reserved.get(index, 0), memory_reserved(index), max_memory_allocated(index)
    )
    return _reserved[index]


def reset_peak_memory_stats(device: Any = None) -> None:
    """Starts counting `max_memory_allocated` and `max_memory_reserved` from now."""
    if is_initialized():
        from ..backends.cuda import memory

        index = index_of(device)
        memory.reset_peak(index)
        _reserved[index] = memory_reserved(index)


def reset_accumulated_memory_stats(device: Any = None) -> None:
    """Starts the sums over time of `memory_stats` from 0."""
    runtime()
    from ..backends.cuda import memory

    memory.reset_accumulated(index_of(device))


def reset_max_memory_allocated(device: Any = None) -> None:
    """`reset_peak_memory_stats`, which it warns of: all figures start anew."""
    _older("reset_max_memory_allocated", "reset_peak_memory_stats")
    reset_peak_memory_stats(device)


def reset_max_memory_cached(device: Any = None) -> None:
    """`reset_peak_memory_stats`, which it warns of: all figures start anew."""
    _older("reset_max_memory_cached", "reset_peak_memory_stats")
    reset_peak_memory_stats(device)


def memory_cached(device: Any = None) -> int:
    """The older name of `memory_reserved`."""
    _older("memory_cached", "memory_reserved")
    return memory_reserved(device)


def max_memory_cached(device: Any = None) -> int:
    """The older name of `max_memory_reserved`."""
    _older("max_memory_cached", "max_memory_reserved")
    return max_memory_reserved(device)


def _older(name: str, newer: str) -> None:
    warnings.warn(f"cuda.{name} is now cuda.{newer}", FutureWarning, stacklevel=3)


def memory_stats(device: Any = None) -> OrderedDict[str, int]:
    """The figures above under PyTorch's names, such as "allocated_bytes.all.peak"; nothing before CUDA is used.

    Of PyTorch's many figures these are those that CuPy's pool has, and what was given out over time: "allocated_bytes.all.allocated" and
    ".freed", "allocation.all.allocated" and "num_ooms". Not counted is what graphs and pools of one's own take.
    """
    if not is_initialized():
        return OrderedDict()
    from ..backends.cuda import memory

    index = index_of(device)
    sums = memory.given(index)
    figures = {
        "allocated_bytes": (memory_allocated(index), max_memory_allocated(index)),
        "reserved_bytes": (memory_reserved(index), max_memory_reserved(index)),
    }
    made = OrderedDict(
        (f"{name}.all.{kind}", figure)
        for name, pair in figures.items()
        for kind, figure in zip(("current", "peak"), pair, strict=True)
    )
    made["allocated_bytes.all.allocated"] = sums.bytes
    made["allocated_bytes.all.freed"] = sums.before + sums.bytes - figures["allocated_bytes"][0]
    made["allocation.all.allocated"], made["num_ooms"] = sums.blocks, sums.refused
    return OrderedDict(sorted(made.items()))


def memory_stats_as_nested_dict(device: Any = None) -> dict[str, Any]:
    """`memory_stats` as dicts in dicts."""
    nested: dict[str, Any] = {}
    for name, figure in memory_stats(device).items():
        *outer, last = name.split(".")
        place = nested
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = figure
    return nested


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """`memory_stats` as a table in MiB; zeros before CUDA is used."""
    index = index_of(device) if is_initialized() else 0
    found = memory_stats(index)
    rows = [
        f"| {'CUDA memory, device ' + str(index):<24} | {'current MiB':>12} | {'peak MiB':>12} |"
    ]
    rows.append("|" + "|".join("-" * width for width in (26, 14, 14)) + "|")
    for label, name in (("held by tensors", "allocated"), ("taken from the device", "reserved")):
        now, most = (
            found.get(f"{name}_bytes.all.{kind}", 0) / 2**20 for kind in ("current", "peak")
        )
        rows.append(f"| {label:<24} | {now:>12.1f} | {most:>12.1f} |")
    return "\n".join(rows)


def empty_cache() -> None:
    """Gives memory that no tensor holds back to the device."""
    if is_initialized():
        from ..backends.cuda import pinned

        if allocators.current is None:
            max_memory_reserved()
        runtime().get_default_memory_pool().free_all_blocks()
        pinned.pool.free_all_blocks()


def ipc_collect() -> None:
    """In PyTorch, frees memory that other processes have given back. Processes share none here: there is nothing to free."""
    runtime()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """(free, total) bytes of a device, counting all processes."""
    cp = runtime()
    with cp.cuda.Device(index_of(device)):
        free, total = cp.cuda.runtime.memGetInfo()
        return int(free), int(total)


# -- the allocator -----------------------------------------------------------------------------------------


def get_allocator_backend() -> str:
    """Who gives out memory: "cupy", whose pool keeps what tensors gave back, or "pluggable" (`change_current_allocator`)."""
    return "cupy" if allocators.current is None else "pluggable"


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """Allows this process that part of a device's memory; more is an `OutOfMemoryError`."""
    cp = runtime()
    check(
        isinstance(fraction, float),
        lambda: "Invalid type for fraction argument, must be `float`",
        TypeError,
    )
    check(
        0 <= fraction <= 1,
        lambda: f"Invalid fraction value: {fraction}. Allowed range: 0~1",
        ValueError,
    )
    with cp.cuda.Device(index_of(device)):
        # The pool takes 0 for no limit.
        size = max(1, int(fraction * cp.cuda.runtime.memGetInfo()[1]))
        cp.get_default_memory_pool().set_limit(size=size)


def get_per_process_memory_fraction(device: Any = None) -> float:
    """The part of a device's memory that this process may take; 1 without a limit."""
    cp = runtime()
    with cp.cuda.Device(index_of(device)):
        limit, total = cp.get_default_memory_pool().get_limit(), cp.cuda.runtime.memGetInfo()[1]
        return limit / total if limit else 1.0


_taken: dict[int, Any] = {}


def caching_allocator_alloc(size: int, device: Any = None, stream: Any = None) -> int:
    """The address of new memory on a device, for other libraries; it stays until `caching_allocator_delete`."""
    cp = runtime()
    with cp.cuda.Device(index_of(device)):
        memory = cp.cuda.alloc(size)
    _taken[memory.ptr] = memory
    return memory.ptr


def caching_allocator_delete(mem_ptr: int) -> None:
    """Gives back what `caching_allocator_alloc` gave. ValueError for another address."""
    check(
        mem_ptr in _taken,
        lambda: f"caching_allocator_delete: {mem_ptr} is not of caching_allocator_alloc",
        ValueError,
    )
    del _taken[mem_ptr]


def caching_allocator_enable(value: bool = True) -> None:
    """Whether memory that tensors give back is kept for others (the default), or goes to the device at once."""
    if is_initialized() and allocators.current is None:
        from ..backends.cuda import memory

        if value:
            memory.install()
        else:
            runtime().cuda.set_allocator(None)


@contextmanager
def caching_allocator_disabled() -> Iterator[None]:
    """Keeps no memory inside the block."""
    caching_allocator_enable(False)
    try:
        yield
    finally:
        caching_allocator_enable(True)


class MemPool:
    """A pool of memory apart from the common one, for `use_mem_pool`. Its memory goes back to the device with it.

    With an `allocator` (`CUDAPluggableAllocator`) the pool takes its memory from there.
    """

    def __init__(
        self, allocator: Any = None, use_on_oom: bool = False, no_split: bool = False
    ) -> None:
        check(
            allocator is None or isinstance(allocator, CUDAPluggableAllocator),
            lambda: (
                f"MemPool: expected a CUDAPluggableAllocator, but got {type(allocator).__name__}"
            ),
            TypeError,
        )
        pools = runtime().cuda
        self.allocator = allocator
        self._pool = (
            pools.MemoryPool() if allocator is None else pools.MemoryPool(allocator._for_cupy())
        )
        self.id = (0, id(self._pool))


@contextmanager
def use_mem_pool(pool: MemPool, device: Any = None) -> Iterator[None]:
    """Takes this thread's memory from a pool inside the block."""
    with runtime().cuda.using_allocator(pool._pool.malloc):
        yield
