"""`__torch_function__`: classes that take over the functions called on them (PyTorch's "Extending PyTorch").

An object takes part if its class defines `__torch_function__` and does not disable it. Three ways lead here:

- a tensor of such a class counts in `state.active` while it lives, so that every hot path gives way and the general
  path looks at the arguments;
- a class that is no tensor is a stranger to the operators, which is found where they refuse strangers;
- a `TorchFunctionMode` in force counts in `state.active` too.

A program that uses none of these pays nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from .._base.dtypes import dtype
from . import signature, state
from .operator import registry
from .tensor import Box, Leaf, Tensor, new

local = state.local


class Live:
    """Held by each tensor of an overriding class: says that there is one."""

    __slots__ = ()

    def __init__(self) -> None:
        settle()
        state.override(1)

    def __del__(self) -> None:
        _gone.append(None)  # a lock must not be taken here: the collector may run anywhere

    def __deepcopy__(self, memo: dict) -> Live:
        return Live()

    def __reduce__(self) -> tuple:
        return Live, ()


_gone: deque[None] = deque()


def settle() -> None:
    """Takes account of the tensors that have gone."""
    while _gone:
        try:
            _gone.popleft()
        except IndexError:  # another thread was quicker
            return
        state.override(-1)


def disabled_torch_function(
    cls: type, func: Any, types: Any, args: tuple = (), kwargs: Any = None
) -> Any:
    """As a class's `__torch_function__`: its tensors are as plain ones to every function."""
    return NotImplemented


def overrides(cls: type) -> bool:
    """Whether functions called on objects of `cls` go to its `__torch_function__`."""
    rule = getattr(cls, "__torch_function__", disabled_torch_function)
    return rule is not disabled_torch_function and cls is not Tensor


# Classes of arguments that never override, so that most arguments cost one look.
plain: set[type] = {
    Tensor, int, float, bool, complex, str, type(None), dtype, slice, type(Ellipsis), dict,
}  # fmt: skip


def ordinary(argument: Any) -> bool:
    """Whether a first argument is of no class that takes calls over, and holds none."""
    kind = type(argument)
    if kind in plain:
        return True
    if kind is not list and kind is not tuple:
        return False
    return all([type(a) in plain for a in argument])  # noqa: C419 -- a list costs less


def _search(arguments: Iterable[Any], found: list[Any], deep: bool) -> None:
    for a in arguments:
        cls = type(a)
        if cls in plain:
            continue
        if cls is tuple or cls is list:
            if deep:
                _search(a, found, False)
        elif overrides(cls):
            if all(type(f) is not cls for f in found):
                # A subclass goes before the classes it derives from.
                at = next((i for i, f in enumerate(found) if issubclass(cls, type(f))), len(found))
                found.insert(at, a)
        elif issubclass(cls, Tensor) and not hasattr(cls, "composites"):
            plain.add(cls)


def stranger_in(key: Any) -> Any:
    """What in an index, or in a tuple or list within it, is no tensor and overrides; None if nothing does."""
    if type(key) is not tuple and type(key) is not list:
        key = (key,)
    for k in key:
        cls = type(k)
        if cls in plain:
            continue
        if cls is tuple or cls is list:
            for inner in k:
                cls = type(inner)
                if cls not in plain and overrides(cls) and not issubclass(cls, Tensor):
                    return inner
        elif overrides(cls) and not issubclass(cls, Tensor):
            return k
    return None


def composed_rule(name: str, args: tuple) -> Callable[..., Any] | None:
    """The rule that the first argument's class has for a composite as a whole (sparse, masked and nested tensors)."""
    first = args[0] if args else None
    if isinstance(first, (tuple, list)) and first:
        first = first[0]
    rules = getattr(type(first), "composites", None)
    return None if rules is None else rules.get(name)


def overloaded(args: tuple, kwargs: dict[str, Any]) -> list[Any]:
    """The arguments whose classes take over, one for each class, in the order in which they are asked."""
    found: list[Any] = []
    if not local.overrides_off:
        _search(args, found, True)
        if kwargs:
            _search(kwargs.values(), found, True)
    return found


