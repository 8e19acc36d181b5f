"""interpolate whole, forward and backward: `kernels/resize.c`, by tables of neighbours and weights.

The weights are those of the definition (`ops/interpolate.py`); the gradient is the same kernel with the tables turned round. Tables
are kept for sizes that come again.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

from ...ops import interpolate as definition
from ...runtime.claims import claim
from ...runtime.operator import registry
from . import native
from .native import Kernels, address
from .offers import FLOATS, of_kinds
from .softmax import dense

kernels = Kernels("resize.c")
DIMS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
REMEMBERED = 256


def _lasting(values: np.ndarray) -> np.ndarray:
    """The same in memory that compiled programs may call with again: not NumPy's."""
    memory: Any = (ctypes.c_char * values.nbytes)()
    made = np.frombuffer(memory, values.dtype).reshape(values.shape)
    made[...] = values
    native.lasting[address(made)] = made
    return made


class Axis:
    """One dimension: for each element of the result the places it is made of, `places[k, n]`, and their weights."""

    def __init__(self, rows: list[dict[int, float]], n: int, dtype: np.dtype) -> None:
        self.given, self.made, self.kind = n, len(rows), dtype
        self.k = max(map(len, rows)) or 1
        places, weights = (
            np.zeros((self.k, len(rows)), np.int32),
            np.zeros((self.k, len(rows)), dtype),
        )
        for i, row in enumerate(rows):
            for t, (place, weight) in enumerate(row.items()):
                places[t, i], weights[t, i] = place, weight
        self.unit = self.k == 1 and bool((weights == 1).all())
        self.same = self.unit and np.array_equal(places[0], np.arange(n))
        self.twice = self._doubling(places, weights)
        self._kept = _lasting(places), _lasting(weights)
        self.numbers = (*map(address, self._kept), n, len(rows), self.k)

    def _doubling(self, places: np.ndarray, weights: np.ndarray) -> int:
        """1: every element twice; -1: sums of two neighbours; 0: neither."""
        if not (weights == 1).all():
            return 0
        if self.made == 2 * self.given and self.k == 1:
            return int(np.array_equal(places[0], np.arange(self.made) // 2))
        if self.given == 2 * self.made and self.k == 2:
            return -int(np.array_equal(places, 2 * np.arange(self.made) + [[0], [1]]))
        return 0

    def turned(self) -> Axis:
        """Of each element that was read, the elements it went into."""
        rows: list[dict[int, float]] = [{} for _ in range(self.given)]
        places, weights = self._kept
        for t in range(self.k):
            for i, (place, weight) in enumerate(zip(places[t].tolist(), weights[t].tolist())):
                if weight:
                    rows[place][i] = weight
        return Axis(rows, self.made, self.kind)


_axes: dict[tuple, tuple[Axis, Axis]] = {}


def _axis(
    n: int, out: int, factor: float | None, attrs: dict[str, Any], kind: np.dtype
) -> tuple[Axis, Axis]:
    """The tables of one dimension, and those turned round."""
    mode, corners, smooth = attrs["mode"], bool(attrs["align_corners"]), attrs["antialias"]
    key = (n, out, factor, mode, corners, smooth, kind)
    found = _axes.get(key)
    if found is None:
        scale = n / out if factor is None else 1.0 / factor
        if n == out and factor in (None, 1):
            rows = [{i: 1.0} for i in range(n)]
        elif mode in ("nearest", "nearest-exact"):
            rows = [{i: 1.0} for i in definition._nearest(n, out, scale, mode == "nearest-exact")]
        else:
            rows = definition._rows(n, out, scale, corners, mode == "bicubic", smooth)
        made = Axis(rows, n, kind)
        if len(_axes) >= REMEMBERED:
            _axes.clear()
        found = _axes[key] = made, made.turned()
    return found


def _plan(x: Any, attrs: dict[str, Any]) -> tuple[list[int], list[tuple[Axis, Axis]]]:
    """The size of the result, and the tables of three dimensions."""
    dims = x.ndim - 2
    target, factors = definition._target(x, dims, attrs["size"], attrs["scale_factor"])
    if attrs["recompute_scale_factor"]:
        factors = [None] * dims
    axes = [_axis(1, 1, None, attrs, x.dtype)] * (3 - dims)
    axes += [_axis(n, m, f, attrs, x.dtype) for n, m, f in zip(x.shape[2:], target, factors)]
    return target, axes


def _run(x: np.ndarray, shape: tuple, axes: list[Axis]) -> np.ndarray:
    x, y = dense(x), np.empty(shape, x.dtype)
    d, h, row = axes
    (kernels.float32 if x.itemsize == 4 else kernels.float64).resize(
        address(x), address(y), shape[0] * shape[1], *d.numbers, *h.numbers, *row.numbers, row.same, row.twice, d.unit and h.unit
    )  # fmt: skip
    return y


def _forward(x: Any, *, wants: bool, **attrs: Any) -> tuple:
    target, axes = _plan(x, attrs)
    return _run(x, (*x.shape[:2], *target), [a[0] for a in axes]), ()


def _backward(g: Any, _out: Any, _kept: tuple, needs: tuple, x: Any, **attrs: Any) -> list:
    return [_run(g, x.shape, [a[1] for a in _plan(x, attrs)[1]])]


def _counts(values: Any, dims: int, kinds: tuple) -> bool:
    """A positive number of one of the kinds, or one for each dimension."""
    given = values if isinstance(values, (tuple, list)) else [values] * dims
    return len(given) == dims and all(type(v) in kinds and 0 < v < 1 << 24 for v in given)


def _accepts(metas: list, attrs: dict[str, Any]) -> bool:
    """What the body would find nothing wrong with."""
    shape, mode, size, factor = metas[0].shape, attrs["mode"], attrs["size"], attrs["scale_factor"]
    dims = len(shape) - 2
    if dims not in (1, 2, 3) or not metas[0].numel or max(shape) >= 1 << 24:
        return False
    if mode in ("nearest", "nearest-exact"):
        if attrs["align_corners"] is not None or attrs["antialias"]:
            return False
    elif DIMS.get(mode) != dims or (attrs["antialias"] and dims != 2):
        return False
    if size is not None:
        return (
            factor is None and not attrs["recompute_scale_factor"] and _counts(size, dims, (int,))
        )
    if factor is None or not _counts(factor, dims, (int, float)):
        return False
    factors = factor if isinstance(factor, (tuple, list)) else [factor] * dims
    return all(math.floor(n * f) > 0 for n, f in zip(shape[2:], factors))


def register() -> None:
    """Enters the claim; called when interpolate is first called."""
    claim(
        registry["interpolate"],
        "cpu",
        of_kinds(FLOATS, _accepts),
        _forward,
        _backward,
        keeps_result=False,
    )
