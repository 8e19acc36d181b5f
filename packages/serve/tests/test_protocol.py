"""Whole requests and responses of the Open Inference Protocol, without a server."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flambeau_serve import InputError
from flambeau_serve.protocol import InferRequest, parse, render

X = {"name": "x", "datatype": "FP32", "shape": [2], "data": [1, 2]}


def with_x(**changes: Any) -> bytes:
    return json.dumps({"inputs": [X | changes]}).encode()


def test_reads_a_request() -> None:
    request = parse(json.dumps({"id": "7", "inputs": [X], "outputs": [{"name": "y"}]}).encode())
    np.testing.assert_array_equal(request.inputs["x"], np.array([1, 2], dtype=np.float32))
    assert (request.id, request.outputs, request.binary) == ("7", {"y": False}, False)


def test_reads_binary_tensors_in_order() -> None:
    inputs = [
        {"name": "a", "datatype": "INT16", "shape": [2], "parameters": {"binary_data_size": 4}},
        X,
        {"name": "b", "datatype": "UINT8", "shape": [1], "parameters": {"binary_data_size": 1}},
    ]
    head = json.dumps({"inputs": inputs}).encode()
    request = parse(head + b"\1\0\2\0\7", len(head))
    assert {name: array.tolist() for name, array in request.inputs.items()} == {
        "a": [1, 2],
        "x": [1.0, 2.0],
        "b": [7],
    }


def test_binary_outputs_follow_the_request() -> None:
    document = {
        "inputs": [X],
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "a"}, {"name": "b", "parameters": {"binary_data": False}}],
    }
    request = parse(json.dumps(document).encode())
    assert request.outputs == {"a": True, "b": False}
    outputs = {"b": np.array([1, 2]), "a": np.array([3], dtype=np.int8), "c": np.array([4])}
    body, headers = render(outputs, model="m", version="1", request=request)
    length = int(headers["inference-header-content-length"])
    answer = json.loads(body[:length])
    assert answer["outputs"] == [
        {"name": "a", "datatype": "INT8", "shape": [1], "parameters": {"binary_data_size": 1}},
        {"name": "b", "datatype": "INT64", "shape": [2], "data": [1, 2]},
    ]
    assert body[length:] == b"\3"
    assert headers["content-type"] == "application/octet-stream"


def test_renders_every_output_and_the_id() -> None:
    request = InferRequest({}, id="abc")
    body, headers = render({"y": np.ones((1, 2), bool)}, model="m", version="3", request=request)
    assert json.loads(body) == {
        "model_name": "m",
        "model_version": "3",
        "id": "abc",
        "outputs": [{"name": "y", "datatype": "BOOL", "shape": [1, 2], "data": [True, True]}],
    }
    assert headers == {"content-type": "application/json"}


def test_unknown_output() -> None:
    request = InferRequest({}, outputs={"z": False})
    with pytest.raises(InputError, match="output 'z' is unknown; model 'm' gives y"):
        render({"y": np.ones(1)}, model="m", version="1", request=request)


@pytest.mark.parametrize(
    "body, words",
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "not JSON"),
        (b"[]", "the request must be a JSON object, got list"),
        (b"{}", "inputs must be a list of tensors, got nothing"),
        (b'{"inputs": {}}', "inputs must be a list of tensors, got dict"),
        (b'{"inputs": []}', "inputs is empty"),
        (b'{"inputs": [1]}', r"inputs\[0\] must be a JSON object"),
        (b'{"inputs": [{}]}', r"inputs\[0\] needs a name"),
        (b'{"inputs": [{"name": "x"}]}', "input 'x': shape is missing"),
        (b'{"inputs": [{"name": "x", "shape": [1]}]}', "input 'x': datatype is missing"),
        (with_x(datatype="F32"), "input 'x': datatype 'F32' is unknown"),
        (with_x(shape=[3]), r"input 'x': data has 2 elements, but shape \[3\] needs 3"),
        (with_x(shape=[10**9, 10**9]), "input 'x': data has 2 elements"),
        (with_x(data=[1, float("nan")]), "NaN is not JSON"),
        (with_x(data=[1, float("inf")]), "Infinity is not JSON"),
        (with_x(parameters=[1]), "parameters of it must be a JSON object"),
        (with_x(parameters={"binary_data_size": 8}), "exclude each other"),
        (b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]}', "data is missing"),
        (json.dumps({"inputs": [X, X]}).encode(), "input 'x' comes twice"),
        (json.dumps({"inputs": [X], "id": 3}).encode(), "id must be a string"),
        (json.dumps({"inputs": [X], "outputs": {}}).encode(), "outputs must be a list"),
        (json.dumps({"inputs": [X], "outputs": [{}]}).encode(), r"outputs\[0\] needs a name"),
    ],
)
def test_bad_requests(body: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse(body)


@pytest.mark.parametrize(
    "size, rest, words",
    [
        (4, b"", "binary_data_size is 4, but 0 bytes are left"),
        (10**18, b"1234", "but 4 bytes are left"),
        (-1, b"1234", "must be a number of bytes"),
        (True, b"1", "must be a number of bytes"),
        (4, b"12345", "1 bytes of the body belong to no input"),
        (3, b"123", "3 bytes, but FP32"),
    ],
)
def test_bad_binary_requests(size: object, rest: bytes, words: str) -> None:
    x = {"name": "x", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [x]}).encode()
    with pytest.raises(InputError, match=words):
        parse(head + rest, len(head))


def test_binary_size_needs_the_header() -> None:
    x = {"name": "x", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}
    with pytest.raises(InputError, match="needs the header"):
        parse(json.dumps({"inputs": [x]}).encode())
    with pytest.raises(InputError, match="is 99, but the body has 2 bytes"):
        parse(b"{}", 99)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "shape", "datatype", "data", "parameters", "inputs", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values, st.none() | st.integers(-1, 200), st.binary(max_size=8))
def test_whatever_comes_is_read_or_refused(value: object, length: int | None, rest: bytes) -> None:
    body = json.dumps({"inputs": [value], "outputs": value}).encode() + rest
    with contextlib.suppress(InputError):  # any other error fails the test
        assert parse(body, length).inputs
