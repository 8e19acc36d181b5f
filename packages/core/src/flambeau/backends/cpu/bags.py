"""embedding_bag whole: `kernels/bags.c`. What it refuses, the definition refuses or computes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..._base import dtypes
from ...ops.keys import check_range
from ...runtime.claims import Declined, claim
from ...runtime.operator import registry
from . import library, native
from .native import Kernels, address
from .offers import FLOATS
from .softmax import dense

kernels = Kernels("bags.c")
MOST_KEPT = 1 << 12  # bags of one length whose beginnings are kept


def _accepts(metas: list, attrs: dict[str, Any]) -> bool:
    index, table, starts, samples = metas
    if attrs["max_norm"] is not None:
        return False
    if attrs["sparse"] or attrs["scale_grad_by_freq"]:
        return False
    kinds = (dtypes.int64, dtypes.int32)
    if index.dtype not in kinds or table.dtype not in FLOATS or table.ndim != 2:
        return False
    if starts is None:
        plain = index.ndim == 2
    else:
        plain = index.ndim == 1 and starts.ndim == 1 and starts.dtype in kinds
    if samples is not None and (
        attrs["mode"] != "sum" or samples.dtype is not table.dtype or samples.shape != index.shape
    ):
        return False
    return plain and index.numel > 0 and 0 < table.numel < 1 << 31 and library.available()


@lru_cache(maxsize=64)
def _even(bags: int, length: int) -> np.ndarray:
    """Where bags of one length begin; kept, so that a recorded program may read it."""
    return native.table(range(0, bags * length + 1, length))


def _starts(index: np.ndarray, starts: Any, include_last: bool) -> np.ndarray:
    """Where bags begin, and where the last one ends."""
    if starts is None:
        bags, length = index.shape
        if bags <= MOST_KEPT:
            return _even(bags, length)
        return np.arange(0, index.size + 1, length, dtype=np.int64)
    found = starts[:-1] if include_last else starts
    made = np.empty(found.size + 1, np.int64)
    made[:-1], made[-1] = found, index.size
    if made.size < 2 or made[0] != 0 or (made[1:] < made[:-1]).any():
        raise Declined("offsets that are not in order")
    return made


def _skip(padding_idx: int | None, n: int) -> int:
    if padding_idx is None:
        return -1
    if not -n <= padding_idx < n:
        raise Declined("a padding index that is out of range")
    return padding_idx % n


def _address(array: Any) -> Any:
    return None if array is None else address(array)


def _forward(
    index: Any, table: Any, starts: Any, samples: Any, *, wants: bool, mode: str, padding_idx: Any,
    include_last_offset: bool, **_: Any,
) -> tuple:  # fmt: skip
    index, table = dense(index), dense(table)
    samples = None if samples is None else dense(samples)
    begins = _starts(index, starts, include_last_offset)
    n, width = table.shape
    bags = begins.size - 1
    out = np.empty((bags, width), table.dtype)
    numbers = n, _skip(padding_idx, n), width, bags, int(index.itemsize == 8)
    given = address(index), address(begins), address(table)
    if mode == "max":
        kept = np.empty(out.shape, f"i{out.itemsize}")  # the row that each element comes from
        bad = kernels.of(table).bags_max(*given, address(out), address(kept), *numbers)
    else:
        kept = np.empty(bags, table.dtype)  # the divisors
        rest = _address(samples), address(out), address(kept)
        bad = kernels.of(table).bags_sum(*given, *rest, *numbers, int(mode == "mean"))
    if bad:
        check_range(index, n, 0, from_end=False)
    return out, (kept,)


def _backward(
    g: Any, _out: Any, kept: tuple, needs: tuple, index: Any, table: Any, starts: Any, samples: Any, *,
    mode: str, padding_idx: Any, include_last_offset: bool, **_: Any,
) -> list:  # fmt: skip
    g, index, table = dense(g), dense(index), dense(table)
    n, width = table.shape
    made: list[Any] = [None] * 4
    of = kernels.of(table)
    if mode == "max":
        made[1] = np.empty(table.shape, table.dtype)
        of.bags_max_spread(address(g), address(kept[0]), address(made[1]), n, width, g.shape[0])
        return made
    (sizes,), begins = kept, _starts(index, starts, include_last_offset)
    samples = None if samples is None else dense(samples)
    numbers = n, _skip(padding_idx, n), width, begins.size - 1, int(index.itemsize == 8)
    if needs[1]:
        made[1] = np.empty(table.shape, table.dtype)
        work = np.empty(n + 1 + 2 * index.size, np.int64)
        given = [address(a) for a in (index, begins, g)]
        rest = [address(a) for a in (sizes, made[1], work)]
        of.bags_spread(*given, _address(samples), *rest, *numbers)
    if needs[3]:
        made[3] = np.empty(index.shape, table.dtype)
        of.bags_dots(*[address(a) for a in (index, begins, table, g, made[3])], *numbers)
    return made


def register() -> None:
    """Enters the claim; called when embedding_bag is first called."""
    claim(registry["embedding_bag"], "cpu", _accepts, _forward, _backward, keeps_result=False)
