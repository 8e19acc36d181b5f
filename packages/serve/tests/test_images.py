"""Pictures: the steps of training, and no picture that could hurt."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flambeau_serve import ImageReader, InputError, LoadError, Preprocess, ServeError, TensorSpec
from flambeau_serve.images import decode, reader_for

GREY = TensorSpec("x", "FP32", (-1, 1, 4, 4))


def png(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **options)
    return file.getvalue()


def test_pixels_mean_and_std() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    transform = Preprocess(4, 4, 3, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    got = ImageReader(TensorSpec("x", "FP32", (-1, 3, 4, 4)), transform).read(png(pixels))
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.6, 0.7])
    want = ((pixels / 255 - mean) / std).transpose(2, 0, 1)[None]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_resizing_is_pillows_bilinear() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7), dtype=np.uint8)
    got = Preprocess(4, 6, 1)(Image.fromarray(pixels))
    want = np.asarray(Image.fromarray(pixels).resize((6, 4), Image.Resampling.BILINEAR)) / 255
    assert got.shape == (1, 4, 6)
    np.testing.assert_allclose(got[0], want, rtol=1e-6)


def test_invert() -> None:
    got = Preprocess(1, 1, 1, invert=True)(Image.new("L", (1, 1), 255))
    assert got.item() == 0


def test_colour_becomes_grey_and_sixteen_bits_become_eight() -> None:
    reader = reader_for((GREY,), None)
    assert reader is not None
    colour = reader.read(png(np.full((4, 4, 3), 255, np.uint8)))
    deep = reader.read(png(np.full((4, 4), 0x8000, np.uint16)))
    np.testing.assert_array_equal(colour, np.ones((1, 1, 4, 4)))
    np.testing.assert_allclose(deep, np.full((1, 1, 4, 4), 128 / 255), rtol=1e-6)


def test_a_camera_turned_on_its_side() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right to view
    Image.new("L", (8, 4)).save(file, "JPEG", exif=exif)
    assert decode(file.getvalue()).size == (4, 8)


def test_any_transform_will_do() -> None:
    reader = ImageReader(GREY, lambda image: np.asarray(image)[None] * 2.0)
    got = reader.read(png(np.full((4, 4), 3, np.uint8)))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, np.full((1, 1, 4, 4), 6))


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "WEBP"])
def test_other_formats_are_not_tried(kind: str) -> None:
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, kind)
    with pytest.raises(InputError, match="not a PNG or JPEG") as caught:
        decode(file.getvalue())
    assert caught.value.status == 415


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8000, 8000), (10_000, 10_000), (2**31 - 1, 2**31 - 1)])
def test_huge_pictures_are_refused_before_decoding(size: tuple[int, int]) -> None:
    with pytest.raises(InputError) as caught:
        decode(bomb(*size))
    assert caught.value.status == 413


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_cut_short(picture: Callable[..., bytes], kind: str) -> None:
    whole = picture(kind, size=64)
    for length in range(0, len(whole) - 20, max(1, len(whole) // 40)):
        with pytest.raises(InputError):
            decode(whole[:length])


@given(st.data())
def test_broken_bytes_never_crash(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG"]))
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (10, 20, 30)).save(file, kind)
    raw = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):  # any other error fails the test
        assert decode(bytes(raw)).convert("RGB").width > 0


def test_without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ServeError, match=r"pip install flambeau-serve\[image\]") as caught:
        decode(b"")
    assert caught.value.status == 501


@pytest.mark.parametrize(
    "spec",
    [
        TensorSpec("x", "INT64", (-1, 1, 4, 4)),
        TensorSpec("x", "FP32", (-1, 2, 4, 4)),
        TensorSpec("x", "FP32", (-1, 16)),
        TensorSpec("x", "FP32", (-1, 3, -1, -1)),
        TensorSpec("x", "FP32", (8, 3, 4, 4)),
    ],
)
def test_what_is_no_picture(spec: TensorSpec) -> None:
    assert reader_for((spec,), None) is None
    with pytest.raises(LoadError, match="preprocess is for pictures"):
        reader_for((spec,), {})


@pytest.mark.parametrize(
    "options, words",
    [
        ({"meen": 1}, "no key 'meen'; it takes invert, mean, std"),
        ({"mean": [1, 2]}, "mean needs 1 or 1 numbers, got 2"),
        ({"std": 0}, "std must be positive"),
        ({"mean": "a"}, "could not convert"),
        ({"std": {}}, "preprocess: "),
    ],
)
def test_bad_preprocess(options: dict[str, object], words: str) -> None:
    with pytest.raises(LoadError, match=words):
        reader_for((GREY,), options)
