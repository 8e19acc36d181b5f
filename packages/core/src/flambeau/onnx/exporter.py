"""`onnx.export`: trace, simplify, write each call in its ONNX form."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import ir
from .._base import dtypes, pytree
from .._base.errors import MissingRule
from ..autograd.modes import no_grad
from ..graph import Call, Graph, Value
from ..graph.passes import simplify
from ..ops.creation import zeros
from ..runtime.backend import of_array
from ..runtime.meta import Meta
from ..runtime.operator import Operator, registry
from ..runtime.tensor import Tensor
from ..transforms.parts import complex_as_parts
from ..transforms.trace import trace
from ..transforms.writes import writes_as_choices
from .builder import Builder
from .forms import FORMS, SCALARS
from .library import element_type, onnx
from .sizes import OpenSize, corners, open_up

OPSET = 18


def export(
    model: Any,
    args: Any = (),
    f: Any = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    export_params: bool = True,
    verbose: bool = False,
    training: Any = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int | None = None,
    do_constant_folding: bool = True,
    dynamic_axes: Mapping[str, Any] | None = None,
    dynamic_shapes: Any = None,
    external_data: bool = False,
    dynamo: bool = False,
) -> Any:
    """Writes a module or function as an ONNX model to `f` (a path or a binary file; None returns it).

    `args` and `kwargs` are example inputs. `dynamic_axes` maps an input's name to its open dimensions: {"x": {0: "batch"}}
    or {"x": [0]}. `dynamic_shapes` says the same by the model's own arguments, in their order or by their names, with a
    name or a `flambeau.export.Dim` for each open dimension. The model is exported as in eval mode, its weights inside the
    file (whatever `external_data` says).

    >>> import flambeau
    >>> layer = flambeau.nn.Linear(3, 2)
    >>> model = flambeau.onnx.export(layer, (flambeau.zeros(1, 3),), input_names=["x"], dynamic_axes={"x": [0]})
    >>> [node.op_type for node in model.graph.node]
    ['Gemm']
    """
    library = onnx()
    opset = _opset(library, opset_version)
    args = (args,) if isinstance(args, Tensor) else tuple(args)
    named = dict(kwargs or {})
    called = functools.partial(_called, model) if named else model
    given = (args, named) if named else args
    leaves = [x for x in pytree.flatten(given)[0] if isinstance(x, Tensor)]
    names = _names(input_names, len(leaves))
    if unknown := set(dynamic_axes or ()) - {*names, *(output_names or ("output",))}:
        warnings.warn(
            f"onnx.export: dynamic_axes names {sorted(unknown)}, but the inputs are {names}: these axes stay fixed",
            stacklevel=2,
        )
    if dynamic_shapes is not None:
        known = {id(x): n for x, n in zip(leaves, names)}
        dynamic_axes = _axes_of_shapes(model, args, named, dynamic_shapes, known)
    axes = _open_axes(dynamic_axes, names, leaves)
    with _evaluating(model), no_grad():
        graph = (
            _program(called, given, names)
            if not axes
            else _open_program(called, given, names, leaves, axes)
        )
    builder = Builder()
    builder.axes = {label: places[0] for label, places in axes.items()}
    produced = _write(builder, graph, _weight_names(model))
    proto = _model_proto(builder, graph, produced, output_names, opset)
    library.checker.check_model(proto)
    if verbose:
        print(graph)
    if f is None:
        return proto
    data = proto.SerializeToString()
    if hasattr(f, "write"):
        f.write(data)
    else:
        _write_file(f, data)
    return None


def _names(given: Sequence[str] | None, count: int) -> list[str]:
    """The inputs' names, those that are not given made up."""
    names = list(given or [])
    if len(names) > count:
        raise ValueError(
            f"onnx.export: {len(names)} input names were given for {count} tensor inputs"
        )
    names += [f"input_{i}" if i else "input" for i in range(len(names), count)]
    if twice := {n for n in names if names.count(n) > 1}:
        raise ValueError(f"onnx.export: input names must differ, but {sorted(twice)} come twice")
    return names


