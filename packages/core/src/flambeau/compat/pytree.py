"""`torch.utils._pytree`: nested containers under PyTorch's names, which packages use in the open.

Dictionaries keep their order. Kinds registered here are known to flambeau's own transforms too.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from .._base import pytree

PyTree = Any
Context = Any


# Where a leaf is.


@dataclasses.dataclass(frozen=True)
class SequenceKey:
    """A place in a list or tuple."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Any) -> Any:
        """What is there."""
        return sequence[self.idx]


@dataclasses.dataclass(frozen=True)
class MappingKey:
    """A key of a dictionary."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Any) -> Any:
        """What is there."""
        return mapping[self.key]


@dataclasses.dataclass(frozen=True)
class GetAttrKey:
    """A field of a named tuple or an object."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        """What is there."""
        return getattr(obj, self.name)


def keystr(kp: Iterable[Any]) -> str:
    """A path as Python would write it.

    >>> keystr((MappingKey("a"), SequenceKey(1)))
    "['a'][1]"
    """
    return "".join(map(str, kp))


class NodeDef(NamedTuple):
    """How one kind of container is taken apart and put together."""

    type: type
    flatten_fn: Callable[[Any], tuple[list, Context]]
    unflatten_fn: Callable[[Any, Context], Any]
    flatten_with_keys_fn: Callable[[Any], tuple[list, Context]] | None


def _dict_flatten(d: dict) -> tuple[list, Context]:
    return list(d.values()), list(d)


def _dict_flatten_with_keys(d: dict) -> tuple[list, Context]:
    return [(MappingKey(k), v) for k, v in d.items()], list(d)


def _dict_unflatten(values: Iterable[Any], context: Context) -> dict:
    return dict(zip(context, values, strict=True))


def _list_flatten(d: list) -> tuple[list, Context]:
    return list(d), None


def _sequence_flatten_with_keys(d: Any) -> tuple[list, Context]:
    return [(SequenceKey(i), v) for i, v in enumerate(d)], None


_tuple_flatten = _list_flatten


def _list_unflatten(values: Iterable[Any], context: Context) -> list:
    return list(values)


def _tuple_unflatten(values: Iterable[Any], context: Context) -> tuple:
    return tuple(values)


def _namedtuple_flatten(d: Any) -> tuple[list, Context]:
    return list(d), type(d)


def _namedtuple_flatten_with_keys(d: Any) -> tuple[list, Context]:
    return [(GetAttrKey(f), v) for f, v in zip(d._fields, d, strict=True)], type(d)


def _namedtuple_unflatten(values: Iterable[Any], context: Context) -> Any:
    return context(*values)


_built_in: dict[Any, tuple[Any, Any, Any]] = {
    dict: (_dict_flatten, _dict_unflatten, _dict_flatten_with_keys),
    list: (_list_flatten, _list_unflatten, _sequence_flatten_with_keys),
    tuple: (_list_flatten, _tuple_unflatten, _sequence_flatten_with_keys),
    namedtuple: (_namedtuple_flatten, _namedtuple_unflatten, _namedtuple_flatten_with_keys),
    OrderedDict: (
        _dict_flatten,
        lambda values, keys: OrderedDict(zip(keys, values, strict=True)),
        _dict_flatten_with_keys,
    ),
    defaultdict: (
        lambda d: (list(d.values()), (d.default_factory, list(d))),
        lambda values, c: defaultdict(c[0], zip(c[1], values, strict=True)),
        lambda d: ([(MappingKey(k), v) for k, v in d.items()], (d.default_factory, list(d))),
    ),
    deque: (
        lambda d: (list(d), d.maxlen),
        lambda values, maxlen: deque(values, maxlen=maxlen),
        lambda d: ([(SequenceKey(i), v) for i, v in enumerate(d)], d.maxlen),
    ),
}
SUPPORTED_NODES = {kind: NodeDef(kind, *rules) for kind, rules in _built_in.items()}
BUILTIN_TYPES = frozenset(SUPPORTED_NODES)
_serialized: dict[Any, str] = {}


def register_pytree_node(
    cls: type,
    flatten_fn: Callable[[Any], tuple[Any, Context]],
    unflatten_fn: Callable[[Any, Context], Any],
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Any = None,
    from_dumpable_context: Any = None,
    flatten_with_keys_fn: Callable[[Any], tuple[Any, Context]] | None = None,
) -> None:
    """Teaches a container class. ValueError if it is known."""
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    _register_pytree_node(
        cls,
        flatten_fn,
        unflatten_fn,
        serialized_type_name=serialized_type_name,
        flatten_with_keys_fn=flatten_with_keys_fn,
    )


def _register_pytree_node(
    cls: type,
    flatten_fn: Callable[[Any], tuple[Any, Context]],
    unflatten_fn: Callable[[Any, Context], Any],
    *,
    serialized_type_name: str | None = None,
    flatten_with_keys_fn: Callable[[Any], tuple[Any, Context]] | None = None,
    **_: Any,
) -> None:
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)
    if serialized_type_name is not None:
        _serialized[cls] = serialized_type_name
    pytree.register(cls, lambda x: _children(flatten_fn(x)), lambda c, ctx: unflatten_fn(c, ctx))


def _children(flat: tuple[Any, Context]) -> tuple[list, Context]:
    children, context = flat
    return list(children), context


def register_dataclass(cls: type, *, field_names: list[str] | None = None, **_: Any) -> None:
    """Teaches a dataclass: its fields are the children."""
    names = field_names or [f.name for f in dataclasses.fields(cls)]
    register_pytree_node(
        cls,
        lambda x: ([getattr(x, n) for n in names], names),
        lambda values, context: cls(**dict(zip(context, values, strict=True))),
        flatten_with_keys_fn=lambda x: ([(GetAttrKey(n), getattr(x, n)) for n in names], names),
    )


def is_namedtuple(obj: Any) -> bool:
    """Whether `obj` is a named tuple."""
    return is_namedtuple_instance(obj)


def is_namedtuple_instance(obj: Any) -> bool:
    """Whether `obj` is a named tuple."""
    return isinstance(obj, tuple) and hasattr(type(obj), "_fields")


def _get_node_type(tree: Any) -> Any:
    return (
        namedtuple
        if is_namedtuple_instance(tree) and type(tree) not in SUPPORTED_NODES
        else type(tree)
    )


def tree_is_leaf(tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether `tree` is no container, or one that `is_leaf` takes for a leaf."""
    return (is_leaf is not None and is_leaf(tree)) or _get_node_type(tree) not in SUPPORTED_NODES


