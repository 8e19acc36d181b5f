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
from .dims import Dim, Places, Range, places, readings
from .signature import ExportGraphSignature, signature_of


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
    nested as the arguments are, or None. They are found by tracing at several sizes, as for `flambeau.onnx.export`; a size that
    no polynomial of first degree in each explains is refused, and so is a model that runs other operators at the ends of the
    ranges: `Dim("batch", min=4)` says that it is never called with less.

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
    names = _names(model, args, kwargs)
    leaves = [x for x in pytree.flatten((args, kwargs))[0] if isinstance(x, Tensor)]
    tries = list(readings(places(names, dynamic_shapes), leaves))
    for one in tries[:-1]:
        try:
            return _exported(model, (args, kwargs), names, one)
        except (RuntimeError, ValueError):
            continue  # a hint that meant too much
    return _exported(model, (args, kwargs), names, tries[-1])


def _exported(
    model: Any, given: tuple, names: Sequence[tuple[str, Any]], where_open: Places
) -> ExportedProgram:
    every = pytree.flatten(given)[0]
    leaves = [x for x in every if isinstance(x, Tensor)]
    paths = [name for name, tree in names for x in pytree.flatten(tree)[0] if isinstance(x, Tensor)]
    labels = [
        n if paths.count(n) == 1 else f"{n}_{paths[:i].count(n)}" for i, n in enumerate(paths)
    ]

    def at(sizes: dict[str, int] | None) -> tuple[Graph, Any]:
        swapped: dict[int, Tensor] = {}
        for x, where in zip(leaves, where_open):
            if sizes is not None and where:
                shape = [where[d].at(sizes) if d in where else n for d, n in enumerate(x.shape)]
                swapped[id(x)] = zeros(shape, dtype=x.dtype)
        tree = pytree.map_(lambda x: swapped.get(id(x), x), given)
        return record("export.export", lambda a, k: model(*a, **k), tree, None, labels)

    open_dims: dict[str, Dim] = {}
    sizes: dict[str, int] = {}
    for x, where in zip(leaves, where_open):
        for d, dim in where.items():
            root, size = dim.root, dim.of(int(x.shape[d]))
            if size is None:
                raise ValueError(
                    f"export.export: {dim} cannot be {x.shape[d]}, as it is in the example"
                )
            open_dims[root.name] = root
            if sizes.setdefault(root.name, size) != size:
                raise ValueError(
                    f"export.export: Dim {root.name} is {sizes[root.name]} in one place of the example and {size} in another"
                )
    with no_grad():
        graph, results = at(None)
        if sizes:
            graph = _opened(at, sizes, open_dims)
    constants = _name_weights(graph, model)
    fleeting = _fleeting(model) if isinstance(model, Module) else []
    fixed = [x for x in every if not isinstance(x, Tensor)]
    return ExportedProgram(
        graph,
        pytree.flatten(given)[1],
        results,
        list(open_dims.values()),
        constants,
        fleeting,
        fixed,
    )


def _opened(at: Callable[..., Any], given: dict[str, int], dims: dict[str, Dim]) -> Graph:
    """The program with its open sizes marked; RuntimeError where it is not one program for all of them."""
    sizes = {n: _below(s, dims[n]) for n, s in given.items()}
    named = ", ".join(sizes)

    def tried(wanted: dict[str, int]) -> Graph:
        try:
            return at(wanted)[0]
        except Exception as error:
            raise RuntimeError(
                f"Constraints violated ({named})! The model runs where {_shown(given)}, but not where {_shown(wanted)}: {error}"
            ) from error

    traces = {c: tried({n: s + (n in c) for n, s in sizes.items()}) for c in corners(list(sizes))}
    longer = {n: s + 3 for n, s in sizes.items()}
    try:
        graph = open_up(traces, tried(longer), sizes, longer)
    except RuntimeError as error:
        raise RuntimeError(str(error).replace("onnx.export", "export.export")) from None
    for other in _far(sizes, dims):
        found = _perhaps(at, other)
        if found is not None and _differs(graph, found, other):
            raise RuntimeError(
                f"Constraints violated ({named})! Not all values in the specified range satisfy the generated guard: the model "
                f"runs other operators where {_shown(other)} than where {_shown(sizes)}. Give each Dim the min and max between "
                "which it is one program, or export fixed sizes."
            )
    return graph


def _perhaps(at: Callable[..., Any], sizes: dict[str, int]) -> Graph | None:
    """A trace at these sizes; None where the model fails, for so does the program."""
    try:
        return at(sizes)[0]
    except Exception:  # whatever the model raises
        return None


def _shown(sizes: dict[str, int]) -> str:
    return ", ".join(f"{n} = {s}" for n, s in sizes.items())


def _below(size: int, dim: Dim) -> int:
    """A size near `size` to which three may be added."""
    if dim.max is None or size + 3 <= dim.max:
        return size
    return size if dim.max - 3 < max(dim.min, 1) else dim.max - 3


def _far(sizes: dict[str, int], dims: dict[str, Dim]) -> list[dict[str, int]]:
    """Sizes at the ends of the ranges; 0 and 1 are left out, as in PyTorch."""
    least = {n: max(dims[n].min, 2) for n in sizes}
    most = {n: 2 * s + 5 for n, s in sizes.items()}
    most = {n: s if dims[n].max is None else min(s, dims[n].max or 0) for n, s in most.items()}
    return [s for s in (least, most) if s != sizes]


def _differs(graph: Graph, other: Graph, sizes: dict[str, int]) -> bool:
    """Whether a trace at these sizes is another program than the one with open sizes."""
    if [c.op for c in graph.calls] != [c.op for c in other.calls]:
        return True
    pairs = zip(graph.calls, other.calls)
    return any(
        not _equal(_closed(c.attrs, sizes), d.attrs)
        or not _equal(_closed(tuple(c.inputs), sizes), tuple(d.inputs))
        for c, d in pairs
    )


def _equal(a: Any, b: Any) -> bool:
    """Whether two static arguments are the same; what is made anew by each trace is not looked into."""
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, dict):
        return all(_equal(v, b[k]) for k, v in a.items())
    if isinstance(a, slice):
        return _equal((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if a is None or isinstance(a, (bool, int, float, str)):
        return bool(a == b or a != a)
    return type(a) is type(b)


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
        fixed: Sequence[Any] | None = None,
    ) -> None:
        self.graph, self.dims = graph, list(dims)
        self.constants, self.fleeting = list(constants), list(fleeting)  # for the signature
        self._inputs, self._results = inputs, results
        self._fixed = fixed if fixed is None else list(fixed)  # arguments that are no tensors

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
    def range_constraints(self) -> dict[str, Range]:
        """Of each open size: the least and the greatest."""
        return {d.name: Range(d.min, d.max) for d in self.dims}

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
        others = [x for x in leaves if not isinstance(x, Tensor)]
        for want, have in zip(self.program._fixed or (), others):
            if type(want) is not type(have) or (want != have and want == want):
                raise ValueError(
                    f"exported program: exported with {want!r}, which is fixed in the program, but got {have!r}"
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
        open_ones: dict[str, int]
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
                (label,) = next(axes for axes in n.terms if axes)
                factor, offset = n.terms[(label,)], n.terms.get((), 0)
                if (have - offset) % factor:
                    raise ValueError(f"exported program: {n} cannot be {have}, as {v.name} has it")
                have = (have - offset) // factor
                open_ones.setdefault(label, have)
                if open_ones[label] != have:
                    raise ValueError(
                        f"exported program: {label} is {open_ones[label]}, but {v.name} has {have}"
                    )
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
