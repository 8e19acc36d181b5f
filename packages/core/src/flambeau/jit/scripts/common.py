"""What the parts of the language share: environments, scopes, dotted names."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

Closure = Callable[[dict[str, Any]], Any]


class NotSupportedError(RuntimeError):
    """Python that scripts cannot say; the message has the line."""


class Scope(Protocol):
    """What a function may name besides its variables."""

    def find(self, name: str) -> Any:
        """The value of a dotted name; KeyError if there is none."""


class Env(dict):
    """A call's variables."""

    def __missing__(self, name: str) -> NoReturn:
        raise RuntimeError(f"variable {name!r} is used before it has a value")


def dotted(node: Any) -> str | None:
    """`a.b.c` of a tree that says so."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    return None
