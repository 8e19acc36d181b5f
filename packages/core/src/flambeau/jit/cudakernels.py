"""The kernels of a program's fused groups on a GPU: one text per layout of what they read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ..ir import cudafolds
from ..ir.loops import Array, Result
from ..ir.text import NoText
from .fusion import Group


class Kernels:
    """A group's kernels: one text per layout of its inputs."""

    def __init__(self, group: Group, machine: Any) -> None:
        self.group, self.machine = group, machine
        self.made, found, self.folds = group.expressions()
        self.inputs = list(found.values())  # (value, name)
        self.outputs = [(tuple(v.meta.shape), v.meta.dtype.numpy) for v in group.outputs]
        self.empty = not all(np.prod(shape, dtype=np.int64) for shape, _ in self.outputs)
        self._ready: dict[Any, Any] = {}

    def __call__(self, arrays: list) -> list | None:
        """The results; None where the group has no text."""
        key = tuple([a.strides for a in arrays])
        ready = self._ready.get(key)
        if ready is None:
            ready = self._ready[key] = self._compiled(arrays)
        if not ready:
            return None
        text, kernels = ready
        results = [self.machine.empty(shape, dtype) for shape, dtype in self.outputs]
        if self.empty:
            return results
        every = [*results, *[self.machine.empty((n,), dtype) for dtype, n in text.work]]
        for launch, kernel in zip(text.launches, kernels):
            given = [*(arrays if launch.inputs else ()), *[every[i] for i in launch.results]]
            if launch.count is not None:
                given.append(np.int64(launch.count))
            kernel(launch.grid, (cudafolds.THREADS,), tuple(given))
        return results

    def _compiled(self, arrays: list) -> Any:
        try:
            text = self.text([[s // a.itemsize for s in a.strides] for a in arrays])
        except NoText:
            return False
        return text, [self.machine.kernel(text.text, launch.name) for launch in text.launches]

    def text(self, strides: Sequence[Sequence[int]]) -> cudafolds.Text:
        """The text for inputs of these strides, in elements; results are dense."""
        group = self.group
        inputs = [
            Array(name, v.meta.dtype.name, tuple(v.meta.shape), tuple(s))
            for (v, name), s in zip(self.inputs, strides)
        ]
        reduced = tuple(group.reduced or ())
        results = []
        for n, v in enumerate(group.outputs):
            fold = self.folds.get(id(v))
            sizes = [1 if fold and d in reduced else size for d, size in enumerate(group.shape)]
            results.append(
                Result(f"y{n}", self.made[id(v)], v.meta.dtype.name, _dense(sizes), fold)
            )
        return cudafolds.group("fused", inputs, results, reduced, tuple(group.shape))

    def dense_text(self) -> str:
        """The kernels for dense inputs, without the prelude; nothing where there is no text."""
        with suppress(NoText):
            text = self.text([_dense(v.meta.shape) for v, _ in self.inputs]).text
            return text[text.index('extern "C"') :]
        return ""


def _dense(shape: Sequence[int]) -> tuple[int, ...]:
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))
