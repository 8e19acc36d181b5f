"""Transforms: values worked out by hand, crops that torchvision makes from the same seed, bad input.

Every function is held against torchvision itself in parity/.
"""

from __future__ import annotations

import io
import pickle
import random

import numpy
import pytest
from PIL import Image

import flambeau
import flambeau_vision.transforms.functional as functional
from flambeau import nn
from flambeau_vision import transforms


def ramp(*shape: int, dtype: flambeau.dtype = flambeau.float32) -> flambeau.Tensor:
    return flambeau.arange(numpy.prod(shape).item()).reshape(shape).to(dtype)


# Conversion


def test_to_tensor_scales_bytes_and_puts_channels_first(photo: Image.Image) -> None:
    image = transforms.ToTensor()(photo)
    assert image.dtype == flambeau.float32
    assert image.is_contiguous()
    expected = numpy.asarray(photo).transpose(2, 0, 1).astype(numpy.float32) / 255
    assert numpy.array_equal(image.numpy(), expected)


def test_to_tensor_owns_its_memory() -> None:
    pixels = numpy.zeros((2, 2), numpy.float32)
    image = functional.to_tensor(pixels)
    assert image.shape == (1, 2, 2)
    picture = Image.new("L", (2, 2))
    image = functional.pil_to_tensor(picture)
    image.fill_(9)
    assert picture.getpixel((0, 0)) == 0


def test_there_and_back(photo: Image.Image) -> None:
    for convert in (functional.to_tensor, functional.pil_to_tensor):
        back = functional.to_pil_image(convert(photo))
        assert back.mode == "RGB"
        assert back.tobytes() == photo.tobytes()


@pytest.mark.parametrize(
    "mode, dtype",
    [("L", "uint8"), ("1", "bool"), ("I", "int32"), ("F", "float32"), ("LA", "uint8")],
)
def test_pictures_of_every_mode(photo: Image.Image, mode: str, dtype: str) -> None:
    picture = photo.convert("L").convert(mode)
    image = functional.pil_to_tensor(picture)
    assert image.dtype == getattr(flambeau, dtype)
    assert image.shape == (len(picture.getbands()), 23, 31)


def test_sixteen_bits_keep_their_values() -> None:
    values = numpy.array([[0, 40000], [65535, 1]], numpy.uint16)
    image = functional.pil_to_tensor(Image.fromarray(values))
    assert image.dtype == flambeau.uint16
    assert image.tolist() == [[[0, 40000], [65535, 1]]]


