"""Serve a model over HTTP: the Open Inference Protocol v2, pictures, and a page to try it.

The public names, each imported when it is first asked for, so that the command line answers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .adapters import with_labels
    from .app import Settings, create_app
    from .errors import InputError, LoadError, ServeError
    from .images import ImageReader, Preprocess
    from .loaders import load
    from .model import Model, TensorSpec
    from .server import BindError, Server

_HOMES = {
    "BindError": "server",
    "ImageReader": "images",
    "InputError": "errors",
    "LoadError": "errors",
    "Model": "model",
    "Preprocess": "images",
    "ServeError": "errors",
    "Server": "server",
    "Settings": "app",
    "TensorSpec": "model",
    "create_app": "app",
    "load": "loaders",
    "with_labels": "adapters",
}

__all__ = [
    "BindError",
    "ImageReader",
    "InputError",
    "LoadError",
    "Model",
    "Preprocess",
    "ServeError",
    "Server",
    "Settings",
    "TensorSpec",
    "create_app",
    "load",
    "with_labels",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