_is_leaf = tree_is_leaf


class TreeSpec:
    """A tree's structure: the kind of its root, what that kind needs, and its children's structures."""

    def __init__(self, type: Any, context: Context, children_specs: list[TreeSpec]) -> None:
        self.type, self.context, self.children_specs = type, context, list(children_specs)
        self.num_children = len(self.children_specs)
        self.num_leaves: int = (
            sum(s.num_leaves for s in self.children_specs) if type is not None else 1
        )
        self.num_nodes: int = 1 + sum(s.num_nodes for s in self.children_specs)

    def is_leaf(self) -> bool:
        """Whether this is a leaf's."""
        return self.type is None

    def child(self, index: int) -> TreeSpec:
        """One child's structure."""
        return self.children_specs[index]

    def children(self) -> list[TreeSpec]:
        """The children's structures."""
        return list(self.children_specs)

    def _key(self) -> tuple:
        return (self.type, self.context, self.children_specs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self.type, str(self.context), self.num_nodes, self.num_leaves))

    def __repr__(self) -> str:
        if self.is_leaf():
            return "*"
        name = getattr(self.type, "__name__", self.type)
        return f"TreeSpec({name}, {self.context}, {self.children_specs})"

    def unflatten(self, leaves: Iterable[Any]) -> PyTree:
        """The tree of this structure with these leaves. ValueError if they are not as many as it has."""
        leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} but the spec refers to a pytree that"
                f" holds {self.num_leaves} items ({self})."
            )
        return self._take(iter(leaves))

    def _take(self, leaves: Any) -> PyTree:
        if self.is_leaf():
            return next(leaves)
        children = [s._take(leaves) for s in self.children_specs]
        return SUPPORTED_NODES[self.type].unflatten_fn(children, self.context)

    def flatten_up_to(self, tree: PyTree) -> list[PyTree]:
        """The parts of `tree` where this structure has leaves. ValueError where the structures part."""
        if self.is_leaf():
            return [tree]
        if _get_node_type(tree) != self.type:
            raise ValueError(f"Type mismatch; expected {self.type!r}, but got {type(tree)!r}.")
        children, context = SUPPORTED_NODES[self.type].flatten_fn(tree)
        children = list(children)
        if isinstance(tree, dict) and set(self.context) == set(context):
            children = [tree[k] for k in self.context]
        elif len(children) != self.num_children or (context != self.context):
            raise ValueError(f"Node mismatch at {tree!r}; expected {self}.")
        return [
            x
            for s, c in zip(self.children_specs, children, strict=True)
            for x in s.flatten_up_to(c)
        ]


