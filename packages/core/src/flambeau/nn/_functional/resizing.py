"""Sampling and resizing images."""

from __future__ import annotations

import warnings
from typing import Any

from flambeau._base.checks import check
from flambeau.ops.grid import affine_grid_generator, grid_sampler
from flambeau.ops.interpolate import interpolate
from flambeau.runtime.tensor import Tensor

_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
_PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}


def _corners(align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since "
            "1.3.0. Please specify align_corners=True if the old behavior is desired. See the "
            "documentation of grid_sample for details.",
            stacklevel=3,
        )
    return bool(align_corners)


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The values of (N, C, H, W) or (N, C, D, H, W) at the places of a grid (N, *places, 2 or 3).

    A place has coordinates in [-1, 1], x first. Modes are bilinear, nearest and bicubic; outside are zeros, the border
    or the reflection. `align_corners` says that -1 and 1 are the outer pixels' centres and not their edges.

    >>> import flambeau
    >>> x, places = flambeau.tensor([[[[1.0, 3.0]]]]), flambeau.tensor([[[[0.0, 0.0]]]])
    >>> grid_sample(x, places, align_corners=False)
    tensor([[[[2.]]]])
    """
    for given, known, what in ((mode, _MODES, "mode"), (padding_mode, _PADDINGS, "padding_mode")):
        if given not in known:
            *some, last = map(repr, known)
            raise ValueError(
                f"nn.functional.grid_sample(): expected {what} to be {', '.join(some)} or {last}, "
                f"but got: {given!r}"
            )
    aligned = _corners(align_corners)
    return grid_sampler(input, grid, _MODES[mode], _PADDINGS[padding_mode], aligned)


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """The grid for `grid_sample` of affine maps (N, 2, 3) or (N, 3, 4), for an output of `size` (N, C, *space).

    >>> import flambeau
    >>> affine_grid(flambeau.eye(2, 3).unsqueeze(0), (1, 1, 1, 2), align_corners=False)
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
    """
    aligned = _corners(align_corners)
    size = tuple(size)
    check(
        theta.dtype.is_floating_point,
        lambda: f"Expected theta to have floating point type, but got {theta.dtype}",
        ValueError,
    )
    check(
        len(size) in (4, 5),
        lambda: (
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
            f"Got size {size}."
        ),
        NotImplementedError,
    )
    dims = len(size) - 2
    check(
        theta.ndim == 3 and tuple(theta.shape[1:]) == (dims, dims + 1),
        lambda: (
            f"Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1} for size {size}. "
            f"Got {theta.shape}."
        ),
        ValueError,
    )
    if aligned and min(size[2:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when "
            "align_corners=True. This is not an intended use case of affine_grid. See the "
            "documentation of affine_grid for details.",
            stacklevel=2,
        )
    check(
        min(size) > 0,
        lambda: f"Expected non-zero, positive output size. Got {size}",
        ValueError,
    )
    return affine_grid_generator(theta, size, aligned)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Old name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Old name of `interpolate` by the nearest element; it warns."""
    _old("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Old name of bilinear `interpolate` with aligned corners; it warns."""
    _old("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _old(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=3,
    )
