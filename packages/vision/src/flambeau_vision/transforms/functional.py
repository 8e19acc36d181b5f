"""The transforms as plain functions, for Pillow images and for tensors `[..., channels, height, width]`.

Arguments and results are torchvision's. Each function asks once which of the two it was given
(`_arithmetic`) and does not know more about either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import ModuleType
from typing import TypeVar, cast

import numpy
from PIL import Image

import flambeau
from flambeau import Tensor

from . import _convert, _pillow, _tensor
from ._arguments import as_pair
from .interpolation import InterpolationMode, as_interpolation

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]

Picture = TypeVar("Picture", bound=Image.Image | Tensor)
Fill = float | Sequence[float] | None


def _arithmetic(image: object) -> ModuleType:
    if isinstance(image, Tensor):
        return _tensor
    if isinstance(image, Image.Image):
        return _pillow
    raise TypeError(f"image: {type(image)}; expected a Pillow image or a flambeau tensor")


def _pillow_only(image: Picture, name: str) -> None:
    if not isinstance(image, Image.Image):
        raise TypeError(
            f"{name}: {type(image)}; expected a Pillow image (tensors are not supported yet)"
        )


# What an image is -------------------------------------------------------------------------------


def get_dimensions(img: Picture) -> list[int]:
    """Channels, height and width.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import get_dimensions
    >>> get_dimensions(flambeau.zeros(3, 20, 30))
    [3, 20, 30]
    """
    return cast("list[int]", _arithmetic(img).dimensions(img))


def get_image_size(img: Picture) -> list[int]:
    """Width and height.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import get_image_size
    >>> get_image_size(flambeau.zeros(3, 20, 30))
    [30, 20]
    """
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Picture) -> int:
    """Number of channels.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import get_image_num_channels
    >>> get_image_num_channels(flambeau.zeros(3, 20, 30))
    3
    """
    return get_dimensions(img)[0]


# Conversion -------------------------------------------------------------------------------------


def to_tensor(pic: Image.Image | numpy.ndarray) -> Tensor:
    """A Pillow image or `[height, width, channels]` array as a tensor `[channels, height, width]`.

    Bytes are scaled to 0 .. 1; other dtypes keep their values. Raises TypeError for anything else,
    OSError where the image's file is cut short.

    >>> from PIL import Image
    >>> from flambeau_vision.transforms.functional import to_tensor
    >>> to_tensor(Image.new("L", (2, 1), color=255))
    tensor([[[1., 1.]]])
    """
    return _convert.to_tensor(pic)


def pil_to_tensor(pic: Image.Image) -> Tensor:
    """A Pillow image as a tensor `[channels, height, width]` of the same values, not scaled.

    >>> from PIL import Image
    >>> from flambeau_vision.transforms.functional import pil_to_tensor
    >>> pil_to_tensor(Image.new("L", (2, 1), color=7))
    tensor([[[7, 7]]], dtype=flambeau.uint8)
    """
    return _convert.pil_to_tensor(pic)


def to_pil_image(pic: Tensor | numpy.ndarray, mode: str | None = None) -> Image.Image:
    """A tensor `[channels, height, width]` or array `[height, width, channels]` as a Pillow image.

    Floating tensors are taken to lie in 0 .. 1. `mode` names Pillow's mode where more than one fits
    the channels. Raises TypeError for other dtypes, ValueError for other shapes and modes.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import to_pil_image
    >>> to_pil_image(flambeau.ones(3, 2, 4)).size
    (4, 2)
    """
    return _convert.to_pil_image(pic, mode)


def convert_image_dtype(image: Tensor, dtype: flambeau.dtype = flambeau.float32) -> Tensor:
    """A tensor image in another dtype, with black kept black and white kept white.

    Raises RuntimeError where the floating dtype cannot hold the integer one's white.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import convert_image_dtype
    >>> convert_image_dtype(flambeau.tensor([0, 255], dtype=flambeau.uint8))
    tensor([0., 1.])
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"convert_image_dtype: {type(image)}; expected a tensor")
    return _convert.convert_dtype(image, dtype)