def test_convert_image_dtype_keeps_black_and_white() -> None:
    image = flambeau.tensor([0.0, 0.5, 1.0])
    for dtype, white in ((flambeau.uint8, 255), (flambeau.int16, 32767)):
        converted = transforms.ConvertImageDtype(dtype)(image)
        assert converted.dtype == dtype
        assert converted.tolist() == [0, white // 2, white]
        back = functional.convert_image_dtype(converted)
        assert back[0].item() == 0.0
        assert back[2].item() == 1.0


def test_normalize() -> None:
    image = flambeau.ones(2, 1, 2)
    normalize = transforms.Normalize([0.5, 1.0], [0.25, 2.0])
    assert normalize(image).tolist() == [[[2.0, 2.0]], [[0.0, 0.0]]]
    assert image.tolist() == [[[1.0, 1.0]], [[1.0, 1.0]]]
    transforms.Normalize([0.5, 1.0], [0.25, 2.0], inplace=True)(image)
    assert image.tolist() == [[[2.0, 2.0]], [[0.0, 0.0]]]


# Geometry


def test_resize_by_hand() -> None:
    image = flambeau.tensor([[[0.0, 4.0]]])
    up = functional.resize(image, [1, 4], antialias=False)
    assert up.tolist() == [[[0.0, 1.0, 3.0, 4.0]]]
    wide = flambeau.tensor([[[0.0, 0.0, 8.0, 8.0]]])
    down = functional.resize(wide, [1, 2])
    # The triangle reaches two pixels to each side of 1: weights 1, 3, 3, 1 of which the first three
    # and a half are inside, normalised: (3 + 3) near, 1 far.
    numpy.testing.assert_allclose(down.numpy(), [[[8 / 7, 48 / 7]]], rtol=1e-6)
    nearest = functional.resize(wide, [1, 2], transforms.InterpolationMode.NEAREST)
    assert nearest.tolist() == [[[0.0, 8.0]]]


def test_resize_keeps_a_constant_and_differentiates() -> None:
    image = flambeau.full((2, 3, 9, 7), 5.0, requires_grad=True)
    for mode in (transforms.InterpolationMode.BILINEAR, transforms.InterpolationMode.BICUBIC):
        for antialias in (False, True):
            out = functional.resize(image, [4, 11], mode, antialias=antialias)
            numpy.testing.assert_allclose(out.detach().numpy(), 5.0, rtol=1e-6)
    out.sum().backward()
    # Every output pixel's weights add up to one, so all of them to the number of output pixels.
    numpy.testing.assert_allclose(image.grad.sum().item(), out.numel(), rtol=1e-5)


@pytest.mark.parametrize(
    "size, max_size, expected",
    [(10, None, (10, 20)), (10, 15, (7, 15)), ([5, 6], None, (5, 6)), ([30], None, (30, 60))],
)
def test_resize_of_the_shorter_side(size: object, max_size: int | None, expected: tuple) -> None:
    image = flambeau.zeros(1, 20, 40)
    assert transforms.Resize(size, max_size=max_size)(image).shape[-2:] == expected
    picture = functional.to_pil_image(image)
    assert transforms.Resize(size, max_size=max_size)(picture).size == expected[::-1]


def test_crops_and_borders() -> None:
    image = ramp(3, 4)
    assert functional.crop(image, 1, 2, 2, 2).tolist() == [[6, 7], [10, 11]]
    assert functional.crop(image, -1, -1, 2, 2).tolist() == [[0, 0], [0, 0]]
    assert functional.crop(image, 2, 3, 2, 2).tolist() == [[11, 0], [0, 0]]
    assert functional.center_crop(image, [1, 2]).tolist() == [[5, 6]]
    assert functional.center_crop(image, [5, 2]).tolist() == [
        [0, 0],
        [1, 2],
        [5, 6],
        [9, 10],
        [0, 0],
    ]
    line = flambeau.tensor([[1, 2, 3]])
    for mode, expected in {
        "constant": [0, 0, 1, 2, 3, 0],
        "edge": [1, 1, 1, 2, 3, 3],
        "reflect": [3, 2, 1, 2, 3, 2],
        "symmetric": [2, 1, 1, 2, 3, 3],
    }.items():
        assert functional.pad(line, [2, 0, 1, 0], padding_mode=mode).tolist() == [expected]


def test_turning_by_right_angles_only_moves_pixels() -> None:
    image = ramp(2, 3, 3, dtype=flambeau.uint8)
    expected = numpy.rot90(image.numpy(), axes=(1, 2))
    assert numpy.array_equal(functional.rotate(image, 90).numpy(), expected)
    wide = ramp(1, 2, 4)
    turned = functional.rotate(wide, 90, expand=True)
    assert numpy.array_equal(turned.numpy(), numpy.rot90(wide.numpy(), axes=(1, 2)))
    moved = functional.affine(ramp(1, 2, 2), 0, [1, 0], 1.0, 0.0, fill=9)
    assert moved.tolist() == [[[9.0, 0.0], [9.0, 2.0]]]


def test_five_and_ten_crops() -> None:
    image = ramp(1, 3, 3)
    corners = transforms.FiveCrop(1)(image)
    assert [corner.item() for corner in corners] == [0, 2, 6, 8, 4]
    assert [corner.item() for corner in transforms.TenCrop(1)(image)[5:]] == [2, 0, 8, 6, 4]


# Color


def test_colors_by_hand() -> None:
    image = flambeau.tensor([0.2, 0.4, 0.8]).reshape(3, 1, 1)
    gray = 0.2989 * 0.2 + 0.587 * 0.4 + 0.114 * 0.8
    numpy.testing.assert_allclose(functional.rgb_to_grayscale(image).item(), gray, rtol=1e-6)
    faded = functional.adjust_saturation(image, 0.0)
    numpy.testing.assert_allclose(faded.flatten().numpy(), [gray] * 3, rtol=1e-6)
    bright = functional.adjust_brightness(image, 2.0)
    numpy.testing.assert_allclose(bright.flatten().numpy(), [0.4, 0.8, 1.0], rtol=1e-6)
    # A third of the circle takes red to green, green to blue, blue to red.
    turned = functional.adjust_hue(image, 1 / 3)
    numpy.testing.assert_allclose(turned.flatten().numpy(), [0.8, 0.2, 0.4], atol=1e-6)
    dark = flambeau.tensor([[0, 100, 200]], dtype=flambeau.uint8)
    assert functional.invert(dark).tolist() == [[255, 155, 55]]
    assert functional.solarize(dark, 100).tolist() == [[0, 155, 55]]
    assert functional.posterize(dark, 2).tolist() == [[0, 64, 192]]


def test_unchanged_where_the_factor_is_one(photo: Image.Image) -> None:
    image = functional.pil_to_tensor(photo)
    for name, factor in (("brightness", 1), ("contrast", 1), ("saturation", 1), ("hue", 0)):
        adjust = getattr(functional, f"adjust_{name}")
        assert flambeau.equal(adjust(image, factor), image)


# Randomness


def test_the_draws_are_torchvisions() -> None:
    """What torchvision 0.28 draws after torch.manual_seed(0), written down."""
    image = flambeau.zeros(3, 40, 60)
    flambeau.manual_seed(0)
    crops = [transforms.RandomCrop.get_params(image, (10, 20)) for _ in range(3)]
    assert crops == CROPS
    flambeau.manual_seed(0)
    windows = [
        transforms.RandomResizedCrop.get_params(image, (0.08, 1.0), (0.75, 4 / 3)) for _ in range(3)
    ]
    assert windows == WINDOWS
    flambeau.manual_seed(0)
    order, *factors = transforms.ColorJitter.get_params((0.5, 1.5), None, (0.0, 2.0), (-0.1, 0.1))
    assert order.tolist() == ORDER
    assert factors == [None if one is None else pytest.approx(one, abs=1e-6) for one in FACTORS]
    flambeau.manual_seed(0)
    angles = [transforms.RandomRotation.get_params([-30, 30]) for _ in range(3)]
    assert angles == pytest.approx(ANGLES, abs=1e-5)


CROPS = [(18, 24, 10, 20), (15, 9, 10, 20), (27, 29, 10, 20)]
WINDOWS = [(5, 14, 33, 39), (3, 13, 28, 31), (5, 16, 33, 36)]
ORDER = [0, 1, 3, 2]
FACTORS = [0.6320304870605469, None, 0.6148456335067749, 0.026815736666321754]
ANGLES = [-0.22460460662841797, 16.093307495117188, -24.691354751586914]


@pytest.mark.parametrize(
    "transform",
    [
        transforms.RandomCrop(8, padding=2),
        transforms.RandomResizedCrop(8),
        transforms.RandomHorizontalFlip(),
        transforms.RandomVerticalFlip(),
        transforms.ColorJitter(0.5, 0.5, 0.5, 0.2),
        transforms.RandomRotation(30),
        transforms.RandomAffine(30, (0.2, 0.2), (0.5, 1.5), 10),
        transforms.RandomErasing(),
        transforms.RandomGrayscale(0.5),
        transforms.RandomApply([transforms.RandomCrop(8)]),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_equal_seeds_give_equal_images_and_others_do_not(transform: object) -> None:
    image = functional.convert_image_dtype(ramp(3, 9, 9, dtype=flambeau.uint8))

    def some(seed: int) -> list:
        flambeau.manual_seed(seed)
        return [transform(image).tolist() for _ in range(6)]

    assert some(1) == some(1)
    assert some(1) != some(2)


def test_choices_come_from_pythons_random() -> None:
    choice = transforms.RandomChoice([lambda image: 1, lambda image: 2], p=[0.25, 0.75])
    random.seed(0)
    drawn = [choice(0) for _ in range(200)]
    assert 30 < drawn.count(1) < 70
    order = transforms.RandomOrder([lambda text: text + "a", lambda text: text + "b"])
    assert {order("") for _ in range(30)} == {"ab", "ba"}


# Together


def test_a_pipeline_is_a_module_prints_and_pickles(photo: Image.Image) -> None:
    resize = nn.Sequential(transforms.Resize(20), transforms.CenterCrop(16))
    pipeline = transforms.Compose([resize, transforms.ToTensor()])
    assert pipeline(photo).shape == (3, 16, 16)
    assert repr(transforms.Compose([transforms.Pad(1), transforms.ToTensor()])) == (
        "Compose(\n    Pad(padding=1, fill=0, padding_mode=constant)\n    ToTensor()\n)"
    )
    again = pickle.loads(pickle.dumps(pipeline))  # as a DataLoader's worker does
    assert flambeau.equal(again(photo), pipeline(photo))


# Bad input


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda image: functional.to_tensor("cat.png"), TypeError, "Pillow image or an array"),
        (lambda image: functional.to_tensor(numpy.zeros(3)), ValueError, r"shape \[3\]"),
        (lambda image: functional.pil_to_tensor(image), TypeError, "expected a Pillow image"),
        (lambda image: functional.to_pil_image(flambeau.zeros(5, 2, 2)), ValueError, "4 channels"),
        (lambda image: functional.to_pil_image(image, "LA"), ValueError, "RGB.*YCbCr.*HSV"),
        (
            lambda image: functional.to_pil_image(image.to(flambeau.int64)),
            TypeError,
            "int64 with 3 channels",
        ),
        (lambda image: functional.hflip([1, 2]), TypeError, "Pillow image or a flambeau tensor"),
        (
            lambda image: functional.normalize(image.float(), [0.5, 0.5], [1.0, 1.0, 1.0]),
            RuntimeError,
            "mean has 2 values for an image of 3 channels",
        ),
        (
            lambda image: functional.normalize(image.float(), [0.5] * 3, [1.0] * 4),
            RuntimeError,
            "std has 4 values for an image of 3 channels",
        ),
        (
            lambda image: functional.normalize(image.float(), [0.5] * 3, [1.0, 0.0, 1.0]),
            ValueError,
            "divides by zero",
        ),
        (lambda image: functional.normalize(image, [0.5], [1.0]), TypeError, "flambeau.uint8"),
        (
            lambda image: functional.rgb_to_grayscale(flambeau.zeros(2, 4, 4)),
            TypeError,
            "2 channels.*expected 1 or 3",
        ),
        (
            lambda image: functional.resize(image, 4, transforms.InterpolationMode.LANCZOS),
            ValueError,
            "lanczos of a tensor",
        ),
        (
            lambda image: functional.rotate(image, 4, transforms.InterpolationMode.BICUBIC),
            ValueError,
            "bicubic of a tensor",
        ),
        (
            lambda image: functional.rotate(image, 4, fill=[1, 2]),
            ValueError,
            "2 values.*3 channels",
        ),
        (lambda image: functional.resize(image, 0), ValueError, "at least one pixel"),
        (lambda image: functional.resize(image, 4, 17), TypeError, "InterpolationMode"),
        (lambda image: functional.equalize(image), TypeError, "expected a Pillow image"),
        (
            lambda image: functional.pad(image, 9, padding_mode="reflect"),
            RuntimeError,
            "less than the side",
        ),
        (lambda image: functional.hflip(flambeau.zeros(3)), TypeError, r"shape \[3\]"),
        (lambda image: transforms.RandomCrop(9)(image), ValueError, r"\(9, 9\).*\(8, 8\)"),
        (lambda image: transforms.RandomErasing(1.5), ValueError, "0 to 1"),
        (
            lambda image: functional.convert_image_dtype(image.float(), flambeau.int32),
            RuntimeError,
            "cannot be done safely",
        ),
    ],
)
def test_refused(call: object, error: type[Exception], message: str) -> None:
    image = ramp(3, 8, 8, dtype=flambeau.uint8)
    with pytest.raises(error, match=message) as raised:
        call(image)
    assert "\n" not in str(raised.value)


