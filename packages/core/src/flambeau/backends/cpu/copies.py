"""Copies on all cores: into row-major order, into memory that is there, side by side, padded, cut, and as another dtype.

A copy between two layouts is planned once (`_Plan`): dimensions of size 1 dropped, neighbours merged, then rows, a transpose
in registers, or steps (`kernels/copy.c`). Elements are moved as bytes, whatever their dtype.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache, lru_cache
from math import prod
from typing import Any

import numpy as np

from ..._base import dtypes
from ..._base.checks import wrap_dim, wrap_dims
from ..._base.formats import dense_order, order_of, preserve_format
from ...runtime import layouts
from ...runtime.operator import registry
from . import native, offers
from .native import address

LEAST = 1 << 15  # elements from which a copy that is not row by row pays
LEAST_ROWS = 1 << 17  # one from row to row, which one core does at the speed of its cache
LEAST_INTO = 1 << 19
LEAST_CAST = 1 << 16
LEAST_PIECE = 1 << 12  # elements per tensor from which `cat` copies them one by one here
REMEMBERED = 1024
SHORT_ROW = 128  # bytes below which a row is not worth a memcpy
JOINED = 4  # sources that one call of `join` takes
APART = (
    4 << 20
)  # bytes from which sources that stay whole are copied one by one: 1.06 instead of 1.15 ms for two of 16 MB
KINDS = {
    "float32": 0, "float64": 1, "int64": 2, "int32": 3, "uint8": 4, "bool": 5, "float16": 6, "bfloat16": 7,
}  # fmt: skip
SIZES = (1, 2, 4, 8, 16)
MOVED = tuple(d for d in vars(dtypes).values() if isinstance(d, dtypes.dtype))
ROWS, TURN, STEPS = range(3)  # as in `copy.c`

_copy = native.Kernels("copy.c")
_cast = native.Kernels("cast.c")
_plans: dict[tuple, tuple] = {}
_joins: dict[tuple, Any] = {}  # by layouts; False where the reference must


# -- raw copies ---------------------------------------------------------------------------------------------------


def write(target: np.ndarray, source: np.ndarray) -> None:
    """`source` into `target`: one shape, one dtype of 1, 2, 4, 8 or 16 bytes, no memory in common."""
    key = (target.shape, target.strides, source.strides, target.itemsize)
    plan = _plans.get(key)
    if plan is None:
        numbers = make_plan(*key)
        plan = (native.table(numbers), *(numbers[-2:] or (0, 0)))
        if len(_plans) >= REMEMBERED:
            _plans.clear()
        _plans[key] = plan
    numbers, to, of = plan
    if numbers.size:
        _copy.int64.copy(address(numbers), address(target) + to, address(source) + of)


def make_plan(shape: Sequence[int], to: Sequence[int], of: Sequence[int], size: int) -> list[int]:
    """What `copy` reads, and behind it how far from the first elements it begins; empty where there is nothing to copy.

    >>> make_plan((2, 3), (12, 4), (4, 8), 4)  # a transpose: kind, bytes, dims; sizes; steps of both; begins
    [1, 4, 2, 2, 3, 12, 4, 4, 8, 0, 0]
    """
    if 0 in shape:
        return []
    begins = [0, 0]
    loops = []
    for n, t, f in zip(shape, to, of):
        if n == 1:
            continue
        if t < 0:  # the target is walked upwards
            begins[0] += (n - 1) * t
            begins[1] += (n - 1) * f
            t, f = -t, -f
        loops.append((n, t, f))
    loops.sort(key=lambda loop: (loop[1], abs(loop[2])), reverse=True)
    merged: list[tuple[int, int, int]] = []
    for n, t, f in loops:
        if merged and merged[-1][1] == n * t and merged[-1][2] == n * f:
            merged[-1] = (merged[-1][0] * n, t, f)
        else:
            merged.append((n, t, f))
    if not merged:
        merged = [(1, size, size)]
    n, t, f = merged[-1]
    kind = STEPS
    if t == size and f == size:
        kind = ROWS if n * size >= SHORT_ROW else STEPS
    elif t == size and f != 0:
        near = [d for d, loop in enumerate(merged[:-1]) if loop[2] == size]
        if near:
            kind = TURN
            merged.insert(-1, merged.pop(near[0]))
    if kind == ROWS:  # whole rows are rather written to distant places than read from there
        for d, (n, t, f) in enumerate(merged[:-1]):
            if f < 0:
                begins[0] += (n - 1) * t
                begins[1] += (n - 1) * f
                merged[d] = n, -t, -f
        merged[:-1] = sorted(merged[:-1], key=lambda loop: loop[2], reverse=True)
    return [kind, size, len(merged), *(x for part in zip(*merged) for x in part), *begins]


def dense(a: np.ndarray) -> np.ndarray:
    """A row-major copy."""
    made = np.empty(a.shape, a.dtype)
    write(made, a)
    return made


def in_order(a: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """A copy that lies in memory with its dimensions in `order`, the widest first."""
    if tuple(order) == tuple(range(a.ndim)):
        return dense(a)
    return dense(a.transpose(order)).transpose(_back(order))


def _back(order: Sequence[int]) -> list[int]:
    """The order that undoes `order`."""
    return sorted(range(len(order)), key=lambda d: order[d])


def cast(a: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`a` as another dtype of `KINDS`, laid out as `a` is, or row by row where `a` leaves gaps."""
    order = None
    flat = a
    if not a.flags.c_contiguous:
        order = dense_order(a.shape, a.strides)
        flat = a.transpose(order)
        if not flat.flags.c_contiguous:
            flat = dense(flat) if a.itemsize in SIZES else np.ascontiguousarray(flat)
    made = np.empty(flat.shape, dtype)
    kinds = _kind(a.dtype), _kind(dtype)
    _cast.int64.cast(*kinds, address(made), address(flat), a.size)
    return made if order is None else made.transpose(_back(order))


