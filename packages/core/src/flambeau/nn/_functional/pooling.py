"""Pooling beyond plain windows: norms, places of the values, windows by chance, and the way back."""

from __future__ import annotations

from typing import Any

from flambeau._base.checks import check
from flambeau.ops.comparison import where
from flambeau.ops.convolution import expanded
from flambeau.ops.fractional import fractional_max_pool
from flambeau.ops.pooling import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from flambeau.ops.random import rand
from flambeau.ops.unpooling import max_unpool
from flambeau.runtime.tensor import Tensor

_MAX = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}
_AVG = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}


# -- norms ---------------------------------------------------------------------------------------------


def _lp_pool(
    count: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    if norm_type in (float("inf"), -float("inf")):
        sign = 1 if norm_type > 0 else -1
        largest = _MAX[count](sign * input.abs(), kernel_size, stride, 0, 1, ceil_mode)
        return sign * largest
    mean = _AVG[count](input**norm_type, kernel_size, stride, 0, ceil_mode)
    places = 1
    for k in expanded(kernel_size, count, "kernel_size"):
        places *= k
    # A window of zeros gives a gradient of zeros, not the infinite slope of a root.
    some = mean != 0
    return where(some, (where(some, mean, 1.0) * places) ** (1.0 / norm_type), 0.0)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, L), of values taken as positive.

    >>> import flambeau
    >>> lp_pool1d(flambeau.tensor([[[3.0, 4.0, 0.0, 0.0]]]), 2, 2)
    tensor([[[5., 0.]]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, H, W)."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, D, H, W)."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


# -- places --------------------------------------------------------------------------------------------


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


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool1d` with the places of the values."""
    return adaptive_max_pool1d(input, output_size, True)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool2d` with the places of the values."""
    return adaptive_max_pool2d(input, output_size, True)


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool3d` with the places of the values."""
    return adaptive_max_pool3d(input, output_size, True)


# -- windows by chance ---------------------------------------------------------------------------------


def _fractional(
    count: int,
    input: Tensor,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    samples: Tensor | None,
) -> tuple[Tensor, Tensor]:
    name = f"fractional_max_pool{count}d"
    check(
        output_size is not None or output_ratio is not None,
        lambda: f"{name} requires specifying either an output_size or an output_ratio",
        ValueError,
    )
    if output_size is None:
        ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else [output_ratio] * count
        output_size = [int(n * r) for n, r in zip(input.shape[-count:], ratios, strict=True)]
    size = expanded(output_size, count, "output_size")
    kernel = expanded(kernel_size, count, "kernel_size")
    if samples is None:
        batch = input.shape[0] if input.ndim == count + 2 else 1
        channels = input.shape[-count - 1]
        samples = rand(batch, channels, count, dtype=input.dtype, device=input.device)
    return fractional_max_pool(input, kernel, size, samples)


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool2d` with the places of the values."""
    return _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool3d` with the places of the values."""
    return _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest value of windows whose steps are drawn so that the output has a size, or a part of the input's.

    >>> import flambeau
    >>> fractional_max_pool2d(flambeau.ones(1, 1, 6, 6), 2, output_size=4).shape
    flambeau.Size([1, 1, 4, 4])
    """
    made = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return made if return_indices else made[0]


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """`fractional_max_pool2d` of (N, C, D, H, W)."""
    made = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return made if return_indices else made[0]


# -- the way back --------------------------------------------------------------------------------------


def _unpooled_size(
    input: Tensor, count: int, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> tuple[int, ...]:
    """The size asked for, or the smallest that pools to the input's."""
    kernel = expanded(kernel_size, count, "kernel_size")
    step = kernel if stride is None else expanded(stride, count, "stride")
    pads = expanded(padding, count, "padding")
    usual = [
        (n - 1) * s + k - 2 * p for n, s, k, p in zip(input.shape[-count:], step, kernel, pads)
    ]
    size = usual
    if output_size is not None:
        size = list(output_size)
        if len(size) == count + 2:
            size = size[2:]
        check(
            len(size) == count,
            lambda: (
                f"output_size should be a sequence containing {count} or {count + 2} elements, but it "
                f"has a length of '{len(output_size)}'"
            ),
            ValueError,
        )
        for d, (n, s, wanted) in enumerate(zip(usual, step, size)):
            if not n - s < wanted < n + s:
                raise ValueError(
                    f'invalid output_size "{output_size}" (dim {d} must be between {n - s} and {n + s})'
                )
    for d, n in enumerate(size):
        if n < 0:
            raise ValueError(
                "max_unpooling: output_size must contain non-negative spatial dimensions, but got "
                f"output_size[{d}]={n}"
            )
    return tuple(size)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """The values of `max_pool1d` back where they came from, zeros elsewhere.

    >>> import flambeau
    >>> values, places = max_pool1d(flambeau.tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2, return_indices=True)
    >>> max_unpool1d(values, places, 2)
    tensor([[[0., 3., 2., 0.]]])
    """
    size = _unpooled_size(input, 1, kernel_size, stride, padding, output_size)
    return max_unpool(input, indices, size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """The values of `max_pool2d` back where they came from, zeros elsewhere."""
    size = _unpooled_size(input, 2, kernel_size, stride, padding, output_size)
    return max_unpool(input, indices, size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """The values of `max_pool3d` back where they came from, zeros elsewhere."""
    size = _unpooled_size(input, 3, kernel_size, stride, padding, output_size)
    return max_unpool(input, indices, size)
