"""Reductions on all cores: sums, means, products, extremes and their places, truth, norms, variances.

Dimensions are put in the order that they have in memory and merged; what is left is rows that become a number each, or
columns that are added up (`kernels/reduce.c`). A long range is cut into pieces by its length alone, so that a result does
not depend on the number of threads. Sums of float32 are accumulated in double.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._base import dtypes
from ..._base.checks import wrap_dims
from ...runtime.claims import claim
from ...runtime.operator import registry
from . import copies, native, offers
from .native import address

LEAST = 1 << 13  # elements from which a call pays
LEAST_SUM = 1 << 16  # NumPy adds as fast as one core can read
LEAST_PLACE = 1 << 20  # and finds places in rows so; not in columns,
SHORT_PLACE = range(8, 32)  # nor in rows so short: 52 -> 28 us for 4096 of 16
PIECE = 1 << 14  # elements of a piece, where there are fewer results than MANY
MANY = 32
REMEMBERED = 1024
NUMBERS = (dtypes.float32, dtypes.float64, dtypes.int64)
ORDERED = (*NUMBERS, dtypes.int32, dtypes.uint8)
TRUTHS = (*ORDERED, dtypes.bool_)

_kernels = native.Kernels("reduce.c")
_plans: dict[tuple, _Plan | None] = {}
_calls: dict[tuple, Callable[..., int]] = {}


class _Plan:
    """How memory of one layout is reduced over some dimensions."""

    __slots__ = ("back", "count", "dense", "numbers", "shape")

    def __init__(
        self, shape: tuple[int, ...], strides: tuple[int, ...], dims: tuple[int, ...], places: bool
    ) -> None:
        order = sorted(range(len(shape)), key=lambda d: (-abs(strides[d]), d))
        merged: list[list[Any]] = []  # size, stride, whether it is reduced
        for d in order:
            if shape[d] == 1:
                continue
            last = merged[-1] if merged else None
            if last and last[2] == (d in dims) and last[1] == strides[d] * shape[d]:
                merged[-1] = [last[0] * shape[d], strides[d], last[2]]
            else:
                merged.append([shape[d], strides[d], d in dims])
        merged = merged or [[1, 1, True]]
        self.count = math.prod(shape[d] for d in dims)
        # Only what lies together, upwards, is read as it is.
        self.dense = merged[-1][1] == 1 and all(m[1] > 0 for m in merged)
        if not self.dense:
            return
        inner, _, in_rows = merged.pop()
        loops = {r: [m for m in merged if m[2] is r] for r in (False, True)}
        kept, reduced = loops[False], loops[True]
        if places and (len(reduced) > 1 or (in_rows and reduced)):
            self.dense = False  # places are counted along one run of steps
            return
        results = math.prod(m[0] for m in kept) * (1 if in_rows else inner)
        length = self.count
        pieces = 1
        if (results < MANY and length * results >= 2 * PIECE) or (
            not in_rows and results < 16 * MANY
        ):
            pieces = max(1, min(length * results // PIECE, 2 * MANY))
        units = inner if in_rows and not reduced else math.prod(m[0] for m in reduced)
        pieces = 1 if places and not in_rows else min(pieces, max(1, units))
        numbers = [len(kept), len(reduced), inner, in_rows, pieces]
        for part in (kept, reduced):
            numbers += [m[0] for m in part] + [m[1] for m in part]
        self.numbers = native.table(numbers)
        rest = [d for d in order if d not in dims]  # results lie in this order
        self.shape = tuple(shape[d] for d in rest)
        logical = sorted(rest)
        self.back = None if rest == logical else tuple(rest.index(d) for d in logical)


def _plan(x: np.ndarray, dims: tuple[int, ...], places: bool) -> _Plan:
    key = (x.shape, x.strides, x.itemsize, dims, places)
    found = _plans.get(key)
    if found is None:
        steps = tuple([s // x.itemsize for s in x.strides])
        found = _Plan(x.shape, steps, dims, places)
        if any(s % x.itemsize for s in x.strides):
            found.dense = False
        if len(_plans) >= REMEMBERED:
            _plans.clear()
        _plans[key] = found
    return found


def reduced(
    name: str,
    x: np.ndarray,
    dims: tuple[int, ...],
    keepdim: bool,
    dtype: Any,
    *more: np.ndarray,
    places: bool = False,
) -> np.ndarray:
    """`name` of reduce.c over `dims`, each named once. `x` has elements, and dimensions."""
    plan = _plan(x, dims, places)
    if not plan.dense:
        x = copies.dense(x)
        plan = _plan(x, dims, places)
        if not plan.dense:  # places over several runs of steps: the dimension last
            rest = [d for d in range(x.ndim) if d not in dims]
            return _turned(name, x, dims, rest, keepdim, dtype)
    out = np.empty(plan.shape, dtype)
    call = _calls.get((name, x.dtype))
    if call is None:
        call = _calls[name, x.dtype] = getattr(_kernels.of(x), name)
    call(address(plan.numbers), address(x), *map(address, more), address(out))
    if plan.back is not None:
        out = np.ascontiguousarray(out.transpose(plan.back))
    if keepdim:
        out = out.reshape([1 if d in dims else n for d, n in enumerate(x.shape)])
    return out


def _turned(
    name: str, x: np.ndarray, dims: tuple, rest: list[int], keepdim: bool, dtype: Any
) -> np.ndarray:
    last = copies.dense(x.transpose([*rest, *dims]))
    made = reduced(name, last, tuple(range(len(rest), x.ndim)), False, dtype, places=True)
    if keepdim:
        made = made.reshape([1 if d in dims else n for d, n in enumerate(x.shape)])
    return made


# -- operators ----------------------------------------------------------------------------------------------------


def _fold(name: str, truth: bool = False) -> Callable[..., Any]:
    known: dict[tuple, tuple] = {}  # what one call of C needs, by layout and arguments

    def kernel(x: np.ndarray, *, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
        key = x.dtype, x.shape, x.strides, dim, keepdim
        found = None if type(dim) is list else known.get(key)
        if found is not None:
            call, numbers, shape, dtype = found
            out = np.empty(shape, dtype)
            call(address(numbers), address(x), address(out))
            return out
        if not x.ndim or not x.size:
            return NotImplemented
        dims = tuple(wrap_dims(dim, x.ndim))
        dtype = np.dtype(("uint8" if x.dtype == np.uint8 else "bool") if truth else x.dtype)
        made = reduced(name, x, dims, bool(keepdim), dtype)
        plan = _plan(x, dims, False)
        if plan.dense and plan.back is None and type(dim) is not list:
            if len(known) >= REMEMBERED:
                known.clear()
            known[key] = _calls[name, x.dtype], plan.numbers, made.shape, dtype
        return made

    return kernel


def _to_size(x: np.ndarray, *, size: tuple[int, ...]) -> Any:
    """The sum to a shape that broadcasts to the array's."""
    extra = x.ndim - len(size)
    ones = [i + extra for i, n in enumerate(size) if n == 1 and x.shape[i + extra] != 1]
    dims = (*range(extra), *ones)
    if not dims or not x.size:
        return NotImplemented
    return reduced("add", x, dims, False, x.dtype).reshape(tuple(size))


