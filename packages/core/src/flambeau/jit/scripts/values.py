"""What scripts may do to values: the attributes and methods of each kind, and nothing else.

A script, and so a file, reaches Python objects only through here and through the names its scope knows. What is not
listed is refused, names that begin with two underscores first of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from ..._base.devices import device as Device
from ..._base.dtypes import dtype as DType
from ...autograd import modes
from ...autograd.profiler import record_function
from ...futures import Future
from ...nn.modules.module import Module
from ...runtime.tensor import Tensor
from .classes import Struct
from .numbers import formatted

# Methods of tensors that lead out of tensors: memory, Python's objects, callbacks.
_NOT_OF_TENSORS = frozenset(["numpy", "apply_", "map_", "map2_", "register_hook", "register_post_accumulate_grad_hook", "share_memory_", "storage", "untyped_storage", "data_ptr", "const_data_ptr", "set_", "as_subclass", "module_load", "reinforce", "retain_grad"])  # fmt: skip
_METHODS: dict[type, frozenset[str]] = {
    list: frozenset(["append", "extend", "insert", "pop", "remove", "clear", "index", "count", "sort", "reverse", "copy"]),
    tuple: frozenset(("index", "count")),
    dict: frozenset(["keys", "values", "items", "get", "pop", "update", "setdefault", "clear", "copy", "popitem"]),
    str: frozenset(["upper", "lower", "capitalize", "title", "swapcase", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "join", "replace", "find", "rfind", "index", "rindex", "count", "startswith", "endswith", "zfill", "isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower", "isdecimal", "isnumeric", "istitle", "isidentifier", "isprintable", "partition", "rpartition", "format"]),
    Device: frozenset(("type", "index")),
    DType: frozenset(("is_floating_point", "is_complex", "is_signed", "itemsize")),
    slice: frozenset(("start", "stop", "step")),
    complex: frozenset(("real", "imag")),
    Future: frozenset(("wait", "value", "done")),
}  # fmt: skip
_LIBRARY_METHODS = frozenset(
    ["forward", "flatten_parameters", "keys", "values", "items", "train", "eval"]
)
_LIMITS = frozenset(["min", "max", "eps", "tiny", "smallest_normal", "resolution", "bits", "dtype"])
_CONTEXTS = (
    record_function,
    modes.no_grad,
    modes.enable_grad,
    modes.inference_mode,
    modes.set_grad_enabled,
)


def attribute(owner: Any, name: str) -> Any:
    """`owner.name`; AttributeError where scripts have no such thing."""
    reader = getattr(type(owner), "script_attribute", None)
    if reader is not None and not isinstance(owner, Tensor):
        return reader(owner, name)
    if not name.startswith("__"):
        if isinstance(owner, Tensor):
            if not name.startswith("_") and name not in _NOT_OF_TENSORS:
                return getattr(owner, name)
        elif isinstance(owner, Module):
            return _member(owner, name)
        else:
            kind = next((k for k in type(owner).__mro__ if k in _METHODS), None)
            if kind is str and name == "format":
                return lambda *args: formatted(owner, *args)
            if kind is not None and name in _METHODS[kind]:
                return getattr(owner, name)
            if isinstance(owner, tuple) and name in getattr(type(owner), "_fields", ()):
                return getattr(owner, name)  # values, indices of max
            if isinstance(owner, tuple) and name == "numel":
                return owner.numel  # type: ignore[attr-defined]
            if type(owner).__name__ in ("finfo", "iinfo") and name in _LIMITS:
                return getattr(owner, name)
            if isinstance(owner, Enum) and name in ("name", "value"):
                return getattr(owner, name)
    raise AttributeError(f"scripts know no attribute {name!r} of {type(owner).__name__}")


def _member(module: Module, name: str) -> Any:
    for members in (module._parameters, module._buffers, module._modules):
        if name in members:
            return members[name]
    if not name.startswith("_") and name in module.__dict__:
        return module.__dict__[name]
    if name in _LIBRARY_METHODS and hasattr(type(module), name):
        return getattr(module, name)
    constant = getattr(type(module), name, None)
    if not name.startswith("_") and isinstance(constant, (bool, int, float, str)):
        return constant
    raise AttributeError(f"scripts know no attribute {name!r} of {type(module).__name__}")


def has_attribute(owner: Any, name: str) -> bool:
    """Whether `attribute` would find it."""
    try:
        attribute(owner, name)
    except AttributeError:
        return False
    return True


def set_attribute(owner: Any, name: str, value: Any) -> None:
    """`owner.name = value`: attributes that a scripted module has, `data` and `grad` of tensors."""
    writer = getattr(type(owner), "script_set", None)
    if writer is not None:
        writer(owner, name, value)
    elif isinstance(owner, Tensor) and name in ("data", "grad", "requires_grad"):
        setattr(owner, name, value)
    else:
        raise AttributeError(f"scripts cannot set attribute {name!r} of {type(owner).__name__}")


def item(owner: Any, index: Any) -> Any:
    """`owner[index]`."""
    if isinstance(owner, (Tensor, list, tuple, dict, str, Module, Struct)):
        return owner[index]  # type: ignore[index]
    raise TypeError(f"a {type(owner).__name__} has no items in scripts")


def set_item(owner: Any, index: Any, value: Any) -> None:
    """`owner[index] = value`."""
    if not isinstance(owner, (Tensor, list, dict, Struct)):
        raise TypeError(f"items of a {type(owner).__name__} cannot be set")
    owner[index] = value


def delete_item(owner: Any, index: Any) -> None:
    """`del owner[index]`."""
    if not isinstance(owner, (list, dict, Struct)):
        raise TypeError(f"items of a {type(owner).__name__} cannot be deleted")
    del owner[index]


def iterate(over: Any) -> Iterable[Any]:
    """What a `for` runs over."""
    if isinstance(over, Module) and not hasattr(type(over), "__iter__"):
        raise TypeError(f"{type(over).__name__} cannot be iterated over")
    return over


def context(made: Any) -> Any:
    """What a `with` may enter."""
    entered = getattr(type(made), "script_context", None)
    if entered is not None:
        return entered(made)
    if not isinstance(made, _CONTEXTS):
        raise TypeError(f"scripts cannot enter a {type(made).__name__}; only modes of gradients")
    return made


Callables = dict[str, Callable[..., Any]]
