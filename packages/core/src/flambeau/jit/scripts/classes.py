"""Classes of scripts: named tuples and enumerations as Python has them, classes of users as fields and programs.

In scripts an object of a user's class is a `Struct`. Outside it is an object of the class itself, where there is one: arguments
are copied on their way in, results on their way out.
"""

from __future__ import annotations

import enum
from collections import namedtuple
from collections.abc import Callable, Iterable
from typing import Any

from ...runtime.tensor import Tensor


class Kind:
    """A class of a user's: its fields, and its methods as programs."""

    def __init__(self, name: str, fields: Iterable[str], python: type | None = None) -> None:
        self.name, self.fields, self.python = name, set(fields), python
        self.methods: dict[str, Callable[..., Any]] = {}
        self.properties: set[str] = set()
        self.statics: set[str] = set()

    def __call__(self, *args: Any, **kwargs: Any) -> Struct:
        """A new object."""
        made = Struct(self)
        if "__init__" in self.methods:
            self.methods["__init__"](made, *args, **kwargs)
        elif args or kwargs:
            raise TypeError(f"{self.name}() takes no arguments")
        return made

    def script_attribute(self, name: str) -> Any:
        """A static method."""
        if name in self.statics:
            return self.methods[name]
        raise AttributeError(f"class {self.name} has no attribute {name!r} for scripts")

    def of(self, value: Any) -> Struct:
        """An object of the Python class as one of scripts."""
        made = Struct(self)
        made.values = {n: v for n, v in vars(value).items() if n in self.fields}
        return made


class Struct:
    """An object of a user's class."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.values: dict[str, Any] = {}

    def script_attribute(self, name: str) -> Any:
        """A field, property or method."""
        values, kind = self.values, self.kind
        if name in values:
            return values[name]
        if name not in kind.methods:
            raise AttributeError(f"{kind.name} has no attribute {name!r}")
        method = kind.methods[name]
        if name in kind.statics:
            return method
        if name in kind.properties:
            return method(self)
        return lambda *args, **kwargs: method(self, *args, **kwargs)

    def script_set(self, name: str, value: Any) -> None:
        """Sets a field that the class declares."""
        setter = self.kind.methods.get(setter_of(name))
        if setter is not None:
            setter(self, value)
        elif name in self.kind.fields:
            self.values[name] = value
        else:
            raise AttributeError(f"{self.kind.name} has no attribute {name!r}")

    def script_context(self) -> Any:
        """What a `with` enters: the object's own `__enter__` and `__exit__`."""
        return _Context(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("kind", "values"):
            raise AttributeError(name)
        return self.script_attribute(name)

    def __repr__(self) -> str:
        shown = ", ".join(f"{n}={v!r}" for n, v in self.values.items())
        return f"{self.kind.name}({shown})"


class _Context:
    def __init__(self, struct: Struct) -> None:
        self.struct = struct

    def __enter__(self) -> Any:
        return self.struct.script_attribute("__enter__")()

    def __exit__(self, *error: Any) -> None:
        self.struct.script_attribute("__exit__")(None, None, None)


def setter_of(name: str) -> str:
    """The name of the program that sets a property."""
    return f"__{name}_setter"


def _operator(name: str) -> Callable[..., Any]:
    def call(self: Struct, *args: Any) -> Any:
        method = self.kind.methods.get(name)
        if method is None:
            if name in ("__eq__", "__ne__"):
                same = self is args[0]
                return same if name == "__eq__" else not same
            raise TypeError(f"{self.kind.name} has no {name}")
        return method(self, *args)

    return call


for _name in [
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "neg", "abs", "eq", "ne", "lt", "le", "gt", "ge", "and",
    "or", "xor", "lshift", "rshift", "invert", "len", "getitem", "setitem", "delitem", "contains", "int", "float", "call",
]:  # fmt: skip
    setattr(Struct, f"__{_name}__", _operator(f"__{_name}__"))
Struct.__hash__ = object.__hash__  # type: ignore[method-assign]


def is_named_tuple(value: Any) -> bool:
    """Whether a class is one of named tuples."""
    return isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields")


def is_class(value: Any) -> bool:
    """Whether a value is a class of scripts."""
    return isinstance(value, Kind) or is_named_tuple(value) or _is_enumeration(value)


def _is_enumeration(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, enum.Enum)


def holds(kind: Any, value: Any) -> bool:
    """Whether a value can be taken as one of a class."""
    if isinstance(kind, Kind):
        own = isinstance(value, Struct) and value.kind.name == kind.name
        if kind.python is not None:
            return own or isinstance(value, kind.python)
        return own or (
            type(value).__name__ == kind.name and kind.fields <= set(getattr(value, "__dict__", ()))
        )
    if is_named_tuple(kind):
        return isinstance(value, tuple) and len(value) == len(kind._fields)
    if _is_enumeration(kind):
        return isinstance(value, enum.Enum) and _member(kind, value) is not None
    return False


def entered(kind: Any, value: Any) -> Any:
    """A value that `holds` as scripts have it."""
    if isinstance(kind, Kind):
        return value if isinstance(value, Struct) else kind.of(value)
    if is_named_tuple(kind):
        return value if isinstance(value, kind) else kind(*value)
    return _member(kind, value)


def _member(kind: type[enum.Enum], value: enum.Enum) -> enum.Enum | None:
    found = kind.__members__.get(value.name)
    return found if found is not None and found.value == value.value else None


def copied(value: Any) -> Any:
    """An argument, lists and dicts copied: what a program does to them, its caller does not see."""
    if type(value) in (list, tuple):
        return type(value)(map(copied, value))
    if type(value) is dict:
        return {k: copied(v) for k, v in value.items()}
    return value


def left(value: Any) -> Any:
    """A result: lists and dicts copied, objects of the Python classes in the places of structs."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Struct):
        values = {n: left(v) for n, v in value.values.items()}
        if value.kind.python is None:
            return value
        made: Any = object.__new__(value.kind.python)
        made.__dict__.update(values)
        return made
    if type(value) in (list, tuple):
        return type(value)(map(left, value))
    if is_named_tuple(type(value)):
        return type(value)(*map(left, value))
    if type(value) is dict:
        return {k: left(v) for k, v in value.items()}
    return value


def named_tuple(name: str, fields: list[str], defaults: list[Any]) -> Any:
    """A named tuple of a file's."""
    return namedtuple(name, fields, rename=True, defaults=defaults)


def enumeration(name: str, members: Iterable[tuple[str, Any]]) -> Any:
    """An enumeration of a file's."""
    pairs = [(str(n), v) for n, v in members]
    for n, v in pairs:
        if n.startswith("_") or not isinstance(v, (int, float, str)):
            raise ValueError(f"{n}={v!r} is no member of an enumeration")
    return enum.Enum(name, pairs)
