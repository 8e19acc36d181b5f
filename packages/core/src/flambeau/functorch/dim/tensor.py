"""Tensors with first-class dimensions: a plain tensor, whose leading dimensions belong to dims, and those dims.

A function called on them (`__torch_function__`) is run under one level of `vmap` for each dim involved, so that every function
works, gradients and writes included. Functions along dims (`sum(i)`) are run on the plain tensor, and a sum of a product is one
contraction: the product is not computed before somebody asks for it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import flambeau

from ..._base import pytree
from ...func.batch import Batch
from ...runtime import state
from ...runtime.inference import writes
from ...transforms.batch import BatchedTensor, batched
from ...transforms.wrapper import new_level

if TYPE_CHECKING:
    from .dimensions import Dim

Parts = tuple[Any, tuple["Dim", ...]]


class FirstClass:
    """What dims and tensors with dims share: they have all methods of tensors."""

    __hash__ = object.__hash__

    def parts(self) -> Parts:
        """The plain tensor, and the dims of its leading dimensions."""
        raise NotImplementedError

    @property
    def dims(self) -> tuple[Dim, ...]:
        """The dims of this tensor, in the order of its memory."""
        return self.parts()[1]

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return called(func, args, kwargs or {})

    def __getattr__(self, name: str) -> Any:
        found = getattr(flambeau.Tensor, name)
        if callable(found):
            return functools.partial(_method, found, self)
        return called(lambda t: getattr(t, name), (self,), {})

    def order(self, *dims: Any) -> Any:
        """The dims given become dimensions, in this order, before those that there are; several in a tuple become one."""
        from .indexing import order

        return order(self, dims)

    def index(self, dims: Any, indices: Any) -> Any:
        """As `functorch.dim.index`."""
        from .indexing import index

        return index(self, dims, indices)

    def expand(self, *sizes: Any) -> Any:
        """With dims: the same element for all of their values."""
        return expand(self, sizes)

    def __getitem__(self, key: Any) -> Any:
        from .indexing import getitem

        return getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        from .indexing import setitem

        setitem(self, key, value)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.unbind(0))


def _method(function: Callable[..., Any], owner: FirstClass, *args: Any, **kwargs: Any) -> Any:
    """A tensor's method called on a tensor with dims."""
    return called(function, (owner, *args), kwargs)


class Tensor(FirstClass):
    """A tensor with dims."""

    def __init__(self, value: Any, dims: Sequence[Dim]) -> None:
        self._parts: Parts | None = (value, tuple(dims))
        self.factors: tuple[Parts, Parts] | None = None
        self.versions: tuple[int, ...] = ()

    def parts(self) -> Parts:
        if self._parts is None:
            a, b = self.unwritten_factors()
            every = union([a[1], b[1]])
            self._parts = flambeau.mul(aligned(a, every), aligned(b, every)), every
        return self._parts

    def unwritten_factors(self) -> tuple[Parts, Parts]:
        """The factors of a product; RuntimeError if they are no longer what they were when it was taken."""
        assert self.factors is not None
        if self.versions != tuple([writes(f[0]) for f in self.factors]):
            raise RuntimeError(
                "a factor of a product of tensors with dims was written in place before the product was used; clone it, "
                "or use the product first"
            )
        return self.factors

    @property
    def dims(self) -> tuple[Dim, ...]:
        return self.parts()[1] if self.factors is None else union([f[1] for f in self.factors])

    @property
    def ndim(self) -> int:
        """The number of dimensions that belong to no dim."""
        return 0 if self.factors else self.parts()[0].ndim - len(self.dims)

    def dim(self) -> int:
        """As `ndim`."""
        return self.ndim

    def __repr__(self) -> str:
        value, dims = self.parts()
        every = (*dims, *range(value.ndim - len(dims)))
        return f"{value}\nwith dims={every} sizes={tuple(value.shape)}"


def made(value: Any, dims: Sequence[Dim]) -> Any:
    """A tensor of `value` with dims, if there are any."""
    return Tensor(value, dims) if dims else value


def parts_of(x: Any) -> Parts:
    """The plain tensor and the dims of any tensor."""
    return x.parts() if isinstance(x, FirstClass) else (x, ())


def place(dims: Sequence[Dim], dim: Any) -> int | None:
    """Where a dim stands among others; `==` of dims makes tensors."""
    return next((i for i, d in enumerate(dims) if d is dim), None)


