"""Operators of compiled programs only: `cat` of what has been there with what is new, in memory that has room for more.

`cat_open` gives the front of memory for `room` rows along a dimension; `cat_more` writes behind such a front and gives a
longer one. Nothing before the end of a front is written again, so that each stays what it was. `jit.growing` puts them in
the place of `cat`, and knows that there is room.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...runtime.claims import hidden
from ...runtime.operator import registry
from .copies import dense
from .native import Kernels, address

_append = Kernels("append.c")
LEVELS = 3  # dimensions that one call walks through, beside a run of bytes


def _runs(shape: tuple, there: tuple, here: tuple, unit: int) -> tuple[int, list]:
    """Bytes that lie side by side on both sides, and the dimensions around them as (size, strides), outermost first."""
    dims: list[tuple[int, int, int]] = []
    run = unit
    for n, t, h in zip(reversed(shape), reversed(there), reversed(here)):
        if n == 1:
            continue
        if not dims and t == h == run:
            run *= n
        elif dims and t == dims[-1][1] * dims[-1][0] and h == dims[-1][2] * dims[-1][0]:
            dims[-1] = (n * dims[-1][0], *dims[-1][1:])
        else:
            dims.append((n, t, h))
    return run, dims[::-1]


def _put(front: np.ndarray, x: np.ndarray, dim: int) -> np.ndarray:
    """Writes x behind the front; the longer front."""
    run, dims = _runs(x.shape, front.strides, x.strides, x.itemsize)
    if len(dims) > LEVELS:
        x = dense(x)
        run, dims = _runs(x.shape, front.strides, x.strides, x.itemsize)
    numbers = [(1, 0, 0)] * (LEVELS - len(dims)) + dims
    at = address(front) + front.shape[dim] * front.strides[dim]
    _append.uint8.append(at, address(x), run, *numbers[0], *numbers[1], *numbers[2])
    shape = list(front.shape)
    shape[dim] += x.shape[dim]
    return as_strided(front, shape, front.strides)


def _open(xp: Any, front: np.ndarray, x: np.ndarray, *, dim: int, room: int) -> np.ndarray:
    whole = np.empty((*front.shape[:dim], room, *front.shape[dim + 1 :]), front.dtype)
    return _put(_put(whole[(slice(None),) * dim + (slice(0, 0),)], front, dim), x, dim)


def _more(xp: Any, front: np.ndarray, x: np.ndarray, *, dim: int) -> np.ndarray:
    return _put(front, x, dim)


for _name, _kernel in (("cat_open", _open), ("cat_more", _more)):
    hidden(registry["cat"], _name, _kernel)
