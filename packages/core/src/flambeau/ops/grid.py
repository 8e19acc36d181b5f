"""Sampling an image or a volume at given places, and the places of an affine map.

The value at a place is a weighted sum of its neighbours, which are looked up by index. Weights and look-ups are
operators, so that gradients of all orders, for the image and for the places, follow from theirs.
"""

from __future__ import annotations

import math
from itertools import product
from math import prod
from typing import Any

from .._base.checks import Shape, check, check_room
from .._base.dtypes import float64, int64
from ..runtime.families import composite
from ..runtime.tensor import Tensor
from .comparison import where
from .creation import ones, tensor, zeros
from .joining import cat, stack
from .matrix import matmul
from .precision import in_float32

BILINEAR, NEAREST, BICUBIC = range(3)
ZEROS, BORDER, REFLECTION = range(3)


def _unnormalised(place: Tensor, n: int, align_corners: bool) -> Tensor:
    """[-1, 1] to the numbers of pixels: the ends are the outer pixels' centres, or their edges."""
    return (place + 1) * ((n - 1) / 2) if align_corners else (place + 1) * (n / 2) - 0.5


def _clipped(place: Tensor, n: int) -> Tensor:
    """Within [0, n - 1]; no gradient on the border or beyond, NaN to 0."""
    return where(place > 0, where(place < n - 1, place, float(n - 1)), 0.0)


def _reflected(place: Tensor, n: int, align_corners: bool) -> Tensor:
    """Thrown back at the outer pixels' centres or edges as often as it takes."""
    low, span = (0.0, n - 1) if align_corners else (-0.5, n)
    if span == 0:
        return place * 0
    away = place - low
    away = where(away < 0, -away, away)
    times = (away.detach() / span).floor()
    extra = away - times * span
    return where(times % 2 == 0, extra, span - extra) + low


def _bounded(place: Tensor, n: int, padding: int, align_corners: bool) -> Tensor:
    """The place after what `padding` says of places outside."""
    if padding == ZEROS:
        return place
    if padding == REFLECTION:
        place = _reflected(place, n, align_corners)
    return _clipped(place, n)


def _whole(place: Tensor, n: int) -> Tensor:
    """A whole number as an index; all that lies outside is -1 or n, so that no float is too large for an integer."""
    return where(place == place, place.clamp(-1, n), -1.0).to(int64)


def _values(flat: Tensor, indices: list[Tensor], sizes: Shape) -> Tensor:
    """The pixels (N, C, P) of `flat` (N, C, S + 1) at whole numbers of each dimension; outside the last, a zero."""
    index: Any = 0
    inside: Any = True
    for i, n in zip(indices, sizes):
        inside = inside & (i >= 0) & (i < n)
        index = index * n + i
    index = where(inside, index, prod(sizes)).unsqueeze(1)
    return flat.gather(2, index.expand(flat.shape[0], flat.shape[1], index.shape[2]))


def _as(flat: Tensor, weight: Tensor) -> Tensor:
    """A weight of each place for all channels, in the pixels' dtype."""
    return weight.to(flat.dtype).unsqueeze(1)


def _sampled(
    flat: Tensor, places: list[Tensor], sizes: Shape, padding: int, align_corners: bool
) -> Tensor:
    """Linear interpolation: each corner of the cell, weighted by the volume opposite to it."""
    bounded = [_bounded(p, n, padding, align_corners) for p, n in zip(places, sizes)]
    ends = []
    for place, n in zip(bounded, sizes):
        low = place.detach().floor()
        ends.append(((_whole(low, n), (low + 1) - place), (_whole(low + 1, n), place - low)))
    total = None
    for corner in product(*ends):
        weight = corner[0][1]
        for _, w in corner[1:]:
            weight = weight * w
        part = _values(flat, [index for index, _ in corner], sizes) * _as(flat, weight)
        total = part if total is None else total + part
    assert total is not None
    return total


