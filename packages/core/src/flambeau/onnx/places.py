"""Operators that pick, put and move elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import comparison, creation, gathering, indexing, joining, scattering, sorting
from ..runtime.tensor import Tensor
from .library import dtype_of
from .nodes import Attributes, ints, operator


@operator
def Slice(
    a: Attributes,
    x: Tensor,
    starts: Any = None,
    ends: Any = None,
    axes: Any = None,
    steps: Any = None,
) -> Tensor:
    begin, end = ints(starts) or list(a.get("starts", [])), ints(ends) or list(a.get("ends", []))
    dims = ints(axes) or list(a.get("axes", range(len(begin))))
    strides = ints(steps) or [1] * len(begin)
    for d, s, e, k in zip(dims, begin, end, strides):
        n = x.shape[d]
        if k < 0:
            x = x.flip(d)
            s = n - 1 - min(s if s >= 0 else max(s + n, -1), n - 1)
            e = n - 1 - (e if e >= 0 else max(e + n, -1))
            k = -k
        low, high, _ = slice(s, e, k).indices(n)
        key = (slice(None),) * (d % x.ndim) + (slice(low, max(high, low), k),)
        x = x[key]
    return x


@operator
def Gather(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    axis = a.get("axis", 0) % x.ndim
    return indexing.getitem(x, (slice(None),) * axis + (index,))


def _from_start(index: Tensor, n: int) -> Tensor:
    """Indices below zero count from the end."""
    return comparison.where(index < 0, index + n, index)


@operator
def GatherElements(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    axis = a.get("axis", 0)
    return gathering.gather(x, axis, _from_start(index, x.shape[axis]))


@operator
def GatherND(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    a.refuse("batch_dims", 0)
    return indexing.getitem(x, tuple(index.unbind(-1)))


_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


@operator
def ScatterElements(a: Attributes, x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
    axis, reduce = a.get("axis", 0), a.get("reduction", "none")
    index = _from_start(index, x.shape[axis])
    if reduce == "none":
        return gathering.scatter_src(x, axis, index, updates)
    return scattering.scatter_reduce(x, axis, index, updates, _REDUCTIONS[reduce])


@operator
def ScatterND(a: Attributes, x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
    a.refuse("reduction", "none", "add")
    return indexing.index_put(x, index.unbind(-1), updates, a.get("reduction") == "add")


@operator
def OneHot(a: Attributes, index: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    """`values` are those elsewhere and of the index itself. An index outside has its value nowhere."""
    n, (off, on) = int(depth.item()), values.unbind(0)
    axis = a.get("axis", -1) % (index.ndim + 1)
    wanted = _from_start(index, n).unsqueeze(axis)
    places = creation.arange(n, dtype=index.dtype).reshape((n,) + (1,) * (index.ndim - axis))
    return comparison.where(wanted == places, on, off)


@operator
def Pad(
    a: Attributes, x: Tensor, pads: Any = None, value: Any = None, axes: Tensor | None = None
) -> Tensor:
    if a.opset < 11:
        flat, fill = a["pads"], a.get("value", 0.0)
    else:
        flat, fill = ints(pads) or [], 0.0 if value is None else value.item()
    dims = [d % x.ndim for d in ints(axes) or range(x.ndim)]
    pairs = {d: (flat[i], flat[i + len(dims)]) for i, d in enumerate(dims)}
    mode = a.get("mode", "constant")
    if mode == "constant":
        return joining.pad_constant(x, tuple(pairs.get(d, (0, 0)) for d in range(x.ndim)), fill)
    if min(flat) < 0:
        raise a.unsupported(f"mode={mode!r} and negative pads")
    for d, pair in pairs.items():
        if any(pair):
            places = np.pad(np.arange(x.shape[d]), pair, mode)
            x = gathering.index_select(x, d, creation.from_numpy(places))
    return x


@operator
def Range(a: Attributes, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    return creation.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


@operator
def TopK(a: Attributes, x: Tensor, k: Tensor) -> tuple:
    return tuple(sorting.topk(x, int(k.item()), a.get("axis", -1), bool(a.get("largest", 1))))


@operator
def EyeLike(a: Attributes, x: Tensor) -> Tensor:
    dtype = dtype_of(a["dtype"]) if "dtype" in a else x.dtype
    rows, columns = (creation.arange(n) for n in x.shape)
    return (columns - rows.unsqueeze(1) == a.get("k", 0)).to(dtype)


@operator
def Trilu(a: Attributes, x: Tensor, k: Tensor | None = None) -> Tensor:
    by = 0 if k is None else int(k.item())
    return creation.triu(x, by) if a.get("upper", 1) else creation.tril(x, by)


@operator
def NonZero(a: Attributes, x: Tensor) -> Tensor:
    return gathering.nonzero(x).t()
