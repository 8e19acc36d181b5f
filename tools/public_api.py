"""What the packages show to users, found by importing them: the one list behind the reference and the docstring tests.

It reads ``__all__`` and the objects themselves rather than the source, because operators are made by decorators and
loaded lazily. A module without ``__all__`` shows what it defines itself under a name without an underscore.
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

# A folder is public unless its parent shows all of it; a single file is a matter of the inside, but for these.
PUBLIC_FILES = {
    "flambeau.nn.functional",
    "flambeau.nn.init",
    "flambeau.optim.swa_utils",
    "flambeau.random",
    "flambeau.serialization.safetensors",
    "flambeau.utils.checkpoint",
    "flambeau_audio.models",
    "flambeau_vision.transforms.functional",
    "flambeau_vision.utils",
}


def public_modules() -> Iterator[ModuleType]:
    """The modules a user may import from, parents first."""
    for name in PACKAGES:
        yield from _walk(importlib.import_module(name))


def _walk(module: ModuleType) -> Iterator[ModuleType]:
    yield module
    for found in pkgutil.iter_modules(getattr(module, "__path__", ())):
        name = f"{module.__name__}.{found.name}"
        if found.name.startswith("_") or found.name in INTERNAL:
            continue
        if found.ispkg or name in PUBLIC_FILES:
            child = importlib.import_module(name)
            if not _is_shown_by(child, module):
                yield from _walk(child)


def _is_shown_by(child: ModuleType, parent: ModuleType) -> bool:
    """Whether the parent re-exports all that the child has."""
    return all(getattr(parent, name, None) is getattr(child, name) for name in names_of(child))


def names_of(module: ModuleType) -> list[str]:
    """The names that a module shows."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def public_objects(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The names of ``__all__`` with what they are, submodules left out."""
    for name in sorted(names_of(module)):
        value = getattr(module, name)
        if not inspect.ismodule(value):
            yield name, value


def public_members(cls: type) -> Iterator[tuple[str, object]]:
    """The methods and properties that a class itself defines and documents."""
    for name, value in vars(cls).items():
        if name.startswith("_") or name.endswith("_"):
            continue  # the in-place variants say only whose they are
        target = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        if callable(target) or isinstance(target, property):
            yield name, target


def signature_of(value: object) -> str:
    """``(input, dim=None)``, or nothing where Python knows none."""
    try:
        return str(inspect.signature(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
