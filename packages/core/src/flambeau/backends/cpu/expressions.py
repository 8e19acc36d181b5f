"""Expressions as ufuncs of NumPy: what an operator computes in several passes is one call of 0.2 us, on any strides.

    silu = ufunc_of(program)       # silu(x), for float32 and float64; silu(x, out=y), broadcasting, ... as every ufunc

NumPy makes a ufunc of C loops (`PyUFunc_FromFuncAndData` of its C interface); the loops are compiled from the expression. A
kernel of `elementwise` runs on all cores, which a few thousand elements do not repay: it costs 1 us more. Numbers that an operator
takes by name are operands too, doubles whatever the arrays are, as in the kernels.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from ...ir.text import C_TYPES, NoText, c_statements
from ...runtime.elementwise import Program
from . import library
from .compiler import CompileError

KINDS = ("float32", "float64")
NO_IDENTITY = -1  # PyUFunc_None
FROM_FUNCTIONS = 1  # the place of PyUFunc_FromFuncAndData in the table of the interface
_kept: list[Any] = []  # what ufuncs refer to: they live as long as the process


@cache
def _maker() -> Any:
    """NumPy's function that makes ufuncs; None where its interface is not found."""
    capsule = getattr(getattr(np, "_core", None), "_multiarray_umath", None)
    capsule = getattr(capsule, "_UFUNC_API", None)
    python = getattr(ctypes, "pythonapi", None)
    if capsule is None or python is None:
        return None
    name, pointer = python.PyCapsule_GetName, python.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = ctypes.cast(pointer(capsule, name(capsule)), ctypes.POINTER(ctypes.c_void_p))
    pointers, words, count = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    kind = ctypes.PYFUNCTYPE(
        ctypes.py_object, pointers, pointers, pointers, count, count, count, count, words, words, count
    )  # fmt: skip
    return kind(table[FROM_FUNCTIONS])


def dtypes_of(program: Program, kind: str) -> list[str]:
    """The dtypes of the operands, and last of the result, for arrays of `kind`."""
    asked = {
        n.args[0].value for n in program.expr.walk() if n.op == "where" and n.args[0].op == "var"
    }
    arrays = ["bool" if name in asked else kind for name in program.arrays]
    result = "bool" if program.op.result == "bool" else kind
    return [*arrays, *["float64"] * len(program.params), result]


def source(program: Program) -> str:
    """The C text of the loops; `NoText` where there is none.

    >>> from flambeau.runtime.operator import registry
    >>> print(source(registry["sigmoid"].vjp_rule.program({})).splitlines()[-1])
    }
    """
    texts = [_loop(program, kind) for kind in KINDS]
    return "\n".join([library.header("fb_math.h"), *texts])


def _loop(program: Program, kind: str) -> str:
    names = (*program.arrays, *program.params)
    *given, made = dtypes_of(program, kind)
    spelled = {n: f"x{i}" for i, n in enumerate(names)}
    arrays = dict(zip(program.arrays, given))
    text = c_statements([program.expr], spelled, arrays, kind)
    kinds = [C_TYPES[d] for d in (*given, made)]
    count, first = len(program.arrays), len(names)
    dense = " && ".join(
        f"s[{i}] == {'0' if count <= i < first else f'sizeof({c})'}" for i, c in enumerate(kinds)
    )
    value = [*text.lines, f"*({kinds[-1]} *)(a[{first}] + i * {{}}) = {text.values[0][0]};"]

    def loop(steps: list[str]) -> str:
        loads = [
            f"const {c} x{i} = *(const {c} *)(a[{i}] + i * {steps[i]});"
            for i, c in enumerate(kinds[:-1])
        ]
        lines = [*loads, *value]
        lines[-1] = lines[-1].format(steps[-1])
        return "for (int64_t i = 0; i < c; ++i) {\n" + "\n".join(lines) + "\n}"

    fixed = ["0" if count <= i < first else f"sizeof({c})" for i, c in enumerate(kinds)]
    return "\n".join([
        f"void of_{kind}(char **at, const intptr_t *n, const intptr_t *s, void *unused) {{",
        "const int64_t c = n[0];",
        f"char *a[{first + 1}];",
        f"for (int i = 0; i < {first + 1}; ++i) a[i] = at[i];",
        f"if ({dense}) {{\n{loop(fixed)}\nreturn;\n}}",
        loop([f"s[{i}]" for i in range(first + 1)]),
        "}",
    ])  # fmt: skip


def ufunc_of(program: Program) -> np.ufunc | None:
    """The program as a ufunc of its arrays and parameters; None where it cannot be made."""
    make = _maker()
    if make is None or not library.available():
        return None
    try:
        loaded = library.load(source(program))
    except (NoText, CompileError):
        return None
    each = [[np.dtype(d).num for d in dtypes_of(program, kind)] for kind in KINDS]
    loops = [ctypes.cast(getattr(loaded, f"of_{kind}"), ctypes.c_void_p).value for kind in KINDS]
    functions = (ctypes.c_void_p * len(KINDS))(*loops)
    data = (ctypes.c_void_p * len(KINDS))()
    types = (ctypes.c_byte * sum(map(len, each)))(*[n for row in each for n in row])
    name = program.op.name.encode()
    _kept.append((loaded, functions, data, types, name))
    at = [ctypes.addressof(x) for x in (functions, data, types)]
    operands = len(each[0]) - 1
    return make(*at, len(KINDS), operands, 1, NO_IDENTITY, name, b"", 0)