def normalize(
    tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False
) -> Tensor:
    """Each channel of a floating tensor image less its mean, divided by its standard deviation.

    `mean` and `std` hold one value a channel. Raises TypeError for integer images, RuntimeError for
    another number of values, ValueError for a zero deviation.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import normalize
    >>> normalize(flambeau.ones(1, 1, 2), [0.5], [0.25])
    tensor([[[2., 2.]]])
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"normalize: {type(tensor)}; expected a tensor image (ToTensor makes one of a picture)"
        )
    means, deviations = (tuple(float(value) for value in values) for values in (mean, std))
    return _convert.normalize(tensor, means, deviations, inplace)


# Geometry ---------------------------------------------------------------------------------------


def hflip(img: Picture) -> Picture:
    """The image mirrored left to right.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import hflip
    >>> hflip(flambeau.tensor([[1, 2, 3]]))
    tensor([[3, 2, 1]])
    """
    return cast(Picture, _arithmetic(img).hflip(img))


def vflip(img: Picture) -> Picture:
    """The image upside down.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import vflip
    >>> vflip(flambeau.tensor([[1], [2]]))
    tensor([[2],
            [1]])
    """
    return cast(Picture, _arithmetic(img).vflip(img))


def crop(img: Picture, top: int, left: int, height: int, width: int) -> Picture:
    """The window of `height` by `width` whose corner is (`top`, `left`); black outside the image.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import crop
    >>> crop(flambeau.arange(12).reshape(3, 4), 1, 1, 1, 2)
    tensor([[5, 6]])
    """
    return cast(Picture, _arithmetic(img).crop(img, top, left, height, width))


def center_crop(img: Picture, output_size: int | Sequence[int]) -> Picture:
    """The middle of the image; a smaller image is set on black first.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import center_crop
    >>> center_crop(flambeau.arange(16).reshape(4, 4), 2)
    tensor([[ 5,  6],
            [ 9, 10]])
    """
    height, width = as_pair(output_size, "center_crop")
    _, rows, columns = get_dimensions(img)
    wider, higher = max(width - columns, 0), max(height - rows, 0)
    if wider or higher:
        img = pad(img, [wider // 2, higher // 2, (wider + 1) // 2, (higher + 1) // 2])
        _, rows, columns = get_dimensions(img)
        if (rows, columns) == (height, width):
            return img
    top, left = round((rows - height) / 2.0), round((columns - width) / 2.0)
    return crop(img, top, left, height, width)


def _resized(rows: int, columns: int, size: Sequence[int], max_size: int | None) -> tuple[int, int]:
    """Height and width after resizing: given, or from the shorter side with the shape kept."""
    if len(size) == 2:
        return size[0], size[1]
    short, long = min(rows, columns), max(rows, columns)
    new_short, new_long = size[0], int(size[0] * long / short)
    if max_size is not None:
        if max_size <= size[0]:
            raise ValueError(
                f"resize: max_size {max_size} for the longer side, size {size[0]} for the shorter; "
                "expected max_size above size"
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if columns <= rows else (new_short, new_long)


def resize(
    img: Picture,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Picture:
    """The image at another size: `(height, width)`, or one number for the shorter side.

    With one number the shape is kept and `max_size` bounds the longer side. On tensors bilinear and
    bicubic equal PyTorch's `interpolate`, with `antialias` its antialiased form; Pillow images
    always antialias. Raises ValueError for filters that tensors do not have.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import resize
    >>> resize(flambeau.zeros(3, 20, 40), 10).shape
    flambeau.Size([3, 10, 20])
    """
    mode = as_interpolation(interpolation)
    sizes = [size] if isinstance(size, int) else list(size)
    if len(sizes) not in (1, 2):
        raise ValueError(f"resize: size {sizes}; expected one number or two (height and width)")
    if max_size is not None and len(sizes) != 1:
        raise ValueError(
            f"resize: max_size with size {sizes}; expected one number, for the shorter side"
        )
    _, rows, columns = get_dimensions(img)
    new_size = _resized(rows, columns, sizes, max_size)
    if min(new_size) < 1:
        raise ValueError(f"resize: new size {new_size}; expected at least one pixel a side")
    if new_size == (rows, columns):
        return img
    return cast(Picture, _arithmetic(img).resize(img, new_size, mode, antialias))


def resized_crop(
    img: Picture,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Picture:
    """A window of the image, resized.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import resized_crop
    >>> resized_crop(flambeau.zeros(3, 20, 40), 0, 0, 10, 10, [5, 5]).shape
    flambeau.Size([3, 5, 5])
    """
    window = crop(img, top, left, height, width)
    return resize(window, size, interpolation, antialias=antialias)


def _sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of one number, (left/right, top/bottom) or all four."""
    if not isinstance(padding, (int, list, tuple)):
        raise TypeError(f"pad: padding {padding!r}; expected a number, a list or a tuple")
    if isinstance(padding, int):
        return padding, padding, padding, padding
    if len(padding) == 1:
        return padding[0], padding[0], padding[0], padding[0]
    if len(padding) == 2:
        return padding[0], padding[1], padding[0], padding[1]
    if len(padding) == 4:
        return padding[0], padding[1], padding[2], padding[3]
    raise ValueError(f"pad: padding {list(padding)}; expected 1, 2 or 4 numbers")


