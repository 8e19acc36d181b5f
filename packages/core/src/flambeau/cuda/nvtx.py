"""`torch.cuda.nvtx`: named ranges and marks that NVIDIA's profilers show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .devices import runtime

_depth = 0


def _nvtx() -> Any:
    return runtime().cuda.nvtx


def range_push(msg: str) -> int:
    """Begins a range inside those that are open; its depth, from 0."""
    global _depth
    _nvtx().RangePush(msg)
    _depth += 1
    return _depth - 1


def range_pop() -> int:
    """Ends the innermost range; its depth."""
    global _depth
    _nvtx().RangePop()
    _depth = max(0, _depth - 1)
    return _depth


def mark(msg: str) -> None:
    """Marks this moment."""
    _nvtx().Mark(msg)


@contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """A range around a block or function; `msg` may have fields for `args` and `kwargs`."""
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()
