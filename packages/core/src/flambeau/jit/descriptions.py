"""A value as part of a program's key: equal where, and only where, a function that looks at it would see the same.

Numbers and strings by value, tensors by identity (their contents are read at every call), containers, objects, the user's classes and
functions by what stands in them.
"""

from __future__ import annotations

import array
import itertools
import sys
import threading
import types
import weakref
from collections import deque
from collections.abc import Iterator, Set
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any

from numpy import ndarray

from ..runtime.state import groups_of
from ..runtime.tensor import Leaf, Tensor
from .owners import (
    is_module,
    is_of_package,
    is_ours,
    is_pythons,
    is_users,
    kept_by_step,
    own_classes,
)

PLAIN = (int, float, complex, bool, str, bytes, type(None))
_PLAIN, _EXACT = frozenset(PLAIN), frozenset((int, bool, str, bytes, type(None)))
MOST = 1000  # items of a container
ALL = 2000  # objects that one description looks at
DEEPEST = 12
PACKAGES = 2  # levels down to which objects of installed packages are looked into
MOST_BYTES = 1 << 16  # of a NumPy array whose content is looked at, at every call
CONTAINERS = (list, dict, tuple, set, frozenset, deque)
# Modules of Python's own whose objects hold what is the user's; and where they have it.
HOLDING = ("collections", "types", "argparse", "weakref", "_thread", "_threading_local")
_DATA = frozenset(("data", "maps"))
_BYTES = (bytearray, memoryview, array.array)
_OF_CLASSES = (
    types.FunctionType, types.BuiltinFunctionType, staticmethod, classmethod, property, types.MemberDescriptorType,
    types.GetSetDescriptorType, types.ModuleType,
)  # fmt: skip


# By place in memory: the object's number, and what tells that it is gone.
_numbers: dict[int, tuple[int, Any]] = {}
_next = itertools.count(1).__next__


def which(x: Any) -> int:
    """Which object it is, by a number that is never another's. `id` is, when the object is gone; it serves where nobody can tell that."""
    place = id(x)
    known = _numbers.get(place)
    if known is not None:
        return known[0]
    if not type(x).__weakrefoffset__:
        return place
    gone = weakref.ref(x, lambda _, place=place, numbers=_numbers: numbers.pop(place, None))  # type: ignore[misc]
    return _numbers.setdefault(place, (_next(), gone))[0]


def function_state(x: Any) -> Any:
    """Which function it is, of one whose closure and defaults are looked at anyway; if it is one."""
    if type(x) is not types.FunctionType:
        return described(x)
    if not is_users(x):
        return which(x)
    return (which(x), x.__code__, described(x.__dict__)) if x.__dict__ else (which(x), x.__code__)


def optimizer_state(x: Any) -> tuple:
    """Which optimizer, scheduler or other thing of flambeau's it is, and which parameters it has: numbers are read at every call."""
    return (which(x), *[tuple(map(id, g["params"])) for g in groups_of(x)])


def tensor_state(t: Tensor) -> tuple:
    """What a function may learn of a tensor before it computes: contents are read at every call."""
    a, node = getattr(t, "_array", t), t._node  # sparse and nested ones have no array of their own
    hooks = hooks_on(node) if type(node) is Leaf else None
    return (Tensor, which(t), type(t), a.shape, a.dtype, t.requires_grad, hooks)


def hooks_on(node: Any) -> tuple:
    """The hooks of a leaf, by their numbers."""
    if type(node) is not Leaf:
        return ()
    tables = (node.hooks, node.prehooks, node.posthooks, node.post_hooks)
    return tuple([k for table in tables if table for k in table])