def pad(
    img: Picture, padding: int | Sequence[int], fill: Fill = 0, padding_mode: str = "constant"
) -> Picture:
    """The image with a border: `padding` pixels, (left/right, top/bottom), or left, top, right, bottom.

    `padding_mode` is `constant` (of `fill`), `edge` (the border repeated), `reflect` (mirrored
    without the border) or `symmetric` (mirrored with it).

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import pad
    >>> pad(flambeau.tensor([[1, 2]]), [1, 0])
    tensor([[0, 1, 2, 0]])
    >>> pad(flambeau.tensor([[1, 2, 3]]), [1, 0], padding_mode="reflect")
    tensor([[2, 1, 2, 3, 2]])
    """
    sides = _sides(padding)
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(
            f"pad: padding_mode {padding_mode!r}; expected constant, edge, reflect or symmetric"
        )
    return cast(Picture, _arithmetic(img).pad(img, sides, fill, padding_mode))


def five_crop(img: Picture, size: int | Sequence[int]) -> tuple[Picture, ...]:
    """The four corners (top left, top right, bottom left, bottom right) and the middle.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import five_crop
    >>> len(five_crop(flambeau.zeros(3, 8, 8), 4))
    5
    """
    height, width = as_pair(size, "five_crop")
    _, rows, columns = get_dimensions(img)
    if width > columns or height > rows:
        raise ValueError(
            f"five_crop: size {(height, width)} of an image of {(rows, columns)}; expected a crop "
            "inside the image"
        )
    corners = [(top, left) for top in (0, rows - height) for left in (0, columns - width)]
    windows: list[Picture] = [crop(img, top, left, height, width) for top, left in corners]
    return (*windows, center_crop(img, [height, width]))


def ten_crop(
    img: Picture, size: int | Sequence[int], vertical_flip: bool = False
) -> tuple[Picture, ...]:
    """`five_crop` of the image, then of its mirror image.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import ten_crop
    >>> len(ten_crop(flambeau.zeros(3, 8, 8), 4))
    10
    """
    mirrored = vflip(img) if vertical_flip else hflip(img)
    return five_crop(img, size) + five_crop(mirrored, size)


