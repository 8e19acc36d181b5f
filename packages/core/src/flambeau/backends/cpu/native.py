"""Kernels written by hand: the C files of `kernels/`, compiled per element type when first called, called with raw memory.

    rows = native.Kernels("rows.c")
    rows.float32.softmax(address(x), address(out), rows, size)

A file begins with the element types it is made for, ``/* types: float double */``; its functions marked EXPORT are read
off the text, so that a call checks the number and kind of its arguments. A call takes 0.3 us and releases the GIL.
Whoever calls has checked shapes, dtypes and layout: nothing is checked in C.
"""

from __future__ import annotations

import ctypes
import re
import weakref
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from . import library, threads

KERNELS = Path(__file__).parent / "kernels"
TYPES = {
    "float32": "float",
    "float64": "double",
    "int64": "int64_t",
    "int32": "int32_t",
    "uint8": "uint8_t",
    "float16": "half",
    "bfloat16": "brain",
}
HALVES = ("float16", "bfloat16")  # computed in float (`headers/fb_half.h`)
# Multiplications and additions may be joined here: more exact, and twice as fast.
FLAGS = ("-ffp-contract=fast",)

_EXPORT = re.compile(r"^EXPORT (\w+) (\w+)\(([^)]*)\)", re.MULTILINE)
_KINDS = {
    "int64_t": ctypes.c_int64, "int": ctypes.c_int, "float": ctypes.c_float, "double": ctypes.c_double,
    "int32_t": ctypes.c_int32, "uint64_t": ctypes.c_uint64, "void": None,
}  # fmt: skip

_at = ctypes.c_void_p.from_address
_OFFSET = object.__basicsize__  # of an array's pointer to its data, behind the object's own head


def _plain_address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _quick_address(array: np.ndarray) -> int:
    return _at(id(array) + _OFFSET).value  # type: ignore[return-value]


def _addresses_lie_there() -> bool:
    """Whether an array's data pointer stands where NumPy's binary interface has it, in this interpreter."""
    probes: list[np.ndarray] = [np.empty(3), np.empty((2, 5), np.float32)[1:, ::2]]
    return all(_quick_address(a) == _plain_address(a) for a in probes)


# Where an array's first element lies: 0.1 us instead of 0.8.
address = _quick_address if _addresses_lie_there() else _plain_address


def _forms_lie_there() -> bool:
    """The same of its dimensions, sizes, strides and dtype."""

    def words(at: int, count: int) -> list[int]:
        return list((ctypes.c_int64 * count).from_address(at)) if count else []

    for a in (np.empty(3), np.empty((2, 5), np.float32)[1:, ::2], np.empty((), bool)):
        at = id(a) + _OFFSET
        if ctypes.c_int.from_address(at + 8).value != a.ndim:
            return False
        _, _, sizes, strides, _, dtype = words(at, 6)
        if words(sizes, a.ndim) != [*a.shape] or words(strides, a.ndim) != [*a.strides]:
            return False
        if dtype != id(a.dtype):
            return False
    return ctypes.sizeof(ctypes.c_void_p) == 8


_READABLE = address is _quick_address and _forms_lie_there()


def form_of(plan: int, arrays: Any) -> np.ndarray | None:
    """What `launch.c` compares arrays with, and the plan that it runs for those alike; None where it cannot look at them.

    Who records calls by the addresses that they are given (`address` is another then) sees none of these.
    """
    if not _READABLE or address is not _quick_address:
        return None
    numbers = [plan, _OFFSET]
    for a in arrays:
        numbers += [id(a.dtype), a.ndim]
        for pair in zip(a.shape, a.strides):
            numbers += pair
    return table(numbers)


