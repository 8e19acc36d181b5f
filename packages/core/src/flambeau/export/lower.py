"""From the program to steps: C functions over buffers, elementwise calls joined to what makes or takes their values.

A `Step` is one call of a C function. Functions have their sizes written into them, so that the compiler knows every trip
count; two steps of the same sizes share one function. Movement costs nothing where strides can express it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._base.checks import wrap_dims
from .._base.errors import MissingRule
from ..graph import Call, Graph, Value
from ..ir.text import C_TYPES, NoText
from ..runtime.backend import of_array
from ..runtime.operator import find
from .capture import array_of
from .functions import Function, Step, Tail, label_of
from .memory import Buffer, Ref, Scale, plan, same_scale
from .text import address, merged

Emitter = Callable[["Lowering", "Group"], None]
EMITTERS: dict[str, Emitter] = {}  # by operator: what writes its step
MOVES = ("flip", "stop_gradient", "clone")  # beside the operators of the family "view"


def emitter(*names: str) -> Callable[[Emitter], Emitter]:
    """Enters the emitter of operators."""

    def enter(function: Emitter) -> Emitter:
        EMITTERS.update(dict.fromkeys(names, function))
        return function

    return enter


class Target:
    """What the text is tuned for: `rows` x 16 sums are held in registers; `small` prefers little code and memory."""

    def __init__(self, rows: int = 4, small: bool = False) -> None:
        self.rows, self.small = rows, small


class Group:
    """A call with an emitter of its own (`core`, or None) and the elementwise calls behind it; `root` makes the result."""

    __slots__ = ("calls", "core", "root")

    def __init__(self, root: Call) -> None:
        self.root, self.core = root, None if is_elementwise(root) else root
        self.calls: list[Call] = [root] if self.core is None else []

    @property
    def result(self) -> Value:
        return self.root.outputs[0]


def is_elementwise(call: Call) -> bool:
    """Whether a call is a function of elements."""
    return call.op == "to_dtype" or find(call.op).family == "elementwise"


def is_move(call: Call) -> bool:
    """Whether a call gives the same numbers in another arrangement."""
    return call.op in MOVES or (find(call.op).family == "view" and call.op != "view_dtype")


class Lowering:
    """The program as steps. `scales` says which values are kept as int8 (by id)."""

    def __init__(
        self,
        name: str,
        graph: Graph,
        target: Target,
        scales: dict[int, Scale] | None = None,
        weights: dict[Any, Buffer] | None = None,
    ) -> None:
        self.name, self.graph, self.target = name, graph, target
        self.scales = scales or {}
        self.users = graph.users()
        self.refs: dict[int, Ref] = {}
        self.steps: list[Step] = []
        self.functions: dict[str, str] = {}  # text with @ for the name -> name
        self.weights: dict[Any, Buffer] = {} if weights is None else weights
        self.buffers: list[Buffer] = []
        self.weights_loaded = False  # whether weights come as one block of memory
        self.checked = False  # whether some step may find an index out of range
        self.helpers: set[str] = set()
        self._alive: list[Any] = []
        self._run()

    # -- memory ------------------------------------------------------------------------------------------------------

    def allocate(self, dtype: str, shape: Sequence[int], scale: Scale | None = None) -> Ref:
        """A new buffer of the arena, whole."""
        ref = Ref(Buffer("arena", dtype, int(np.prod(shape, dtype=np.int64))), shape, scale=scale)
        self.buffers.append(ref.buffer)
        return ref

    def new(self, value: Value) -> Ref:
        """Memory for a call's result."""
        self.kind(value)
        scale = self.scales.get(id(value))
        dtype = "int8" if scale else value.meta.dtype.name
        ref = self.refs[id(value)] = self.allocate(dtype, value.meta.shape, scale)
        return ref

    def kind(self, value: Value) -> str:
        """The dtype's name; an error for those that C has no plain type for."""
        name = value.meta.dtype.name
        if name not in C_TYPES:
            maker = next((c for c in self.graph.calls if value in c.outputs), None)
            where = f"the result of {described(maker)}" if maker else f"{value.name}"
            way = "export the model in float32 (model.float())"
            if value.meta.dtype.is_complex:
                way = "give out real numbers (abs, view_as_real) of sums, products and Fourier transforms of up to 4096"
            raise MissingRule(
                f"{self.name}: {where} is {value.meta}, and {name} is no type of plain C. Ways out: {way}, or keep this "
                "part outside"
            )
        return name

    def weight(self, array: np.ndarray) -> Ref:
        """Known numbers, stored beside the code; equal ones once."""
        array = np.ascontiguousarray(array)
        key = (array.dtype.str, array.shape, hashlib.blake2b(array.tobytes()).digest())
        if key not in self.weights:
            kind = "bool" if array.dtype == bool else array.dtype.name
            self.weights[key] = Buffer("weight", kind, array.size, array, len(self.weights))
        return Ref(self.weights[key], array.shape)

    def ref(self, value: Value) -> Ref:
        """Where a value lies; known ones become weights when first read."""
        if id(value) not in self.refs:
            self.kind(value)
            self.refs[id(value)] = self.weight(array_of(value))
        return self.refs[id(value)]

    def dense(self, ref: Ref) -> Ref:
        """The same numbers row by row, copied if they do not lie so."""
        if ref.contiguous:
            return ref
        made = self.allocate(ref.dtype, ref.shape, ref.scale)
        self.copy(ref, made)
        return made

    def copy(self, source: Ref, target: Ref, label: str = "copy") -> None:
        """A step that copies; between scales or out of int8 it converts."""
        f = Function(self, "copy")
        x, y = f.read(source), f.write(target)
        shape, (a, b) = merged(source.shape, [source.strides, target.strides])
        same = same_scale(source.scale, target.scale)

        def body(index: list[str]) -> list[str]:
            if same:
                return [f"{y}[{address(index, b)}] = {x}[{address(index, a)}];"]
            return [f.store(target, y, address(index, b), f.load(source, x, address(index, a)))]

        f.loops(shape, body)
        f.emit(label)

    # -- the program -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        graph = self.graph
        for v in (*graph.inputs, *graph.outputs):
            if 0 in v.meta.shape:
                raise MissingRule(f"{self.name}: {v.name} is {v.meta}, which has no elements")
        for i, v in enumerate(graph.inputs):
            self.kind(v)
            self.refs[id(v)] = Ref(
                Buffer("input", v.meta.dtype.name, v.meta.numel, index=i), v.meta.shape
            )
            if id(v) in self.scales:
                source = self.refs[id(v)]
                self.copy(source, self.new(v), "quantize")
        for item in grouped(graph, self.absorbs):
            try:
                self._one(item)
            except NoText as error:
                raise self.missing(item.root, str(error)) from None
        for i, v in enumerate(graph.outputs):
            self._output(i, v)
        self._lives()

    def absorbs(self, group: Group, call: Call) -> bool:
        """Whether a group's loop may take `call` in."""
        if not self.scales:
            return True
        from .quantized import absorbable

        return absorbable(self, group, call)

    def _one(self, item: Group) -> None:
        call = item.core or item.root
        for v in call.outputs:
            self.kind(v)
            if 0 in v.meta.shape:
                raise self.missing(call, "one of its results has no elements")
        if item.core is None:
            elementwise(self, item)
        elif is_move(call):
            self.refs[id(call.outputs[0])] = self.moved(call)
        elif call.op in EMITTERS:
            EMITTERS[call.op](self, item)
        else:
            raise self.missing(call, "no emitter was written for it")

    def missing(self, call: Call, why: str) -> MissingRule:
        """The error for a call that has no C."""
        return MissingRule(
            f"{self.name}: {described(call)} has no C: {why}. Ways out: write this part of the model with other operators, "
            "keep it outside the exported part, or use flambeau.onnx.export"
        )

    def moved(self, call: Call) -> Ref:
        """The result of a movement: another window, which the operator itself makes of an array with these strides."""
        source = self.ref(call.inputs[0])
        if call.op in ("clone", "stop_gradient"):
            return source
        made = _window(call, source) or _window(call, self.dense(source))
        if made is None:
            raise self.missing(call, "it copies in a way that strides cannot express")
        return made

    def _output(self, i: int, value: Value) -> None:
        kind = self.kind(value)
        ref = self.ref(value)
        own = Buffer("output", kind, value.meta.numel, index=i)
        b = ref.buffer
        if b.kind == "arena" and ref.contiguous and ref.scale is None and ref.numel == b.size:
            # The buffer itself is the caller's memory; other readers read it there.
            b.kind, b.index = "output", i
            self.buffers.remove(b)
        else:
            self.copy(ref, Ref(own, ref.shape))

    def _lives(self) -> None:
        for at, step in enumerate(self.steps):
            for ref in step.args:
                b = ref.buffer
                if b.first < 0:
                    b.first = at
                b.last = at
        self.buffers = [b for b in self.buffers if b.first >= 0]
        self.arena = plan(self.buffers)


