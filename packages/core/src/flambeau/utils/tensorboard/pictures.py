"""Pictures, boxes on them, animations and matplotlib's figures.

PNG files are written here (zlib is all it takes). Boxes with labels, enlargements and GIF need Pillow; figures,
matplotlib.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np

from flambeau._base.errors import MissingExtra
from flambeau.utils.tensorboard import messages as m
from flambeau.utils.tensorboard.arrays import as_array
from flambeau.utils.tensorboard.messages import Summary, Value

__all__ = ["figure_pixels", "grid", "image", "image_with_boxes", "png", "video"]


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of uint8 `pixels` (height, width, 1, 2, 3 or 4 channels)."""
    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}.get(channels)
    if kind is None:
        raise ValueError(f"A picture has 1, 2, 3 or 4 channels, not {channels}")
    lines = np.zeros(
        (height, 1 + width * channels), np.uint8
    )  # each line begins with its filter: 0, none
    lines[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines.tobytes(), 6))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def _pillow(what: str) -> Any:
    try:
        import PIL.Image
        import PIL.ImageDraw
        import PIL.ImageFont
    except ImportError:
        raise MissingExtra(
            f"{what} needs Pillow, which is not installed: pip install pillow"
        ) from None
    return PIL


def _bytes(array: np.ndarray) -> np.ndarray:
    """uint8 as it is, anything else from [0, 1] to 0 ... 255; what lies outside is cut off."""
    scale = 1 if array.dtype == np.uint8 else 255
    return (array.astype(np.float32) * scale).clip(0, 255).astype(np.uint8)


def grid(batch: np.ndarray, columns: int = 8) -> np.ndarray:
    """Pictures (N, 1 or 3, H, W) side by side, in rows of `columns`: (3, H * rows, W * columns)."""
    if batch.ndim != 4 or batch.shape[1] not in (1, 3):
        raise AssertionError(f"Expected pictures of shape (N, 1 or 3, H, W), got {batch.shape}")
    count, _, height, width = batch.shape
    columns = max(min(count, columns), 1)
    rows = -(-count // columns)
    cells = np.zeros((rows * columns, 3, height, width), batch.dtype)
    cells[:count] = batch
    cells = cells.reshape(rows, columns, 3, height, width)
    return cells.transpose(2, 0, 3, 1, 4).reshape(3, rows * height, columns * width)


def _height_width_channels(array: np.ndarray, dataformats: str) -> np.ndarray:
    formats = dataformats.upper()
    if len(set(formats)) != len(formats):
        raise AssertionError(
            f"You can not use the same dimension shorthand twice. input_format: {dataformats}"
        )
    if array.ndim != len(formats):
        raise AssertionError(
            "size of input tensor and input format are different. "
            f"tensor shape: {array.shape}, input_format: {dataformats}"
        )
    if set(formats) not in ({"H", "W"}, {"H", "W", "C"}, {"N", "H", "W", "C"}):
        raise AssertionError(f"dataformats should be made of N, C, H and W, got {dataformats}")

    def ordered(wanted: str) -> np.ndarray:
        return array.transpose([formats.index(letter) for letter in wanted])

    if len(formats) == 4:
        return grid(ordered("NCHW")).transpose(1, 2, 0)
    if len(formats) == 2:
        return np.repeat(ordered("HW")[:, :, None], 3, axis=2)
    made = ordered("HWC")
    return np.repeat(made, 3, axis=2) if made.shape[2] == 1 else made


def _summary(tag: str, pixels: np.ndarray, encoded: bytes) -> Summary:
    height, width, channels = pixels.shape
    made = m.Image(height=height, width=width, colorspace=channels, encoded_image_string=encoded)
    return Summary(value=[Value(tag=tag, image=made)])


def image(tag: str, data: Any, dataformats: str = "NCHW") -> Summary:
    """One picture, or several in a grid."""
    pixels = _bytes(_height_width_channels(as_array(data), dataformats))
    return _summary(tag, pixels, png(pixels))


def image_with_boxes(
    tag: str,
    data: Any,
    boxes: Any,
    rescale: float = 1,
    dataformats: str = "CHW",
    labels: Any = None,
) -> Summary:
    """A picture with red boxes (x1, y1, x2, y2) and their labels, enlarged `rescale` times."""
    pixels = _bytes(_height_width_channels(as_array(data), dataformats))
    corners = as_array(boxes).reshape(-1, 4).tolist()
    if isinstance(labels, str):
        labels = [labels]
    if labels is not None and len(labels) != len(corners):
        labels = None
    pillow = _pillow("add_image_with_boxes")
    picture = pillow.Image.fromarray(pixels)
    draw = pillow.ImageDraw.Draw(picture)
    font = pillow.ImageFont.load_default()
    for i, (left, top, right, bottom) in enumerate(corners):
        draw.line(
            [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)],
            width=2,
            fill="Red",
        )
        if labels is not None:
            _label(draw, font, str(labels[i]), left, bottom)
    if rescale != 1:
        size = (int(picture.width * rescale), int(picture.height * rescale))
        picture = picture.resize(size, pillow.Image.Resampling.LANCZOS)
    return _summary(tag, pixels, png(np.asarray(picture)))


