"""The transforms' arithmetic on tensors `[..., channels, height, width]`, with torchvision's results.

Integer images are computed in float32 and rounded back, as torchvision does. Everything is made of
public flambeau operators, so it differentiates and runs on any device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import flambeau
import flambeau.nn.functional
from flambeau import Tensor

from . import _resample
from .interpolation import InterpolationMode

Fill = float | Sequence[float] | None

_LARGEST = {
    flambeau.uint8: 255,
    flambeau.int8: 127,
    flambeau.int16: 32767,
    flambeau.uint16: 65535,
    flambeau.int32: 2147483647,
    flambeau.int64: 9223372036854775807,
}


def largest(dtype: flambeau.dtype) -> int:
    """White: the largest value of an integer dtype, 1 of a floating or boolean one."""
    return _LARGEST.get(dtype, 1)


def check_image(image: Tensor) -> None:
    if image.ndim < 2:
        raise TypeError(
            f"image tensor: shape {list(image.shape)}; expected [..., height, width] or "
            "[..., channels, height, width]"
        )


def dimensions(image: Tensor) -> list[int]:
    check_image(image)
    channels = 1 if image.ndim == 2 else image.shape[-3]
    return [channels, image.shape[-2], image.shape[-1]]


def _check_channels(image: Tensor, name: str, permitted: Sequence[int]) -> int:
    channels = dimensions(image)[0]
    if channels not in permitted:
        raise TypeError(
            f"{name}: an image tensor of {channels} channels (shape {list(image.shape)}); "
            f"expected {' or '.join(str(count) for count in permitted)} channels"
        )
    return channels


def _in_float(image: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
    """`compute` in floating point, then rounded back to an integer image's dtype."""
    if image.dtype in (flambeau.float32, flambeau.float64):
        return compute(image)
    out = compute(image.to(flambeau.float32))
    if not image.is_floating_point():
        out = flambeau.round(out)
    return out.to(image.dtype)


# Geometry ---------------------------------------------------------------------------------------


def hflip(image: Tensor) -> Tensor:
    check_image(image)
    return image.flip(-1)


def vflip(image: Tensor) -> Tensor:
    check_image(image)
    return image.flip(-2)


