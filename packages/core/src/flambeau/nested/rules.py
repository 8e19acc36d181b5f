"""What operators do to nested tensors: most to the values at once, some tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau
from flambeau._base import formats
from flambeau._base.checks import wrap_dim, wrap_dims
from flambeau.ops.grouping import group_sum
from flambeau.runtime.operator import registry
from flambeau.runtime.tensor import Tensor

from .tensor import (
    JAGGED_COMPOSITES,
    JAGGED_RULES,
    STRIDED_COMPOSITES,
    STRIDED_RULES,
    JaggedTensor,
    NestedTensor,
    RaggedSize,
    buffer_of,
    enter,
    jagged,
    like,
    nested_of,
    owners,
    same_ragged,
    spans,
    strided,
    tight,
    values_of,
)

F = flambeau.nn.functional


def on_jagged(*names: str) -> Any:
    """Enters a rule for the jagged layout."""
    return enter(JAGGED_RULES, JAGGED_COMPOSITES, *names)


def on_strided(*names: str) -> Any:
    """Enters a rule for the strided layout."""
    return enter(STRIDED_RULES, STRIDED_COMPOSITES, *names)


# -- copies and casts ------------------------------------------------------------------------------------------------


def _same_place(name: str) -> None:
    f = registry[name].public

    @on_jagged(name)
    def _(x: Any, **attrs: Any) -> Any:
        return like(x, f(values_of(x), **attrs))

    @on_strided(name)
    def _(x: Any, **attrs: Any) -> Any:
        return strided(f(buffer_of(x), **attrs), x._shapes)


for _name in ("clone", "to_dtype", "to_device", "stop_gradient"):
    _same_place(_name)


def _filled(name: str) -> None:
    f = getattr(flambeau, name)

    @on_jagged(name)
    def _(input: Any, *args: Any, **options: Any) -> Any:
        return like(input, f(input._vals, *args, **options))

    @on_strided(name)
    def _(input: Any, *args: Any, **options: Any) -> Any:
        return strided(f(input._buffer, *args, **options), input._shapes)


for _name in ("zeros_like", "ones_like", "empty_like", "full_like"):
    _filled(_name)


@on_jagged("dropout")
def _(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return like(input, F.dropout(values_of(input), p, training))


@on_strided("dropout")
def _(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return strided(F.dropout(buffer_of(input), p, training), input._shapes)


# -- dimensions of the jagged layout -----------------------------------------------------------------------------------


def inner(name: str, x: JaggedTensor, dim: int) -> int:
    """A dimension of the values for one of the whole; RuntimeError for the batch and the ragged one."""
    at = wrap_dim(dim, x.ndim)
    if at == 0:
        raise RuntimeError(f"{name}(): not supported for NestedTensor on dim=0")
    if at == x._ragged:
        raise RuntimeError(f"{name}(): not supported for NestedTensor on ragged dim")
    return at - 1


@on_jagged("permute")
def _(x: Any, *, dims: Sequence[int]) -> Any:
    order = wrap_dims(tuple(dims), x.ndim)
    if order[0] != 0:
        raise RuntimeError("permute: a nested tensor keeps its batch dimension first")
    ragged = order.index(x._ragged)
    values = values_of(x).permute([d - 1 for d in order[1:]])
    return jagged(values, x._offsets, x._lengths, ragged)


@on_jagged("unsqueeze")
def _(x: Any, *, dim: int) -> Any:
    at = dim + x.ndim + 1 if dim < 0 else dim
    if at == 0:
        raise RuntimeError("unsqueeze(): not supported for NestedTensor on dim=0")
    ragged = x._ragged + (at <= x._ragged)
    return jagged(values_of(x).unsqueeze(at - 1), x._offsets, x._lengths, ragged)


@on_jagged("squeeze")
def _(x: Any, *, dim: Any = None) -> Any:
    if dim is None:
        raise RuntimeError("squeeze(): for NestedTensor a dimension must be named")
    at = inner("squeeze", x, dim)
    if x._vals.shape[at] != 1:
        return like(x, values_of(x))
    return jagged(
        values_of(x).squeeze(at), x._offsets, x._lengths, x._ragged - (at < x._ragged - 1)
    )


@on_jagged("window")
def _(x: Any, *, dim: int, start: int, stop: int, step: int = 1) -> Any:
    cut = registry["window"].public
    return like(x, cut(values_of(x), inner("slice", x, dim), start, stop, step))


def _part(name: str) -> None:
    """Parts of a dense dimension, as tensors of the same offsets."""
    f = registry[name].public

    @on_jagged(name)
    def _(input: Any, how: Any, dim: int = 0) -> Any:
        return tuple(like(input, v) for v in f(values_of(input), how, inner(name, input, dim)))


for _name in ("chunk", "split"):
    _part(_name)


@on_jagged("select")
def _(x: Any, *, dim: int, index: int) -> Any:
    if wrap_dim(dim, x.ndim) == 0:
        return x.pieces()[index]
    at = inner("select", x, dim)
    return jagged(values_of(x).select(at, index), x._offsets, x._lengths, x._ragged - (at < x._ragged - 1))  # fmt: skip


@on_strided("select")
def _(x: Any, *, dim: int, index: int) -> Any:
    if wrap_dim(dim, x.ndim) == 0:
        return x.pieces()[index]
    return nested_of([p.select(dim - 1 if dim > 0 else dim, index) for p in x.pieces()])


@on_jagged("basic_index")
@on_strided("basic_index")
def _(x: Any, *, key: tuple) -> Any:
    if key and isinstance(key[0], int):
        made = x.pieces()[key[0]]
        return made[tuple(key[1:])] if len(key) > 1 else made
    out, dim = x, 0
    full = x.ndim - sum(1 for k in key if k is not None and k is not Ellipsis)
    for k in key:
        if k is Ellipsis:
            dim += full
        elif k is None:
            out, dim = out.unsqueeze(dim), dim + 1
        elif isinstance(k, int):
            out = out.select(dim, k)
        elif k == slice(None):
            dim += 1
        else:
            n = out.size(dim)
            if isinstance(n, RaggedSize):
                raise RuntimeError("slice(): not supported for NestedTensor on ragged dim")
            start, stop, step = k.indices(n)
            out = registry["window"].public(out, dim, start, stop, step)
            dim += 1
    return out


@on_jagged("view", "reshape")
def _(x: Any, *shape: Any, **named: Any) -> Any:
    wanted = named.get("shape") or named.get("size") or shape
    if len(wanted) == 1 and isinstance(wanted[0], (tuple, list)):
        wanted = wanted[0]
    wanted = list(wanted)
    batch = x._offsets.shape[0] - 1
    if not wanted or wanted[0] not in (batch, -1):
        raise RuntimeError(f"view(): the batch of {batch} must stay first, but got {wanted}")
    at = next((i for i, n in enumerate(wanted) if n is x._symbol), None)
    if at is None:
        at = next((i for i, n in enumerate(wanted) if i and n == -1), None)
    if at is None:
        raise RuntimeError(f"view(): the ragged size {x._symbol} or -1 must stand in {wanted}")
    sizes = list(wanted[1:])
    sizes[at - 1] = x._vals.shape[x._ragged - 1]
    return jagged(values_of(x).reshape(sizes), x._offsets, x._lengths, at)


@on_jagged("unflatten")
def _(input: Any, dim: int, sizes: Sequence[int]) -> Any:
    at = inner("unflatten", input, dim)
    ragged = input._ragged + (len(sizes) - 1 if at < input._ragged - 1 else 0)
    return jagged(values_of(input).unflatten(at, tuple(sizes)), input._offsets, input._lengths, ragged)  # fmt: skip


@on_jagged("flatten")
def _(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    a, b = inner("flatten", input, start_dim), inner("flatten", input, end_dim)
    if a < input._ragged - 1 < b:
        raise RuntimeError("flatten(): cannot flatten over the ragged dim of a NestedTensor")
    ragged = input._ragged - (b - a if b < input._ragged - 1 else 0)
    return jagged(values_of(input).flatten(a, b), input._offsets, input._lengths, ragged)


@on_jagged("cat")
def _(tensors: Sequence[Any], *, dim: int = 0) -> Any:
    first = next(t for t in tensors if isinstance(t, JaggedTensor))
    at = wrap_dim(dim, first.ndim)
    if at == 0:
        return _joined(tensors)
    for t in tensors:
        if not isinstance(t, JaggedTensor):
            raise RuntimeError("cat(): expected all tensors to be nested")
        same_ragged("cat", first, t)
    return like(first, flambeau.cat([values_of(t) for t in tensors], inner("cat", first, dim)))


def _joined(tensors: Sequence[Any]) -> Any:
    from .functions import as_nested_tensor

    pieces = [p for t in tensors for p in t.unbind(0)]
    return as_nested_tensor(pieces, layout=formats.jagged)


@on_jagged("stack")
def _(tensors: Sequence[Any], dim: int = 0) -> Any:
    at = dim + tensors[0].ndim + 1 if dim < 0 else dim
    if at == 0:
        raise RuntimeError("stack(): not supported for NestedTensor on dim=0")
    return flambeau.cat([t.unsqueeze(at) for t in tensors], at)


# -- products ----------------------------------------------------------------------------------------------------------


@on_jagged("linear")
def _(input: Any, weight: Any, bias: Any = None) -> Any:
    if not isinstance(input, JaggedTensor):
        raise RuntimeError("linear(): a nested weight is not supported")
    if input._ragged == input.ndim - 1:
        raise RuntimeError("linear(): not supported for NestedTensor with ragged last dim")
    return like(input, F.linear(values_of(input), weight, bias))


@on_strided("linear")
def _(input: Any, weight: Any, bias: Any = None) -> Any:
    if not isinstance(input, NestedTensor):
        raise RuntimeError("linear(): a nested weight is not supported")
    rows = buffer_of(input).reshape(-1, input.size(-1))
    out = F.linear(rows, weight, bias)
    return strided(out.reshape(-1), [(*s[:-1], weight.shape[0]) for s in input._shapes])


@on_jagged("matmul")
def _(a: Any, b: Any) -> Any:
    if isinstance(a, JaggedTensor) and isinstance(b, JaggedTensor):
        return _piecewise_matmul(a, b)
    if isinstance(b, JaggedTensor):
        raise RuntimeError(
            "matmul(): not supported between inputs of shapes "
            f"{tuple(a.shape)} and {tuple(b._sizes)}: the nested one must come first"
        )
    if a._ragged == a.ndim - 1:
        raise RuntimeError("matmul(): not supported for NestedTensor with ragged last dim")
    if b.ndim > 2:
        raise RuntimeError(
            f"matmul(): a nested tensor is multiplied with a matrix or a vector, but got {tuple(b.shape)}"
        )
    return like(a, values_of(a) @ b)


def _piecewise_matmul(a: JaggedTensor, b: JaggedTensor) -> Any:
    """Tensor by tensor: (B, ..., j, k) @ (B, ..., k, l), or with the ragged size in between, which is summed."""
    made = [x @ y for x, y in zip(a.pieces(), b.pieces())]
    if a._ragged == a.ndim - 1 and b._ragged == b.ndim - 2:
        return flambeau.stack(made)
    from .functions import as_nested_tensor

    if a._ragged == a.ndim - 2 and b._ragged == b.ndim - 1:
        return nested_of(made)
    return as_nested_tensor(made, layout=formats.jagged)


def piece_by_piece(name: str, *names: str) -> Any:
    """Enters the rule that does an operator to each tensor of the strided layout."""
    f = registry[name].public

    @on_strided(name, *names)
    def _(*arrays: Any, **attrs: Any) -> Any:
        first = next(a for a in arrays if isinstance(a, NestedTensor))
        n = len(first._shapes)
        columns = [a.pieces() if isinstance(a, NestedTensor) else [a] * n for a in arrays]
        return nested_of([f(*row, **attrs) for row in zip(*columns)])


@on_strided("matmul")
def _(a: Any, b: Any) -> Any:
    if not (isinstance(a, NestedTensor) and isinstance(b, NestedTensor)):
        raise RuntimeError(
            "Expected both to be nested, but got a nested and a non-nested tensor in matmul"
        )
    return nested_of([x @ y for x, y in zip(a.pieces(), b.pieces())])


@on_strided("bmm", "mm")
def _(input: Any, mat2: Any) -> Any:
    return input @ mat2


@on_strided("permute")
def _(x: Any, *, dims: Sequence[int]) -> Any:
    order = wrap_dims(tuple(dims), x.ndim)
    if order[0] != 0:
        raise RuntimeError("transpose: a nested tensor keeps its batch dimension first")
    return nested_of([p.permute([d - 1 for d in order[1:]]) for p in x.pieces()])


@on_strided("view", "reshape")
def _(x: Any, *shape: Any, **named: Any) -> Any:
    wanted = named.get("shape") or shape
    if len(wanted) == 1 and isinstance(wanted[0], (tuple, list)):
        wanted = wanted[0]
    if not wanted or wanted[0] not in (len(x._shapes), -1):
        raise RuntimeError(
            f"reshape: the batch of {len(x._shapes)} must stay first, but got {list(wanted)}"
        )
    made = []
    for p in x.pieces():
        sizes = [
            p.shape[i] if n == -1 and i < p.ndim else n for i, n in enumerate(wanted[1:])
        ]  # a -1 keeps the tensor's own size there
        made.append(p.reshape(sizes))
    return nested_of(made)


# -- along dimensions --------------------------------------------------------------------------------------------------


def _normal(name: str) -> None:
    f = registry[name].public

    @on_jagged(name)
    def _(x: Any, *, dim: int, dtype: Any = None) -> Any:
        at = wrap_dim(dim, x.ndim)
        if at == 0:
            raise RuntimeError(f"{name}(): not supported when reducing across the batch dimension for NestedTensor")  # fmt: skip
        if at == x._ragged:
            return _along_ragged(x if dtype is None else x.to(dtype), name == "log_softmax")
        return like(x, f(values_of(x), at - 1, dtype=dtype))

    @on_strided(name)
    def _(x: Any, *, dim: int, dtype: Any = None) -> Any:
        at = wrap_dim(dim, x.ndim)
        if at == 0:
            raise RuntimeError("Cannot apply softmax across nested dimension 0")
        return nested_of([f(p, at - 1, dtype=dtype) for p in x.pieces()])


for _name in ("softmax", "log_softmax"):
    _normal(_name)


def _along_ragged(x: JaggedTensor, logarithm: bool) -> JaggedTensor:
    x = tight(x)
    at, which, n = x._ragged - 1, owners(x), x._offsets.shape[0] - 1
    rows = values_of(x).movedim(at, 0)
    moved = rows - _largest(rows.detach(), which, n).index_select(0, which)
    total = group_sum(moved.exp(), which, n).index_select(0, which)
    out = moved - total.log() if logarithm else moved.exp() / total
    return like(x, out.movedim(0, at))


def _largest(rows: Tensor, which: Tensor, n: int) -> Tensor:
    out = rows.new_full((n, *tuple(rows.shape)[1:]), float("-inf"))
    where = which.reshape(-1, *[1] * (rows.ndim - 1)).expand(rows.shape)
    return out.scatter_reduce(0, where, rows, "amax") if rows.numel() else out


@on_jagged("layer_norm")
def _(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:  # fmt: skip
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if len(shape) >= input.ndim - input._ragged:
        raise RuntimeError(
            "layer_norm(): not supported when normalizing over the ragged dimension for NestedTensor"
        )
    return like(input, F.layer_norm(values_of(input), shape, weight, bias, eps))


@on_strided("layer_norm")
def _(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:  # fmt: skip
    return nested_of([F.layer_norm(p, normalized_shape, weight, bias, eps) for p in input.pieces()])


@on_jagged("rms_norm")
def _(input: Any, normalized_shape: Any, weight: Any = None, eps: Any = None) -> Any:
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if len(shape) >= input.ndim - input._ragged:
        raise RuntimeError(
            "rms_norm(): not supported when normalizing over the ragged dimension for NestedTensor"
        )
    return like(input, F.rms_norm(values_of(input), shape, weight, eps))


@on_jagged("embedding")
def _(input: Any, weight: Tensor, *args: Any, **kwargs: Any) -> Any:
    return like(input, F.embedding(values_of(input), weight, *args, **kwargs))


# -- reductions --------------------------------------------------------------------------------------------------------


def _counts(x: JaggedTensor, ndim: int) -> Tensor:
    return spans(x)[1].reshape(-1, *[1] * (ndim - 1))


def _reduced(name: str, x: JaggedTensor, dim: Any, keepdim: bool, dtype: Any) -> Any:
    """sum or mean: over all, over the ragged dimension (strided result), or over dense ones (nested result)."""
    x = tight(x)
    values = values_of(x) if dtype is None else values_of(x).to(dtype)
    f = getattr(flambeau, name)
    if dim is None or dim == ():
        return f(values) if not keepdim else f(values).reshape((1,) * x.ndim)
    dims = wrap_dims(dim, x.ndim)
    if 0 in dims and x._ragged not in dims:
        raise RuntimeError(
            f"{name}(): reducing along the batch dimension but not the ragged dimension is not supported for nested tensors"
        )
    rest = tuple(d - 1 for d in dims if d not in (0, x._ragged))
    if 0 in dims:
        made = f(values, (x._ragged - 1, *rest), keepdim)
        return made.unsqueeze(0) if keepdim else made
    if x._ragged not in dims:
        made = f(values, rest, keepdim)
        gone = 0 if keepdim else sum(1 for d in rest if d < x._ragged - 1)
        return jagged(made, x._offsets, x._lengths, x._ragged - gone)
    if rest:
        values = f(values, rest, True)
    rows = values.movedim(x._ragged - 1, 0)
    made = group_sum(rows, owners(x), x._offsets.shape[0] - 1)
    if name == "mean":
        made = made / _counts(x, made.ndim).to(made.dtype)
    made = made.unsqueeze(1).movedim(1, x._ragged)
    return made if keepdim else made.squeeze(dims)


@on_jagged("sum")
def _(x: Any, *, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    return _reduced("sum", x, dim, keepdim, dtype)


@on_jagged("mean")
def _(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    return _reduced("mean", input, dim, keepdim, dtype)


def _truth(name: str) -> None:
    @on_jagged(name)
    def _(x: Any, *, dim: Any = None, keepdim: bool = False) -> Any:
        if dim not in (None, ()):
            raise x.unsupported(f"{name}.dim")
        return getattr(tight(x)._vals, name)()


_truth("any")
_truth("all")


def _extreme(name: str) -> None:
    @on_jagged(name)
    def _(x: Any, *, dim: Any = (), keepdim: bool = False) -> Any:
        x, f = tight(x), getattr(flambeau, name)
        dims = wrap_dims(dim, x.ndim)
        if len(dims) == x.ndim:
            return f(values_of(x))
        if 0 in dims:
            raise RuntimeError(f"{name}(): reducing along the batch dimension only is not supported for nested tensors")  # fmt: skip
        if x._ragged in dims:
            made = flambeau.stack([f(p, tuple(d - 1 for d in dims), keepdim) for p in x.pieces()])
            return made
        rest = tuple(d - 1 for d in dims)
        gone = 0 if keepdim else sum(1 for d in rest if d < x._ragged - 1)
        return jagged(f(values_of(x), rest, keepdim), x._offsets, x._lengths, x._ragged - gone)


_extreme("amax")
_extreme("amin")


@on_strided("sum")
def _(x: Any, *, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    if dim is None or 0 in wrap_dims(dim, x.ndim):
        raise x.unsupported("sum")
    dims = tuple(d - 1 for d in wrap_dims(dim, x.ndim))
    return nested_of([p.sum(dims, keepdim, dtype=dtype) for p in x.pieces()])


# -- attention -----------------------------------------------------------------------------------------------------------


def _attention(join: Any) -> Any:
    def rule(
        query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
        scale: Any = None, enable_gqa: bool = False,
    ) -> Any:  # fmt: skip
        for x in (key, value):
            if type(x) is not type(query):
                raise RuntimeError(
                    "scaled_dot_product_attention: query, key and value must all be nested, of one layout"
                )
        if attn_mask is not None:
            raise RuntimeError(
                "scaled_dot_product_attention: an attn_mask is not supported with nested tensors; use is_causal"
            )
        made = [
            F.scaled_dot_product_attention(
                q, k, v, None, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
            )
            for q, k, v in zip(query.pieces(), key.pieces(), value.pieces())
        ]
        return join(query, made)

    return rule


def _join_jagged(query: JaggedTensor, made: list[Tensor]) -> JaggedTensor:
    at = query._ragged - 1
    if at != made[0].ndim - 2:
        raise RuntimeError(
            "scaled_dot_product_attention: the ragged dimension must be the sequence's, (B, heads, j, E); transpose(1, 2) first"
        )
    query = tight(query)
    return jagged(flambeau.cat(made, at), query._offsets, None, query._ragged)


on_jagged("scaled_dot_product_attention")(_attention(_join_jagged))
on_strided("scaled_dot_product_attention")(_attention(lambda query, made: nested_of(made)))
