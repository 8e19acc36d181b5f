"""The resampling filters, under torchvision's names, and what Pillow calls them."""

from __future__ import annotations

from enum import Enum

from PIL.Image import Resampling


class InterpolationMode(Enum):
    """How a pixel between pixels is computed.

    `NEAREST`, `NEAREST_EXACT`, `BILINEAR` and `BICUBIC` work on tensors and Pillow images, `BOX`,
    `HAMMING` and `LANCZOS` on Pillow images only.

    >>> from flambeau_vision.transforms import InterpolationMode
    >>> InterpolationMode.BILINEAR.value
    'bilinear'
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# Pillow's nearest neighbour is what the tensor world calls nearest-exact; torchvision maps both.
TO_PILLOW: dict[InterpolationMode, Resampling] = {
    InterpolationMode.NEAREST: Resampling.NEAREST,
    InterpolationMode.NEAREST_EXACT: Resampling.NEAREST,
    InterpolationMode.BILINEAR: Resampling.BILINEAR,
    InterpolationMode.BICUBIC: Resampling.BICUBIC,
    InterpolationMode.BOX: Resampling.BOX,
    InterpolationMode.HAMMING: Resampling.HAMMING,
    InterpolationMode.LANCZOS: Resampling.LANCZOS,
}

_FROM_PILLOW = {
    int(number): mode
    for mode, number in TO_PILLOW.items()
    if mode is not InterpolationMode.NEAREST_EXACT
}


def as_interpolation(mode: InterpolationMode | int) -> InterpolationMode:
    """The mode itself, also where it is given as Pillow's number (as older code does)."""
    if isinstance(mode, InterpolationMode):
        return mode
    if isinstance(mode, int) and mode in _FROM_PILLOW:
        return _FROM_PILLOW[mode]
    raise TypeError(
        f"interpolation: {mode!r}; expected an InterpolationMode or one of Pillow's numbers 0 to 5"
    )