def _inverse_affine(
    center: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
) -> list[float]:
    """The 2×3 matrix from output to input of: rotate, shear and scale about `center`, then move."""
    turn, shear_x, shear_y = (math.radians(value) for value in (angle, shear[0], shear[1]))
    a = math.cos(turn - shear_y) / math.cos(shear_y)
    b = -math.cos(turn - shear_y) * math.tan(shear_x) / math.cos(shear_y) - math.sin(turn)
    c = math.sin(turn - shear_y) / math.cos(shear_y)
    d = -math.sin(turn - shear_y) * math.tan(shear_x) / math.cos(shear_y) + math.cos(turn)
    matrix = [d / scale, -b / scale, 0.0, -c / scale, a / scale, 0.0]
    # Rotation and shear have determinant 1, so the inverse needs no division but by scale.
    x, y = -center[0] - translate[0], -center[1] - translate[1]
    matrix[2] = matrix[0] * x + matrix[1] * y + center[0]
    matrix[5] = matrix[3] * x + matrix[4] * y + center[1]
    return matrix


def _point(center: Sequence[float] | None) -> None:
    if center is not None and len(center) != 2:
        raise ValueError(f"center: {list(center)}; expected two numbers, x and y")


def rotate(
    img: Picture,
    angle: float,
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Fill = None,
) -> Picture:
    """The image turned counter-clockwise by `angle` degrees about its middle or `center` (x, y).

    `expand` enlarges the canvas until all corners fit; `fill` colors what the image does not reach
    (black if None). Tensors offer nearest and bilinear.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import rotate
    >>> rotate(flambeau.tensor([[[1, 2], [3, 4]]], dtype=flambeau.uint8), 90)
    tensor([[[2, 4],
             [1, 3]]], dtype=flambeau.uint8)
    """
    mode = as_interpolation(interpolation)
    _point(center)
    if isinstance(img, Image.Image):
        return cast(Picture, _pillow.rotate(img, angle, mode, expand, center, fill))
    _, rows, columns = get_dimensions(img)
    middle = [0.0, 0.0]
    if center is not None:
        middle = [center[0] - columns * 0.5, center[1] - rows * 0.5]
    # Turning the output's grid clockwise turns the image counter-clockwise.
    matrix = _inverse_affine(middle, -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    return cast(Picture, _tensor.affine(img, matrix, mode, fill, expand=expand))


def affine(
    img: Picture,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    fill: Fill = None,
    center: Sequence[float] | None = None,
) -> Picture:
    """The image turned clockwise by `angle` degrees, moved, scaled and sheared, its size kept.

    `translate` is in pixels (x, y), `shear` in degrees (x, or x and y).

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import affine
    >>> affine(flambeau.tensor([[[1, 2, 3]]]), 0, [1, 0], 1.0, 0.0)
    tensor([[[0, 1, 2]]])
    """
    mode = as_interpolation(interpolation)
    if len(translate) != 2:
        raise ValueError(f"affine: translate {list(translate)}; expected two numbers, x and y")
    if scale <= 0.0:
        raise ValueError(f"affine: scale {scale}; expected a positive number")
    shears: list[float] = [shear] if isinstance(shear, (int, float)) else list(shear)
    if len(shears) not in (1, 2):
        raise ValueError(f"affine: shear {shears}; expected one number or two")
    shears = [*shears, 0.0][:2]
    _point(center)
    _, rows, columns = get_dimensions(img)
    if isinstance(img, Image.Image):
        middle = list(center) if center is not None else [columns * 0.5, rows * 0.5]
        matrix = _inverse_affine(middle, angle, translate, scale, shears)
        return cast(Picture, _pillow.affine(img, matrix, mode, fill))
    middle = [0.0, 0.0]
    if center is not None:
        middle = [center[0] - columns * 0.5, center[1] - rows * 0.5]
    matrix = _inverse_affine(middle, angle, translate, scale, shears)
    return cast(Picture, _tensor.affine(img, matrix, mode, fill))


def erase(
    img: Tensor, i: int, j: int, h: int, w: int, v: Tensor | float, inplace: bool = False
) -> Tensor:
    """A tensor image with the window of `h` by `w` at row `i`, column `j` set to `v`.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import erase
    >>> erase(flambeau.ones(1, 2, 2), 0, 0, 1, 2, 0.0)
    tensor([[[0., 0.],
             [1., 1.]]])
    """
    if not isinstance(img, Tensor):
        raise TypeError(f"erase: {type(img)}; expected a tensor image (use ToTensor before it)")
    out = img if inplace else img.clone()
    out[..., i : i + h, j : j + w] = v
    return out


# Color ------------------------------------------------------------------------------------------


def _not_negative(name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name}: factor {factor}; expected a number that is not negative")


def adjust_brightness(img: Picture, brightness_factor: float) -> Picture:
    """The image `brightness_factor` times as bright (0 black, 1 unchanged).

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import adjust_brightness
    >>> adjust_brightness(flambeau.full((1, 1, 2), 0.25), 2.0)
    tensor([[[0.5000, 0.5000]]])
    """
    _not_negative("adjust_brightness", brightness_factor)
    return cast(Picture, _arithmetic(img).adjust_brightness(img, brightness_factor))


def adjust_contrast(img: Picture, contrast_factor: float) -> Picture:
    """The image with its distance from the mean gray scaled (0 gray, 1 unchanged).

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import adjust_contrast
    >>> adjust_contrast(flambeau.tensor([[[0.0, 1.0]]]), 0.5)
    tensor([[[0.2500, 0.7500]]])
    """
    _not_negative("adjust_contrast", contrast_factor)
    return cast(Picture, _arithmetic(img).adjust_contrast(img, contrast_factor))


def adjust_saturation(img: Picture, saturation_factor: float) -> Picture:
    """The image with its distance from its own gray scaled (0 gray, 1 unchanged).

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import adjust_saturation
    >>> adjust_saturation(flambeau.full((3, 1, 1), 0.5), 0.0).shape
    flambeau.Size([3, 1, 1])
    """
    _not_negative("adjust_saturation", saturation_factor)
    return cast(Picture, _arithmetic(img).adjust_saturation(img, saturation_factor))


def adjust_hue(img: Picture, hue_factor: float) -> Picture:
    """The image with every hue turned by `hue_factor` of the circle (-0.5 to 0.5).

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import adjust_hue
    >>> adjust_hue(flambeau.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1), 0.5).flatten()
    tensor([0., 1., 1.])
    """
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"adjust_hue: factor {hue_factor}; expected -0.5 to 0.5")
    return cast(Picture, _arithmetic(img).adjust_hue(img, hue_factor))


