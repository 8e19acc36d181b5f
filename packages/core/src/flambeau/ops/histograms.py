"""Counting into bins: bincount, histc, histogram, histogramdd."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._base import dtypes
from .._base.checks import check
from .._base.limits import finfo
from ..runtime.families import composite
from ..runtime.numbers import ends
from ..runtime.promotion import check_fits
from ..runtime.tensor import Tensor
from .batches import element_by_element, level_of
from .comparison import where
from .creation import detached, linspace, tensor
from .joining import stack
from .selecting import searchsorted

MOST = 1 << 60  # counts, whose bytes a number of 64 bits has to hold


@composite(loops=True, ints=("minlength",))
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0):
    """How often each number from 0 up occurs, or the sum of its weights.

    >>> import flambeau
    >>> flambeau.bincount(flambeau.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    if level_of(input, weights):
        return element_by_element(
            "bincount", lambda x, w: bincount(x, w, minlength), detached(input), detached(weights)
        )
    check(
        input.ndim == 1
        and not input.dtype.is_floating_point
        and (not input.numel() or int(input.min()) >= 0),
        lambda: "bincount only supports 1-d non-negative integral inputs.",
    )
    check(minlength >= 0, lambda: "minlength should be >= 0")
    n = max(minlength, int(input.max()) + 1 if input.numel() else 0)
    check(n < MOST, lambda: f"Storage size calculation overflowed with sizes=[{n}]")
    if weights is None:
        ones, kind = input.new_ones(input.shape, dtype=dtypes.int64), dtypes.int64
    else:
        check(
            tuple(weights.shape) == tuple(input.shape),
            lambda: "weights should be 1-d and have the same length as input",
        )
        kind = weights.dtype if weights.dtype is dtypes.float32 else dtypes.float64
        ones = weights.to(kind)
    return input.new_zeros((n,), dtype=kind).scatter_add(0, input.long(), ones.detach())


@bincount.small
def _(xp, x, weights, *, minlength):
    if weights is not None or x.ndim != 1 or x.dtype.char not in "lq" or not x.size:
        return NotImplemented
    low, high = ends(x)
    # NumPy counts the largest int64 before its array, and grows the array where it is one too many.
    if low < 0 or high >= MOST or not 0 <= minlength < MOST:
        return NotImplemented
    return xp.bincount(x, None, minlength)


@composite(loops=True)
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0):
    """Counts in `bins` equal bins from min to max (of the data if both are equal); what is outside is left out.

    >>> import flambeau
    >>> flambeau.histc(flambeau.tensor([1.0, 2.0, 2.5]), 2, 1, 3)
    tensor([1., 2.])
    """
    if level_of(input):
        return element_by_element("histc", lambda x: histc(x, bins, min, max), input.detach())
    if not input.dtype.is_floating_point:
        raise NotImplementedError(
            f"histc: not implemented for {input.dtype.name}; cast the input to a float dtype"
        )
    check(bins > 0, lambda: f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    x = input.detach().reshape(-1)
    low, high = float(min), float(max)
    for end in (low, high):
        check_fits(end, x.dtype)
    check(low <= high, lambda: "torch.histc: max must be larger than min")
    if low == high and x.numel():
        low, high = float(x.min()), float(x.max())
    check(
        math.isfinite(low) and math.isfinite(high),
        lambda: f"torch.histc: range of [{low}, {high}] is not finite",
    )
    if low == high:
        low, high = low - 1, high + 1
    return counts_in_bins(x, bins, low, high).to(input.dtype)


@composite(method=False, loops=True)
def counts_in_bins(input: Tensor, bins: int, low: float, high: float):
    """How many elements lie in each of `bins` equal bins from low to high, the last one closed: int64.

    >>> import flambeau
    >>> flambeau.ops.histograms.counts_in_bins(flambeau.tensor([1.0, 2.0, 2.5]), 2, 1.0, 3.0)
    tensor([1, 2])
    """
    x = input.detach().reshape(-1)
    if (
        x.dtype.is_floating_point and (high - low) * bins > finfo(x.dtype).max
    ):  # products would be infinite
        part = 2.0 ** -(bins.bit_length() + 1)
        x, low, high = x * part, low * part, high * part
    first, last = (tensor(v, dtype=x.dtype, device=x.device) for v in (low, high))
    x = x[(x >= first) & (x <= last)]
    width = where(last > first, last - first, 1)  # both may be rounded to one number
    at = ((x - first) * bins / width).floor().long().clamp(0, bins - 1)
    return at.new_zeros((bins,)).scatter_add(0, at, at.new_ones(at.shape))


@composite(outputs=("hist", "bin_edges"), loops=True)
def histogram(
    input: Tensor, bins: Any, *, range: tuple[float, float] | None = None, weight: Tensor | None = None,
    density: bool = False,
):  # fmt: skip
    """(hist, bin_edges) of all elements: counts, or sums of weights, in equal bins, or between the edges of a tensor.

    With `density` the integral of the histogram is one. The last bin includes its right edge.

    >>> import flambeau
    >>> flambeau.histogram(flambeau.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0)).hist
    tensor([0., 2., 1., 0.])
    """
    if level_of(input, bins, weight):
        made = element_by_element(
            "histogram",
            lambda x, b, w: histogram(x, b, range=range, weight=w, density=density),
            *map(detached, (input, bins, weight)),
        )
        return histogram.op.tags["named"](*made)
    rows = input.reshape(-1, 1)
    weights = None
    if weight is not None:
        _fitting(tuple(rows.shape), weight.shape, tuple(weight.shape) == tuple(input.shape))
        weights = weight.reshape(-1)
    hist, edges = _histogram("histogram", rows, [bins], range, weights, density)
    return histogram.op.tags["named"](hist, edges[0])


@composite(method=False, outputs=("hist", "bin_edges"), kinds={"bin_edges": "tuple[Tensor, ...]"})
def histogramdd(
    input: Tensor, bins: Any, range: Sequence[float] | None = None, weight: Tensor | None = None,
    density: bool = False,
):  # fmt: skip
    """(hist, bin_edges) of points, the rows of `input`: counts, or sums of weights, in a grid of bins.

    `bins` is one number or one per column, or the tensors of edges; `range` has the leftmost and rightmost edge of each
    column in turn. With `density` the integral of the histogram is one.

    >>> import flambeau
    >>> points = flambeau.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 2.0]])
    >>> flambeau.histogramdd(points, [2, 2]).hist
    tensor([[0., 1.],
            [1., 1.]])
    """
    check(
        input.ndim >= 2, lambda: "torch.histogramdd: input tensor should have at least 2 dimensions"
    )
    n = input.shape[-1]
    if not isinstance(bins, (int, tuple, list)):
        raise TypeError(
            f"histogramdd(): argument 'bins' must be an int, a list of ints or a list of Tensors, not {type(bins).__name__}"
        )
    each = [bins] * n if isinstance(bins, int) else list(bins)
    check(
        len(each) == n,
        lambda: (
            "histogramdd: The size of bins must be equal to the innermost dimension of the input."
        ),
    )
    weights = None
    if weight is not None:
        _fitting(tuple(input.shape), weight.shape, tuple(weight.shape) == tuple(input.shape[:-1]))
        weights = weight.reshape(-1)
    hist, edges = _histogram("histogramdd", input.reshape(-1, n), each, range, weights, density)
    return histogramdd.op.tags["named"](hist, edges)


def _fitting(shape: tuple[int, ...], weight: Sequence[int], fits: bool) -> None:
    check(
        fits,
        lambda: (
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor "
            f"excluding its innermost dimension, but got input with shape {list(shape)} and weight with shape "
            f"{list(weight)}"
        ),
    )


def _histogram(
    name: str, rows: Tensor, bins: list, limits: Any, weight: Tensor | None, density: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    if not rows.dtype.is_floating_point:
        raise NotImplementedError(
            f"{name}: not implemented for {rows.dtype.name}; cast the input to float32"
        )
    rows = rows.detach()
    if limits is not None:
        check(
            not any(isinstance(b, Tensor) for b in bins),
            lambda: f"{name}(): range cannot be given together with tensors of edges",
            TypeError,
        )
        check(
            len(limits) == 2 * len(bins),
            lambda: (
                f"torch.histogramdd: for a {len(bins)}-dimensional histogram range should have {2 * len(bins)} "
                f"elements, but got {len(limits)}"
            ),
        )
    edges = tuple([
        _given_edges(b, rows, d) if isinstance(b, Tensor) else _even_edges(name, rows, d, b, limits)
        for d, b in enumerate(bins)
    ])  # fmt: skip
    size = [e.numel() - 1 for e in edges]
    inside, at = None, None
    for d, e in enumerate(edges):
        x = rows.select(1, d).contiguous()
        place = (searchsorted(e, x, right=True) - 1).clamp(0, size[d] - 1)
        within = (x >= e[0]) & (x <= e[-1])
        inside = within if inside is None else inside & within
        at = place if at is None else at * size[d] + place
    assert inside is not None and at is not None
    at = at[inside]
    total = math.prod(size)
    if weight is None:
        counts = at.new_zeros((total,)).scatter_add(0, at, at.new_ones(at.shape)).to(rows.dtype)
    else:
        check(
            weight.dtype is rows.dtype,
            lambda: (
                "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should have the same "
                f"dtype, but got input({rows.dtype.name}), and weight({weight.dtype.name})"
            ),
        )
        counts = rows.new_zeros((total,)).scatter_add(0, at, weight.detach()[inside])
    hist = counts.reshape(size)
    if density:
        hist = hist / hist.sum()
        for d, e in enumerate(edges):
            hist = hist / e.diff().reshape([-1 if i == d else 1 for i in range(len(size))])
    return hist, edges


def _given_edges(edges: Tensor, rows: Tensor, d: int) -> Tensor:
    check(
        edges.ndim == 1 and edges.numel() > 0,
        lambda: (
            f"torch.histogramdd: bins tensor for dimension {d} should be one-dimensional with at least one element, "
            f"but got shape {list(edges.shape)}"
        ),
    )
    check(
        edges.dtype is rows.dtype,
        lambda: (
            "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype "
            f"{rows.dtype.name} and bins for dimension {d} with dtype {edges.dtype.name}"
        ),
    )
    return edges.detach().clone()


def _even_edges(name: str, rows: Tensor, d: int, bins: int, limits: Any) -> Tensor:
    if not isinstance(bins, int):
        raise TypeError(
            f"{name}(): argument 'bins' must be int or Tensor, not {type(bins).__name__}"
        )
    check(bins > 0, lambda: f"torch.{name}(): bins must be > 0, but got {bins} for dimension {d}")
    if limits is not None:
        low, high = float(limits[2 * d]), float(limits[2 * d + 1])
    elif rows.shape[0]:
        low, high = (float(v) for v in stack(tuple(rows.select(1, d).aminmax())))
    else:
        low, high = 0.0, 1.0
    check(
        math.isfinite(low) and math.isfinite(high),
        lambda: f"torch.histogramdd: dimension {d}'s range [{low}, {high}] is not finite",
    )
    check(
        low <= high,
        lambda: (
            f"torch.histogramdd: min should not exceed max, but got min {low} max {high} for dimension {d}"
        ),
    )
    if low == high:
        low, high = low - 0.5, high + 0.5
    return linspace(low, high, bins + 1, dtype=rows.dtype, device=rows.device)
