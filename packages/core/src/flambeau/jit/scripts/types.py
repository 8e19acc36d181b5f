"""The types that annotations of scripts name, and whether a value is of one."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ..._base.devices import device as Device
from ..._base.dtypes import dtype as DType
from ...futures import Future
from ...runtime.tensor import Tensor
from . import classes
from .common import Scope


class Type:
    """A type with its parts: `List[int]` is "List" of one part. `kind` is the class of one that is no part of the language."""

    __slots__ = ("converts", "kind", "name", "parts")

    def __init__(self, name: str, parts: tuple[Type, ...] = (), kind: Any = None) -> None:
        self.name, self.parts, self.kind = name, parts, kind
        self.converts: bool = kind is not None or any(p.converts for p in parts)

    def __str__(self) -> str:
        return self.name + (f"[{', '.join(map(str, self.parts))}]" if self.parts else "")

    def holds(self, value: Any) -> bool:
        """Whether `value` is of this type; of long lists and dicts the first item speaks for the others."""
        if self.kind is not None:
            return classes.holds(self.kind, value)
        plain = _PLAIN.get(self.name)
        if plain is not None:
            return plain(value)
        if self.name == "Optional":
            return value is None or self.parts[0].holds(value)
        if self.name == "Union":
            return any(p.holds(value) for p in self.parts)
        if self.name == "Tuple":
            if not isinstance(value, tuple):
                return False
            return not self.parts or (
                len(value) == len(self.parts) and all(p.holds(v) for p, v in zip(self.parts, value))
            )
        if self.name == "List":
            whole = isinstance(value, (list, tuple))
            return whole and (not value or not self.parts or self.parts[0].holds(value[0]))
        if self.name == "Dict":
            if not isinstance(value, dict):
                return False
            return (
                not value
                or not self.parts
                or all(p.holds(v) for p, v in zip(self.parts, next(iter(value.items()))))
            )
        return True

    def take(self, value: Any, function: str, name: str) -> Any:
        """The value as this type: numbers become floats where a float is wanted. TypeError for any other."""
        if self.name in ("Tensor", "Any") and isinstance(value, Tensor):
            return value
        if self.name == "float" and type(value) is int:
            return float(value)
        if self.name == "bool" and isinstance(value, (int, float)):
            return bool(value)
        if self.name == "int" and isinstance(value, DType):
            return value  # a number in TorchScript
        if self.name == "Tuple" and isinstance(value, list):
            value = tuple(value)
        if self.name == "Optional" and value is not None:
            return self.parts[0].take(value, function, name)
        if not self.holds(value):
            raise TypeError(
                f"{function}(): expected a value of type {self} for argument {name!r}, but got "
                f"{type(value).__name__}"
            )
        return self.entered(value) if self.converts else value

    def entered(self, value: Any) -> Any:
        """A value that this type holds, objects of classes as scripts have them."""
        if self.kind is not None:
            return classes.entered(self.kind, value)
        if self.name in ("Optional", "Union"):
            part = next((p for p in self.parts if p.holds(value)), None)
            return value if part is None or not part.converts else part.entered(value)
        if self.name == "List":
            return [self.parts[0].entered(v) for v in value]
        if self.name == "Tuple":
            return tuple(p.entered(v) if p.converts else v for p, v in zip(self.parts, value))
        if self.name == "Dict":
            key, item = self.parts
            return {
                key.entered(k) if key.converts else k: item.entered(v) if item.converts else v
                for k, v in value.items()
            }
        return value


_PLAIN: dict[str, Callable[[Any], bool]] = {
    "Any": lambda v: True,
    "Tensor": lambda v: isinstance(v, Tensor),
    "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "float": lambda v: isinstance(v, float),
    "bool": lambda v: isinstance(v, bool),
    "complex": lambda v: isinstance(v, complex),
    "str": lambda v: isinstance(v, str),
    "number": lambda v: isinstance(v, (int, float, complex)),
    "None": lambda v: v is None,
    "device": lambda v: isinstance(v, (Device, str)),
    "dtype": lambda v: isinstance(v, (DType, int)),
    "Future": lambda v: isinstance(v, Future),
}
_OTHER_NAMES = {
    "NoneType": "None", "Device": "device", "Scalar": "number", "list": "List", "tuple": "Tuple", "dict": "Dict",
    "BroadcastingList1": "List", "BroadcastingList2": "List", "BroadcastingList3": "List", "Parameter": "Tensor",
    "Sequence": "List",
}  # fmt: skip
_NESTED = {
    "List": 1,
    "Tuple": None,
    "Dict": 2,
    "Optional": 1,
    "Union": None,
    "Final": 1,
    "Future": 1,
}
_CLASSES_OF_LIBRARY = ("flambeau.nn.utils.rnn.PackedSequence",)
TENSOR, ANY = Type("Tensor"), Type("Any")


def parse(node: ast.expr, scope: Scope | None = None) -> Type:
    """The type an annotation's tree names, classes as `scope` has them; ValueError for one that scripts do not know."""
    if isinstance(node, ast.Constant):
        if node.value is None:
            return Type("None")
        if isinstance(node.value, str):
            return parse(ast.parse(node.value, mode="eval").body, scope)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return Type("Union", (parse(node.left, scope), parse(node.right, scope)))
    if isinstance(node, (ast.Name, ast.Attribute)):
        name = ast.unparse(node)
        if name.startswith(("__torch__.", "classes.")) or name in _CLASSES_OF_LIBRARY:
            return _of_class(name, scope)
        name = name.rpartition(".")[2]
        name = _OTHER_NAMES.get(name, name)
        if name in _PLAIN or name in ("List", "Dict", "Tuple"):
            return Type(name)
        if name == "Final":
            return ANY
    if isinstance(node, ast.Subscript):
        name = ast.unparse(node.value).rpartition(".")[2]
        name = _OTHER_NAMES.get(name, name)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name in _NESTED:
            if name == "Tuple" and not parts:
                return Type("Tuple")
            if _NESTED[name] not in (None, len(parts)):
                raise ValueError(f"{name} takes {_NESTED[name]} type(s)")
            made = tuple(parse(p, scope) for p in parts)
            return made[0] if name == "Final" else Type(name, made)
    raise ValueError(f"{ast.unparse(node)} is not a type that scripts know")


def _of_class(name: str, scope: Scope | None) -> Type:
    """A class of the program's own. Modules and what PyTorch keeps in C++ are not checked."""
    try:
        kind = scope.find(name) if scope is not None else None
    except KeyError:
        kind = None
    kind = getattr(kind, "kind", kind)
    return Type(name.rpartition(".")[2], (), kind) if classes.is_class(kind) else ANY
