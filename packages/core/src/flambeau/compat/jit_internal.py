"""`torch._jit_internal`: what packages of older days took from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Dict, Final, List, Optional, Tuple, Union  # noqa: UP035

from ..futures import Future
from .jit import (
    _copy_to_script_wrapper,
    _overload,
    _overload_method,
    export,
    ignore,
    is_scripting,
    unused,
)

# A number or a tuple of that many, in annotations.
BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = Union


def boolean_dispatch(
    arg_name: str,
    arg_index: int,
    default: bool,
    if_true: Callable[..., Any],
    if_false: Callable[..., Any],
    module_name: str,
    func_name: str,
) -> Callable[..., Any]:
    """A function that is `if_true` or `if_false`, as its argument `arg_name` (or the one at `arg_index`) says."""

    def chosen(*args: Any, **kwargs: Any) -> Any:
        flag = kwargs.get(arg_name, args[arg_index] if arg_index < len(args) else default)
        return (if_true if flag else if_false)(*args, **kwargs)

    chosen.__name__, chosen.__module__ = func_name, module_name
    chosen.__doc__ = if_true.__doc__ or if_false.__doc__
    return chosen


def weak_module(cls: type) -> type:
    """The class itself."""
    return cls


def weak_script(fn: Any) -> Any:
    """The function itself."""
    return fn


weak_script_method = weak_script

__all__ = [
    "BroadcastingList1",
    "BroadcastingList2",
    "BroadcastingList3",
    "Dict",
    "Final",
    "Future",
    "List",
    "Optional",
    "Tuple",
    "_copy_to_script_wrapper",
    "_overload",
    "_overload_method",
    "boolean_dispatch",
    "export",
    "ignore",
    "is_scripting",
    "unused",
]
