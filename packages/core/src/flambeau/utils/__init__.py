"""Tools beside the model, in modules that load when first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["checkpoint", "data", "dlpack", "hooks", "serialization", "tensorboard"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"flambeau.utils.{name}")
    raise AttributeError(f"module 'flambeau.utils' has no attribute {name!r}")