def crop(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """The window; where it reaches outside the image it is black."""
    _, rows, columns = dimensions(image)
    bottom, right = top + height, left + width
    window = image[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    outside = (
        max(min(right, 0) - left, 0),
        max(right - max(columns, left), 0),
        max(min(bottom, 0) - top, 0),
        max(bottom - max(rows, top), 0),
    )
    if not any(outside):
        return window
    return flambeau.nn.functional.pad(window, list(outside))


def resize(
    image: Tensor, size: tuple[int, int], mode: InterpolationMode, antialias: bool | None
) -> Tensor:
    check_image(image)
    if mode not in (
        InterpolationMode.NEAREST,
        InterpolationMode.NEAREST_EXACT,
        InterpolationMode.BILINEAR,
        InterpolationMode.BICUBIC,
    ):
        raise ValueError(
            f"resize: interpolation {mode.value} of a tensor; expected nearest, nearest-exact, "
            "bilinear or bicubic (the others work on Pillow images)"
        )
    if mode in (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT):
        return _resample.resize(image, size, mode.value, False)

    def interpolate(pixels: Tensor) -> Tensor:
        out = _resample.resize(pixels, size, mode.value, bool(antialias))
        # A cubic overshoots; bytes would wrap around.
        overshoots = mode is InterpolationMode.BICUBIC and image.dtype == flambeau.uint8
        return out.clamp(0, 255) if overshoots else out

    return _in_float(image, interpolate)


def _source_index(size: int, before: int, after: int, mode: str) -> list[int]:
    """For each position of a padded side the position it copies."""
    positions = range(-before, size + after)
    if mode == "edge":
        return [min(max(i, 0), size - 1) for i in positions]
    if mode == "symmetric":
        return [min(i % (2 * size), 2 * size - 1 - i % (2 * size)) for i in positions]
    if max(before, after) >= size:
        raise RuntimeError(
            f"pad: reflecting {max(before, after)} pixels of a side of {size}; expected less than "
            "the side"
        )
    period = max(2 * size - 2, 1)
    return [min(i % period, period - i % period) for i in positions]


def pad(image: Tensor, sides: tuple[int, int, int, int], fill: Fill, mode: str) -> Tensor:
    check_image(image)
    left, top, right, bottom = sides
    if mode == "constant":
        values = [fill or 0.0] if isinstance(fill, (int, float)) or fill is None else list(fill)
        if len(values) != 1:
            raise ValueError(
                f"pad: fill {fill!r} for a tensor; expected one number (a color needs a Pillow "
                "image)"
            )
        return flambeau.nn.functional.pad(image, [left, right, top, bottom], value=float(values[0]))
    rows = _source_index(image.shape[-2], top, bottom, mode)
    columns = _source_index(image.shape[-1], left, right, mode)
    image = image.index_select(-2, flambeau.tensor(rows, device=image.device))
    return image.index_select(-1, flambeau.tensor(columns, device=image.device))


def _affine_grid(
    matrix: Sequence[float], image: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Where each output pixel looks in the input: x and y, in pixels counted from corner (0, 0)."""
    height, width = image.shape[-2:]
    dtype = image.dtype if image.is_floating_point() else flambeau.float32
    theta = flambeau.tensor(list(matrix), dtype=dtype).reshape(2, 3)
    x = flambeau.linspace(-size[1] * 0.5 + 0.5, size[1] * 0.5 - 0.5, size[1])
    y = flambeau.linspace(-size[0] * 0.5 + 0.5, size[0] * 0.5 - 0.5, size[0])
    points = flambeau.stack(
        [x.expand(*size), y.unsqueeze(-1).expand(*size), flambeau.ones(size)], dim=-1
    ).to(dtype)
    # torchvision goes through grid_sample's -1 .. 1; the same roundings keep ties the same.
    grid = points.reshape(-1, 3) @ (theta.mT / flambeau.tensor([0.5 * width, 0.5 * height]))
    grid = grid.reshape(*size, 2).to(image.device)
    look_x = ((grid[..., 0] + 1) * width - 1) / 2
    look_y = ((grid[..., 1] + 1) * height - 1) / 2
    return look_x, look_y


def _look_up(image: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The pixels at whole-numbered `x` and `y`, zero outside, and which lie inside."""
    height, width = image.shape[-2:]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    columns = x.clamp(0, width - 1).to(flambeau.int64)
    rows = y.clamp(0, height - 1).to(flambeau.int64)
    flat = image.reshape(*image.shape[:-2], height * width)
    pixels = flat.index_select(-1, (rows * width + columns).reshape(-1))
    inside = inside.to(image.dtype)
    return pixels.reshape(*image.shape[:-2], *x.shape) * inside, inside


def _sample(image: Tensor, x: Tensor, y: Tensor, mode: InterpolationMode) -> tuple[Tensor, Tensor]:
    """The image at `x`, `y`, and how much of each output pixel lies inside (0 to 1)."""
    if mode is InterpolationMode.NEAREST:
        return _look_up(image, flambeau.round(x), flambeau.round(y))
    left, top = flambeau.floor(x), flambeau.floor(y)
    right_part, lower_part = x - left, y - top
    total: Any = 0.0
    covered: Any = 0.0
    for step_y, part_y in ((0, 1 - lower_part), (1, lower_part)):
        for step_x, part_x in ((0, 1 - right_part), (1, right_part)):
            pixels, inside = _look_up(image, left + step_x, top + step_y)
            total = total + pixels * (part_x * part_y)
            covered = covered + inside * (part_x * part_y)
    return total, covered


def affine(
    image: Tensor,
    matrix: Sequence[float],
    mode: InterpolationMode,
    fill: Fill,
    *,
    expand: bool = False,
) -> Tensor:
    """Each output pixel taken from where `matrix` (2×3, output to input, about the centre) says."""
    channels, height, width = dimensions(image)
    if mode not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        raise ValueError(
            f"affine: interpolation {mode.value} of a tensor; expected nearest or bilinear"
        )
    values = list(fill) if isinstance(fill, (list, tuple)) else None if fill is None else [fill]
    if values is not None and len(values) not in (1, channels):
        raise ValueError(
            f"fill: {len(values)} values for an image of {channels} channels; expected one or "
            f"{channels}"
        )
    size = _expanded_size(matrix, width, height) if expand else (height, width)

    def move(pixels: Tensor) -> Tensor:
        x, y = _affine_grid(matrix, pixels, size)
        out, inside = _sample(pixels, x, y, mode)
        if values is None:
            return out
        paint = flambeau.tensor(values, dtype=out.dtype, device=out.device).reshape(-1, 1, 1)
        return (
            out * inside + (1.0 - inside) * paint
            if mode is InterpolationMode.BILINEAR
            else (flambeau.where(inside < 0.5, paint, out))
        )

    if image.ndim == 2:
        return _in_float(image.unsqueeze(0), move).squeeze(0)
    return _in_float(image, move)


def _expanded_size(matrix: Sequence[float], width: int, height: int) -> tuple[int, int]:
    """Height and width of the smallest canvas that holds every corner."""
    # float32, and rounded towards zero at 1e-4, so that 90 degrees do not gain a pixel
    theta = flambeau.tensor(list(matrix), dtype=flambeau.float32).reshape(2, 3)
    corners = flambeau.tensor(
        [
            [-0.5 * width, -0.5 * height, 1.0],
            [-0.5 * width, 0.5 * height, 1.0],
            [0.5 * width, 0.5 * height, 1.0],
            [0.5 * width, -0.5 * height, 1.0],
        ]
    )
    moved = (corners @ theta.mT).tolist()
    sides = []
    for axis, half in ((1, 0.5 * height), (0, 0.5 * width)):
        ends = [point[axis] + half for point in moved]
        low, high = (math.trunc(end / 1e-4) * 1e-4 for end in (min(ends), max(ends)))
        sides.append(math.ceil(high) - math.floor(low))
    return sides[0], sides[1]


# Color ------------------------------------------------------------------------------------------


def _blend(image: Tensor, other: Tensor | float, factor: float) -> Tensor:
    """`factor` of the image and the rest of the other, kept inside black and white."""
    out = factor * image + (1.0 - factor) * other
    return out.clamp(0, largest(image.dtype)).to(image.dtype)


def grayscale(image: Tensor, channels: int) -> Tensor:
    if _check_channels(image, "rgb_to_grayscale", (1, 3)) == 1:
        return image.clone()  # one channel stays one, whatever was asked: torchvision's rule
    red, green, blue = image.unbind(dim=-3)
    gray = (0.2989 * red + 0.587 * green + 0.114 * blue).to(image.dtype).unsqueeze(-3)
    return gray if channels == 1 else gray.expand(*gray.shape[:-3], 3, *gray.shape[-2:])


def adjust_brightness(image: Tensor, factor: float) -> Tensor:
    _check_channels(image, "adjust_brightness", (1, 3))
    return _blend(image, 0.0, factor)


def adjust_contrast(image: Tensor, factor: float) -> Tensor:
    channels = _check_channels(image, "adjust_contrast", (1, 3))
    dtype = image.dtype if image.is_floating_point() else flambeau.float32
    gray = grayscale(image, 1) if channels == 3 else image
    mean = gray.to(dtype).mean(dim=(-3, -2, -1), keepdim=True)
    return _blend(image, mean, factor)


def adjust_saturation(image: Tensor, factor: float) -> Tensor:
    if _check_channels(image, "adjust_saturation", (1, 3)) == 1:
        return image
    return _blend(image, grayscale(image, 1), factor)


def adjust_gamma(image: Tensor, gamma: float, gain: float) -> Tensor:
    _check_channels(image, "adjust_gamma", (1, 3))
    exact = image if image.is_floating_point() else convert_dtype(image, flambeau.float32)
    return convert_dtype((gain * exact**gamma).clamp(0, 1), image.dtype)


def adjust_hue(image: Tensor, factor: float) -> Tensor:
    if _check_channels(image, "adjust_hue", (1, 3)) == 1:
        return image
    exact = image if image.is_floating_point() else convert_dtype(image, flambeau.float32)
    hue, saturation, value = _rgb_to_hsv(exact)
    turned = _hsv_to_rgb((hue + factor) % 1.0, saturation, value)
    return convert_dtype(turned, image.dtype)


def _rgb_to_hsv(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    red, green, blue = image.unbind(dim=-3)
    high = flambeau.maximum(flambeau.maximum(red, green), blue)
    low = flambeau.minimum(flambeau.minimum(red, green), blue)
    chroma = high - low
    gray = high == low
    ones = flambeau.ones_like(high)
    saturation = chroma / flambeau.where(gray, ones, high)
    divisor = flambeau.where(gray, ones, chroma)
    from_red, from_green, from_blue = ((high - channel) / divisor for channel in (red, green, blue))
    by_blue = 4.0 + from_green - from_red
    by_green = flambeau.where(high == green, 2.0 + from_red - from_blue, by_blue)
    sixth = flambeau.where(high == red, from_blue - from_green, by_green)
    return flambeau.fmod(sixth / 6.0 + 1.0, 1.0), saturation, high


# Which of value, falling, low and rising each of red, green and blue takes in each sixth of the hue.
_SECTORS = ((0, 1, 2, 2, 3, 0), (3, 0, 0, 1, 2, 2), (2, 2, 3, 0, 0, 1))


def _hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    sector = flambeau.floor(hue * 6.0)
    part = hue * 6.0 - sector
    low = (value * (1.0 - saturation)).clamp(0.0, 1.0)
    falling = (value * (1.0 - saturation * part)).clamp(0.0, 1.0)
    rising = (value * (1.0 - saturation * (1.0 - part))).clamp(0.0, 1.0)
    levels = flambeau.stack([value, falling, low, rising], dim=-3)
    table = flambeau.tensor(_SECTORS, device=hue.device)
    which = table[:, sector.to(flambeau.int64) % 6]
    which = which.movedim(0, -3)
    return levels.gather(-3, which)


def invert(image: Tensor) -> Tensor:
    _check_channels(image, "invert", (1, 3))
    return largest(image.dtype) - image


def posterize(image: Tensor, bits: int) -> Tensor:
    _check_channels(image, "posterize", (1, 3))
    if image.dtype != flambeau.uint8:
        raise TypeError(f"posterize: an image tensor of {image.dtype}; expected uint8")
    return image & (256 - 2 ** (8 - bits))


def solarize(image: Tensor, threshold: float) -> Tensor:
    _check_channels(image, "solarize", (1, 3))
    if threshold > largest(image.dtype):
        raise TypeError(
            f"solarize: threshold {threshold} above {image.dtype}'s largest, {largest(image.dtype)}"
        )
    return flambeau.where(image >= threshold, invert(image), image)


def autocontrast(image: Tensor) -> Tensor:
    _check_channels(image, "autocontrast", (1, 3))
    exact = image if image.is_floating_point() else image.to(flambeau.float32)
    low, high = exact.amin(dim=(-2, -1), keepdim=True), exact.amax(dim=(-2, -1), keepdim=True)
    flat = high == low
    # PyTorch divides a number by a tensor in these two steps, which decides what is cut off below.
    scale = flambeau.where(flat, 1.0, high - low).reciprocal() * largest(image.dtype)
    stretched = (exact - low) * scale
    # A channel of one value has nothing to stretch and stays.
    out = flambeau.where(flat, exact, stretched)
    return out.clamp(0, largest(image.dtype)).to(image.dtype)


def _filter(image: Tensor, kernel: Tensor) -> Tensor:
    """Each channel of a floating image convolved with a 2-d kernel; only whole windows."""
    *batch, height, width = image.shape
    planes = image.reshape(-1, 1, height, width)
    out = flambeau.nn.functional.conv2d(planes, kernel.reshape(1, 1, *kernel.shape))
    return out.reshape(*batch, *out.shape[-2:])


def adjust_sharpness(image: Tensor, factor: float) -> Tensor:
    _check_channels(image, "adjust_sharpness", (1, 3))
    if min(image.shape[-2:]) <= 2:
        return image

    def smooth(pixels: Tensor) -> Tensor:
        kernel = flambeau.ones(3, 3, dtype=pixels.dtype, device=pixels.device)
        kernel[1, 1] = 5.0
        out = pixels.clone()  # the border has no whole window and stays
        out[..., 1:-1, 1:-1] = _filter(pixels, kernel / 13.0)
        return out

    return _blend(image, _in_float(image, smooth), factor)


def _bell(size: int, sigma: float, image: Tensor) -> Tensor:
    reach = (size - 1) * 0.5
    x = flambeau.linspace(-reach, reach, size, dtype=image.dtype, device=image.device)
    bell = flambeau.exp(-0.5 * (x / sigma) ** 2)
    return bell / bell.sum()


def gaussian_blur(image: Tensor, size: tuple[int, int], sigma: tuple[float, float]) -> Tensor:
    """`size` and `sigma` of the bell along x and y; the border is mirrored."""
    check_image(image)

    def blur(pixels: Tensor) -> Tensor:
        kernel = _bell(size[1], sigma[1], pixels)[:, None] * _bell(size[0], sigma[0], pixels)
        x, y = size[0] // 2, size[1] // 2
        return _filter(pad(pixels, (x, y, x, y), None, "reflect"), kernel)

    return _in_float(image, blur)


# Numbers ----------------------------------------------------------------------------------------


def convert_dtype(image: Tensor, dtype: flambeau.dtype) -> Tensor:
    """The image in another dtype, with black and white kept black and white."""
    if image.dtype == dtype:
        return image
    if image.is_floating_point():
        return image.to(dtype) if dtype.is_floating_point else _float_to_integer(image, dtype)
    white, new_white = largest(image.dtype), largest(dtype)
    if dtype.is_floating_point:
        return image.to(dtype) / white
    if white > new_white:
        step = (white + 1) // (new_white + 1)
        return flambeau.div(image, step, rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((new_white + 1) // (white + 1))


def _float_to_integer(image: Tensor, dtype: flambeau.dtype) -> Tensor:
    exact = {
        flambeau.float32: (flambeau.int32, flambeau.int64),
        flambeau.float64: (flambeau.int64,),
    }
    if dtype in exact.get(image.dtype, ()):
        raise RuntimeError(
            f"convert_image_dtype: {image.dtype} to {dtype} cannot be done safely: white has more "
            "digits than the floating dtype holds; convert to a smaller integer dtype"
        )
    # 1 - 1e-3 gives every integer level an equal share of 0 .. 1 and keeps 1.0 at white.
    return image.mul(largest(dtype) + 1.0 - 1e-3).to(dtype)
