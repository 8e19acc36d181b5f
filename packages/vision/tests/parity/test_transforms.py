"""Every transform against torchvision: Pillow images bit for bit, tensors within rounding."""

from __future__ import annotations

import random

import numpy
import pytest
import torch
import torchvision.transforms as reference
import torchvision.transforms.functional as reference_functional
from PIL import Image

import flambeau
import flambeau_vision.transforms as ours
import flambeau_vision.transforms.functional as functional


def pixels(channels: int, height: int = 23, width: int = 31) -> numpy.ndarray:
    """A smooth color image with noise, so that both edges and gradients are there."""
    generator = numpy.random.default_rng(channels)
    y, x = numpy.mgrid[:height, :width]
    smooth = numpy.stack(
        [128 + 100 * numpy.sin((x * (c + 1) + y) / 7) for c in range(channels)], -1
    )
    noise = generator.integers(-28, 28, (height, width, channels))
    return numpy.clip(smooth + noise, 0, 255).astype(numpy.uint8)


def picture(mode: str) -> Image.Image:
    color = Image.fromarray(pixels(4 if mode == "RGBA" else 3))
    return color if color.mode == mode else color.convert(mode)


def array(kind: str) -> numpy.ndarray:
    """A tensor image as an array [channels, height, width] of `uint8-3`, `float32-1`, ..."""
    dtype, channels = kind.split("-")
    image = pixels(int(channels)).transpose(2, 0, 1)
    image = image.astype(dtype) if dtype == "uint8" else (image / 255).astype(dtype)
    return numpy.ascontiguousarray(image)


def pair(kind: str) -> tuple[object, object]:
    """The same image for flambeau and for torchvision."""
    if "-" not in kind:
        return picture(kind), picture(kind)
    return flambeau.from_numpy(array(kind)), torch.from_numpy(array(kind))


def assert_same(got: object, expected: object, *, rounding: int = 0) -> None:
    """Equal type, shape and dtype; Pillow images and integers equal, floats within 1e-5.

    `rounding` bytes may differ by one where a tie falls the other way in float32.
    """
    if isinstance(expected, (tuple, list)):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same(one, other, rounding=rounding)
        return
    if isinstance(expected, Image.Image):
        assert isinstance(got, Image.Image)
        assert (got.mode, got.size) == (expected.mode, expected.size)
        numpy.testing.assert_array_equal(numpy.asarray(got), numpy.asarray(expected))
        return
    one, other = got.numpy(), expected.numpy()
    assert (one.shape, one.dtype) == (other.shape, other.dtype)
    if one.dtype.kind == "f":
        numpy.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * max(1.0, abs(other).max()))
        return
    off = numpy.abs(one.astype(numpy.int64) - other.astype(numpy.int64))
    assert off.max(initial=0) <= (1 if rounding else 0)
    assert numpy.count_nonzero(off) <= rounding


def mode(name: str, module: object) -> object:
    return getattr(module.InterpolationMode, name)


PICTURES = ["RGB", "L", "RGBA"]
TENSORS = ["uint8-3", "float32-3", "uint8-1", "float64-3"]
FILTERS = ["NEAREST", "NEAREST_EXACT", "BILINEAR", "BICUBIC"]

