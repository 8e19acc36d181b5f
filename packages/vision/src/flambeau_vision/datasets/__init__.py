"""Datasets with torchvision's names. None downloads: an error says which file to place where."""

from __future__ import annotations

from .fake import FakeData
from .folder import DatasetFolder, ImageFolder
from .idx import read_idx, write_idx
from .mnist import KMNIST, MNIST, FashionMNIST
from .mnist5k import MNIST5k
from .vision import VisionDataset

__all__ = [
    "KMNIST",
    "MNIST",
    "DatasetFolder",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "MNIST5k",
    "VisionDataset",
    "read_idx",
    "write_idx",
]
