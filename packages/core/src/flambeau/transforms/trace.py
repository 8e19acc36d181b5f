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
from ..runtime.tensor import Tensor, history, wrap


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
        self._earlier: set[int] = set()  # ids of values that earlier programs made
        self._views: dict[int, tuple[Tensor, Sequence[Any]]] = {}  # of detached views: root, steps
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
        if op.name == "stop_gradient" and not arrays[0]._level:
            return self._detached(arrays[0], proceed())
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
        as_made = wrap(tensor._array.copy())  # the function may write into it
        value = Value(self.graph.name("c"), tensor._meta, "constant", as_made)
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
        tables = (self._alive, self._values, self._versions, self._views)

        def gone(_: Any) -> None:
            for noted in tables:
                noted.pop(key, None)

        self._alive[key] = weakref.ref(array, gone)

    def _detached(self, tensor: Tensor, made: Tensor) -> Tensor:
        """Another tensor on the same memory: the same value, now and when either is written."""
        value = self.read(tensor)
        if made._array is not tensor._array:
            self._bind(made, self.graph.add("stop_gradient", (value,), {}, (made._meta,))[0])
            return made
        root, steps = self._origin(tensor)
        if steps and root._array is not made._array:  # a view of all may be the very array
            self._views[id(made._array)] = (root, steps)
        return made

    def _origin(self, tensor: Tensor) -> tuple[Tensor, Sequence[Any]]:
        """Whose memory a tensor looks at, and by which views."""
        steps: tuple[Any, ...] = ()
        while True:
            if tensor._base is not None:
                steps = (*tensor._replay, *steps)
                tensor = tensor._base
            elif id(tensor._array) in self._views:
                tensor, further = self._views[id(tensor._array)]
                steps = (*further, *steps)
            else:
                return tensor, steps

    def _root(self, tensor: Tensor) -> Tensor:
        return self._origin(tensor)[0]

    def _version(self, tensor: Tensor) -> int:
        return self._versions.get(id(self._root(tensor)._array), 0)

    def read(self, tensor: Tensor) -> Value:
        """The value in a tensor's memory now."""
        found = self._values.get(id(tensor._array))
        root, steps = self._origin(tensor)
        if found is not None and (not steps or found[1] == self._version(root)):
            return found[0]
        if steps and id(root._array) in self._values:
            value = self._steps(self.read(root), steps)
            self._bind(tensor, value)
            return value
        value = Value(self.graph.name("p"), tensor._meta, "captured", tensor)
        self.graph.captured.append(value)
        self._bind(tensor, value)
        return value

    def twin(self, tensor: Tensor, of: Tensor) -> None:
        """`tensor` is a copy of another in memory of its own; programs give each result its own, and need none."""
        self._bind(tensor, self.read(of))

    def _steps(self, value: Value, steps: Sequence[Any]) -> Value:
        for s in steps:
            rest = tuple(self.read(r) if isinstance(r, Tensor) else r for r in s.rest)
            metas = (s.op.call_body((value.meta, *rest), s.attrs),)
            value = self.graph.add(s.op.name, (value, *rest), s.attrs, metas)[0]
        return value

    def write(self, target: Tensor, source: Value) -> None:
        """`target`'s memory now holds `source`."""
        root, steps = self._origin(target)
        old = self.read(root)
        if not steps:
            new = source
        else:
            attrs = {"steps": steps}
            new = self.graph.add("write_view", (old, source), attrs, (old.meta,))[0]
        key = id(root._array)
        self._versions[key] = self._versions.get(key, 0) + 1
        self._watch(root._array)
        self._values[key] = (new, self._versions[key])
        if steps:
            self._values[id(target._array)] = (source, self._versions[key])
            self._watch(target._array)
        self._note_write(root, old, new)

    def _note_write(self, root: Tensor, old: Value, new: Value) -> None:
        for i, (target, before) in enumerate(self.graph.writes):
            if before is old or target is old:
                self.graph.writes[i] = (target, new)
                return
        if old.kind in ("captured", "input") or id(old) in self._earlier:
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
