"""Nested containers of leaves: take apart, map, put together. dict order is kept; None is a leaf like any other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

Flatten = Callable[[Any], tuple[list, Any]]
Unflatten = Callable[[list, Any], Any]

_nodes: dict[type, tuple[Flatten, Unflatten]] = {
    list: (lambda x: (x, None), lambda leaves, _: list(leaves)),
    tuple: (lambda x: (list(x), None), lambda leaves, _: tuple(leaves)),
    dict: (lambda x: (list(x.values()), tuple(x)), lambda leaves, keys: dict(zip(keys, leaves))),
    OrderedDict: (
        lambda x: (list(x.values()), tuple(x)),
        lambda leaves, keys: OrderedDict(zip(keys, leaves)),
    ),
}
_namedtuple = (lambda x: (list(x), type(x)), lambda leaves, cls: cls(*leaves))


def register(cls: type, flatten: Flatten, unflatten: Unflatten) -> None:
    """Teaches the functions below a container: `flatten(x) -> (children, context)`, `unflatten(children, context)`."""
    _nodes[cls] = (flatten, unflatten)


def _rule(x: Any) -> tuple[Flatten, Unflatten] | None:
    found = _nodes.get(type(x))
    if found is None and isinstance(x, tuple) and hasattr(x, "_fields"):
        return _namedtuple
    return found


def flatten_one(tree: Any) -> tuple[list, tuple | None]:
    """The children of one container, and its (class, context); (), None for a leaf."""
    rule = _rule(tree)
    if rule is None:
        return [], None
    children, context = rule[0](tree)
    return children, (type(tree), context)


class Spec:
    """The structure left when the leaves are taken out; equal specs have equal structure."""

    __slots__ = ("_hash", "children", "cls", "context")

    def __init__(
        self, cls: type | None, context: Any = None, children: tuple[Spec, ...] = ()
    ) -> None:
        self.cls, self.context, self.children = cls, context, children
        self._hash: int | None = None

    def _key(self) -> tuple:
        return (self.cls, self.context, self.children)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Spec) and self._key() == other._key())

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self._key())
        return self._hash

    def __repr__(self) -> str:
        if self.cls is None:
            return "*"
        return f"{self.cls.__name__}({', '.join(map(repr, self.children))})"


LEAF = Spec(None)


def flatten(tree: Any) -> tuple[list, Spec]:
    """The leaves in order, and the structure.

    >>> flatten({"a": [1, 2]})
    ([1, 2], dict(list(*, *)))
    """
    leaves: list = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list) -> Spec:
    rule = _rule(tree)
    if rule is None:
        leaves.append(tree)
        return LEAF
    children, context = rule[0](tree)
    return Spec(type(tree), context, tuple(_flatten(c, leaves) for c in children))


def unflatten(leaves: list, spec: Spec) -> Any:
    """The inverse of `flatten`."""
    return _unflatten(iter(leaves), spec)


def _unflatten(leaves: Any, spec: Spec) -> Any:
    if spec.cls is None:
        return next(leaves)
    children = [_unflatten(leaves, c) for c in spec.children]
    rule = _nodes.get(spec.cls, _namedtuple)
    return rule[1](children, spec.context)


def map_(function: Callable, tree: Any) -> Any:
    """`tree` with `function` applied to each leaf."""
    rule = _rule(tree)
    if rule is None:
        return function(tree)
    children, context = rule[0](tree)
    return rule[1]([map_(function, c) for c in children], context)
