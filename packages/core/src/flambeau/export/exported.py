"""`export.export`: a model as a program of operators, which can be read, run, saved and loaded without its class."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from .._base import pytree
from ..autograd.modes import no_grad
from ..graph import Graph, Value
from ..jit.scripts.optimized import original
from ..nn import Module, Parameter
from ..onnx.sizes import OpenSize, corners, open_up
from ..ops.creation import zeros
from ..runtime.tensor import Size, Tensor
from .capture import record, run_call
from .signature import ExportGraphSignature, signature_of


class Dim:
    """A size that stays open, by name: inputs that have the same `Dim` have the same size there.

    >>> import flambeau
    >>> flambeau.export.Dim("batch", min=1, max=64)
    Dim('batch', min=1, max=64)
    """

    def __init__(self, name: str, *, min: int = 0, max: int | None = None) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"Dim: the name must be an identifier, but got {name!r}")
        if max is not None and max < min:
            raise ValueError(f"Dim {name}: max is {max}, which is less than min, {min}")
        self.name, self.min, self.max = name, min, max

    def __repr__(self) -> str:
        return f"Dim({self.name!r}, min={self.min}, max={self.max})"


def export(
    model: Callable[..., Any],
    args: tuple,
    kwargs: Mapping[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
    strict: bool = False,
) -> ExportedProgram:
    """The program that `model(*args, **kwargs)` runs, in the mode the model is in.

    `dynamic_shapes` says which sizes stay open: by argument name, or in the arguments' order, {dimension: Dim} for a tensor,
    or None. They are found by tracing at several sizes, as for `flambeau.onnx.export`; a size that no polynomial of first degree
    in each explains is refused.

    >>> import flambeau
    >>> from flambeau.export import Dim, export
    >>> model = flambeau.nn.Linear(3, 2)
    >>> program = export(model, (flambeau.zeros(4, 3),), dynamic_shapes={"input": {0: Dim("batch")}})
    >>> print(program)
    def program(input, weight, bias):
        v0 = ops.linear(input, weight, bias)  # float32[batch, 2]
        return v0
    >>> program.module()(flambeau.zeros(9, 3)).shape
    flambeau.Size([9, 2])
    """
    if not isinstance(args, tuple):
        raise TypeError(f"export.export: args must be a tuple, but got {type(args).__name__}")
    kwargs = dict(kwargs or {})
    model = original(model)
    given = (args, kwargs)
    leaves = [x for x in pytree.flatten(given)[0] if isinstance(x, Tensor)]
    names = _names(model, args, kwargs)
    dims = _dims(names, dynamic_shapes)
    paths = [name for name, tree in names for x in pytree.flatten(tree)[0] if isinstance(x, Tensor)]
    labels = [
        n if paths.count(n) == 1 else f"{n}_{paths[:i].count(n)}" for i, n in enumerate(paths)
    ]
    places = _places(names, dims, leaves)

    def at(sizes: dict[str, int] | None) -> tuple[Graph, Any]:
        swapped: dict[int, Tensor] = {}
        for x, where in zip(leaves, places):
            if sizes is not None and where:
                shape = [sizes[where[d].name] if d in where else n for d, n in enumerate(x.shape)]
                swapped[id(x)] = zeros(shape, dtype=x.dtype)
        tree = pytree.map_(lambda x: swapped.get(id(x), x), given)
        return record("export.export", lambda a, k: model(*a, **k), tree, None, labels)

    open_dims: dict[str, Dim] = {}
    sizes: dict[str, int] = {}
    for x, where in zip(leaves, places):
        for d, dim in where.items():
            open_dims[dim.name] = dim
            if sizes.setdefault(dim.name, int(x.shape[d])) != x.shape[d]:
                raise ValueError(
                    f"export.export: Dim {dim.name} is {sizes[dim.name]} in one place of the example and {x.shape[d]} in another"
                )
    with no_grad():
        graph, results = at(None)
        if sizes:
            traces = {
                c: at({n: s + (n in c) for n, s in sizes.items()})[0] for c in corners(list(sizes))
            }
            longer = {n: s + 3 for n, s in sizes.items()}
            try:
                graph = open_up(traces, at(longer)[0], sizes, longer)
            except RuntimeError as error:
                raise RuntimeError(str(error).replace("onnx.export", "export.export")) from None
    constants = _name_weights(graph, model)
    fleeting = _fleeting(model) if isinstance(model, Module) else []
    return ExportedProgram(
        graph, pytree.flatten(given)[1], results, list(open_dims.values()), constants, fleeting
    )


def _names(model: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> list[tuple[str, Any]]:
    """Arguments with their names in the model's signature."""
    function = model.forward if isinstance(model, Module) else model
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return [*((f"arg{i}", a) for i, a in enumerate(args)), *kwargs.items()]
    named: list[tuple[str, Any]] = []
    for name, value in bound.arguments.items():
        kind = inspect.signature(function).parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            named += [(f"{name}_{i}", v) for i, v in enumerate(value)]
        elif kind is inspect.Parameter.VAR_KEYWORD:
            named += value.items()
        else:
            named.append((name, value))
    return named


