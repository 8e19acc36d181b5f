"""Whether Python that ran once may be left out afterwards: whether it does nothing but compute its result.

A `Watch` sees the Python frames and the calls of C functions during one call (as a profiler), of what is neither flambeau's own nor
Python's. Of each function that ran, the bytecode is looked through for writes that outlive the call. What is not known to be
harmless counts as harmful: it costs speed, never a wrong result.
"""

from __future__ import annotations

import builtins
import dis
import enum
import gc
import os
import re
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from ..runtime.tensor import Tensor
from .descriptions import PLAIN
from .owners import is_ours

OURS, PYTHON, USERS = "ours", "Python's", "the user's"
_HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "")
_APART = ("utils", "distributed", "train", "serialization", "hub.py", "onnx", "export")
_TEXTS = re.compile(
    r"<(hot path|binder|flags|kernel|straight way|gradient|size|frozen importlib)\b"
)
_LIBRARY = (os.path.dirname(os.path.realpath(dis.__file__)), os.path.dirname(dis.__file__))
_QUIET = (
    "contextlib", "functools", "collections", "collections.abc", "_collections_abc", "abc", "typing", "types", "enum",
    "dataclasses", "operator", "numbers",
)  # fmt: skip
_LOUD = frozenset((
    "print", "input", "open", "exec", "eval", "compile", "__import__", "setattr", "delattr", "globals", "locals", "vars",
    "breakpoint", "next", "anext", "aiter", "id", "hash", "exit", "quit", "__build_class__",
))  # fmt: skip
_KNOWN_C = ("builtins", "math", "cmath", "_operator", "_functools", "itertools", "_abc")
_FIXED = (str, bytes, int, float, complex, bool, tuple, frozenset, slice, range, type, type(None))
_GROWING = (list, dict, set)
_READING = frozenset((
    "copy", "count", "index", "get", "keys", "values", "items", "union", "intersection", "difference", "symmetric_difference",
    "issubset", "issuperset", "isdisjoint", "fromkeys", "__len__", "__contains__", "__getitem__", "__iter__",
))  # fmt: skip
_NUMPY = frozenset((
    "sqrt", "prod", "log", "log2", "exp", "ceil", "floor", "power", "pi", "e", "inf", "nan", "newaxis", "float32", "float64",
    "int32", "int64", "ndarray", "abs", "maximum", "minimum", "cumsum", "sum",
))  # fmt: skip
_FROM_OUTSIDE = frozenset(("from_numpy", "from_dlpack", "frombuffer", "tensor", "as_tensor", "asarray"))  # fmt: skip
_WRITES = {
    "STORE_GLOBAL": "a global", "DELETE_GLOBAL": "a global", "DELETE_ATTR": "an attribute", "DELETE_SUBSCR": "an item",
    "STORE_SLICE": "items", "STORE_NAME": "a name", "DELETE_NAME": "a name", "IMPORT_NAME": "an import", "IMPORT_STAR": "an import",
    "LOAD_BUILD_CLASS": "a class", "DELETE_DEREF": "a variable of a function around", "YIELD_VALUE": "a generator",
}  # fmt: skip
_SCOPED = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF")
_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
_MISSING = object()


OF_ARRAYS: set[str] = (
    set()
)  # files that stand for an array package's: tests put a processor in a GPU's place


@cache
def whose(file: str) -> str:
    """Whose code a file's is. Text that we made has a title in place of a file."""
    if file.startswith("<"):
        return OURS if _TEXTS.match(file) else PYTHON if file.startswith("<frozen ") else USERS
    path = os.path.realpath(file)
    if path.startswith(_HERE):
        return OURS
    if path in OF_ARRAYS:
        return PYTHON
    installed = re.search(r"(?:site|dist)-packages/(\w+)", path)
    if installed is not None:
        return PYTHON if installed[1] in ("numpy", "scipy", "cupy", "cupyx", "ml_dtypes") else USERS
    return PYTHON if path.startswith(_LIBRARY) else USERS


@cache
def _is_apart(file: str) -> bool:
    """Whether a file of ours is among those that do more than compute."""
    parts = os.path.realpath(file).removeprefix(_HERE).split(os.sep)
    return not file.startswith("<") and parts[0] in _APART and parts[-1] != "checkpoint.py"


