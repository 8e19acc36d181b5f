"""safetensors: round trips, the bytes of the format, and hostile headers. The reference is in the parity tests."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.runtime.tensor import wrap
from flambeau.serialization import safetensors
from flambeau.serialization.safetensors import SafetensorError


def file_of(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str, shape: Any, begin: Any, end: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_the_bytes_of_a_file() -> None:
    raw = safetensors.save(
        {"b": wrap(np.int16([1, 2])), "a": wrap(np.float32([[3.0]]))}, {"who": "me"}
    )
    length = int.from_bytes(raw[:8], "little")
    assert length % 8 == 0
    assert json.loads(raw[8 : 8 + length]) == {
        "__metadata__": {"who": "me"},
        "a": entry("F32", [1, 1], 0, 4),
        "b": entry("I16", [2], 4, 8),
    }
    assert raw[8 + length :] == np.float32([3]).tobytes() + np.int16([1, 2]).tobytes()


@pytest.mark.parametrize("name", list(safetensors._NAMES))
@pytest.mark.parametrize("shape", [(), (0, 2), (5,), (2, 3)])
def test_every_dtype_and_shape_comes_back(
    name: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    dtype = safetensors._NAMES[name]
    values = np.asarray(np.arange(int(np.prod(shape))).reshape(shape) % 3).astype(dtype.numpy)
    safetensors.save_file({"x": wrap(values)}, tmp_path / "x.safetensors")
    got = safetensors.load_file(tmp_path / "x.safetensors")["x"]
    assert (got.dtype, got.shape) == (dtype, shape)
    assert got._array.tobytes() == values.tobytes()


def test_tensors_in_any_layout_are_written_in_order() -> None:
    base = np.arange(6.0).reshape(2, 3)
    got = safetensors.load(
        safetensors.save({"turned": wrap(base.T), "back": wrap(np.arange(3.0)[::-1])})
    )
    np.testing.assert_array_equal(got["turned"]._array, base.T)
    np.testing.assert_array_equal(got["back"]._array, [2, 1, 0])


def test_shared_memory_is_refused_and_neighbours_are_not() -> None:
    base = np.arange(6.0)
    safetensors.save({"a": wrap(base[:3]), "b": wrap(base[3:])})
    with pytest.raises(RuntimeError, match="'all' and 'part' share memory"):
        safetensors.save({"part": wrap(base[1:2]), "all": wrap(base)})


def test_single_tensors_and_slices_out_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    safetensors.save_file({"w": wrap(values), "n": wrap(np.array(True))}, path, {"k": "v"})
    with safetensors.safe_open(path, "pt", "cpu") as file:
        assert (file.keys(), file.offset_keys(), file.metadata()) == (
            ["n", "w"],
            ["w", "n"],
            {"k": "v"},
        )
        part = file.get_slice("w")
        assert (part.get_shape(), part.get_dtype()) == ([3, 4], "F32")
        np.testing.assert_array_equal(part[1:, ::2]._array, values[1:, ::2])
        whole = file.get_tensor("w")
        with pytest.raises(SafetensorError, match="does not contain tensor 'x'"):
            file.get_tensor("x")
    whole._array[0] = 5  # a copy, which outlives the file
    np.testing.assert_array_equal(safetensors.load_file(path)["w"]._array, values)


def test_what_the_format_cannot_hold() -> None:
    with pytest.raises(SafetensorError, match="complex128, which the format lacks"):
        safetensors.save({"x": wrap(np.complex128([1]))})
    with pytest.raises(ValueError, match="expected tensors by name, got a ndarray for 'x'"):
        safetensors.save({"x": np.ones(1)})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="metadata must be strings"):
        safetensors.save({"x": flambeau.ones(1)}, {"a": 1})  # type: ignore[dict-item]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    safetensors.save_file({"x": flambeau.ones(1)}, path)
    with pytest.raises(SafetensorError):
        safetensors.save_file({"x": wrap(np.complex128([1]))}, path)
    assert list(safetensors.load_file(path)) == ["x"]


@pytest.mark.parametrize(
    "raw, text",
    [
        (b"", "header too small"),
        (b"1234567", "header too small"),
        (struct.pack("<Q", 2**63), "header too large"),
        (struct.pack("<Q", 100_000_001) + b"{}", "header too large"),
        (struct.pack("<Q", 99_999_999) + b"{}", "invalid header length"),
        (file_of(b""), "invalid header start"),
        (file_of(b"[]"), "invalid header start"),
        (file_of(b"{"), "invalid header: "),
        (file_of(b'{"\xff":1}'), "invalid header: "),
        (file_of(b'{"a":' + b"[" * 100_000), "invalid header: "),
        (file_of({"a": 3}), "needs exactly dtype, shape and data_offsets"),
        (file_of({"a": {**entry("F32", [1], 0, 4), "more": 1}}, bytes(4)), "needs exactly"),
        (file_of({"a": entry("F33", [1], 0, 4)}, bytes(4)), "of dtype 'F33'"),
        (file_of({"a": entry("F32", [-1], 0, 4)}, bytes(4)), "impossible shape"),
        (file_of({"a": entry("F32", [1.0], 0, 4)}, bytes(4)), "impossible shape"),
        (file_of({"a": entry("F32", [True], 0, 4)}, bytes(4)), "impossible shape"),
        (file_of({"a": entry("F32", [2**62, 2**62], 0, 0)}), "needs"),
        (file_of({"a": entry("F32", [1], -4, 0)}, bytes(4)), "impossible offsets"),
        (
            file_of({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}}, bytes(4)),
            "impossible offsets",
        ),
        (file_of({"a": entry("F32", [2], 0, 4)}, bytes(4)), "needs 8 bytes, but has 4"),
        (file_of({"a": entry("F32", [1], 4, 0)}, bytes(4)), "needs 4 bytes, but has -4"),
        (file_of({"a": entry("F32", [1], 0, 4)}, bytes(3)), "cut short"),
        (file_of({"a": entry("F32", [1], 0, 4)}, bytes(5)), "cut short"),
        (
            file_of({"a": entry("F32", [1], 4, 8)}, bytes(8)),
            "begins at 4, but the one before it ends at 0",
        ),
        (
            file_of({"a": entry("F32", [2], 0, 8), "b": entry("F32", [1], 4, 8)}, bytes(8)),
            "begins at 4, but the one before it ends at 8",
        ),
        (
            file_of(b'{"a":' + b'{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":1}'),
            "occurs twice",
        ),
        (file_of({"__metadata__": {"a": 1}}), "metadata must be strings"),
        (file_of({"__metadata__": []}), "metadata must be strings"),
    ],
)
def test_hostile_headers(raw: bytes, text: str, tmp_path: Path) -> None:
    with pytest.raises(SafetensorError, match=text):
        safetensors.load(raw)
    path = tmp_path / "x.safetensors"
    path.write_bytes(raw)
    with pytest.raises(SafetensorError, match=text), safetensors.safe_open(path):
        pass
