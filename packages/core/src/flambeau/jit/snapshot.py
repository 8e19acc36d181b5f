"""Whether a call changes Python objects: a program does not make such changes again.

A `Snapshot` walks through what a function reaches (closure, globals, defaults, `self`), by way of attributes, slots, items,
iterators and the user's classes, and remembers what stood where. Tensors count by identity; what the tape, optimizers and random
generators of flambeau's own keep is theirs to tell.
"""

from __future__ import annotations

import types
import warnings
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any

from ..runtime.tensor import Tensor
from .descriptions import CONTAINERS, HOLDING, OF_ALL, PACKAGES, PLAIN, held_by, slots_of
from .owners import is_module, is_of_package, is_ours, is_pythons, kept_by_step

MOST = 20_000  # objects that are looked at
_LEAVES = (
    type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.CodeType, property,
    staticmethod, classmethod,
)  # fmt: skip


class Snapshot:
    """What some named objects, and all that they lead to, are like at this moment."""

    def __init__(self, roots: list[tuple[str, Any]]) -> None:
        self.roots = roots
        self.found = self._walk()

    def changed(self) -> str | None:
        """Where something is another than it was: `self.last`, `log[3]`. None: nothing has changed."""
        now = self._walk()
        for (path, before, *_), (_, after, *_) in zip(self.found, now):
            if before != after:
                return path
        return None if len(now) == len(self.found) else self.roots[0][0]

    def _walk(self) -> list[tuple[str, Any, Any]]:
        """Path, what stands there, and the object, which must not go: another might get its place in memory."""
        found: list[tuple[str, Any, Any]] = []
        seen: set[int] = set()
        ahead = deque([(path, x, 0) for path, x in self.roots])
        while ahead and len(found) < MOST:
            path, x, depth = ahead.popleft()
            if type(x) in PLAIN:
                found.append((path, (type(x), x if x == x else "nan"), x))
                continue
            of_tensor = (x.requires_grad, x.shape) if isinstance(x, Tensor) else None
            found.append((path, (type(x), id(x), of_tensor), x))
            if id(x) in seen or isinstance(x, (Tensor, *_LEAVES)):
                if isinstance(x, type) and id(x) not in seen and not is_ours(x):
                    seen.add(id(x))
                    ahead.extend([(p, v, depth + 1) for p, v in _of_class(path, x)])
                continue
            seen.add(id(x))
            kind: Any = type(x)
            if depth > PACKAGES and is_of_package(kind):
                continue
            parts = list(_parts(path, x))
            found.append((path, len(parts), x))
            ahead.extend([(p, v, depth + 1) for p, v in parts])
        return found


def _parts(path: str, x: Any) -> Iterator[tuple[str, Any]]:
    """What an object leads to."""
    if is_module(x):
        yield from _of_module(path, x)
        return
    kind = type(x)
    if hasattr(kind, "__next__"):
        for value in _position(x):
            yield path, value
        return
    if is_ours(kind):
        return
    if kind.__module__ == "random" or kind.__module__.startswith("numpy.random"):
        yield path, _dice(x)
        return
    loose = kind.__module__ in HOLDING and not isinstance(x, weakref.ref)
    if is_pythons(kind) and not loose and not isinstance(x, CONTAINERS):
        for value in held_by(x):
            yield path, value
        return
    if isinstance(x, dict):
        for i, (key, value) in enumerate(x.items()):
            yield f"{path}[{key!r}]" if type(key) in PLAIN else f"{path}[key {i}]", value
            yield f"a key of {path}", key
    elif isinstance(x, CONTAINERS):
        for i, value in enumerate(x):
            yield f"{path}[{i}]", value
    yield from _attributes(path, x)
    if kind.__module__ != "builtins":
        yield f"type({path})", kind


def _dice(x: Any) -> str:
    """The state of a random generator that is not flambeau's."""
    for read in ("getstate", "get_state"):
        if hasattr(x, read):
            return str([a.tolist() if hasattr(a, "tolist") else a for a in getattr(x, read)()])
    return str(getattr(getattr(x, "bit_generator", x), "state", None))


def _attributes(path: str, x: Any) -> Iterator[tuple[str, Any]]:
    own, kept = getattr(x, "__dict__", None), kept_by_step(type(x))
    if isinstance(own, dict):
        for name, value in own.items():
            if name not in kept:
                yield f"{path}.{name}", value
    for name, value in slots_of(x):
        yield f"{path}.{name}", value


def _of_module(path: str, m: Any) -> Iterator[tuple[str, Any]]:
    for table in (m._parameters, m._buffers, m._modules):
        for name, value in table.items():
            yield f"{path}.{name}", value
    yield f"{path}.training", m.training
    if not is_ours(type(m)):
        for name, value in m.__dict__.items():
            if name not in OF_ALL:
                yield f"{path}.{name}", value
        yield f"type({path})", type(m)


def _of_class(path: str, kind: type) -> Iterator[tuple[str, Any]]:
    """Values that stand in a class of the user's."""
    for name, value in vars(kind).items():
        if not name.startswith("__") and not isinstance(value, _LEAVES):
            yield f"{path}.{name}", value


def _position(x: Any) -> Iterator[Any]:
    """What tells where an iterator is, as far as that can be seen."""
    frame = getattr(x, "gi_frame", x)
    if frame is not x:
        own = () if frame is None else (frame.f_lasti, x.gi_yieldfrom, *frame.f_locals.values())
        yield from own
    elif type(x).__module__ in ("builtins", "itertools"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield from _flat(x.__reduce__()[1:])
        except TypeError:
            yield repr(x)
    else:
        yield from getattr(x, "__dict__", {}).values()


def _flat(x: Any) -> Iterator[Any]:
    if isinstance(x, (tuple, list)):
        for part in x:
            yield from _flat(part)
    else:
        yield x
