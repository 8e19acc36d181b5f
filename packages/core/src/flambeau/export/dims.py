"""Sizes that stay open in exported programs: by name, computed from others, or found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

from .._base import pytree
from ..runtime.tensor import Tensor


class Range(NamedTuple):
    """The least and the greatest size; None for no bound."""

    lower: int
    upper: int | None


class Hint:
    """What `Dim.AUTO`, `Dim.DYNAMIC` and `Dim.STATIC` are."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Dim.{self.name}"


class Dim:
    """A size that stays open, by name: inputs that have the same `Dim` have the same size there.

    `2 * batch` and `batch + 1` are sizes computed from it. `Dim.DYNAMIC` stands for a size with a name of its own, `Dim.AUTO`
    for one that stays open if it can, `Dim.STATIC` for a fixed one.

    >>> import flambeau
    >>> flambeau.export.Dim("batch", min=1, max=64)
    Dim('batch', min=1, max=64)
    """

    AUTO, DYNAMIC, STATIC = Hint("AUTO"), Hint("DYNAMIC"), Hint("STATIC")
    factor, offset = 1, 0

    def __init__(self, name: str, *, min: int = 0, max: int | None = None) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"Dim: the name must be an identifier, but got {name!r}")
        if max is not None and max < min:
            raise ValueError(f"Dim {name}: max is {max}, which is less than min, {min}")
        self.name = self.__name__ = name
        self.min, self.max = min, max

    def __repr__(self) -> str:
        return f"Dim({self.name!r}, min={self.min}, max={self.max})"

    @property
    def root(self) -> Dim:
        """The size that this one is computed from: itself."""
        return self

    def __mul__(self, other: int) -> Dim:
        return Computed(self.root, self.factor * other, self.offset * other)

    def __add__(self, other: int) -> Dim:
        return Computed(self.root, self.factor, self.offset + other)

    def __sub__(self, other: int) -> Dim:
        return self + -other

    __rmul__, __radd__ = __mul__, __add__

    def at(self, sizes: Mapping[str, int]) -> int:
        """The size, given those of the names."""
        return self.factor * sizes[self.root.name] + self.offset

    def of(self, size: int) -> int | None:
        """The size of the root where this one is `size`; None where it cannot be."""
        whole, rest = divmod(size - self.offset, self.factor)
        return None if rest else whole


class Computed(Dim):
    """A size computed from another: a multiple of it and a number."""

    def __init__(self, root: Dim, factor: int, offset: int) -> None:
        if type(factor) is not int or type(offset) is not int or factor < 1:
            raise TypeError("Dim: a size is computed by a positive whole factor and a whole number")
        self._root, self.factor, self.offset = root, factor, offset
        self.name = self.__name__ = repr(self)
        self.min = self.at({root.name: root.min})
        self.max = None if root.max is None else self.at({root.name: root.max})

    @property
    def root(self) -> Dim:
        """The size that this one is computed from."""
        return self._root

    def __repr__(self) -> str:
        shown = self._root.name if self.factor == 1 else f"{self.factor}*{self._root.name}"
        return f"{shown} + {self.offset}" if self.offset else shown


def dims(*names: str, min: int = 0, max: int | None = None) -> tuple[Dim, ...]:
    """Several `Dim`s.

    >>> import flambeau
    >>> flambeau.export.dims("batch", "time", max=128)
    (Dim('batch', min=0, max=128), Dim('time', min=0, max=128))
    """
    return tuple(Dim(name, min=min, max=max) for name in names)


Places = list[dict[int, Any]]  # for each tensor: its open dimensions


class _Where:
    """The open dimensions of one tensor, as a leaf of a tree."""

    def __init__(self, dims: dict[int, Any]) -> None:
        self.dims = dims