def _nearest(
    flat: Tensor, places: list[Tensor], sizes: Shape, padding: int, align_corners: bool
) -> Tensor:
    """The nearest pixel; halfway to the even one."""
    bounded = [_bounded(p.detach(), n, padding, align_corners) for p, n in zip(places, sizes)]
    out = _values(flat, [_whole(p.round(), n) for p, n in zip(bounded, sizes)], sizes)
    for place in places:
        if place.requires_grad:  # its gradient is zero, which is not the same as to have none
            out = out + where(place < -math.inf, place, 0.0).unsqueeze(1)
    return out


def _cubic_weights(part: Tensor) -> list[Tensor]:
    """Cubic convolution with a = -0.75: the weights of the four neighbours at distances 1 + t, t, 1 - t, 2 - t."""
    a = -0.75

    def near(x: Tensor) -> Tensor:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Tensor) -> Tensor:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    rest = 1 - part
    return [far(part + 1), near(part), near(rest), far(rest + 1)]


def _cubic(
    flat: Tensor, places: list[Tensor], sizes: Shape, padding: int, align_corners: bool
) -> Tensor:
    """Cubic interpolation; `padding` holds for each of the sixteen neighbours by itself."""
    lines = []
    for place, n in zip(places, sizes):
        low = place.detach().floor()
        neighbours = [_whole(_bounded(low + k, n, padding, align_corners), n) for k in range(-1, 3)]
        lines.append(list(zip(neighbours, _cubic_weights(place - low))))
    total = None
    for row, row_weight in lines[0]:
        inner = None
        for column, weight in lines[1]:
            part = _values(flat, [row, column], sizes) * _as(flat, weight)
            inner = part if inner is None else inner + part
        assert inner is not None
        inner = inner * _as(flat, row_weight)
        total = inner if total is None else total + inner
    assert total is not None
    return total


_MODES = {BILINEAR: _sampled, NEAREST: _nearest, BICUBIC: _cubic}


def _check(name: str, input: Tensor, grid: Tensor, mode: int, padding: int) -> None:
    for what, given in (("interpolation_mode", mode), ("padding_mode", padding)):
        check(given in (0, 1, 2), lambda: f"{name}(): expected {what} 0, 1 or 2, but got {given}")
    check(
        input.ndim in (4, 5) and input.ndim == grid.ndim,
        lambda: (
            f"{name}(): expected 4D or 5D input and grid with same number of dimensions, but got "
            f"input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        ),
    )
    check(
        input.shape[0] == grid.shape[0],
        lambda: (
            f"{name}(): expected grid and input to have same batch size, but got input with sizes "
            f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
        ),
    )
    check(
        grid.shape[-1] == input.ndim - 2,
        lambda: (
            f"{name}(): expected grid to have size {input.ndim - 2} in last dimension, but got grid "
            f"with sizes {list(grid.shape)}"
        ),
    )
    check(
        all(input.shape[2:]),
        lambda: (
            f"{name}(): expected input to have non-empty spatial dimensions, but input has sizes "
            f"{list(input.shape)}"
        ),
    )
    check(
        input.dtype is grid.dtype,
        lambda: (
            f"{name}(): expected input and grid to have one dtype, but got {input.dtype} and {grid.dtype}"
        ),
    )
    check(
        mode != BICUBIC or input.ndim == 4,
        lambda: f"{name}(): bicubic interpolation only supports 4D input",
    )


@composite(method=False)
def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
):
    """`grid_sample` with its modes as numbers: bilinear, nearest, bicubic; zeros, border, reflection.

    Input (N, C, *size), grid (N, *places, dims) with coordinates in [-1, 1], the last dimension's first.

    >>> import flambeau
    >>> x, places = flambeau.tensor([[[[1.0, 3.0]]]]), flambeau.tensor([[[[0.0, 0.0]]]])
    >>> flambeau.grid_sampler(x, places, 0, 0, True)
    tensor([[[[2.]]]])
    """
    _check("grid_sampler", input, grid, interpolation_mode, padding_mode)
    options = (interpolation_mode, padding_mode, align_corners)
    return in_float32(_sample_grid, input, grid, *options)


