"""Padding that continues what is there (reflect, replicate, circular), whole: `kernels/border.c`.

Dimensions before the last padded one are rows, which a table names; the result is written once, in order.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...ops import interpolate as definition
from ...runtime.claims import claim
from ...runtime.layouts import is_last
from ...runtime.operator import registry
from . import native
from .native import address
from .offers import FLOATS, of_kinds
from .softmax import dense

LEAST = 1 << 10  # elements from which a call pays
REMEMBERED = 1024

kernels = native.Kernels("border.c")
_plans: dict[tuple, tuple] = {}


def _names(n: int, before: int, after: int, mode: str) -> np.ndarray:
    """Which element of a dimension each element of the result is."""
    at = np.arange(-before, n + after)
    if mode == "replicate":
        return at.clip(0, n - 1)
    if mode == "circular":
        return at % n
    turn = max(2 * (n - 1), 1)
    at = at % turn
    return np.minimum(at, turn - at) if n > 1 else at * 0


def _plan(shape: tuple[int, ...], pad: tuple[int, ...], mode: str) -> tuple[np.ndarray, tuple, int]:
    """What `border.c` reads, the shape of the result, and the number of planes."""
    key = shape, pad, mode
    found = _plans.get(key)
    if found is None:
        count = len(pad) // 2
        inner = shape[len(shape) - count :]
        names = [
            _names(n, pad[2 * k], pad[2 * k + 1], mode)
            for n, k in zip(inner, range(count - 1, -1, -1))
        ]
        rows = np.zeros(1, np.int64)
        for n, at in zip(inner[:-1], names[:-1]):
            rows = (rows[:, None] * n + at).reshape(-1)
        low, high = pad[0], pad[0] + inner[-1]
        sizes = [prod(inner[:-1]), rows.size, inner[-1], names[-1].size, low, high]
        numbers = native.table([*sizes, *rows, *names[-1]])
        made = (*shape[: len(shape) - count], *[len(at) for at in names])
        if len(_plans) >= REMEMBERED:
            _plans.clear()
        found = _plans[key] = numbers, made, prod(shape[: len(shape) - count])
    return found


def _of(x: np.ndarray) -> Any:
    return kernels.float32 if x.itemsize == 4 else kernels.float64


def _forward(x: Any, *, wants: bool, pad: Any, mode: str, value: Any) -> tuple:
    last = mode != "circular" and is_last(x)
    numbers, shape, planes = _plan(x.shape, tuple(pad), mode)
    x, y = dense(x), np.empty(shape, x.dtype)
    _of(x).continued(address(numbers), address(x), address(y), planes)
    if last:
        from ...runtime import layouts

        y = layouts.with_last(np, y, layouts.compiled[0])
    return y, ()


def _backward(
    g: Any, _out: Any, _kept: tuple, needs: tuple, x: Any, *, pad: Any, mode: str, value: Any
) -> list:
    numbers, _, planes = _plan(tuple(x.shape), tuple(pad), mode)
    g, made = dense(g), np.empty(x.shape, g.dtype)
    _of(g).folded(address(numbers), address(g), address(made), planes)
    return [made]


def _accepts(metas: list, attrs: dict[str, Any]) -> bool:
    """What the body would find nothing wrong with; it also does what cuts."""
    shape, pad, mode = metas[0].shape, attrs["pad"], attrs["mode"]
    if mode not in definition._BORDERS or attrs["value"] not in (None, 0) or 0 in shape:
        return False
    if not isinstance(pad, (tuple, list)) or any(type(p) is not int or p < 0 for p in pad):
        return False
    count, odd = divmod(len(pad), 2)
    if odd or not count or len(shape) not in (count + 1, count + 2):
        return False
    for k in range(count):
        n, most = shape[len(shape) - 1 - k], max(pad[2 * k], pad[2 * k + 1])
        if most > {"reflect": n - 1, "circular": n}.get(mode, 1 << 20):
            return False
    return True


def register() -> None:
    """Enters the claim; called when a large array is first padded."""
    accepts = of_kinds(FLOATS, _accepts)
    claim(registry["pad"], "cpu", accepts, _forward, _backward, keeps_result=False, least=LEAST)
