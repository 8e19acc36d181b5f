"""The transforms' arithmetic on Pillow images: Pillow does the work, as it does in torchvision."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy
from PIL import Image, ImageEnhance, ImageOps

from .interpolation import TO_PILLOW, InterpolationMode

Fill = float | Sequence[float] | None

_GRAY_MODES = {"1", "L", "I", "F"}


def dimensions(image: Image.Image) -> list[int]:
    return [len(image.getbands()), image.height, image.width]


def _fill(image: Image.Image, fill: Fill) -> dict[str, Any]:
    """Pillow's `fillcolor` of a number or a list: one value a band, whole where bands are bytes."""
    bands = len(image.getbands())
    values: tuple[float, ...] = (0 if fill is None else fill,)  # type: ignore[assignment]
    if isinstance(fill, (list, tuple)):
        values = tuple(fill)
    if len(values) == 1:
        values = values * bands
    if len(values) != bands:
        raise ValueError(
            f"fill: {len(values)} values for an image of {bands} bands; expected one or {bands}"
        )
    if image.mode != "F":
        values = tuple(int(value) for value in values)
    return {"fillcolor": values if bands > 1 else values[0]}


def hflip(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def vflip(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def crop(image: Image.Image, top: int, left: int, height: int, width: int) -> Image.Image:
    return image.crop((left, top, left + width, top + height))


def resize(
    image: Image.Image, size: tuple[int, int], mode: InterpolationMode, antialias: bool | None
) -> Image.Image:
    if antialias is False:
        warnings.warn(
            "Anti-alias option is always applied for PIL Image input. Argument antialias is ignored.",
            stacklevel=4,
        )
    return image.resize((size[1], size[0]), TO_PILLOW[mode])


def pad(image: Image.Image, sides: tuple[int, int, int, int], fill: Fill, mode: str) -> Image.Image:
    """`sides` are left, top, right, bottom; a negative side is cut off."""
    if mode == "constant":
        padded = ImageOps.expand(image, border=sides, fill=_fill(image, fill)["fillcolor"])
        if image.mode == "P" and (palette := image.getpalette()) is not None:
            padded.putpalette(palette)
        return padded
    kept = tuple(min(side, 0) for side in sides)
    image = image.crop((-kept[0], -kept[1], image.width + kept[2], image.height + kept[3]))
    left, top, right, bottom = (max(side, 0) for side in sides)
    pixels = numpy.asarray(image)
    width = [(top, bottom), (left, right)] + [(0, 0)] * (pixels.ndim - 2)
    padded = Image.fromarray(numpy.pad(pixels, width, mode=mode))  # type: ignore[call-overload]
    if image.mode == "P" and (palette := image.getpalette()) is not None:
        padded.putpalette(palette)
    return padded


def adjust_brightness(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


def adjust_contrast(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(factor)


def adjust_saturation(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Color(image).enhance(factor)


def adjust_sharpness(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Sharpness(image).enhance(factor)


def adjust_hue(image: Image.Image, factor: float) -> Image.Image:
    if image.mode in _GRAY_MODES:
        return image
    hue, saturation, value = image.convert("HSV").split()
    # Hue is a circle of 256 steps: the shift is taken modulo 256, which uint8 arithmetic does.
    shift = numpy.int32(factor * 255).astype(numpy.uint8)
    turned = Image.fromarray(numpy.asarray(hue) + shift)
    return Image.merge("HSV", (turned, saturation, value)).convert(image.mode)


def adjust_gamma(image: Image.Image, gamma: float, gain: float) -> Image.Image:
    # 1 - 1e-3 keeps white white: int() of 255.999 is 255.
    table = [int((255 + 1 - 1e-3) * gain * pow(i / 255.0, gamma)) for i in range(256)]
    bands = len(image.convert("RGB").getbands())
    return image.convert("RGB").point(table * bands).convert(image.mode)


def invert(image: Image.Image) -> Image.Image:
    return ImageOps.invert(image)


def posterize(image: Image.Image, bits: int) -> Image.Image:
    return ImageOps.posterize(image, bits)


def solarize(image: Image.Image, threshold: float) -> Image.Image:
    return ImageOps.solarize(image, int(threshold))


def autocontrast(image: Image.Image) -> Image.Image:
    return ImageOps.autocontrast(image)


def equalize(image: Image.Image) -> Image.Image:
    return ImageOps.equalize(image)


def grayscale(image: Image.Image, channels: int) -> Image.Image:
    gray = image.convert("L")
    return gray if channels == 1 else Image.merge("RGB", (gray, gray, gray))


def rotate(
    image: Image.Image,
    angle: float,
    mode: InterpolationMode,
    expand: bool,
    center: Sequence[float] | None,
    fill: Fill,
) -> Image.Image:
    middle = None if center is None else (center[0], center[1])
    return image.rotate(angle, TO_PILLOW[mode], expand, middle, **_fill(image, fill))


def affine(
    image: Image.Image, matrix: Sequence[float], mode: InterpolationMode, fill: Fill
) -> Image.Image:
    size = (image.width, image.height)
    return image.transform(
        size, Image.Transform.AFFINE, tuple(matrix), TO_PILLOW[mode], **_fill(image, fill)
    )
