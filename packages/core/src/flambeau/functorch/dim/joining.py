"""`stack`, `cat` and `split` with dims."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flambeau

from .dimensions import Dim
from .indexing import axis
from .tensor import aligned, batched_call, made, parts_of, place, union


def stack(tensors: Any, new_dim: Any = 0, dim: int = 0) -> Any:
    """The tensors one after the other along a new dim; with a number for it, `flambeau.stack`."""
    if not tensors:
        raise ValueError("stack expects a non-empty sequence of tensors")
    if not isinstance(new_dim, Dim):
        return batched_call(flambeau.stack, (tensors,), {"dim": new_dim or dim})
    parts = [parts_of(t) for t in tensors]
    every = union(p[1] for p in parts)
    new_dim.size = len(parts)
    return made(flambeau.stack([aligned(p, every, False) for p in parts]), (new_dim, *every))


def cat(tensors: Any, dim: Any = 0, new_dim: Any = None) -> Any:
    """The tensors joined along a dim or a dimension, which then is `new_dim`; without one, `flambeau.cat`."""
    if new_dim is None:
        return batched_call(flambeau.cat, (tensors, dim), {})
    if not tensors:
        raise ValueError("stack expects a non-empty sequence of tensors")
    parts = [parts_of(t) for t in tensors]
    every = union(p[1] for p in parts)
    values = [aligned(p, every, False) for p in parts]
    at = axis(values[0], every, dim)
    joined = flambeau.cat(values, at)
    new_dim.size = joined.shape[at]
    return made(joined.movedim(at, 0), (new_dim, *[d for i, d in enumerate(every) if i != at]))


def split(tensor: Any, split_size_or_sections: Any, dim: Any = 0) -> Any:
    """Pieces along a dim or a dimension, each with a dim of its own, given instead of their sizes.

    Dims without a size share evenly what the others leave.
    """
    sizes = split_size_or_sections
    by_dims = isinstance(sizes, (tuple, list)) and any(isinstance(s, Dim) for s in sizes)
    if not by_dims:
        if isinstance(dim, Dim):
            raise TypeError(
                "when dim is specified as a Dim object, split sizes must also be dimensions."
            )
        return batched_call(flambeau.split, (tensor, sizes), {"dim": dim})
    if not all(isinstance(s, Dim) for s in sizes):
        raise TypeError("split list must be ints or dims but got a mix")
    value, own = parts_of(tensor)
    if not isinstance(dim, Dim) and value.ndim == len(own):
        raise TypeError("split expects at least a 1-dimension tensor")
    if isinstance(dim, Dim) and place(own, dim) is None:
        raise TypeError(f"tensor does not contain dimension {dim}")
    at = axis(value, own, dim)
    _share(sizes, value.shape[at])
    pieces = flambeau.split(value, [s.size for s in sizes], at)
    rest = [d for i, d in enumerate(own) if i != at]
    return tuple([made(p.movedim(at, 0), (s, *rest)) for p, s in zip(pieces, sizes)])


def _share(sizes: Sequence[Dim], total: int) -> None:
    """Sizes for those dims that have none."""
    known = sum(s.size for s in sizes if s.is_bound)
    unbound = [s for s in sizes if not s.is_bound]
    if unbound and known > total:
        raise TypeError(
            f"sizes of target dimensions add up to more ({known}) than source dim ({total})"
        )
    if not unbound and known != total:
        raise TypeError(
            f"sum of sizes of target dimensions ({known}) do not match the source dim ({total})"
        )
    left = total - known
    each = -(-left // len(unbound)) if unbound else 0
    for s in unbound:
        s.size = min(each, left)
        left -= s.size


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "stack": stack,
    "cat": cat,
    "split": split,
    "split_with_sizes": split,
}