def adjust_gamma(img: Picture, gamma: float, gain: float = 1) -> Picture:
    """`gain * image ** gamma`, on values of 0 to 1.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import adjust_gamma
    >>> adjust_gamma(flambeau.full((1, 1, 2), 0.5), 2.0)
    tensor([[[0.2500, 0.2500]]])
    """
    _not_negative("adjust_gamma", gamma)
    return cast(Picture, _arithmetic(img).adjust_gamma(img, gamma, gain))


def adjust_sharpness(img: Picture, sharpness_factor: float) -> Picture:
    """The image blurred (0), unchanged (1) or sharpened (above).

    >>> from PIL import Image
    >>> from flambeau_vision.transforms.functional import adjust_sharpness
    >>> adjust_sharpness(Image.new("L", (3, 3)), 2.0).size
    (3, 3)
    """
    _not_negative("adjust_sharpness", sharpness_factor)
    return cast(Picture, _arithmetic(img).adjust_sharpness(img, sharpness_factor))


def gaussian_blur(
    img: Picture, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None
) -> Picture:
    """The image averaged under a bell of `kernel_size` (x, y; odd) pixels and width `sigma`.

    Without `sigma` the width follows from the size: `0.3 * ((size - 1) / 2 - 1) + 0.8`. Raises
    ValueError for even sizes and widths that are not positive.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import gaussian_blur
    >>> gaussian_blur(flambeau.ones(1, 5, 5), 3).shape
    flambeau.Size([1, 5, 5])
    """
    sizes = as_pair(kernel_size, "gaussian_blur")
    if min(sizes) <= 0 or any(size % 2 == 0 for size in sizes):
        raise ValueError(f"gaussian_blur: kernel_size {list(sizes)}; expected odd positive numbers")
    if sigma is None:
        widths = [size * 0.15 + 0.35 for size in sizes]
    else:
        widths = [float(sigma)] if isinstance(sigma, (int, float)) else list(sigma)
    if len(widths) not in (1, 2) or min(widths) <= 0.0:
        raise ValueError(f"gaussian_blur: sigma {sigma}; expected one or two positive numbers")
    bell = (widths[0], widths[-1])
    if isinstance(img, Image.Image):
        blurred = _tensor.gaussian_blur(pil_to_tensor(img), sizes, bell)
        return cast(Picture, to_pil_image(blurred, mode=img.mode))
    _arithmetic(img)
    return cast(Picture, _tensor.gaussian_blur(img, sizes, bell))


