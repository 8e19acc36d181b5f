"""NumPy's own loops on all cores, for functions that NumPy vectorises and compilers do not: sin, atan2, asinh, ...

A ufunc is a table of inner loops, one for each combination of dtypes, which need neither the interpreter nor each other. Each thread
gets pieces of the arrays (`kernels/share.c`), cut by length alone. Where the table is not where NumPy's C interface says that it
is, and for arrays with gaps, NumPy is called as usual.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from ...runtime.numbers import number_array
from ...runtime.operator import Operator, registry
from . import native, providers
from .compiler import CompileError
from .native import address
from .offers import FLOATS, HALVES, in_float32, of_kinds

BLOCK = 1 << 13  # elements that a thread takes at a time: some 10 us
FUNCTIONS = {
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2,
    "sinh": np.sinh, "cosh": np.cosh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
}  # fmt: skip
REMEMBERED = 1024

_share = native.Kernels("share.c")


class _Ufunc(ctypes.Structure):
    """The beginning of NumPy's PyUFuncObject, part of its stable binary interface."""

    _fields_ = (
        ("head", ctypes.c_char * object.__basicsize__),
        *((name, ctypes.c_int) for name in ("nin", "nout", "nargs", "identity")),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
        ("ntypes", ctypes.c_int),
        ("reserved", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("types", ctypes.POINTER(ctypes.c_byte)),
    )


@cache
def loop(ufunc: np.ufunc, number: int) -> tuple[int, int] | None:
    """Where the loop for arrays all of one dtype (by its number) lies, and what it is given besides; None where that is not found."""
    table = _Ufunc.from_address(id(ufunc))
    counts = table.nin, table.nout, table.nargs, table.ntypes
    if counts != (ufunc.nin, ufunc.nout, ufunc.nargs, ufunc.ntypes):
        return None
    if table.name != ufunc.__name__.encode():
        return None
    for k in range(ufunc.ntypes):
        kinds = table.types[k * ufunc.nargs : (k + 1) * ufunc.nargs]
        if kinds == [number] * ufunc.nargs:
            found = table.functions[k]
            return None if found is None else (found, table.data[k] or 0)
    return None


class Shared:
    """The kernel of an operator that is one ufunc: `kernel(xp, *arrays)`; `otherwise` takes what is not dense floats."""

    def __init__(self, op: Operator, ufunc: np.ufunc, otherwise: Any) -> None:
        self.ufunc, self.otherwise = ufunc, otherwise
        self.several = len(op.arrays) > 1
        self.plans: dict[tuple, Any] = {}

    def __call__(self, xp: Any, *given: Any, **attrs: Any) -> Any:
        first = next((x for x in given if type(x) is np.ndarray and x.ndim), None)
        if first is None or attrs or not first.flags.c_contiguous:
            return self.otherwise(xp, *given, **attrs)
        dtype, shape = first.dtype, first.shape
        arrays = []
        for x in given:
            if type(x) is float or type(x) is int:
                x = number_array(x, dtype)
            elif type(x) is not np.ndarray or x.dtype != dtype:
                return self.otherwise(xp, *given)
            if x.ndim and (x.shape != shape or not x.flags.c_contiguous):
                return self.otherwise(xp, *given)
            arrays.append(x)
        plan = self.plan(dtype, first.size, tuple([x.ndim > 0 for x in arrays]))
        if plan is None:
            return self.otherwise(xp, *given)
        made = np.empty(shape, dtype)
        try:
            loops = _share.float32
        except CompileError:
            return self.otherwise(xp, *given)
        call = loops.share3 if self.several else loops.share2
        call(address(plan), *map(address, arrays), address(made))
        return made

    def plan(self, dtype: np.dtype, size: int, moves: tuple[bool, ...]) -> np.ndarray | None:
        """What `share.c` reads for so many elements; `moves`: which of the arrays are no numbers."""
        key = dtype, size, moves
        if key not in self.plans:
            found = loop(self.ufunc, dtype.num) if dtype.kind in "fc" else None
            steps = [dtype.itemsize * m for m in (*moves, True)]
            steps += [0] * (3 - len(steps))
            made = None if found is None else native.table([*found, size, BLOCK, *steps])
            if len(self.plans) >= REMEMBERED:
                self.plans.clear()
            self.plans[key] = made
        return self.plans[key]


def register() -> None:
    """Enters the kernels; called when one of these operators first meets a large array."""
    for name in providers.SHARED:
        op = registry.get(name)
        if op is not None:
            kernel = _with_halves(Shared(op, FUNCTIONS[name], op.kernels[None]))
            op.provide("cpu", of_kinds((*FLOATS, *HALVES)), providers.UFUNCS)(kernel)


def _with_halves(kernel: Shared) -> Any:
    """`kernel` for floats of two bytes too, computed in float32 where NumPy has no vector loops for them: bfloat16 takes 11 ns an element there."""

    def call(xp: Any, *given: Any, **attrs: Any) -> Any:
        kind = next(x.dtype for x in given if type(x) is np.ndarray)
        if kind.itemsize > 2 or kind in own:
            return kernel(xp, *given, **attrs)
        if any(type(x) is not np.ndarray for x in given):  # a number is rounded to them first
            return kernel.otherwise(xp, *given, **attrs)
        return wide(*given, **attrs)

    own = (np.dtype(np.float16),) if providers.numpy_has_avx512() else ()
    wide = in_float32(lambda *given, **attrs: kernel(np, *given, **attrs))
    return call
