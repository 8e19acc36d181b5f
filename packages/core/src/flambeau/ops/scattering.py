"""Folding values into places that an index names: scatter_reduce, index_reduce, segment_reduce."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from .._base import dtypes
from .._base.checks import check, wrap_dim
from .._base.limits import iinfo
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.promotion import check_fits
from ..runtime.tensor import Tensor
from .comparison import where
from .creation import arange, full
from .gathering import (
    batch_rule,
    check_scatter,
    fold_into,
    gather,
    grow,
    meta_of,
    onnx_fit,
    scatter_add,
    scatter_src,
)
from .keys import check_bounds
from .selecting import along, check_slices, searchsorted


@primitive(method=False)
def scatter_prod(input: Meta, dim: int, index: Meta, src: Meta):
    """A copy of `input` into which `src` is multiplied at `index` along `dim`."""
    check_scatter("scatter", input, dim, index, src)
    return input


@scatter_prod.kernel
def _(xp, x, index, src, *, dim):
    scatter_prod.op.body(meta_of(x), dim, meta_of(index), meta_of(src))
    return fold_into(xp, xp.multiply, x, index, src, dim)


@scatter_prod.vjp
def _(g, _out, x, index, src, *, dim):
    # The derivative by one factor is the product of the others. Zeros are kept apart: their number `n`, the product of
    # what is not zero, and their sum `s`, which is zero but stands for the one zero left where a second derivative
    # takes the other away. So first and second derivatives are exact also where factors are zero.
    whole = src
    if 0 in index.shape:
        return g, None, whole * 0
    for d, n in enumerate(index.shape):
        src = src.narrow(d, 0, n) if src.ndim else src
    zero, zeros = x == 0, src == 0
    rest, rests = where(zero, 1, x), where(zeros, 1, src)

    @cache
    def groups() -> tuple[Tensor, Tensor, Tensor]:
        return (
            scatter_prod(rest, dim, index, rests),
            scatter_add(zero.long(), dim, index, zeros.long()),
            scatter_add(where(zero, x, 0), dim, index, where(zeros, src, 0)),
        )

    def others(parts: Any, own: Tensor, is_zero: Tensor, without: Tensor) -> Tensor:
        p, n, s = parts
        left = p / without
        beside_zeros = where(n == 1, p, where(n == 2, p * (s - own), 0))
        made = where(is_zero, beside_zeros, where(n == 0, left, where(n == 1, left * s, 0)))
        return made.conj() if made.is_complex() else made

    def to_input() -> Tensor:
        return g * others(groups(), x, zero, rest)

    def to_src() -> Tensor:
        picked = [gather(p, dim, index) for p in groups()]
        return grow(gather(g, dim, index) * others(picked, src, zeros, rests), whole.shape)

    return to_input, None, to_src


@primitive(method=False)
def scatter_extreme(input: Meta, dim: int, index: Meta, src: Meta, largest: bool):
    """A copy of `input` whose elements at `index` along `dim` are the largest (or smallest) of themselves and of `src`."""
    check_scatter("scatter_reduce", input, dim, index, src)
    return input


@scatter_extreme.kernel
def _(xp, x, index, src, *, dim, largest):
    scatter_extreme.op.body(meta_of(x), dim, meta_of(index), meta_of(src), largest)
    return fold_into(xp, xp.maximum if largest else xp.minimum, x, index, src, dim)


@scatter_extreme.vjp
def _(g, out, x, index, src, *, dim):
    # Elements that are equally extreme share the gradient.
    whole = src
    if 0 in index.shape:
        return g, None, whole * 0
    for d, n in enumerate(index.shape):
        src = src.narrow(d, 0, n) if src.ndim else src
    hit, hits = x == out, src == gather(out, dim, index)
    number = scatter_add(hit.to(g.dtype), dim, index, hits.to(g.dtype)).clamp(min=1)
    share = g / number
    return (
        lambda: where(hit, share, 0),
        None,
        lambda: grow(where(hits, gather(share, dim, index), 0), whole.shape),
    )


scatter_prod.batch(batch_rule(scatter_prod))
scatter_extreme.batch(batch_rule(scatter_extreme))


def _onnx(kind: Callable[[dict], str]) -> Callable[..., Any]:
    def rule(builder, x, index, src, *, dim, **options):
        fitted = onnx_fit(builder, src, index)
        return builder.node(
            "ScatterElements", [x, index, fitted], axis=dim, reduction=kind(options)
        )

    return rule


scatter_prod.onnx(_onnx(lambda options: "mul"))
scatter_extreme.onnx(_onnx(lambda options: "max" if options["largest"] else "min"))


# -- scatter_reduce and its kin --------------------------------------------------------------------------------------


def _neutral(reduce: str, dtype: dtypes.dtype) -> Any:
    """What changes nothing when it is folded in."""
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if dtype is dtypes.bool_:
        return reduce == "amin"
    if dtype.is_floating_point:
        return float("-inf") if reduce == "amax" else float("inf")
    limits = iinfo(dtype)
    return limits.min if reduce == "amax" else limits.max


def _folded(base: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str) -> Tensor:
    if reduce == "prod":
        return scatter_prod(base, dim, index, src)
    if reduce in ("amax", "amin"):
        return scatter_extreme(base, dim, index, src, reduce == "amax")
    return scatter_add(base, dim, index, src)


def _reduced(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor,
    reduce: str,
    include_self: bool,
    rows: Tensor | None = None,
) -> Tensor:
    """`rows`: the index along `dim`, where all others are the same."""
    base = input
    if not include_self:
        neutral = full(
            index.shape, _neutral(reduce, input.dtype), dtype=input.dtype, device=input.device
        )
        base = scatter_src(input, dim, index, neutral)
    out = _folded(base, dim, index, src, reduce)
    if reduce != "mean":
        return out
    shape = tuple(input.shape)
    if rows is not None:  # so are the counts
        shape = tuple([n if d == dim else 1 for d, n in enumerate(shape)])
        index = rows.reshape([-1 if d == dim else 1 for d in range(len(shape))])
    ones = full(index.shape, 1, dtype=dtypes.int64, device=input.device)
    count = full(shape, int(include_self), dtype=dtypes.int64, device=input.device)
    count = scatter_add(count, dim, index, ones).clamp(min=1)
    if input.dtype.is_floating_point or input.dtype.is_complex:
        return out / count.to(out.dtype)
    return out.div(count, rounding_mode="floor").to(out.dtype)


@composite
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
):
    """A copy of `input` whose elements at `index` along `dim` are the "sum", "prod", "mean", "amax" or "amin" of `src`.

    Of what is there as well, unless include_self=False. Equal extremes share the gradient.

    >>> import flambeau
    >>> places, x = flambeau.tensor([0, 0, 2]), flambeau.tensor([3.0, 5.0, 7.0])
    >>> flambeau.zeros(3).scatter_reduce(0, places, x, "mean", include_self=False)
    tensor([4., 0., 7.])
    """
    check(
        reduce in ("sum", "prod", "mean", "amax", "amin"),
        lambda: f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}",
    )
    check_scatter("scatter_reduce", input, dim, index, src)
    return _reduced(input, dim, index, src, reduce, include_self)


@composite
def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
):
    """A copy of `input` whose slices `index` along `dim` are the "prod", "mean", "amax" or "amin" of those of `source`.

    Of what is there as well, unless include_self=False. Equal extremes share the gradient.

    >>> import flambeau
    >>> x = flambeau.tensor([[1.0, 5.0], [4.0, 2.0]])
    >>> flambeau.zeros(1, 2).index_reduce(0, flambeau.tensor([0, 0]), x, "amax")
    tensor([[4., 5.]])
    """
    check(
        reduce in ("prod", "mean", "amax", "amin"),
        lambda: (
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
        ),
    )
    at, d = along("index_reduce", input, dim, index)
    check_bounds(at, input.shape[d] if input.ndim else 1, d, False)
    check(
        input.dtype is source.dtype,
        lambda: (
            f"index_reduce_(): self ({input.dtype.name}) and source ({source.dtype.name}) must have the same scalar type"
        ),
    )
    check_slices("index_reduce_", input, d, at, source)
    shape = tuple(source.shape) or (1,)
    around = [1] * max(source.ndim, 1)
    around[d] = at.shape[0]
    source = source.reshape(shape)
    out = _reduced(
        input.reshape(input.shape or (1,)), d, at.reshape(around).expand(shape), source, reduce, include_self, at
    )  # fmt: skip
    return out.reshape(input.shape)


_SEGMENT = {"max": "amax", "min": "amin"}


@composite(method=False)
def segment_reduce(
    data: Tensor, reduce: str, *, lengths: Tensor | None = None, indices: Tensor | None = None,
    offsets: Tensor | None = None, axis: int = 0, unsafe: bool = False, initial: float | None = None,
):  # fmt: skip
    """The "sum", "mean", "max", "min" or "prod" of consecutive pieces along `axis`, of the lengths or between the offsets given.

    An empty piece gives `initial`, which every piece begins with; else what changes nothing, NaN for a mean. `lengths`
    has the dimensions of `data` before `axis` in front; unless `unsafe` they must add up to the size.

    >>> import flambeau
    >>> flambeau.segment_reduce(flambeau.tensor([1.0, 2.0, 5.0]), "sum", lengths=flambeau.tensor([2, 1]))
    tensor([3., 5.])
    """
    kind = _SEGMENT.get(reduce, reduce)
    check(
        kind in ("sum", "prod", "mean", "amax", "amin"),
        lambda: f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}",
    )
    check(
        indices is None, lambda: "segment_reduce(): indices based reduction is not supported yet."
    )
    check(
        lengths is not None or offsets is not None,
        lambda: "segment_reduce(): Either lengths or offsets must be defined.",
    )
    if initial is not None:
        check_fits(initial, data.dtype)
    if not data.dtype.is_floating_point:
        raise NotImplementedError(f"segment_reduce: not implemented for {data.dtype.name}")
    given = offsets if lengths is None else lengths
    assert given is not None
    if given.dtype not in (dtypes.int32, dtypes.int64):
        raise NotImplementedError(
            f"segment_reduce: not implemented for lengths of {given.dtype.name}"
        )
    d = wrap_dim(axis, data.ndim)
    check(data.ndim, lambda: "segment_reduce(): expected data with at least one dimension")
    check(
        given.ndim == d + 1 and tuple(given.shape[:-1]) == tuple(data.shape[:d]),
        lambda: (
            f"segment_reduce(): Expected axis to be the last dimension of lengths but got {axis}."
        ),
    )
    size = data.shape[d]
    if lengths is not None:
        check(bool((lengths >= 0).all()), lambda: "lengths contains negative value!")
        ends = lengths.long().cumsum(-1)
        check(
            unsafe or bool((lengths.sum(-1) == size).all()),
            lambda: (
                "segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe."
            ),
        )
        starts = ends - lengths
    else:
        starts, ends = offsets[..., :-1], offsets[..., 1:]  # type: ignore[index]
    n = ends.shape[-1]
    places = arange(size, device=data.device).expand(*data.shape[:d], size).contiguous()
    at = searchsorted(ends.contiguous(), places, right=True)
    if n:  # what lies before the first piece or behind the last belongs to none: a piece that is cut off
        at = where(places < starts[..., :1], n, at)
    tail = data.shape[d + 1 :]
    at = at.reshape(*at.shape, *[1] * len(tail)).expand(data.shape)
    first = _neutral(kind, data.dtype) if initial is None else initial
    base = full((*data.shape[:d], n + 1, *tail), first, dtype=data.dtype, device=data.device)
    out = _folded(base, d, at, data, kind).narrow(d, 0, n)
    if kind != "mean":
        return out
    count = (ends - starts).reshape(*ends.shape, *[1] * len(tail))
    empty = float("nan") if initial is None else initial
    return where(count == 0, empty, out / count.clamp(min=1).to(out.dtype))
