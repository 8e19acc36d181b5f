"""make_grid and save_image by hand."""

from __future__ import annotations

import io
import pathlib

import numpy
import pytest
from PIL import Image

import flambeau
from flambeau_vision.utils import make_grid, save_image


def test_the_grid_is_filled_row_by_row() -> None:
    images = flambeau.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1)
    grid = make_grid(images, nrow=2, padding=1, pad_value=9.0)
    assert grid.shape == (3, 5, 5)
    assert grid[0].tolist() == [
        [9, 9, 9, 9, 9],
        [9, 1, 9, 2, 9],
        [9, 9, 9, 9, 9],
        [9, 3, 9, 9, 9],
        [9, 9, 9, 9, 9],
    ]
    assert flambeau.equal(grid[0], grid[2])


def test_one_image_has_no_border() -> None:
    image = flambeau.rand(1, 3, 4, 5)
    assert flambeau.equal(make_grid(image), image[0])
    assert make_grid(flambeau.rand(4, 5)).shape == (3, 4, 5)


def test_normalize_stretches_and_leaves_the_original() -> None:
    images = flambeau.tensor([0.0, 2.0, 4.0, 8.0]).reshape(2, 1, 1, 2)
    whole = make_grid(images, padding=0, normalize=True)
    assert whole[0].tolist() == [[0.0, 0.25, 0.5, 1.0]]
    each = make_grid(images, padding=0, normalize=True, scale_each=True)
    assert each[0].tolist() == [[0.0, 1.0, 0.0, 1.0]]
    given = make_grid(images, padding=0, normalize=True, value_range=(0.0, 4.0))
    assert given[0].tolist() == [[0.0, 0.5, 1.0, 1.0]]
    assert images.flatten().tolist() == [0.0, 2.0, 4.0, 8.0]


def test_save_image_rounds(tmp_path: pathlib.Path) -> None:
    image = flambeau.tensor([0.0, 0.25, 0.5, 1.0, 2.0, -1.0]).reshape(1, 1, 6)
    save_image(image, tmp_path / "image.png")
    pixels = numpy.asarray(Image.open(tmp_path / "image.png"))
    assert pixels.shape == (1, 6, 3)
    assert pixels[0, :, 0].tolist() == [0, 64, 128, 255, 255, 0]
    file = io.BytesIO()
    save_image([image.repeat(3, 1, 1)] * 2, file, format="jpeg")
    assert Image.open(file).size == (18, 5)


def test_save_image_needs_no_graph(tmp_path: pathlib.Path) -> None:
    image = flambeau.rand(3, 2, 2, requires_grad=True)
    save_image(image * 1.0, tmp_path / "image.png")
    assert image.grad is None


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: make_grid("photo"), TypeError, "expected a tensor or a list of tensors"),
        (lambda: make_grid([1, 2]), TypeError, "expected a tensor or a list of tensors"),
        (lambda: make_grid(flambeau.zeros(3)), ValueError, r"shape \[3\]"),
        (
            lambda: make_grid(flambeau.zeros(2, 3, 4, 4), value_range=[0, 1]),
            TypeError,
            "expected a tuple",
        ),
    ],
)
def test_refused(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