# (function, arguments, kinds of image)
CALLS = [
    ("hflip", (), PICTURES + TENSORS),
    ("vflip", (), PICTURES + TENSORS),
    ("crop", (3, 5, 10, 12), PICTURES + TENSORS),
    ("crop", (-3, -5, 12, 20), PICTURES + TENSORS),
    ("crop", (15, 20, 20, 20), PICTURES + TENSORS),
    ("center_crop", ([10, 13],), PICTURES + TENSORS),
    ("center_crop", ([30, 40],), PICTURES + TENSORS),
    ("center_crop", ([30, 10],), PICTURES + TENSORS),
    ("pad", (3,), PICTURES + TENSORS),
    ("pad", ([1, 2], 7), ["L", "RGB", "uint8-3"]),
    ("pad", ([1, 2, 3, 4], (10, 20, 30)), ["RGB"]),
    ("pad", ([1, 2, 3, 4], 0, "edge"), PICTURES + TENSORS),
    ("pad", ([4, 3, 2, 1], 0, "reflect"), PICTURES + TENSORS),
    ("pad", ([4, 3, 2, 1], 0, "symmetric"), PICTURES + TENSORS),
    ("five_crop", ([10, 12],), ["RGB", "uint8-3"]),
    ("ten_crop", ([10, 12],), ["RGB", "uint8-3"]),
    ("adjust_brightness", (0.3,), ["RGB", "L", *TENSORS]),
    ("adjust_brightness", (1.7,), ["RGB", "L", *TENSORS]),
    ("adjust_contrast", (0.3,), ["RGB", "L", *TENSORS]),
    ("adjust_contrast", (1.7,), ["RGB", "L", *TENSORS]),
    ("adjust_saturation", (0.3,), ["RGB", "L", *TENSORS]),
    ("adjust_saturation", (1.7,), ["RGB", "L", *TENSORS]),
    ("adjust_hue", (0.2,), ["RGB", "L", *TENSORS]),
    ("adjust_hue", (-0.4,), ["RGB", "L", *TENSORS]),
    ("adjust_gamma", (0.7,), ["RGB", "L", "uint8-3", "float32-3"]),
    ("adjust_sharpness", (1.8,), ["RGB", "L", *TENSORS]),
    ("adjust_sharpness", (0.2,), ["RGB", "L", *TENSORS]),
    ("gaussian_blur", ([5, 3], [1.2, 0.7]), ["RGB", "L", *TENSORS]),
    ("gaussian_blur", ([7, 7],), ["RGB", "L", *TENSORS]),
    ("gaussian_blur", ([3, 3], 0.5), ["RGB", "uint8-3"]),
    ("rgb_to_grayscale", (), ["RGB", *TENSORS]),
    ("rgb_to_grayscale", (3,), ["RGB", "L", *TENSORS]),
    ("to_grayscale", (3,), ["RGB", "L"]),
    ("invert", (), ["RGB", "L", *TENSORS]),
    ("posterize", (3,), ["RGB", "L", "uint8-3"]),
    ("solarize", (100,), ["RGB", "L", "uint8-3"]),
    ("autocontrast", (), ["RGB", "L", *TENSORS]),
    ("equalize", (), ["RGB", "L"]),
    ("get_dimensions", (), []),
]


@pytest.mark.parametrize(
    "name, arguments, kind",
    [(name, arguments, kind) for name, arguments, kinds in CALLS for kind in kinds],
)
def test_function(name: str, arguments: tuple, kind: str) -> None:
    mine, theirs = pair(kind)
    expected = getattr(reference_functional, name)(theirs, *arguments)
    assert_same(getattr(functional, name)(mine, *arguments), expected, rounding=2)


@pytest.mark.parametrize("size", [[12, 17], [40, 50], 11, [7], [23, 60]], ids=str)
@pytest.mark.parametrize("filter_name", FILTERS)
@pytest.mark.parametrize(
    "kind, antialias",
    [("RGB", True), ("L", True), *((kind, flag) for kind in TENSORS for flag in (True, False))],
)
def test_resize(kind: str, antialias: bool, filter_name: str, size: object) -> None:
    mine, theirs = pair(kind)
    expected = reference_functional.resize(
        theirs, size, mode(filter_name, reference), antialias=antialias
    )
    got = functional.resize(mine, size, mode(filter_name, ours), antialias=antialias)
    assert_same(got, expected, rounding=8)


@pytest.mark.parametrize("filter_name", ["BOX", "HAMMING", "LANCZOS"])
def test_resize_of_pictures_has_more_filters(filter_name: str) -> None:
    mine, theirs = pair("RGB")
    expected = reference_functional.resize(theirs, [9, 14], mode(filter_name, reference))
    assert_same(functional.resize(mine, [9, 14], mode(filter_name, ours)), expected)


