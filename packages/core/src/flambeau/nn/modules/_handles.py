"""Putting hooks into the dictionaries that hold them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from flambeau.utils.hooks import RemovableHandle

__all__ = ["RemovableHandle", "add_hook"]


def add_hook(
    hooks: OrderedDict[int, Callable[..., Any]],
    hook: Callable[..., Any],
    prepend: bool = False,
    marks: tuple[tuple[OrderedDict[int, bool], bool], ...] = (),
) -> RemovableHandle:
    """Put a hook in its dictionary and, by its id, in those of the `marks` that are on.

    >>> hooks = OrderedDict()
    >>> with add_hook(hooks, print):
    ...     print(len(hooks))
    1
    """
    handle = RemovableHandle(hooks, extra_dict=[marked for marked, _ in marks])
    hooks[handle.id] = hook
    for marked, on in marks:
        if on:
            marked[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle
