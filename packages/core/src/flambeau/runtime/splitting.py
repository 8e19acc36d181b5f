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


def inside(pieces: Any, function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """`function(*args, **kwargs)`, in which calls of modules without hooks are handed to `pieces`."""
    global running
    before = local.pieces
    with _lock:
        running += 1
    local.pieces = pieces
    try:
        return function(*args, **kwargs)
    finally:
        local.pieces = before
        with _lock:
            running -= 1


def outside(function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """`function(*args, **kwargs)`, in which modules are called as everywhere."""
    before, local.pieces = local.pieces, None
    try:
        return function(*args, **kwargs)
    finally:
        local.pieces = before