def test_pictures_are_always_antialiased() -> None:
    mine, theirs = pair("L")
    with pytest.warns(UserWarning, match="always applied"):
        expected = reference_functional.resize(theirs, [9, 9], antialias=False)
    with pytest.warns(UserWarning, match="always applied"):
        assert_same(functional.resize(mine, [9, 9], antialias=False), expected)


@pytest.mark.parametrize("size, max_size", [(20, 24), (12, 100), (12, 13)])
@pytest.mark.parametrize("kind", ["RGB", "float32-3"])
def test_max_size(kind: str, size: int, max_size: int) -> None:
    mine, theirs = pair(kind)
    expected = reference_functional.resize(theirs, size, max_size=max_size)
    assert_same(functional.resize(mine, size, max_size=max_size), expected)


@pytest.mark.parametrize("fill", [None, 9, [50], "color"], ids=str)
@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("filter_name", ["NEAREST", "BILINEAR"])
@pytest.mark.parametrize("angle", [0, 33.3, 90, -145.0])
@pytest.mark.parametrize("kind", ["RGB", "L", "uint8-3", "float32-3", "float64-3"])
def test_rotate(kind: str, angle: float, filter_name: str, expand: bool, fill: object) -> None:
    if fill == "color":
        fill = [10, 200, 30] if kind != "L" else [10]
    mine, theirs = pair(kind)
    expected = reference_functional.rotate(
        theirs, angle, mode(filter_name, reference), expand, fill=fill
    )
    got = functional.rotate(mine, angle, mode(filter_name, ours), expand, fill=fill)
    assert_same(got, expected, rounding=6)


@pytest.mark.parametrize("filter_name", ["NEAREST", "BILINEAR"])
@pytest.mark.parametrize("kind", ["RGB", "uint8-3", "float32-1"])
def test_rotate_about_a_point_and_affine(kind: str, filter_name: str) -> None:
    mine, theirs = pair(kind)
    expected = reference_functional.rotate(
        theirs, 20.0, mode(filter_name, reference), center=[4, 6]
    )
    assert_same(
        functional.rotate(mine, 20.0, mode(filter_name, ours), center=[4, 6]), expected, rounding=6
    )
    arguments = (25.0, [3, -2], 1.2, [10.0, 5.0])
    expected = reference_functional.affine(
        theirs, *arguments, interpolation=mode(filter_name, reference), fill=[3]
    )
    got = functional.affine(mine, *arguments, interpolation=mode(filter_name, ours), fill=[3])
    assert_same(got, expected, rounding=6)


