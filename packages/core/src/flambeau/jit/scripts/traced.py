"""Traced programs: a `graph.Graph` whose calls are operators, run by calling them again, so that gradients and transforms work.

Parameters and buffers are read from the module by their names at every call. Sizes that depend on the arguments' sizes
are `OpenSize`s; what was fixed by the example is checked at every call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..._base import pytree
from ..._base.dtypes import ALL
from ...graph import Call, Graph, Value
from ...onnx.sizes import OpenSize
from ...runtime import dispatch, state
from ...runtime.meta import Meta
from ...runtime.operator import find, registry
from ...runtime.tensor import Tensor
from .data import Reader, Writer, damaged

_DTYPES = {d.name: d for d in ALL}


class Place:
    """Where an output's structure has the result of that number."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        self.at = at


class _Given:
    """An input of a call that is no value of the graph."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class _Plan:
    """A graph with numbers in the places of values: those of arguments, held tensors, results, as they come."""

    def __init__(self, graph: Graph, paths: list[str | None], opened: list[bool]) -> None:
        at: dict[int, int] = {}
        for v in (*graph.inputs, *graph.captured, *graph.constants):
            at[id(v)] = len(at)
        self.held = [v.tensor for v in (*graph.captured, *graph.constants)]
        self.members = []
        for v, path in zip(graph.captured, paths):
            if path is not None:
                *owners, last = path.split(".")
                self.members.append((owners, last, at[id(v)]))
        self.steps = []
        for c, is_open in zip(graph.calls, opened):
            places: list[Any] = [at[id(v)] if isinstance(v, Value) else _Given(v) for v in c.inputs]
            for v in c.outputs:
                at[id(v)] = len(at)
            self.steps.append(
                (_runner(c.op), places, c.attrs, is_open, len(c.outputs) if c.several else None)
            )
        self.results = [at[id(v)] for v in (*graph.outputs, *(new for _, new in graph.writes))]


class Traced:
    """A program made by tracing.

    `paths` names, for each captured value of the graph, the parameter or buffer it is, or None for a tensor that the
    program holds itself. `args` is the structure of the arguments with None for tensors, `sizes` has for every dimension
    of every input its size, or the name of an open one.
    """

    def __init__(
        self, name: str, graph: Graph, paths: list[str | None], args: list[Any], params: list[str], made: Any,
        sizes: list[list[int | str]], of_module: bool,
    ) -> None:  # fmt: skip
        self.name, self.graph, self.paths, self.args = name, graph, paths, args
        self.params, self.made, self.sizes, self.of_module = params, made, sizes, of_module
        self.opened = [has_open(c.attrs) or has_open(c.inputs) for c in graph.calls]
        self._plan: _Plan | None = None  # made at the first call, when the graph is done
        self._plain = all(isinstance(a, Place) for a in args)

    def __deepcopy__(self, memo: Any) -> Traced:
        return self

    @property
    def text(self) -> str:
        """The graph as Python."""
        return self.graph.text()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        module = None
        if self.of_module:
            module, *rest = args
            args = tuple(rest)
        given = self._arguments(args, kwargs)
        sizes = self._sizes(given)
        results = self._run(module, given, sizes)
        count = len(self.graph.outputs)
        with_writes = results[count:]
        for (target, _), value in zip(self.graph.writes, with_writes):
            self._target(target, module, given).copy_(value)
        return pytree_map(self.made, lambda p: results[p.at])

    def _arguments(self, args: tuple, kwargs: dict[str, Any]) -> list[Tensor]:
        if kwargs:
            names = self.params[len(args) :]
            unknown = set(kwargs) - set(names)
            if unknown:
                raise TypeError(f"{self.name}() has no argument {sorted(unknown)[0]!r}")
            args = (*args, *(kwargs[n] for n in names if n in kwargs))
        if self._plain and len(args) == len(self.args) and all(isinstance(a, Tensor) for a in args):
            return list(args)
        leaves, _ = pytree.flatten(args)
        wanted, _ = pytree.flatten(tuple(self.args))
        if len(args) != len(self.args) or len(leaves) != len(wanted):
            raise TypeError(
                f"{self.name}() was traced with {len(self.args)} arguments of {len(wanted)} values, but got {len(args)} "
                f"of {len(leaves)}"
            )
        tensors: list[Tensor] = []
        for leaf, want in zip(leaves, wanted):
            if isinstance(want, Place):
                if not isinstance(leaf, Tensor):
                    raise TypeError(
                        f"{self.name}(): expected a tensor where one was traced, got {type(leaf).__name__}"
                    )
                tensors.append(leaf)
            elif type(leaf) is not type(want) or leaf != want:
                raise RuntimeError(
                    f"{self.name}(): traced with {want!r}, which is fixed in the program, but got {leaf!r}"
                )
        return tensors

    def _sizes(self, given: list[Tensor]) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for i, (x, v, wanted) in enumerate(zip(given, self.graph.inputs, self.sizes)):
            if x.dtype != v.meta.dtype:
                raise RuntimeError(
                    f"{self.name}(): input {i} was traced as {v.meta.dtype}, but got {x.dtype}"
                )
            fits = len(x.shape) == len(wanted)
            for n, want in zip(x.shape, wanted):
                fits &= (sizes.setdefault(want, n) if isinstance(want, str) else want) == n
            if not fits:
                raise RuntimeError(
                    f"{self.name}(): input {i} was traced with sizes [{', '.join(map(str, wanted))}], of which the numbers "
                    f"are fixed in the program, but got {list(x.shape)}; trace with such an example, or use jit.script"
                )
        return sizes

    def _run(self, module: Any, given: list[Tensor], sizes: dict[str, int]) -> list[Any]:
        plan = self._plan
        if plan is None:
            plan = self._plan = _Plan(self.graph, self.paths, self.opened)
        env = [*given, *plan.held]
        for owners, last, at in plan.members:
            owner = module
            for o in owners:
                owner = owner._modules[o]
            found = owner._parameters.get(last)
            env[at] = found if found is not None else owner._buffers[last]
        for run, places, attrs, opened, outputs in plan.steps:
            inputs = tuple([env[p] if type(p) is int else p.value for p in places])
            if opened:
                inputs, attrs = at_sizes(inputs, sizes), at_sizes(attrs, sizes)
            made = run(inputs, attrs)
            if outputs is None:
                env.append(made)
            else:
                env.extend(made)
        return [env[p] for p in plan.results]

    def _target(self, value: Value, module: Any, given: list[Tensor]) -> Tensor:
        for v, x in zip(self.graph.inputs, given):
            if v is value:
                return x
        for v, path in zip(self.graph.captured, self.paths):
            if v is value:
                return v.tensor if path is None else member(module, path)
        raise RuntimeError(f"{self.name}: a write into a value that is no argument")

    # -- as data --------------------------------------------------------------------------------------------------------

    def data(self, writer: Writer) -> dict[str, Any]:
        """The program as JSON."""
        graph = self.graph
        number: dict[int, int] = {}
        for v in (*graph.inputs, *graph.captured, *graph.constants):
            number[id(v)] = len(number)
        calls = []

        def encoded(x: Any) -> Any:
            if isinstance(x, Value):
                return {"value": number[id(x)]}
            if isinstance(x, Place):
                return {"place": x.at}
            if isinstance(x, OpenSize):
                return {"open": [int(x), [[list(axes), f] for axes, f in x.terms.items()]]}
            if isinstance(x, list):
                return [encoded(v) for v in x]
            if isinstance(x, tuple) and any(_structured(v) for v in x):
                return {"parts": [encoded(v) for v in x]}
            if isinstance(x, dict):
                return {"table": {k: encoded(v) for k, v in x.items()}}
            return writer.value(x, f"the traced program {self.name}")

        for c in graph.calls:
            calls.append([
                c.op, [encoded(v) for v in c.inputs], encoded(c.attrs), [_meta(v.meta) for v in c.outputs], c.several,
            ])  # fmt: skip
            for v in c.outputs:
                number[id(v)] = len(number)
        return {
            "name": self.name, "params": self.params, "of_module": self.of_module, "sizes": self.sizes,
            "args": encoded(list(self.args)), "made": encoded(self.made),
            "inputs": [_meta(v.meta) for v in graph.inputs],
            "captured": [p if p is not None else writer.tensor(v.tensor) for p, v in zip(self.paths, graph.captured)],
            "captured_metas": [_meta(v.meta) for v in graph.captured],
            "constants": [writer.tensor(v.tensor) for v in graph.constants], "calls": calls,
            "outputs": [number[id(v)] for v in graph.outputs],
            "writes": [[number[id(t)], number[id(v)]] for t, v in graph.writes],
        }  # fmt: skip

    @classmethod
    def of_data(cls, node: Any, reader: Reader) -> Traced:
        """The program that `data` wrote."""
        graph = Graph()
        known: list[Value] = []

        def decoded(x: Any) -> Any:
            if isinstance(x, list):
                return [decoded(v) for v in x]
            if isinstance(x, dict) and len(x) == 1:
                ((kind, body),) = x.items()
                if kind == "value":
                    return _at(known, body)
                if kind == "place":
                    return Place(int(body))
                if kind == "open":
                    return OpenSize(int(body[0]), {tuple(map(str, a)): int(f) for a, f in body[1]})
                if kind == "parts":
                    return tuple(decoded(v) for v in body)
                if kind == "table":
                    return {str(k): decoded(v) for k, v in body.items()}
            return reader.value(x)

        for m in node["inputs"]:
            graph.inputs.append(Value(graph.name("x"), _of_meta(m), "input"))
        paths: list[str | None] = []
        for place, m in zip(node["captured"], node["captured_metas"], strict=True):
            tensor = reader.tensor(place) if type(place) is int else None
            paths.append(None if tensor is not None else str(place))
            graph.captured.append(Value(graph.name("p"), _of_meta(m), "captured", tensor))
        for place in node["constants"]:
            tensor = reader.tensor(place)
            graph.constants.append(Value(graph.name("c"), tensor._meta, "constant", tensor))
        known += [*graph.inputs, *graph.captured, *graph.constants]
        for op, inputs, attrs, metas, several in node["calls"]:
            if op != "write_view" and op not in registry:
                damaged(f"there is no operator {op!r}")
            outs = graph.add(
                op,
                tuple(decoded(inputs)),
                decoded(attrs),
                tuple(map(_of_meta, metas)),
                bool(several),
            )
            known.extend(outs)
        graph.outputs = [_at(known, i) for i in node["outputs"]]
        graph.writes = [(_at(known, a), _at(known, b)) for a, b in node["writes"]]
        return cls(
            str(node["name"]), graph, paths, decoded(node["args"]), [str(p) for p in node["params"]],
            decoded(node["made"]), node["sizes"], bool(node["of_module"]),
        )  # fmt: skip


def _at(known: list[Value], i: Any) -> Value:
    if type(i) is not int or not 0 <= i < len(known):
        damaged(f"a program without a value {i!r}")
    return known[i]


def _structured(x: Any) -> bool:
    if isinstance(x, (Value, Place, OpenSize, dict)):
        return True
    return isinstance(x, (tuple, list)) and any(map(_structured, x))


def _meta(meta: Any) -> list[Any]:
    return [[int(n) for n in meta.shape], meta.dtype.name]


def _of_meta(node: Any) -> Meta:
    shape, dtype = node
    return Meta(tuple(int(n) for n in shape), _DTYPES[dtype])


def member(module: Any, path: str) -> Any:
    """A parameter or buffer by its dotted name."""
    *owners, last = path.split(".")
    for o in owners:
        module = module._modules[o]
    found = module._parameters.get(last)
    return found if found is not None else module._buffers[last]


def perform(name: str, arrays: tuple, attrs: dict[str, Any]) -> Any:
    """One operator's call, as if its function had been called."""
    return _runner(name)(arrays, attrs)


