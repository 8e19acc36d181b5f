"""vmap: a function written for one element, run once for a batch. The interpreter is `transforms.batch`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .._base import pytree
from ..runtime import random, state
from ..runtime.tensor import Tensor
from ..transforms.batch import BatchedTensor, batched
from ..transforms.wrapper import new_level
from .wrapped import name_of


class Batch:
    """One vmap in force: how random draws inside it behave."""

    def __init__(self, size: int, level: int, randomness: str) -> None:
        self.size, self.level, self.randomness = size, level, randomness

    def wrap(self, value: Tensor) -> Tensor:
        return batched(value, self.size, self.level)


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that maps `func` over a dimension of its inputs, in one pass.

    Args:
        in_dims: which dimension of each argument is the batch's, None where there is none; nested as the arguments are.
        out_dims: where it is put in each result; None for a result that is the same for all.
        randomness: "error" refuses random numbers inside, "different" draws them for each element, "same" once.
        chunk_size: how many elements go at once; all unless given.

    >>> import flambeau
    >>> flambeau.func.vmap(flambeau.dot)(flambeau.ones(2, 3), flambeau.ones(2, 3))
    tensor([3., 3.])
    """
    if randomness not in ("error", "same", "different"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )
    if chunk_size is not None and not (isinstance(chunk_size, int) and chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        flat, spec = pytree.flatten(args)
        dims = _input_dims(in_dims, args, spec, func)
        size = _common_size(flat, dims, in_dims, func)
        step = chunk_size or size
        parts = []
        again = _same_numbers(randomness if step < size else "")
        for at in range(0, max(size, 1), max(step, 1)):
            again()
            n = min(step, size - at)
            moved = [
                x
                if d is None
                else (x.movedim(d, 0) if n == size else x.movedim(d, 0).narrow(0, at, n))
                for x, d in zip(flat, dims)
            ]
            made = _mapped(func, moved, dims, spec, n, kwargs, randomness)
            parts.append(_results(*made, n, out_dims, func))
        return parts[0] if len(parts) == 1 else _joined(parts, out_dims)

    return run


def _same_numbers(randomness: str) -> Callable[[], None]:
    """Called before each piece: puts the random numbers back where pieces must draw the same."""
    if randomness != "same":
        return lambda: None
    start = random.get_rng_state()
    return lambda: random.set_rng_state(start)


# -- inputs -----------------------------------------------------------------------------------------------------------


def _spread(prefix: Any, spec: pytree.Spec) -> list | None:
    """`prefix`, whose leaves may stand for whole subtrees, as one entry per leaf of `spec`; None where it does not fit."""
    if prefix is None or isinstance(prefix, (int, float, str)):
        return [prefix] * _count(spec)
    if spec.cls is None:
        return None
    children, shape = pytree.flatten_one(prefix)
    if shape is None or (spec.cls, spec.context) != shape or len(children) != len(spec.children):
        return None
    out: list = []
    for child, below in zip(children, spec.children):
        found = _spread(child, below)
        if found is None:
            return None
        out.extend(found)
    return out


def _count(spec: pytree.Spec) -> int:
    return 1 if spec.cls is None else sum(map(_count, spec.children))


def _input_dims(in_dims: Any, args: tuple, spec: pytree.Spec, func: Any) -> list:
    """One dimension (or None) per leaf of `args`, checked."""
    who = f"vmap({name_of(func)}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple, list)):
        raise ValueError(
            f"{who}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
            f"got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name_of(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to "
            "vmap over a function with no inputs. The latter is unsupported."
        )
    given = tuple(in_dims) if isinstance(in_dims, list) else in_dims
    dims = _spread(given, spec)
    if dims is None:
        raise ValueError(
            f"{who}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{pytree.flatten(given)[1]} but inputs has structure {spec}."
        )
    return dims


def _common_size(flat: list, dims: list, in_dims: Any, func: Any) -> int:
    who = f"vmap({name_of(func)}, in_dims={in_dims}, ...)(<inputs>)"
    sizes = []
    for x, d in zip(flat, dims):
        if d is None:
            continue
        if not isinstance(d, int):
            raise ValueError(
                f"{who}: Got in_dim={d} for an input but in_dim must be either an integer dimension or None."
            )
        if not isinstance(x, Tensor):
            raise ValueError(
                f"{who}: Got in_dim={d} for an input but the input is of type {type(x)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -x.ndim <= d < x.ndim:
            raise ValueError(
                f"{who}: Got in_dim={d} for some input, but that input is a Tensor of dimensionality {x.ndim} so "
                f"expected in_dim to satisfy -{x.ndim} <= in_dim < {x.ndim}."
            )
        sizes.append(x.shape[d])
    if not sizes:
        raise ValueError(
            f"{who}: at least one input must have a dimension to map over; all in_dims are None"
        )
    if len(set(sizes)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return sizes[0]


# -- the run and its results ------------------------------------------------------------------------------------------


def _mapped(
    func: Any, flat: list, dims: list, spec: Any, size: int, kwargs: dict, randomness: str
) -> tuple[Any, int]:
    """What `func` gives for the whole batch, still wrapped, and the level of the wrappers."""
    level = new_level()
    wrapped = [x if d is None else batched(x, size, level) for x, d in zip(flat, dims)]
    outer = state.local.batch
    state.local.batch = (*outer, Batch(size, level, randomness))
    try:
        return func(*pytree.unflatten(wrapped, spec), **kwargs), level
    finally:
        state.local.batch = outer


def _results(made: Any, level: int, size: int, out_dims: Any, func: Any) -> Any:
    """The wrapped results as batches, the batch dimension where `out_dims` wants it."""
    flat, spec = pytree.flatten(made)
    dims = _output_dims(out_dims, made, spec, func)
    return pytree.unflatten([_unwrapped(x, d, size, level, func) for x, d in zip(flat, dims)], spec)


def _output_dims(out_dims: Any, made: Any, spec: pytree.Spec, func: Any) -> list:
    who = f"vmap({name_of(func)}, ..., out_dims={out_dims})"
    for d in pytree.flatten(out_dims)[0]:
        if not (d is None or isinstance(d, int)):
            raise ValueError(
                f"{who}: `out_dims` must be an int, None or a python collection of ints representing where in the "
                "outputs the vmapped dimension should appear."
            )
    given = out_dims
    if spec.cls is None and isinstance(out_dims, (tuple, list)) and len(out_dims) == 1:
        given = out_dims[0]
    dims = _spread(given, spec)
    if dims is None:
        raise ValueError(
            f"{who}(<inputs>): out_dims is not compatible with the structure of `outputs`. out_dims has structure "
            f"{pytree.flatten(out_dims)[1]} but outputs has structure {spec}."
        )
    return dims


def _unwrapped(x: Any, d: int | None, size: int, level: int, func: Any) -> Any:
    name = name_of(func)
    mine = isinstance(x, BatchedTensor) and x._level == level
    if d is None:
        if mine:
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
            )
        return x
    if not isinstance(x, Tensor):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(x)}. Did you mean to set out_dims= "
            "to None for output?"
        )
    value = x.value if mine else x.unsqueeze(0).expand((size, *x.shape))  # type: ignore[attr-defined]
    return value if d == 0 else value.movedim(0, d)


def _joined(parts: list, out_dims: Any) -> Any:
    """The results of several chunks along the batch dimension."""
    from ..ops.joining import cat

    flats = [pytree.flatten(p)[0] for p in parts]
    spec = pytree.flatten(parts[0])[1]
    given = out_dims[0] if spec.cls is None and isinstance(out_dims, (tuple, list)) else out_dims
    dims = _spread(given, spec) or [0] * len(flats[0])
    joined = [rows[0] if d is None else cat(list(rows), d) for rows, d in zip(zip(*flats), dims)]
    return pytree.unflatten(joined, spec)
