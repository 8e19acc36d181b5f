"""What Python code says to `jit.script`: marks on methods, types of values."""

from __future__ import annotations

import builtins
import typing
from collections.abc import Callable
from typing import Any, Final

from ...futures import Future

__all__ = [
    "Attribute",
    "Final",
    "Future",
    "annotate",
    "export",
    "fork",
    "ignore",
    "interface",
    "is_scripting",
    "is_tracing",
    "isinstance",
    "unused",
    "wait",
]


def export(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a method that `script` compiles although `forward` does not call it."""
    fn._script_mark = "export"  # type: ignore[attr-defined]
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Marks a function that stays Python: scripts call it, but cannot be saved. With `drop=True` it is `unused`."""
    if callable(drop):
        drop._script_mark = "ignore"
        return drop
    if kwargs:
        raise TypeError(f"ignore() has no argument {next(iter(kwargs))!r}")

    def mark(fn: Callable[..., Any]) -> Callable[..., Any]:
        fn._script_mark = "unused" if drop else "ignore"  # type: ignore[attr-defined]
        return fn

    return mark


def unused(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a function that scripts do not contain: calling it there is an error."""
    fn._script_mark = "unused"  # type: ignore[attr-defined]
    return fn


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value; in scripts, of this type."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether `obj` is of a type such as `List[int]`; of containers each item is looked at.

    >>> isinstance([1, 2], typing.List[int])
    True
    """
    kinds = target_type if builtins.isinstance(target_type, tuple) else (target_type,)
    return any(_is(obj, k) for k in kinds)


def _is(value: Any, kind: Any) -> bool:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is None or kind is type(None):
        return value is None
    if origin is typing.Union or type(kind).__name__ == "UnionType":
        return any(_is(value, p) for p in parts)
    if origin is None:
        return builtins.isinstance(value, kind)
    if not builtins.isinstance(value, origin):
        return False
    if origin is list:
        return all(_is(v, parts[0]) for v in value)
    if origin is dict:
        return all(_is(k, parts[0]) and _is(v, parts[1]) for k, v in value.items())
    if origin is tuple:
        return len(value) == len(parts) and all(map(_is, value, parts))
    raise TypeError(f"isinstance: {kind} is not a type of scripts")


class Attribute(typing.NamedTuple):
    """A value of a module and its type, for scripts that could not tell the type of an empty list."""

    value: Any
    type: Any


def interface(obj: Any) -> Any:
    """Marks a class as a list of methods that modules have; in scripts the type of any module."""
    obj._script_interface = True
    return obj


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A Future of `func(*args, **kwargs)`, which is computed at once; so it is in scripts.

    >>> import flambeau
    >>> future = flambeau.jit.fork(flambeau.add, flambeau.ones(2), 1)
    >>> flambeau.jit.wait(future)
    tensor([2., 2.])
    """
    future: Any = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Any) -> Any:
    """What a Future of `fork` holds."""
    return future.wait()


def is_scripting() -> bool:
    """True in scripts, False in Python."""
    return False


def is_tracing() -> bool:
    """Whether `jit.trace` is running the code."""
    from .tracing import running

    return running()