def _place(name: str) -> Callable[..., Any]:
    def kernel(x: np.ndarray, *, dim: int, keepdim: bool) -> Any:
        if not x.ndim or not x.size:
            return NotImplemented
        dims = tuple(wrap_dims(dim, x.ndim))
        in_rows = dims[0] == x.ndim - 1 and x.flags.c_contiguous
        few = in_rows and x.size < LEAST_PLACE and x.shape[-1] not in SHORT_PLACE
        if few and x.itemsize > 2 and not native.recorders:
            return NotImplemented  # what NumPy does would leave no trace in a recording
        if x.shape[dims[0]] == 1 or x.shape[dims[0]] >= 1 << 31:
            return NotImplemented  # nothing to choose; or more than 32 bits count
        return reduced(name, x, dims, bool(keepdim), np.int64, places=True)

    return kernel


def _takes_count(metas: list, attrs: dict[str, Any]) -> bool:
    return attrs["dim"] is None and metas[0].dtype in TRUTHS and metas[0].numel > 0


def _count(x: np.ndarray, *, wants: bool, dim: Any) -> tuple[np.ndarray, tuple]:
    """Truth on all cores, which NumPy counts at the speed of memory."""
    if x.dtype != bool:
        kernel = next((k for _, k in registry["ne"].providers["cpu"]), registry["ne"].kernels[None])
        x = kernel(np, x, 0 if x.dtype.kind in "iu" else 0.0)
    return np.asarray(np.count_nonzero(x)), ()


# -- sums that leave NaN out ----------------------------------------------------------------------------------------


