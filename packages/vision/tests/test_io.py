"""Image files: every kind, every read mode, orientation, and files that are damaged."""

from __future__ import annotations

import io
import pathlib

import numpy
import pytest
from PIL import Image

import flambeau
from flambeau_vision.io import (
    ImageReadMode,
    decode_image,
    decode_jpeg,
    decode_png,
    encode_jpeg,
    encode_png,
    read_file,
    read_image,
    write_file,
    write_jpeg,
    write_png,
)


def encoded(image: Image.Image, kind: str, **options: object) -> flambeau.Tensor:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return flambeau.tensor(list(file.getvalue()), dtype=flambeau.uint8)


def channels_first(image: Image.Image) -> numpy.ndarray:
    pixels = numpy.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_unchanged(photo: Image.Image, mode: str, kind: str) -> None:
    if kind == "WEBP" and mode in ("L", "LA"):
        mode = "RGB"  # a WebP has no gray
    picture = photo.convert(mode)
    if mode.endswith("A"):
        picture.putalpha(photo.convert("L"))
    got = decode_image(encoded(picture, kind, lossless=True, exact=True))
    assert got.dtype == flambeau.uint8
    assert numpy.array_equal(got.numpy(), channels_first(picture))


@pytest.mark.parametrize(
    "mode, pillow", [("GRAY", "L"), ("GRAY_ALPHA", "LA"), ("RGB", "RGB"), ("RGB_ALPHA", "RGBA")]
)
@pytest.mark.parametrize("stored", ["L", "RGB", "RGBA", "P"])
def test_read_modes(photo: Image.Image, stored: str, mode: str, pillow: str) -> None:
    picture = photo.convert(stored)
    expected = channels_first(picture.convert(pillow))
    for wanted in (ImageReadMode[mode], mode, mode.lower()):
        assert numpy.array_equal(decode_png(encoded(picture, "PNG"), wanted).numpy(), expected)


def test_palettes_bits_and_sixteen_bits(photo: Image.Image) -> None:
    assert decode_image(encoded(photo.convert("P"), "PNG")).shape == (3, 23, 31)
    clear = photo.convert("P")
    assert decode_image(encoded(clear, "PNG", transparency=0)).shape == (4, 23, 31)
    bits = decode_image(encoded(photo.convert("1"), "PNG"))
    assert set(bits.unique().tolist()) == {0, 255}
    deep = Image.fromarray(numpy.array([[0, 40000, 65535]], numpy.uint16))
    got = decode_image(encoded(deep, "PNG"))
    assert got.dtype == flambeau.uint16
    assert got.tolist() == [[[0, 40000, 65535]]]


def test_animations_come_as_frames(photo: Image.Image) -> None:
    frames = [photo, photo.transpose(Image.Transpose.ROTATE_180)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(data).shape == (2, 3, 23, 31)
    assert decode_image(encoded(photo, "GIF")).shape == (3, 23, 31)
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert numpy.array_equal(decode_image(data).numpy(), channels_first(photo))


def test_a_decompression_bomb_is_refused(
    photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(RuntimeError, match=r"exceeds limit.*MAX_IMAGE_PIXELS"):
        decode_image(encoded(photo, "PNG"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(photo: Image.Image, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photo, "PNG", exif=exif)
    pixels = channels_first(photo)
    assert numpy.array_equal(decode_image(data).numpy(), pixels)
    # What each number means, by the EXIF standard: where row 0 and column 0 of the file belong.
    upright = {
        1: pixels,
        2: pixels[:, :, ::-1],
        3: pixels[:, ::-1, ::-1],
        4: pixels[:, ::-1],
        5: pixels.transpose(0, 2, 1),
        6: numpy.rot90(pixels, -1, (1, 2)),
        7: pixels[:, ::-1, ::-1].transpose(0, 2, 1),
        8: numpy.rot90(pixels, 1, (1, 2)),
    }[orientation]
    got = decode_image(data, apply_exif_orientation=True)
    assert numpy.array_equal(got.numpy(), upright)


def test_png_there_and_back(photo: Image.Image, tmp_path: pathlib.Path) -> None:
    pixels = flambeau.from_numpy(numpy.ascontiguousarray(channels_first(photo)))
    for image in (pixels, pixels[:1]):
        write_png(image, tmp_path / "photo.png", compression_level=1)
        assert flambeau.equal(read_image(tmp_path / "photo.png"), image)
    small, large = (encode_png(pixels, compression_level=level) for level in (9, 0))
    assert len(small) < len(large)


def test_jpeg_there_and_nearly_back(tmp_path: pathlib.Path) -> None:
    smooth = flambeau.arange(3 * 32 * 32).reshape(3, 32, 32) // 13
    image = smooth.to(flambeau.uint8)
    write_jpeg(image, tmp_path / "smooth.jpg", quality=95)
    back = read_image(str(tmp_path / "smooth.jpg"))
    assert back.shape == image.shape
    difference = (back.to(flambeau.int32) - image.to(flambeau.int32)).abs()
    assert difference.to(flambeau.float32).mean().item() < 4
    assert len(encode_jpeg(image, quality=10)) < len(encode_jpeg(image, quality=95))
    assert decode_jpeg(encode_jpeg(image[:1])).shape == (1, 32, 32)


def test_files_as_bytes(tmp_path: pathlib.Path) -> None:
    data = flambeau.tensor([1, 2, 255], dtype=flambeau.uint8)
    write_file(tmp_path / "data", data)
    assert flambeau.equal(read_file(tmp_path / "data"), data)


def test_a_cut_file_is_named(photo: Image.Image, tmp_path: pathlib.Path) -> None:
    for kind in ("PNG", "JPEG", "WEBP"):
        content = bytes(encoded(photo.resize((300, 200)), kind).tolist())
        path = tmp_path / f"cut.{kind}"
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(RuntimeError, match=rf"cut\.{kind}.*cut short or damaged"):
            read_image(path)
    for content, start in ((b"", ""), (b"GARBAGE", "47 41 52 42"), (b"BM" + bytes(60), "42 4d")):
        path.write_bytes(content)
        with pytest.raises(RuntimeError, match=rf"starting {start}.*expected one of JPEG, PNG"):
            read_image(path)
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "nowhere.png")


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda: decode_image(flambeau.zeros(4)),
            RuntimeError,
            r"float32\[4\]; expected a 1-d uint8",
        ),
        (lambda: decode_image(b"bytes"), RuntimeError, "bytes; expected a 1-d uint8"),
        (
            lambda: decode_image(flambeau.zeros(4, dtype=flambeau.uint8), "CMYK"),
            ValueError,
            "'CMYK'; expected one of UNCHANGED, GRAY",
        ),
        (lambda: encode_png(flambeau.zeros(3, 4, 4)), RuntimeError, "float32; expected a uint8"),
        (
            lambda: encode_png(flambeau.zeros(2, 4, 4, dtype=flambeau.uint8)),
            RuntimeError,
            r"\[2, 4, 4\].*1 or 3 channels",
        ),
        (
            lambda: encode_png(flambeau.zeros(4, 4, dtype=flambeau.uint8)),
            RuntimeError,
            r"\[4, 4\].*1 or 3 channels",
        ),
        (
            lambda: encode_png(flambeau.zeros(1, 4, 4, dtype=flambeau.uint8), 10),
            RuntimeError,
            "10; expected 0 to 9",
        ),
        (
            lambda: encode_jpeg(flambeau.zeros(1, 4, 4, dtype=flambeau.uint8), 0),
            ValueError,
            "0; expected 1 to 100",
        ),
    ],
)
def test_refused(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
