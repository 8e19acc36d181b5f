"""What the packages show to users, found by importing them: the one list behind the reference and the docstring tests.

It reads ``__all__`` and the objects themselves rather than the source, because operators are made by decorators and
loaded lazily. It refuses a public module without ``__all__``: what is public is then a guess.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

PACKAGES = ("flambeau", "flambeau_vision", "flambeau_text", "flambeau_audio", "flambeau_serve")

# Layers that are documented for those who work on flambeau (docs/architecture.md), not for those who use it.
INTERNAL = {
    "ir",
    "graph",
    "ops",
    "runtime",
    "backends",
    "transforms",
    "methods",
    "compat",
    "__main__",
}


def public_modules() -> Iterator[ModuleType]:
    """The modules a user may import from, parents first."""
    for name in PACKAGES:
        yield from _walk(importlib.import_module(name))


def _walk(module: ModuleType) -> Iterator[ModuleType]:
    yield module
    for found in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if found.name.startswith("_") or found.name in INTERNAL:
            continue
        child = importlib.import_module(f"{module.__name__}.{found.name}")
        if hasattr(child, "__all__"):
            yield from _walk(child)


def public_objects(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The names of ``__all__`` with what they are, submodules left out."""
    for name in sorted(module.__all__):
        value = getattr(module, name)
        if not inspect.ismodule(value):
            yield name, value


def public_members(cls: type) -> Iterator[tuple[str, object]]:
    """The methods and properties that a class itself defines and documents."""
    for name, value in vars(cls).items():
        if name.startswith("_"):
            continue
        target = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        if callable(target) or isinstance(target, property):
            yield name, target


def signature_of(value: object) -> str:
    """``(input, dim=None)``, or nothing where Python knows none."""
    try:
        return str(inspect.signature(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