def filled(shape: Sequence[int], value: Any, dtype: np.dtype) -> np.ndarray:
    """A new array full of one number."""
    made = np.empty(shape, dtype)
    fill(made, value)
    return made


def fill(target: np.ndarray, value: Any) -> None:
    """One number into a row-major array."""
    number = np.array(value, target.dtype)
    _copy.int64.fill(address(target), address(number), target.itemsize, target.size)


# -- operators ----------------------------------------------------------------------------------------------------


def _clone(x: np.ndarray, *, memory_format: Any = None) -> Any:
    if x.itemsize not in SIZES:
        return NotImplemented
    if memory_format is None or memory_format is preserve_format:
        if x.flags.c_contiguous:
            return dense(x) if x.size >= LEAST_ROWS else NotImplemented
        return in_order(x, dense_order(x.shape, x.strides))
    return in_order(x, order_of(x.shape, memory_format))


def _reshape(x: np.ndarray, *, shape: Any) -> Any:
    if x.flags.c_contiguous or x.itemsize not in SIZES or not isinstance(shape, (tuple, list)):
        return NotImplemented
    if any(type(n) is not int or n < -1 for n in shape):
        return NotImplemented
    if prod(shape) != x.size if -1 not in shape else shape.count(-1) != 1:
        return NotImplemented
    if -1 in shape:
        known = -prod(shape)
        if not known or x.size % known:
            return NotImplemented
        shape = tuple([x.size // known if n == -1 else n for n in shape])
    if _views(x.shape, x.strides, shape):
        return NotImplemented
    made = np.empty(shape, x.dtype)
    write(made.reshape(x.shape), x)
    return made


def _views(shape: tuple[int, ...], strides: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether memory laid out so can be seen in the shape `wanted`, of as many elements, without a copy.

    >>> _views((4, 6), (48, 4), (2, 2, 6)), _views((4, 6), (48, 4), (24,))
    (True, False)
    """
    if 0 in shape:
        return True
    runs: list[int] = []  # elements that follow each other at one distance
    step = None
    for n, s in zip(reversed(shape), reversed(strides)):
        if n == 1:
            continue
        if s == step:
            runs[-1] *= n
        else:
            runs.append(n)
        step = s * n
    left = 1
    for n in reversed(wanted):
        if n == 1:
            continue
        if left == 1:
            left = runs.pop(0)
        if left % n:
            return False
        left //= n
    return True


def _to_dtype(x: np.ndarray, *, dtype: Any) -> Any:
    wanted = dtype.numpy
    if _kind(x.dtype) is None or _kind(wanted) is None:
        return NotImplemented
    if 0 in x.strides:
        x = dense(x)
    return cast(x, wanted)


@cache
def _kind(d: np.dtype) -> int | None:
    """Its number in `cast.c`; None for what is not there. (NumPy takes 2 us to name a dtype.)"""
    return KINDS.get(d.name)


def _copy_into(x: np.ndarray, source: Any) -> Any:
    if type(source) is not np.ndarray or source.dtype != x.dtype or x.itemsize not in SIZES:
        return NotImplemented
    if source.shape != x.shape:
        source = np.broadcast_to(source, x.shape)
    if np.may_share_memory(x, source) or _overlaps_itself(x) or not x.flags.writeable:
        return NotImplemented
    write(x, source)
    return x


def _overlaps_itself(x: np.ndarray) -> bool:
    return not x.flags.c_contiguous and 0 in x.strides


def _channels_last(x: np.ndarray) -> bool:
    inner = x.transpose(0, *range(2, x.ndim), 1)
    return not x.flags.c_contiguous and inner.flags.c_contiguous


def _cat(*xs: Any, dim: int) -> Any:
    key = (dim, *[v for x in xs for v in (x.dtype, x.shape, x.strides)])
    found: Any = _joins.get(key)
    if found is None:
        if len(_joins) >= REMEMBERED:
            _joins.clear()
        found = _joins[key] = _Join.of(xs, dim) or False
    if found is False or (found.small and not native.recorders):
        return NotImplemented
    made = np.empty(found.shape, xs[0].dtype)
    if found.plan is not None:
        sources = [address(x) for x in xs if x.size]
        _copy.int64.join(
            address(found.plan), address(made), *sources, *[None] * (JOINED - len(sources))
        )
        return made
    front = (slice(None),) * found.dim
    at = 0
    for x in xs:
        if x.size:
            write(made[(*front, slice(at, at + x.shape[found.dim]))], x)
        at += x.shape[found.dim]
    return made


class _Join:
    """How arrays of some layouts come to lie side by side.

    `plan` is what `join` reads, for a few whose rows are dense and worth it; None: each is copied apart.
    """

    __slots__ = ("dim", "plan", "shape", "small")

    def __init__(
        self, dim: int, shape: tuple[int, ...], small: bool, plan: np.ndarray | None
    ) -> None:
        self.dim, self.shape, self.small, self.plan = dim, shape, small, plan

    @classmethod
    def of(cls, xs: Sequence[np.ndarray], dim: int) -> _Join | None:
        """None where the reference must."""
        first = xs[0]
        ndim = first.ndim
        if ndim == 0 or first.itemsize not in SIZES:
            return None
        dim = wrap_dim(dim, ndim)
        total, size = 0, 0
        around = (*first.shape[:dim], *first.shape[dim + 1 :])
        for x in xs:
            shape = x.shape
            if (
                x.ndim != ndim
                or x.dtype != first.dtype
                or (*shape[:dim], *shape[dim + 1 :]) != around
                or (ndim in (4, 5) and _channels_last(x))  # the reference keeps it so
            ):
                return None
            total += shape[dim]
            size += x.size
        small = size < LEAST or size < LEAST_PIECE * len(xs)
        some = [x for x in xs if x.size]
        plan = None
        steps = [_row_step(x, dim) for x in some] if len(some) <= JOINED else [None]
        if some and None not in steps:
            outer = prod(around[:dim])
            parts = [x.nbytes // outer for x in some]
            if outer == 1:
                worth = sum(parts) < APART
            elif parts in ([4, 4], [8, 8]):
                worth = steps == parts
            else:
                worth = sum(parts) >= SHORT_ROW * len(parts)
            if worth:
                plan = native.table([outer, len(some), *parts, *steps])
        return cls(dim, (*around[:dim], total, *around[dim:]), small, plan)


def _row_step(x: np.ndarray, dim: int) -> int | None:
    """Bytes from one part along `dim` to the next, where the parts are dense and follow each other at one distance; else None."""
    dense = x.itemsize
    for n, s in zip(reversed(x.shape[dim:]), reversed(x.strides[dim:])):
        if n != 1 and s != dense:
            return None
        dense *= n
    step, span = dense, None
    for n, s in zip(reversed(x.shape[:dim]), reversed(x.strides[:dim])):
        if n == 1:
            continue
        if span is None:
            step = s
        elif s != span:
            return None
        span = s * n
    return step


def _flip(x: np.ndarray, *, dims: Any) -> Any:
    if x.itemsize not in SIZES:
        return NotImplemented
    made = np.flip(x, wrap_dims(dims, x.ndim)) if dims != () else x
    return dense(made) if x.flags.c_contiguous else in_order(made, dense_order(x.shape, x.strides))


def _put(part: np.ndarray, value: Any) -> None:
    """One number into a part of an array: by C where a program is being recorded, which can make C calls again."""
    if native.recorders and part.size and part.dtype.kind in "fiu":
        number = _number(repr(value), value, part.dtype)
        write(part, np.broadcast_to(number, part.shape))
    else:
        part[...] = value


@lru_cache(maxsize=256)
def _number(_text: str, value: Any, dtype: np.dtype) -> np.ndarray:
    """An array of one number, in memory that is not NumPy's, as that of `native.table`. The text tells 0.0 from -0.0."""
    memory: Any = (ctypes.c_char * dtype.itemsize)()
    made = np.frombuffer(memory, dtype)
    made[0] = value
    native.lasting[address(made)] = made
    return made


def _pad(x: np.ndarray, *, pads: Any, value: Any) -> Any:
    if x.itemsize not in SIZES:
        return NotImplemented
    if layouts.is_last(x):
        order = layouts.ORDERS[x.ndim]
        made = _pad(x.transpose(order), pads=[pads[d] for d in order], value=value)
        return made.transpose(layouts.BACK[x.ndim])
    cut = tuple([slice(max(0, -a), n - max(0, -b)) for n, (a, b) in zip(x.shape, pads)])
    inner = x[cut]
    made = np.empty([n + a + b for n, (a, b) in zip(x.shape, pads)], x.dtype)
    part = made
    places = []
    for d, (a, b) in enumerate(pads):  # what is before and behind, in ever smaller parts
        front = (slice(None),) * d
        low, high = max(0, a), part.shape[d] - max(0, b)
        if low:
            _put(part[(*front, slice(0, low))], value)
        if high < part.shape[d]:
            _put(part[(*front, slice(high, None))], value)
        part = part[(*front, slice(low, high))]
        places.append(slice(low, high))
    if inner.size:
        write(part, inner)
    return made


def _triangle(upper: bool) -> Any:
    def kernel(x: np.ndarray, *, diagonal: int) -> Any:
        if x.ndim < 2 or x.itemsize not in SIZES or not x.size:
            return NotImplemented
        if not x.flags.c_contiguous:
            x = dense(x)
        rows, columns = x.shape[-2:]
        made = np.empty(x.shape, x.dtype)
        diagonal = max(-rows - 1, min(diagonal, columns + 1))
        count = x.size // (rows * columns)
        _copy.int64.triangles(address(made), address(x), count, rows, columns, x.itemsize, diagonal, upper)  # fmt: skip
        return made

    return kernel


def register() -> None:
    """Enters the kernels; called when one of these operators first meets a large array."""
    for name, kernel, least in (
        ("clone", _clone, LEAST),
        ("reshape", _reshape, LEAST),
        ("to_dtype", _to_dtype, LEAST_CAST),
        ("copy_into", _copy_into, LEAST_INTO),
        ("cat", _cat, LEAST),
        ("flip", _flip, LEAST),
        ("pad_constant", _pad, LEAST),
        ("tril", _triangle(False), LEAST),
        ("triu", _triangle(True), LEAST),
    ):
        if name in registry:
            offers.offer(name, kernel, least=least, kinds=MOVED)