def _opset(library: Any, wanted: int | None) -> int:
    """The version of ONNX's operators to write: the forms here are those of OPSET and later."""
    newest = library.defs.onnx_opset_version()
    if wanted is not None and not OPSET <= wanted <= newest:
        raise ValueError(
            f"onnx.export: opset_version must be {OPSET} to {newest}, but got {wanted}"
        )
    return wanted or OPSET


def _write_file(path: Any, data: bytes) -> None:
    """All of the file or, after a crash, the old one."""
    path = os.fspath(path)
    if not os.path.isdir(os.path.dirname(path) or ".") or os.path.isdir(path):
        raise FileNotFoundError(
            f"onnx.export: {path!r} is no place for a file: it is a folder, or in none"
        )
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _called(model: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    return model(*args, **kwargs)


def _axes_of_shapes(
    model: Any, args: tuple, kwargs: Mapping[str, Any], shapes: Any, names: Mapping[int, str]
) -> dict[str, dict[int, Any]]:
    """What `dynamic_shapes` says of the model's arguments as `dynamic_axes` of the inputs, whose `names` are by tensor."""
    bound = inspect.signature(getattr(model, "forward", model)).bind(*args, **kwargs).arguments
    given = dict(shapes) if isinstance(shapes, Mapping) else dict(zip(bound, shapes))
    if unknown := set(given) - set(bound):
        raise ValueError(
            f"onnx.export: dynamic_shapes names {sorted(unknown)}, but the arguments are {list(bound)}"
        )
    axes: dict[str, dict[int, Any]] = {}
    for name, dims in given.items():
        if not dims:
            continue
        if not isinstance(bound[name], Tensor):
            raise TypeError(
                f"onnx.export: dynamic_shapes of {name!r}, which is no tensor; use dynamic_axes and input_names"
            )
        pairs = dims.items() if isinstance(dims, Mapping) else enumerate(dims)
        axes[names[id(bound[name])]] = {
            d: getattr(label, "name", label) for d, label in pairs if label is not None
        }
    return axes


def _open_axes(
    dynamic_axes: Mapping[str, Any] | None, names: list[str], leaves: list[Tensor]
) -> dict[str, list[tuple[str, int]]]:
    """Open axes by label: where each occurs among the inputs."""
    found: dict[str, list[tuple[str, int]]] = {}
    for name, dims in (dynamic_axes or {}).items():
        if name not in names:
            continue  # an output: its open sizes follow
        labels = dims if isinstance(dims, Mapping) else {d: f"{name}_dim_{d}" for d in dims}
        rank = leaves[names.index(name)].ndim
        for d, label in labels.items():
            if not -rank <= d < rank:
                raise ValueError(
                    f"onnx.export: dynamic_axes names dimension {d} of input {name!r}, which has {rank}"
                )
            found.setdefault(str(label), []).append((name, d % rank))
    return found


def _open_program(
    model: Any, args: tuple, names: list[str], leaves: list[Tensor], axes: dict
) -> Graph:
    """The program with its open sizes marked, from traces at several sizes."""
    sizes = {
        label: int(leaves[names.index(places[0][0])].shape[places[0][1]])
        for label, places in axes.items()
    }

    def at(wanted: dict[str, int]) -> Graph:
        swapped: dict[int, Tensor] = {}
        for name, x in zip(names, leaves):
            shape = list(x.shape)
            for label, places in axes.items():
                for n, d in places:
                    if n == name:
                        shape[d] = wanted[label]
            if shape != list(x.shape):
                swapped[id(x)] = zeros(shape, dtype=x.dtype)
        return _program(model, pytree.map_(lambda x: swapped.get(id(x), x), args), names)

    traces = {c: at({a: n + (a in c) for a, n in sizes.items()}) for c in corners(list(sizes))}
    longer = {a: n + 3 for a, n in sizes.items()}
    return open_up(traces, at(longer), sizes, longer)


def _program(model: Any, args: tuple, names: list[str]) -> Graph:
    keep = lambda op: op.onnx_rule is not None  # noqa: E731
    graph, _, tracer = trace(model, args, names, keep=keep)
    if tracer.breaks:
        raise RuntimeError(
            f"onnx.export: the model reads values while it runs ({', '.join(dict.fromkeys(tracer.breaks))}), which the "
            "exported file would freeze; write it with where() or export the parts around it"
        )
    return simplify(complex_as_parts(simplify(writes_as_choices(graph)), args, keep))


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """The module in eval mode, and back as each part was."""
    parts = [(m, m.training) for m in model.modules()] if hasattr(model, "modules") else []
    for m, _ in parts:
        m.training = False
    try:
        yield
    finally:
        for m, was in parts:
            m.training = was


def _weight_names(model: Any) -> dict[int, str]:
    """Names of parameters and buffers by their memory."""
    if not hasattr(model, "named_parameters"):
        return {}
    named = [*model.named_parameters(), *model.named_buffers()]
    return {id(t._array): n for n, t in named}


# -- calls -----------------------------------------------------------------------------------------------------------------


def _write(builder: Builder, graph: Graph, weights: dict[int, str]) -> dict[int, str]:
    """Writes all calls; gives the ONNX name of each value."""
    names: dict[int, str] = {}
    users = graph.users()
    for v in graph.inputs:
        names[id(v)] = v.name
        builder.metas[v.name] = v.meta
    for v in (*graph.captured, *graph.constants):
        array = of_array(v.tensor._array).to_numpy(v.tensor._array)
        names[id(v)] = name = builder.array(array, weights.get(id(v.tensor._array)))
        if users.get(id(v)) == 1:
            builder.weights[name] = array
    for call in graph.calls:
        made = _call(builder, call, names)
        for v, name in zip(call.outputs, made):
            names[id(v)] = name
            builder.metas[name] = v.meta
    return names


def _call(builder: Builder, call: Call, names: dict[int, str]) -> tuple[str, ...]:
    op = registry[call.op]
    builder.output = call.outputs[0].meta
    if op.family == "elementwise":
        return (_elementwise(builder, op, call, names),)
    inputs = [names[id(v)] if isinstance(v, Value) else v for v in call.inputs]
    rule = FORMS.get(op.onnx_rule, op.onnx_rule) if isinstance(op.onnx_rule, str) else op.onnx_rule
    if rule is None:
        raise _no_form(op, call)
    if isinstance(rule, str):
        return (builder.node(rule, inputs),)
    made = rule(builder, *inputs, **call.attrs)
    return made if isinstance(made, tuple) else (made,)


def _no_form(op: Operator, call: Call) -> MissingRule:
    shapes = ", ".join(str(v.meta) for v in call.inputs if isinstance(v, Value))
    reason = op.refusals.get("onnx", "no form was written for it")
    return MissingRule(
        f"onnx.export: {op.name}({shapes}) has no ONNX form: {reason}. Ways out: write this part of the model with other "
        "operators, or keep it outside the exported part"
    )


def _elementwise(builder: Builder, op: Operator, call: Call, names: dict[int, str]) -> str:
    """One node where the operator names one, else its expression, function by function."""
    inputs = [v.meta for v in call.inputs if isinstance(v, Value)]
    # A number beside a mask is no truth value: where(mask, 1.0, 2.0).
    kind = next(
        (m.dtype for m in reversed(inputs) if m.dtype is not dtypes.bool_),
        call.outputs[0].meta.dtype,
    )

    def operand(v: Any, d: dtypes.dtype = kind) -> str:
        return names[id(v)] if isinstance(v, Value) else builder.number(v, d)

    given = [operand(v) for v in call.inputs]
    defaults = {n: op.defaults[i] for i, n in op.attrs}
    if isinstance(op.onnx_rule, str) and call.attrs == defaults:
        return builder.node(op.onnx_rule, given)
    if callable(op.onnx_rule):
        return op.onnx_rule(builder, *given, **call.attrs)
    program = op.vjp_rule.program(call.attrs)
    values = dict(zip(program.arrays, given)) | {p: call.attrs[p] for p in program.params}

    def apply(name: str, args: list) -> Any:
        if not any(isinstance(a, str) for a in args):
            return ir_number(name, args)
        strings = [
            a if isinstance(a, str) else builder.number(a, _kind_beside(builder, args, kind))
            for a in args
        ]
        row: Any = registry.get(name)  # of a scalar function without an operator: in SCALARS
        made = (
            SCALARS[name](builder, *strings)
            if name in SCALARS
            else builder.node(row.onnx_rule, strings)
        )
        result = (
            dtypes.bool_ if ir.scalars[name].result == "bool" else builder.metas[strings[-1]].dtype
        )
        builder.metas[made] = Meta(call.outputs[0].meta.shape, result)
        return made

    made = ir.evaluate(program.expr, values, apply)
    return made if isinstance(made, str) else builder.number(made, call.outputs[0].meta.dtype)


def _kind_beside(builder: Builder, args: list, kind: dtypes.dtype) -> dtypes.dtype:
    """The dtype a number takes beside the other operands."""
    found = [builder.metas[a].dtype for a in args if isinstance(a, str)]
    return next((d for d in reversed(found) if d is not dtypes.bool_), kind)


def ir_number(name: str, args: list) -> Any:
    """A scalar function of plain numbers."""
    from ..runtime.elementwise import call_operator

    return call_operator(name, args)


# -- the file --------------------------------------------------------------------------------------------------------------


def _model_proto(
    builder: Builder,
    graph: Graph,
    names: dict[int, str],
    output_names: Sequence[str] | None,
    opset: int,
) -> Any:
    if not graph.outputs:
        raise ValueError("onnx.export: the model returns no tensor")
    helper = onnx().helper
    wanted = list(output_names or [])
    if len(wanted) > len(graph.outputs):
        raise ValueError(
            f"onnx.export: {len(wanted)} output names were given for {len(graph.outputs)} outputs"
        )
    wanted += [f"output_{i}" if i else "output" for i in range(len(wanted), len(graph.outputs))]
    outputs = []
    for value, name in zip(graph.outputs, wanted):
        builder.nodes_made.append(helper.make_node("Identity", [names[id(value)]], [name]))
        outputs.append(_info(name, value.meta))
    _merge_identities(builder, wanted)
    inputs = [_info(v.name, v.meta) for v in graph.inputs]
    used = {i for n in builder.nodes_made for i in n.input}
    kept = [t for t in builder.initializers if t.name in used]
    made = helper.make_graph(builder.nodes_made, "flambeau", inputs, outputs, kept)
    return helper.make_model(
        made, opset_imports=[helper.make_opsetid("", opset)], producer_name="flambeau", ir_version=8
    )


def _merge_identities(builder: Builder, outputs: list[str]) -> None:
    """Where an output is only a node's result under another name, the node gets that name."""
    nodes = builder.nodes_made
    makers = {o: n for n in nodes for o in n.output}
    for out in outputs:
        last = makers[out]
        source = last.input[0]
        readers = [n for n in nodes if source in n.input]
        if source in makers and len(readers) == 1 and source not in outputs:
            maker = makers[source]
            maker.output[list(maker.output).index(source)] = out
            makers[out] = maker
            nodes.remove(last)


def _info(name: str, meta: Meta) -> Any:
    shape = [str(n) if isinstance(n, OpenSize) else n for n in meta.shape]
    return onnx().helper.make_tensor_value_info(name, element_type(meta.dtype), shape)
