"""Order on all cores: sort, topk, distinct elements; running sums, products and extremes; places of what is not zero.

Rows are sorted by their numbers' bytes (`kernels/sort.c`): some 10 ns an element, where comparing takes 40. What lies along
another dimension than the last is turned first, which costs a tenth of that. Results are the reference's, ties included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._base import dtypes
from ..._base.checks import wrap_dim
from ...runtime.operator import registry
from . import copies, native, offers
from .native import address

LEAST_SORT = 1 << 7  # elements from which a call pays
SHORT = 128  # rows that are sorted as quickly as searched
LEAST_SCAN = 1 << 12
LEAST_NONZERO = 1 << 14
LEAST_SEARCH = 1 << 10
FEW = 1 << 20  # the most that `topk` picks out of four times as many; beyond, it sorts

ORDERED = (dtypes.float32, dtypes.float64, dtypes.int64, dtypes.int32, dtypes.uint8, dtypes.bool_)
HALVES = (dtypes.float16, dtypes.bfloat16)
ADDED = (dtypes.float32, dtypes.float64, dtypes.int64)
_F32 = np.dtype(np.float32)

_sort = native.Kernels("sort.c")
_scan = native.Kernels("scan.c")
_logs = native.Kernels("logscan.c")
_nonzeros = native.Kernels("nonzero.c")
_search = native.Kernels("search.c")
NONZERO_BLOCK = 4096  # as in nonzero.c


def _rows(x: np.ndarray, dim: int) -> tuple[np.ndarray, int]:
    """`x` row by row with dimension `dim` last, and that dimension counted from the front."""
    dim = wrap_dim(dim, x.ndim)
    moved = x if dim == x.ndim - 1 else np.moveaxis(x, dim, -1)
    return moved if moved.flags.c_contiguous else copies.dense(moved), dim


def _back(rows: np.ndarray, dim: int) -> np.ndarray:
    """What `_rows` moved, in its place again, row by row."""
    return rows if dim == rows.ndim - 1 else copies.dense(np.moveaxis(rows, -1, dim))


_by_dtype: dict[np.dtype, Any] = {}  # the name of a dtype takes NumPy 2 us to find


def _functions(x: np.ndarray) -> Any:
    found = _by_dtype.get(x.dtype)
    if found is None:
        made = getattr(_sort, "uint8" if x.dtype == bool else x.dtype.name)
        found = _by_dtype[x.dtype] = made
    return found


def _in_float32(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """float16 and bfloat16, all of whose values float32 has, by way of it."""

    def call(x: np.ndarray, **attrs: Any) -> Any:
        if x.itemsize != 2:
            return kernel(x, **attrs)
        made = kernel(copies.cast(x, _F32), **attrs)
        if made is NotImplemented:
            return made
        return copies.cast(made[0], x.dtype), made[1]

    return call


def in_order(x: np.ndarray, descending: bool) -> tuple[np.ndarray, np.ndarray]:
    """The rows of row-major `x` in order, and places."""
    values, places = np.empty(x.shape, x.dtype), np.empty(x.shape, np.int64)
    n = x.shape[-1]
    _functions(x).sort(address(x), address(values), address(places), x.size // n, n, descending)
    return values, places


@_in_float32
def _sorted(x: np.ndarray, *, dim: int, descending: bool, stable: bool = True) -> Any:
    if not x.ndim or not x.size or x.shape[dim] >= 1 << 31:
        return NotImplemented
    rows, dim = _rows(x, dim)
    return tuple([_back(m, dim) for m in in_order(rows, bool(descending))])


@_in_float32
def _topk(x: np.ndarray, *, k: int, dim: int, largest: bool, sorted: bool) -> Any:
    if not x.ndim or not x.size:
        return NotImplemented
    rows, d = _rows(x, dim)
    n = rows.shape[-1]
    if not 0 < k <= n or n >= 1 << 31:
        return NotImplemented
    if x.size >= LEAST_SORT and (4 * k > n or k > FEW or n < SHORT):
        made = in_order(rows, bool(largest))
        return tuple([_back(copies.dense(m[..., :k]), d) for m in made])
    shape = (*rows.shape[:-1], k)
    values, places = np.empty(shape, x.dtype), np.empty(shape, np.int64)
    _functions(x).first_few(
        address(rows), address(values), address(places), x.size // n, n, k, bool(largest)
    )
    return _back(values, d), _back(places, d)


def _unique(x: np.ndarray, *, rows: bool) -> Any:
    if rows or not x.size:
        return NotImplemented
    if x.dtype.kind in "iu":
        low, high = int(x.min()), int(x.max())
        if high - low < 2 * x.size:
            return _unique_counted(x, low, high - low + 1)
    made = in_order(np.ascontiguousarray(x).reshape(1, -1), False)
    values, places = made[0][0], made[1][0]
    new = np.empty(values.shape, bool)
    new[0] = True
    np.not_equal(values[1:], values[:-1], out=new[1:])
    starts = np.flatnonzero(new)
    inverse = np.empty(values.shape, np.int64)
    inverse[places] = np.cumsum(new) - 1
    counts = np.diff(starts, append=values.size)
    return values[starts], inverse.reshape(x.shape), counts.astype(np.int64, copy=False)


def _unique_counted(x: np.ndarray, low: int, span: int) -> tuple:
    """Of whole numbers close together: counted, not sorted."""
    at = x.reshape(-1).astype(np.int64, copy=False) - low
    counts = np.bincount(at, minlength=span)
    found = np.flatnonzero(counts)
    rank = np.empty(span, np.int64)
    rank[found] = np.arange(found.size)
    return (found + low).astype(x.dtype), rank[at].reshape(x.shape), counts[found].astype(np.int64, copy=False)  # fmt: skip


def _around(x: np.ndarray, dim: int) -> tuple[int, int, int]:
    """Elements before dimension `dim`, along it, and behind it."""
    d = wrap_dim(dim, x.ndim)
    return math.prod(x.shape[:d]), x.shape[d], math.prod(x.shape[d + 1 :])


def _running(name: str) -> Callable[..., Any]:
    def kernel(x: np.ndarray, *, dim: int, dtype: Any = None) -> Any:
        if not x.ndim or not x.size:
            return NotImplemented
        x = x if x.flags.c_contiguous else copies.dense(x)
        made = np.empty(x.shape, x.dtype)
        run = getattr(getattr(_scan, x.dtype.name), name)
        run(address(x), address(made), *_around(x, dim))
        return made

    return kernel


def _running_logs(x: np.ndarray, *, dim: int) -> Any:
    if not x.ndim or not x.size or type(dim) is not int or not -x.ndim <= dim < x.ndim:
        return NotImplemented
    rows = np.moveaxis(x, dim, -1)
    rows = rows if rows.flags.c_contiguous else copies.dense(rows)
    made = np.empty(rows.shape, x.dtype)
    n = rows.shape[-1]
    getattr(_logs, x.dtype.name).logcumsumexp(address(rows), address(made), rows.size // n, n)
    made = np.moveaxis(made, -1, dim)
    return made if made.flags.c_contiguous else copies.dense(made)


def _extreme_places(x: np.ndarray, *, dim: int, largest: bool) -> Any:
    if not x.ndim or not x.size:
        return NotImplemented
    x = x if x.flags.c_contiguous else copies.dense(x)
    made = np.empty(x.shape, np.int64)
    run = getattr(_scan, x.dtype.name).extreme_places
    run(address(x), address(made), *_around(x, dim), bool(largest))
    return made


def _nonzero(x: np.ndarray) -> Any:
    if not x.ndim or not x.size:
        return NotImplemented
    x = x if x.flags.c_contiguous else copies.dense(x)
    functions = getattr(_nonzeros, "uint8" if x.dtype == bool else x.dtype.name)
    counts = np.empty(-(-x.size // NONZERO_BLOCK), np.int64)
    functions.count(address(x), x.size, address(counts))
    ends = np.cumsum(counts)
    table = np.empty((int(ends[-1]), x.ndim), np.int64)
    shape, before = np.array(x.shape, np.int64), ends - counts
    if table.size:
        functions.places(
            address(x), x.size, address(before), address(table), address(shape), x.ndim
        )
    return table


def _places_in(rows: np.ndarray, x: Any, *, right: bool) -> Any:
    if type(x) is not np.ndarray or x.dtype != rows.dtype or not x.size or rows.ndim == 0:
        return NotImplemented
    n = rows.shape[-1]
    outer = rows.size // n if n else 0
    if not 0 < n < 1 << 31 or (rows.ndim > 1 and rows.shape[:-1] != x.shape[:-1]):
        return NotImplemented
    rows, x = (a if a.flags.c_contiguous else copies.dense(a) for a in (rows, x))
    made = np.empty(x.shape, np.int64)
    call = getattr(_search, "uint8" if x.dtype == bool else x.dtype.name).places
    call(address(rows), address(x), address(made), outer, n, x.size // outer, int(right))
    return made


def register() -> None:
    """Enters the kernels; called when one of these operators first meets an array that is large enough."""
    every = (*ORDERED, *HALVES)
    offers.offer("sort", _sorted, least=LEAST_SORT, kinds=every)
    offers.offer("topk", _topk, least=1, kinds=every)
    offers.offer("unique_parts", _unique, least=LEAST_SORT, kinds=ORDERED)
    offers.offer("nonzero_table", _nonzero, least=LEAST_NONZERO, kinds=ORDERED)
    offers.offer("cumsum", _running("cumsum"), least=LEAST_SCAN, kinds=ADDED, halves=True)
    offers.offer("cumprod", _running("cumprod"), least=LEAST_SCAN, kinds=ADDED, halves=True)
    if "logcumsumexp" in registry:
        offers.offer("logcumsumexp", _running_logs, least=LEAST_SCAN)
    if "places_in" in registry:
        offers.offer("places_in", _places_in, least=LEAST_SEARCH, kinds=ORDERED)
    if "extreme_places" in registry:
        offers.offer("extreme_places", _extreme_places, least=LEAST_SCAN, kinds=ADDED)
