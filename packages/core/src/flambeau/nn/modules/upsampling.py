"""Making grids larger or smaller by interpolation."""

from __future__ import annotations

from typing import Any

from flambeau.runtime.tensor import Tensor

from .. import functional as F
from .module import Module


class Upsample(Module):
    """Resizes the spatial dimensions to `size`, or by `scale_factor`.

    Modes: 'nearest', 'nearest-exact', 'linear' (3-d input), 'bilinear', 'bicubic' (4-d) and
    'trilinear' (5-d).

    >>> import flambeau
    >>> flambeau.nn.Upsample(scale_factor=2)(flambeau.ones(1, 1, 2, 2)).shape
    flambeau.Size([1, 1, 4, 4])
    """

    __constants__ = [
        "size",
        "scale_factor",
        "mode",
        "align_corners",
        "name",
        "recompute_scale_factor",
    ]

    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        scale_factor: float | tuple[float, ...] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        self.scale_factor: Any
        if isinstance(scale_factor, tuple):
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"
        return f"size={self.size!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` of images in mode 'nearest'.

    >>> import flambeau
    >>> flambeau.nn.UpsamplingNearest2d(size=3)(flambeau.ones(1, 1, 2, 2)).shape
    flambeau.Size([1, 1, 3, 3])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of images in mode 'bilinear' with aligned corners.

    >>> import flambeau
    >>> flambeau.nn.UpsamplingBilinear2d(size=3)(flambeau.ones(1, 1, 2, 2)).shape
    flambeau.Size([1, 1, 3, 3])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
