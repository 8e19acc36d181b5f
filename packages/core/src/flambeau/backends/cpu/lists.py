"""Lists of arrays for kernels that take many in one call: looked at in C, so that twenty small ones cost 2 us.

    found = Listed(dtype, columns=2, read_only=1)
    if found.survey([a, g, b, h]):                 # rows (a, g) and (b, h), each of one shape, contiguous, of this dtype
        functions.mix(found.table, found.ends, found.rows, ...)

An array's fields are read at the places that NumPy's binary interface gives them, after these were tried (`readable`).
"""

from __future__ import annotations

import ctypes
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from ...runtime import state
from . import library, native
from .compiler import CompileError

kernels = native.Kernels("lists.c")
HEAD = object.__basicsize__
PARTS = {"float32": ("float32", 1), "float64": ("float64", 1), "complex64": ("float32", 2), "complex128": ("float64", 2)}  # fmt: skip
GRAIN = 16384  # elements of a block in lists.c


@cache
def readable() -> bool:
    """Whether the fields of arrays stand where `lists.c` reads them, and anything can be compiled at all."""
    if not library.available() or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    try:
        look = kernels.float32.look
    except CompileError:
        return False
    seen = (ctypes.c_int64 * 7)()
    for a in (np.empty(3, np.float32), np.empty((2, 5)).T[1:], np.empty((), np.complex64)):
        look(id(a), HEAD, seen)
        place, flags = a.__array_interface__["data"][0], a.flags
        first = (a.shape[0], a.strides[0]) if a.ndim else (0, 0)
        if tuple(seen)[:5] != (place, a.ndim, *first, id(a.dtype)) or seen[6] != id(np.ndarray):
            return False
        wanted = (flags.c_contiguous, flags.f_contiguous, flags.aligned, flags.writeable)
        if tuple(bool(seen[5] & bit) for bit in (1, 2, 0x100, 0x400)) != wanted:
            return False
    return True


class Listed:
    """A list of rows of arrays of one dtype, and what was found of it: addresses, and elements up to each row's end."""

    def __init__(self, dtype: str, columns: int, read_only: int = -1) -> None:
        self.dtype, (self.real, self.parts) = dtype, PARTS[dtype]
        self.functions = getattr(kernels, self.real)
        self.columns, self.read_only = columns, read_only
        self.known = (ctypes.c_int64 * 3)(HEAD, id(np.ndarray), id(np.dtype(dtype)))
        self.known_at = ctypes.addressof(self.known)
        self.numbers = (ctypes.c_int64 * 4)(*self.known[:2], id(np.dtype("float32")), id(np.dtype("float64")))  # fmt: skip
        self.rows = self.room = self.total = 0
        self.alone = False  # whether the memory that is written was found not to overlap

    def survey(self, ids: list[int]) -> bool:
        """Takes in arrays by their `id`, row after row; False where one does not fit. They must be kept by the caller."""
        rows = len(ids) // self.columns
        if rows == 0:
            self.rows = self.total = 0
            return True
        if rows > self.room:
            self.room, self.alone = rows, False
            self.ids = (ctypes.c_int64 * (rows * self.columns))()
            self.table = (ctypes.c_int64 * (rows * self.columns))()
            self.ends = (ctypes.c_int64 * rows)()
            self.at, self.ends_at = ctypes.addressof(self.table), ctypes.addressof(self.ends)
            self.ids_at = ctypes.addressof(self.ids)
        self.ids[: len(ids)] = ids  # type: ignore[assignment]
        found = self.functions.survey(
            self.ids_at, rows, self.columns, self.read_only, self.parts, self.known_at, self.at, self.ends_at
        )  # fmt: skip
        if found < 0:
            self.rows = -1  # the table is half new: look at all of it next time
            return False
        if found or rows != self.rows:
            self.rows, self.total = rows, self.ends[rows - 1]
            self.alone = self._apart()
        return self.alone

    def _apart(self) -> bool:
        """Whether no two arrays that are written share memory: rows are worked on at the same time."""
        size = np.dtype(self.real).itemsize
        begin = 0
        spans = []
        for row in range(self.rows):
            length = (self.ends[row] - begin) * size
            begin = self.ends[row]
            for column in range(self.columns):
                if column != self.read_only and length:
                    at = self.table[row * self.columns + column]
                    spans.append((at, at + length))
        spans.sort()
        return all(a[1] <= b[0] for a, b in pairwise(spans))

    def advance(self, ids: list[int]) -> tuple[Any, bool]:
        """Adds one to 0-d arrays, given by their `id`; their values, and whether all are equal. (None, False): unfit."""
        now = (ctypes.c_double * len(ids))()
        found = self.functions.advance((ctypes.c_int64 * len(ids))(*ids), len(ids), self.numbers, now)  # fmt: skip
        return (None, False) if found < 0 else (now, found == 1)

    def mix(self, a: float, b: float) -> None:
        """``x = a * x + b * y`` in each row (x, y)."""
        self.functions.mix(self.table, self.ends, self.rows, a, b)

    def approach(self, n: float) -> None:
        """``x += (y - x) / n`` in each row (x, y)."""
        self.functions.approach(self.table, self.ends, self.rows, n)

    def sums(self) -> Any:
        """Memory for the partial sums of a pass."""
        return (ctypes.c_double * (self.total // GRAIN + 1))()


def listed(rows: list[tuple[Any, ...]], read_only: int = -1) -> Listed | None:
    """What is found of rows of tensors; None where they are no plain arrays of one dtype and layout.

    Small lists are taken, too: sums in another order have other last bits, which must not depend on what ran before. The last column may be read only. Nothing may be recorded on the tape: the tensors are written as memory.
    """
    if state.active:  # a tracer or the like must see every operator
        return None
    try:
        arrays = [t._array for row in rows for t in row]
    except AttributeError:  # wrappers
        return None
    if not arrays or type(arrays[0]) is not np.ndarray:
        return None
    dtype = arrays[0].dtype.name
    if dtype not in PARTS or not readable():
        return None
    made = Listed(dtype, len(rows[0]), read_only)
    return made if made.survey([id(a) for a in arrays]) else None
