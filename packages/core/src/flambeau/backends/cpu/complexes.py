"""Complex numbers on all cores: sums and differences as those of twice as many floats, products by `kernels/complex.c`.

What is not dense or of two dtypes is left to the reference, and what is broadcast otherwise than by rows or columns.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...runtime.operator import Operator, registry
from . import copies, library, native, offers, providers
from .native import address

JOINED = ("add", "sub", "mul")  # in the order of `complex.c`
SUMS = ("add", "sub", "neg")
LEAST = 1 << 13  # numbers from which a call pays

kernels = native.Kernels("complex.c")
_PARTS: dict[Any, np.dtype] = {
    np.dtype("complex64"): np.dtype("float32"),
    np.dtype("complex128"): np.dtype("float64"),
}


class Complex:
    """An elementwise kernel with a part for complex arrays: `kernel(xp, *arrays, **attrs)`; `otherwise` takes all others."""

    def __init__(self, op: Operator, otherwise: Any) -> None:
        self.op, self.otherwise = op, otherwise
        self.usual = {p: op.defaults[i] for i, p in op.attrs}

    def __call__(self, xp: Any, *given: Any, **attrs: Any) -> Any:
        first = given[0]
        if len(given) == 2 and self.op.name in JOINED and (attrs == self.usual or not attrs):
            second = given[1]
            if self.op.name != "mul" and type(second) in (int, float, complex):
                if abs(second) < 1e38:  # a number that every complex dtype holds
                    second = np.array(second, getattr(first, "dtype", None))
            made = self.spread(first, second)
            if made is not None:
                return made
        if type(first) is np.ndarray and (attrs == self.usual or not attrs):
            part = _PARTS.get(first.dtype)
            if part is not None and first.flags.c_contiguous and first.size >= LEAST:
                made = self.dense(first, given[1:], part)
                if made is not None:
                    return made
        return self.otherwise(xp, *given, **attrs)

    def spread(self, a: Any, b: Any) -> np.ndarray | None:
        """One dense operand with one that is broadcast to its shape; None where that is not so."""
        if type(a) is not np.ndarray or type(b) is not np.ndarray or a.dtype != b.dtype:
            return None
        if a.size < b.size and self.op.name != "sub":
            a, b = b, a
        part = _PARTS.get(a.dtype)
        if part is None or b.size >= a.size or a.size < LEAST or not a.flags.c_contiguous:
            return None
        if not b.flags.c_contiguous or native.recorders or not library.available():
            return None
        loops = _broadcast(a.shape, b.shape)
        if loops is None:
            return None
        made = np.empty(a.shape, a.dtype)
        of = kernels.float32 if part.itemsize == 4 else kernels.float64
        of.spread(address(a), address(b), address(made), *loops, JOINED.index(self.op.name))
        return made

    def dense(self, first: np.ndarray, more: tuple, part: np.dtype) -> np.ndarray | None:
        for x in more:
            if type(x) is np.ndarray:
                if x.dtype != first.dtype or x.shape != first.shape or not x.flags.c_contiguous:
                    return None
            elif type(x) not in (int, float, complex) or self.op.name != "mul":
                return None
        if native.recorders or not library.available():
            return None
        if self.op.name in SUMS:
            flat = [x.reshape(-1).view(part) for x in (first, *more)]
            kernel = registry[self.op.name].providers["cpu"][0][1]
            return kernel(np, *flat, **self.usual).view(first.dtype).reshape(first.shape)
        (second,) = more
        one = type(second) is not np.ndarray
        if one:
            try:
                second = np.array(second, first.dtype)
            except OverflowError:
                return None
        made = np.empty(first.shape, first.dtype)
        of = kernels.float32 if part.itemsize == 4 else kernels.float64
        of.product(address(first), address(second), address(made), first.size, int(one))
        return made


@lru_cache(256)
def _broadcast(shape: tuple, other: tuple) -> tuple[int, int, int, int] | None:
    """(rows, numbers of a row, step of a row, step in a row) of an operand of shape `other` that is read as `shape`."""
    if len(other) > len(shape):
        return None
    other = (1,) * (len(shape) - len(other)) + other
    loops: list[list[int]] = []
    step = 1
    for n, k in zip(reversed(shape), reversed(other)):
        if k not in (1, n):
            return None
        if n > 1:
            here = step if k > 1 else 0
            if loops and here == loops[-1][1] * loops[-1][0]:
                loops[-1][0] *= n
            else:
                loops.append([n, here])
        step *= k
    if not loops or len(loops) > 2 or loops[0][1] > 1:
        return None
    (m, inner), (rows, outer) = (*loops, [1, 0])[:2]
    return rows, m, outer, inner


def _complex(real: np.ndarray, imag: np.ndarray) -> Any:
    """Real and imaginary parts brought together."""
    if real.shape != imag.shape or real.dtype is not imag.dtype or real.dtype.char not in "fd":
        return NotImplemented
    if not (real.flags.c_contiguous and imag.flags.c_contiguous) or not real.size:
        return NotImplemented
    made = copies._cat(real.reshape(-1, 1), imag.reshape(-1, 1), dim=1)
    if made is NotImplemented:
        return made
    wide = np.dtype("complex64" if real.itemsize == 4 else "complex128")
    return made.reshape(-1).view(wide).reshape(real.shape)


def register() -> None:
    """Enters the kernels; called when complex numbers are first made of large arrays."""
    if "complex" in registry:
        offers.offer("complex", _complex, least=providers.BY_HAND["complexes"]["complex"])
