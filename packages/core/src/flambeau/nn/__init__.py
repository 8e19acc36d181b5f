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
    from importlib import import_module

    if name in ("parallel", "attention"):  # few programs need them
        return import_module(f"flambeau.nn.{name}")
    if name == "DataParallel":
        return import_module("flambeau.nn.parallel.data_parallel").DataParallel
    raise AttributeError(f"module 'flambeau.nn' has no attribute {name!r}")
