"""Dims, lists of them, and the functions that make several at once, named as the variables they are assigned to."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from .tensor import FirstClass


class DimensionMismatchError(Exception):
    """Two tensors whose dims do not fit together."""


class DimensionBindError(Exception):
    """A dim that is bound to one size already, or to none where one is needed."""


class Dim(FirstClass):
    """A dimension. It has a size once it was bound to one; as a tensor it is the indices along itself.

    >>> i, j = dims(sizes=[2, 3])
    >>> (10 * i + j).order(i, j)
    tensor([[ 0,  1,  2],
            [10, 11, 12]])
    """

    def __init__(self, name: str, size: int = -1) -> None:
        self._name, self._size = name, size

    @property
    def size(self) -> int:
        """How many elements there are along it; ValueError if it is not bound."""
        if self._size == -1:
            raise ValueError(f"dimension {self._name} is unbound")
        return self._size

    @size.setter
    def size(self, value: int) -> None:
        if self._size == -1:
            self._size = value
        elif self._size != value:
            raise DimensionBindError(
                f"Dim '{self._name}' previously bound to a dimension of size {self._size} cannot bind to a dimension of "
                f"size {value}"
            )

    @property
    def is_bound(self) -> bool:
        """Whether it has a size."""
        return self._size != -1

    @property
    def ndim(self) -> int:
        """1: as something to index with it stands for one dimension."""
        return 1

    def parts(self) -> tuple[Any, tuple[Dim, ...]]:
        from flambeau import arange

        return arange(self.size), (self,)

    def __repr__(self) -> str:
        return self._name

    __format__ = object.__format__


class DimList:
    """Several dims in a row, as many as it is bound to: of a length, of sizes, or of what is left of a tensor indexed with it."""

    def __init__(
        self, len_or_dims: int | Sequence[Any] | None = None, name: str | None = None
    ) -> None:
        self._name, self._dims, self._bound = name, list[Dim](), False
        if isinstance(len_or_dims, int):
            self.bind_len(len_or_dims)
        elif len_or_dims is not None:
            self._bound = True
            self._dims = [
                Dim(self._named(i), x)
                if isinstance(x, int)
                else x
                if isinstance(x, Dim)
                else Dim(x)
                for i, x in enumerate(len_or_dims)
            ]

    def _named(self, i: int) -> str:
        return f"{self._name or 'dim'}{i}"

    @property
    def is_bound(self) -> bool:
        """Whether its length is known."""
        return self._bound

    def bind_len(self, size: int) -> None:
        """Gives it a length; DimensionBindError if it has another."""
        if self._bound and len(self._dims) != size:
            raise DimensionBindError(
                f"Dimlist has size {len(self._dims)} but it is being bound to size {size}"
            )
        if not self._bound:
            self._bound, self._dims = True, [Dim(self._named(i)) for i in range(size)]

    def bind(self, sizes: Sequence[int]) -> None:
        """Gives it a length, and each dim a size."""
        if not hasattr(sizes, "__len__") or not hasattr(sizes, "__getitem__"):
            raise ValueError("expected a sequence")
        self.bind_len(len(sizes))
        for d, size in zip(self._dims, sizes):
            d.size = int(size)

    def size(self) -> int:
        """Its length."""
        if not self._bound:
            raise DimensionBindError("DimList not bound")
        return len(self._dims)

    __len__ = size

    def __getitem__(self, key: int | slice) -> Dim | tuple[Dim, ...]:
        n = self.size()
        if isinstance(key, slice):
            return tuple(self._dims[key])
        if not isinstance(key, int):
            raise ValueError("expected an int or a slice")
        if not 0 <= key < n:
            raise IndexError("index out of bounds")
        return self._dims[key]

    def __iter__(self) -> Iterator[Dim]:
        self.size()
        return iter(self._dims)

    def __repr__(self) -> str:
        if self._bound:
            return f"({', '.join(map(repr, self._dims))})"
        return "<unbound_dimlist>" if self._name is None else f"*{self._name}"

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return FirstClass.__torch_function__(func, types, args, kwargs)


def dims(n: int | None = None, sizes: Sequence[int | None] | None = None) -> Any:
    """New dims, one or a tuple: `n` of them, as many as `sizes`, or as many as there are variables on the left.

    >>> batch, channel = dims()
    >>> batch, channel
    (batch, channel)
    """
    made = [
        Dim(name, -1 if size is None else size)
        for name, size in zip(*_wanted("dims", n, sizes, sys._getframe(1)))
    ]
    return made[0] if len(made) == 1 else tuple(made)


def dimlists(n: int | None = None, sizes: Sequence[Any] | None = None) -> Any:
    """New lists of dims; a size is a length, or a list of sizes of which some may be None."""
    made = []
    for name, size in zip(*_wanted("dimlists", n, sizes, sys._getframe(1))):
        one = DimList(name=name)
        if size is not None:
            one.bind_len(size if isinstance(size, int) else len(size))
        for d, s in zip(one._dims, () if size is None or isinstance(size, int) else size):
            if s is not None:
                d.size = s
        made.append(one)
    return made[0] if len(made) == 1 else tuple(made)


def _wanted(
    name: str, n: int | None, sizes: Sequence[Any] | None, frame: FrameType
) -> tuple[list[str], list[Any]]:
    """The names and the sizes of what is to be made, for a call at which `frame` is."""
    found = _assigned(frame)
    count = n if n is not None else len(sizes) if sizes is not None else len(found)
    if not count and n is None and sizes is None:
        raise SyntaxError(
            f"{name}() must be assigned to a sequence of variable names or have argument n specified"
        )
    if sizes is not None and len(sizes) != count:
        raise ValueError(f"expected {count} sizes but found {len(sizes)}")
    names = found if len(found) == count else [f"d{i}" for i in range(count)]
    return names, list(sizes) if sizes is not None else [None] * count


def _assigned(frame: FrameType) -> list[str]:
    """The variables to which the result of the call that `frame` is at is assigned; [] if it is not that simple."""
    after = [i for i in dis.get_instructions(frame.f_code) if i.offset > frame.f_lasti]
    while after and after[0].opname in ("PRECALL", "CALL", "CACHE", "EXTENDED_ARG"):
        after.pop(0)
    count = 1
    if after and after[0].opname == "UNPACK_SEQUENCE":
        count = after.pop(0).arg or 0
    names: list[str] = []
    for i in after:
        if len(names) >= count or not i.opname.startswith("STORE_"):
            break
        stored = i.argval if isinstance(i.argval, tuple) else (i.argval,)  # two in one
        names += stored[: i.opname.count("STORE_")]
    return names if len(names) == count and all(isinstance(n, str) for n in names) else []
