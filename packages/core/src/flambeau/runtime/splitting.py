"""Whether the modules that Python calls are to run as programs of their own: while a compiled function runs in pieces.

`running` counts such functions in all threads, so that a module's call looks once; `local.pieces` is this thread's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Local(threading.local):
    """One thread's."""

    pieces: Any = None  # called with a module, its arguments and keyword arguments (`jit.pieces`)


local = Local()
running = 0
_lock = threading.Lock()


class Noticed:
    """Stands in the place of pieces while a call is captured: whether it calls modules, other than `root`, that could be pieces."""

    def __init__(self, root: Any) -> None:
        self.root, self.any = root, False

    def __call__(self, module: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """The module's call."""
        if module is not self.root and (module._modules or not is_ours(module)):
            self.any = True
        return module.forward(*args, **kwargs)


def is_ours(thing: Any) -> bool:
    """Whether an object's class is flambeau's own."""
    return type(thing).__module__.startswith("flambeau.")


def enter(pieces: Any) -> Any:
    """Hands calls of modules without hooks to `pieces`, until what it gives back is given to `leave`."""
    global running
    before = local.pieces
    with _lock:
        running += 1
    local.pieces = pieces
    return before


def leave(before: Any) -> None:
    """The end of what `enter` began."""
    global running
    local.pieces = before
    with _lock:
        running -= 1


def inside(pieces: Any, function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """`function(*args, **kwargs)`, in which calls of modules without hooks are handed to `pieces`."""
    before = enter(pieces)
    try:
        return function(*args, **kwargs)
    finally:
        leave(before)


def outside(function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """`function(*args, **kwargs)`, in which modules are called as everywhere."""
    before, local.pieces = local.pieces, None
    try:
        return function(*args, **kwargs)
    finally:
        local.pieces = before
