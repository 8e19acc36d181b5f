"""MNIST and its siblings, from IDX files in torchvision's folder layout. Nothing is downloaded."""

from __future__ import annotations

import os
from typing import Any

from PIL import Image

import flambeau
from flambeau import Tensor

from .idx import read_idx
from .vision import Transform, VisionDataset


class MNIST(VisionDataset):
    """Handwritten digits: 60 000 images of 28×28 to learn from, 10 000 to test.

    The files are expected in `root/MNIST/raw` under their usual names, gzipped or not. Each item is
    `(image, target)`, a Pillow image of mode "L" and an int. Raises RuntimeError naming the files
    that are missing; `download=True` only checks, since flambeau downloads nothing.

    >>> import os
    >>> import flambeau
    >>> from flambeau_vision.datasets import MNIST
    >>> import tempfile
    >>> from flambeau_vision.datasets import write_idx
    >>> root = tempfile.mkdtemp()
    >>> raw = os.path.join(root, "MNIST", "raw")
    >>> os.makedirs(raw)
    >>> images = flambeau.zeros(2, 28, 28, dtype=flambeau.uint8)
    >>> write_idx(images, os.path.join(raw, "train-images-idx3-ubyte.gz"))
    >>> labels = flambeau.tensor([3, 5], dtype=flambeau.uint8)
    >>> write_idx(labels, os.path.join(raw, "train-labels-idx1-ubyte.gz"))
    >>> image, target = MNIST(root)[1]
    >>> image.size, target
    ((28, 28), 5)
    """

    classes = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        missing = [name for name in self._names() if self._find(name) is None]
        if missing:
            raise RuntimeError(self._advice(missing, download=download))
        self.data, self.targets = self._load()

    def _names(self) -> tuple[str, str]:
        split = "train" if self.train else "t10k"
        return f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"

    def _find(self, name: str) -> str | None:
        for ending in ("", ".gz"):
            path = os.path.join(self.raw_folder, name + ending)
            if os.path.isfile(path):
                return path
        return None

    def _advice(self, missing: list[str], *, download: bool) -> str:
        why = "flambeau downloads nothing, so download=True cannot fetch" if download else "missing"
        return (
            f"{type(self).__name__}: {why} {' and '.join(missing)}; place them (as they are or as "
            f".gz) in {self.raw_folder}"
        )

    def _load(self) -> tuple[Tensor, Tensor]:
        images_path, labels_path = (self._find(name) for name in self._names())
        assert images_path is not None
        assert labels_path is not None
        images, labels = read_idx(images_path), read_idx(labels_path)
        if images.dtype != flambeau.uint8 or images.ndim != 3:
            raise ValueError(
                f"{type(self).__name__}: {images_path} holds {images.dtype} of "
                f"{list(images.shape)}; expected uint8 images [count, height, width]"
            )
        if labels.ndim != 1 or len(labels) != len(images):
            raise ValueError(
                f"{type(self).__name__}: {labels_path} holds labels of shape "
                f"{list(labels.shape)} for {len(images)} images; expected one label an image"
            )
        return images, labels.to(flambeau.int64)

    @property
    def raw_folder(self) -> str:
        """The folder the IDX files are expected in."""
        return os.path.join(self.root or "", type(self).__name__, "raw")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class."""
        return {name: i for i, name in enumerate(self.classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.fromarray(self.data[index].numpy())
        return self._transformed(image, int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Which of the two halves this is."""
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Pictures of clothes in MNIST's format, from `root/FashionMNIST/raw`.

    >>> from flambeau_vision.datasets import FashionMNIST
    >>> FashionMNIST.classes[9]
    'Ankle boot'
    """

    classes = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


class KMNIST(MNIST):
    """Old Japanese handwriting in MNIST's format, from `root/KMNIST/raw`.

    >>> from flambeau_vision.datasets import KMNIST
    >>> KMNIST.classes[0]
    'o'
    """

    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