# (constructor, kinds of image); each is run thirty times from one seed
RANDOM = [
    (lambda t: t.RandomCrop(12), PICTURES + TENSORS),
    (lambda t: t.RandomCrop((9, 30), padding=2, padding_mode="reflect"), ["RGB", "uint8-3"]),
    (lambda t: t.RandomCrop(40, pad_if_needed=True, fill=3), ["RGB", "uint8-3"]),
    (lambda t: t.RandomHorizontalFlip(), ["RGB", "uint8-3"]),
    (lambda t: t.RandomVerticalFlip(0.3), ["RGB", "uint8-3"]),
    (lambda t: t.RandomResizedCrop(16), ["RGB", "uint8-3", "float32-3"]),
    (lambda t: t.RandomResizedCrop((8, 20), scale=(0.9, 1.0), ratio=(0.2, 5.0)), ["RGB"]),
    (lambda t: t.ColorJitter(0.4, 0.3, (0.5, 1.5), 0.2), ["RGB", "float32-3"]),
    (lambda t: t.ColorJitter(contrast=0.5), ["RGB", "L", "float32-1"]),
    (lambda t: t.RandomRotation(30), ["RGB", "uint8-3"]),
    (
        lambda t: t.RandomRotation((10, 40), t.InterpolationMode.BILINEAR, expand=True, fill=7),
        ["RGB", "float32-3"],
    ),
    (lambda t: t.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), 10), ["RGB", "uint8-3"]),
    (lambda t: t.RandomAffine((0, 9), shear=(1, 5, -6, 6), fill=4), ["RGB", "uint8-3"]),
    (lambda t: t.RandomErasing(0.7), ["float32-3"]),
    (lambda t: t.RandomErasing(0.7, value=(0.1, 0.2, 0.3)), ["float32-3"]),
    (lambda t: t.RandomErasing(0.9, value="random"), ["float32-3"]),
    (lambda t: t.RandomGrayscale(0.5), ["RGB", "uint8-3"]),
    (lambda t: t.RandomInvert(), ["RGB", "uint8-3"]),
    (lambda t: t.RandomPosterize(3), ["RGB", "uint8-3"]),
    (lambda t: t.RandomSolarize(90), ["RGB", "uint8-3"]),
    (lambda t: t.RandomAdjustSharpness(1.7), ["RGB", "float32-3"]),
    (lambda t: t.RandomAutocontrast(), ["RGB", "float32-3"]),
    (lambda t: t.GaussianBlur(5), ["RGB", "float32-3"]),
    (lambda t: t.RandomApply([t.RandomCrop(12), t.CenterCrop(7)], p=0.6), ["RGB"]),
    (lambda t: t.RandomChoice([t.RandomCrop(12), t.CenterCrop(7)]), ["RGB"]),
    (lambda t: t.RandomChoice([t.RandomCrop(12), t.CenterCrop(7)], p=[0.9, 0.1]), ["RGB"]),
    (lambda t: t.RandomOrder([t.RandomCrop(12), t.CenterCrop(14), t.Pad(1)]), ["RGB"]),
    (lambda t: t.Compose([t.Resize(20), t.RandomCrop(12), t.ToTensor()]), ["RGB", "L"]),
]


@pytest.mark.parametrize(
    "build, kind",
    [
        pytest.param(build, kind, id=f"{str(build(reference)).splitlines()[0]}-{kind}")
        for build, kinds in RANDOM
        for kind in kinds
    ],
)
def test_equal_seeds_give_equal_images(build: object, kind: str) -> None:
    mine, theirs = pair(kind)
    transform, oracle = build(ours), build(reference)
    flambeau.manual_seed(3)
    random.seed(3)
    got = [transform(mine) for _ in range(30)]
    torch.manual_seed(3)
    random.seed(3)
    expected = [oracle(theirs) for _ in range(30)]
    for one, other in zip(got, expected, strict=True):
        assert_same(one, other, rounding=6)


PRINTED = [
    *(build for build, _ in RANDOM),
    lambda t: t.Resize(3),
    lambda t: t.Resize((3, 4), t.InterpolationMode.BICUBIC, antialias=False),
    lambda t: t.Resize(3, max_size=9),
    lambda t: t.CenterCrop(3),
    lambda t: t.Pad((1, 2), fill=3),
    lambda t: t.FiveCrop(3),
    lambda t: t.TenCrop((3, 4), True),
    lambda t: t.Grayscale(3),
    lambda t: t.ToTensor(),
    lambda t: t.PILToTensor(),
    lambda t: t.ToPILImage(),
    lambda t: t.ToPILImage("RGB"),
    lambda t: t.Normalize([0.5], (0.2,)),
    lambda t: t.Lambda(abs),
    lambda t: t.RandomRotation(5, center=(1, 2)),
    lambda t: t.GaussianBlur((3, 5), 1.5),
    lambda t: t.Compose([t.RandomApply([t.Pad(1)]), t.Compose([t.ToTensor()])]),
]


@pytest.mark.parametrize("build", PRINTED, ids=range(len(PRINTED)))
def test_printed_form(build: object) -> None:
    assert repr(build(ours)) == repr(build(reference))


