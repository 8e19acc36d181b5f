"""Exported programs in files: JSON for the calls, a checkpoint for the tensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .._base import devices, dtypes, formats, pytree
from ..graph import Call, Graph, Value
from ..onnx.sizes import OpenSize
from ..ops import load_all
from ..runtime.meta import Meta
from ..runtime.operator import registry
from ..runtime.tensor import Tensor
from ..serialization import load as load_checkpoint
from ..serialization import save as save_checkpoint
from ..transforms.writes import writes_as_choices
from .dims import Dim
from .exported import ExportedProgram

FORMAT = 1
_DTYPES = {d.name: d for d in dtypes.ALL}
_FORMATS = {f.name: f for f in formats.FORMATS}


def save(program: ExportedProgram, f: Any) -> None:
    """Writes a program to a path or a binary file: JSON for the calls, a checkpoint for the tensors."""
    graph = writes_as_choices(program.graph)
    at = {id(v): i for i, v in enumerate(_values(graph))}
    tensors = {str(at[id(v)]): v.tensor for v in (*graph.captured, *graph.constants)}

    def value(v: Value) -> list:
        return [v.name, v.meta.dtype.name, _plain(tuple(v.meta.shape), at), v.meta.device.type]

    described = {
        "format": FORMAT,
        "values": [value(v) for v in _values(graph)],
        "inputs": [at[id(v)] for v in graph.inputs],
        "captured": [[at[id(v)], v.source() if v.source else v.name] for v in graph.captured],
        "constants": [at[id(v)] for v in graph.constants],
        "calls": [
            [c.op, _plain(tuple(c.inputs), at), _plain(c.attrs, at), [at[id(v)] for v in c.outputs], c.several]
            for c in graph.calls
        ],
        "outputs": [at[id(v)] for v in graph.outputs],
        "dims": [[d.name, d.min, d.max] for d in program.dims],
        "outside": program.constants,
        "fleeting": program.fleeting,
        "fixed": None if program._fixed is None else [_plain(x, {}) for x in program._fixed],
        "structures": [_spec(program._inputs), _spec(program._results)],
    }  # fmt: skip
    save_checkpoint({"program": json.dumps(described), "tensors": tensors}, f)


def load(f: Any) -> ExportedProgram:
    """Reads a program that `save` wrote; nothing in the file is executed as code."""
    read = load_checkpoint(f)
    try:
        described, tensors = json.loads(read["program"]), read["tensors"]
        if described["format"] != FORMAT:
            raise RuntimeError(f"export.load: format {described['format']}, expected {FORMAT}")
        return _program_of(described, tensors)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise RuntimeError(f"export.load: the file does not hold a program: {error!r}") from None


def _program_of(described: dict[str, Any], tensors: dict[str, Tensor]) -> ExportedProgram:
    graph = Graph()
    values: list[Value] = []
    for name, dtype, shape, kind in described["values"]:
        meta = Meta(_read(shape, values), _DTYPES[dtype], devices.device(kind))
        values.append(Value(name, meta))
    graph.inputs = [values[i] for i in described["inputs"]]
    graph.outputs = [values[i] for i in described["outputs"]]
    graph.captured = [values[i] for i, _ in described["captured"]]
    graph.constants = [values[i] for i in described["constants"]]
    for kind, found in (
        ("input", graph.inputs),
        ("captured", graph.captured),
        ("constant", graph.constants),
    ):
        for v in found:
            v.kind = kind
            v.tensor = None if kind == "input" else tensors[str(values.index(v))]
    for v, (_, path) in zip(graph.captured, described["captured"]):
        v.source = lambda path=path: path
    load_all()
    for op, inputs, attrs, outputs, several in described["calls"]:
        if op not in registry:
            raise RuntimeError(
                f"export.load: the program calls {op}, which is no operator here; export it again"
            )
        graph.calls.append(
            Call(
                op,
                _read(inputs, values),
                _read(attrs, values),
                tuple(values[i] for i in outputs),
                several,
            )
        )
    dims = [Dim(n, min=low, max=high) for n, low, high in described["dims"]]
    inputs, results = (_spec_of(s) for s in described["structures"])
    outside, fleeting = (
        described.get(k, ()) for k in ("outside", "fleeting")
    )  # older files lack them
    fixed = described.get("fixed")
    held = None if fixed is None else [_read(x, []) for x in fixed]
    return ExportedProgram(graph, inputs, results, dims, outside, fleeting, held)


def _values(graph: Graph) -> list[Value]:
    """All values of a program, each once."""
    made = [v for c in graph.calls for v in c.outputs]
    return list(
        {id(v): v for v in (*graph.inputs, *graph.captured, *graph.constants, *made)}.values()
    )


def _plain(x: Any, at: dict[int, int]) -> Any:
    """A static argument as JSON: what JSON lacks becomes {kind: content}."""
    if isinstance(x, Value):
        return {"value": at[id(x)]}
    if isinstance(x, OpenSize):
        return {"open": [int(x), [[list(axes), factor] for axes, factor in x.terms.items()]]}
    if x is None or isinstance(x, (bool, str)):
        return x
    if isinstance(x, int):
        return int(x)
    if isinstance(x, float):
        return {"float": x.hex()}
    if isinstance(x, complex):
        return {"complex": [x.real.hex(), x.imag.hex()]}
    if isinstance(x, (tuple, list)):
        return {"list" if isinstance(x, list) else "tuple": [_plain(p, at) for p in x]}
    if isinstance(x, dict):
        return {"dict": [[k, _plain(p, at)] for k, p in x.items()]}
    if isinstance(x, slice):
        return {"slice": [_plain(p, at) for p in (x.start, x.stop, x.step)]}
    if x is Ellipsis:
        return {"ellipsis": 0}
    if isinstance(x, dtypes.dtype):
        return {"dtype": x.name}
    if isinstance(x, devices.device):
        return {"device": str(x)}
    if isinstance(x, formats.memory_format):
        return {"format": x.name}
    raise TypeError(
        f"export.save: an argument of a call is a {type(x).__name__}, which files do not hold"
    )


def _read(x: Any, values: Sequence[Value]) -> Any:
    """The argument that `_plain` wrote."""
    if not isinstance(x, dict):
        return x
    ((kind, content),) = x.items()
    parts = lambda: [_read(p, values) for p in content]  # noqa: E731
    return {
        "value": lambda: values[content],
        "open": lambda: OpenSize(content[0], {tuple(axes): factor for axes, factor in content[1]}),
        "float": lambda: float.fromhex(content),
        "complex": lambda: complex(*map(float.fromhex, content)),
        "list": parts,
        "tuple": lambda: tuple(parts()),
        "dict": lambda: {k: _read(p, values) for k, p in content},
        "slice": lambda: slice(*parts()),
        "ellipsis": lambda: Ellipsis,
        "dtype": lambda: _DTYPES[content],
        "device": lambda: devices.device(content),
        "format": lambda: _FORMATS[content],
    }[kind]()


def _spec(spec: Any) -> Any:
    """A structure as JSON."""
    if spec.cls is None:
        return None
    if spec.cls not in (tuple, list, dict):
        if not issubclass(spec.cls, tuple):
            raise TypeError(
                f"export.save: the model takes or gives a {spec.cls.__name__}, which files do not hold"
            )
        return ["tuple", None, [_spec(c) for c in spec.children]]
    return [
        spec.cls.__name__,
        list(spec.context) if spec.context is not None else None,
        [_spec(c) for c in spec.children],
    ]


def _spec_of(x: Any) -> Any:
    if x is None:
        return pytree.Spec(None)
    name, context, children = x
    cls = {"tuple": tuple, "list": list, "dict": dict}[name]
    return pytree.Spec(
        cls, None if context is None else tuple(context), tuple(map(_spec_of, children))
    )
