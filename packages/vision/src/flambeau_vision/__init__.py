"""Datasets, transforms, models and image files for flambeau, with torchvision's names and results.

This module must stay cheap to import: each part below is loaded when it is first named. It never
downloads anything; where torchvision would, an error says which file to put where.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__version__ = "0.1.0"

__all__ = ["datasets", "io", "models", "ops", "transforms", "utils"]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
