"""Transforms that change colors."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import cast

import flambeau
from flambeau import Tensor
from flambeau.nn import Module

from . import functional
from ._random import coin, uniform
from .functional import Picture

Range = tuple[float, float]


def _range(
    value: float | Sequence[float], name: str, *, center: float, low: float, high: float
) -> Range | None:
    """The range a setting stands for: a number v means center - v to center + v. None: no change."""
    if isinstance(value, numbers.Number):
        reach = cast(float, value)
        if reach < 0:
            raise ValueError(f"ColorJitter: {name} {reach}; expected a number that is not negative")
        bounds = (center - float(reach), center + float(reach))
        # A factor below zero means nothing; a hue may be turned either way.
        if name != "hue":
            bounds = (max(bounds[0], 0.0), bounds[1])
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        bounds = (float(value[0]), float(value[1]))
    else:
        raise TypeError(f"ColorJitter: {name} {value!r}; expected a number or a pair of numbers")
    if not low <= bounds[0] <= bounds[1] <= high:
        raise ValueError(
            f"ColorJitter: {name} from {bounds[0]} to {bounds[1]}; expected a rising range between "
            f"{low} and {high}"
        )
    return None if bounds == (center, center) else bounds


_ADJUSTMENTS = (
    functional.adjust_brightness,
    functional.adjust_contrast,
    functional.adjust_saturation,
    functional.adjust_hue,
)


class ColorJitter(Module):
    """Brightness, contrast, saturation and hue changed at random, in a random order.

    A number b means factors of 1 - b to 1 + b; for `hue` a turn of -b to b (b up to 0.5).

    >>> import flambeau
    >>> from flambeau_vision.transforms import ColorJitter
    >>> ColorJitter(brightness=0.2)(flambeau.zeros(3, 4, 4)).shape
    flambeau.Size([3, 4, 4])
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ) -> None:
        super().__init__()
        infinity = float("inf")
        self.brightness = _range(brightness, "brightness", center=1, low=0, high=infinity)
        self.contrast = _range(contrast, "contrast", center=1, low=0, high=infinity)
        self.saturation = _range(saturation, "saturation", center=1, low=0, high=infinity)
        self.hue = _range(hue, "hue", center=0, low=-0.5, high=0.5)

    @staticmethod
    def get_params(
        brightness: Range | None,
        contrast: Range | None,
        saturation: Range | None,
        hue: Range | None,
    ) -> tuple[Tensor, float | None, float | None, float | None, float | None]:
        """The order of the four adjustments and the factor of each."""
        order = flambeau.randperm(4)
        factors = [
            None if bounds is None else uniform(bounds[0], bounds[1])
            for bounds in (brightness, contrast, saturation, hue)
        ]
        return order, factors[0], factors[1], factors[2], factors[3]

    def forward(self, img: Picture) -> Picture:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        for which in order.tolist():
            factor = factors[which]
            if factor is not None:
                img = _ADJUSTMENTS[which](img, factor)
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


class Grayscale(Module):
    """The image's gray, in one channel or in three equal ones.

    >>> import flambeau
    >>> from flambeau_vision.transforms import Grayscale
    >>> Grayscale()(flambeau.zeros(3, 4, 4)).shape
    flambeau.Size([1, 4, 4])
    """

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Picture) -> Picture:
        return functional.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class RandomGrayscale(Module):
    """The image's gray with probability `p`, in as many channels as it had.

    >>> import flambeau
    >>> from flambeau_vision.transforms import RandomGrayscale
    >>> RandomGrayscale(p=1.0)(flambeau.zeros(3, 4, 4)).shape
    flambeau.Size([3, 4, 4])
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Picture) -> Picture:
        channels = functional.get_dimensions(img)[0]
        if not coin(self.p):
            return img
        return functional.rgb_to_grayscale(img, channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"
