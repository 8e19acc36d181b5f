"""Microseconds an image: decoding JPEGs from a folder, and what usually follows. One thread.

    python packages/vision/benchmarks/images.py [--photo cat.png]

Where PyTorch and torchvision are installed, theirs stand beside ours. The photograph (else smooth
colors with noise) is stored at 500 pixels a side, quality 90.
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile
import timeit
from collections.abc import Callable
from types import ModuleType

import numpy
from PIL import Image

import flambeau_vision.datasets
import flambeau_vision.transforms

SIDE = 500
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def photograph(path: str | None) -> Image.Image:
    if path is not None:
        return Image.open(path).convert("RGB").resize((SIDE, SIDE))
    y, x = numpy.mgrid[:SIDE, :SIDE]
    smooth = numpy.stack([128 + 100 * numpy.sin((x * c + y) / 70) for c in (1, 2, 3)], -1)
    noise = numpy.random.default_rng(0).normal(0, 6, smooth.shape)
    return Image.fromarray(numpy.clip(smooth + noise, 0, 255).astype(numpy.uint8))


def measured(
    transforms: ModuleType, datasets: ModuleType, folder: str
) -> dict[str, Callable[[], object]]:
    """What is measured, by name, with the transforms and datasets of either library."""
    small = Image.new("L", (28, 28), 100)
    photo = Image.open(pathlib.Path(folder) / "photo" / "0.jpg").resize((224, 224))
    tensor = transforms.ToTensor()(photo)
    gray = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])
    color = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    crop = transforms.RandomResizedCrop(224)
    files = datasets.ImageFolder(folder)
    picture, _ = files[0]
    trained = datasets.ImageFolder(folder, transforms.Compose([crop, color]))
    return {
        "ToTensor, Normalize of 28 x 28 gray": lambda: gray(small),
        "ToTensor, Normalize of 224 x 224 RGB": lambda: color(photo),
        "RandomResizedCrop of a 500 x 500 picture": lambda: crop(picture),
        "Resize of a 3 x 224 x 224 tensor to 112": lambda: transforms.Resize(112)(tensor),
        "ImageFolder: a 500 x 500 JPEG decoded": lambda: files[0],
        "ImageFolder: decoded, cropped, normalized": lambda: trained[0],
    }


def microseconds(call: Callable[[], object]) -> float:
    count = max(1, int(0.05 / timeit.timeit(call, number=1)))
    return min(timeit.repeat(call, number=count, repeat=7)) / count * 1e6


def torchvision() -> tuple[ModuleType, ModuleType] | None:
    try:
        import torch
        import torchvision.datasets
        import torchvision.transforms
    except (ImportError, RuntimeError):  # RuntimeError: a wheel for another PyTorch
        return None
    torch.set_num_threads(1)
    return torchvision.transforms, torchvision.datasets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", help="a photograph to measure with")
    options = parser.parse_args()
    libraries = {"flambeau": (flambeau_vision.transforms, flambeau_vision.datasets)}
    if (theirs := torchvision()) is not None:
        libraries["torchvision"] = theirs
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "photo").mkdir()
        photograph(options.photo).save(f"{folder}/photo/0.jpg", quality=90)
        calls = {name: measured(*library, folder) for name, library in libraries.items()}
        print(f"{'microseconds an image':44}", *(f"{name:>12}" for name in libraries))
        for what in calls["flambeau"]:
            values = (microseconds(calls[name][what]) for name in libraries)
            print(f"{what:44}", *(f"{value:12.0f}" for value in values))


if __name__ == "__main__":
    main()