def _takes_numbers(metas: list, attrs: dict[str, Any]) -> bool:
    x = metas[0]
    return attrs["dtype"] in (None, x.dtype) and x.ndim > 0 and 0 not in x.shape


def _nansum(x: np.ndarray, *, wants: bool, dim: Any, keepdim: bool, dtype: Any) -> tuple:
    return reduced("add_numbers", x, tuple(wrap_dims(dim, x.ndim)), bool(keepdim), x.dtype), ()


def _nansum_gradient(
    g: np.ndarray, _out: Any, _kept: tuple, needs: tuple, x: np.ndarray, *, dim: Any, **_: Any
) -> list:
    dims = tuple(wrap_dims(dim, x.ndim))
    g = g.reshape([1 if d in dims else n for d, n in enumerate(x.shape)])
    if any(s % x.itemsize for s in x.strides):
        x = np.ascontiguousarray(x)
    return [_where_number(x.dtype.name)(x, g)[0]]


def _where_number(dtype: str) -> Any:
    """g where x is a number, else 0; compiled."""
    from ... import ir
    from .kernel import compile_elementwise

    key = f"number {dtype}"
    if key not in _made:
        x = ir.var("x")
        expr = ir.where(ir.eq(x, x), ir.var("g"), 0.0)
        _made[key] = compile_elementwise({"out": expr}, dict.fromkeys(("x", "g"), dtype))
    return _made[key]


# -- means of halves, which are divided before they are rounded ---------------------------------------------------------


def _mean(x: np.ndarray, *, wants: bool, dim: Any, keepdim: bool, dtype: Any) -> tuple:
    dims = tuple(wrap_dims(dim, x.ndim))
    total = reduced("add_wide", x, dims, bool(keepdim), np.float64)
    return (total / math.prod(x.shape[d] for d in dims)).astype(np.float32).astype(x.dtype), ()


def _mean_gradient(
    g: np.ndarray, _out: Any, _kept: tuple, _needs: tuple, x: np.ndarray, *, dim: Any, **_: Any
) -> list:
    dims = tuple(wrap_dims(dim, x.ndim))
    each = g.astype(np.float32) / math.prod(x.shape[d] for d in dims)
    each = each.astype(x.dtype).reshape([1 if d in dims else n for d, n in enumerate(x.shape)])
    made = np.empty(x.shape, x.dtype)
    copies.write(made, np.broadcast_to(each, x.shape))
    return [made]


# -- sums of complex numbers ----------------------------------------------------------------------------------------------

WOVEN = 16  # complex numbers whose parts are columns: what is summed along memory is then added by whole registers


