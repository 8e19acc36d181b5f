"""Saving and loading: PyTorch's own checkpoint files, without PyTorch, and safetensors.

`save` writes the zip format of `torch.save`, `load` reads it and the older one. Loading executes nothing that a file
asks for unless `weights_only=False` says so. `flambeau.serialization.safetensors` is the other format.
"""

from __future__ import annotations

from typing import Any

from .checkpoint import load, save
from .globals import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .storage import UntypedStorage, rebuild_tensor

__all__ = [
    "UntypedStorage",
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "rebuild_tensor",
    "safe_globals",
    "safetensors",
    "save",
]


def __getattr__(name: str) -> Any:
    if name == "safetensors":  # json is only needed for these
        from importlib import import_module

        return import_module(f"{__name__}.safetensors")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
