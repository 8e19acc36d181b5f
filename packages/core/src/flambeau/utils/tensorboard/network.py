"""A model as a graph that TensorBoard draws: one run is traced, and every operator becomes a node in its module's scope."""

from __future__ import annotations

from typing import Any

import flambeau
from flambeau.graph import Graph
from flambeau.graph import Value as GraphValue
from flambeau.transforms.trace import Tracer
from flambeau.utils.tensorboard import messages as m

__all__ = ["network"]


def network(model: Any, inputs: Any, verbose: bool) -> tuple[m.GraphDef, m.RunMetadata]:
    """The nodes of `model(*inputs)`, and where they ran."""
    if not callable(model):
        raise TypeError(f"add_graph: expected a module or a function, got {type(model).__name__}")
    if inputs is None:
        raise ValueError("add_graph needs input_to_model, with which the model is run once")
    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    tracer = Tracer(keep=lambda op: True)
    scopes = _Scopes(model, tracer.graph)
    try:
        made = _run(tracer, model, args)
    finally:
        scopes.remove()
    tracer.graph.outputs = [tracer.read(x) for x in made]
    if verbose:
        print(tracer.graph)  # noqa: T201  (verbose=True asks for it)
    nodes = _nodes(tracer.graph, scopes)
    device = "/device:CPU:0"
    stats = m.RunMetadata(step_stats=m.StepStats(dev_stats=[m.DeviceStepStats(device=device)]))
    return m.GraphDef(node=nodes, versions=m.VersionDef(producer=22)), stats


def _run(tracer: Tracer, model: Any, args: tuple[Any, ...]) -> list[flambeau.Tensor]:
    from flambeau._base import pytree

    for tensor in pytree.flatten(args)[0]:
        if isinstance(tensor, flambeau.Tensor):
            tracer.input(tensor)
    # Without gradients: composites such as `softmax` stay one node.
    with flambeau.no_grad(), tracer:
        made = model(*args)
    return [t for t in pytree.flatten(made)[0] if isinstance(t, flambeau.Tensor)]


class _Scopes:
    """Which module's `forward` each call of a program was made in."""

    def __init__(self, model: Any, graph: Graph) -> None:
        self._graph = graph
        self._stack: list[str] = [type(model).__name__ if _is_module(model) else model.__name__]
        self._of_call: list[str] = []
        self._handles: list[Any] = []
        self.of_parameter: dict[int, str] = {}
        if not _is_module(model):
            return
        names = {"": self._stack[0]}
        for path, module in model.named_modules():
            if path:
                parent, _, name = path.rpartition(".")
                names[path] = f"{names[parent]}/{type(module).__name__}[{name}]"
            for own, tensor in (
                *module.named_parameters(recurse=False),
                *module.named_buffers(recurse=False),
            ):
                self.of_parameter[id(tensor)] = f"{names[path]}/{own}"
            if path:
                self._watch(module, names[path])

    def _watch(self, module: Any, scope: str) -> None:
        def enter(*_: Any) -> None:
            self._note()
            self._stack.append(scope)

        def leave(*_: Any) -> None:
            self._note()
            self._stack.pop()

        self._handles.append(module.register_forward_pre_hook(enter, prepend=True))
        self._handles.append(module.register_forward_hook(leave, always_call=True))

    def _note(self) -> None:
        missing = len(self._graph.calls) - len(self._of_call)
        self._of_call += [self._stack[-1]] * missing

    def of_calls(self) -> list[str]:
        """The scope of each call."""
        self._note()
        return self._of_call

    def remove(self) -> None:
        """Takes the hooks off again."""
        for handle in self._handles:
            handle.remove()


def _is_module(model: Any) -> bool:
    return isinstance(model, flambeau.nn.Module)


def _nodes(graph: Graph, scopes: _Scopes) -> list[m.NodeDef]:
    names: dict[int, str] = {}
    nodes = []

    def add(value: GraphValue, name: str, op: str, inputs: Any = (), attr: str = "") -> None:
        names[id(value)] = name
        nodes.append(_node(name, op, inputs, value.meta, attr))

    for value in graph.inputs:
        add(value, f"input/{value.name}", "IO Node")
    for value in graph.captured:
        name = scopes.of_parameter.get(id(value.tensor))
        add(value, name or f"captured/{value.name}", "Parameter" if name else "Captured")
    for value in graph.constants:
        add(value, f"constant/{value.name}", "Constant")
    for call, scope in zip(graph.calls, scopes.of_calls()):
        inputs = [names[id(v)] for v in call.inputs if isinstance(v, GraphValue)]
        shown = {k: v for k, v in call.attrs.items() if v is not None}
        numbers = [v for v in call.inputs if isinstance(v, (bool, int, float, complex))]
        attr = ", ".join([*map(str, numbers), *(f"{k}={v}" for k, v in shown.items())])
        for value in call.outputs:
            add(value, f"{scope}/{call.op}_{value.name}", call.op, inputs, attr)
    for i, value in enumerate(graph.outputs):
        nodes.append(_node(f"output/output.{i + 1}", "IO Node", [names[id(value)]], value.meta, ""))
    return nodes


def _node(name: str, op: str, inputs: Any, meta: Any, attr: str) -> m.NodeDef:
    shape = m.TensorShapeProto(dim=[m.Dim(size=int(size)) for size in meta.shape])
    entries = {
        "_output_shapes": m.AttrValue(list=m.ListOfValues(shape=[shape])),
        "dtype": m.AttrValue(s=str(meta.dtype).encode()),
    }
    if attr:
        entries["attr"] = m.AttrValue(s=attr.encode())
    return m.NodeDef(
        name=name, op=op, input=list(inputs), attr=[m.AttrEntry(key=k, value=v) for k, v in entries.items()]
    )  # fmt: skip
