"""The C of writing where an index says: scatter and its kin, and values put at index tensors."""

from __future__ import annotations

from .._base.checks import wrap_dim
from ..graph import Value
from ..ir.text import C_TYPES, c_literal
from .emitters import body_of, made_kind, nan_test
from .functions import Function, label_of
from .lower import Group, Lowering, emitter
from .memory import Ref
from .moving import picked_index, picked_shape, rest
from .text import address, loop, nest

# What happens to the element {y} that a number v goes to.
_WAYS = {
    "scatter_src": "{y} = v;",
    "scatter_add": "{y} += v;",
    "scatter_prod": "{y} *= v;",
    "scatter_extreme": "if (v {sign} {y}{nan}) {y} = v;",
}


@emitter(*_WAYS)
def scatter(low: Lowering, group: Group) -> None:
    """A copy, into which numbers are folded along one dimension, one after another."""
    call = body_of(group)
    x, places, src = (_lifted(low.ref(v)) for v in call.inputs)
    out = _copied(low, group, x)
    d = wrap_dim(call.attrs["dim"], len(out.shape))
    f = Function(low, call.op)
    given, at, y = f.read(src), f.read(places), f.write(out)
    kind, sign = made_kind(low, src), ">" if call.attrs.get("largest") else "<"
    way, nan = _WAYS[call.op], nan_test(kind, " || v != v")

    def body(index: list[str]) -> list[str]:
        inner = ["k" if e == d else i for e, i in enumerate(index)]
        target = ["p" if e == d else i for e, i in enumerate(index)]
        lines = picked_index("p", f"{at}[{address(inner, places.strides)}]", out.shape[d], False)
        value = f.load(src, given, address(inner, src.strides))
        put = way.format(y=f"{y}[{address(target, out.strides)}]", sign=sign, nan=nan)
        return loop("k", places.shape[d], [*lines, f"const {kind} v = {value};", put])

    if places.numel:
        f.loops([1 if e == d else n for e, n in enumerate(places.shape)], body)
        f.emit(label_of(group), checks=True)
    if group.calls:
        rest(low, group)


@emitter("index_put_at")
def put(low: Lowering, group: Group) -> None:
    """A copy, into which a value is written, or added, where index tensors point, one element after another."""
    call = body_of(group)
    given, value, *indices = call.inputs
    x, indices = low.ref(given), [low.ref(v) for v in indices]
    positions, kind = call.attrs["positions"], low.kind(call.outputs[0])
    out = _copied(low, group, x)
    picked, first = picked_shape(indices, positions)
    others = [n for e, n in enumerate(x.shape) if e not in positions]
    shape = (*others[:first], *picked, *others[first:])
    f = Function(low, "put")
    source = low.ref(value) if isinstance(value, Value) else None
    numbers = "" if source is None else f.read(source)
    names, y = [f.read(r) for r in indices], f.write(out)

    def body(found: list[str]) -> list[str]:
        behind = first + len(picked)
        chosen, free = found[first:behind], iter([*found[:first], *found[behind:]])
        lines = []
        for i, (p, r) in enumerate(zip(positions, indices)):
            text = f"{names[i]}[{address(chosen, r.spread(picked))}]"
            lines += picked_index(f"p{i}", text, x.shape[p], call.attrs["from_end"])
        target = [f"p{positions.index(e)}" if e in positions else next(free) for e in range(len(x.shape))]  # fmt: skip
        if source is None:
            number = c_literal(value, kind)
        else:
            number = f.load(source, numbers, address(found, source.spread(shape)))
        way = "+=" if call.attrs["accumulate"] else "="
        cast = f"({C_TYPES[kind]})({number})"
        return [*lines, f"{y}[{address(target, out.strides)}] {way} {cast};"]

    if all(shape):
        f.lines, f.extent = nest(shape, body, shared=False)  # places may repeat
        f.emit(label_of(group), checks=True)
    if group.calls:
        rest(low, group)


def _copied(low: Lowering, group: Group, x: Ref) -> Ref:
    """The result's memory, with the numbers of `x`."""
    out = low.new(body_of(group).outputs[0])
    low.copy(_lifted(x), _lifted(out))
    return _lifted(out)


def _lifted(ref: Ref) -> Ref:
    """A lone number as a row of one."""
    return ref if ref.shape else Ref(ref.buffer, (1,), (1,), ref.offset, ref.scale)