def _sum(x: np.ndarray, *, dim: Any = None, keepdim: bool = False, **options: Any) -> Any:
    """Sums, of complex numbers as of twice as many real ones beside each other."""
    if x.dtype.kind != "c":
        return _real_sum(x, dim=dim, keepdim=keepdim, **options)
    if not x.ndim or not x.size or not x.flags.c_contiguous:
        return NotImplemented
    part = np.dtype("float32" if x.itemsize == 8 else "float64")
    dims = tuple(wrap_dims(dim, x.ndim))
    if dims == tuple(range(x.ndim)):
        x, dims, shape = x.reshape(-1), (0,), (1,) * x.ndim if keepdim else ()
    else:
        shape = tuple([1 if d in dims else n for d, n in enumerate(x.shape) if keepdim or d not in dims])  # fmt: skip
    last = x.ndim - 1
    if last not in dims:
        made = reduced("add", x.view(part).reshape(*x.shape, 2), dims, False, part)
        return np.ascontiguousarray(made).view(x.dtype).reshape(shape)
    whole = x.shape[-1] // WOVEN * WOVEN
    if not whole or (whole < x.shape[-1] and x.ndim > 1):
        return NotImplemented
    wide = x[..., :whole].reshape(*x.shape[:-1], whole // WOVEN, WOVEN).view(part)
    made = reduced("add", wide, dims, False, part)
    total = np.asarray(np.ascontiguousarray(made).view(x.dtype).sum(-1))
    if whole < x.shape[-1]:
        total = total + x[..., whole:].sum(-1)
    return np.asarray(total, x.dtype).reshape(shape)


# -- variance -----------------------------------------------------------------------------------------------------


def _takes_var(metas: list, attrs: dict[str, Any]) -> bool:
    x = metas[0]
    return x.dtype in offers.FLOATS and x.ndim > 0 and 0 not in x.shape


def _var_settings(x: np.ndarray, dim: Any, unbiased: Any, correction: Any) -> tuple[tuple, float]:
    """The dimensions, and the number that squared distances are divided by."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    dims = tuple(wrap_dims(dim, x.ndim))
    return dims, math.prod(x.shape[d] for d in dims) - correction


def _var(
    x: np.ndarray, *, wants: bool, dim: Any, unbiased: Any, keepdim: bool, correction: Any
) -> tuple[np.ndarray, tuple]:
    dims, left = _var_settings(x, dim, unbiased, correction)
    if not _plan(x, dims, False).dense:
        x = copies.dense(x)
    n = math.prod(x.shape[d] for d in dims)
    plan = _plan(x, dims, False)
    mean = np.empty(plan.shape, np.float64)
    total = np.empty(plan.shape, np.float64)
    call = getattr(_kernels, x.dtype.name)
    call.add_wide(address(plan.numbers), address(x), address(mean))
    mean /= n
    call.squares_about(address(plan.numbers), address(x), address(mean), address(total))
    made = total / left if left > 0 else total * math.nan if n <= 1 else total / 0.0
    made, mean = np.asarray(made, x.dtype), np.asarray(mean)
    if plan.back is not None:
        made, mean = (np.ascontiguousarray(a.transpose(plan.back)) for a in (made, mean))
    grown = [1 if d in dims else k for d, k in enumerate(x.shape)]
    return made.reshape(grown) if keepdim else made, (mean.reshape(grown),)


def _var_gradient(
    g: np.ndarray, _out: Any, kept: tuple, needs: tuple, x: np.ndarray, *, dim: Any, unbiased: Any,
    keepdim: bool, correction: Any,
) -> list:  # fmt: skip
    _, left = _var_settings(x, dim, unbiased, correction)
    (mean,) = kept
    scale = (g * (2 / left if left else math.inf)).reshape(mean.shape).astype(x.dtype)
    if any(s % x.itemsize for s in x.strides):
        x = np.ascontiguousarray(x)
    return [_centred(x.dtype.name)(x, mean.astype(x.dtype), scale)[0]]


def _centred(dtype: str) -> Any:
    """(x - mean) * scale, compiled."""
    from ... import ir
    from .kernel import compile_elementwise

    if dtype not in _made:
        expr = (ir.var("x") - ir.var("mean")) * ir.var("scale")
        _made[dtype] = compile_elementwise({"out": expr}, dict.fromkeys(("x", "mean", "scale"), dtype))  # fmt: skip
    return _made[dtype]


_made: dict[str, Any] = {}
_real_sum = _fold("add")


def register() -> None:
    """Enters the kernels; called when one of these operators first meets a large array."""
    floats, ordered = (*offers.FLOATS, *offers.HALVES), (*ORDERED, *offers.HALVES)
    kinds = (*NUMBERS, *offers.HALVES, dtypes.complex64, dtypes.complex128)
    offers.offer("sum", _sum, least=LEAST_SUM, kinds=kinds)
    offers.offer("sum_to_size", _to_size, least=LEAST, kinds=floats)
    offers.offer("prod_dims", _fold("multiply"), least=LEAST, kinds=floats)
    offers.offer("amax", _fold("max"), least=LEAST, kinds=ordered)
    offers.offer("amin", _fold("min"), least=LEAST, kinds=ordered)
    offers.offer("any", _fold("any", True), least=LEAST, kinds=TRUTHS)
    offers.offer("all", _fold("all", True), least=LEAST, kinds=TRUTHS)
    offers.offer("norm2", _fold("norm2"), least=LEAST, kinds=floats)
    offers.offer("argmax_dim", _place("argmax"), least=LEAST, kinds=ordered)
    offers.offer("argmin_dim", _place("argmin"), least=LEAST, kinds=ordered)
    if "count_nonzero" in registry:
        claim(registry["count_nonzero"], "cpu", _takes_count, _count, lambda *_, **__: [None], False, LEAST)  # fmt: skip
    halves = offers.of_kinds(offers.HALVES, _takes_numbers)
    claim(registry["mean"], "cpu", halves, _mean, _mean_gradient, keeps_result=False, least=LEAST)
    if "nansum" in registry:
        takes = offers.of_kinds(offers.FLOATS, _takes_numbers)
        claim(registry["nansum"], "cpu", takes, _nansum, _nansum_gradient, False, LEAST)
    claim(registry["var"], "cpu", _takes_var, _var, _var_gradient, keeps_result=False, least=LEAST)
