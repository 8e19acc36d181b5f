"""Rules that move entries without changing their values: transposes, selections, joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau
from flambeau._base import formats
from flambeau._base.checks import wrap_dim, wrap_dims
from flambeau.runtime.operator import registry
from flambeau.runtime.tensor import Tensor, history

from .patterns import chosen, counted, found, picked, pointers
from .tensor import (
    BLOCKS,
    CompressedTensor,
    CooTensor,
    coalesce,
    coo,
    sparse_rule,
    to_coo,
    values_of,
)
from .tensor import compressed as compressed_of

TURNED = {
    "sparse_csr": "sparse_csc",
    "sparse_csc": "sparse_csr",
    "sparse_bsr": "sparse_bsc",
    "sparse_bsc": "sparse_bsr",
}


def _settled(x: CooTensor) -> CooTensor:
    """Coalesced where a gradient is wanted, which has one number for each place."""
    return coalesce(x) if history(x) is not None else x


@sparse_rule("permute")
def permute(x: Any, *, dims: Sequence[int]) -> Any:
    """Dimensions in another order; sparse ones stay sparse, dense ones dense."""
    order = wrap_dims(tuple(dims), x.ndim) if x.ndim else ()
    if len(order) != x.ndim:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {x.ndim} is not equal to len(dims) = {len(order)}"
        )
    if isinstance(x, CompressedTensor):
        return _turn(x, order)
    d = x._idx.shape[0]
    if any((to < d) != (at < d) for to, at in enumerate(order)):
        raise RuntimeError(
            "permute(sparse_coo): the first sparse_dim dimensions may be permuted among themselves, and so may the "
            f"dense ones, but not mixed; got {list(order)} with {d} sparse dimensions"
        )
    x = _settled(x)
    values = values_of(x)
    if x.ndim > d:
        values = values.permute((0, *(at - d + 1 for at in order[d:])))
    sizes = [x._sizes[at] for at in order]
    indices = chosen(x._idx, order[:d])
    kept = x._coalesced and order[:d] == tuple(range(d))
    return coo(indices, values, sizes, kept or (x._coalesced and x._idx.shape[1] < 2))


def _turn(x: CompressedTensor, order: tuple[int, ...]) -> CompressedTensor:
    b = len(x.batch)
    usual = tuple(range(x.ndim))
    if order == usual:
        return x.with_values(values_of(x))
    if order != (*usual[:b], b + 1, b, *usual[b + 2 :]):
        raise RuntimeError(
            f"transpose: only the two sparse dimensions of a {x.layout} tensor can be transposed"
        )
    layout = getattr(formats, TURNED[x.layout.name])
    values = values_of(x)
    if x.layout.name in BLOCKS:
        values = values.transpose(b + 1, b + 2)
    return compressed_of(x._comp, x._plain, values, [x._sizes[i] for i in order], layout)


@sparse_rule("unsqueeze")
def _(x: Any, *, dim: int) -> Any:
    x = _coordinates("unsqueeze", x)
    at = dim + x.ndim + 1 if dim < 0 else dim
    if not 0 <= at <= x.ndim:
        wrap_dim(dim, x.ndim + 1)
    d = x._idx.shape[0]
    sizes = [*x._sizes[:at], 1, *x._sizes[at:]]
    if at > d:
        return coo(x._idx, values_of(_settled(x)).unsqueeze(at - d + 1), sizes, x._coalesced)
    x = _settled(x)
    zero = x._idx.new_zeros(1, x._idx.shape[1])
    indices = flambeau.cat([x._idx[:at], zero, x._idx[at:]])
    return coo(indices, values_of(x), sizes, x._coalesced)


@sparse_rule("squeeze")
def _(x: Any, *, dim: Any = None) -> Any:
    x = _settled(_coordinates("squeeze", x))
    d = x._idx.shape[0]
    gone = [i for i in wrap_dims(dim, x.ndim) if x._sizes[i] == 1] if x.ndim else []
    values = values_of(x)
    for i in sorted((i for i in gone if i >= d), reverse=True):
        values = values.squeeze(i - d + 1)
    kept = [i for i in range(d) if i not in gone]
    sizes = [n for i, n in enumerate(x._sizes) if i not in gone]
    return coo(chosen(x._idx, kept), values, sizes, x._coalesced)


def _coordinates(name: str, x: Any) -> CooTensor:
    if not isinstance(x, CooTensor):
        raise RuntimeError(
            f"{name}: not for {x.layout} tensors, which have two sparse dimensions always"
        )
    return x


@sparse_rule("select")
def select(x: Any, *, dim: int, index: int) -> Any:
    """One slice of a dimension: a strided tensor where no sparse dimension is left."""
    at = wrap_dim(dim, x.ndim, scalar=False) if x.ndim else wrap_dim(dim, 0, scalar=False)
    n = x._sizes[at]
    if not -n <= index < n:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(x.shape)} at dimension {at}"
        )
    index = index + n if index < 0 else index
    x = coalesce(to_coo(x))
    d, sizes = x._idx.shape[0], [*x._sizes[:at], *x._sizes[at + 1 :]]
    if at >= d:
        return coo(x._idx, values_of(x).select(at - d + 1, index), sizes, x._coalesced)
    mine = (x._idx[at] == index).nonzero(as_tuple=True)[0]
    values = values_of(x).index_select(0, mine)
    if d == 1:
        return values.sum(0)
    kept = [i for i in range(d) if i != at]
    return coo(chosen(x._idx, kept).index_select(1, mine), values, sizes, x._coalesced)


@sparse_rule("window")
def window(x: Any, *, dim: int, start: int, stop: int, step: int = 1) -> Any:
    """Part of a dimension, the entries in it counted from its start."""
    x = _settled(_coordinates("slice", x))
    d, length = x._idx.shape[0], len(range(start, stop, step))
    sizes = [*x._sizes[:dim], length, *x._sizes[dim + 1 :]]
    if dim >= d:
        cut = registry["window"].public
        return coo(x._idx, cut(values_of(x), dim - d + 1, start, stop, step), sizes, x._coalesced)
    row = x._idx[dim] - start
    inside = (row >= 0) & (row < stop - start) & (row % step == 0)
    mine = inside.nonzero(as_tuple=True)[0]
    indices = x._idx.index_select(1, mine)
    parts = [*indices.unbind(0)]
    parts[dim] = (parts[dim] - start) // step
    return coo(flambeau.stack(parts), values_of(x).index_select(0, mine), sizes, x._coalesced)


@sparse_rule("narrow")
def _(input: Any, dim: int, start: Any, length: int) -> Any:
    return narrow(input, dim, start, length)


def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """`length` slices of a dimension from `start` on."""
    at, start = wrap_dim(dim, input.ndim), int(start)
    n = input.shape[at]
    start = start + n if start < 0 else start
    if length < 0 or start < 0 or start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return window(input, dim=at, start=start, stop=start + length)


@sparse_rule("basic_index")
def _(x: Any, *, key: tuple) -> Any:
    out, dim = x, 0
    full = x.ndim - sum(1 for k in key if k is not None and k is not Ellipsis)
    for k in key:
        if k is Ellipsis:
            dim += full
        elif k is None:
            out, dim = out.unsqueeze(dim), dim + 1
        elif isinstance(k, slice):
            start, stop, step = k.indices(out.shape[dim])
            if (start, stop, step) != (0, out.shape[dim], 1):
                stop = start + len(range(start, stop, step)) * step
                out = window(out, dim=dim, start=start, stop=stop, step=step)
            dim += 1
        else:
            out = out.select(dim, k)
    return out if out is not x else x.with_values(values_of(x))


@sparse_rule("index_select")
def _(input: Any, dim: int, index: Tensor) -> Any:
    return index_select(input, dim, index)


def index_select(x: Any, dim: int, index: Tensor) -> CooTensor:
    """The slices that `index` names, each as often as it is named."""
    x = coalesce(_coordinates("index_select", x))
    at, d = wrap_dim(dim, x.ndim, scalar=False), x._idx.shape[0]
    n = x._sizes[at]
    index = index.reshape(-1).to(flambeau.int64)
    if index.shape[0] and not (-n <= int(index.min()) and int(index.max()) < n):
        raise IndexError(
            f"index_select(): index contains {int(index.max())} that is out of range for tensor of size "
            f"{list(x.shape)} at dimension {at}"
        )
    sizes = [*x._sizes[:at], index.shape[0], *x._sizes[at + 1 :]]
    if at >= d:
        return coo(x._idx, values_of(x).index_select(at - d + 1, index), sizes, x._coalesced)
    # Entries in the order of the dimension; each name takes its run of them.
    order = x._idx[at].argsort(stable=True)
    first = pointers(x._idx[at], n)
    counts = (first[1:] - first[:-1]).index_select(0, index)
    place = flambeau.arange(index.shape[0], device=index.device).repeat_interleave(counts)
    begin = first.index_select(0, index) - (counts.cumsum(0) - counts)
    run = begin.index_select(0, place) + flambeau.arange(place.shape[0], device=index.device)
    mine = order.index_select(0, run)
    parts = [*x._idx.index_select(1, mine).unbind(0)]
    parts[at] = place
    made = coo(flambeau.stack(parts), values_of(x).index_select(0, mine), sizes)
    return coalesce(made)


@sparse_rule("cat")
def cat(tensors: Sequence[Any], *, dim: int = 0) -> CooTensor:
    """Sparse tensors one after the other along a dimension."""
    if not all(isinstance(t, CooTensor) for t in tensors):
        raise RuntimeError("cat: expected all tensors to be sparse COO tensors")
    first = tensors[0]
    at, d = wrap_dim(dim, first.ndim, scalar=False), first._idx.shape[0]
    for t in tensors:
        if t._idx.shape[0] != d or t.ndim != first.ndim:
            raise RuntimeError(
                "All tensors must have the same shape: sparse and dense dimensions differ between "
                f"{list(first.shape)} and {list(t.shape)}"
            )
        if any(a != b for i, (a, b) in enumerate(zip(t._sizes, first._sizes)) if i != at):
            raise RuntimeError(
                f"All tensors must have the same shape: {list(first.shape)} (except in the concatenating dimension), "
                f"but found one of shape: {list(t.shape)}"
            )
    tensors = [_settled(t) for t in tensors]
    total = sum(t._sizes[at] for t in tensors)
    sizes = [*first._sizes[:at], total, *first._sizes[at + 1 :]]
    parts, values, before = [], [], 0
    for t in tensors:
        v = values_of(t)
        if at < d:
            rows = [*t._idx.unbind(0)]
            rows[at] = rows[at] + before
            parts.append(flambeau.stack(rows))
        else:
            # Dense dimensions: each tensor's values stand in their part of zeros.
            parts.append(t._idx)
            ahead = list(v.shape)
            after = list(v.shape)
            ahead[at - d + 1] = before
            after[at - d + 1] = total - before - t._sizes[at]
            v = flambeau.cat([v.new_zeros(ahead), v, v.new_zeros(after)], at - d + 1)
        values.append(v)
        before += t._sizes[at]
    made = coo(flambeau.cat(parts, 1), flambeau.cat(values), sizes)
    made._coalesced = at == 0 and d > 0 and all(t._coalesced for t in tensors)
    return made


@sparse_rule("stack")
def _(tensors: Sequence[Any], dim: int = 0) -> Any:
    at = dim + tensors[0].ndim + 1 if dim < 0 else dim
    return flambeau.cat([t.unsqueeze(at) for t in tensors], at)


def _refused(name: str) -> None:
    @sparse_rule(name)
    def _(x: Any, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"{name} is not implemented for sparse tensors")


for _name in ("reshape", "expand", "flatten"):
    _refused(_name)


def mask_values(mask: CooTensor, x: CooTensor) -> Tensor:
    """The values of `x` at the entries of `mask`, zero where it has none."""
    x = coalesce(x)
    sizes = mask.sparse_sizes
    at, there = found(counted(x._idx, sizes), counted(mask._idx, sizes))
    return picked(values_of(x), at, there)