def content(cell: Any) -> Any:
    """What a closure's cell holds; None where it is not filled yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def frozen(x: Any) -> Any:
    """A plain value as part of a key: with its type where it can be hashed, else which object it is."""
    try:
        hash(x)
    except Exception:  # of the user's own __hash__, too
        return (type(x), which(x))
    return (type(x), x)


def plain(x: Any) -> tuple:
    """A number, a string or None as part of a key: 1, 1.0 and True are three, and so are zeros of both signs."""
    if not x and type(x) in (float, complex):
        return (type(x), str(x))
    return (type(x), x)


def described(x: Any, names: Set[str] | None = None, whole: bool = False) -> Any:
    """A value as part of a key, through containers, the attributes of objects, and what their functions hold on to.

    `names`: of the attributes that anybody may look at; None for all. `whole`: large arrays by their content, too.
    """
    if type(x) in PLAIN:
        return plain(x)
    return tensor_state(x) if isinstance(x, Tensor) else Description(names, whole).of(x, 0)


class _Notes(threading.local):
    left_out: list[str] | None = (
        None  # where a list is here, what descriptions leave out is noted in it
    )


_notes = _Notes()


@contextmanager
def leaving_out() -> Iterator[list[str]]:
    """A list to which descriptions add what they do not look into though a function may."""
    before, found = _notes.left_out, list[str]()
    _notes.left_out = found
    try:
        yield found
    finally:
        _notes.left_out = before


class Description:
    """One walk through a value; nothing is walked through twice."""

    def __init__(self, names: Set[str] | None = None, whole: bool = False) -> None:
        self.names, self.most = names, sys.maxsize if whole else MOST_BYTES
        self.seen: dict[int, int] = {}
        self.functions: list[Any] = []
        self.kinds: dict[type, None] = {}  # of objects that were met
        self.classes: list[type] = []  # that stand somewhere as values

    def of(self, x: Any, depth: int) -> Any:
        kind = type(x)
        if kind in PLAIN:
            return (kind, x) if x else plain(x)
        if isinstance(x, Tensor):
            return tensor_state(x)
        before = self.seen.get(id(x))
        if before is not None:
            return ("again", before)
        number = self.seen[id(x)] = len(self.seen)
        if depth == DEEPEST or number > ALL:
            if not isinstance(x, (type, *_OF_CLASSES)):
                self.leaves_out(x, "that lies too deep, or behind too many others")
            return frozen(x)
        parts: Any = None
        if isinstance(x, dict):
            parts = (len(x), self.items(x.values(), depth), self.keys(x))
        elif isinstance(x, (list, tuple, deque)):
            parts = (len(x), self.items(x, depth))
        elif isinstance(x, (set, frozenset)):
            parts = (len(x), frozenset(map(frozen, x)))
        if kind in CONTAINERS:
            return (kind if kind is tuple else id(x), parts)
        return self.whole(x, kind, parts, depth)

    def whole(self, x: Any, kind: type, parts: Any, depth: int) -> Any:
        """Of an object that is more than a container: also what it has besides its items."""
        if isinstance(x, types.ModuleType):
            return frozen(x)
        if isinstance(x, type):
            self.classes.append(x)
            return (
                which(x),
                self.inside(values_of(x, self.names), depth),
                methods_of(x, self.names),
            )
        self.kinds[kind] = None
        if is_module(x):
            return (id(x), *tree_state(x, set()))
        if isinstance(x, types.FunctionType):
            self.functions.append(x)
            # In this walk, for they may lead back to the function.
            held = [*map(content, x.__closure__ or ()), x.__dict__ or None]
            return (which(x), x.__code__, self.inside(held, depth))
        if isinstance(x, types.MethodType):
            self.functions.append(x.__func__)
            return (which(x.__func__), self.of(x.__self__, depth + 1))
        if isinstance(x, partial):
            return (id(x), self.inside((x.func, x.args, x.keywords), depth))
        if isinstance(x, ndarray):
            return self.array(x)
        if is_ours(kind):
            return frozen(x) if parts is None else (id(x), parts)
        if isinstance(x, weakref.ref) or (is_pythons(kind) and kind.__module__ not in HOLDING):
            if parts is not None:
                return (id(x), parts)
            if kind in _BYTES:
                return self.bytes(x)
            found = held_by(x)
            return (which(x), self.inside(found, depth)) if found else frozen(x)
        if depth > PACKAGES and is_of_package(kind):
            return frozen(x) if parts is None else (id(x), parts)
        own, slots = getattr(x, "__dict__", None), [v for _, v in slots_of(x)]
        if own is None and not slots and parts is None:
            return frozen(x)
        kept = kept_by_step(kind)
        if own and (kept or self.names is not None):
            own = {
                k: v
                for k, v in own.items()
                if k not in kept and (self.names is None or k in self.names or k in _DATA)
            }
        names = () if own is None else tuple(own)
        values = [*(own or {}).values(), *slots, *values_of(kind, self.names)]
        return (kind, id(x), parts, self.inside(values, depth), names, methods_of(kind, self.names))

    def items(self, values: Any, depth: int) -> tuple | None:
        """What is in a container: any number of numbers and strings, else not more than MOST."""
        kinds = tuple(map(type, values))
        if _PLAIN.issuperset(kinds):
            found = tuple(values)
            zeros = 0 in found and not _EXACT.issuperset(kinds)
            return (kinds, found, tuple(map(str, found)) if zeros else None)
        if len(kinds) <= MOST:
            return self.inside(values, depth)
        return self.leaves_out(values, f"of {len(kinds):,} items")

    def leaves_out(self, x: Any, what: str) -> Any:
        """None, in the place of what is not looked into."""
        if _notes.left_out is not None:
            _notes.left_out.append(f"a {type(x).__name__} {what}")
        return None

    def array(self, x: ndarray) -> tuple:
        """An array by its content; among what the function has by itself, of MOST_BYTES at most."""
        if x.nbytes <= self.most:
            return (which(x), x.shape, x.dtype, hash(x.tobytes()))
        return (which(x), x.shape, x.dtype, self.leaves_out(x, f"of {x.nbytes:,} bytes"))

    def bytes(self, x: Any) -> tuple:
        data = memoryview(x)
        if data.nbytes <= self.most:
            return (which(x), data.tobytes())
        return (which(x), self.leaves_out(x, f"of {data.nbytes:,} bytes"))

    def keys(self, x: Any) -> tuple:
        kinds = tuple(map(type, x))
        return (kinds, tuple(x)) if _PLAIN.issuperset(kinds) else tuple(map(frozen, x))

    def inside(self, values: Any, depth: int) -> tuple:
        return tuple([self.of(v, depth + 1) for v in values])


def held_by(x: Any) -> tuple:
    """What an object of Python's own holds on to that is the user's."""
    if isinstance(x, weakref.ref):
        return (x(),)
    if type(x) is types.MappingProxyType:
        return (*x, *x.values())
    if type(x) is ContextVar:
        return (x.get(None),)
    return (memoryview(x).tobytes(),) if type(x) in _BYTES else ()


def slots_of(x: Any) -> Iterator[tuple[str, Any]]:
    """What an object has in slots, by name."""
    kind: Any = type(x)
    for name in _slot_names(kind):
        try:
            yield name, getattr(x, name)
        except AttributeError:
            yield name, None


@lru_cache(maxsize=512)  # classes may be made at every call: old ones go
def _slot_names(kind: Any) -> tuple[str, ...]:
    names: list[str] = []
    for k in kind.__mro__:
        slots = k.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            private = name.startswith("__") and not name.endswith("__")
            names.append(f"_{k.__name__.lstrip('_')}{name}" if private else name)
    return tuple(n for n in names if n not in ("__dict__", "__weakref__"))


def values_of(kind: type, names: Set[str] | None = None) -> Iterator[Any]:
    """The values that stand in a class of the user's and in those that it is made of: no methods. `names` as above."""
    for k in own_classes(kind):
        for name, value in k.__dict__.items():
            if names is not None and name not in names:
                continue
            if not name.startswith("__") and not isinstance(value, _OF_CLASSES):
                yield value


