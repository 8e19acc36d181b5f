"""Pictures in: PNG and JPEG bytes to the array a model takes.

The steps are those of training (torchvision's Resize, ToTensor, Normalize; Pillow does the resizing in both), so that
serving sees what training saw. A picture is measured before it is decoded: a small file that unfolds into gigabytes
is refused. Pillow is imported here only, at the first picture.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .datatypes import FLOATS, Array, dtype_of
from .errors import InputError, LoadError, ServeError

if TYPE_CHECKING:
    from PIL.Image import Image

    from .model import TensorSpec

MEDIA_TYPES = frozenset({"image/png", "image/jpeg"})
MAX_PIXELS = 40_000_000
"""Largest picture that is decoded: 120 MB as RGB."""

_FORMATS = ("PNG", "JPEG")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# What Pillow raises for files that are broken in one way or another: the decoders differ.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)


@dataclass(frozen=True, slots=True)
class Preprocess:
    """From a picture to float32 of shape (channels, height, width), as at training time.

    `mean` and `std` hold one number, or one for each channel; pixels are in [0, 1] before they apply. `invert`
    turns black on white into white on black.
    """

    height: int
    width: int
    channels: int = 3
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    invert: bool = False

    def __post_init__(self) -> None:
        if self.channels not in _MODES:
            raise ValueError(f"channels must be 1, 3 or 4, got {self.channels}")
        if self.height < 1 or self.width < 1:
            raise ValueError(
                f"height and width must be from 1 up, got {self.height} and {self.width}"
            )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                raise ValueError(f"{name} needs 1 or {self.channels} numbers, got {len(values)}")
        if not all(value > 0 for value in self.std):
            raise ValueError(f"std must be positive, got {list(self.std)}")

    def __call__(self, picture: Image) -> Array:
        from PIL.Image import Resampling

        picture = picture.convert(_MODES[self.channels])
        if picture.size != (self.width, self.height):
            picture = picture.resize((self.width, self.height), Resampling.BILINEAR)
        pixels = np.asarray(picture, dtype=np.float32) / np.float32(255)
        if self.invert:
            pixels = 1 - pixels
        planes = pixels.reshape(self.height, self.width, self.channels).transpose(2, 0, 1)
        mean = np.array(self.mean, dtype=np.float32)[:, None, None]
        std = np.array(self.std, dtype=np.float32)[:, None, None]
        return (planes - mean) / std


class ImageReader:
    """Reads a picture into the input `spec`: `transform` takes a Pillow image to (channels, height, width).

    `transform` is a `Preprocess`, or any callable such as a `flambeau_vision.transforms.Compose`; what it returns
    is an array or a tensor.
    """

    def __init__(self, spec: TensorSpec, transform: Callable[[Any], Any]) -> None:
        self.spec = spec
        self.transform = transform

    def read(self, data: bytes) -> Array:
        """The array of one picture, with a batch dimension of 1 in front."""
        pixels = np.asarray(self.transform(decode(data)))
        return pixels.astype(dtype_of(self.spec.datatype), copy=False)[None]

    def describe(self) -> dict[str, Any]:
        """What the page needs to know to draw on a canvas of the right shape."""
        shape = self.spec.shape
        return {"channels": shape[-3], "height": shape[-2], "width": shape[-1]}


def decode(data: bytes) -> Image:
    """Decode PNG or JPEG bytes; what is no such picture, broken or too large is refused by name."""
    try:
        from PIL import Image, ImageOps
    except ModuleNotFoundError:
        raise ServeError(
            "pictures need Pillow, which is not installed: pip install flambeau-serve[image]",
            status=501,
        ) from None
    too_large = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            _check_pixels(picture.width, picture.height)
            picture.load()
            return _eight_bit(ImageOps.exif_transpose(picture))
    except InputError:
        raise
    except too_large as error:
        raise InputError(f"the picture is too large: {error}", status=413) from None
    except Image.UnidentifiedImageError:
        raise InputError("the body is not a PNG or JPEG picture", status=415) from None
    except _BROKEN as error:
        raise InputError(f"the picture is broken: {error}") from None


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(
            f"the picture has {width} x {height} pixels; at most {MAX_PIXELS} are decoded",
            status=413,
        )


def _eight_bit(picture: Image) -> Image:
    """16-bit grey as 8-bit: Pillow's own conversion clips at 255, which turns most of it white."""
    if not picture.mode.startswith("I"):
        return picture
    from PIL import Image

    return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))


def is_picture(spec: TensorSpec) -> bool:
    """Whether an input can take a picture: floats of shape [N, 1 or 3, height, width].

    >>> from flambeau_serve import TensorSpec
    >>> from flambeau_serve.images import is_picture
    >>> is_picture(TensorSpec("x", "FP32", (-1, 3, 224, 224)))
    True
    """
    shape = spec.shape
    return (
        spec.datatype in FLOATS
        and len(shape) == 4
        and shape[0] in (-1, 1)
        and shape[1] in (1, 3)
        and min(shape[2:]) > 0
    )


def reader_for(
    inputs: tuple[TensorSpec, ...], options: dict[str, Any] | None
) -> ImageReader | None:
    """The reader of a model with these inputs; `options` are the keys of `preprocess` in model.json.

    Without options, a model whose only input looks like a picture gets pixels in [0, 1] and nothing else.
    """
    if len(inputs) != 1 or not is_picture(inputs[0]):
        if options is None:
            return None
        raise LoadError(
            "preprocess is for pictures: it needs exactly one input of shape "
            "[-1, 1 or 3, height, width] and a float datatype"
        )
    spec = inputs[0]
    _, channels, height, width = spec.shape
    return ImageReader(spec, _preprocess(options or {}, channels, height, width))


def _preprocess(options: dict[str, Any], channels: int, height: int, width: int) -> Preprocess:
    known = {"mean", "std", "invert"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise LoadError(
            f"preprocess has no key {unknown[0]!r}; it takes {', '.join(sorted(known))}"
        )
    try:
        return Preprocess(
            height,
            width,
            channels,
            mean=_numbers(options.get("mean", 0.0)),
            std=_numbers(options.get("std", 1.0)),
            invert=bool(options.get("invert", False)),
        )
    except (TypeError, ValueError) as error:
        raise LoadError(f"preprocess: {error}") from None


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in value) if isinstance(value, list) else (float(value),)
