"""Saving and loading: PyTorch's own checkpoint files, without PyTorch, and safetensors.

`save` writes the zip format of `torch.save`, `load` reads it and the older one. Loading executes nothing that a file
asks for unless `weights_only=False` says so. `flambeau.serialization.safetensors` is the other format.
"""

from __future__ import annotations

from typing import Any

from .checkpoint import load, save
from .globals import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .inspection import (
    SourceChangeWarning,
    StorageType,
    check_module_version_greater_or_equal,
    get_unsafe_globals_in_checkpoint,
    mkdtemp,
    normalize_storage_type,
    storage_to_tensor_type,
)
from .options import (
    MAP_PRIVATE,
    MAP_SHARED,
    LoadEndianness,
    get_crc32_options,
    get_default_load_endianness,
    get_default_mmap_options,
    set_crc32_options,
    set_default_load_endianness,
    set_default_mmap_options,
    skip_data,
)
from .places import (
    default_restore_location,
    location_tag,
    register_package,
    validate_cuda_device,
    validate_hpu_device,
)
from .storage import UntypedStorage, rebuild_tensor

__all__ = [
    "MAP_PRIVATE",
    "MAP_SHARED",
    "LoadEndianness",
    "SourceChangeWarning",
    "StorageType",
    "UntypedStorage",
    "add_safe_globals",
    "check_module_version_greater_or_equal",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "mkdtemp",
    "normalize_storage_type",
    "rebuild_tensor",
    "register_package",
    "safe_globals",
    "safetensors",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
    "storage_to_tensor_type",
    "validate_cuda_device",
    "validate_hpu_device",
]


def __getattr__(name: str) -> Any:
    if name == "safetensors":  # json is only needed for these
        from importlib import import_module

        return import_module(f"{__name__}.safetensors")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
