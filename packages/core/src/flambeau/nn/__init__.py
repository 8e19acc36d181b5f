"""Building blocks of neural networks: modules, their functions, initial values and utilities.

`flambeau.nn` has the names of `torch.nn`; what a layer computes is defined in `flambeau.ops`.
"""

from __future__ import annotations

from . import functional, init, modules, utils
from .modules import *  # noqa: F403
from .modules import __all__ as _module_names
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "functional",
    "init",
    "modules",
    "utils",
    *_module_names,
]


def __getattr__(name: str) -> object:
    if name == "parallel":  # it needs `distributed`, which few programs do
        from importlib import import_module

        return import_module("flambeau.nn.parallel")
    raise AttributeError(f"module 'flambeau.nn' has no attribute {name!r}")
