"""Tracing: run a function once, on real data, and keep every operator call as a program (`graph.Graph`).

The tracer is a mode, not a kind of tensor, so that calls on captured tensors (parameters, buffers, optimizer state) are
seen too. Values are known by the memory they are in: an in-place write makes the memory stand for the new value, and
views of it are read anew.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from ..graph import Graph, Value
from ..runtime import state
from ..runtime.operator import Operator
from ..runtime.tensor import Tensor, history


class TraceBreak(RuntimeError):
    """Something left the program that a trace cannot follow: a number read, memory replaced."""


class Tracer:
    """Records the calls of one thread while it is in force (`with tracer:`)."""

    def __init__(self, keep: Callable[[Operator], bool] | None = None) -> None:
        self.graph = Graph()
        self.breaks: list[str] = []
        self._keep = keep
        self._values: dict[
            int, tuple[Value, int]
        ] = {}  # by id of the raw array: value, version of its root
        self._versions: dict[int, int] = {}  # by id of a root array: writes seen
        # By id of the arrays whose ids are in use: they are not kept alive, or a trace would hold all that it computed.
        self._alive: dict[int, Any] = {}

    def __enter__(self) -> Tracer:
        state.push_mode(self)
        return self

    def __exit__(self, *_: Any) -> None:
        state.pop_mode(self)

    # -- the mode's protocol --------------------------------------------------------------------------------------------

    def wants(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> bool:
        """Whether a composite is kept whole: where the user of the trace knows it, and no gradient runs through."""
        if self._keep is None or not self._keep(op):
            return False
        return not (
            state.local.grad
            and any(isinstance(a, Tensor) and history(a) is not None for a in arrays)
        )

    def run(
        self, op: Operator, arrays: tuple, attrs: dict[str, Any], proceed: Callable[[], Any]
    ) -> Any:
        if op.name == "copy_into":
            source = self.read(arrays[1])
            made = proceed()
            self.write(arrays[0], source)
            return made
        inputs = tuple(self.read(a) if isinstance(a, Tensor) else a for a in arrays)
        made = proceed()
        several = isinstance(made, tuple)
        outs = made if several else (made,)
        values = self.graph.add(op.name, inputs, attrs, tuple(o._meta for o in outs), several)
        for o, v in zip(outs, values):
            self._bind(o, v)
        return made

    def constant(self, tensor: Tensor) -> None:
        """A tensor made from Python data while tracing."""
        value = Value(self.graph.name("c"), tensor._meta, "constant", tensor)
        self.graph.constants.append(value)
        self._bind(tensor, value)

    def leaves(self, tensor: Tensor, how: str) -> None:
        """A value left the program (`.item()`, `.numpy()`): a trace would freeze it."""
        if id(tensor._array) in self._values or how.startswith("backward"):
            self.breaks.append(how)

    # -- values ---------------------------------------------------------------------------------------------------------

    def input(self, tensor: Tensor, name: str | None = None) -> Value:
        """Declares an argument of the program."""
        value = Value(name or self.graph.name("x"), tensor._meta, "input")
        self.graph.inputs.append(value)
        self._bind(tensor, value)
        return value

    def _bind(self, tensor: Tensor, value: Value) -> None:
        array = tensor._array
        self._watch(array)
        self._values[id(array)] = (value, self._version(tensor))

    def _watch(self, array: Any) -> None:
        """An array's id may be another's once it is gone: what was noted under it goes with it."""
        key = id(array)
        if key in self._alive:
            return
        alive, values, versions = self._alive, self._values, self._versions

        def gone(_: Any) -> None:
            for noted in (alive, values, versions):
                noted.pop(key, None)

        self._alive[key] = weakref.ref(array, gone)

    def _root(self, tensor: Tensor) -> Tensor:
        return tensor if tensor._base is None else tensor._base

    def _version(self, tensor: Tensor) -> int:
        return self._versions.get(id(self._root(tensor)._array), 0)

    def read(self, tensor: Tensor) -> Value:
        """The value in a tensor's memory now."""
        found = self._values.get(id(tensor._array))
        if found is not None and (tensor._base is None or found[1] == self._version(tensor)):
            return found[0]
        if tensor._base is not None and id(tensor._base._array) in self._values:
            return self._read_view(tensor)
        value = Value(self.graph.name("p"), tensor._meta, "captured", tensor)
        self.graph.captured.append(value)
        self._bind(tensor, value)
        return value

    def _read_view(self, tensor: Tensor) -> Value:
        """A view of memory that is known: the steps from its root, once more."""
        value = self.read(tensor._base)  # type: ignore[arg-type]
        value = self._steps(value, tensor._replay)
        self._bind(tensor, value)
        return value

    def _steps(self, value: Value, steps: Sequence[Any]) -> Value:
        for s in steps:
            rest = tuple(self.read(r) if isinstance(r, Tensor) else r for r in s.rest)
            metas = (s.op.call_body((value.meta, *rest), s.attrs),)
            value = self.graph.add(s.op.name, (value, *rest), s.attrs, metas)[0]
        return value

    def write(self, target: Tensor, source: Value) -> None:
        """`target`'s memory now holds `source`."""
        root = self._root(target)
        if target._base is None:
            old = self.read(target)
            new = source
        else:
            old = self.read(root)
            attrs = {"steps": target._replay}
            new = self.graph.add("write_view", (old, source), attrs, (old.meta,))[0]
        key = id(root._array)
        self._versions[key] = self._versions.get(key, 0) + 1
        self._watch(root._array)
        self._values[key] = (new, self._versions[key])
        if target is not root:
            self._values[id(target._array)] = (source, self._versions[key])
            self._watch(target._array)
        self._note_write(root, old, new)

    def _note_write(self, root: Tensor, old: Value, new: Value) -> None:
        for i, (target, before) in enumerate(self.graph.writes):
            if before is old or target is old:
                self.graph.writes[i] = (target, new)
                return
        if old.kind in ("captured", "input"):
            self.graph.writes.append((old, new))


def trace(function: Callable[..., Any], args: Sequence[Tensor], names: Sequence[str] | None = None,
          keep: Callable[[Operator], bool] | None = None) -> tuple[Graph, Any, Tracer]:  # fmt: skip
    """The program of `function(*args)`, what it returned, and the tracer. Tensor arguments are the program's inputs."""
    from .._base import pytree

    tracer = Tracer(keep)
    flat, _ = pytree.flatten(args)
    for i, a in enumerate(flat):
        if isinstance(a, Tensor):
            tracer.input(a, names[i] if names and i < len(names) else None)
    with tracer:
        made = function(*args)
        leaves, _ = pytree.flatten(made)
        tracer.graph.outputs = [tracer.read(x) for x in leaves if isinstance(x, Tensor)]
    return tracer.graph, made, tracer