def test_a_truncated_picture_says_so(photo: Image.Image) -> None:
    file = io.BytesIO()
    photo.resize((200, 200)).save(file, "JPEG")
    cut = Image.open(io.BytesIO(file.getvalue()[:-2000]))
    with pytest.raises(OSError, match="cut short or damaged"):
        transforms.ToTensor()(cut)


def test_filters_by_hand() -> None:
    dot = flambeau.zeros(1, 3, 3)
    dot[0, 1, 1] = 13.0
    smooth = functional.adjust_sharpness(dot / 13.0, 0.0)
    numpy.testing.assert_allclose(smooth[0, 1].numpy(), [0.0, 5 / 13, 0.0], rtol=1e-6)
    blurred = functional.gaussian_blur(dot, [3, 1], [0.5, 1.0])
    side = numpy.exp(-2.0)
    # The mirror of the border shows the dot a second time to the pixels beside it.
    expected = 13.0 * numpy.array([2.0 * side, 1.0, 2.0 * side]) / (1.0 + 2.0 * side)
    numpy.testing.assert_allclose(blurred[0, 1].numpy(), expected, rtol=1e-6)
    assert blurred[0, 0].tolist() == [0.0, 0.0, 0.0]
    stretched = functional.autocontrast(flambeau.tensor([[[10, 20]]], dtype=flambeau.uint8))
    assert stretched.tolist() == [[[0, 255]]]
    flat = flambeau.full((1, 2, 2), 7, dtype=flambeau.uint8)
    assert flambeau.equal(functional.autocontrast(flat), flat)
