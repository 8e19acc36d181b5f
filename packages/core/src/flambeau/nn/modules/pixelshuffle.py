"""Moving elements between channels and space, and between groups of channels."""

from __future__ import annotations

from flambeau.runtime.tensor import Tensor

from .. import functional as F
from .module import Module


class PixelShuffle(Module):
    """Moves channels into space: (*, C r², H, W) to (*, C, H r, W r).

    >>> import flambeau
    >>> flambeau.nn.PixelShuffle(2)(flambeau.ones(1, 8, 3, 3)).shape
    flambeau.Size([1, 2, 6, 6])
    """

    __constants__ = ["upscale_factor"]

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Moves space into channels: (*, C, H r, W r) to (*, C r², H, W).

    >>> import flambeau
    >>> flambeau.nn.PixelUnshuffle(2)(flambeau.ones(1, 2, 6, 6)).shape
    flambeau.Size([1, 8, 3, 3])
    """

    __constants__ = ["downscale_factor"]

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Takes the channels of (N, C, *) in turn from each group.

    >>> import flambeau
    >>> flambeau.nn.ChannelShuffle(2)(flambeau.ones(1, 8, 3, 3)).shape
    flambeau.Size([1, 8, 3, 3])
    """

    __constants__ = ["groups"]

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
