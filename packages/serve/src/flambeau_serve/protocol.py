"""Infer requests and responses of the Open Inference Protocol v2 (KServe V2), with binary tensor data.

`parse` turns a body into arrays, `render` turns arrays into a body. Both are pure: no model, no HTTP. A body that is
not what the protocol says is an InputError naming the tensor and the field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from .datatypes import Array, datatype_of, dtype_of
from .errors import InputError
from .tensors import from_bytes, from_json, read_shape, to_bytes, to_json

HEADER = "inference-header-content-length"


@dataclass(slots=True)
class InferRequest:
    """One request: the arrays that came, and which outputs are wanted back in which form."""

    inputs: dict[str, Array]
    id: str | None = None
    outputs: dict[str, bool] | None = None
    """Wanted outputs and whether each travels as binary; None is all of them."""
    binary: bool = field(default=False)
    """Whether outputs that say nothing themselves travel as binary."""


def parse(body: bytes, header_length: int | None = None) -> InferRequest:
    """Read an infer request; with `header_length` its JSON ends there and raw tensors follow.

    >>> from flambeau_serve.protocol import parse
    >>> parse(b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "data": [1, 2]}]}').inputs
    {'x': array([1., 2.], dtype=float32)}
    """
    cut = len(body) if header_length is None else header_length
    if not 0 <= cut <= len(body):
        raise InputError(f"{HEADER} is {cut}, but the body has {len(body)} bytes")
    document = _object(_load_json(body[:cut]), "the request")
    inputs = _list(document, "inputs")
    if not inputs:
        raise InputError("inputs is empty; expected at least one tensor")
    parameters = _parameters(document, "the request")
    blobs = _Blobs(memoryview(body)[cut:], allowed=header_length is not None)
    arrays: dict[str, Array] = {}
    for position, item in enumerate(inputs):
        name, array = _read_input(_object(item, f"inputs[{position}]"), position, blobs)
        if name in arrays:
            raise InputError(f"input {name!r} comes twice")
        arrays[name] = array
    blobs.finish()
    return InferRequest(
        arrays,
        id=_optional_text(document, "id"),
        outputs=_wanted(document) if "outputs" in document else None,
        binary=_flag(parameters, "binary_data_output", "the request"),
    )


def _read_input(item: dict[str, Any], position: int, blobs: _Blobs) -> tuple[str, Array]:
    name = item.get("name")
    if not isinstance(name, str):
        raise InputError(f"inputs[{position}] needs a name")
    try:
        for key in ("shape", "datatype"):
            if key not in item:
                raise InputError(f"{key} is missing")
        shape = read_shape(item["shape"])
        datatype = item["datatype"]
        dtype_of(datatype)
        size = _parameters(item, "it").get("binary_data_size")
        if size is not None:
            if "data" in item:
                raise InputError("data and binary_data_size exclude each other")
            return name, from_bytes(blobs.take(size), datatype, shape)
        if "data" not in item:
            raise InputError("data is missing")
        return name, from_json(item["data"], datatype, shape)
    except InputError as error:
        raise InputError(f"input {name!r}: {error}") from None


class _Blobs:
    """The raw tensors behind the JSON, taken one after the other and used up exactly."""

    def __init__(self, rest: memoryview, *, allowed: bool) -> None:
        self._rest = rest
        self._allowed = allowed

    def take(self, size: object) -> memoryview:
        if not self._allowed:
            raise InputError(f"binary_data_size needs the header {HEADER}")
        if type(size) is not int or size < 0:
            raise InputError(f"binary_data_size must be a number of bytes, got {size!r}")
        if size > len(self._rest):
            raise InputError(f"binary_data_size is {size}, but {len(self._rest)} bytes are left")
        blob, self._rest = self._rest[:size], self._rest[size:]
        return blob

    def finish(self) -> None:
        if len(self._rest):
            raise InputError(f"{len(self._rest)} bytes of the body belong to no input")


def _wanted(document: dict[str, Any]) -> dict[str, bool] | None:
    wanted: dict[str, bool] = {}
    binary = _flag(_parameters(document, "the request"), "binary_data_output", "the request")
    for position, item in enumerate(_list(document, "outputs")):
        where = f"outputs[{position}]"
        item = _object(item, where)
        name = item.get("name")
        if not isinstance(name, str):
            raise InputError(f"{where} needs a name")
        parameters = {"binary_data": binary} | _parameters(item, where)
        wanted[name] = _flag(parameters, "binary_data", where)
    return wanted or None


def render(
    outputs: Mapping[str, Array],
    *,
    model: str,
    version: str,
    request: InferRequest,
) -> tuple[bytes, dict[str, str]]:
    """Write an infer response: its body, and the headers it needs.

    >>> import numpy as np
    >>> from flambeau_serve.protocol import InferRequest, render
    >>> body, headers = render({"y": np.ones(1)}, model="m", version="1", request=InferRequest({}))
    >>> body
    b'{"model_name":"m","model_version":"1","outputs":[{"name":"y","datatype":"FP64","shape":[1],"data":[1.0]}]}'
    """
    wanted = request.outputs or dict.fromkeys(outputs, request.binary)
    tensors: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for name, binary in wanted.items():
        if name not in outputs:
            known = ", ".join(outputs)
            raise InputError(f"output {name!r} is unknown; model {model!r} gives {known}")
        array = outputs[name]
        tensor: dict[str, Any] = {
            "name": name,
            "datatype": datatype_of(array.dtype),
            "shape": list(array.shape),
        }
        if binary:
            blobs.append(to_bytes(array))
            tensor["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            tensor["data"] = to_json(array)
        tensors.append(tensor)
    document: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": tensors}
    if request.id is not None:
        document["id"] = request.id
    head = dump_json(document)
    if not blobs:
        return head, {"content-type": "application/json"}
    headers = {"content-type": "application/octet-stream", HEADER: str(len(head))}
    return b"".join([head, *blobs]), headers


def dump_json(document: object) -> bytes:
    """Compact JSON that every reader accepts: NaN and infinity never appear in it."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def _load_json(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise InputError("the body is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise InputError(f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"the body is not JSON: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise InputError(f"{name} is not JSON; send it as binary tensor data")


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where} must be a JSON object, got {type(value).__name__}")
    return value


def _list(document: dict[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    if not isinstance(value, list):
        came = "nothing" if key not in document else type(value).__name__
        raise InputError(f"{key} must be a list of tensors, got {came}")
    return value


def _parameters(document: dict[str, Any], where: str) -> dict[str, Any]:
    return _object(document.get("parameters") or {}, f"parameters of {where}")


def _flag(parameters: dict[str, Any], key: str, where: str) -> bool:
    value = parameters.get(key, False)
    if not isinstance(value, bool):
        raise InputError(f"{key} of {where} must be true or false, got {value!r}")
    return value


def _optional_text(document: dict[str, Any], key: str) -> str | None:
    value = document.get(key)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{key} must be a string, got {type(value).__name__}")
    return value
