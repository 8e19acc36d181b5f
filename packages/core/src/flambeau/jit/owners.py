"""Whose a class, function or file is: flambeau's, Python's, an installed package's, or the user's own."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from functools import cache
from typing import Any


def is_pythons(thing: Any) -> bool:
    """Whether a class or function is of Python's own library."""
    if isinstance(thing, types.FunctionType):
        name = home_of(thing) or "__main__"
    else:
        name = str(getattr(thing, "__module__", None) or "builtins")
    return name.partition(".")[0] in sys.stdlib_module_names and name != "__main__"


def is_ours(thing: Any) -> bool:
    """Whether a class, function or module is flambeau's own."""
    if isinstance(thing, types.FunctionType):
        name = home_of(thing)
    else:
        name = str(getattr(thing, "__module__", None) or getattr(thing, "__name__", ""))
    return name == "flambeau" or name.startswith("flambeau.")


def is_users(thing: Any) -> bool:
    """Whether a class or function is neither flambeau's nor Python's."""
    return not is_pythons(thing) and not is_ours(thing)


def home_of(function: types.FunctionType) -> str:
    """The module a function was defined in: `functools.wraps` gives it the name of another's."""
    return str(function.__globals__.get("__name__", ""))


@cache
def is_of_package(kind: Any) -> bool:
    """Whether a class comes from an installed package."""
    return is_of_packages(getattr(sys.modules.get(kind.__module__), "__file__", None) or "")


def is_of_packages(file: str) -> bool:
    """Whether a file is an installed package's; pytest puts functions of its own into what it tests."""
    return "site-packages" in file or "dist-packages" in file


def own_classes(kind: type) -> Iterator[type]:
    """A class and its bases, as far as they are the user's."""
    for k in kind.__mro__:
        if is_users(k):
            yield k


def is_module(x: Any) -> bool:
    """Whether `x` is an `nn.Module` (which stands in a layer above)."""
    own = getattr(x, "_parameters", None)
    return isinstance(own, dict) and hasattr(x, "modules") and hasattr(x, "training")
