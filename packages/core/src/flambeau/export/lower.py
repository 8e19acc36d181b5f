"""From the program to steps: C functions over buffers, elementwise calls joined to what makes or takes their values.

A `Step` is one call of a C function. Functions have their sizes written into them, so that the compiler knows every trip
count; two steps of the same sizes share one function. Movement costs nothing where strides can express it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import ir
from .._base.checks import wrap_dims
from .._base.errors import MissingRule
from ..graph import Call, Graph, Value
from ..ir.text import C_TYPES, NoText
from ..runtime.backend import of_array
from ..runtime.operator import find
from .capture import array_of, is_known
from .memory import Buffer, Ref, Scale, plan
from .text import address, merged, nest

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


class Step:
    """One call of a C function: its name, its arguments, and over how many equal parts threads may share it."""

    __slots__ = ("args", "extent", "function", "label")

    def __init__(self, function: str, args: list[Ref], extent: int, label: str) -> None:
        self.function, self.args, self.extent, self.label = function, args, extent, label


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
            raise MissingRule(
                f"{self.name}: {where} is {value.meta}, and {name} is no type of plain C. Ways out: export the model in "
                "float32 (model.float()), or keep this part outside"
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
        if any(0 in v.meta.shape for v in call.outputs):
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


def single(x: float) -> str:
    """A number as a C float."""
    return f"{np.float32(x).item():.9g}" + (
        "f" if set(f"{np.float32(x).item():.9g}") & set(".e") else ".0f"
    )


def same_scale(a: Scale | None, b: Scale | None) -> bool:
    """Whether numbers may be copied as they are."""
    return a is b or (a is not None and b is not None and (a.step, a.zero) == (b.step, b.zero))


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


# -- functions ---------------------------------------------------------------------------------------------------------


class Function:
    """A C function in the making: its pointers, its body, and the step that calls it."""

    def __init__(self, low: Lowering, stem: str) -> None:
        self.low, self.stem = low, stem
        self.params: list[str] = []
        self.args: list[Ref] = []
        self.lines: list[str] = []
        self.extent = 1
        self._names: dict[tuple, str] = {}

    def read(self, ref: Ref, name: str | None = None) -> str:
        """The name of a pointer to what is read; a window read twice is one pointer."""
        key = (id(ref.buffer), ref.offset)
        if key not in self._names:
            name = name or f"x{sum(p.startswith('const') for p in self.params)}"
            self._names[key] = self._pointer(ref, name, "const ")
        return self._names[key]

    def write(self, ref: Ref) -> str:
        """The name of a pointer to what is written."""
        count = sum(not p.startswith("const") for p in self.params)
        return self._pointer(ref, f"y{count}", "")

    def _pointer(self, ref: Ref, name: str, const: str) -> str:
        if ref.buffer.size >= 2**31:
            raise MissingRule(
                f"{self.low.name}: an array of {ref.buffer.size} elements: indices of the exported code have 31 bits"
            )
        self.params.append(f"{const}{C_TYPES[ref.dtype]} *restrict {name}")
        self.args.append(ref)
        return name

    def load(self, ref: Ref, name: str, at: str) -> str:
        """An element as C text; int8 as the number it stands for."""
        if ref.scale is None:
            return f"{name}[{at}]"
        step, zero = single(ref.scale.step), ref.scale.zero
        shifted = f"{name}[{at}]" if not zero else f"({name}[{at}] - ({zero}))"
        return f"(float){shifted} * {step}"

    def store(self, ref: Ref, name: str, at: str, value: str) -> str:
        """The statement that stores `value`."""
        if ref.scale is None:
            return f"{name}[{at}] = {value};"
        self.low.helpers.add("fb_int8")
        inverse = single(1 / ref.scale.step)
        return f"{name}[{at}] = fb_int8({value}, {inverse}, {ref.scale.zero});"

    def loops(self, shape: Sequence[int], body: Callable[[list[str]], list[str]]) -> None:
        """A loop nest over `shape`, its outermost loop shared among threads."""
        lines, self.extent = nest(shape, body)
        self.lines += lines

    def emit(self, label: str, checks: bool = False) -> None:
        """Enters the function, or finds its equal, and adds the step."""
        params = list(self.params)
        if checks:
            params.append("int *bad")
        if self.extent > 1:
            params += ["int begin", "int end"]
        body = "\n".join("  " + line for line in without_unused(self.lines))
        text = f"static void @({', '.join(params)}) {{\n{body}\n}}\n"
        low = self.low
        if text not in low.functions:
            count = sum(1 for n in low.functions.values() if n.rpartition("_")[0] == self.stem)
            low.functions[text] = f"{self.stem}_{count + 1}"
        low.checked |= checks
        step = Step(low.functions[text], self.args, self.extent, label)
        low.steps.append(step)


def without_unused(lines: list[str]) -> list[str]:
    """The lines but for indices that are set to 0 and never read."""
    zeros = {
        m[1]: i for i, t in enumerate(lines) if (m := re.fullmatch(r"\s*const int (\w) = 0;", t))
    }
    words = Counter(w for t in lines for w in re.findall(r"\b\w\b", t))
    gone = {i for name, i in zeros.items() if words[name] == 1}
    return [t for i, t in enumerate(lines) if i not in gone]


class Tail:
    """What happens to each number that a core makes, and where it is stored: the group's elementwise calls as C.

    `merge` may fold neighbouring dimensions of the result into one where all operands allow it.
    """

    def __init__(self, f: Function, group: Group) -> None:
        self.f, low = f, f.low
        exprs: dict[int, ir.Expr] = {}
        self.operands: list[Ref] = []
        self.dtypes: dict[str, str] = {}
        names: dict[int, str] = {}
        if group.core is not None:
            exprs[id(group.core.outputs[0])] = ir.var("acc")
            self.dtypes["acc"] = low.kind(group.core.outputs[0])

        def operand(v: Any) -> ir.Expr:
            if not isinstance(v, Value):
                return ir.const(v)
            if id(v) in exprs:
                return exprs[id(v)]
            if is_known(v) and v.meta.numel == 1 and low.kind(v) in ("float32", "float64"):
                # cast: a lone number of an array keeps the array's dtype
                return ir.cast(ir.const(float(array_of(v).reshape(-1)[0])), low.kind(v))
            if id(v) not in names:
                names[id(v)] = f"v{len(self.operands)}"
                ref = low.ref(v)
                self.dtypes[names[id(v)]] = "float32" if ref.scale else ref.dtype
                self.operands.append(ref)
            return ir.var(names[id(v)])

        for call in group.calls:
            exprs[id(call.outputs[0])] = expression(low, call, operand)
        result = group.result
        self.expr = exprs[id(result)]
        self.kind = low.kind(result)
        self.out = low.new(result)
        self.shape = self.out.shape
        self.strides = [self.out.strides, *(r.spread(self.shape) for r in self.operands)]
        self.names = [f.read(r) for r in self.operands]
        self.target = f.write(self.out)

    @property
    def plain(self) -> bool:
        """Whether numbers are stored as they come."""
        return self.expr.op == "var" and not self.operands and self.out.scale is None

    def merge(self) -> Tail:
        self.shape, self.strides = merged(self.shape, self.strides)
        return self

    def merge_last(self, count: int) -> bool:
        """Folds the last `count` dimensions into one if all operands allow; whether they did."""
        shape, strides = merged(self.shape[-count:], [s[-count:] for s in self.strides])
        if len(shape) != 1:
            return False
        self.shape = (*self.shape[:-count], *shape)
        self.strides = [(*s[:-count], *t) for s, t in zip(self.strides, strides)]
        return True

    def statements(self, index: Sequence[str], acc: str = "") -> list[str]:
        """C that stores the result at an index of the (merged) shape, given the core's number."""
        f, lines, spelled = self.f, [], {"acc": acc}
        own, *others = self.strides
        for i, (ref, name, strides) in enumerate(zip(self.operands, self.names, others)):
            kind = C_TYPES[self.dtypes[f"v{i}"]]
            lines.append(f"const {kind} v{i} = {f.load(ref, name, address(index, strides))};")
            spelled[f"v{i}"] = f"v{i}"
        made = ir.c_statements([self.expr], spelled, self.dtypes, self.kind)
        text, dtype = made.values[0]
        if dtype != self.kind and not self.out.scale:
            text = f"({C_TYPES[self.kind]}){text}"
        return [*lines, *made.lines, f.store(self.out, self.target, address(index, own), text)]


def expression(low: Lowering, call: Call, operand: Callable[[Any], ir.Expr]) -> ir.Expr:
    """The scalar expression of an elementwise call."""
    result = low.kind(call.outputs[0])
    if call.op == "to_dtype":
        return ir.cast(operand(call.inputs[0]), result)
    op = find(call.op)
    defaults = {n: op.defaults[i] for i, n in op.attrs}
    program = op.vjp_rule.program({} if call.attrs == defaults else call.attrs)
    values = dict(zip(program.arrays, map(operand, call.inputs)))
    values |= {p: ir.const(call.attrs[p]) for p in program.params}
    made = ir.evaluate(program.expr, values, lambda name, args: ir.apply(name, *args))
    kinds = {v.meta.dtype.name for v in call.inputs if isinstance(v, Value)}
    # Mixed dtypes meet as the operator says, which C's own conversions need not do.
    return made if kinds <= {result, "bool"} and result != "bool" else ir.cast(made, result)


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


def label_of(group: Group) -> str:
    """The operators of a group and the result's dtype and shape."""
    ops = [c.op for c in ([group.core] if group.core else []) + group.calls]
    return f"{' '.join(ops)} -> {group.result.meta}"
