"""3 x 3 convolutions with channels last by fewer products (`kernels/winograd_last.c`), with weights transformed once."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from .native import Kernels, address, table

kernels = Kernels("winograd_last.c")

Shape = tuple[int, ...]
WORTH = 1.4  # direct products for one here from which on the additions around them pay; measured
LEAST_CHANNELS = 24  # fewer do not pay for the additions
LEAST_PATCHES = 12  # 2 x 2 results; fewer do not pay for weights that are 16 / 9 as large


class WinogradLast:
    """One convolution of x (N, H, W, C) to (N, H', W', O); weights as `pack` gives them."""

    def __init__(self, x: Shape, rows: int, out: Shape, padding: Any) -> None:
        before = [lo for lo, _ in padding]
        self.numbers = table([*x, *out, rows, *before])
        self.address = address(self.numbers)
        self.out = (x[0], *out, rows)

    def room(self, w: Shape, dtype: np.dtype) -> Shape:
        """The shape of the packed weights."""
        return (getattr(kernels, dtype.name).winograd_room(self.address),)

    def pack(self, w: np.ndarray) -> np.ndarray:
        """The weights (O, C, 3, 3) as `convolve` reads them."""
        w = w if w.flags.carray else np.require(w, None, ["C", "A"])
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
        getattr(kernels, x.dtype.name).winograd_packed(
            address(x), address(packed),
            0 if bias is None else address(bias), 0 if residual is None else address(residual),
            address(y), int(activation), low, high, self.address,
        )  # fmt: skip
        return y


def winograd_last(
    x: Shape, w: Shape, out: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int
) -> WinogradLast | None:
    """How x (N, H, W, C) is convolved with w (O, C, 3, 3); None where direct products are better."""
    if groups != 1 or w[2:] != (3, 3) or max(stride) > 1 or max(dilation) > 1:
        return None
    height, width = -(-out[0] // 2), -(-out[1] // 2)
    direct = out[0] * out[1] * 9
    if min(w[:2]) < LEAST_CHANNELS or x[0] * height * width < LEAST_PATCHES:
        return None
    if direct < WORTH * height * width * 16:
        return None
    return WinogradLast(x, w[0], out, padding)
