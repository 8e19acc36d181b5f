"""Scaled dot product attention in blocks, forward and backward: no array of queries by keys is ever made.

Kept for backward are the result and each query's maximum and logarithm of the sum (`kernels/attention.c`). Inputs may be views with any
strides but the last; the result lies in memory as the query does, so that heads split off by a transpose are joined again
without a copy. float16 and bfloat16 are computed in float32.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..._base import dtypes
from ...runtime.claims import claim, lasting
from ...runtime.operator import registry
from . import library
from .native import Kernels, address, table

kernels = Kernels("attention.c")
KINDS = (dtypes.float32, dtypes.float64, dtypes.float16, dtypes.bfloat16)
NAMES = ("query", "key", "value")


def _accepts(metas: list, attrs: dict[str, Any]) -> bool:
    """Whether shapes and dtypes are those of plain attention; the rest, and what is wrong, is the body's."""
    q, k, v, mask = metas
    if type(attrs["scale"]) not in (float, int, type(None)):
        return False
    if attrs["dropout_p"] != 0 or q.dtype not in KINDS or not (q.dtype is k.dtype is v.dtype):
        return False
    if not 2 <= q.ndim <= 4 or not (q.ndim == k.ndim == v.ndim):
        return False
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2] or k.shape[:-2] != v.shape[:-2]:
        return False
    if 0 in (*q.shape, *k.shape, *v.shape) or not _heads_fit(q.shape, k.shape, attrs["enable_gqa"]):
        return False
    if mask is not None:
        if attrs["is_causal"] or mask.ndim < 1 or mask.ndim > q.ndim:
            return False
        if mask.dtype is not dtypes.bool_ and mask.dtype is not q.dtype:
            return False
        whole = (*q.shape[:-1], k.shape[-2])[-mask.ndim :]
        if any(m not in (1, w) for m, w in zip(mask.shape, whole, strict=True)):
            return False
    return library.available()


def _heads_fit(q: tuple, k: tuple, shared: bool) -> bool:
    if q[:-2] == k[:-2]:
        return True
    return shared and len(q) > 2 and q[:-3] == k[:-3] and q[-3] % k[-3] == 0


def _of(x: np.ndarray) -> Any:
    return kernels.float32 if x.itemsize == 4 else kernels.float64


def _four(x: np.ndarray) -> np.ndarray:
    """(batch, heads, rows, columns), the columns side by side in memory, computed in float32 at least."""
    if x.dtype.char not in "fd":
        x = x.astype(np.float32)
    unit = x.itemsize
    if x.strides[-1] != unit or any(s % unit for s in x.strides):
        x = np.ascontiguousarray(x)
    return x.reshape((1,) * (4 - x.ndim) + x.shape) if x.ndim < 4 else x


def _mask(mask: np.ndarray | None, shape: tuple, dtype: Any) -> np.ndarray | None:
    """The mask as numbers to add, seen in the shape of the scores."""
    if mask is None:
        return None
    if mask.dtype == bool:
        mask = np.where(mask, dtype.type(0), dtype.type(-math.inf))
    elif mask.dtype != dtype:
        mask = mask.astype(dtype)
    if any(s % mask.itemsize for s in mask.strides):
        mask = np.ascontiguousarray(mask)
    return np.broadcast_to(mask, shape)


