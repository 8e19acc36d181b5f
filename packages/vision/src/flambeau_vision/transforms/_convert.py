"""Between Pillow images, arrays and tensors."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy
from PIL import Image

import flambeau
from flambeau import Tensor

from . import _tensor

# Modes whose array has another dtype than bytes; Pillow itself says which for the others.
_ARRAY_TYPES = {"I": numpy.int32, "I;16": numpy.uint16, "I;16B": numpy.uint16, "F": numpy.float32}
_GRAY_MODES = {"uint8": "L", "int16": "I;16", "uint16": "I;16", "int32": "I", "float32": "F"}
# channels -> (the mode taken where none is named, all modes there are)
_COLOR_MODES: dict[int, tuple[str, tuple[str, ...]]] = {
    2: ("LA", ("LA",)),
    3: ("RGB", ("RGB", "YCbCr", "HSV")),
    4: ("RGBA", ("RGBA", "CMYK", "RGBX")),
}


def _channels_first(pixels: numpy.ndarray) -> Tensor:
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    return flambeau.from_numpy(pixels.transpose(2, 0, 1))


def _loaded(image: Image.Image, dtype: Any = None) -> numpy.ndarray:
    """A fresh array of the pixels; a file cut short is found out here."""
    try:
        return numpy.array(image, dtype=dtype, copy=True)
    except (OSError, SyntaxError) as error:
        name = getattr(image, "filename", "") or "in memory"
        raise OSError(f"image ({name}): {error}; the file is cut short or damaged") from error


def _scaled(tensor: Tensor) -> Tensor:
    """Bytes become 0 to 1; every other dtype keeps its values. Contiguous, as models like it."""
    tensor = tensor.contiguous()
    if tensor.dtype != flambeau.uint8:
        return tensor
    return tensor.to(flambeau.get_default_dtype()).div(255)


def to_tensor(picture: Image.Image | numpy.ndarray) -> Tensor:
    if isinstance(picture, numpy.ndarray):
        if picture.ndim not in (2, 3):
            raise ValueError(
                f"to_tensor: an array of shape {list(picture.shape)}; expected [height, width] or "
                "[height, width, channels]"
            )
        return _scaled(_channels_first(picture))
    if not isinstance(picture, Image.Image):
        raise TypeError(
            f"to_tensor: {type(picture)}; expected a Pillow image or an array (ndarray)"
        )
    pixels = _loaded(picture, _ARRAY_TYPES.get(picture.mode, numpy.uint8))
    if picture.mode == "1":
        pixels *= 255
    return _scaled(_channels_first(pixels))


def pil_to_tensor(picture: Image.Image) -> Tensor:
    if not isinstance(picture, Image.Image):
        raise TypeError(f"pil_to_tensor: {type(picture)}; expected a Pillow image")
    return _channels_first(_loaded(picture))


def _as_pixels(picture: Tensor | numpy.ndarray, mode: str | None) -> numpy.ndarray:
    """The picture as an array [height, width, channels]."""
    if isinstance(picture, numpy.ndarray):
        pixels = picture if picture.ndim != 2 else picture[:, :, None]
        layout = "[height, width] or [height, width, channels]"
    elif isinstance(picture, Tensor):
        image = picture.unsqueeze(0) if picture.ndim == 2 else picture
        pixels = image.detach().cpu().numpy()
        pixels = pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels
        layout = "[height, width] or [channels, height, width]"
    else:
        raise TypeError(f"to_pil_image: {type(picture)}; expected a tensor or an array (ndarray)")
    if pixels.ndim != 3 or pixels.shape[2] > 4:
        raise ValueError(
            f"to_pil_image: shape {list(picture.shape)}; expected {layout} with at most 4 channels"
        )
    if pixels.dtype.kind == "f" and mode != "F":
        # By way of int64, so that a value outside 0 .. 1 wraps around as PyTorch's does.
        return (pixels * pixels.dtype.type(255)).astype(numpy.int64).astype(numpy.uint8)
    return pixels


def _mode_of(pixels: numpy.ndarray, mode: str | None) -> str:
    channels, dtype = pixels.shape[2], str(pixels.dtype)
    if channels == 1:
        natural = _GRAY_MODES.get(dtype)
        permitted: tuple[str, ...] = (natural,) if natural else ()
    else:
        natural, permitted = _COLOR_MODES[channels]
        natural, permitted = (natural, permitted) if dtype == "uint8" else (None, ())
    if natural is None:
        raise TypeError(
            f"to_pil_image: {dtype} with {channels} channels; expected uint8, or for one channel "
            "also int16, uint16, int32 or float32"
        )
    if mode is not None and mode not in permitted:
        raise ValueError(
            f"to_pil_image: mode {mode!r} for {dtype} with {channels} channels; expected "
            f"{' or '.join(repr(name) for name in permitted)}"
        )
    return mode or natural


def to_pil_image(picture: Tensor | numpy.ndarray, mode: str | None = None) -> Image.Image:
    pixels = _as_pixels(picture, mode)
    mode = _mode_of(pixels, mode)
    height, width = pixels.shape[:2]
    return Image.frombytes(mode, (width, height), numpy.ascontiguousarray(pixels).tobytes())


@lru_cache(maxsize=64)
def _per_channel(
    mean: tuple[float, ...], std: tuple[float, ...], dtype: str
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Mean and deviation as arrays [channels, 1, 1]: made once, since a loader asks for each image."""
    center, spread = (numpy.array(values, dtype)[:, None, None] for values in (mean, std))
    if not spread.all():
        raise ValueError(
            f"normalize: std {list(std)} in {dtype} divides by zero; expected values above 0"
        )
    return center, spread


def normalize(
    image: Tensor, mean: tuple[float, ...], std: tuple[float, ...], inplace: bool
) -> Tensor:
    if not image.is_floating_point():
        raise TypeError(
            f"normalize: an image tensor of {image.dtype}; expected a floating one (ToTensor or "
            "ConvertImageDtype makes one)"
        )
    if image.ndim < 3:
        raise ValueError(
            f"normalize: shape {list(image.shape)}; expected [..., channels, height, width]"
        )
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, image.shape[-3]):
            raise RuntimeError(
                f"normalize: {name} has {len(values)} values for an image of {image.shape[-3]} "
                f"channels (shape {list(image.shape)}); expected one a channel"
            )
    dtype = "float64" if image.dtype == flambeau.float64 else "float32"
    center, spread = (
        flambeau.from_numpy(values).to(device=image.device, dtype=image.dtype)
        for values in _per_channel(mean, std, dtype)
    )
    if not inplace:
        return image.sub(center).div_(spread)
    return image.sub_(center).div_(spread)


convert_dtype = _tensor.convert_dtype
