"""make_grid, save_image and the datasets against torchvision."""

from __future__ import annotations

import io
import pathlib

import numpy
import pytest
import torch
import torchvision.datasets as reference_datasets
import torchvision.utils as reference
from PIL import Image

import flambeau
import flambeau_vision.datasets as datasets
import flambeau_vision.utils as utils

SHAPES = [(5, 3, 6, 8), (1, 3, 6, 8), (9, 1, 6, 8), (3, 6, 8), (1, 6, 8), (6, 8)]
OPTIONS = [
    {},
    {"nrow": 3, "padding": 1, "pad_value": 0.5},
    {"normalize": True},
    {"normalize": True, "scale_each": True},
    {"normalize": True, "value_range": (-1.0, 0.5)},
]


def values(shape: tuple[int, ...]) -> numpy.ndarray:
    return numpy.random.default_rng(0).standard_normal(shape).astype(numpy.float32)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_make_grid_and_save_image(shape: tuple, options: dict) -> None:
    mine, theirs = flambeau.from_numpy(values(shape)), torch.from_numpy(values(shape))
    expected = reference.make_grid(theirs, **options)
    got = utils.make_grid(mine, **options)
    numpy.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-6, atol=1e-7)
    assert numpy.array_equal(mine.numpy(), values(shape))
    files = io.BytesIO(), io.BytesIO()
    utils.save_image(mine, files[0], "png", **options)
    reference.save_image(theirs, files[1], "png", **options)
    one, other = (numpy.asarray(Image.open(file)) for file in files)
    assert numpy.array_equal(one, other)


def test_a_list_of_images() -> None:
    images = list(values((4, 3, 5, 5)))
    expected = reference.make_grid([torch.from_numpy(image) for image in images])
    got = utils.make_grid([flambeau.from_numpy(image) for image in images])
    assert numpy.array_equal(got.numpy(), expected.numpy())


def test_fake_data() -> None:
    mine, theirs = (
        module.FakeData(4, (3, 9, 7), 5, random_offset=2)
        for module in (datasets, reference_datasets)
    )
    assert repr(mine) == repr(theirs)
    for i in range(4):
        (image, target), (expected, expected_target) = mine[i], theirs[i]
        assert target == expected_target
        assert numpy.array_equal(numpy.asarray(image), numpy.asarray(expected))


def test_mnist(tmp_path: pathlib.Path) -> None:
    for module in ("MNIST", "FashionMNIST", "KMNIST"):
        raw = tmp_path / module / "raw"
        raw.mkdir(parents=True)
        images = numpy.random.default_rng(1).integers(0, 256, (6, 28, 28)).astype(numpy.uint8)
        labels = numpy.array([4, 0, 9, 1, 1, 2], numpy.uint8)
        for split in ("train", "t10k"):
            datasets.write_idx(flambeau.from_numpy(images), raw / f"{split}-images-idx3-ubyte")
            datasets.write_idx(flambeau.from_numpy(labels), raw / f"{split}-labels-idx1-ubyte")
        for train in (True, False):
            mine = getattr(datasets, module)(tmp_path, train=train)
            theirs = getattr(reference_datasets, module)(tmp_path, train=train)
            assert repr(mine) == repr(theirs)
            assert mine.classes == theirs.classes
            assert mine.class_to_idx == theirs.class_to_idx
            assert mine.raw_folder == theirs.raw_folder
            assert numpy.array_equal(mine.data.numpy(), theirs.data.numpy())
            assert numpy.array_equal(mine.targets.numpy(), theirs.targets.numpy())
            (image, target), (expected, expected_target) = mine[2], theirs[2]
            assert target == expected_target
            assert (image.mode, image.tobytes()) == (expected.mode, expected.tobytes())


def test_image_folder(tmp_path: pathlib.Path) -> None:
    for name in ("dog/b.png", "dog/deep/a.JPG", "cat/x.bmp", "cat/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no image")
        else:
            Image.new("L", (5, 4), color=len(name)).save(path)
    mine, theirs = (
        module.ImageFolder(tmp_path, transform=list.copy)
        for module in (datasets, reference_datasets)
    )
    assert (mine.samples, mine.classes, mine.class_to_idx, mine.targets) == (
        theirs.samples,
        theirs.classes,
        theirs.class_to_idx,
        theirs.targets,
    )
    assert repr(mine) == repr(theirs)
    mine.transforms = theirs.transform = None
    for i in range(len(theirs)):
        assert mine[i][0].tobytes() == theirs[i][0].tobytes()
