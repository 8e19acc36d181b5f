"""Convolutions with channels last by fewer products (`kernels/conv_winograd.c`), with weights transformed once."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from .convolutions import pointer, whole
from .native import Kernels, address
from .windows import Shape, may_be_winograd, winograd_plan

kernels = Kernels("conv_winograd.c")


class WinogradLast:
    """One convolution of x (N, H, W, C) to (N, H', W', O); weights as `pack` gives them."""

    def __init__(self, plan: Any, out: Shape) -> None:
        self.numbers, self.address, self.out = plan.numbers, plan.address, out

    def room(self, w: Shape, dtype: np.dtype) -> Shape:
        """The shape of the packed weights."""
        return (getattr(kernels, dtype.name).winograd_room(self.address),)

    def pack(self, w: np.ndarray) -> np.ndarray:
        """The weights (O, C, h, w) as `convolve` reads them."""
        w = whole(w)
        packed = np.empty(self.room(w.shape, w.dtype), w.dtype)
        getattr(kernels, w.dtype.name).winograd_pack(address(w), address(packed), self.address)
        return packed

    def convolve(
        self,
        x: np.ndarray,
        packed: np.ndarray,
        bias: np.ndarray | None = None,
        residual: np.ndarray | None = None,
        activation: int = 0,
        low: float = -inf,
        high: float = inf,
    ) -> np.ndarray:
        """activation(convolution(x) + bias + residual), all arrays contiguous, channels last (`convolutions.Activation`)."""
        y = np.empty(self.out, x.dtype)
        getattr(kernels, x.dtype.name).winograd_last(
            address(x), address(packed),
            pointer(bias), pointer(residual), address(y), int(activation), low, high, self.address,
        )  # fmt: skip
        return y


def winograd_last(
    x: Shape, w: Shape, out: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int
) -> WinogradLast | None:
    """How x (N, H, W, C) is convolved with w (O, C, h, w); None where direct products are better."""
    if not may_be_winograd(w[2:], stride):
        return None
    first = (x[0], x[-1], *x[1:-1])
    plan = winograd_plan(first, w, out, padding, False, True, tuple(dilation), groups)
    return None if plan is None else WinogradLast(plan, (x[0], *out, w[0]))
