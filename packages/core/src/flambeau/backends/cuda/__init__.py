"""CUDA through CuPy: the only folder that imports it, and only when a CUDA device is first used.

driver     is there a GPU, is there CuPy, and the errors that say what is missing
backend    the backend object: arrays in and out, one or several GPUs
xp         CuPy's namespace with what operators need and CuPy lacks
memory     the allocator that counts, and says what is wrong when memory runs out
pinned     the same for pinned memory of the host
waiting    what is said where the CPU waits for the GPU
providers  elementwise chains as one generated kernel each
machine    what compiled programs ask of a GPU: kernels, memory, work recorded once
ufuncs     what NumPy's ufuncs do besides being called
settings   the names of `torch.backends.cuda`, which this module shows
"""

from __future__ import annotations

from typing import Any


def load() -> Any:
    """The backend, on first use. MissingExtra where CuPy is missing, RuntimeError where there is no usable GPU."""
    from .driver import require

    require()
    from .backend import backend

    return backend


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    settings = import_module(f"{__name__}.settings")
    return settings if name == "settings" else getattr(settings, name)
