"""The graph of an ONNX file as steps on tensors; programs within it (branches, loops) alike."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..ops.creation import from_numpy
from ..runtime.tensor import Tensor
from . import (  # noqa: F401, which enter their operators
    layers,
    operators,
    places,
    quantized,
    recurrences,
)
from .control import CONTROL
from .library import onnx
from .nodes import OPERATORS, Attributes, Function


class Step(NamedTuple):
    """One node: `function(attributes, *inputs)`, and the programs among its attributes."""

    function: Function
    attributes: Attributes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    programs: dict[str, Program]

    def reads(self) -> Iterator[str]:
        """All names that it needs, of values around its programs too."""
        yield from self.inputs
        for program in self.programs.values():
            yield from program.free


class Program:
    """A graph: its weights, and steps that make the outputs of the inputs.

    A program within another reads the values around it: their names are in `free`.
    """

    def __init__(self, graph: Any, reader: Reader) -> None:
        self.weights: dict[str, Tensor] = {
            t.name: from_numpy(reader.array(t)) for t in graph.initializer
        }
        self.inputs = [i.name for i in graph.input]
        self.outputs = [o.name for o in graph.output]
        self.steps = [reader.step(node) for node in graph.node]
        made = {*self.weights, *self.inputs, *(name for s in self.steps for name in s.outputs)}
        read = {*self.outputs, *(name for s in self.steps for name in s.reads())}
        self.free = read - made - {""}
        self._last_use = self._last_uses()

    def run(self, values: Mapping[str, Any], *given: Any) -> list[Any]:
        """The outputs, of values by name and of inputs in order."""
        env = {**values, **self.weights, **dict(zip(self.inputs, given)), "": None}
        for i, step in enumerate(self.steps):
            made = self._made(step, env)
            env.update(zip(step.outputs, made if isinstance(made, tuple) else (made,)))
            for name in self._last_use.get(i, ()):
                env.pop(name, None)
        return [env[name] for name in self.outputs]

    def _made(self, step: Step, env: dict[str, Any]) -> Any:
        missing = [name for name in step.reads() if name not in env]
        if missing:
            raise RuntimeError(
                f"onnx.load: node {step.attributes.kind} reads {missing[0]!r}, which nothing wrote"
            )
        inputs = [env[name] for name in step.inputs]
        if not step.programs:
            return step.function(step.attributes, *inputs)

        def run(name: str, *given: Any) -> list[Any]:
            return step.programs[name].run(env, *given)

        return step.function(step.attributes, run, *inputs)

    def _last_uses(self) -> dict[int, list[str]]:
        """Names to forget after each step, so that memory is free when a value is done."""
        made = {name for s in self.steps for name in s.outputs}
        last = {
            name: i
            for i, s in enumerate(self.steps)
            for name in (*s.reads(), *s.outputs)
            if name in made
        }
        found: dict[int, list[str]] = {}
        for name, i in last.items():
            if name and name not in self.outputs:
                found.setdefault(i, []).append(name)
        return found


class Reader:
    """Makes arrays and steps of what a file holds. `folder` is where weights in other files are looked for."""

    def __init__(self, model: Any, folder: str | None) -> None:
        self.library, self.folder = onnx(), folder
        self.opset = next((s.version for s in model.opset_import if s.domain in ("", "ai.onnx")), 1)
        if unknown := sorted(set(_unknown(model.graph))):
            raise RuntimeError(
                f"onnx.load: the model has operators that flambeau does not know: {', '.join(unknown)}"
            )

    def step(self, node: Any) -> Step:
        values: dict[str, Any] = {}
        programs: dict[str, Program] = {}
        for attribute in node.attribute:
            value = self.library.helper.get_attribute_value(attribute)
            if isinstance(value, self.library.GraphProto):
                programs[attribute.name] = Program(value, self)
            else:
                values[attribute.name] = self._plain(value)
        function = CONTROL[node.op_type] if programs else OPERATORS[_kind(node)]
        attributes = Attributes(node.op_type, values, self.opset, len(node.output))
        return Step(function, attributes, tuple(node.input), tuple(node.output), programs)

    def _plain(self, value: Any) -> Any:
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, self.library.TensorProto):
            return from_numpy(self.array(value))
        if isinstance(value, list) and value and isinstance(value[0], bytes):
            return [v.decode() for v in value]
        return value

    def array(self, tensor: Any) -> np.ndarray:
        """The numbers of a tensor, in the file or in one beside it."""
        if tensor.data_location == self.library.TensorProto.EXTERNAL:
            tensor.raw_data = self._beside(tensor)
            tensor.data_location = self.library.TensorProto.DEFAULT
        try:
            return np.array(self.library.numpy_helper.to_array(tensor))
        except ValueError as error:
            raise RuntimeError(f"onnx.load: weight {tensor.name!r} is damaged: {error}") from None

    def _beside(self, tensor: Any) -> bytes:
        """The bytes of a weight in a file beside the model. A file in another folder is none of the model's."""
        where = {entry.key: entry.value for entry in tensor.external_data}
        name = where.get("location", "")
        if self.folder is None:
            raise RuntimeError(
                f"onnx.load: weight {tensor.name!r} is kept in the file {name!r}; give the path of the model"
            )
        path = os.path.realpath(os.path.join(self.folder, name))
        if not path.startswith(os.path.realpath(self.folder) + os.sep):
            raise RuntimeError(
                f"onnx.load: weight {tensor.name!r} names {name!r}, which is not in the model's folder"
            )
        try:
            with open(path, "rb") as file:
                file.seek(int(where.get("offset", 0)))
                data = file.read(int(where.get("length", -1)))
        except OSError as error:
            raise RuntimeError(
                f"onnx.load: weight {tensor.name!r} cannot be read: {error}"
            ) from None
        if len(data) < int(where.get("length", 0)):
            raise RuntimeError(f"onnx.load: {path} ends within weight {tensor.name!r}")
        return data


def _kind(node: Any) -> str:
    """The operator type, with its domain if that is not ONNX's."""
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}::{node.op_type}"


def _unknown(graph: Any) -> Iterator[str]:
    """The operator types that we lack, of programs within too."""
    for node in graph.node:
        kind = _kind(node)
        if kind not in OPERATORS and kind not in CONTROL:
            yield kind
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _unknown(attribute.g)
