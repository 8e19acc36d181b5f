"""Figures of pinned host memory, through which CuPy copies arrays to a GPU."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from .devices import is_initialized, runtime


def host_memory_stats_as_nested_dict() -> dict[str, Any]:
    """`host_memory_stats` as dicts in dicts; nothing before CUDA is used."""
    if not is_initialized():
        return {}
    from ..backends.cuda import pinned

    made: dict[str, Any] = {
        name: {"current": f.now, "peak": f.most, "allocated": f.added, "freed": f.taken}
        for name, f in pinned.figures.items()
    }
    blocks, times = pinned.figures[pinned.ALLOCATIONS], pinned.taking
    made["num_host_alloc"], made["num_host_free"] = blocks.added, blocks.taken
    made["host_alloc_time"] = {
        "total": times.total,
        "max": times.longest,
        "min": times.shortest,
        "count": times.count,
        "avg": times.total // times.count if times.count else 0,
    }
    return made


def host_memory_stats() -> OrderedDict[str, int]:
    """Figures of pinned memory under PyTorch's names; nothing before CUDA is used.

    `allocations` and `allocated_bytes` are blocks that the pool holds, `active_requests` and `active_bytes` those of them in use, each
    with `current`, `peak`, `allocated` and `freed` (sums over time). `host_alloc_time` is in microseconds; how long giving
    back takes is not measured.
    """
    made = {}
    for name, found in host_memory_stats_as_nested_dict().items():
        if isinstance(found, dict):
            made.update({f"{name}.{kind}": value for kind, value in found.items()})
        else:
            made[name] = found
    return OrderedDict(sorted(made.items()))


def reset_peak_host_memory_stats() -> None:
    """The peaks of `host_memory_stats` start from what there is now."""
    runtime()
    from ..backends.cuda import pinned

    pinned.reset_peak()


def reset_accumulated_host_memory_stats() -> None:
    """The sums over time of `host_memory_stats` start from 0."""
    runtime()
    from ..backends.cuda import pinned

    pinned.reset_accumulated()
