"""Convolutions that are products of matrices of few rows, by `products.py`, whose kernels read the large operand once, from front to back.

Windows of one element are products as they are: forward to few channels, back from few, and the gradient for the weight where either is
few. Back to few channels from many, by larger windows, is a product that makes columns, which `kernels/conv_thin.c` adds up.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from .native import Kernels, address
from .products import products
from .windows import FEW_ROWS, Plan, Shape, _sides, _three

FEW_DOTS = (
    5  # channels on one side; from here on the gradient for the weight has better ways; measured
)
MOST_COLUMNS = (
    2  # columns that a channel of the gradient makes; more are not worth adding up; measured
)
LEAST = 1 << 19  # multiply-adds from which columns are; measured

kernels = Kernels("conv_thin.c")


def is_pointwise(kernel: Shape, stride: Any, padding: Any, groups: int) -> bool:
    """Whether each result has one element of the input under it, which no other has, and all channels."""
    return groups == 1 and prod(kernel) == 1 and max(stride) == 1 and not any(map(any, padding))


def forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None) -> Any:
    """The convolution of x (N, C, *size) with w (O, C) at each position, (N, O, *size); NotImplemented where that is too small."""
    y = products(w, x.reshape(*x.shape[:2], -1))
    if y is NotImplemented:
        return y
    if b is not None:
        getattr(kernels, y.dtype.name).lift(address(y), address(b), *y.shape)
    return y.reshape(*y.shape[:2], *x.shape[2:])


def weight(x: np.ndarray, y: np.ndarray) -> Any:
    """The gradient for the weight of such a convolution, (O, C)."""
    x, y = x.reshape(*x.shape[:2], -1), y.reshape(*y.shape[:2], -1)
    made = products(y, x.transpose(0, 2, 1))
    if made is NotImplemented or len(made) == 1:
        return made if made is NotImplemented else made[0]
    w = np.empty(made.shape[1:], made.dtype)
    getattr(kernels, w.dtype.name).join(address(made), address(w), len(made), w.size)
    return w


def makes_columns(w: Shape, groups: int) -> bool:
    """Whether the gradient for the input (N, C, ...) of weights w (O, C, ...) is better made of columns."""
    return groups == 1 and w[1] < FEW_ROWS and 0 < prod(w[1:]) <= MOST_COLUMNS * w[0]


@lru_cache(maxsize=1024)
def _fold_plan(
    y: Shape, w: Shape, size: Shape, stride: Shape, padding: Any, dilation: Shape
) -> Plan:
    before, _ = _sides(padding)
    numbers = [y[0], w[1], *_three(size, 1), *_three(y[2:], 1), *_three(w[2:], 1)]
    return Plan("fold", [*numbers, *_three(stride, 1), *_three(dilation, 1), *before])


def backward(
    y: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    size: Shape,
    stride: Shape,
    padding: Any,
    dilation: Shape,
) -> Any:
    """The transposed convolution of y (N, O, ...) to (N, C, *size); NotImplemented where that is too small."""
    if is_pointwise(w.shape[2:], stride, padding, 1):
        return forward(y, w.reshape(w.shape[:2]).T, b)
    if y.size * prod(w.shape[1:]) < LEAST:
        return NotImplemented
    columns = products(w.reshape(len(w), -1).T, y.reshape(*y.shape[:2], -1))
    x = np.empty((len(y), w.shape[1], *size), y.dtype)
    plan = _fold_plan(y.shape, w.shape, size, stride, padding, dilation)
    at = 0 if b is None else address(b)
    getattr(kernels, x.dtype.name).fold(address(columns), at, address(x), plan.address)
    return x
