"""Datasets made of a folder with one subfolder a class."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from PIL import Image

from .vision import Transform, VisionDataset

IMG_EXTENSIONS = (
    ".jpg",
    ".jpeg",
    ".png",
    ".ppm",
    ".bmp",
    ".pgm",
    ".tif",
    ".tiff",
    ".webp",
)

Path = str | os.PathLike[str]


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether a name ends in one of the extensions, in either case.

    >>> from flambeau_vision.datasets.folder import has_file_allowed_extension
    >>> has_file_allowed_extension("cat.JPG", (".jpg", ".png"))
    True
    """
    return filename.lower().endswith(extensions)


def is_image_file(filename: str) -> bool:
    """Whether a name is one of an image that `ImageFolder` reads.

    >>> from flambeau_vision.datasets.folder import is_image_file
    >>> is_image_file("notes.txt")
    False
    """
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: Path) -> tuple[list[str], dict[str, int]]:
    """The names of the subfolders, sorted, and the number of each.

    Raises FileNotFoundError where there is none.
    """
    with os.scandir(directory) as entries:
        classes = sorted(entry.name for entry in entries if entry.is_dir())
    if not classes:
        raise FileNotFoundError(
            f"ImageFolder: no class folder in {os.fspath(directory)}; expected one folder a class"
        )
    return classes, {name: i for i, name in enumerate(classes)}


def _accepts(
    extensions: str | tuple[str, ...] | None, is_valid_file: Callable[[str], bool] | None
) -> Callable[[str], bool]:
    if (extensions is None) == (is_valid_file is None):
        raise ValueError(
            "make_dataset: extensions and is_valid_file; expected exactly one of the two"
        )
    if is_valid_file is not None:
        return is_valid_file
    endings = (extensions,) if isinstance(extensions, str) else tuple(extensions or ())
    return lambda name: has_file_allowed_extension(name, endings)


def _files_below(folder: str) -> list[str]:
    found = []
    for place, _, names in sorted(os.walk(folder, followlinks=True)):
        found += [os.path.join(place, name) for name in sorted(names)]
    return found


def make_dataset(
    directory: Path,
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """All `(path, class number)` below the class folders, in sorted order.

    Raises FileNotFoundError naming the classes without a single valid file, unless `allow_empty`.
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        _, class_to_idx = find_classes(directory)
    elif not class_to_idx:
        raise ValueError("make_dataset: class_to_idx is empty; expected at least one class")
    accepts = _accepts(extensions, is_valid_file)
    samples, empty = [], []
    for name in sorted(class_to_idx):
        folder = os.path.join(directory, name)
        found = [path for path in _files_below(folder) if accepts(path)]
        samples += [(path, class_to_idx[name]) for path in found]
        if not found:
            empty.append(name)
    if empty and not allow_empty:
        endings = f"; supported are {extensions}" if extensions is not None else ""
        raise FileNotFoundError(
            f"ImageFolder: no valid file for the class {', '.join(empty)} in "
            f"{os.fspath(directory)}{endings}"
        )
    return samples


def pil_loader(path: Path) -> Image.Image:
    """The file as a Pillow image in RGB.

    Raises OSError naming a file that is cut short, PIL.UnidentifiedImageError one that is no image.
    """
    with open(path, "rb") as file, Image.open(file) as image:
        try:
            return image.convert("RGB")
        except (OSError, SyntaxError) as error:
            raise OSError(
                f"image {os.fspath(path)}: {error}; the file is cut short or damaged"
            ) from error


def default_loader(path: Path) -> Image.Image:
    """What `ImageFolder` loads with: `pil_loader`."""
    return pil_loader(path)


class DatasetFolder(VisionDataset):
    """Samples in one subfolder a class: `root/dog/x.ext`, `root/cat/y.ext`.

    `loader` reads a path; `extensions` or `is_valid_file` say which files count. `classes`,
    `class_to_idx`, `samples` and `targets` are as in torchvision. Raises FileNotFoundError where
    there is no class folder, or a class without files.

    >>> import os
    >>> from flambeau_vision.datasets import DatasetFolder
    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> (root / "cat").mkdir()
    >>> _ = (root / "cat" / "tom.txt").write_text("meow")
    >>> DatasetFolder(root, os.path.basename, extensions=(".txt",))[0]
    ('tom.txt', 0)
    """

    def __init__(
        self,
        root: Path,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(root)
        self.samples = self.make_dataset(
            root, self.class_to_idx, extensions, is_valid_file, allow_empty
        )
        self.loader = loader
        self.extensions = extensions
        self.targets = [target for _, target in self.samples]

    @staticmethod
    def make_dataset(
        directory: Path,
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """The samples; override it to choose others."""
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: Path) -> tuple[list[str], dict[str, int]]:
        """The classes; override it to choose others."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images in one subfolder a class, read as RGB.

    >>> from PIL import Image
    >>> from flambeau_vision.datasets import ImageFolder
    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> (root / "cat").mkdir()
    >>> Image.new("RGB", (4, 2)).save(root / "cat" / "tom.png")
    >>> photos = ImageFolder(root)
    >>> photos.classes, photos[0][0].size
    (['cat'], (4, 2))
    """

    def __init__(
        self,
        root: Path,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(
            root,
            loader,
            IMG_EXTENSIONS if is_valid_file is None else None,
            transform=transform,
            target_transform=target_transform,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.imgs = self.samples
