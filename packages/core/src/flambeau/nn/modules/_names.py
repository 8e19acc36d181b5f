"""How types are named in error messages."""

from __future__ import annotations

from typing import Any

from flambeau.runtime.tensor import Tensor


def typename(value: Any) -> str:
    """The full name of a value's type: ``flambeau.FloatTensor``, ``int``, ``package.Class``.

    >>> typename(3)
    'int'
    """
    if isinstance(value, Tensor):
        return value.type()
    kind = value if isinstance(value, type) else type(value)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def indented(text: str, spaces: int) -> str:
    """The text with every line but the first moved right; for nested printed forms."""
    return text.replace("\n", "\n" + " " * spaces)