def described(call: Call) -> str:
    """A call with its shapes, for errors."""
    shapes = ", ".join(str(v.meta) if isinstance(v, Value) else repr(v) for v in call.inputs)
    return f"{call.op}({shapes})"


def _window(call: Call, ref: Ref) -> Ref | None:
    """What a movement makes of a window; None if it would have to copy."""
    if call.op == "flip":
        dims = wrap_dims(call.attrs["dims"], len(ref.shape))
        strides = [-s if d in dims else s for d, s in enumerate(ref.strides)]
        ends = sum((n - 1) * s for d, (n, s) in enumerate(zip(ref.shape, ref.strides)) if d in dims)
        return Ref(ref.buffer, ref.shape, strides, ref.offset + ends, ref.scale)
    store = np.empty(max(ref.buffer.size, 1), np.uint8)  # never read: only addresses count
    first = store[ref.offset :] if ref.offset < store.size else store[:0]
    look = np.lib.stride_tricks.as_strided(first, ref.shape, ref.strides)
    made = find(call.op).kernels[None](of_array(look).xp, look, **call.attrs)
    start = store.__array_interface__["data"][0]
    offset = made.__array_interface__["data"][0] - start
    if not 0 <= offset < store.size:
        return None
    shape = call.outputs[0].meta.shape
    return Ref(ref.buffer, shape, made.strides, offset, ref.scale)


