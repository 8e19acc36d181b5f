"""Whose a class, function or file is: flambeau's, Python's, an installed package's, or the user's own."""

from __future__ import annotations

import sys
import types
from functools import lru_cache
from typing import Any


def is_pythons(thing: Any) -> bool:
    """Whether a class, function or module is of Python's own library."""
    home = home_of(thing)
    return home.partition(".")[0] in sys.stdlib_module_names and home != "__main__"


def is_ours(thing: Any) -> bool:
    """Whether a class, function or module is flambeau's own."""
    home = home_of(thing)
    return home == "flambeau" or home.startswith("flambeau.")


def is_users(thing: Any) -> bool:
    """Whether a class, function or module is neither flambeau's nor Python's."""
    return not is_pythons(thing) and not is_ours(thing)


def home_of(thing: Any) -> str:
    """The module something is from. A function's own word is taken only where its globals, as of text that was made, have no name:
    `functools.wraps` gives it the name of another's."""
    if isinstance(thing, types.FunctionType):
        return str(thing.__globals__.get("__name__") or thing.__module__ or "")
    if isinstance(thing, types.ModuleType):
        return thing.__name__
    return str(getattr(thing, "__module__", None) or "builtins")


@lru_cache(maxsize=512)  # classes may be made at every call: old ones go
def is_of_package(kind: Any) -> bool:
    """Whether a class comes from an installed package."""
    return is_of_packages(getattr(sys.modules.get(kind.__module__), "__file__", None) or "")


def is_of_packages(file: str) -> bool:
    """Whether a file is an installed package's; pytest puts functions of its own into what it tests."""
    return "site-packages" in file or "dist-packages" in file


@lru_cache(maxsize=512)
def own_classes(kind: Any) -> tuple[type, ...]:
    """A class and its bases, as far as they are the user's."""
    return tuple(filter(is_users, kind.__mro__))


def kept_by_step(kind: type) -> frozenset[str]:
    """The attributes, of the user's optimizers and schedulers too, in which `step` keeps its state: a program calls it as it is."""
    names = getattr(kind, "_kept_by_step", None)
    return names if isinstance(names, frozenset) else frozenset()


def is_module(x: Any) -> bool:
    """Whether `x` is an `nn.Module` (which stands in a layer above)."""
    own = getattr(x, "__dict__", None)  # the user's own __getattr__ is not asked
    return isinstance(own, dict) and "_parameters" in own and hasattr(type(x), "modules")
