"""The names that scripts may use: flambeau's functions on tensors, `math`, and a few of Python's built-in functions.

Files name functions too, so what reads or writes files, runs code or changes settings is not among them.
"""

from __future__ import annotations

import builtins
import functools
import math
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ..._base.devices import device as Device
from ..._base.dtypes import dtype as DType
from ..._base.formats import layout, memory_format
from ...autograd import modes
from ...autograd.profiler import record_function
from ...nn.utils.rnn import PackedSequence
from ...runtime.tensor import Size, Tensor
from . import marks
from .classes import Kind
from .numbers import LIKE_C

_SPACES = (
    "flambeau", "flambeau.nn.functional", "flambeau.linalg", "flambeau.special", "flambeau.fft", "flambeau.nn.utils.rnn",
)  # fmt: skip
_HOMES = (
    "flambeau.ops.",
    "flambeau.nn.functional",
    "flambeau.nn._functional",
    "flambeau.functions",
    "flambeau.nn.utils.rnn",
    "flambeau.linalg",
)
_AT_THE_TOP = frozenset(["allclose", "arange", "as_tensor", "broadcast_tensors", "broadcast_to", "detach", "empty", "equal", "eye", "full", "hstack", "is_complex", "is_floating_point", "is_tensor", "linspace", "meshgrid", "normal", "numel", "ones", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "stack", "tensor", "vstack", "zeros", "cat", "complex", "where", "promote_types", "manual_seed", "result_type", "can_cast", "get_default_dtype", "is_grad_enabled", "is_inference_mode_enabled", "asarray"])  # fmt: skip
_CLASSES = (
    Device, Size, PackedSequence, modes.no_grad, modes.enable_grad, modes.inference_mode, modes.set_grad_enabled,
)  # fmt: skip
_VALUES = (DType, layout, memory_format, float, type(None))

BUILTINS: dict[str, Callable[..., Any]] = {
    name: getattr(builtins, name)
    for name in [
        "len",
        "range",
        "enumerate",
        "zip",
        "int",
        "float",
        "bool",
        "str",
        "abs",
        "min",
        "max",
        "round",
        "sum",
        "sorted",
        "reversed",
        "list",
        "tuple",
        "dict",
        "print",
        "pow",
        "ord",
        "chr",
        "divmod",
        "any",
        "all",
        "complex",
        "hex",
        "oct",
        "bin",
    ]
}
MATH = {n: getattr(math, n) for n in dir(math) if not n.startswith("_")}


def found(space: str, name: str) -> Any:
    """What `name` is in one of the namespaces; KeyError where it is nothing for scripts."""
    if name.startswith(("_", "set_")):
        raise KeyError(name)
    value = getattr(import_module(space), name, None)
    if value is None and name != "newaxis":
        raise KeyError(name)
    if not _is_for_scripts(value, name):
        raise KeyError(name)
    return value


def _is_for_scripts(value: Any, name: str) -> bool:
    if isinstance(value, type):
        return value in _CLASSES or value.__name__ in ("finfo", "iinfo")
    if isinstance(value, _VALUES):
        return True
    home = getattr(value, "__module__", None)
    return callable(value) and (
        (isinstance(home, str) and home.startswith(_HOMES)) or name in _AT_THE_TOP
    )


@functools.cache
def _spelled() -> dict[int, tuple[str, Any]]:
    """By id of a function: its name in scripts."""
    known: dict[int, tuple[str, Any]] = {id(v): (f"math.{n}", v) for n, v in MATH.items()}
    for space in _SPACES:
        for name in dir(import_module(space)):
            try:
                value = found(space, name)
            except KeyError:
                continue
            if not isinstance(value, (float, type(None))):
                known.setdefault(id(value), (f"{space}.{name}", value))
    for name, value in BUILTINS.items():
        known[id(value)] = (name, value)
    known[id(warnings.warn)] = ("warnings.warn", warnings.warn)
    known[id(record_function)] = ("flambeau.autograd.profiler.record_function", record_function)
    return known


def spelling(value: Any) -> str | None:
    """The name by which scripts call a function, class or dtype of the library, `math` or Python."""
    name = _spelled().get(id(value))
    return name[0] if name is not None and name[1] is value else None


def _warn(message: str, *_: Any) -> None:
    warnings.warn(message, stacklevel=2)


_OTHERS: dict[str, Any] = {
    "flambeau.jit.fork": marks.fork, "flambeau.jit.wait": marks.wait, "warnings.warn": _warn,
    "flambeau.autograd.profiler.record_function": record_function,
}  # fmt: skip


def _of_class(kind: Any, name: str) -> Any:
    """A member of an enumeration, a static method of a class."""
    if isinstance(kind, Kind):
        if name not in kind.statics:
            raise KeyError(name)
        return kind.script_attribute(name)
    members: dict[str, Any] = getattr(kind, "__members__", {})
    return members[name]


class Library:
    """A scope of these names, and of the functions and constants of one program."""

    def __init__(self, functions: dict[str, Any] | None = None) -> None:
        self.functions = functions if functions is not None else {}
        self.constants: list[Tensor] = []
        self.classes: dict[str, Any] = {}

    def find(self, name: str) -> Any:
        """The value of a dotted name; KeyError if there is none."""
        space, _, last = name.rpartition(".")
        if not space:
            return LIKE_C[name] if name in LIKE_C else BUILTINS[name]
        if space == "math":
            return MATH[last]
        if space == "functions":
            return self.functions[last]
        if space == "classes":
            return self.classes[last]
        if space.startswith("classes."):
            return _of_class(self.find(space), last)
        if space == "constants":
            return self.constants[int(last[1:])]
        if name in ("flambeau.jit.is_scripting", "flambeau.jit.is_tracing"):
            return (lambda: True) if last == "is_scripting" else (lambda: False)
        if name in _OTHERS:
            return _OTHERS[name]
        if space in _SPACES:
            return found(space, last)
        raise KeyError(name)
