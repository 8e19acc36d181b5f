"""How a function becomes a method or an attribute of Tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..runtime.tensor import Tensor

NUMBERS = (int, float, complex, bool, np.generic)


def method(f: Callable[..., Any], name: str | None = None) -> Callable[..., Any]:
    """Makes `f` a Tensor method."""
    setattr(Tensor, name or f.__name__, f)
    return f


def attribute(
    f: Callable[[Tensor], Any], write: Callable[[Tensor, Any], None] | None = None
) -> property:
    """Makes `f` a Tensor property, to be read only unless there is `write`."""
    made = property(f, write)
    setattr(Tensor, f.__name__, made)
    return made
