"""Resizing as two matrix products: every filter is separable and linear, one matrix a side.

Row `i` of a side's matrix says which input positions make output position `i`, and with what
weight. The definitions are PyTorch's `interpolate` with `align_corners=False`: with antialias the
filter widens by the shrink factor and is normalised over the pixels inside (as Pillow does);
without, it keeps its width and positions outside repeat the border.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy

import flambeau
from flambeau import Tensor

Filter = Callable[[numpy.ndarray], numpy.ndarray]


def _triangle(x: numpy.ndarray) -> numpy.ndarray:
    return numpy.clip(1.0 - numpy.abs(x), 0.0, None)


def _cubic(a: float) -> Filter:
    """Keys' cubic; PyTorch uses a = -0.75 without antialias and Pillow's -0.5 with."""

    def weight(x: numpy.ndarray) -> numpy.ndarray:
        x = numpy.abs(x)
        near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
        return numpy.where(x < 1.0, near, numpy.where(x < 2.0, far, 0.0))

    return weight


# (filter, its half width), by mode and antialias
_FILTERS: dict[tuple[str, bool], tuple[Filter, float]] = {
    ("bilinear", False): (_triangle, 1.0),
    ("bilinear", True): (_triangle, 1.0),
    ("bicubic", False): (_cubic(-0.75), 2.0),
    ("bicubic", True): (_cubic(-0.5), 2.0),
}


def nearest_index(size: int, new_size: int, *, exact: bool) -> list[int]:
    """For each output position the input position it copies; `exact` looks from pixel centres."""
    scale = numpy.float32(size / new_size)
    positions = numpy.arange(new_size, dtype=numpy.float32) + numpy.float32(0.5 if exact else 0.0)
    return numpy.minimum((positions * scale).astype(numpy.int64), size - 1).tolist()


@lru_cache(maxsize=256)
def weights(size: int, new_size: int, mode: str, antialias: bool, dtype: str) -> numpy.ndarray:
    """The `[new_size, size]` matrix that resizes one side, computed in `dtype` as PyTorch does."""
    weight, half = _FILTERS[mode, antialias]
    number = numpy.dtype(dtype).type
    scale = number(size) / number(new_size)
    centers = (numpy.arange(new_size, dtype=dtype) + number(0.5)) * scale
    if antialias:
        return _widened(size, centers, weight, half, max(scale, number(1.0)))
    matrix = numpy.zeros((new_size, size), dtype)
    points = centers - number(0.5)
    if mode == "bilinear":
        points = numpy.maximum(points, number(0.0))
    first = numpy.floor(points)
    for step in range(1 - int(half), int(half) + 1):
        source = numpy.clip(first + step, 0, size - 1).astype(numpy.int64)
        numpy.add.at(matrix, (numpy.arange(new_size), source), weight(first + step - points))
    return matrix


def _widened(
    size: int, centers: numpy.ndarray, weight: Filter, half: float, widen: numpy.floating
) -> numpy.ndarray:
    """The antialiased form: the filter `widen` times as wide, normalised over the pixels inside."""
    reach = centers.dtype.type(half) * widen
    # Only pixels whose index lies within the filter's reach count, by PyTorch's rounding.
    low = numpy.maximum((centers - reach + 0.5).astype(numpy.int64), 0)[:, None]
    high = numpy.minimum((centers + reach + 0.5).astype(numpy.int64), size)[:, None]
    pixels = numpy.arange(size)
    distance = (pixels.astype(centers.dtype) - centers[:, None] + centers.dtype.type(0.5)) / widen
    matrix = numpy.where((pixels >= low) & (pixels < high), weight(distance), 0).astype(
        centers.dtype
    )
    return matrix / matrix.sum(axis=1, keepdims=True)


def _resize_side(image: Tensor, new_size: int, mode: str, antialias: bool, *, dim: int) -> Tensor:
    size = image.shape[dim]
    if size == new_size:
        return image
    dtype = "float64" if image.dtype == flambeau.float64 else "float32"
    matrix = flambeau.from_numpy(weights(size, new_size, mode, antialias, dtype))
    matrix = matrix.to(device=image.device)
    return image @ matrix.mT if dim == -1 else matrix @ image


def resize(image: Tensor, size: tuple[int, int], mode: str, antialias: bool) -> Tensor:
    """`image` (`[..., height, width]`, floating for the linear modes) at `size`."""
    if mode.startswith("nearest"):
        exact = mode == "nearest-exact"
        for dim, new_size in zip((-2, -1), size, strict=True):
            index = nearest_index(image.shape[dim], new_size, exact=exact)
            image = image.index_select(dim, flambeau.tensor(index, device=image.device))
        return image
    # Width first: rows are contiguous, and PyTorch goes in this order too.
    image = _resize_side(image, size[1], mode, antialias, dim=-1)
    return _resize_side(image, size[0], mode, antialias, dim=-2)