def by_argument(names: Sequence[tuple[str, Any]], given: Any) -> dict[str, Any]:
    """What `dynamic_shapes` says, by argument name."""
    known = [n for n, _ in names]
    if given is None:
        return {}
    if isinstance(given, (tuple, list)):
        if len(given) != len(known):
            raise ValueError(
                f"export.export: dynamic_shapes has {len(given)} entries for {len(known)} arguments"
            )
        return dict(zip(known, given))
    if unknown := set(given) - set(known):
        raise ValueError(
            f"export.export: dynamic_shapes names {sorted(unknown)}, but the arguments are {known}"
        )
    return dict(given)


def places(names: Sequence[tuple[str, Any]], given: Any) -> Places:
    """For each tensor of the arguments, in their order: its open dimensions."""
    by_name = by_argument(names, given)
    made: Places = []
    for name, tree in names:
        leaves = pytree.flatten(_matched(name, tree, by_name.get(name)))[0]
        made += [w.dims for w in leaves if isinstance(w, _Where)]
    return made


def _matched(name: str, tree: Any, entry: Any) -> Any:
    """`tree` with a `_Where` in the place of each tensor; `entry` is nested as it is, or None."""
    if isinstance(tree, Tensor):
        return _Where(_of_tensor(name, tree, entry))
    if isinstance(tree, Mapping):
        if entry is not None and (not isinstance(entry, Mapping) or set(entry) != set(tree)):
            raise ValueError(
                f"export.export: dynamic_shapes of {name!r} must have the keys {list(tree)}, but got {entry!r}"
            )
        return type(tree)({k: _matched(name, v, entry and entry[k]) for k, v in tree.items()})  # type: ignore[call-arg]
    if isinstance(tree, (tuple, list)):
        if entry is not None and (not isinstance(entry, (tuple, list)) or len(entry) != len(tree)):
            size = len(entry) if isinstance(entry, (tuple, list, dict)) else 1
            raise ValueError(
                f"export.export: dynamic_shapes of {name!r} has {size} entries for {len(tree)} tensors"
            )
        parts = [_matched(name, v, e) for v, e in zip(tree, entry or [None] * len(tree))]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return pytree.map_(lambda x: _Where({}) if isinstance(x, Tensor) else x, tree)


def _of_tensor(name: str, x: Tensor, entry: Any) -> dict[int, Any]:
    where = {}
    for d, dim in entry.items() if isinstance(entry, Mapping) else enumerate(entry or ()):
        if dim is None or dim is Dim.STATIC or type(dim) is int:
            if type(dim) is int and x.shape[d] != dim:
                raise ValueError(
                    f"export.export: dynamic_shapes says that dimension {d} of {name!r} is {dim}, but it is {x.shape[d]}"
                )
            continue
        if not isinstance(dim, (Dim, Hint)):
            raise TypeError(
                f"export.export: dynamic_shapes of {name!r}: expected a Dim or None, but got {dim!r}"
            )
        if not -x.ndim <= d < x.ndim:
            raise ValueError(
                f"export.export: dynamic_shapes names dimension {d} of {name!r}, which has {x.ndim}"
            )
        where[d % x.ndim] = dim
    return where


def readings(found: Places, tensors: Sequence[Tensor]) -> Iterator[Places]:
    """What hints may mean, the most general first: every size of its own, equal sizes one, those that may be are fixed."""
    if not any(isinstance(d, Hint) for where in found for d in where.values()):
        yield found
        return
    taken = {d.root.name for where in found for d in where.values() if isinstance(d, Dim)}
    for shared, fixed in ((False, False), (True, False), (True, True)):
        free = (name for i in count() if (name := f"s{i}") not in taken)
        by_size: dict[int, Dim] = {}
        made: Places = []
        for where, x in zip(found, tensors):
            dims: dict[int, Any] = {}
            for d, dim in where.items():
                n = int(x.shape[d])
                if isinstance(dim, Dim):
                    dims[d] = dim
                elif dim is Dim.DYNAMIC or (not fixed and n > 1):
                    if not shared or n not in by_size:
                        by_size[n] = Dim(next(free))
                    dims[d] = by_size[n]
            made.append(dims)
        yield made
