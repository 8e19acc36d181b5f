"""`flambeau.ops.<namespace>.<operator>`: custom operators by name, and flambeau's own as `aten`."""

from __future__ import annotations

from typing import Any

from ..ops import load_all
from ..runtime.operator import registry
from .operator import CustomOpDef


class Overload:
    """`ops.mine.op` and `ops.mine.op.default`: there is one overload of each operator."""

    def __init__(self, public: Any, name: str) -> None:
        self._public, self._name = public, name
        self.__name__ = name.rpartition(".")[2]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._public(*args, **kwargs)

    def __getattr__(self, name: str) -> Overload:
        if name.startswith("__"):
            raise AttributeError(name)
        if name != "default" and not self._name.startswith("aten."):
            raise AttributeError(
                f"The underlying op of '{self._name}' has no overload name '{name}'"
            )
        return Overload(self._public, f"{self._name}.{name}")

    def overloads(self) -> list[str]:
        return ["default"]

    @property
    def _schema(self) -> Any:
        return self._public.schema

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Overload) and other._public is self._public

    def __hash__(self) -> int:
        return id(self._public)

    def __repr__(self) -> str:
        return self._name


class Namespace:
    """The operators of one namespace."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Overload:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._name == "aten":
            load_all()
            op = registry.get(name)
            public = None if op is None else op.public
        else:
            op = registry.get(f"{self._name}::{name}")
            public = op.public if op is not None and isinstance(op.public, CustomOpDef) else None
        if public is None:
            raise AttributeError(f"'_OpNamespace' '{self._name}' object has no attribute '{name}'")
        return Overload(public, f"{self._name}.{name}")

    def __dir__(self) -> list[str]:
        prefix = f"{self._name}::"
        return [n.removeprefix(prefix) for n in registry if n.startswith(prefix)]

    def __repr__(self) -> str:
        return f"<namespace {self._name}>"


def namespace(name: str) -> Namespace:
    """The namespace of that name; AttributeError if no operator was ever defined in it."""
    if name != "aten" and not any(n.startswith(f"{name}::") for n in registry):
        raise AttributeError(f"module 'flambeau.ops' has no attribute '{name}'")
    return Namespace(name)