def _told(q: Any, k: Any, v: Any, out: Any, mask: Any, causal: bool, zeros: bool, g: Any = None) -> Any:  # fmt: skip
    """What C is told of the arrays' sizes and strides."""
    strides = None if mask is None else mask.strides, None if g is None else g.strides
    return _numbers(
        q.itemsize, q.shape, q.strides, k.shape, k.strides, v.shape[3], v.strides, out.strides, *strides, causal, zeros
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _numbers(unit: int, of_q: tuple, q: tuple, of_k: tuple, k: tuple, wide: int, v: tuple, out: tuple, mask: Any, g: Any, causal: bool, zeros: bool) -> np.ndarray:  # fmt: skip
    batch, heads, queries, size = of_q
    strides = (*q[:3], *k[:3], *v[:3], *out[:3], *(mask or (0,) * 4))
    return table(
        (batch, heads, of_k[1], queries, of_k[2], size, wide, *[s // unit for s in strides], int(causal), int(zeros),
         *[s // unit for s in (g or (0,) * 3)[:3]])
    )  # fmt: skip


def _at(array: np.ndarray | None) -> int | None:
    return None if array is None else address(array)


def _like_query(q: np.ndarray, wide: int) -> np.ndarray:
    """Memory for the result, its heads inside its rows where the query's are."""
    batch, heads, queries, _ = q.shape
    if heads > 1 and q.strides[1] < q.strides[2]:
        return np.empty((batch, queries, heads, wide), q.dtype).transpose(0, 2, 1, 3)
    return np.empty((batch, heads, queries, wide), q.dtype)


def _forward(
    query: Any, key: Any, value: Any, mask: Any, wants: bool, is_causal: bool, scale: Any, **_: Any
) -> tuple:
    q, k, v = _four(query), _four(key), _four(value)
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    zeros = mask is not None and mask.dtype == bool
    seen = _mask(mask, (*q.shape[:3], k.shape[2]), q.dtype)
    out = _like_query(q, v.shape[3])
    tops = np.empty((2, *q.shape[:3]), q.dtype) if wants else None
    told = _told(q, k, v, out, seen, is_causal, zeros)
    _of(q).forward(
        address(told), scale, address(q), address(k), address(v), _at(seen), address(out), _at(tops)
    )
    made = out.reshape(out.shape[4 - query.ndim :]) if query.ndim < 4 else out
    if made.dtype != query.dtype:
        made = made.astype(query.dtype)
    return made, () if tops is None else (tops,)


def _backward(
    g: Any, result: Any, kept: Any, needs: tuple, query: Any, key: Any, value: Any, mask: Any, is_causal: bool,
    scale: Any, **_: Any,
) -> list:  # fmt: skip
    q, k, v, out, g = (_four(a) for a in (query, key, value, result, g))
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    (tops,) = kept
    seen = _mask(mask, (*q.shape[:3], k.shape[2]), q.dtype)
    made = [np.empty(a.shape, q.dtype) for a in (q, k, v)]
    delta = np.empty(q.shape[:3], q.dtype)
    told = _told(q, k, v, out, seen, is_causal, False, g)
    _of(q).backward(
        address(told), scale, address(q), address(k), address(v), _at(seen), address(out), address(g), address(tops),
        address(delta), *map(address, made),
    )  # fmt: skip
    grads: list[Any] = [
        m.reshape(a.shape).astype(a.dtype, copy=False) if n else None
        for m, a, n in zip(made, (query, key, value), needs, strict=False)
    ]
    grads.append(_of_mask(mask, seen, q, k, v, g, tops, scale) if needs[3] else None)
    return grads


def _of_mask(mask: Any, seen: Any, q: Any, k: Any, v: Any, g: Any, tops: Any, scale: float) -> Any:  # fmt: skip
    """The gradient of an additive mask, which is as large as the scores are: head by head."""
    total = np.zeros((1,) * (4 - mask.ndim) + mask.shape, q.dtype)
    each = q.shape[1] // k.shape[1]
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            kept = h // each
            scores = q[b, h] @ k[b, kept].T * q.dtype.type(scale) + seen[b, h]
            p = np.exp(scores - tops[0, b, h, :, None] - tops[1, b, h, :, None])
            d = g[b, h] @ v[b, kept].T
            d = p * (d - (p * d).sum(-1, keepdims=True))
            part = total[min(b, total.shape[0] - 1), min(h, total.shape[1] - 1)]
            over = tuple([i for i in (0, 1) if part.shape[i] != d.shape[i]])
            part += d.sum(over, keepdims=True)
    return total.reshape(mask.shape).astype(mask.dtype, copy=False)


def register() -> None:
    """Enters the claim; called when attention is first met."""
    claim(
        registry["scaled_dot_product_attention"],
        "cpu",
        lasting(_accepts, library.available),
        _forward,
        _backward,
    )
