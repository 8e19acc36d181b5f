"""Arithmetic on the places of entries: sorting, joining and finding them.

Places of `n` entries in `d` sparse dimensions are an int64 tensor (d, n). As numbers they are counted in row-major
order, which sorts them as PyTorch's coalesced tensors are sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau
from flambeau.ops.grouping import group_sum
from flambeau.runtime.tensor import Tensor


def counted(indices: Tensor, sizes: Sequence[int]) -> Tensor:
    """The number of each place: (d, n) to (n,)."""
    out: Any = None
    for row, n in zip(indices.unbind(0), sizes):
        out = row if out is None else out * n + row
    if out is None:
        out = flambeau.zeros(indices.shape[1], dtype=flambeau.int64, device=indices.device)
    return out


def placed(numbers: Tensor, sizes: Sequence[int]) -> Tensor:
    """The places of numbers: (n,) to (d, n)."""
    rows = []
    for n in reversed(sizes):
        rows.append(numbers % n if n else numbers)
        numbers = numbers // n if n else numbers
    if not rows:
        return flambeau.zeros(0, numbers.shape[0], dtype=flambeau.int64, device=numbers.device)
    return flambeau.stack(rows[::-1])


def chosen(indices: Tensor, dims: Sequence[int]) -> Tensor:
    """The places in some of the sparse dimensions."""
    if len(dims):
        return flambeau.stack([indices.select(0, d) for d in dims])
    return indices.narrow(0, 0, 0)


def grouped(numbers: Tensor) -> tuple[Tensor, Tensor, Tensor, bool]:
    """(the distinct numbers in order, the order, the group of each in that order, whether all were distinct)."""
    n = numbers.shape[0]
    order = numbers.argsort(stable=True)
    arranged = numbers.index_select(0, order)
    if n < 2:
        return arranged, order, flambeau.zeros_like(arranged), True
    new = arranged[1:] != arranged[:-1]
    group = flambeau.cat([new.new_zeros(1), new]).to(flambeau.int64).cumsum(0)
    if bool(new.all()):
        return arranged, order, group, True
    first = flambeau.cat([new.new_ones(1), new])
    return arranged[first], order, group, False


def joined(numbers: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct numbers in order, and for each the sum of its values."""
    distinct, order, group, all_distinct = grouped(numbers)
    values = values.index_select(0, order)
    return distinct, values if all_distinct else group_sum(values, group, distinct.shape[0])


def found(arranged: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """(where in `arranged` each wanted number is, whether it is there); where it is not, any place."""
    n = arranged.shape[0]
    at = flambeau.searchsorted(arranged, wanted)
    if not n:
        return at * 0, flambeau.zeros(wanted.shape, dtype=flambeau.bool, device=wanted.device)
    at = at.clamp(max=n - 1)
    return at, arranged.index_select(0, at) == wanted


def picked(values: Tensor, at: Tensor, there: Tensor) -> Tensor:
    """values[at], zero where an entry is not there."""
    if not values.shape[0]:
        return values.new_zeros((at.shape[0], *values.shape[1:]))
    out = values.index_select(0, at)
    if bool(there.all()):
        return out
    mask = there.reshape(-1, *[1] * (out.ndim - 1))
    return flambeau.where(mask, out, out.new_zeros(()))


def pointers(rows: Tensor, size: int) -> Tensor:
    """The compressed form of row numbers: how many entries lie before each row, (size + 1,)."""
    counts = flambeau.bincount(rows, minlength=size) if rows.shape[0] else rows.new_zeros(size)
    return flambeau.cat([counts.new_zeros(1), counts.cumsum(0)])


def expanded(pointer: Tensor) -> Tensor:
    """The row number of each entry of a compressed form: the inverse of `pointers`."""
    counts = pointer[1:] - pointer[:-1]
    return flambeau.arange(counts.shape[0], device=pointer.device).repeat_interleave(counts)