@contextmanager
def watched_by(profiler: Any) -> Iterator[None]:
    """`profiler` sees what this thread calls. No garbage is collected meanwhile: what that calls back is nobody's doing."""
    outer, collects = sys.getprofile(), gc.isenabled()
    gc.disable()
    sys.setprofile(profiler)
    try:
        yield
    finally:
        sys.setprofile(outer)
        if collects:
            gc.enable()


class Watch:
    """Given to `sys.setprofile`: what a call does besides computing, and which functions of the user's it runs."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.codes: dict[types.CodeType, dict[str, Any]] = {}  # that ran, with their globals

    def __call__(self, frame: types.FrameType, event: str, arg: Any) -> None:
        if self.reason is not None:
            return
        if event == "call":
            self._entered(frame, whose(frame.f_code.co_filename))
        elif event == "c_call":
            if arg is warnings.warn:
                self._say("a warning", frame)
            elif whose(frame.f_code.co_filename) is USERS:
                self._calls_c(frame, arg)

    def _say(self, what: str, frame: types.FrameType | None) -> None:
        while frame is not None and whose(frame.f_code.co_filename) is not USERS:
            frame = frame.f_back
        at = f" ({frame.f_code.co_filename}:{frame.f_lineno})" if frame is not None else ""
        self.reason = what + at

    def _entered(self, frame: types.FrameType, kind: str) -> None:
        back, code = frame.f_back, frame.f_code
        if kind is USERS:
            if code not in self.codes:
                self.codes[code] = frame.f_globals
                found = _harm(frame)
                if found is not None:
                    self.reason = f"{found[0]} ({code.co_filename}:{found[1]})"
            return
        if back is None or whose(back.f_code.co_filename) is not USERS:
            return
        if kind is PYTHON:
            name = str(frame.f_globals.get("__name__"))
            plain = code.co_name.removeprefix("_").removesuffix("_dispatcher")
            if name not in _QUIET and not (name.startswith("numpy.") and plain in _NUMPY):
                self._say(f"a call of {frame.f_globals.get('__name__')}.{code.co_name}", frame)
        elif _is_apart(code.co_filename):
            self._say(f"a call of {frame.f_globals.get('__name__')}.{code.co_name}", frame)
        elif code.co_name in _FROM_OUTSIDE and any(
            not isinstance(x, (*PLAIN, list, tuple)) and not is_ours(type(x))
            for x in frame.f_locals.values()
        ):
            self._say(f"a tensor made by {code.co_name} of what flambeau does not see", frame)

    def _calls_c(self, frame: types.FrameType, function: Any) -> None:
        """A call of a function in C, from the user's code."""
        owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "?")
        if isinstance(owner, types.ModuleType) or owner is None:
            if function.__module__ in _KNOWN_C and name not in _LOUD:
                return
        elif isinstance(owner, (*_FIXED, Tensor)):
            return
        elif type(owner) in _GROWING:
            if name in _READING or name not in _on_lasting(frame.f_code):
                return
        self._say(f"a call of {name}", frame)


def _harm(frame: types.FrameType) -> tuple[str, int] | None:
    """What a function does, by its bytecode, that may outlive the call, and in which line."""
    code = frame.f_code
    if code.co_flags & 0x20 and code.co_name != "<genexpr>":  # a generator keeps where it is
        return "a generator", code.co_firstlineno
    if code.co_flags & (0x80 | 0x100 | 0x200):
        return "a coroutine", code.co_firstlineno
    line, steps = code.co_firstlineno, _steps(code)
    for i, step in enumerate(steps):
        line = _line(step) or line
        what = _written(code, steps, i)
        if what is None and step.opname in _SCOPED:
            what = _named(frame, steps, i)
        if what is not None:
            return what, line
    return None


@cache
def _steps(code: types.CodeType) -> tuple[dis.Instruction, ...]:
    passed = ("CACHE", "EXTENDED_ARG", "NOP", "PRECALL", "RESUME", "PUSH_NULL")
    return tuple(s for s in dis.get_instructions(code) if s.opname not in passed)


def _line(step: Any) -> int | None:
    """The line where an instruction's line begins (3.13 has it elsewhere)."""
    return step.positions.lineno if step.positions is not None else None


