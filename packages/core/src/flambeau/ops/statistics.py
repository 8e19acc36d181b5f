"""Counts, quantiles, running extremes, differences and integrals along a dimension."""

from __future__ import annotations

from typing import Any

from .._base import dtypes
from .._base.checks import check, wrap_dim
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .comparison import isnan, where
from .creation import tensor
from .reduction import amax, amin, mean, small_extreme, std, sum, usual
from .sorting import ranked, sort


def _named(f: Any, *parts: Any) -> Any:
    return f.op.tags["named"](*parts)


@composite(outputs=("min", "max"), exact_out=True, accepts="bool int float")
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False):
    """(min, max) of all elements or along `dim`.

    >>> import flambeau
    >>> flambeau.aminmax(flambeau.tensor([3.0, 1.0])).max
    tensor(3.)
    """
    check(
        dim is not None or input.numel(),
        lambda: (
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        ),
    )
    over = () if dim is None else dim
    return _named(aminmax, amin(input, over, keepdim), amax(input, over, keepdim))


@aminmax.small
def _(xp, x, *, dim, keepdim):
    if dim is not None or keepdim or not x.ndim:
        return NotImplemented
    low = small_extreme(xp.minimum, x.argmin, x, None, False)
    return (
        low if low is NotImplemented else (low, small_extreme(xp.maximum, x.argmax, x, None, False))
    )


@composite
def count_nonzero(input: Tensor, dim: int | tuple[int, ...] | None = None):
    """How many elements are not zero.

    >>> import flambeau
    >>> flambeau.count_nonzero(flambeau.tensor([0.0, 2.0, 3.0]))
    tensor(2)
    """
    return sum(input != 0, dim)


@count_nonzero.small
def _(xp, x, *, dim):
    return NotImplemented if dim is not None else xp.count_nonzero(x)


@composite(accepts="bool int float")
def nansum(
    input: Tensor,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
):
    """`sum` with NaN as zero.

    >>> import flambeau
    >>> flambeau.nansum(flambeau.tensor([1.0, float("nan")]))
    tensor(1.)
    """
    return sum(
        where(isnan(input), 0, input) if input.dtype.is_floating_point else input,
        dim,
        keepdim,
        dtype=dtype,
    )


@nansum.small
def _(xp, x, *, dim, keepdim, dtype):
    if dtype is not None or not usual(x, dim):
        return NotImplemented
    return xp.add.reduce(x, dim, None, None, keepdim, 0, x == x)


@composite
def nanmean(
    input: Tensor,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
):
    """`mean` of the elements that are not NaN.

    >>> import flambeau
    >>> flambeau.nanmean(flambeau.tensor([1.0, float("nan"), 3.0]))
    tensor(2.)
    """
    check(
        input.dtype.is_floating_point or input.dtype.is_complex,
        lambda: (
            f"nanmean(): expected input to have floating point or complex dtype but got {input.dtype.name}"
        ),
    )
    return nansum(input, dim, keepdim, dtype=dtype) / sum(~isnan(input), dim, keepdim)


