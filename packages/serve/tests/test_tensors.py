"""Tensors to and from JSON and bytes: exact both ways, and refused where they do not fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from ml_dtypes import bfloat16

from flambeau_serve import InputError
from flambeau_serve.datatypes import DTYPES, datatype_of, dtype_of
from flambeau_serve.tensors import from_bytes, from_json, read_shape, to_bytes, to_json

NUMERIC = [name for name in DTYPES if name not in ("BYTES", "BF16")]


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    dtype = draw(st.sampled_from([DTYPES[name] for name in NUMERIC]))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, max_side=4))
    finite = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else None
    return draw(hnp.arrays(dtype, shape, elements=finite))


@given(arrays())
def test_json_round_trip(array: np.ndarray) -> None:
    back = from_json(to_json(array), datatype_of(array.dtype), array.shape)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@given(arrays().filter(lambda array: array.ndim > 0))
def test_nested_json_is_the_same(array: np.ndarray) -> None:
    back = from_json(array.tolist(), datatype_of(array.dtype), array.shape)
    np.testing.assert_array_equal(back, array)


@given(arrays())
def test_binary_round_trip(array: np.ndarray) -> None:
    back = from_bytes(to_bytes(array), datatype_of(array.dtype), array.shape)
    assert back.dtype == array.dtype
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=5))
def test_bytes_round_trip(values: list[bytes]) -> None:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    assert from_bytes(to_bytes(array), "BYTES", array.shape).tolist() == values


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_strings_are_bytes_inside_and_text_outside(values: list[str]) -> None:
    array = from_json(values, "BYTES", (len(values),))
    assert array.tolist() == [value.encode() for value in values]
    assert to_json(array) == values


def test_strings_of_numpy_are_bytes() -> None:
    assert datatype_of(np.array(["a", "bc"]).dtype) == "BYTES"
    assert to_json(np.array(["a", "bc"])) == ["a", "bc"]
    assert to_bytes(np.array(["a", "bc"])) == b"\1\0\0\0a\2\0\0\0bc"


def test_bfloat16_both_ways() -> None:
    array = from_json([1.5, -2], "BF16", (2,))
    assert array.dtype == bfloat16
    assert to_json(array) == [1.5, -2.0]
    assert from_bytes(to_bytes(array), "BF16", (2,)).tolist() == [1.5, -2.0]


def test_binary_is_little_endian_whatever_the_array() -> None:
    assert to_bytes(np.array([1], dtype=">i4")) == b"\1\0\0\0"
    assert datatype_of(np.dtype(">i4")) == "INT32"


def test_binary_carries_nan_and_json_says_null() -> None:
    array = np.array([np.nan, np.inf, -np.inf, 1], dtype=np.float32)
    assert to_json(array) == [None, None, None, 1.0]
    np.testing.assert_array_equal(from_bytes(to_bytes(array), "FP32", (4,)), array)


def test_binary_booleans_are_zero_or_not() -> None:
    assert from_bytes(b"\0\1\xff", "BOOL", (3,)).tolist() == [False, True, True]


@pytest.mark.parametrize(
    "shape, words",
    [
        (None, "list of integers"),
        ("12", "list of integers"),
        ([1.0], "list of integers"),
        ([True], "list of integers"),
        ([0], "from 1 to"),
        ([-1], "from 1 to"),
        ([2**31], "from 1 to"),
        ([1] * 33, "33 dimensions"),
    ],
)
def test_bad_shapes(shape: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_shape(shape)


@pytest.mark.parametrize(
    "data, datatype, shape, words",
    [
        ({}, "FP32", (1,), "must be a list"),
        ([1], "FP32", (2**31 - 1, 2**31 - 1), "1 elements, but shape"),
        ([1, 2, 3], "FP32", (2,), "3 elements, but shape"),
        ([[1, 2], [3]], "FP32", (2, 2), "lists of 2 at depth 1, got 1 elements"),
        ([[1, 2], 3], "FP32", (2, 2), "at depth 1, got 3"),
        ([[1, 2]], "FP32", (2,), "lists of 2 at depth 0"),
        ([[1], [2]], "FP32", (2,), "takes numbers"),
        ([[[1], [2]]], "FP32", (1, 2), "takes numbers"),
        (["1"], "FP32", (1,), "takes numbers"),
        ([None], "FP32", (1,), "takes numbers"),
        ([True], "FP32", (1,), "takes numbers"),
        ([1e39], "FP32", (1,), "does not fit"),
        ([math.inf], "FP64", (1,), "does not fit"),
        ([70000.0], "FP16", (1,), "does not fit"),
        ([10**400], "FP64", (1,), "does not fit"),
        ([1.0], "INT32", (1,), "takes integers"),
        ([True], "INT8", (1,), "takes integers"),
        ([128], "INT8", (1,), r"does not fit datatype INT8 \(-128 to 127\)"),
        ([-1], "UINT64", (1,), "does not fit"),
        ([2**64], "UINT64", (1,), "does not fit"),
        ([1], "BOOL", (1,), "takes true and false"),
        ([1], "BYTES", (1,), "takes strings"),
        (["\ud800"], "BYTES", (1,), "surrogate"),
    ],
)
def test_bad_json(data: object, datatype: str, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        from_json(data, datatype, shape)


@pytest.mark.parametrize(
    "raw, datatype, shape, words",
    [
        (b"123", "FP32", (1,), "3 bytes, but"),
        (b"", "FP32", (2**31 - 1, 2**31 - 1, 2**31 - 1), "0 bytes, but"),
        (b"\5\0\0\0abc", "BYTES", (1,), "cut short"),
        (b"\5\0", "BYTES", (1,), "cut short"),
        (b"\1\0\0\0a", "BYTES", (2,), "exactly 2"),
        (b"\1\0\0\0a\1\0\0\0b", "BYTES", (1,), "exactly 1"),
        (b"\xff\xff\xff\xff", "BYTES", (1,), "cut short"),
    ],
)
def test_bad_binary(raw: bytes, datatype: str, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        from_bytes(raw, datatype, shape)


@pytest.mark.parametrize("datatype", ["fp32", "STRING", "", None, 3, ["FP32"]])
def test_unknown_datatype(datatype: object) -> None:
    with pytest.raises(InputError, match="is unknown; expected one of BOOL"):
        dtype_of(datatype)


def test_outputs_without_a_datatype_are_named() -> None:
    with pytest.raises(TypeError, match="complex64"):
        datatype_of(np.dtype("complex64"))
    with pytest.raises(TypeError, match="str or bytes, got int"):
        to_json(np.array([1], dtype=object))
    with pytest.raises(InputError, match="not UTF-8"):
        to_json(np.array([b"\xff"], dtype=object))