def methods_of(kind: type, names: Set[str] | None = None) -> tuple:
    """Which functions stand in a class of the user's, of those that are looked at."""
    found: list[Any] = []
    for k in own_classes(kind):
        table = k.__dict__
        looked = table.keys() if names is None else table.keys() & names
        found += [
            (name, which(table[name]))
            for name in sorted(looked)
            if isinstance(table[name], _OF_CLASSES)
        ]
        if "__call__" in table:
            found.append(which(table["__call__"]))
    return tuple(found)


OF_ALL = frozenset((
    "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "_backward_pre_hooks", "_backward_hooks",
    "_is_full_backward_hook", "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks", "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_compiled_call_impl", "_compiled_methods",
))  # fmt: skip


def settings_of(m: Any) -> list:
    """What was stored on a module besides parameters, buffers and modules; under names with an underscore only by classes of the user's."""
    ours = is_ours(type(m))
    return [v for k, v in m.__dict__.items() if k[0] != "_" or not (ours or k in OF_ALL)]


def hooks_of(m: Any) -> tuple:
    """The tables of a module's hooks that run in a call of it or in its backward."""
    return (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks, m._backward_pre_hooks)


def tree_state(m: Any, seen: set[int]) -> list:
    """The states of a module and of all modules in it, whichever these are now."""
    if id(m) in seen:
        return []
    seen.add(id(m))
    states = [module_state(m)]
    for child in m._modules.values():
        if child is not None:
            states += tree_state(child, seen)
    return states


def module_state(m: Any) -> tuple:
    """A module's class, tensors, hooks, and settings: mode, numbers, sizes, and what else was stored on it."""
    parameters = m._parameters.values()
    settings = [described(v) for v in settings_of(m)]
    tensors = [id(t) for t in (*parameters, *m._buffers.values())]
    hooks = [k for d in hooks_of(m) for k in (*d, None)]
    return (
        type(m),
        id(m),
        *[described(v) for v in values_of(type(m))],
        *hooks,
        *settings,
        *tensors,
        *[t is not None and t.requires_grad for t in parameters],
        *[hooks_on(t._node) for t in parameters if t is not None],
    )
