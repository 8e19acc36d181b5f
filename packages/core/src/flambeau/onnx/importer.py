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
from .program import Program, Reader


class Model:
    """An imported ONNX model: `model(*inputs)` gives a tensor, or a tuple of them.

    `input_names`, `input_shapes` (None for an open size), `input_dtypes` and `output_names` say what it takes and gives.
    Its weights are the tensors in `weights`, by name.
    """

    def __init__(self, proto: Any, folder: str | None = None) -> None:
        graph = proto.graph
        self._program = Program(graph, Reader(proto, folder))
        self.weights: dict[str, Tensor] = self._program.weights
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

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Runs the model on tensors (or NumPy arrays), by position or by name."""
        results = tuple(self._program.run(self._arguments(inputs, named)))
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
        return f"<onnx model ({ins}) -> {', '.join(self.output_names)}, {len(self._program.steps)} nodes>"


def _shape(info: Any) -> list[int | None] | None:
    kind = info.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]


def load(f: Any) -> Model:
    """Reads an ONNX file (path, binary file or bytes) as a callable model.

    Of a path, weights that the model keeps in files beside it are read as well. RuntimeError for a file that is no ONNX
    model or uses operators we lack.

    >>> import flambeau
    >>> proto = flambeau.onnx.export(flambeau.nn.ReLU(), (flambeau.zeros(2),))
    >>> flambeau.onnx.load(proto.SerializeToString())(flambeau.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    library = onnx()
    path = None
    if isinstance(f, bytes):
        data = f
    elif hasattr(f, "read"):
        data = f.read()
    else:
        path = os.fspath(f)
        with open(path, "rb") as file:
            data = file.read()
    folder = None if path is None else os.path.dirname(os.path.abspath(path))
    try:
        proto = library.load_model_from_string(data)
        if not proto.graph.node and not proto.graph.output:
            raise ValueError("it holds no graph")
        library.checker.check_model(proto if path is None else path)
        if proto.functions:
            proto = library.inliner.inline_local_functions(proto)
    except Exception as error:  # protobuf's, checker's and our own: all mean the same to the reader
        name = "the data" if path is None else path
        raise RuntimeError(
            f"onnx.load: {name} is not a valid ONNX model: {str(error).splitlines()[0]}"
        ) from None
    return Model(proto, folder)
