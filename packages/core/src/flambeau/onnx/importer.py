"""`onnx.load`: an ONNX file as a callable of flambeau operators, node by node. Nothing in the file is executed as code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._base import dtypes
from ..ops.creation import from_numpy
from ..runtime.tensor import Tensor
from .library import dtype_of, onnx
from .operators import OPERATORS, Attributes


class Model:
    """An imported ONNX model: `model(*inputs)` gives a tensor, or a tuple of them.

    `input_names`, `input_shapes` (None for an open size), `input_dtypes` and `output_names` say what it takes and gives.
    Its weights are the tensors in `weights`, by name.
    """

    def __init__(self, proto: Any) -> None:
        library = onnx()
        graph = proto.graph
        self.weights: dict[str, Tensor] = {
            t.name: from_numpy(_array(library, t)) for t in graph.initializer
        }
        inputs = [i for i in graph.input if i.name not in self.weights]
        self.input_names = [i.name for i in inputs]
        self.input_shapes = [_shape(i) for i in inputs]
        self.input_dtypes: list[dtypes.dtype] = [
            dtype_of(i.type.tensor_type.elem_type) for i in inputs
        ]
        self.output_names = [o.name for o in graph.output]
        self.output_shapes = [_shape(o) for o in graph.output]
        self.output_dtypes: list[dtypes.dtype] = [
            dtype_of(o.type.tensor_type.elem_type) for o in graph.output
        ]
        self._steps = [_step(library, n) for n in graph.node]
        self._last_use = _last_uses(self._steps, self.output_names)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Runs the model on tensors (or NumPy arrays), by position or by name."""
        env: dict[str, Any] = dict(self.weights)
        env.update(self._arguments(inputs, named))
        env[""] = None
        for i, (kind, function, ins, outs, attributes) in enumerate(self._steps):
            try:
                made = function(attributes, *[env[name] for name in ins])
            except KeyError as error:
                raise RuntimeError(
                    f"onnx.load: node {kind} reads {error.args[0]!r}, which nothing wrote"
                ) from None
            for name, value in zip(outs, made if isinstance(made, tuple) else (made,)):
                env[name] = value
            for name in self._last_use.get(i, ()):
                del env[name]
        results = tuple(env[name] for name in self.output_names)
        return results[0] if len(results) == 1 else results

    def _arguments(self, inputs: tuple, named: Mapping[str, Any]) -> dict[str, Tensor]:
        if len(inputs) + len(named) != len(self.input_names):
            raise TypeError(
                f"onnx model takes {len(self.input_names)} inputs ({', '.join(self.input_names)}) but "
                f"{len(inputs) + len(named)} were given"
            )
        given = dict(zip(self.input_names, inputs)) | dict(named)
        out = {}
        for name, shape, d in zip(self.input_names, self.input_shapes, self.input_dtypes):
            if name not in given:
                raise TypeError(
                    f"onnx model has no value for its input {name!r}; it takes {self.input_names}"
                )
            x = given[name]
            x = x if isinstance(x, Tensor) else from_numpy(np.asarray(x))
            if x.dtype is not d:
                raise TypeError(
                    f"onnx model: input {name!r} must be {d.name}, but got {x.dtype.name}"
                )
            fits = shape is None or (
                len(shape) == x.ndim and all(n in (None, m) for n, m in zip(shape, x.shape))
            )
            if not fits:
                raise ValueError(
                    f"onnx model: input {name!r} must have shape {shape}, but got {list(x.shape)}"
                )
            out[name] = x
        return out

    def eval(self) -> Model:
        """The model itself; it has no training mode."""
        return self

    def __repr__(self) -> str:
        ins = ", ".join(
            f"{n}: {d.name}{s}"
            for n, d, s in zip(self.input_names, self.input_dtypes, self.input_shapes)
        )
        return f"<onnx model ({ins}) -> {', '.join(self.output_names)}, {len(self._steps)} nodes>"


def _array(library: Any, tensor: Any) -> np.ndarray:
    if tensor.HasField("data_location") and tensor.data_location == library.TensorProto.EXTERNAL:
        raise RuntimeError(
            f"onnx.load: weight {tensor.name!r} is kept in another file; save the model with its data inside"
        )
    return np.array(library.numpy_helper.to_array(tensor))


def _shape(info: Any) -> list[int | None] | None:
    kind = info.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]


def _step(library: Any, node: Any) -> tuple:
    function = OPERATORS.get(node.op_type)
    if function is None or node.domain not in ("", "ai.onnx"):
        known = ", ".join(sorted(OPERATORS))
        raise RuntimeError(
            f"onnx.load: operator {node.domain or 'ai.onnx'}::{node.op_type} is not known; known are {known}"
        )
    values = {a.name: library.helper.get_attribute_value(a) for a in node.attribute}
    for name, value in values.items():
        if isinstance(value, bytes):
            values[name] = value.decode()
        elif isinstance(value, library.TensorProto):
            values[name] = from_numpy(_array(library, value))
        elif isinstance(value, library.GraphProto):
            raise RuntimeError(
                f"onnx.load: {node.op_type} holds a program of its own, which is not supported"
            )
    return (
        node.op_type,
        function,
        tuple(node.input),
        tuple(node.output),
        Attributes(node.op_type, values),
    )


def _last_uses(steps: list[tuple], outputs: list[str]) -> dict[int, list[str]]:
    """Names to forget after each step, so that memory is free when a value is done."""
    last: dict[str, int] = {}
    made = {name for s in steps for name in s[3]}
    for i, s in enumerate(steps):
        for name in (*s[2], *s[3]):
            if name in made:
                last[name] = i
    found: dict[int, list[str]] = {}
    for name, i in last.items():
        if name and name not in outputs:
            found.setdefault(i, []).append(name)
    return found


def load(f: Any) -> Model:
    """Reads an ONNX file (path, binary file or bytes) as a callable model.

    RuntimeError for a file that is no ONNX model or uses operators we lack.

    >>> import flambeau
    >>> proto = flambeau.onnx.export(flambeau.nn.ReLU(), (flambeau.zeros(2),))
    >>> flambeau.onnx.load(proto.SerializeToString())(flambeau.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    library = onnx()
    if isinstance(f, bytes):
        data = f
    elif hasattr(f, "read"):
        data = f.read()
    else:
        with open(os.fspath(f), "rb") as file:
            data = file.read()
    try:
        proto = library.load_model_from_string(data)
        if not proto.graph.node and not proto.graph.output:
            raise ValueError("it holds no graph")
        library.checker.check_model(proto)
    except Exception as error:  # protobuf's, checker's and our own: all mean the same to the reader
        name = f if isinstance(f, (str, os.PathLike)) else "the data"
        raise RuntimeError(
            f"onnx.load: {name} is not a valid ONNX model: {str(error).splitlines()[0]}"
        ) from None
    return Model(proto)