def union(several: Iterable[Sequence[Dim]]) -> tuple[Dim, ...]:
    """Each dim once, in the order of appearance."""
    return tuple(dict.fromkeys(d for dims in several for d in dims))


def aligned(parts: Parts, dims: Sequence[Dim], ones: bool = True) -> Any:
    """The plain tensor with exactly `dims` in front: those it lacks have size one, or without `ones` their own size."""
    value, own = parts
    rest = range(len(own), value.ndim)
    there = [p for p in (place(own, d) for d in dims) if p is not None]
    value = value.permute((*there, *rest))
    for i, d in enumerate(dims):
        if place(own, d) is None:
            value = value.unsqueeze(i)
    if not ones:
        value = value.expand(*[d.size for d in dims], *value.shape[len(dims) :])
    return value


# -- calls -------------------------------------------------------------------------------------------------------------


def called(func: Any, args: tuple, kwargs: dict[str, Any], name: str = "") -> Any:
    """A function of tensors, some of them with dims; `name` if its own says nothing."""
    from . import joining

    name = name or getattr(func, "__name__", "")
    special = SPECIAL.get(name)
    if special is not None:
        return special(*args, **kwargs)
    if name in joining.FUNCTIONS:
        return joining.FUNCTIONS[name](*args, **kwargs)
    if name in ("mul", "__mul__", "__rmul__", "multiply") and len(args) == 2 and not kwargs:
        product = delayed(*args)
        if product is not None:
            return product
    along = dims_given(func, args, kwargs)
    if along is not None:
        return along_dims(func, args, kwargs, *along)
    return batched_call(func, args, kwargs)