def _label(draw: Any, font: Any, label: str, left: float, bottom: float) -> None:
    """A label in a red field above the lower edge of its box."""
    x1, y1, x2, y2 = font.getbbox(label)
    margin = float(np.ceil(0.05 * (y2 - y1)))
    top = bottom - (y2 - y1) - 2 * margin
    draw.rectangle([(left, top), (left + x2 - x1, bottom)], fill="Red")
    draw.text((left + margin, top + margin), label, fill="black", font=font)


def video(tag: str, data: Any, fps: float = 4) -> Summary:
    """An animation (N, T, C, H, W): N films side by side, as a GIF."""
    films = as_array(data)
    if films.ndim != 5:
        raise AssertionError(f"vid_tensor should be (N, T, C, H, W), got {films.shape}")
    frames = [_bytes(frame) for frame in _frames(films)]
    pillow = _pillow("add_video")
    first, *others = [pillow.Image.fromarray(f[:, :, 0] if f.shape[2] == 1 else f) for f in frames]
    file = io.BytesIO()
    first.save(
        file, format="GIF", save_all=True, append_images=others, duration=1000 / fps, loop=0,
        optimize=False, disposal=1,
    )  # fmt: skip
    return _summary(tag, frames[0], file.getvalue())


def _frames(films: np.ndarray) -> np.ndarray:
    """Films (N, T, C, H, W) in a grid whose sides are powers of two: (T, H * rows, W * columns, C)."""
    count, times, channels, height, width = films.shape
    cells = 1 << max(count - 1, 0).bit_length()
    rows = 1 << (count.bit_length() - 1) // 2
    full = np.zeros((cells, *films.shape[1:]), films.dtype)
    full[:count] = films
    full = full.reshape(rows, cells // rows, times, channels, height, width)
    return full.transpose(2, 0, 4, 1, 5, 3).reshape(
        times, rows * height, cells // rows * width, channels
    )


def figure_pixels(figure: Any, close: bool = True) -> np.ndarray:
    """A matplotlib figure as pixels (3, H, W); of a list of figures, (N, 3, H, W)."""
    try:
        import matplotlib.pyplot as plt
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ImportError:
        raise MissingExtra(
            "add_figure needs matplotlib, which is not installed: pip install matplotlib"
        ) from None

    if isinstance(figure, list):
        return np.stack([figure_pixels(one, close) for one in figure])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.array(canvas.buffer_rgba(), np.uint8)[:, :, :3].transpose(2, 0, 1)
    if close:
        plt.close(figure)
    return pixels
