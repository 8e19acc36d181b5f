"""Schemas of custom operators: `name(Tensor x, float k=1.0, *, int[]? dims=None) -> Tensor`, read and inferred."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._base.devices import device
from .._base.dtypes import dtype
from ..runtime.tensor import Tensor

REQUIRED: Any = inspect.Parameter.empty


@dataclass(frozen=True)
class Argument:
    """One argument: `kind` is the type without its `?`, such as "Tensor", "Tensor[]", "int" or "float[]"."""

    name: str
    kind: str
    optional: bool = False
    default: Any = REQUIRED
    mutated: bool = False
    keyword: bool = False

    def __str__(self) -> str:
        mark = "(a!)" if self.mutated else ""
        kind = self.kind.replace("Tensor", "Tensor" + mark, 1) if mark else self.kind
        text = f"{kind}{'?' if self.optional else ''} {self.name}"
        if self.default is not REQUIRED:
            shown = f'"{self.default}"' if isinstance(self.default, str) else str(self.default)
            text += f"={shown}"
        return text

    def accepts(self, value: Any) -> bool:
        """Whether `value` may be given for this argument."""
        if value is None:
            return self.optional
        if self.kind.endswith("[]"):
            one = self.kind[:-2].rstrip("?")
            empty = self.kind[:-2].endswith("?")
            return isinstance(value, (list, tuple)) and all(
                _is(one, v) or (v is None and empty) for v in value
            )
        return _is(self.kind, value)


@dataclass(frozen=True)
class Schema:
    """An operator's name ("namespace::name"), arguments and results ("Tensor", "Tensor[]", "int", ...)."""

    name: str
    arguments: tuple[Argument, ...]
    returns: tuple[str, ...]
    several: bool = field(default=False)  # results are a tuple, even if there is one

    def __str__(self) -> str:
        parts: list[str] = []
        starred = False
        for a in self.arguments:
            if a.keyword and not starred:
                parts.append("*")
                starred = True
            parts.append(str(a))
        made = ", ".join(self.returns)
        return f"{self.name}({', '.join(parts)}) -> {made if len(self.returns) == 1 and not self.several else f'({made})'}"

    @property
    def mutates(self) -> bool:
        return any(a.mutated for a in self.arguments)

    def bind(self, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call by name; RuntimeError for one that does not fit, as PyTorch raises."""
        positional = [a for a in self.arguments if not a.keyword]
        if len(args) > len(positional):
            raise RuntimeError(
                f"{self.name}() expected at most {len(positional)} argument(s) but received {len(args)} argument(s). "
                f"Declaration: {self}"
            )
        values = dict(zip((a.name for a in positional), args))
        known = {a.name for a in self.arguments}
        for key, value in kwargs.items():
            if key not in known:
                raise RuntimeError(
                    f"Unknown keyword argument '{key}' for operator '{self.name}'. Schema: {self}"
                )
            if key in values:
                raise RuntimeError(
                    f"{self.name}() got multiple values for argument '{key}'. Declaration: {self}"
                )
            values[key] = value
        for at, a in enumerate(self.arguments):
            if a.name not in values:
                if a.default is REQUIRED:
                    raise RuntimeError(
                        f"{self.name}() is missing value for argument '{a.name}'. Declaration: {self}"
                    )
                values[a.name] = a.default
            elif not a.accepts(values[a.name]):
                raise RuntimeError(
                    f"{self.name}() Expected a value of type '{a.kind}{'?' if a.optional else ''}' for argument "
                    f"'{a.name}' but instead found type '{type(values[a.name]).__name__}'. Position: {at}. "
                    f"Declaration: {self}"
                )
        return {a.name: values[a.name] for a in self.arguments}


def _is(kind: str, value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "Tensor":
        return isinstance(value, Tensor)
    if kind in ("int", "SymInt"):
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "float":
        return number
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "str":
        return isinstance(value, str)
    if kind == "Scalar":
        return number or isinstance(value, (bool, complex))
    if kind == "ScalarType":
        return isinstance(value, dtype)
    if kind == "Device":
        return isinstance(value, (device, str))
    return True


_KINDS = frozenset(
    [
        "Tensor",
        "int",
        "SymInt",
        "float",
        "bool",
        "str",
        "Scalar",
        "ScalarType",
        "Device",
        "Layout",
        "MemoryFormat",
        "Generator",
    ]
)
_TYPE = re.compile(r"(\w+)(\([a-z]!?(?:\s*->\s*[a-z*])?\))?(\?)?(\[\d*\])?(\?)?$")


def parse(text: str) -> Schema:
    """A Schema from its text; ValueError saying what is wrong with it."""
    found = re.fullmatch(r"\s*([\w:.]+)\s*\((.*)\)\s*->\s*(.+?)\s*", text, re.S)
    if found is None:
        raise ValueError(f"schema {text!r}: expected 'name(Type argument, ...) -> Type'")
    name, inside, made = found.groups()
    arguments = []
    keyword = False
    for part in _split(inside):
        if part == "*":
            keyword = True
            continue
        words = re.fullmatch(r"(\S+)\s+(\w+)\s*(?:=\s*(.+))?", part)
        if words is None:
            raise ValueError(
                f"schema {text!r}: cannot read the argument {part!r}; expected 'Type name' or 'Type name=default'"
            )
        kind, optional, mutated = _kind(words[1], text)
        default = REQUIRED if words[3] is None else _value(words[3], text)
        arguments.append(Argument(words[2], kind, optional, default, mutated, keyword))
    several = made.startswith("(") and made.endswith(")")
    returns = tuple(
        _kind(r.split()[0], text)[0] for r in (_split(made[1:-1]) if several else [made])
    )
    return Schema(name, tuple(arguments), returns, several)


def _kind(text: str, whole: str) -> tuple[str, bool, bool]:
    found = _TYPE.match(text)
    if found is None or found[1] not in _KINDS:
        raise ValueError(
            f"schema {whole!r}: unknown type {text!r}; known are {', '.join(sorted(_KINDS))}, with [] and ?"
        )
    base, mark, inner, brackets, outer = found.groups()
    optional = bool(outer or (inner and not brackets))
    if brackets:
        base += ("?" if inner else "") + "[]"
    return base, optional, bool(mark and "!" in mark)


def _split(text: str) -> list[str]:
    """The parts between commas that are in no bracket."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if c == "," and not depth:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


def _value(text: str, whole: str) -> Any:
    import ast

    words = {"None": None, "True": True, "False": False}
    if text in words:
        return words[text]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise ValueError(
            f"schema {whole!r}: the default {text!r} is no number, string, list, bool or None"
        ) from None


# -- from a Python function ------------------------------------------------------------------------------------------------

_PYTHON = {
    Tensor: "Tensor", int: "SymInt", float: "float", bool: "bool", str: "str", dtype: "ScalarType", device: "Device",
    int | float | bool: "Scalar",
}  # fmt: skip


def infer_schema(
    prototype_function: Callable[..., Any],
    /,
    *,
    mutates_args: str | Iterable[str],
    op_name: str | None = None,
    tags: Any = (),
) -> str:
    """The schema of a function, read off its annotations.

    Args:
        prototype_function: every parameter and the result need an annotation: Tensor, int, float, bool, str, dtype,
            device, sequences and optionals of these.
        mutates_args: the names of arguments that are written to.
        op_name: the name that the schema starts with; without one it starts with its arguments.

    Raises:
        ValueError: for an annotation that is missing or not supported, or a name that is no parameter.

    >>> import flambeau
    >>> def scaled(x: flambeau.Tensor, by: float = 2.0) -> flambeau.Tensor: ...
    >>> infer_schema(scaled, mutates_args=())
    '(Tensor x, float by=2.0) -> Tensor'
    """
    schema = schema_of(prototype_function, op_name or "", mutates_args)
    return str(schema)


def schema_of(function: Callable[..., Any], name: str, mutates: str | Iterable[str]) -> Schema:
    """The Schema of a Python function."""
    signature = inspect.signature(function)
    try:
        notes = typing.get_type_hints(function)
    except NameError as error:
        raise ValueError(f"infer_schema(func): unsupported annotation: {error}") from None
    names = set(signature.parameters)
    if isinstance(mutates, str) and mutates != "unknown":
        raise ValueError(
            "mutates_args must be a sequence of the names of mutated arguments, or 'unknown'"
        )
    changed = set() if isinstance(mutates, str) else set(mutates)
    if not changed <= names:
        raise ValueError(
            f"infer_schema(func): mutates_args names {sorted(changed - names)}, which are no parameters of {signature}"
        )
    arguments = []
    for p in signature.parameters.values():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            raise ValueError(
                f"infer_schema(func): we do not support *args or **kwargs. Got func with signature {signature}"
            )
        if p.name not in notes:
            raise ValueError(
                f"infer_schema(func): Parameter {p.name} must have a type annotation. Got func with signature {signature}"
            )
        kind, optional = _of_annotation(notes[p.name], p.name)
        written = p.name in changed or (mutates == "unknown" and kind.startswith("Tensor"))
        if written and not kind.startswith("Tensor"):
            raise ValueError(
                f"infer_schema(func): Parameter {p.name} is in mutates_args but not a Tensor"
            )
        arguments.append(
            Argument(p.name, kind, optional, p.default, written, p.kind == p.KEYWORD_ONLY)
        )
    if "return" not in notes:
        raise ValueError(
            f"infer_schema(func): No return type annotation was provided. Please add one. Got func with signature {signature}"
        )
    made = notes["return"]
    if made is type(None):
        return Schema(name, tuple(arguments), (), True)
    several = typing.get_origin(made) is tuple
    parts = typing.get_args(made) if several else (made,)
    returns = tuple(_of_annotation(r, "return")[0] for r in parts)
    return Schema(name, tuple(arguments), returns, several)


def _of_annotation(note: Any, name: str) -> tuple[str, bool]:
    origin, inside = typing.get_origin(note), typing.get_args(note)
    if origin in (typing.Union, types.UnionType) and type(None) in inside:
        rest = [a for a in inside if a is not type(None)]
        if len(rest) == 1:
            return _of_annotation(rest[0], name)[0], True
    if origin in (list, tuple, Sequence) and inside:
        one = [a for a in inside if a is not Ellipsis]
        if len(set(map(str, one))) == 1:
            kind, optional = _of_annotation(one[0], name)
            return kind + ("?" if optional else "") + "[]", False
    if origin in (typing.Union, types.UnionType) and set(inside) == {int, float, bool}:
        return "Scalar", False
    for known, kind in _PYTHON.items():
        if note is known:
            return kind, False
    raise ValueError(
        f"infer_schema(func): Parameter {name} has unsupported type {note}. The valid types are Tensor, int, float, bool, "
        "str, dtype, device, sequences and optionals of these"
    )
