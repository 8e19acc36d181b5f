"""How much memory tensors hold on a GPU. Without a GPU all figures are 0, as in PyTorch; freeing nothing is no error."""

from __future__ import annotations

from typing import Any

from .devices import index_of, is_initialized, runtime


def _pool_figure(name: str, device: Any) -> int:
    if not is_initialized():
        return 0
    cp = runtime()
    with cp.cuda.Device(index_of(device)):
        return getattr(cp.get_default_memory_pool(), name)()


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
    from ..backends.cuda import memory

    return memory.peak(index_of(device))


def reset_peak_memory_stats(device: Any = None) -> None:
    """Starts counting `max_memory_allocated` from now."""
    if is_initialized():
        from ..backends.cuda import memory

        memory.reset_peak(index_of(device))


reset_max_memory_allocated = reset_peak_memory_stats


def empty_cache() -> None:
    """Gives memory that no tensor holds back to the device."""
    if is_initialized():
        cp = runtime()
        cp.get_default_memory_pool().free_all_blocks()
        cp.get_default_pinned_memory_pool().free_all_blocks()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """(free, total) bytes of a device, counting all processes."""
    cp = runtime()
    with cp.cuda.Device(index_of(device)):
        free, total = cp.cuda.runtime.memGetInfo()
        return int(free), int(total)
