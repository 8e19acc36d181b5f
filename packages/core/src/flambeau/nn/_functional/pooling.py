"""Pooling beyond plain windows: norms, places of the values, and the way back."""

from __future__ import annotations

from typing import Any

from flambeau.ops.pooling import avg_pool1d, avg_pool2d, max_pool1d, max_pool2d, max_pool3d
from flambeau.runtime.tensor import Tensor


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, L)."""
    size = kernel_size if isinstance(kernel_size, int) else kernel_size[0]
    mean = avg_pool1d(input.abs() ** norm_type, kernel_size, stride, 0, ceil_mode)
    return (mean * size) ** (1.0 / norm_type)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, H, W)."""
    k = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
    mean = avg_pool2d(input.abs() ** norm_type, kernel_size, stride, 0, ceil_mode)
    return (mean * (k[0] * k[1])) ** (1.0 / norm_type)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool1d` with the places of the values."""
    return max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool2d` with the places of the values."""
    return max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool3d` with the places of the values."""
    return max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)
