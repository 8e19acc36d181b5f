"""The largest values of windows and where they are, by `kernels/pool_places.c`: uneven adaptive windows, and fractional pooling.

Both composites are claimed whole. Where windows begin is worked out here as their bodies do.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ...ops.fractional import _SAMPLE
from ...ops.pooling import _bins
from ...runtime.claims import Declined, claim
from ...runtime.operator import registry
from . import library
from .native import Kernels, address
from .offers import FLOATS
from .pools import DIMENSIONS, real
from .softmax import dense

kernels = Kernels("pool_places.c")

Shape = tuple[int, ...]


def _found(x: np.ndarray, out: Shape, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest values of the windows that `cells` (once or for each plane, 2, lines) tell, and their places."""
    count = len(out)
    planes, missing = prod(x.shape[:-count]), (1,) * (DIMENSIONS - count)
    numbers = [planes, *missing, *x.shape[-count:], *missing, *out, len(cells) > 1]
    shape = (*x.shape[:-count], *out)
    y, places = np.empty(shape, x.dtype), np.empty(shape, np.int64)
    x, told = dense(x), np.array(numbers, np.int64)
    getattr(kernels, real(x)).find_largest(
        address(x), address(y), address(places), address(cells), address(told)
    )
    return y, places


def _spread(g: Any, result: Any, x: np.ndarray, count: int) -> np.ndarray:
    made = np.empty(x.shape, x.dtype)
    g, places = dense(g[0]), dense(result[1])
    place, windows = prod(x.shape[-count:]), prod(g.shape[-count:])
    planes = prod(x.shape[:-count])
    call = getattr(kernels, real(x)).spread_largest
    call(address(g), address(places), address(made), planes, place, windows)
    return made


def _is_plain(x: Any, count: int) -> bool:
    """Whether C is for it: places within a plane are numbers of 32 bits there."""
    fits = x.numel > 0 and x.ndim >= count and prod(x.shape[-count:]) < 1 << 31
    return x.dtype in FLOATS and fits and library.available()


# -- windows as even as can be ------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _even_cells(size: Shape, out: Shape) -> np.ndarray:
    missing = ((0, 1),) * (DIMENSIONS - len(size))
    bins = [*missing, *(b for n, windows in zip(size, out) for b in _bins(n, windows))]
    return np.ascontiguousarray(np.array(bins, np.int64).T)[None]


def _accepts_even(metas: list, attrs: dict[str, Any]) -> bool:
    return _is_plain(metas[0], len(attrs["size"])) and min(attrs["size"]) > 0


def _even(x: np.ndarray, wants: bool, *, size: Any) -> tuple:
    cells = _even_cells(x.shape[-len(size) :], tuple(size))
    return _found(x, tuple(size), cells), ()


def _even_back(
    g: Any, result: Any, _kept: tuple, _needs: tuple, x: np.ndarray, *, size: Any
) -> list:
    return [_spread(g, result, x, len(size))]


# -- windows that are drawn ---------------------------------------------------------------------------


def _begins(draw: np.ndarray, n: int, out: int, width: int) -> np.ndarray:
    """`ops.fractional._starts` of draws (planes,): (planes, out)."""
    begins = np.zeros((len(draw), out), np.int64)
    if out > 1:
        step = (n - width) / (out - 1)
        draw = draw[:, None]
        begins += ((np.arange(out).astype(draw.dtype) + draw) * step).astype(np.int64)
        begins -= (draw * step).astype(np.int64)
    begins[:, -1] = n - width
    return begins


def _accepts_drawn(metas: list, attrs: dict[str, Any]) -> bool:
    x, samples = metas[:2]
    kernel, size = attrs["kernel"], attrs["size"]
    count = len(kernel)
    if not _is_plain(x, count + 1) or x.ndim > count + 2 or len(size) != count:
        return False
    rows = x.shape[0] if x.ndim == count + 2 else samples.shape[0] if samples.ndim else 0
    if samples.dtype not in FLOATS or samples.shape != (rows, x.shape[-count - 1], count):
        return False
    windows = zip(x.shape[-count:], size, kernel)
    return all(0 < out and 0 < k <= n - out + 1 for n, out, k in windows)


def _drawn(x: np.ndarray, samples: np.ndarray, wants: bool, *, kernel: Any, size: Any) -> tuple:
    count = len(kernel)
    draws = samples.reshape(-1, count)[: prod(x.shape[:-count])]
    begins = [np.zeros((len(draws), DIMENSIONS - count), np.int64)]
    widths = [1] * (DIMENSIONS - count)
    with np.errstate(invalid="ignore"):
        for k, (n, out, width) in enumerate(zip(x.shape[-count:], size, kernel)):
            begins.append(_begins(draws[:, _SAMPLE[count][k]], n, out, width))
            widths += [width] * out
            if begins[-1].min() < 0 or begins[-1].max() > n - width:
                raise Declined("fractional_max_pool: draws outside of [0, 1)")
    cells = np.empty((len(draws), 2, len(widths)), np.int64)
    np.concatenate(begins, 1, out=cells[:, 0])
    np.add(cells[:, 0], widths, out=cells[:, 1])
    return _found(x, tuple(size), cells), ()


def _drawn_back(
    g: Any, result: Any, _kept: tuple, _needs: tuple, x: np.ndarray, _samples: Any, *, kernel: Any, size: Any
) -> list:  # fmt: skip
    return [_spread(g, result, x, len(kernel)), None]


def register() -> None:
    """Enters the claims; called when one of the composites is first called."""
    claim(registry["adaptive_max_windows"], "cpu", _accepts_even, _even, _even_back)
    claim(registry["fractional_max_pool"], "cpu", _accepts_drawn, _drawn, _drawn_back)
