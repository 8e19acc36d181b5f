"""Where arrays lie: buffers, windows into them (`Ref`), and a plan that gives buffers with disjoint lives one place."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

ALIGN = 64  # bytes: a cache line, and the widest vector


class Buffer:
    """Memory of `size` elements of `dtype`: "arena", "weight" (with its `array`), "input" or "output" (with its `index`).

    `first` and `last` are the steps between which it holds something, `offset` its place in the arena in bytes.
    """

    __slots__ = ("array", "dtype", "first", "index", "kind", "last", "offset", "size")

    def __init__(self, kind: str, dtype: str, size: int, array: Any = None, index: int = 0) -> None:
        self.kind, self.dtype, self.size, self.array, self.index = kind, dtype, size, array, index
        self.first, self.last, self.offset = -1, -1, 0

    @property
    def bytes(self) -> int:
        return self.size * np.dtype(self.dtype).itemsize


class Scale:
    """How int8 stands for numbers: (q - zero) * step."""

    __slots__ = ("step", "zero")

    def __init__(self, step: float, zero: int) -> None:
        self.step, self.zero = step, zero


def same_scale(a: Scale | None, b: Scale | None) -> bool:
    """Whether numbers may be copied as they are."""
    return a is b or (a is not None and b is not None and (a.step, a.zero) == (b.step, b.zero))


class Ref:
    """A window into a buffer: offset, shape and strides in elements; `scale` where int8 stands for float."""

    __slots__ = ("buffer", "offset", "scale", "shape", "strides")

    def __init__(
        self,
        buffer: Buffer,
        shape: Sequence[int],
        strides: Sequence[int] | None = None,
        offset: int = 0,
        scale: Scale | None = None,
    ) -> None:
        self.buffer, self.shape, self.offset, self.scale = buffer, tuple(shape), offset, scale
        self.strides = row_major(self.shape) if strides is None else tuple(strides)

    @property
    def dtype(self) -> str:
        return self.buffer.dtype

    @property
    def numel(self) -> int:
        return prod(self.shape)

    @property
    def contiguous(self) -> bool:
        """Whether it lies row by row without gaps."""
        dense = row_major(self.shape)
        return all(n == 1 or a == b for n, a, b in zip(self.shape, self.strides, dense))

    def spread(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Strides that walk it over a shape that it broadcasts to."""
        front = len(shape) - len(self.shape)
        return (0,) * front + tuple(0 if n == 1 else s for n, s in zip(self.shape, self.strides))


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides, in elements, of an array that lies row by row."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def plan(buffers: Sequence[Buffer]) -> int:
    """Gives every arena buffer its offset; the arena's size in bytes.

    Largest first, each at the lowest place that is free for its whole life: within some percent of the best for
    networks, whose large buffers come one after another.
    """
    placed: list[Buffer] = []
    total = 0
    for b in sorted(buffers, key=lambda b: (-b.bytes, b.first)):
        at = 0
        for other in sorted(placed, key=lambda o: o.offset):
            if other.last < b.first or b.last < other.first:
                continue
            if at + b.bytes <= other.offset:
                break
            at = max(at, -(-(other.offset + other.bytes) // ALIGN) * ALIGN)
        b.offset = at
        placed.append(b)
        total = max(total, at + b.bytes)
    return total