def _dims(names: Sequence[tuple[str, Any]], given: Any) -> dict[str, Any]:
    """What `dynamic_shapes` says, by argument name."""
    known = [n for n, _ in names]
    if given is None:
        return {}
    if isinstance(given, (tuple, list)):
        if len(given) != len(known):
            raise ValueError(
                f"export.export: dynamic_shapes has {len(given)} entries for {len(known)} arguments"
            )
        return dict(zip(known, given))
    if unknown := set(given) - set(known):
        raise ValueError(
            f"export.export: dynamic_shapes names {sorted(unknown)}, but the arguments are {known}"
        )
    return dict(given)


def _places(
    names: Sequence[tuple[str, Any]], dims: dict[str, Any], leaves: Sequence[Tensor]
) -> list[dict[int, Dim]]:
    """For each tensor: its open dimensions."""
    made: list[dict[int, Dim]] = []
    for name, tree in names:
        tensors = [x for x in pytree.flatten(tree)[0] if isinstance(x, Tensor)]
        entry = dims.get(name)
        entries = [entry] if isinstance(tree, Tensor) else list(entry or [None] * len(tensors))
        if len(entries) != len(tensors):
            raise ValueError(
                f"export.export: dynamic_shapes of {name!r} has {len(entries)} entries for {len(tensors)} tensors"
            )
        for x, e in zip(tensors, entries):
            pairs = e.items() if isinstance(e, Mapping) else enumerate(e or ())
            where = {}
            for d, dim in pairs:
                if dim is None:
                    continue
                if not isinstance(dim, Dim):
                    raise TypeError(
                        f"export.export: dynamic_shapes of {name!r}: expected a Dim or None, but got {dim!r}"
                    )
                if not -x.ndim <= d < x.ndim:
                    raise ValueError(
                        f"export.export: dynamic_shapes names dimension {d} of {name!r}, which has {x.ndim}"
                    )
                where[d % x.ndim] = dim
            made.append(where)
    return made


def _fleeting(model: Module) -> list[str]:
    """Names of the buffers that the state dict leaves out."""
    parts = model.named_modules(remove_duplicate=False)
    return [f"{p}.{n}" if p else n for p, m in parts for n in m._non_persistent_buffers_set]


def _name_weights(graph: Graph, model: Any) -> list[str]:
    """Captured tensors get their names in the state dict, with _ for dots; others are constants, whose names are returned."""
    named, constants = {}, []
    if isinstance(model, Module):
        named = {id(t._array): n for n, t in [*model.named_parameters(), *model.named_buffers()]}
    taken = {v.name for v in graph.inputs}
    for v in graph.captured:
        path = named.get(id(v.tensor._array))
        label = path.replace(".", "_") if path else v.name
        lacks = path is None
        label = f"_{label}" if label[0].isdigit() else label
        while label in taken:
            label += "_"
        taken.add(label)
        v.name, v.source = label, (lambda path=path or label: path)
        if lacks:
            constants.append(label)
    made = [v for c in graph.calls for v in c.outputs]
    for v, free in zip(made, (n for i in count() if (n := f"v{i}") not in taken)):
        v.name = free
    return constants


