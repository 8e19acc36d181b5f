"""Operators of compiled programs only: convolutions with weights packed beforehand, arrays whose channels lie last.

`pack_convolution` gives the weights as a kernel reads them; `packed_convolution` convolves with them, adds a bias and a
residual, and applies an activation, as results leave. With `last`, x, residual and result have their channels last:
(N, H, W, C), or (N, L, C). `jit.epilogues` and `jit.layout` put them in the place of what a model wrote.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf, prod
from typing import Any

import numpy as np

from ...ops.convolution import output_size
from ...runtime.claims import hidden
from ...runtime.operator import registry
from . import products
from .convolutions import Activation, pointer, prepared, whole
from .copies import dense
from .native import Kernels, address, table
from .winograd_last import winograd_last

_convolution = Kernels("conv_last.c")
_windows = Kernels("windows_last.c")

Shape = tuple[int, ...]
GEOMETRY = ("stride", "padding", "dilation", "groups")
LANES = 16  # of a vector of float32 in AVX-512


class Last:
    """A convolution or pooling with channels last: what C is told, and the shape of the result. Input as (N, H, W, C)."""

    def __init__(
        self, x: Shape, rows: int, kernel: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int, out: Shape
    ) -> None:  # fmt: skip
        one = len(kernel) == 1
        n, (*size, channels) = x[0], x[1:]
        before = [lo for lo, _ in padding]
        room = [
            max(lo + s, (o - 1) * step + (k - 1) * d + 1)
            for lo, s, o, step, k, d in zip(before, size, out, stride, kernel, dilation)
        ]
        sizes, outs, kernels, steps, gaps, sides, rooms = (
            [v, *rest] if one else list(rest)
            for v, rest in (
                (1, size), (1, out), (1, kernel), (1, stride), (1, dilation), (0, before), (1, room)
            )
        )  # fmt: skip
        numbers = [
            n,
            *sizes,
            channels,
            *outs,
            rows,
            groups,
            *kernels,
            *steps,
            *gaps,
            *sides,
            *rooms,
        ]
        self.numbers = table(numbers)
        self.address = address(self.numbers)
        self.out = (n, *out, rows)
        self.depthwise = groups == channels == rows

    def room(self, w: Shape, dtype: np.dtype) -> Shape:
        """The shape of the packed weights."""
        if self.depthwise:
            return (prod(w[2:]), w[0])
        return (getattr(_convolution, dtype.name).last_room(self.address),)

    def pack(self, w: np.ndarray) -> np.ndarray:
        """The weights as `convolve` reads them."""
        w = whole(w)
        if self.depthwise:
            return dense(w.reshape(len(w), -1).T)
        packed = np.empty(self.room(w.shape, w.dtype), w.dtype)
        getattr(_convolution, w.dtype.name).last_pack(address(w), address(packed), self.address)
        return packed

    def convolve(
        self, x: np.ndarray, packed: np.ndarray, bias: Any, residual: Any, activation: int, low: float, high: float
    ) -> np.ndarray:  # fmt: skip
        """activation(convolution(x) + bias + residual), all arrays contiguous."""
        y = np.empty(self.out, x.dtype)
        kernels = getattr(_windows if self.depthwise else _convolution, x.dtype.name)
        run = kernels.depthwise_packed if self.depthwise else kernels.last_packed
        run(
            address(x), address(packed), pointer(bias), pointer(residual), address(y), int(activation), low, high,
            self.address,
        )  # fmt: skip
        return y


@lru_cache(maxsize=1024)
def _last(x: Shape, w: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int) -> Any:
    out = tuple(output_size(x[1:-1], w[2:], stride, padding, dilation))
    fewer = winograd_last(x, w, out, stride, padding, dilation, groups)
    return fewer or Last(x, w[0], w[2:], stride, padding, dilation, groups, out)


def _way(x: Shape, w: Shape, last: bool, attrs: dict[str, Any]) -> Any:
    stride, padding, dilation, groups = (attrs[k] for k in GEOMETRY)
    geometry = (tuple(stride), tuple(tuple(p) for p in padding), tuple(dilation), groups)
    return (_last if last else prepared)(tuple(x), tuple(w), *geometry)


def last_is_better(w: Shape, groups: int) -> bool:
    """Whether a convolution is done with channels last: its output channels fill vectors, or it is depthwise."""
    if len(w) not in (3, 4):
        return False
    own = w[0] // groups
    return (own == w[1] == 1) or 2 * own >= LANES * -(-own // LANES)


def packed_shape(x: Shape, w: Shape, dtype: Any, last: bool, **attrs: Any) -> Shape:
    """The shape of packed weights for an input and weights of these shapes."""
    return _way(x, w, last, attrs).room(w, dtype)


def _pack(xp: Any, w: np.ndarray, *, input: Shape, last: bool, **attrs: Any) -> np.ndarray:
    return _way(input, w.shape, last, attrs).pack(w)


def _convolve(
    xp: Any, x: np.ndarray, packed: np.ndarray, bias: np.ndarray | None, residual: np.ndarray | None, *,
    weight: Shape, last: bool, activation: Any, low: float = -inf, high: float = inf, **attrs: Any
) -> np.ndarray:  # fmt: skip
    way = _way(x.shape, weight, last, attrs)
    return way.convolve(whole(x), packed, whole(bias), whole(residual), activation, low, high)


# -- products --------------------------------------------------------------------------------------------------------


def packed_matrix(w: Shape, dtype: np.dtype) -> Shape:
    """The shape of a packed weight (out, in) of Linear."""
    return (products.packed_size(w[1], w[0], dtype),)


def _pack_linear(xp: Any, w: np.ndarray) -> np.ndarray:
    return products.pack(w, transposed=True)


def _linear(
    xp: Any, x: np.ndarray, packed: np.ndarray, bias: np.ndarray | None, residual: np.ndarray | None, *,
    columns: int, activation: int, low: float, high: float
) -> np.ndarray:  # fmt: skip
    bias, residual = whole(bias), whole(residual)
    return products.multiply_packed(
        x, packed, columns, bias, residual, activation, low=low, high=high
    )


# -- channels last ---------------------------------------------------------------------------------------------------


def to_last(shape: Shape) -> Shape:
    """A shape (N, C, ...) with the channels last."""
    return (shape[0], *shape[2:], shape[1])


def _to_last(xp: Any, x: np.ndarray) -> np.ndarray:
    return whole(np.moveaxis(x, 1, -1))


def _from_last(xp: Any, x: np.ndarray) -> np.ndarray:
    return whole(np.moveaxis(x, -1, 1))


@lru_cache(maxsize=1024)
def _pooling(
    x: Shape, kernel: Shape, stride: Shape, padding: Any, dilation: Shape, out: Shape
) -> Last:
    return Last(x, x[-1], kernel, stride, padding, dilation, x[-1], out)


def _largest(
    xp: Any,
    x: np.ndarray,
    *,
    kernel: Shape,
    stride: Shape,
    padding: Any,
    dilation: Shape,
    out: Shape,
) -> np.ndarray:
    sides = tuple((p, p) for p in padding)
    way = _pooling(x.shape, tuple(kernel), tuple(stride), sides, tuple(dilation), tuple(out))
    y = np.empty(way.out, x.dtype)
    x = whole(x)
    getattr(_windows, x.dtype.name).largest(address(x), address(y), way.address)
    return y


def _average(
    xp: Any, x: np.ndarray, *, kernel: Shape, stride: Shape, padding: Any, out: Shape, counted: int
) -> np.ndarray:
    sides = tuple((p, p) for p in padding)
    way = _pooling(x.shape, kernel, stride, sides, (1,) * len(kernel), out)
    y = np.empty(way.out, x.dtype)
    x = whole(x)
    getattr(_windows, x.dtype.name).average(address(x), address(y), counted, way.address)
    return y


def _mean(xp: Any, x: np.ndarray) -> np.ndarray:
    n, channels = x.shape[0], x.shape[-1]
    y = np.empty((n, *(1,) * (x.ndim - 2), channels), x.dtype)
    x = whole(x)
    getattr(_windows, x.dtype.name).mean(address(x), address(y), n, prod(x.shape[1:-1]), channels)
    return y


for _name, _kernel in (
    ("pack_convolution", _pack),
    ("packed_convolution", _convolve),
    ("pack_linear", _pack_linear),
    ("packed_linear", _linear),
    ("to_last", _to_last),
    ("from_last", _from_last),
    ("last_max_pool", _largest),
    ("last_avg_pool", _average),
    ("last_mean", _mean),
):
    hidden(registry["convolution"], _name, _kernel)


def _endings(kind: Any) -> dict[str, Any]:
    """By operator: what of it `kind` says, from its attributes, and the bounds of a clamp."""
    return {
        "relu": lambda attrs: (kind.CLAMP, 0.0, inf),
        "hardtanh": lambda attrs: (kind.CLAMP, attrs["min_val"], attrs["max_val"]),
        "silu": lambda attrs: (kind.SILU, -inf, inf),
        "hardswish": lambda attrs: (kind.HARDSWISH, -inf, inf),
    }


def _gelu(attrs: dict[str, Any]) -> tuple[int, float, float]:
    exact = attrs["approximate"] == "none"
    return (products.Ending.GELU if exact else products.Ending.GELU_TANH, -inf, inf)


ACTIVATIONS = _endings(Activation)  # that a convolution ends with
ENDINGS = _endings(products.Ending) | {  # that a product ends with
    "gelu": _gelu,
    "tanh": lambda attrs: (products.Ending.TANH, -inf, inf),
    "sigmoid": lambda attrs: (products.Ending.SIGMOID, -inf, inf),
}
