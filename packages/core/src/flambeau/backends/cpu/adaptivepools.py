"""Adaptive pooling by `kernels/pool_adaptive.c`: means and largest values of windows whose ends are in tables.

The composites `adaptive_avg_pool1d` to `adaptive_max_pool3d` are claimed whole; with `return_indices` the body runs.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ...ops.pooling import _bins, _target
from ...runtime.claims import claim, lasting
from ...runtime.layouts import BACK, ORDERS, is_last
from ...runtime.operator import registry
from . import library
from .native import Kernels, address, table
from .offers import FLOATS
from .pools import DIMENSIONS, MOST_ROWS, Look, real
from .softmax import dense

kernels = Kernels("pool_adaptive.c")

Shape = tuple[int, ...]


@lru_cache(maxsize=512)
def _described(name: str, shape: Shape, dtype: str, output_size: Any, count: int) -> tuple:
    """The windows of each dimension as asked for, the address of the numbers that C reads, and these themselves.

    Refuses what the composite refuses, in its words.
    """
    look: Any = Look(shape, dtype)
    target = _target(name, look, output_size, count)
    if not all(target):
        return target, 0, None
    missing = (1,) * (DIMENSIONS - count)
    size, out = missing + shape[-count:], missing + target
    numbers = [prod(shape[:-count]), *size, *out]
    for n, windows in zip(size, out):
        bins = _bins(n, windows)
        begins, ends = [a for a, _ in bins], [b for _, b in bins]
        numbers += begins + ends
        numbers += [bisect_right(ends, i) for i in range(n)]
        numbers += [bisect_right(begins, i) for i in range(n)]
    made = table(numbers)
    return target, address(made), made


class _Adaptive:
    """The claim on one of the composites."""

    def __init__(self, name: str, count: int, largest: bool) -> None:
        self.name, self.count, self.largest = name, count, largest

    def described(self, shape: Shape, dtype: str, attrs: dict[str, Any]) -> tuple:
        wanted = attrs["output_size"]
        wanted = tuple(wanted) if isinstance(wanted, list) else wanted
        return _described(self.name, tuple(shape), dtype, wanted, self.count)

    def accepts(self, metas: list, attrs: dict[str, Any]) -> bool:
        x = metas[0]
        if x.dtype not in FLOATS or x.numel == 0 or attrs.get("return_indices"):
            return False
        if x.ndim not in (self.count + 1, self.count + 2) or not library.available():
            return False
        small = prod(x.shape[-self.count :]) < MOST_ROWS or not self.largest
        return small and all(self.described(x.shape, x.dtype.name, attrs)[0])

    def forward(self, x: np.ndarray, wants: bool, **attrs: Any) -> tuple:
        target, plan, _ = self.described(x.shape, real(x), attrs)
        if target == (1, 1) and not self.largest and is_last(x):
            from . import packed

            return packed._mean(np, x.transpose(ORDERS[4])).transpose(BACK[4]), ()
        y = np.empty((*x.shape[: -self.count], *target), x.dtype)
        x, found = dense(x), getattr(kernels, real(x))
        call = found.max_forward if self.largest else found.mean_forward
        call(address(x), address(y), plan)
        return y, ()

    def backward(
        self, g: np.ndarray, _out: Any, _kept: tuple, _needs: tuple, x: np.ndarray, **attrs: Any
    ) -> list:
        plan = self.described(x.shape, real(x), attrs)[1]
        g, made, found = dense(g), np.empty(x.shape, x.dtype), getattr(kernels, real(x))
        if self.largest:
            x = dense(x)
            found.max_backward(address(g), address(x), address(made), plan)
        else:
            found.mean_backward(address(g), address(made), plan)
        return [made]


def register() -> None:
    """Enters the claims; called when one of the composites is first called."""
    for kind in ("avg", "max"):
        for count in (1, 2, 3):
            name = f"adaptive_{kind}_pool{count}d"
            made = _Adaptive(name, count, kind == "max")
            claim(
                registry[name],
                "cpu",
                lasting(made.accepts, library.available),
                made.forward,
                made.backward,
                False,
            )
