"""softmax and log_softmax along one dimension, forward and backward: `kernels/softmax.c`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import copies, offers
from .native import Kernels, address

kernels = Kernels("softmax.c")


def dense(x: np.ndarray) -> np.ndarray:
    """`x` itself if its elements lie row by row and aligned, else a copy of which this is so."""
    if x.flags.c_contiguous and x.flags.aligned:
        return x
    if not x.flags.aligned or not x.size:
        return np.array(x, order="C")
    made = np.empty(x.shape, x.dtype)  # a copy in C, which a compiled program can do again
    copies.write(made, x)
    return made


def parts(shape: tuple[int, ...], dim: int) -> tuple[int, int, int]:
    """(outer, size, inner) of a dense array around dimension `dim`."""
    if dim == 1 and len(shape) == 2:
        return *shape, 1
    outer = inner = 1
    for n in shape[:dim]:
        outer *= n
    for n in shape[dim + 1 :]:
        inner *= n
    return outer, shape[dim], inner


def _forward(log: int) -> Callable[..., Any]:
    def kernel(x: np.ndarray, *, dim: int, dtype: Any = None) -> Any:
        shape = x.shape
        ndim = len(shape)
        if type(dim) is not int or not -ndim <= dim < ndim or not x.size:
            return NotImplemented
        x = dense(x)
        out = np.empty(shape, x.dtype)
        if dim == -1 or dim == ndim - 1:
            size, inner = shape[-1], 1
            outer = x.size // size
        else:
            outer, size, inner = parts(shape, dim % ndim)
        kernels.of(x).softmax(address(x), address(out), outer, size, inner, log)
        return out

    return kernel


def _backward(log: int) -> Callable[..., Any]:
    def gradient(g: Any, out: Any, needs: tuple, _x: Any, *, dim: int, **_: Any) -> Any:
        if not out.size or not out.ndim or g.dtype is not out.dtype:
            return NotImplemented
        g, y = dense(g), dense(out)
        made = np.empty(y.shape, y.dtype)
        outer, size, inner = parts(y.shape, dim % y.ndim)
        kernels.of(y).softmax_back(address(g), address(y), address(made), outer, size, inner, log)
        return (made,)

    return gradient


def register() -> None:
    """Offers the kernels; called when one of the operators first meets an array that is large enough."""
    for log, name in enumerate(("softmax", "log_softmax")):
        offers.offer(name, _forward(log), kinds=(*offers.FLOATS, *offers.HALVES))
        offers.offer_gradient(name, _backward(log))