def rgb_to_grayscale(img: Picture, num_output_channels: int = 1) -> Picture:
    """The image's gray, in one channel or in three equal ones.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import rgb_to_grayscale
    >>> rgb_to_grayscale(flambeau.ones(3, 2, 2)).shape
    flambeau.Size([1, 2, 2])
    """
    if num_output_channels not in (1, 3):
        raise ValueError(
            f"rgb_to_grayscale: num_output_channels {num_output_channels}; expected 1 or 3"
        )
    return cast(Picture, _arithmetic(img).grayscale(img, num_output_channels))


def to_grayscale(img: Image.Image, num_output_channels: int = 1) -> Image.Image:
    """A Pillow image's gray, in one channel or in three equal ones.

    >>> from PIL import Image
    >>> from flambeau_vision.transforms.functional import to_grayscale
    >>> to_grayscale(Image.new("RGB", (3, 2))).mode
    'L'
    """
    _pillow_only(img, "to_grayscale")
    return rgb_to_grayscale(img, num_output_channels)


def invert(img: Picture) -> Picture:
    """The negative of an image.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import invert
    >>> invert(flambeau.tensor([[0, 255]], dtype=flambeau.uint8))
    tensor([[255,   0]], dtype=flambeau.uint8)
    """
    return cast(Picture, _arithmetic(img).invert(img))


def posterize(img: Picture, bits: int) -> Picture:
    """The image with only the highest `bits` (0 to 8) of each byte kept.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import posterize
    >>> posterize(flambeau.tensor([[200]], dtype=flambeau.uint8), 1)
    tensor([[128]], dtype=flambeau.uint8)
    """
    if not 0 <= bits <= 8:
        raise ValueError(f"posterize: {bits} bits; expected 0 to 8")
    return cast(Picture, _arithmetic(img).posterize(img, bits))


def solarize(img: Picture, threshold: float) -> Picture:
    """The image with every value at or above `threshold` inverted.

    >>> import flambeau
    >>> from flambeau_vision.transforms.functional import solarize
    >>> solarize(flambeau.tensor([[100, 200]], dtype=flambeau.uint8), 128)
    tensor([[100,  55]], dtype=flambeau.uint8)
    """
    return cast(Picture, _arithmetic(img).solarize(img, threshold))


def autocontrast(img: Picture) -> Picture:
    """The image with each channel stretched from black to white.

    >>> from PIL import Image
    >>> from flambeau_vision.transforms.functional import autocontrast
    >>> autocontrast(Image.new("L", (2, 2))).size
    (2, 2)
    """
    return cast(Picture, _arithmetic(img).autocontrast(img))


def equalize(img: Image.Image) -> Image.Image:
    """A Pillow image with each band's histogram made even.

    >>> from PIL import Image
    >>> from flambeau_vision.transforms.functional import equalize
    >>> equalize(Image.new("L", (2, 2))).size
    (2, 2)
    """
    _pillow_only(img, "equalize")
    return _pillow.equalize(img)