@functools.cache
def _runner(name: str) -> Callable[[tuple, dict[str, Any]], Any]:
    """What calls an operator with arrays and attributes."""
    if name == "write_view":
        return lambda arrays, attrs: _write_view(arrays[0], arrays[1], attrs["steps"])
    op = find(name)
    if op.family != "composite":
        apply = functools.partial(dispatch.apply, op)
        if op.variadic or list(op.arrays) != list(range(len(op.arrays))):
            return apply
        public = op.inner  # what users call has the shortest ways to kernels
        return lambda arrays, attrs: apply(arrays, attrs) if attrs else public(*arrays)

    def composite(arrays: tuple, attrs: dict[str, Any]) -> Any:
        hook = state.local.promotion
        if hook is None:
            return dispatch._opened(op, arrays, attrs)
        return hook.whole(op, arrays, attrs, dispatch._opened)

    return composite


def _write_view(old: Tensor, source: Tensor, steps: Any) -> Tensor:
    """`old` with `source` written into the view of it that `steps` lead to."""
    made = old.clone()
    view = made
    for op, rest, attrs, index in steps:
        view = perform(op, (view, *rest), attrs)
        if index is not None and isinstance(view, tuple):
            view = view[index]
    view.copy_(source)
    return made


def has_open(x: Any) -> bool:
    """Whether an `OpenSize` is in it."""
    if isinstance(x, OpenSize):
        return True
    if isinstance(x, dict):
        return any(map(has_open, x.values()))
    if isinstance(x, slice):
        return any(map(has_open, (x.start, x.stop, x.step)))
    return isinstance(x, (tuple, list)) and any(map(has_open, x))


def at_sizes(x: Any, sizes: dict[str, int]) -> Any:
    """`x` with every `OpenSize` computed."""
    if isinstance(x, OpenSize):
        return x.at(sizes)
    if isinstance(x, dict):
        return {k: at_sizes(v, sizes) for k, v in x.items()}
    if isinstance(x, slice):
        return slice(*(at_sizes(v, sizes) for v in (x.start, x.stop, x.step)))
    if isinstance(x, (tuple, list)) and has_open(x):
        return type(x)([at_sizes(v, sizes) for v in x])
    return x


def pytree_map(tree: Any, f: Any) -> Any:
    """`tree` with `f` of every `Place` in it."""
    if isinstance(tree, Place):
        return f(tree)
    if isinstance(tree, tuple):
        return tuple(pytree_map(t, f) for t in tree)
    if isinstance(tree, list):
        return [pytree_map(t, f) for t in tree]
    if isinstance(tree, dict):
        return {k: pytree_map(v, f) for k, v in tree.items()}
    return tree


__all__ = ["Call", "Place", "Traced", "member", "perform", "pytree_map"]
