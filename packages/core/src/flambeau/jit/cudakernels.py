"""The kernels of a program on a GPU: of its fused groups, one text per layout of what they read, and of copies of many arrays."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ..ir import cudafolds
from ..ir.cuda import PRELUDE
from ..ir.loops import Array, Result
from ..ir.text import NoText
from .fusion import Group

FEW = 4  # arrays, up to which each is copied by itself
EACH = 1 << 14  # bytes that a block copies

# A row of the table has two addresses and a number of bytes; then come the blocks up to each row's end.
COPY = (
    PRELUDE
    + f"""\
extern "C" __global__ void __launch_bounds__(256) copy(const int64_t *__restrict__ table, const int rows) {{
  const int64_t *ends = table + (int64_t)rows * 3, block = blockIdx.x;
  int low = 0, high = rows - 1;
  while (low < high) {{
    const int middle = (low + high) / 2;
    if (ends[middle] > block) high = middle;
    else low = middle + 1;
  }}
  const int64_t *row = table + (int64_t)low * 3, begin = (block - (low ? ends[low - 1] : 0)) * {EACH}, left = row[2] - begin;
  const int64_t bytes = left < {EACH} ? left : {EACH};
  const char *from = (const char *)row[0] + begin;
  char *to = (char *)row[1] + begin;
  int64_t done = 0;
  if (((row[0] | row[1]) & 7) == 0) {{
    done = bytes / 8 * 8;
    for (int64_t i = threadIdx.x * 8; i < done; i += 8 * 256) *(int64_t *)(to + i) = *(const int64_t *)(from + i);
  }}
  for (int64_t i = done + threadIdx.x; i < bytes; i += 256) to[i] = from[i];
}}
"""
)


class Copies:
    """Copies of several arrays at once, in one launch: gradients of many parameters are many small arrays."""

    def __init__(self, machine: Any) -> None:
        self.machine = machine
        self._kernel: Any = None

    def __call__(self, arrays: Sequence[Any]) -> list:
        """New arrays with the values of these, laid out as they are where they are dense."""
        if len(arrays) <= FEW:
            return [self.machine.copied(a) for a in arrays]
        made, rows = [], []
        for a in arrays:
            if a.flags.c_contiguous or a.flags.f_contiguous:
                made.append(self.machine.place_for(a))
                if a.nbytes:
                    rows.append((self.machine.address(a), self.machine.address(made[-1]), a.nbytes))
            else:
                made.append(self.machine.copied(a))
        if rows:
            ends = np.cumsum([-(-n // EACH) for *_, n in rows])
            table = self.machine.upload(np.concatenate([np.ravel(rows), ends]).astype(np.int64))
            self._kernel = self._kernel or self.machine.kernel(COPY, "copy")
            self._kernel((int(ends[-1]),), (256,), (table, np.int32(len(rows))))
        return made


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