def batched_call(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """The call with a level of `vmap` for each dim."""
    flat, spec = pytree.flatten((args, kwargs))
    every = union(parts_of(x)[1] for x in flat if isinstance(x, FirstClass))
    levels = {d: new_level() for d in every}

    def wrapped(x: Any) -> Any:
        if not isinstance(x, FirstClass):
            return x
        value, own = x.parts()
        inside = sorted(own, key=levels.__getitem__)
        value = aligned((value, own), inside)
        for d in inside:
            value = batched(value, d.size, levels[d])
        return value

    of_level = {level: d for d, level in levels.items()}

    def unwrapped(x: Any) -> Any:
        found: list[Dim] = []
        while isinstance(x, BatchedTensor) and x._level in of_level:
            found.insert(0, of_level[x._level])
            x = x.value
        return made(x, found)

    args, kwargs = pytree.unflatten([wrapped(x) for x in flat], spec)
    outer = state.local.batch
    state.local.batch = (*outer, *[Batch(d.size, levels[d], "different") for d in every])
    try:
        result = func(*args, **kwargs)
    finally:
        state.local.batch = outer
    return pytree.map_(unwrapped, result)


def delayed(a: Any, b: Any) -> Any:
    """The product of two tensors of floats that have dims only, not computed yet; None for other operands."""
    if not all(isinstance(x, (FirstClass, flambeau.Tensor)) for x in (a, b)):
        return None
    factors = parts_of(a), parts_of(b)
    if any(v.ndim != len(dims) or not v.is_floating_point() for v, dims in factors):
        return None
    product = Tensor(None, ())
    product._parts, product.factors = None, factors
    product.versions = tuple([writes(v) for v, _ in factors])
    return product


# -- functions along dims ----------------------------------------------------------------------------------------------


def dims_given(func: Any, args: tuple, kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
    """The key of the argument `dim` and its value, where it names dims; None where it does not."""
    from .dimensions import Dim

    if not args or not isinstance(args[0], (FirstClass, flambeau.Tensor)):
        return None
    if "dim" in kwargs:
        key: Any = "dim"
        given = kwargs["dim"]
    else:
        names = parameters(func)
        key = names.index("dim") if "dim" in names else -1
        if not 0 < key < len(args):
            return None
        given = args[key]
        if key == 1 and len(args) > 2 and all(isinstance(a, Dim) for a in args[1:]):
            given = args[1:]
    several = given if isinstance(given, (tuple, list)) else (given,)
    return (key, given) if any(isinstance(d, Dim) for d in several) else None


def parameters(func: Any) -> list[str]:
    """The names of a function's parameters."""
    op = getattr(func, "op", None)
    if op is not None:
        return list(op.params)
    try:
        return list(inspect.signature(func).parameters)
    except (TypeError, ValueError):
        return []


def along_dims(func: Any, args: tuple, kwargs: dict[str, Any], key: Any, given: Any) -> Any:
    """The call on the plain tensor, along the dimensions that belong to the dims."""
    x = args[0]
    dims = x.dims
    several = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    name = getattr(func, "__name__", "")
    if name == "sum" and isinstance(x, Tensor) and x.factors and len(args) + len(kwargs) == 2:
        if x._parts is None and all(place(dims, d) is not None for d in several):
            return contracted(x.unwritten_factors(), several)
    value, dims = x.parts()
    if kwargs.get("keepdim"):
        raise ValueError("cannot preserve first-class dimensions with keepdim=True")
    at = []
    for d in several:
        where = place(dims, d)
        if where is None and isinstance(d, int):
            where = d + value.ndim if d < 0 else d + len(dims)
        if where is None:
            shown = (*dims, *range(value.ndim - len(dims)))
            raise ValueError(f"Tensor with dimensions {shown} does not contain {d}")
        at.append(where)
    where_to: Any = at[0] if len(at) == 1 else tuple(at)
    if key == "dim":
        result = func(value, *args[1:], **{**kwargs, "dim": where_to})
    else:
        rest = () if several is given and len(args) > 2 and given is args[1:] else args[key + 1 :]
        result = func(value, *args[1:key], where_to, *rest, **kwargs)
    kept = [d for i, d in enumerate(dims) if i not in at]

    def with_dims(t: Any) -> Any:
        if not isinstance(t, flambeau.Tensor):
            return t
        if t.ndim == value.ndim:
            if any(t.shape[i] != d.size for i, d in enumerate(dims)):
                raise ValueError(f"{name}: the result has another size than the dim {several[0]}")
            return made(t, dims)
        return made(t, kept)

    return pytree.map_(with_dims, result)


def contracted(factors: tuple[Parts, Parts], along: Sequence[Any]) -> Any:
    """The sum over dims of a product that was not computed, as one contraction."""
    every = union([f[1] for f in factors])
    letters = {d: i for i, d in enumerate(every)}
    kept = [d for d in every if place(along, d) is None]
    operands: list[Any] = []
    for value, dims in factors:
        operands += [value, [letters[d] for d in dims]]
    return made(flambeau.einsum(*operands, [letters[d] for d in kept]), kept)


def softmax(input: Any, dim: Any, dtype: Any = None) -> Any:
    """`flambeau.softmax` along a dim or a dimension."""
    return called(flambeau.softmax, (input, dim), {} if dtype is None else {"dtype": dtype})


def expand(x: Any, sizes: tuple) -> Any:
    """`expand`, to which dims may be given: in front, the same for all of their values."""
    from .dimensions import Dim, DimensionBindError

    if not sizes or not all(isinstance(d, Dim) for d in sizes):
        return batched_call(flambeau.Tensor.expand, (x, *sizes), {})
    value, dims = parts_of(x)
    for i, d in enumerate(sizes):
        if place(dims, d) is not None or place(sizes[:i], d) is not None:
            raise DimensionBindError(f"expanding dimension {d} already exists in tensor with dims")
    return made(value.expand(*[d.size for d in sizes], *value.shape), (*sizes, *dims))


def _later(name: str) -> Callable[..., Any]:
    """A function of `indexing`, which imports this module."""

    def call(*args: Any, **kwargs: Any) -> Any:
        from . import indexing

        return getattr(indexing, name)(*args, **kwargs)

    return call


SPECIAL: dict[str, Callable[..., Any]] = {
    "__getitem__": _later("getitem"),
    "getitem": _later("getitem"),
    "__setitem__": _later("setitem"),
    "setitem": _later("setitem"),
    "index": _later("index"),
    "expand": lambda x, *sizes: expand(x, sizes),
}


def _operator(name: str) -> Callable[..., Any]:
    method = getattr(flambeau.Tensor, name)

    def call(self: FirstClass, *args: Any) -> Any:
        return called(method, (self, *args), {}, name)

    call.__name__ = name
    return call


for _name in [n for n in dir(flambeau.Tensor) if n.startswith("__")]:
    _inherited = getattr(object, _name, None)
    if callable(getattr(flambeau.Tensor, _name)) and (
        _inherited is None or _name in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
    ):
        if _name not in FirstClass.__dict__ and not _name.startswith(
            ("__array", "__dlpack", "__index")
        ):
            setattr(FirstClass, _name, _operator(_name))