class LeafSpec(TreeSpec):
    """A leaf's structure."""

    def __init__(self) -> None:
        super().__init__(None, None, [])


def treespec_leaf() -> LeafSpec:
    """A leaf's structure."""
    return LeafSpec()


def tree_flatten(
    tree: PyTree, is_leaf: Callable[[PyTree], bool] | None = None
) -> tuple[list[Any], TreeSpec]:
    """The leaves in order, and the structure.

    >>> tree_flatten({"a": [1, (2, 3)]})[0]
    [1, 2, 3]
    """
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves, is_leaf)


def _flatten(tree: PyTree, leaves: list, is_leaf: Callable[[PyTree], bool] | None) -> TreeSpec:
    if tree_is_leaf(tree, is_leaf):
        leaves.append(tree)
        return LeafSpec()
    kind = _get_node_type(tree)
    children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
    return TreeSpec(kind, context, [_flatten(c, leaves, is_leaf) for c in children])


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """The tree of these leaves and this structure."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            f"tree_unflatten(leaves, treespec): Expected `treespec` to be instance of TreeSpec but got item of type"
            f" {type(treespec)}."
        )
    return treespec.unflatten(leaves)


def tree_iter(tree: PyTree, is_leaf: Callable[[PyTree], bool] | None = None) -> Iterable[Any]:
    """The leaves, one after the other."""
    yield from tree_flatten(tree, is_leaf)[0]


def tree_leaves(tree: PyTree, is_leaf: Callable[[PyTree], bool] | None = None) -> list[Any]:
    """The leaves."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: PyTree, is_leaf: Callable[[PyTree], bool] | None = None) -> TreeSpec:
    """The structure."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(
    func: Callable[..., Any],
    tree: PyTree,
    *rests: PyTree,
    is_leaf: Callable[[PyTree], bool] | None = None,
) -> PyTree:
    """`func` of each leaf (and of what the other trees have in its place).

    >>> tree_map(lambda a, b: a + b, [1, (2,)], [10, (20,)])
    [11, (22,)]
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [spec.flatten_up_to(r) for r in rests]
    return spec.unflatten([func(*x) for x in zip(leaves, *others, strict=True)])