# -- groups ------------------------------------------------------------------------------------------------------------


def grouped(graph: Graph, absorbs: Callable[[Group, Call], bool]) -> list[Group]:
    """The calls in groups, in an order that can run: each group stands where its last call stood."""
    users: dict[int, list[Call]] = {}
    for call in graph.calls:
        for v in call.inputs:
            if isinstance(v, Value):
                users.setdefault(id(v), []).append(call)
    outside = {id(v) for v in graph.outputs}
    home: dict[int, Group] = {}  # by id of a call
    groups: list[Group] = []
    for call in reversed(graph.calls):
        group = _reader(call, users, outside, home)
        if group is None or not absorbs(group, call):
            group = Group(call)
            groups.append(group)
        elif is_elementwise(call):
            group.calls.insert(0, call)
        else:
            group.core = call
        home[id(call)] = group
    return groups[::-1]


def _reader(
    call: Call, users: dict[int, list[Call]], outside: set[int], home: dict[int, Group]
) -> Group | None:
    """The one group that reads a call's result, if it can take the call in."""
    first, *rest = call.outputs
    if id(first) in outside or any(id(v) in users or id(v) in outside for v in rest):
        return None
    found = {id(home[id(c)]): home[id(c)] for c in users.get(id(first), ())}
    if len(found) != 1:
        return None
    (group,) = found.values()
    alike = first.meta.shape == group.result.meta.shape
    if not alike or not group.calls or any(c is group.core for c in users[id(first)]):
        return None
    if is_elementwise(call):
        return group if len(group.calls) < 40 else None
    return group if call.op in EMITTERS and group.core is None else None


def elementwise(low: Lowering, group: Group) -> None:
    """A loop over elements."""
    if low.scales:
        from .quantized import table

        if table(low, group):
            return
    f = Function(low, group.calls[-1].op if len(group.calls) == 1 else "chain")
    tail = Tail(f, group).merge()
    f.loops(tail.shape, tail.statements)
    f.emit(label_of(group))