def handle(func: Callable[..., Any], found: list[Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """The call by the modes in force, innermost first, then by the classes found; TypeError if none takes it."""
    types = tuple([type(f) for f in found])
    modes = local.function_modes
    if modes:
        local.function_modes = modes[:-1]
        try:
            made = modes[-1].__torch_function__(func, types, args, kwargs)
        finally:
            local.function_modes = modes
        if made is not NotImplemented:
            return made
    for f in found:
        made = f.__torch_function__(func, types, args, kwargs)
        if made is not NotImplemented:
            return made
    name = getattr(func, "__name__", repr(func))
    raise TypeError(
        f"no implementation found for '{dtype.prefix}{name}' on types that implement __torch_function__: "
        f"[{', '.join(t.__name__ for t in types)}]"
    )


def intercept(func: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """The call as an override answers it; `NOBODY` if none is concerned."""
    if _gone:
        settle()
    found = overloaded(args, kwargs)
    if found or local.function_modes:
        return handle(func, found, args, kwargs)
    return NOBODY


NOBODY: Any = type("Nobody", (), {"__slots__": ()})()


def overridable(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, which is no operator, as one that classes and modes can take over."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if state.overriding or (args and type(args[0]) not in plain):
            made = intercept(call, args, kwargs)
            if made is not NOBODY:
                return made
        try:
            return function(*args, **kwargs)
        except signature.BLAMED as error:
            signature.raise_clearly(function.__name__, function, args, kwargs, error)

    call.__overridable__ = True  # type: ignore[attr-defined]
    return call


# -- tensors of other classes ----------------------------------------------------------------------------------------------


def default_torch_function(
    cls: type, func: Any, types: Any, args: tuple = (), kwargs: Any = None
) -> Any:
    """What tensors of a subclass do unless it says otherwise: compute as usual, and give results of its class."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    before, local.overrides_off = local.overrides_off, True
    try:
        made = func(*args, **(kwargs or {}))
    finally:
        local.overrides_off = before
    return converted(made, cls)


def converted(made: Any, cls: type) -> Any:
    """Tensors of a result, in tuples and lists too, as tensors of `cls`."""
    if cls is Tensor:
        return made
    if isinstance(made, Tensor):
        return made if isinstance(made, cls) else as_class(made, cls)
    if isinstance(made, (tuple, list)):
        parts = [converted(m, cls) for m in made]
        if type(made) in (tuple, list):
            return type(made)(parts)
        return type(made)(*parts) if hasattr(made, "_fields") else made
    return made


def as_class(tensor: Tensor, cls: type) -> Any:
    """A tensor of `cls` with the memory and the history of `tensor`."""
    if type(tensor._node) is Leaf:  # its gradient belongs to the tensor it was made of
        tensor = registry["view"].public(tensor, tuple(tensor.shape))
    elif tensor._box is None:
        tensor._box = Box()
    made: Any = new(cls)
    made.__dict__.update(tensor.__dict__)
    made.__dict__.pop("_grad", None)
    if overrides(cls):
        made.__dict__["_live"] = Live()
    else:
        made.__dict__.pop("_live", None)
    return made


# Methods that stay Python's own on overriding classes.
PYTHONS_OWN = frozenset(
    [
        "__new__",
        "__init__",
        "__init_subclass__",
        "__class__",
        "__getattribute__",
        "__getattr__",
        "__setattr__",
        "__delattr__",
        "__dict__",
        "__torch_function__",
        "__reduce__",
        "__reduce_ex__",
        "__setstate__",
        "__getstate__",
        "__sizeof__",
        "__dir__",
        "__subclasshook__",
        "__class_getitem__",
        "__del__",
        "as_subclass",
        "dim",
        "ndimension",
        "numel",
        "nelement",
        "stride",
        "is_contiguous",
        "data_ptr",
        "storage_offset",
        "element_size",
        "is_floating_point",
        "is_complex",
        "is_signed",
        "_make_subclass",
        "_bump",
        "_expose",
        "requires_grad_",
        "register_hook",
        "retain_grad",
        "__array__",
        "__array_wrap__",
        "__array_ufunc__",
        "__dlpack__",
        "__dlpack_device__",
    ]
)


# Python's operators are handed on as the functions that they are.
_FUNCTIONS = {
    f"__{n}__": n
    for n in [
        "add",
        "sub",
        "mul",
        "matmul",
        "pow",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "neg",
        "abs",
    ]
}
_FUNCTIONS["__truediv__"] = "div"


def _through(name: str) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        function = getattr(Tensor, _FUNCTIONS.get(name, name))
        if not local.overrides_off:
            made = intercept(function, (self, *args), kwargs)
            if made is not NOBODY:
                return made
        return function(self, *args, **kwargs)

    call.__name__ = name
    return call


_throughs: dict[str, Callable[..., Any]] = {}


def adopt(cls: type) -> None:
    """Readies a new subclass of Tensor: if it overrides, its inherited methods ask `__torch_function__` first."""
    if not overrides(cls):
        return
    for name, value in Tensor.__dict__.items():
        if callable(value) and name not in PYTHONS_OWN and not isinstance(value, type):
            if getattr(cls, name, None) is value:
                made = _throughs.get(name)
                if made is None:
                    made = _throughs[name] = _through(name)
                setattr(cls, name, made)


class Modes:
    """Entering and leaving modes of this thread."""

    @staticmethod
    def push(mode: Any) -> None:
        local.function_modes = (*local.function_modes, mode)
        state.override(1)

    @staticmethod
    def pop() -> Any:
        *rest, mode = local.function_modes
        local.function_modes = tuple(rest)
        state.override(-1)
        return mode