def _written(code: types.CodeType, steps: tuple, i: int) -> str | None:
    name = steps[i].opname
    if name == "YIELD_VALUE" and code.co_name == "<genexpr>":
        return None
    if name in _WRITES:
        return _WRITES[name]
    if name == "STORE_DEREF" and steps[i].argval in code.co_freevars:
        return "a variable of a function around"
    if name == "STORE_ATTR":
        first = steps[i - 1].argval if steps[i - 1].opname.startswith("LOAD_FAST") else None
        mine = code.co_name == "__init__" and first == code.co_varnames[0]
        return None if mine else f"setting .{steps[i].argval}"
    if name == "STORE_SUBSCR":
        simple = steps[i - 1].opname in ("LOAD_CONST", "LOAD_FAST")
        return None if simple and _last(steps[i - 2]) in _fresh(code) else "setting an item"
    return None


def _last(step: Any) -> Any:
    """The local variable that an instruction loads last."""
    if "LOAD_FAST" not in step.opname:
        return None
    return step.argval[-1] if isinstance(step.argval, tuple) else step.argval


@cache
def _fresh(code: types.CodeType) -> frozenset[str]:
    """Local variables that only ever are lists, dicts or sets made in the function."""
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & 4) + bool(code.co_flags & 8)  # *args and **kwargs
    given = set(code.co_varnames[:count])
    made: set[str] = set()
    other: set[str] = set()
    steps = _steps(code)
    for i, step in enumerate(steps):
        if "STORE_FAST" not in step.opname:
            continue
        names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
        began = i > 0 and steps[i - 1].opname in ("BUILD_LIST", "BUILD_MAP", "BUILD_SET")
        (made if began else other).add(names[0])
        if step.opname == "STORE_FAST_STORE_FAST":
            other.add(names[1])
    return frozenset(made - other - given)


@cache
def _on_lasting(code: types.CodeType) -> frozenset[str]:
    """Methods that are taken from something else than a list, dict or set made in the function."""
    steps = _steps(code)
    return frozenset(
        s.argval
        for i, s in enumerate(steps)
        if s.opname in _ATTRIBUTE and not (i and _last(steps[i - 1]) in _fresh(code))
    )


def _named(frame: types.FrameType, steps: tuple, i: int) -> str | None:
    """What is wrong with what a global or a variable of a function around stands for, and the attributes taken of it."""
    name = steps[i].argval
    if steps[i].opname in ("LOAD_DEREF", "LOAD_CLASSDEREF"):
        if name not in frame.f_code.co_freevars:
            return None
        thing = frame.f_locals.get(name, _MISSING)
    else:
        thing = frame.f_globals.get(name, vars(builtins).get(name, _MISSING))
    for step in steps[i + 1 :]:
        if not isinstance(thing, (types.ModuleType, type)) or is_ours(thing):
            break
        if step.opname not in _ATTRIBUTE:
            return f"the module {name} itself" if isinstance(thing, types.ModuleType) else None
        if isinstance(thing, type):
            found = getattr(thing, step.argval, _MISSING)
            plain = isinstance(found, enum.Enum) or callable(found)
            return None if plain else f"the class attribute {name}.{step.argval}"
        if thing.__name__ == "numpy":
            return None if step.argval in _NUMPY else f"numpy.{step.argval}"
        if thing.__name__ in ("math", "cmath"):
            return None
        thing = getattr(thing, step.argval, _MISSING)
        if not isinstance(thing, (types.ModuleType, type, types.FunctionType, types.BuiltinFunctionType, Tensor, *PLAIN)):  # fmt: skip
            return f"{name}.{step.argval}"
    return strange(thing)


def strange(thing: Any) -> str | None:
    """Why something that is looked at may be another one at each look."""
    kind = type(thing)
    kept = kind.__name__ == "_lru_cache_wrapper"  # runs at some calls only
    if kept or hasattr(kind, "__next__") or kind.__module__.startswith("numpy.random"):
        return f"a {kind.__name__}"
    if kind.__module__ == "numpy" and kind.__name__ == "ndarray":
        return "a NumPy array"
    return None


def executed(code: types.CodeType) -> Iterator[types.CodeType]:
    """A function's code and that of all functions defined in it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from executed(inner)
