"""Convolutions by the kernels of `kernels/conv*.c`: forward, and the gradients for input and weight.

`windows.py` says what C is to do. The operators pack weights at every call; `prepared` gives what compiled programs use, packing
apart from convolving.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from math import inf, prod
from typing import Any

import numpy as np

from ...ops.convolution import _check_shapes, output_size
from ...runtime.hot import Shape as OfShape
from ...runtime.layouts import BACK, ORDERS, is_last
from . import thin
from .native import Kernels, address
from .offers import offer
from .products import product
from .softmax import dense
from .windows import (
    DIMENSIONS,
    FEW_ROWS,
    MOST_PHASES,
    Plan,
    Shape,
    convolution_plan,
    forward_plan,
    transposed_plan,
)

KERNELS = {
    "convolution": Kernels("conv.c"),
    "broadcast": Kernels("conv_broadcast.c"),
    "winograd": Kernels("conv_winograd.c"),
    "quarters": Kernels("conv_quarters.c"),
    "depthwise": Kernels("conv_depthwise.c"),
    "planes": Kernels("conv_planes.c"),
    "channels": Kernels("conv_channels.c"),
    "spread": Kernels("conv_spread.c"),
}
of_weight = Kernels("conv_weight.c")
of_depthwise_last = Kernels("depthwise_last.c")
AS_THEY_ARE = ("depthwise", "planes", "channels")  # functions that pack no weights


# -- the three primitives ----------------------------------------------------------------------------


def whole(x: Any) -> Any:
    """`x` in one piece and aligned, as C reads it; None stays."""
    return x if x is None or x.flags.carray else dense(x)


def pointer(x: np.ndarray | None) -> int:
    """What C is given for an array, or for none."""
    return 0 if x is None else address(x)


def convolution(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    *,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    """The operator of that name."""
    bias = None if b is None else b.shape
    out, way = _checked(x.shape, w.shape, bias, *map(tuple, (stride, padding, dilation)), groups)
    if way == "window":
        columns, rows = whole(x).reshape(len(x), -1), whole(w).reshape(len(w), -1)
        made = product(columns, rows.T, whole(b))
        if made is not NotImplemented:
            return made.reshape(len(x), len(w), *out)
    if way == "thin" and not is_last(x):
        rows = whole(w).reshape(len(w), -1)
        made = thin.forward(whole(x), rows, whole(b))
        if made is not NotImplemented:
            return made
    if is_last(x):
        made = _with_channels_last(x, w, b, stride, padding, dilation, groups)
        if made is not None:
            return made
    y = np.empty((len(x), len(w), *out), x.dtype)
    if not (x.size and w.size and y.size):
        return NotImplemented
    options = (tuple(stride), tuple(padding), tuple(dilation), groups)
    plan = convolution_plan(x.shape, w.shape, out, *options)
    _run(plan, whole(x), whole(w), b, y)
    return y


@lru_cache(maxsize=1024)
def _checked(
    x: Shape, w: Shape, b: Shape | None, stride: Shape, padding: Any, dilation: Shape, groups: int
) -> tuple[Shape, str]:
    """The number of windows, and "window" where one is all there is, "thin" where few rows multiply elements; an error where shapes do not fit."""
    bias = None if b is None else OfShape(b)
    _check_shapes(OfShape(x), OfShape(w), bias, padding, dilation, groups)
    out = output_size(x[2:], w[2:], stride, padding, dilation)
    if _is_one_window(x[2:], w[2:], padding, dilation, groups):
        return out, "window"
    few = w[0] < FEW_ROWS and prod(x) > 0 and prod(w) > 0
    return out, "thin" if few and thin.is_pointwise(w[2:], stride, padding, groups) else ""


def _is_one_window(size: Any, kernel: Any, padding: Any, dilation: Any, groups: int) -> bool:
    """Whether the whole image is the only window: a product of matrices, of which no tap is beside the window."""
    one = groups == 1 and tuple(size) == tuple(kernel) and not any(map(any, padding))
    return one and max(dilation) == 1


def _with_channels_last(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> np.ndarray | None:
    """The convolution by the kernels for channels last, with weights packed anew; None where they are not better."""
    from . import packed

    out = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    results = len(x) * len(w) * prod(out)
    if not packed.last_is_better(w.shape, groups) or not (x.size and w.size and results):
        return None
    if w.size > x.size + results:  # what is won in images is lost in packing
        return None
    seen = x.transpose(ORDERS[x.ndim])
    geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    way = packed._way(seen.shape, w.shape, True, geometry)
    b, w = whole(b), whole(w)
    made = way.convolve(whole(seen), way.pack(w), b, None, Activation.NONE, -inf, inf)
    return made.transpose(BACK[x.ndim])


def _input_with_channels_last(
    y: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    size: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> np.ndarray | None:
    """The transposed convolution with a stride of 1 in the same way: a convolution with the weights turned round."""
    kernel = w.shape[2:]
    back = [(k - 1) * d for k, d in zip(kernel, dilation)]
    sides = [(t - lo, n - m + lo) for t, (lo, _), n, m in zip(back, padding, size, y.shape[2:])]
    if any(min(side) < 0 for side in sides):  # more padding than a window reaches: results are cut
        return None
    turned = w.reshape(groups, -1, *w.shape[1:]).swapaxes(1, 2)
    turned = np.flip(turned, tuple(range(3, turned.ndim)))
    turned = turned.reshape(-1, turned.shape[2], *kernel)
    return _with_channels_last(y, turned, b, (1,) * len(kernel), sides, dilation, groups)


def _consistent(
    size: Any,
    kernel: Any,
    y: Shape,
    rows: int,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> bool:
    """Whether `size` has windows as `y` (N, rows, *windows) says; what is not consistent, the reference refuses."""
    dims = len(y) - 2
    if groups < 1 or y[1] != rows or rows % groups or any(len(v) != dims for v in (size, kernel, stride, padding, dilation)):  # fmt: skip
        return False
    if min(stride) < 1 or min(dilation) < 1 or min(kernel) < 1:
        return False
    return tuple(output_size(size, kernel, stride, padding, dilation)) == tuple(y[2:])


def convolution_input(
    y: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    *,
    size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    """The operator of that name: the transposed convolution."""
    if not _consistent(size, w.shape[2:], y.shape, len(w), stride, padding, dilation, groups):
        return NotImplemented
    if b is not None and b.shape != (w.shape[1] * groups,):
        return NotImplemented
    if is_last(y) and max(stride) == 1:
        made = _input_with_channels_last(y, w, b, size, padding, dilation, groups)
        if made is not None:
            return made
    if thin.makes_columns(w.shape, groups) and y.size and prod(size):
        y, w, b = whole(y), whole(w), whole(b)
        geometry = tuple(size), tuple(stride), tuple(padding), tuple(dilation)
        made = thin.backward(y, w, b, *geometry)
        if made is not NotImplemented:
            return made
    x = np.empty((len(y), w.shape[1] * groups, *size), y.dtype)
    if not (x.size and w.size and y.size) or prod(stride) > MOST_PHASES:
        return NotImplemented
    if b is None and _is_one_window(size, w.shape[2:], padding, dilation, groups):
        columns = whole(w).reshape(1, len(w), -1)
        made = convolution(
            columns,
            y.reshape(*y.shape[:2], 1),
            None,
            stride=(1,),
            padding=((0, 0),),
            dilation=(1,),
            groups=1,
        )
        return made.reshape(x.shape)
    size, options = tuple(size), (tuple(stride), tuple(padding), tuple(dilation), groups)
    plan = transposed_plan(y.shape, w.shape, size, *options)
    _run(plan, whole(y), whole(w), b, x)
    return x


def _run(plan: Plan, x: np.ndarray, w: np.ndarray, b: np.ndarray | None, y: np.ndarray) -> None:
    kernels = KERNELS[plan.form]
    call = getattr(kernels.float32 if x.itemsize == 4 else kernels.float64, plan.form)
    b = whole(b)
    call(address(x), address(w), pointer(b), address(y), plan.address)


def convolution_weight(
    x: np.ndarray,
    y: np.ndarray,
    *,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    """The operator of that name: the gradient for the weight."""
    size = x.shape[2:]
    if not _consistent(size, kernel, y.shape, y.shape[1], stride, padding, dilation, groups):
        return NotImplemented
    if len(x) != len(y) or x.shape[1] % groups:
        return NotImplemented
    if _is_one_window(size, kernel, padding, dilation, groups):
        rows, columns = whole(y).reshape(len(y), -1), whole(x).reshape(len(x), -1)
        made = product(rows.T, columns)
        if made is not NotImplemented:
            return made.reshape(y.shape[1], x.shape[1], *kernel)
    few = 0 < min(x.shape[1], y.shape[1]) < thin.FEW_DOTS and thin.is_pointwise(kernel, stride, padding, groups)  # fmt: skip
    if few and x.size and not (is_last(x) or is_last(y)):
        made = thin.weight(whole(x), whole(y))
        if made is not NotImplemented:
            return made.reshape(y.shape[1], x.shape[1], *kernel)
    w = np.empty((y.shape[1], x.shape[1] // groups, *kernel), x.dtype)
    if not (x.size and w.size and y.size):
        return NotImplemented
    if groups == x.shape[1] == y.shape[1] and x.ndim == 4 and is_last(x) and is_last(y):
        from . import packed

        geometry = (tuple(kernel), tuple(stride), tuple(padding), tuple(dilation))
        seen = whole(x.transpose(ORDERS[4])), whole(y.transpose(ORDERS[4]))
        way = packed.Last(seen[0].shape, groups, *geometry, groups, y.shape[2:])
        call = getattr(of_depthwise_last, x.dtype.name).depthwise_last_weight
        call(address(seen[0]), address(seen[1]), address(w), way.address)
        return w
    options = tuple(stride), tuple(padding), tuple(dilation), groups
    plan = forward_plan(x.shape, w.shape, y.shape[2:], *options, of_weight=True)
    x, y = whole(x), whole(y)
    if len(w) // groups < FEW_ROWS:
        call = getattr(KERNELS["depthwise"], x.dtype.name).depthwise_weight
    else:
        call = getattr(of_weight, x.dtype.name).convolution_weight
    call(address(x), address(y), address(w), plan.address)
    return w


# -- weights packed once -----------------------------------------------------------------------------


class Activation(IntEnum):
    """What is done to results on their way out (`headers/fb_finish.h`). ReLU is a clamp to (0, inf)."""

    NONE, CLAMP, SILU, HARDSWISH = range(4)


class Prepared:
    """One convolution's way of being computed, with weights that are packed beforehand.

    `pack` once for each weight, `convolve` as often as wanted: one native call on memory that the caller gives.
    """

    def __init__(self, plan: Plan, out: Shape) -> None:
        self.plan, self.out = plan, out

    def _function(self, dtype: np.dtype, suffix: str) -> Any:
        return getattr(getattr(KERNELS[self.plan.form], dtype.name), self.plan.form + suffix)

    def room(self, w: Shape, dtype: np.dtype) -> Shape:
        """The shape of the packed weights."""
        return (
            w
            if self.plan.form in AS_THEY_ARE
            else (self._function(dtype, "_room")(self.plan.address),)
        )

    def pack(self, w: np.ndarray) -> np.ndarray:
        """The weights as `convolve` reads them."""
        w = whole(w)
        if self.plan.form in AS_THEY_ARE:
            return w.copy()
        packed = np.empty(self.room(w.shape, w.dtype), w.dtype)
        self._function(w.dtype, "_pack")(address(w), address(packed), self.plan.address)
        return packed

    def convolve(
        self,
        x: np.ndarray,
        packed: np.ndarray,
        bias: np.ndarray | None = None,
        residual: np.ndarray | None = None,
        activation: Activation = Activation.NONE,
        low: float = -inf,
        high: float = inf,
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """activation(convolution(x) + bias + residual), in `out` where it is given.

        All arrays are contiguous, of x's dtype; the residual is shaped as the result and does not share its memory. `low`
        and `high` are the bounds of CLAMP, which leaves NaN alone.
        """
        y = np.empty(self.out, x.dtype) if out is None else out
        self._function(x.dtype, "_packed")(
            address(x), address(packed),
            pointer(bias), pointer(residual), address(y), int(activation), low, high, self.plan.address,
        )  # fmt: skip
        return y


@lru_cache(maxsize=1024)
def prepared(
    x: Shape,
    w: Shape,
    stride: Shape,
    padding: tuple[tuple[int, int], ...],
    dilation: Shape,
    groups: int,
) -> Prepared | None:
    """How x (its shape) is convolved with packed weights; None where nothing is to be computed."""
    grid = output_size(x[2:], w[2:], stride, padding, dilation)
    out = (x[0], w[0], *grid)
    if not (prod(x) and prod(w) and prod(out)) or not 1 <= len(stride) <= DIMENSIONS:
        return None
    return Prepared(convolution_plan(x, w, grid, stride, padding, dilation, groups, True), out)


# -- offers ------------------------------------------------------------------------------------------


def _accepts(metas: list, attrs: dict[str, Any]) -> bool:
    return 1 <= len(attrs["stride"]) <= DIMENSIONS


def register() -> None:
    """Enters the offers; called when one of the operators first meets an array that is large enough."""
    from .providers import BY_HAND

    least = BY_HAND["convolutions"]
    for kernel in (convolution, convolution_input, convolution_weight):
        offer(kernel.__name__, kernel, _accepts, least[kernel.__name__])