class Kernels:
    """The functions of one C file, an attribute for each element type: `Kernels("rows.c").float32.softmax(...)`."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._by_dtype: dict[np.dtype, Any] = {}  # the name of a dtype takes NumPy 2 us to find

    def of(self, x: np.ndarray) -> Any:
        """The functions for the elements of an array; bools are bytes."""
        found = self._by_dtype.get(x.dtype)
        if found is None:
            name = "uint8" if x.dtype == bool else x.dtype.name
            found = self._by_dtype[x.dtype] = getattr(self, name)
        return found

    def __getattr__(self, dtype: str) -> Any:
        if dtype not in TYPES:
            raise AttributeError(dtype)
        made = load(self.file, dtype)
        setattr(self, dtype, made)
        return made


# Every function that kernels are called through; a recorder of calls sets their `errcheck`, also of those loaded meanwhile.
every: list[Any] = []
recorders: list[Any] = []


# By address: who owns memory that calls are given again and again, such as the sizes of a launch, and lives as long.
lasting: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def table(values: Any) -> np.ndarray:
    """Whole numbers that calls are given again and again: `lasting` as long as somebody holds them.

    The memory is not NumPy's, which may be that of a program that is being recorded.
    """
    numbers = [int(v) for v in values]
    memory: Any = (ctypes.c_int64 * max(1, len(numbers)))(*numbers)
    made = np.frombuffer(memory, np.int64)[: len(numbers)]
    lasting[address(made)] = made
    return made


def enter(function: Any) -> Any:
    """Lets recorders see the calls of a ctypes function."""
    every.append(function)
    for r in recorders:
        function.errcheck = r
    return function


class Functions:
    """What a compiled file exports, as attributes; `library.CompileError` where it cannot be compiled."""


# What is asked for soon behind a file: its gradient's, and what every training step has. In order of need.
STEP = ("gemm.c", "crossentropy.c", "reduce.c", "copy.c", "lists.c")
NEXT = {
    "conv.c": ("conv_winograd.c", "channelnorm.c", *STEP, "conv_weight.c"),
    "gemm.c": STEP,
}


def expect(file: str, dtype: str) -> None:
    """Has what usually follows a file compiled beside it, where the cache has none of it."""
    texts = []
    for other in NEXT[file]:
        kinds = _text(other).partition("*/")[0].split()
        kind = dtype if TYPES[dtype] in kinds else next(d for d, c in TYPES.items() if c in kinds)
        texts.append((source(other, kind), FLAGS))
    library.soon(texts)


def load(file: str, dtype: str) -> Functions:
    """The functions of `kernels/<file>` for one element type."""
    text = source(file, dtype)
    if file in NEXT:
        expect(file, dtype)
    lib = library.load(text, FLAGS)
    bind = lib.fb_bind
    bind.argtypes = [ctypes.c_void_p]
    services = threads.pool().fb_services
    services.restype = ctypes.c_void_p
    bind(services())
    made = Functions()
    made.keep = lib  # type: ignore[attr-defined]
    asks = _asks(text)
    for result, name, arguments in _EXPORT.findall(text):
        function = getattr(lib, f"fb_try_{name}" if asks else name)
        function.__name__, function.asks = name, asks
        function.restype = _kind(result, dtype)
        declared = [a.strip() for a in arguments.split(",") if a.strip() != "void"]
        function.argtypes = [_kind(a, dtype) for a in declared]
        function.declared = declared
        setattr(made, name, enter(function))
    return made


def _kind(declared: str, dtype: str) -> Any:
    """The ctypes class of `const float *x`, `int64_t n` or `T scale`."""
    if "*" in declared:
        return ctypes.c_void_p
    word = declared.replace("const", "").split()[0]
    return _KINDS[TYPES[_computed(dtype)] if word == "T" else word]


def _computed(dtype: str) -> str:
    return "float32" if dtype in HALVES else dtype


@cache
def source(file: str, dtype: str) -> str:
    """The C text of a file for one element type, the headers it includes with quotes put in."""
    computed = _computed(dtype)
    head = f"#define T {TYPES[computed]}\n#define T_{computed.upper()} 1\n"
    if computed != dtype:
        head += f"#define E_{dtype.upper()} 1\n"
    text = head + _with_headers(_text(file), set())
    if not _asks(text):
        return text
    tries = [_try(*found) for found in _EXPORT.findall(text)]
    return "\n".join(['#define EXPORT __attribute__((visibility("hidden")))', text, *tries, ""])


def _asks(text: str) -> bool:
    """Whether functions of a text may ask for memory to work in, and find none."""
    return re.search(r"^(?!#define).*\bSCRATCH\(", text, re.MULTILINE) is not None


def _try(result: str, name: str, arguments: str) -> str:
    """`fb_try_<name>`, what is called instead of an exported function: see FB_TRY. It returns an int where that returns nothing."""
    names = [] if arguments == "void" else re.findall(r"(\w+)(?:\[\w*\])?(?:,|$)", arguments)
    call = f"{name}({', '.join(names)})"
    if result == "void":
        return f"VISIBLE int fb_try_{name}({arguments}) {{ FB_TRY({call}); return 0; }}"
    return f"VISIBLE {result} fb_try_{name}({arguments}) {{ FB_TRY(const {result} got = {call}); return got; }}"


def _text(file: str) -> str:
    return (KERNELS / file).read_text("utf-8")


def _with_headers(text: str, seen: set[str]) -> str:
    def put(found: re.Match) -> str:
        name = found[1]
        if name in seen:
            return ""
        seen.add(name)
        return _with_headers(library.header(name), seen)

    return re.sub(r'^#include "([\w.]+)"$', put, text, flags=re.MULTILINE)


def types_of(file: str) -> list[str]:
    """The dtypes that a file is made for, from its first line."""
    words = re.match(r"/\* types: ([\w ]+) \*/", _text(file))
    if words is None:
        raise ValueError(
            f"{file}: the first line must name the types, as in /* types: float double */"
        )
    names = {c: name for name, c in TYPES.items()}
    return [names[w] for w in words[1].split()]


def sources() -> list[tuple[str, str]]:
    """(name, C text) of every file and type: what is built ahead of time."""
    files = sorted(p.name for p in KERNELS.glob("*.c"))
    return [(f"{f} {d}", source(f, d)) for f in files for d in types_of(f)]
