"""Rules of sums, norms and truth over the entries."""

from __future__ import annotations

from typing import Any

import flambeau
from flambeau._base.checks import wrap_dims
from flambeau.runtime.tensor import Tensor, history
from flambeau.transforms.composed import link

from .patterns import chosen, counted, grouped, placed
from .tensor import CooTensor, SparseTensor, coalesce, coo, detached, sparse_rule, to_coo, values_of


@sparse_rule("sum")
def _(x: Any, *, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    if dim is None or dim == ():
        out = detached(x)._vals.sum() if history(x) is not None else values_of(x).sum()
        if keepdim:
            out = out.reshape((1,) * x.ndim)
        return link(out, "sum", [x], [lambda g: g.expand(x.shape)])
    if not isinstance(x, CooTensor) and not keepdim:
        raise RuntimeError("reduction operations on CSR tensors with keepdim=False is unsupported")
    made = sum_over(to_coo(x), wrap_dims(dim, x.ndim), keepdim)
    if isinstance(x, CooTensor) or not isinstance(made, CooTensor):
        return made
    from .tensor import compress

    return compress(made, x.layout)


def sum_over(x: CooTensor, dims: tuple[int, ...], keepdim: bool = False) -> Any:
    """Sums over dimensions: sparse while a sparse dimension is left, else strided. Gradients are sparse."""
    x = coalesce(x)
    d, values = x._idx.shape[0], values_of(x)
    inner = tuple(i - d + 1 for i in dims if i >= d)
    if inner:
        values = values.sum(inner, keepdim)
    kept = [i for i in range(d) if i not in dims]
    if not kept:
        out = values.sum(0)
        return out.reshape([1] * d + list(out.shape)) if keepdim else out
    sizes = [x._sizes[i] for i in kept]
    if len(kept) == d:
        return coo(x._idx, values, [*sizes, *tuple(values.shape)[1:]], x._coalesced)
    numbers, order, group, all_distinct = grouped(counted(chosen(x._idx, kept), sizes))
    values = values.index_select(0, order)
    if not all_distinct:
        from flambeau.ops.grouping import group_sum

        values = group_sum(values, group, numbers.shape[0])
    indices = placed(numbers, sizes)
    if keepdim:
        rows = iter(indices.unbind(0))
        zero = flambeau.zeros(numbers.shape[0], dtype=flambeau.int64, device=indices.device)
        indices = flambeau.stack([next(rows) if i in kept else zero for i in range(d)])
        sizes = [n if i in kept else 1 for i, n in enumerate(x._sizes[:d])]
    return coo(indices, values, [*sizes, *tuple(values.shape)[1:]], True)


@sparse_rule("norm")
def _(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None) -> Any:  # fmt: skip
    if dim is not None and len(wrap_dims(dim, input.ndim)) != input.ndim:
        raise RuntimeError("norm: a sparse tensor has a norm over all of its dimensions only")
    x = coalesce(input) if isinstance(input, CooTensor) else input
    made = values_of(x).norm(p, dtype=dtype) if values_of(x).numel() else values_of(x).sum().abs()
    return made.reshape((1,) * x.ndim) if keepdim else made


@sparse_rule("any")
def _(x: Any, *, dim: Any = None, keepdim: bool = False) -> Tensor:
    if dim not in (None, ()) or keepdim:
        return NotImplemented
    x = coalesce(x) if isinstance(x, CooTensor) else x
    return (x._vals != 0).any()


def softmax_over(x: Any, dim: int, logarithm: bool) -> CooTensor:
    """softmax along a dimension over the entries that are there; the others count as minus infinity."""
    from flambeau._base.checks import wrap_dim

    if not isinstance(x, CooTensor):
        raise (
            SparseTensor.unsupported(x, "_sparse_softmax")
            if isinstance(x, SparseTensor)
            else (
                NotImplementedError(
                    "Could not run 'aten::_sparse_softmax' with arguments from the 'CPU' backend: expected a sparse COO "
                    "tensor; use softmax() for a strided one"
                )
            )
        )
    x = coalesce(x)
    at, d = wrap_dim(dim, x.ndim), x._idx.shape[0]
    values = values_of(x)
    if at >= d:
        f = flambeau.log_softmax if logarithm else flambeau.softmax
        return coo(x._idx, f(values, at - d + 1), x._sizes, True)
    from flambeau.ops.grouping import group_sum

    kept = [i for i in range(d) if i != at]
    numbers = counted(chosen(x._idx, kept), [x._sizes[i] for i in kept])
    distinct, order, group, _ = grouped(numbers)
    n = distinct.shape[0]
    mine = flambeau.empty_like(group)
    mine[order] = group
    top = _group_max(values.detach(), mine, n)
    moved = values - top.index_select(0, mine)
    total = group_sum(moved.exp(), mine, n).index_select(0, mine)
    out = moved - total.log() if logarithm else moved.exp() / total
    return coo(x._idx, out, x._sizes, True)


def _group_max(values: Tensor, group: Tensor, size: int) -> Tensor:
    """The largest of each group, elementwise."""
    out = values.new_full((size, *tuple(values.shape)[1:]), float("-inf"))
    where = group.reshape(-1, *[1] * (values.ndim - 1)).expand(values.shape)
    return out.scatter_reduce(0, where, values, "amax") if values.numel() else out
