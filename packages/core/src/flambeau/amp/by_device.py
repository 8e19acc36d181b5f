"""Autocast's settings by older names, one function for each device, and those of its cache and nesting."""

from __future__ import annotations

import threading

from .._base import dtypes
from .autocast_mode import (
    get_autocast_dtype,
    is_autocast_enabled,
    set_autocast_dtype,
    set_autocast_enabled,
)


def is_autocast_cpu_enabled() -> bool:
    """Whether autocast is on in this thread for the CPU."""
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """Switches autocast in this thread for the CPU."""
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> dtypes.dtype:
    """The dtype that autocast lowers to on the CPU."""
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: dtypes.dtype) -> None:
    """Sets the dtype that autocast lowers to on the CPU."""
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> dtypes.dtype:
    """The dtype that autocast lowers to on CUDA."""
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: dtypes.dtype) -> None:
    """Sets the dtype that autocast lowers to on CUDA."""
    set_autocast_dtype("cuda", dtype)


class _Depth(threading.local):
    count = 0


_depth = _Depth()


def autocast_increment_nesting() -> int:
    """Notes that an autocast block was entered by hand; how many there are now in this thread."""
    _depth.count += 1
    return _depth.count


def autocast_decrement_nesting() -> int:
    """Notes that one was left; how many there are now in this thread."""
    _depth.count -= 1
    return _depth.count


def clear_autocast_cache() -> None:
    """Forgets cast weights. None are ever kept, so that there is nothing to do."""