def tree_map_(
    func: Callable[..., Any],
    tree: PyTree,
    *rests: PyTree,
    is_leaf: Callable[[PyTree], bool] | None = None,
) -> PyTree:
    """Calls `func` as `tree_map` does, for what it does; the tree itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def map_only(
    type_or_types_or_pred: Any, /
) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """A decorator: the function for leaves of these classes (or that a predicate takes), the others as they are."""
    chosen = (
        (lambda x: isinstance(x, type_or_types_or_pred))
        if isinstance(type_or_types_or_pred, (type, tuple)) or not callable(type_or_types_or_pred)
        else type_or_types_or_pred
    )
    return lambda func: lambda x: func(x) if chosen(x) else x


def tree_map_only(
    type_or_types_or_pred: Any,
    /,
    func: Callable[[Any], Any],
    tree: PyTree,
    is_leaf: Callable[[PyTree], bool] | None = None,
) -> PyTree:
    """`tree_map` for leaves of these classes only."""
    return tree_map(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_map_only_(
    type_or_types_or_pred: Any,
    /,
    func: Callable[[Any], Any],
    tree: PyTree,
    is_leaf: Callable[[PyTree], bool] | None = None,
) -> PyTree:
    """`tree_map_` for leaves of these classes only."""
    return tree_map_(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_all(
    pred: Callable[[Any], bool], tree: PyTree, is_leaf: Callable[[PyTree], bool] | None = None
) -> bool:
    """Whether `pred` holds for all leaves."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(
    pred: Callable[[Any], bool], tree: PyTree, is_leaf: Callable[[PyTree], bool] | None = None
) -> bool:
    """Whether `pred` holds for some leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))


def tree_all_only(types: Any, /, pred: Callable[[Any], bool], tree: PyTree) -> bool:
    """Whether `pred` holds for all leaves of these classes."""
    return all(pred(x) for x in tree_leaves(tree) if isinstance(x, types))


def tree_any_only(types: Any, /, pred: Callable[[Any], bool], tree: PyTree) -> bool:
    """Whether `pred` holds for some leaf of these classes."""
    return any(pred(x) for x in tree_leaves(tree) if isinstance(x, types))


def tree_flatten_with_path(
    tree: PyTree, is_leaf: Callable[[PyTree], bool] | None = None
) -> tuple[list[tuple[tuple, Any]], TreeSpec]:
    """The leaves with the paths that lead to them, and the structure."""
    return list(_with_path((), tree, is_leaf)), tree_structure(tree, is_leaf)


def _with_path(
    path: tuple, tree: PyTree, is_leaf: Callable[[PyTree], bool] | None
) -> Iterable[tuple[tuple, Any]]:
    if tree_is_leaf(tree, is_leaf):
        yield path, tree
        return
    node = SUPPORTED_NODES[_get_node_type(tree)]
    if node.flatten_with_keys_fn is None:
        raise ValueError(f"Did not find a flatten_with_keys_fn for type: {node.type}.")
    for key, child in node.flatten_with_keys_fn(tree)[0]:
        yield from _with_path((*path, key), child, is_leaf)


def tree_leaves_with_path(
    tree: PyTree, is_leaf: Callable[[PyTree], bool] | None = None
) -> list[tuple[tuple, Any]]:
    """The leaves with the paths that lead to them."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_map_with_path(
    func: Callable[..., Any],
    tree: PyTree,
    *rests: PyTree,
    is_leaf: Callable[[PyTree], bool] | None = None,
) -> PyTree:
    """`tree_map` with each leaf's path as first argument."""
    pairs, spec = tree_flatten_with_path(tree, is_leaf)
    others = [spec.flatten_up_to(r) for r in rests]
    return spec.unflatten([func(*p, *x) for p, *x in zip(pairs, *others, strict=True)])


def key_get(obj: Any, kp: Iterable[Any]) -> Any:
    """What a path leads to."""
    for key in kp:
        obj = key.get(obj)
    return obj


def _broadcast_to_and_flatten(
    tree: PyTree, treespec: TreeSpec, is_leaf: Callable[[PyTree], bool] | None = None
) -> list[Any] | None:
    if tree_is_leaf(tree, is_leaf):
        return [tree] * treespec.num_leaves
    if treespec.is_leaf() or _get_node_type(tree) != treespec.type:
        return None
    children, context = SUPPORTED_NODES[treespec.type].flatten_fn(tree)
    children = list(children)
    if len(children) != treespec.num_children or context != treespec.context:
        return None
    out: list[Any] = []
    for child, spec in zip(children, treespec.children_specs, strict=True):
        part = _broadcast_to_and_flatten(child, spec, is_leaf)
        if part is None:
            return None
        out += part
    return out


def arg_tree_leaves(*args: PyTree, **kwargs: PyTree) -> list[Any]:
    """The leaves of a call's arguments."""
    return [x for part in (*args, *kwargs.values()) for x in tree_leaves(part)]


def pytree_to_str(treespec: TreeSpec) -> str:
    """The structure as text."""
    return repr(treespec)