class ExportedProgram:
    """A model as operator calls. `graph` prints as Python; `module()` runs it; `state_dict` has its parameters and buffers."""

    def __init__(
        self,
        graph: Graph,
        inputs: Any,
        results: Any,
        dims: Sequence[Dim],
        constants: Sequence[str] = (),
        fleeting: Sequence[str] = (),
    ) -> None:
        self.graph, self.dims = graph, list(dims)
        self.constants, self.fleeting = list(constants), list(fleeting)  # for the signature
        self._inputs, self._results = inputs, results

    def __str__(self) -> str:
        return self.graph.text().rstrip()

    def __repr__(self) -> str:
        shown = [
            ", ".join(str(v.meta) for v in each) for each in (self.graph.inputs, self.graph.outputs)
        ]
        return f"<exported program ({shown[0]}) -> {shown[1]}, {len(self.graph.calls)} calls>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refused, as in PyTorch: the program is data; `module()` is what runs."""
        raise RuntimeError("an ExportedProgram is not callable: use .module(), and call that")

    @property
    def state_dict(self) -> dict[str, Tensor]:
        """Captured tensors by their names in the model's state dict."""
        return {v.source(): v.tensor for v in self.graph.captured if v.source is not None}

    @property
    def graph_signature(self) -> ExportGraphSignature:
        """What each argument and result of the program is, in the program's order."""
        return signature_of(self.graph, self.constants, self.fleeting)

    @property
    def range_constraints(self) -> dict[str, tuple[int, int | None]]:
        """Of each open size: the least and the greatest."""
        return {d.name: (d.min, d.max) for d in self.dims}

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Names and parameters."""
        yield from ((n, t) for n, t in self.state_dict.items() if isinstance(t, Parameter))

    def parameters(self) -> Iterator[Tensor]:
        """The parameters."""
        yield from (t for _, t in self.named_parameters())

    def module(self) -> Module:
        """A module that runs the program on its own parameters, which are this program's."""
        return ProgramModule(self)


class ProgramModule(Module):
    """An exported program as a module: gradients and state dicts as of any other."""

    def __init__(self, program: ExportedProgram) -> None:
        super().__init__()
        self.program = program
        self._labels: dict[int, str] = {}
        for path, v in zip(program.state_dict, program.graph.captured):
            self._labels[id(v)] = label = path.replace(".", "_")
            if isinstance(v.tensor, Parameter):
                self.register_parameter(label, v.tensor)
            else:
                self.register_buffer(label, v.tensor)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The results of the program; ValueError for inputs it was not exported for."""
        graph = self.program.graph
        leaves, spec = pytree.flatten((args, kwargs))
        if spec != self.program._inputs:
            raise ValueError(
                "exported program: the arguments are not nested as those it was exported with"
            )
        tensors = [x for x in leaves if isinstance(x, Tensor)]
        if len(tensors) != len(graph.inputs):
            raise ValueError(
                f"exported program: expected {len(graph.inputs)} tensors, but got {len(tensors)}"
            )
        sizes = self._sizes(tensors)
        env: dict[int, Any] = {id(v): x for v, x in zip(graph.inputs, tensors)}
        env |= {id(v): getattr(self, self._labels[id(v)]) for v in graph.captured}
        env |= {id(v): v.tensor for v in graph.constants}
        for call in graph.calls:
            arrays = [
                env[id(v)] if isinstance(v, Value) else _closed(v, sizes) for v in call.inputs
            ]
            made = run_call(call.op, arrays, _closed(call.attrs, sizes) if sizes else call.attrs)
            env.update((id(v), m) for v, m in zip(call.outputs, made if call.several else (made,)))
        return pytree.unflatten([env[id(v)] for v in graph.outputs], self.program._results)

    def _sizes(self, tensors: Sequence[Tensor]) -> dict[str, int]:
        sizes: dict[str, int] = {}
        limits = self.program.range_constraints
        for v, x in zip(self.program.graph.inputs, tensors):
            shape, open_ones = tuple(v.meta.shape), {}
            if x.dtype is not v.meta.dtype or x.ndim != len(shape):
                raise ValueError(f"exported program: {v.name} must be {v.meta}, but got {x._meta}")
            for n, have in zip(shape, x.shape):
                if not isinstance(n, OpenSize):
                    if n != have:
                        raise ValueError(
                            f"exported program: {v.name} must be {v.meta}, but got {x._meta}"
                        )
                    continue
                (label,) = next(iter(n.terms))
                open_ones[label] = have
                low, high = limits[label]
                if have < low or (high is not None and have > high):
                    raise ValueError(
                        f"exported program: {label} must be {low} to {high}, but {v.name} has {have}"
                    )
            for label, have in open_ones.items():
                if sizes.setdefault(label, have) != have:
                    raise ValueError(
                        f"exported program: {label} is {sizes[label]}, but {v.name} has {have}"
                    )
        return sizes


def _closed(x: Any, sizes: dict[str, int]) -> Any:
    """Static arguments with every open size put in."""
    if isinstance(x, OpenSize):
        return x.at(sizes)
    if isinstance(x, slice):
        return slice(*(_closed(p, sizes) for p in (x.start, x.stop, x.step)))
    if type(x) in (tuple, list):
        return type(x)(_closed(p, sizes) for p in x)
    if isinstance(x, Size):
        return tuple(_closed(p, sizes) for p in x)
    if type(x) is dict:
        return {k: _closed(p, sizes) for k, p in x.items()}
    return x