def _sample_grid(
    input: Tensor, grid: Tensor, mode: int, padding: int, align_corners: bool
) -> Tensor:
    sizes = tuple(input.shape[2:])
    dims = len(sizes)
    batch = grid.shape[0]
    coordinates = grid.reshape(batch, prod(grid.shape[1:-1]), dims)
    if mode != NEAREST:
        # Places and weights are few beside the pixels. In float32 the gradient for a place, a difference of weighted
        # pixels times the image's size, would lose three digits; and which pixel is nearest is float32's to say.
        coordinates = coordinates.to(float64)
    places = [
        _unnormalised(coordinates[..., dims - 1 - k], n, align_corners) for k, n in enumerate(sizes)
    ]
    flat = input.reshape(batch, input.shape[1], prod(sizes))
    nothing = zeros(batch, input.shape[1], 1, dtype=flat.dtype, device=flat.device)
    flat = cat(
        [flat, nothing], 2
    )  # what lies outside is read here, and needs no mask over all channels
    out = _MODES[mode](flat, places, sizes, padding, align_corners)
    return out.reshape(batch, input.shape[1], *grid.shape[1:-1])


@composite(method=False)
def grid_sampler_2d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
):
    """`grid_sampler` of images: input (N, C, H, W), grid (N, H', W', 2).

    >>> import flambeau
    >>> x, places = flambeau.tensor([[[[1.0, 3.0]]]]), flambeau.tensor([[[[1.0, 0.0]]]])
    >>> flambeau.grid_sampler_2d(x, places, 0, 0, True)
    tensor([[[[3.]]]])
    """
    check(input.ndim == 4, lambda: f"grid_sampler_2d(): expected 4D input, got {input.ndim}D")
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


@composite(method=False)
def grid_sampler_3d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
):
    """`grid_sampler` of volumes: input (N, C, D, H, W), grid (N, D', H', W', 3).

    >>> import flambeau
    >>> x, places = flambeau.ones(1, 1, 2, 2, 2), flambeau.zeros(1, 1, 1, 1, 3)
    >>> flambeau.grid_sampler_3d(x, places, 0, 0, True)
    tensor([[[[[1.]]]]])
    """
    check(input.ndim == 5, lambda: f"grid_sampler_3d(): expected 5D input, got {input.ndim}D")
    check(
        interpolation_mode != BICUBIC,
        lambda: "grid_sampler_3d(): bicubic interpolation only supports 4D input",
    )
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def _line(count: int, align_corners: bool) -> list[float]:
    """The pixels' centres in [-1, 1]: both ends among them, or half a pixel from them. One alone is in the middle."""
    if count == 1:
        return [0.0]
    edge = 1.0 if align_corners else (count - 1) / count
    return [edge * (2 * i - (count - 1)) / (count - 1) for i in range(count)]


@composite(method=False)
def affine_grid_generator(theta: Tensor, size: tuple[int, ...], align_corners: bool):
    """Where each pixel of an output of `size` lies in the input, by affine maps (N, d, d + 1).

    >>> import flambeau
    >>> identity = flambeau.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> flambeau.affine_grid_generator(identity, (1, 1, 1, 2), False)
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
    """
    check(
        len(size) in (4, 5),
        lambda: "affine_grid_generator needs 4d (spatial) or 5d (volumetric) inputs.",
    )
    check(
        theta.ndim == 3,
        lambda: f"affine_grid_generator: batch2 must be a 3D tensor, but theta is {theta.ndim}D",
    )
    n, *space = size[:1] + size[2:]
    check(min(n, *space) >= 0, lambda: f"Trying to create tensor with negative dimension: {list(size)}")  # fmt: skip
    check_room(math.prod(space) * n)
    dims = len(space)
    like: dict[str, Any] = {"dtype": theta.dtype, "device": theta.device}
    lines = []
    for k, count in enumerate(reversed(space)):
        line = tensor(_line(count, align_corners), dtype=float64).to(**like)
        shape = [1] * dims
        shape[dims - 1 - k] = count
        lines.append(line.reshape(shape).expand(*space))
    base = stack([*lines, ones(*space, **like)], -1).reshape(1, -1, dims + 1)
    return matmul(base.expand(n, *base.shape[1:]), theta.mT).reshape(n, *space, dims)