@pytest.mark.parametrize("mode_name", ["RGB", "L", "RGBA", "1", "I", "F", "LA", "CMYK", "I;16"])
def test_pictures_to_tensors(mode_name: str) -> None:
    if mode_name == "I;16":
        image = Image.fromarray(pixels(1)[:, :, 0].astype(numpy.uint16) * 100)
    else:
        image = picture("RGB").convert(mode_name)
    assert_same(functional.pil_to_tensor(image), reference_functional.pil_to_tensor(image))
    got, expected = functional.to_tensor(image), reference_functional.to_tensor(image)
    if mode_name == "I;16":  # torchvision reads these 16 bits as signed; we keep the values
        expected = expected.to(torch.int32).remainder(65536).to(torch.uint16)
    assert_same(got, expected)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64", "bool"])
@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (5, 6, 3)])
def test_arrays_to_tensors(shape: tuple, dtype: str) -> None:
    values = numpy.arange(numpy.prod(shape)).reshape(shape).astype(dtype)
    assert_same(functional.to_tensor(values), reference_functional.to_tensor(values))


@pytest.mark.parametrize(
    "kind, mode_name",
    [
        ("uint8-1", None),
        ("uint8-1", "L"),
        ("uint8-2", None),
        ("uint8-3", None),
        ("uint8-3", "YCbCr"),
        ("uint8-3", "HSV"),
        ("uint8-4", None),
        ("uint8-4", "CMYK"),
        ("float32-3", None),
        ("float32-1", None),
        ("float32-1", "F"),
    ],
)
@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
def test_tensors_to_pictures(kind: str, mode_name: str | None) -> None:
    mine, theirs = pair(kind)
    expected = reference_functional.to_pil_image(theirs, mode_name)
    assert_same(functional.to_pil_image(mine, mode_name), expected)
    array_image = array(kind).transpose(1, 2, 0)
    expected = reference_functional.to_pil_image(array_image, mode_name)
    assert_same(functional.to_pil_image(array_image, mode_name), expected)


DTYPES = ["uint8", "int8", "int16", "int32", "int64", "float32", "float64"]


@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("source", DTYPES)
def test_convert_image_dtype(source: str, target: str) -> None:
    values = numpy.linspace(0, 1, 37)
    if not source.startswith("float"):
        values = values * numpy.iinfo(source).max * 0.999
    values = values.astype(source)
    theirs, mine = torch.from_numpy(values), flambeau.from_numpy(values)
    try:
        expected = reference_functional.convert_image_dtype(theirs, getattr(torch, target))
    except RuntimeError:
        with pytest.raises(RuntimeError, match="cannot be done safely"):
            functional.convert_image_dtype(mine, getattr(flambeau, target))
        return
    assert_same(functional.convert_image_dtype(mine, getattr(flambeau, target)), expected)


@pytest.mark.parametrize("kind", ["float32-3", "float64-3"])
def test_normalize(kind: str) -> None:
    mine, theirs = pair(kind)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    expected = reference_functional.normalize(theirs, mean, std)
    assert numpy.array_equal(functional.normalize(mine, mean, std).numpy(), expected.numpy())


def test_erase() -> None:
    mine, theirs = pair("float32-3")
    expected = reference_functional.erase(theirs, 2, 3, 5, 6, torch.tensor(0.5))
    assert_same(functional.erase(mine, 2, 3, 5, 6, flambeau.tensor(0.5)), expected)


