"""`torch.backends`: flambeau's settings of that name, and the names that are not modules of their own here."""

from __future__ import annotations

import types
from collections.abc import Callable
from importlib import import_module
from typing import Any

fp32_precision = "none"


def _module(name: str, **values: Any) -> types.ModuleType:
    module = types.ModuleType(f"torch.backends.{name}", f"Settings of {name}, which is not here.")
    module.__dict__.update(values)
    return module


def _never() -> bool:
    return False


nnpack = _module("nnpack", is_available=_never)
xeon = _module("xeon")
miopen = _module("miopen", immediate=False)
kleidiai = _module("kleidiai", is_available=_never)
cusparselt: Any = _module("cusparselt", is_available=_never, version=lambda: None, get_max_alg_id=lambda: None)  # fmt: skip
disable_global_flags: Callable[[], None] = lambda: None  # noqa: E731


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return getattr(import_module("flambeau.backends"), name)
