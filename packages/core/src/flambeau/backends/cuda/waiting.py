"""Whether the CPU's waiting for the GPU is said or refused (`cuda.set_sync_debug_mode`)."""

from __future__ import annotations

import warnings

SILENT, WARN, ERROR = range(3)
mode = SILENT


def note() -> None:
    """Called where the CPU waits because a number or an array is copied from the GPU."""
    if mode == WARN:
        warnings.warn("called a synchronizing CUDA operation", stacklevel=4)
    elif mode == ERROR:
        raise RuntimeError("called a synchronizing CUDA operation")