@composite
def std_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """(standard deviation, mean) over `dim`.

    >>> import flambeau
    >>> flambeau.std_mean(flambeau.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if input.dtype in (dtypes.float16, dtypes.bfloat16):
        wide = std_mean(input.float(), dim, unbiased, keepdim, correction=correction)
        return tuple([x.to(input.dtype) for x in wide])
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


@composite
def quantile(
    input: Tensor,
    q: Tensor | float,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
):
    """The q-quantiles (0 to 1) along `dim`, or of all elements; NaN where an element is NaN.

    >>> import flambeau
    >>> flambeau.quantile(flambeau.tensor([0.0, 1.0, 2.0]), 0.25)
    tensor(0.5000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@composite
def nanquantile(
    input: Tensor,
    q: Tensor | float,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
):
    """`quantile` of the elements that are not NaN.

    >>> import flambeau
    >>> flambeau.nanquantile(flambeau.tensor([0.0, float("nan"), 2.0]), 0.5)
    tensor(1.)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


def _quantile(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, how: str, skip: bool
) -> Tensor:
    check(input.numel(), lambda: f"{name}() input tensor must be non-empty")
    check(
        input.dtype.name in ("float32", "float64"),
        lambda: f"{name}() input tensor must be either float or double dtype",
    )
    check(
        how in _INTERPOLATIONS,
        lambda: (
            f"{name}() interpolation must be one of {', '.join(_INTERPOLATIONS)}, but got {how}"
        ),
    )
    q = q if isinstance(q, Tensor) else tensor(q, dtype=input.dtype, device=input.device)
    check(q.ndim <= 1, lambda: f"{name}() q must be a scalar or 1D tensor")
    check(
        q.dtype is input.dtype, lambda: f"{name}() q tensor must be same dtype as the input tensor"
    )
    check(
        bool(((q >= 0) & (q <= 1)).all()), lambda: f"{name}() q values must be in the range [0, 1]"
    )
    rank = input.ndim
    x = input.reshape(-1) if dim is None or not rank else input.movedim(dim, -1)
    ordered = sort(x, -1).values
    n = x.shape[-1]
    count = (~isnan(x)).sum(-1, True) if skip else (where(isnan(x).any(-1, True), 0, n))
    at = q.reshape(*[1] * (ordered.ndim - 1), -1) * (count - 1).clamp(min=0).to(q.dtype)
    low, high = at.floor(), at.ceil()
    if how == "lower":
        high = low
    elif how == "higher":
        low = high
    elif how == "nearest":
        low = high = at.round()
    part = 0.5 * (high != low).to(q.dtype) if how == "midpoint" else at - low
    below, above = ordered.gather(-1, low.long()), ordered.gather(-1, high.long())
    out = below + part * (above - below) if how in ("linear", "midpoint") else below
    out = out.masked_fill((count == 0).expand(out.shape), float("nan"))
    out = out.movedim(-1, 0)
    if keepdim and rank:
        out = (
            out.reshape(-1, *[1] * rank) if dim is None else out.unsqueeze(wrap_dim(dim, rank) + 1)
        )
    return out if q.ndim else out.squeeze(0)


@composite(outputs=("values", "indices"), accepts="int float")
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False):
    """(values, indices) of the k-th smallest elements along `dim`, counted from one.

    Equal elements count in their order; PyTorch leaves open whose index it gives.

    >>> import flambeau
    >>> flambeau.kthvalue(flambeau.tensor([3.0, 1.0, 2.0]), 2).values
    tensor(2.)
    """
    d = wrap_dim(dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    check(n, lambda: f"kthvalue(): Expected reduction dim {d} to have non-zero size.", IndexError)
    check(1 <= k <= n, lambda: f"kthvalue(): selected number k out of range for dimension {d}")
    values, places = sort(input, dim)
    if not input.ndim:
        return _named(kthvalue, values, places)
    parts = [p.narrow(d, k - 1, 1) for p in (values, places)]
    return _named(kthvalue, *(parts if keepdim else [p.squeeze(d) for p in parts]))


@kthvalue.small
def _(xp, x, *, k, dim, keepdim):
    n = x.shape[dim] if x.ndim else 0
    return ranked(xp, x, dim, k - 1, keepdim) if type(k) is int and 1 <= k <= n else NotImplemented


@primitive(method=False)
def extreme_places(input: Meta, dim: int, largest: bool):
    """Where the running largest (or smallest) element along `dim` stands; the last of equals, NaN from where it appears."""
    wrap_dim(dim, input.ndim)
    return input.like(dtype=dtypes.int64)


@extreme_places.kernel
def _(xp, x, *, dim, largest):
    if not x.ndim:
        wrap_dim(dim, 0)
        return xp.zeros((), dtype="int64")
    running = (xp.maximum if largest else xp.minimum).accumulate(x, axis=dim)
    hit = (x == running) | (x != x)
    shape = [1] * x.ndim
    shape[dim] = -1
    places = xp.where(hit, xp.arange(x.shape[dim]).reshape(shape), 0)
    return xp.maximum.accumulate(places, axis=dim).astype("int64")


extreme_places.no_vjp("integer output")
extreme_places.refuse("onnx", "ONNX has no running extremes")


@extreme_places.batch
def _(size, batched, x, *, dim, largest):
    if x.ndim == 1:
        return extreme_places(x.unsqueeze(1), 1, largest).squeeze(1)
    return extreme_places(x, wrap_dim(dim, x.ndim - 1) + 1, largest)


def _running(f: Any, input: Tensor, dim: int, largest: bool) -> Any:
    at = extreme_places(input, dim, largest)
    return _named(f, input.gather(dim, at) if input.ndim else input.clone(), at)


@composite(outputs=("values", "indices"), accepts="bool int float")
def cummax(input: Tensor, dim: int):
    """(values, indices) of the largest element so far along `dim`.

    >>> import flambeau
    >>> flambeau.cummax(flambeau.tensor([1.0, 3.0, 2.0]), 0).values
    tensor([1., 3., 3.])
    """
    return _running(cummax, input, dim, True)


@cummax.small
def _(xp, x, *, dim):
    return _small_running(xp, xp.maximum, x, dim, True)


@composite(outputs=("values", "indices"), accepts="bool int float")
def cummin(input: Tensor, dim: int):
    """(values, indices) of the smallest element so far along `dim`.

    >>> import flambeau
    >>> flambeau.cummin(flambeau.tensor([2.0, 3.0, 1.0]), 0).values
    tensor([2., 2., 1.])
    """
    return _running(cummin, input, dim, False)


@cummin.small
def _(xp, x, *, dim):
    return _small_running(xp, xp.minimum, x, dim, False)


def _small_running(xp: Any, fold: Any, x: Any, dim: Any, largest: bool) -> Any:
    if type(dim) is not int or not usual(x, dim):
        return NotImplemented
    return fold.accumulate(x, dim), extreme_places.op.kernels[None](xp, x, dim=dim, largest=largest)


@composite
def msort(input: Tensor):
    """Sorted along the first dimension.

    >>> import flambeau
    >>> flambeau.msort(flambeau.tensor([3, 1]))
    tensor([1, 3])
    """
    return sort(input, 0).values


@composite(outputs=("values", "indices"), accepts="int float")
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of the elements that are not NaN.

    >>> import flambeau
    >>> flambeau.nanmedian(flambeau.tensor([3.0, float("nan"), 1.0]))
    tensor(1.)
    """
    x = input.reshape(-1) if dim is None else input
    d = 0 if dim is None else wrap_dim(dim, input.ndim)
    if not x.ndim:
        return _named(nanmedian, x.clone(), x.new_zeros((), dtype=dtypes.int64))
    n = x.shape[d]
    if dim is None and not n:
        return x.new_full((), float("nan"), dtype=dtypes.float64).to(x.dtype)
    check(n, lambda: f"nanmedian(): Expected reduction dim {d} to have non-zero size.", IndexError)
    ordered = sort(x, d)
    at = ((x == x).sum(d, True) - 1).clamp(min=0) // 2
    values, places = ordered.values.gather(d, at), ordered.indices.gather(d, at)
    if dim is None:
        return values.squeeze(d)
    return _named(
        nanmedian, *((values, places) if keepdim else (values.squeeze(d), places.squeeze(d)))
    )
