"""Image files to tensors `[channels, height, width]` and back, on Pillow.

Where Pillow holds less than the file, so do we: 16-bit color comes back as 8-bit, CMYK as RGB. A
file cut short or of another kind is one clear RuntimeError, as in torchvision.
"""

from __future__ import annotations

import io
import os
from enum import Enum

import numpy
from PIL import Image, ImageOps, UnidentifiedImageError

import flambeau
from flambeau import Tensor

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
_ANIMATED = ("GIF", "WEBP", "AVIF")


class ImageReadMode(Enum):
    """What channels an image is read with; `UNCHANGED` keeps the file's.

    >>> from flambeau_vision.io import ImageReadMode
    >>> ImageReadMode.RGB.name
    'RGB'
    """

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_PILLOW_MODES = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}
_KEPT_MODES = {"L", "LA", "RGB", "RGBA", "I;16"}


def read_file(path: str | os.PathLike[str]) -> Tensor:
    """The bytes of a file as a 1-d uint8 tensor.

    >>> import os
    >>> from flambeau_vision.io import read_file
    >>> read_file(os.devnull).shape
    flambeau.Size([0])
    """
    with open(path, "rb") as file:
        return _bytes_tensor(file.read())


def write_file(filename: str | os.PathLike[str], data: Tensor) -> None:
    """Writes a 1-d uint8 tensor to a file, as it is."""
    with open(filename, "wb") as file:
        file.write(_tensor_bytes(data, "write_file"))


def _bytes_tensor(data: bytes) -> Tensor:
    return flambeau.from_numpy(numpy.frombuffer(bytearray(data), dtype=numpy.uint8))


def _tensor_bytes(data: Tensor, name: str) -> bytes:
    if not isinstance(data, Tensor) or data.dtype != flambeau.uint8 or data.ndim != 1:
        came = (
            f"{data.dtype}{list(data.shape)}" if isinstance(data, Tensor) else type(data).__name__
        )
        raise RuntimeError(f"{name}: {came}; expected a 1-d uint8 tensor of a file's bytes")
    return data.cpu().numpy().tobytes()


