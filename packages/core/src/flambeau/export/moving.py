"""The C of movement that copies: joining, padding, picking by index."""

from __future__ import annotations

from collections.abc import Sequence

from .._base.checks import Shape, broadcast_shapes, wrap_dim
from ..ir.text import C_TYPES, c_literal
from .emitters import body_of, made_kind
from .functions import Function, Tail, label_of
from .lower import Group, Lowering, elementwise, emitter
from .memory import Ref
from .text import address


@emitter("cat")
def cat(low: Lowering, group: Group) -> None:
    """Each part copied into its place."""
    call = body_of(group)
    out = low.new(call.outputs[0])
    d, at = wrap_dim(call.attrs["dim"], len(out.shape)), 0
    for v in call.inputs:
        part = low.ref(v)
        if len(part.shape) != len(out.shape):
            continue  # an empty vector, which PyTorch lets pass
        place = Ref(out.buffer, part.shape, out.strides, at * out.strides[d], out.scale)
        low.copy(part, place, "cat")
        at += part.shape[d]
    if group.calls:
        low.refs[id(call.outputs[0])] = out
        rest(low, group)


def rest(low: Lowering, group: Group) -> None:
    """The elementwise calls behind a core that could not take them in."""
    chain = Group(group.root)
    chain.core, chain.calls = None, group.calls
    elementwise(low, chain)


@emitter("pad_constant")
def pad(low: Lowering, group: Group) -> None:
    """The array inside, one number around it."""
    call = body_of(group)
    x = low.ref(call.inputs[0])
    f = Function(low, "pad")
    name, tail = f.read(x), Tail(f, group)
    pads = call.attrs["pads"]
    kind = low.kind(call.outputs[0])

    def body(index: list[str]) -> list[str]:
        inner, inside, declared = [], [], []
        for d, ((before, after), n) in enumerate(zip(pads, x.shape)):
            if not before and not after:
                inner.append(index[d])
                continue
            declared.append(f"const int p{d} = {index[d]} - ({before});")
            inside += [f"p{d} >= 0"] * (before > 0) + [f"p{d} < {n}"] * (after > 0)
            inner.append(f"p{d}")
        value = f.load(x, name, address(inner, x.strides))
        if inside:
            value = f"{' && '.join(inside)} ? {value} : {c_literal(call.attrs['value'], kind)}"
        return [*declared, f"const {C_TYPES[kind]} u = {value};", *tail.statements(index, "u")]

    f.loops(tail.shape, body)
    f.emit(label_of(group))


@emitter("index")
def index(low: Lowering, group: Group) -> None:
    """Rows picked by index tensors; an index out of range is brought to the nearest place, and reported."""
    call = body_of(group)
    x, *indices = [low.ref(v) for v in call.inputs]
    positions = call.attrs["positions"]
    if any(r.dtype == "bool" for r in indices):
        raise low.missing(call, "a mask picks a number of elements that is known only when it runs")
    f = Function(low, "index")
    name, names = f.read(x), [f.read(r) for r in indices]
    tail = Tail(f, group)
    shape, at = picked_shape(indices, positions)
    behind = at + len(shape)

    def body(found: list[str]) -> list[str]:
        chosen, others = found[at:behind], [*found[:at], *found[behind:]]
        lines, inner = [], [""] * len(x.shape)
        for i, (p, r) in enumerate(zip(positions, indices)):
            text = f"{names[i]}[{address(chosen, r.spread(shape))}]"
            lines += picked_index(f"p{i}", text, x.shape[p], call.attrs["from_end"])
            inner[p] = f"p{i}"
        free = iter(others)
        inner = [i or next(free) for i in inner]
        value = f.load(x, name, address(inner, x.strides))
        kind = made_kind(low, x)
        return [*lines, f"const {kind} u = {value};", *tail.statements(found, "u")]

    f.loops(tail.shape, body)
    f.emit(label_of(group), checks=True)


def picked_shape(indices: Sequence[Ref], positions: Sequence[int]) -> tuple[Shape, int]:
    """The shape of index tensors together, and before which of the other dimensions it stands."""
    beside = positions[-1] - positions[0] == len(positions) - 1
    return broadcast_shapes(*[r.shape for r in indices]), positions[0] if beside else 0


def picked_index(name: str, text: str, size: int, from_end: bool) -> list[str]:
    """An index from memory as an int inside 0 to size - 1; negative ones count `from_end`."""
    return [
        f"int {name} = (int){text};",
        *([f"if ({name} < 0) {name} += {size};"] if from_end else []),
        f"if ({name} < 0 || {name} >= {size}) {{ *bad = 1; {name} = {name} < 0 ? 0 : {size - 1}; }}",
    ]


@emitter("gather")
def gather(low: Lowering, group: Group) -> None:
    """Elements picked along one dimension."""
    call = body_of(group)
    x, where = low.ref(call.inputs[0]), low.ref(call.inputs[1])
    d = wrap_dim(call.attrs["dim"], len(x.shape))
    f = Function(low, "gather")
    name, places, tail = f.read(x), f.read(where), Tail(f, group)

    def body(found: list[str]) -> list[str]:
        lines = picked_index("p", f"{places}[{address(found, where.strides)}]", x.shape[d], False)
        inner = ["p" if e == d else i for e, i in enumerate(found)]
        value = f.load(x, name, address(inner, x.strides))
        return [
            *lines,
            f"const {made_kind(low, x)} u = {value};",
            *tail.statements(found, "u"),
        ]

    f.loops(tail.shape, body)
    f.emit(label_of(group), checks=True)


@emitter("tril", "triu")
def triangle(low: Lowering, group: Group) -> None:
    """The matrix on one side of a diagonal, zeros on the other."""
    call = body_of(group)
    x = low.ref(call.inputs[0])
    f = Function(low, call.op)
    name, tail = f.read(x), Tail(f, group)
    side = "<=" if call.op == "tril" else ">="

    def body(found: list[str]) -> list[str]:
        value = f.load(x, name, address(found, x.strides))
        test = f"{found[-1]} - ({found[-2]}) {side} {call.attrs['diagonal']}"
        kind = made_kind(low, x)
        return [f"const {kind} u = {test} ? {value} : 0;", *tail.statements(found, "u")]

    f.loops(tail.shape, body)
    f.emit(label_of(group))