# What torchvision refuses, we refuse with the same class of error.
REFUSED = [
    lambda t, f, image: f.to_tensor("cat.png"),
    lambda t, f, image: f.to_tensor(numpy.zeros((2, 2, 2, 2))),
    lambda t, f, image: f.pil_to_tensor(numpy.zeros((2, 2))),
    lambda t, f, image: f.to_pil_image(numpy.zeros((2, 2, 5), numpy.uint8)),
    lambda t, f, image: f.to_pil_image(numpy.zeros((2, 2, 3), numpy.int64)),
    lambda t, f, image: f.to_pil_image(numpy.zeros((2, 2, 3), numpy.uint8), "L"),
    lambda t, f, image: f.to_pil_image([[1]]),
    lambda t, f, image: f.normalize(numpy.zeros((3, 2, 2)), [0], [1]),
    lambda t, f, image: f.normalize(image, [0.5] * 3, [0.5] * 3),
    lambda t, f, image: f.normalize(f.convert_image_dtype(image), [0.5] * 2, [0.5] * 3),
    lambda t, f, image: f.normalize(f.convert_image_dtype(image), [0.5] * 3, [0.0] * 3),
    lambda t, f, image: f.normalize(f.convert_image_dtype(image)[0], [0.5], [0.5]),
    lambda t, f, image: f.resize(image, [1, 2, 3]),
    lambda t, f, image: f.resize(image, 10, max_size=8),
    lambda t, f, image: f.resize(image, 10, t.InterpolationMode.LANCZOS),
    lambda t, f, image: f.pad(image, "2"),
    lambda t, f, image: f.pad(image, [1, 2, 3]),
    lambda t, f, image: f.pad(image, 2, padding_mode="wrap"),
    lambda t, f, image: f.five_crop(image, [100, 100]),
    lambda t, f, image: f.adjust_hue(image, 0.7),
    lambda t, f, image: f.adjust_gamma(image, -1),
    lambda t, f, image: f.adjust_brightness(image, -1),
    lambda t, f, image: f.hflip(numpy.zeros((2, 2))),
    lambda t, f, image: f.rgb_to_grayscale(image, 2),
    lambda t, f, image: f.affine(image, 0, [0, 0], 0.0, [0.0]),
    lambda t, f, image: t.RandomCrop(100)(image),
    lambda t, f, image: t.RandomCrop((1, 2, 3)),
    lambda t, f, image: t.Resize(3.5),
    lambda t, f, image: t.Resize((1, 2, 3)),
    lambda t, f, image: t.ColorJitter(-1),
    lambda t, f, image: t.ColorJitter(hue=0.6),
    lambda t, f, image: t.ColorJitter("bright"),
    lambda t, f, image: t.RandomRotation(-3),
    lambda t, f, image: t.RandomRotation((1, 2, 3)),
    lambda t, f, image: t.RandomRotation(3, center="ab c"),
    lambda t, f, image: t.RandomAffine(3, (0.1, 3.0)),
    lambda t, f, image: t.RandomAffine(3, scale=(0.0, 3.0)),
    lambda t, f, image: t.RandomErasing(1.5),
    lambda t, f, image: t.RandomErasing(value="black"),
    lambda t, f, image: t.RandomErasing(scale=(0.5, 2.0)),
    lambda t, f, image: t.RandomErasing(1.0, value=(1, 2))(image),
    lambda t, f, image: t.Pad("2"),
    lambda t, f, image: t.Pad(2, padding_mode="wrap"),
    lambda t, f, image: t.Lambda(3),
    lambda t, f, image: t.GaussianBlur(4),
    lambda t, f, image: t.GaussianBlur(3, (2.0, 1.0)),
    lambda t, f, image: f.gaussian_blur(image, [4, 3]),
    lambda t, f, image: f.gaussian_blur(image, [3, 3], [-1.0]),
    lambda t, f, image: t.RandomChoice(3),
]


@pytest.mark.parametrize("call", REFUSED, ids=range(len(REFUSED)))
def test_refused_with_the_same_class(call: object) -> None:
    mine, theirs = pair("uint8-3")
    with pytest.raises(Exception) as expected:  # noqa: PT011  # the oracle says which
        call(reference, reference_functional, theirs)
    with pytest.raises(expected.type) as got:
        call(ours, functional, mine)
    assert got.type is expected.type
    assert "\n" not in str(got.value)