def _formats() -> list[str]:
    """Those of our formats that this Pillow was built with (AVIF came with 11.3)."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _unchanged_mode(image: Image.Image) -> str:
    if image.mode in _KEPT_MODES:
        return image.mode
    if image.mode == "1":
        return "L"
    if image.mode in ("I", "I;16B"):
        return "I;16"
    return "RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB"


def _pixels(image: Image.Image, mode: ImageReadMode) -> numpy.ndarray:
    """One frame as an array [channels, height, width]."""
    wanted = _unchanged_mode(image) if mode is ImageReadMode.UNCHANGED else _PILLOW_MODES[mode]
    array = numpy.array(image if image.mode == wanted else image.convert(wanted))
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _frames(image: Image.Image, mode: ImageReadMode, upright: bool) -> numpy.ndarray:
    frames = []
    # A PNG or JPEG may carry more pictures after the first; torchvision reads the first.
    count = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
    for number in range(count):
        if number:
            image.seek(number)
        # GIF frames are drawn with their palette, so that all of them are RGB.
        shown = image.convert("RGB") if image.format == "GIF" else image
        frames.append(_pixels(ImageOps.exif_transpose(shown) if upright else shown, mode))
    if len({frame.shape for frame in frames}) > 1:
        raise ValueError("its frames differ in size")
    return frames[0] if len(frames) == 1 else numpy.stack(frames)


def decode_image(
    input: Tensor | str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """A JPEG, PNG, WebP, GIF or AVIF (a 1-d uint8 tensor of its bytes, or a path) as a tensor.

    Returns uint8 `[channels, height, width]` (uint16 for a 16-bit gray PNG; `[frames, 3, height,
    width]` for an animation). `mode` converts the channels, `apply_exif_orientation` turns the
    image as the camera was held. Raises RuntimeError for other kinds of file and for damaged ones.

    >>> import flambeau
    >>> from flambeau_vision.io import decode_image, encode_png
    >>> decode_image(encode_png(flambeau.zeros(3, 2, 4, dtype=flambeau.uint8))).shape
    flambeau.Size([3, 2, 4])
    """
    if isinstance(mode, str):
        if mode.upper() not in ImageReadMode.__members__:
            raise ValueError(
                f"decode_image: mode {mode!r}; expected one of {', '.join(ImageReadMode.__members__)}"
            )
        mode = ImageReadMode[mode.upper()]
    if isinstance(input, (str, os.PathLike)):
        data, name = read_file(input), os.fspath(input)
    else:
        data, name = input, "the bytes"
    content = _tensor_bytes(data, "decode_image")
    try:
        with Image.open(io.BytesIO(content), formats=_formats()) as image:
            pixels = _frames(image, mode, apply_exif_orientation)
    except UnidentifiedImageError as error:
        raise RuntimeError(
            f"decode_image: {name} ({len(content)} bytes, starting {content[:4].hex(' ')}); "
            f"expected one of {', '.join(_formats())}"
        ) from error
    except Image.DecompressionBombError as error:
        raise RuntimeError(
            f"decode_image: {name}: {error}; raise PIL.Image.MAX_IMAGE_PIXELS if you trust it"
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise RuntimeError(
            f"decode_image: {name}: {error}; the image is cut short or damaged"
        ) from error
    return flambeau.from_numpy(numpy.ascontiguousarray(pixels))


def read_image(
    path: str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """An image file as a tensor: `decode_image` of a path.

    >>> import os
    >>> import flambeau
    >>> from flambeau_vision.io import ImageReadMode, read_image, write_png
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "black.png")
    >>> write_png(flambeau.zeros(1, 2, 4, dtype=flambeau.uint8), path)
    >>> read_image(path, ImageReadMode.RGB).shape
    flambeau.Size([3, 2, 4])
    """
    return decode_image(os.fspath(path), mode, apply_exif_orientation)


def _encode(input: Tensor, name: str, **options: object) -> Tensor:
    if not isinstance(input, Tensor) or input.dtype != flambeau.uint8:
        came = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise RuntimeError(f"{name}: {came}; expected a uint8 tensor")
    if input.ndim != 3 or input.shape[0] not in (1, 3):
        raise RuntimeError(
            f"{name}: shape {list(input.shape)}; expected [channels, height, width] with 1 or 3 "
            "channels"
        )
    pixels = input.cpu().numpy()
    image = Image.fromarray(
        pixels[0] if len(pixels) == 1 else numpy.ascontiguousarray(pixels.transpose(1, 2, 0))
    )
    out = io.BytesIO()
    image.save(out, **options)  # type: ignore[arg-type]  # each format has its own options
    return _bytes_tensor(out.getvalue())


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """The bytes of a PNG of a uint8 tensor `[1 or 3, height, width]`, as a 1-d uint8 tensor.

    `compression_level` is 0 (fast) to 9 (small). Raises RuntimeError for other tensors.

    >>> import flambeau
    >>> from flambeau_vision.io import encode_png
    >>> encode_png(flambeau.zeros(1, 2, 2, dtype=flambeau.uint8))[1:4].tolist() == list(b"PNG")
    True
    """
    if not 0 <= compression_level <= 9:
        raise RuntimeError(f"encode_png: compression_level {compression_level}; expected 0 to 9")
    return _encode(input, "encode_png", format="PNG", compress_level=compression_level)


def encode_jpeg(input: Tensor, quality: int = 75) -> Tensor:
    """The bytes of a JPEG of a uint8 tensor `[1 or 3, height, width]`, as a 1-d uint8 tensor.

    `quality` is 1 to 100. Raises ValueError for other qualities, RuntimeError for other tensors.

    >>> import flambeau
    >>> from flambeau_vision.io import encode_jpeg
    >>> encode_jpeg(flambeau.zeros(3, 8, 8, dtype=flambeau.uint8))[:2].tolist()
    [255, 216]
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"encode_jpeg: quality {quality}; expected 1 to 100")
    return _encode(input, "encode_jpeg", format="JPEG", quality=quality)


def write_png(input: Tensor, filename: str | os.PathLike[str], compression_level: int = 6) -> None:
    """Writes a uint8 tensor `[1 or 3, height, width]` as a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: str | os.PathLike[str], quality: int = 75) -> None:
    """Writes a uint8 tensor `[1 or 3, height, width]` as a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))


def decode_png(
    input: Tensor,
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """The bytes of a PNG (1-d uint8) as a tensor: `decode_image`, for torchvision's name.

    >>> import flambeau
    >>> from flambeau_vision.io import decode_png, encode_png
    >>> decode_png(encode_png(flambeau.zeros(1, 2, 4, dtype=flambeau.uint8))).shape
    flambeau.Size([1, 2, 4])
    """
    return decode_image(input, mode, apply_exif_orientation)


def decode_jpeg(
    input: Tensor,
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """The bytes of a JPEG (1-d uint8) as a tensor: `decode_image`, for torchvision's name.

    >>> import flambeau
    >>> from flambeau_vision.io import decode_jpeg, encode_jpeg
    >>> decode_jpeg(encode_jpeg(flambeau.zeros(1, 2, 4, dtype=flambeau.uint8))).shape
    flambeau.Size([1, 2, 4])
    """
    return decode_image(input, mode, apply_exif_orientation)
