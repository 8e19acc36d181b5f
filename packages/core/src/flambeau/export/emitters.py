"""The C of operators that are neither elementwise nor products: reductions, pooling, normalization, movement that copies."""

from __future__ import annotations

from .._base.checks import Shape, wrap_dim, wrap_dims
from ..graph import Call
from ..ir.text import C_TYPES, c_literal
from .lower import Function, Group, Lowering, Tail, elementwise, emitter, label_of
from .memory import Ref
from .text import address, loop


def body_of(group: Group) -> Call:
    """The call that has an emitter of its own."""
    assert group.core is not None
    return group.core


def made_kind(low: Lowering, ref: Ref) -> str:
    """The C type that an element of a window has once read."""
    return "float" if ref.scale else C_TYPES[ref.dtype]


# -- reductions --------------------------------------------------------------------------------------------------------

# Start and step, by operator; {a} the sum so far, {v} the next number.
_FOLDS = {
    "sum": ("0", "{a} + {v}"),
    "norm2": ("0", "{a} + {v} * {v}"),
    "prod_dims": ("1", "{a} * {v}"),
    "amax": (None, "({v} > {a} || {v} != {v}) ? {v} : {a}"),
    "amin": (None, "({v} < {a} || {v} != {v}) ? {v} : {a}"),
    "any": ("false", "{a} || {v}"),
    "all": ("true", "{a} && {v}"),
}
LANES = 16  # sums side by side in a row: the compiler may not reorder a single one


@emitter(*_FOLDS)
def fold(low: Lowering, group: Group) -> None:
    """A reduction: a loop over what stays, inside it the reduced dimensions."""
    call = body_of(group)
    x = low.ref(call.inputs[0])
    rank = len(x.shape)
    given = call.attrs.get("dim")
    dims = tuple(range(rank)) if given is None or given == () else wrap_dims(given, rank)
    keep = bool(call.attrs.get("keepdim"))
    f = Function(low, call.op.removesuffix("_dims"))
    name = f.read(x)
    tail = Tail(f, group)
    kind = C_TYPES[low.kind(call.outputs[0])]
    start, step = _FOLDS[call.op]
    stay = [d for d in range(rank) if d not in dims]

    def body(index: list[str]) -> list[str]:
        outer = dict(zip(range(rank) if keep else stay, index))
        inner = {d: f"r{i}" for i, d in enumerate(dims)}
        at = address([inner.get(d) or outer[d] for d in range(rank)], x.strides)
        first = address([("0" if d in dims else outer[d]) for d in range(rank)], x.strides)
        begin = start if start is not None else f.load(x, name, first)
        wide = dims and x.strides[dims[-1]] == 1 and x.shape[dims[-1]] >= 2 * LANES
        if wide and call.op == "sum" and kind in ("float", "double") and dims[-1] == rank - 1:
            lines = _lanes(f, x, name, kind, dims, outer, rank)
        else:
            value = f.load(x, name, at)
            line = f"const {kind} v = ({kind}){value};" if kind != made_kind(low, x) else f"const {kind} v = {value};"  # fmt: skip
            work = [line, f"a = {step.format(a='a', v='v')};"]
            for i, d in reversed(list(enumerate(dims))):
                work = loop(f"r{i}", x.shape[d], work)
            lines = [f"{kind} a = {begin};", *work]
        root = "sqrtf(a)" if kind == "float" else "sqrt(a)"
        return [*lines, *tail.statements(index, root if call.op == "norm2" else "a")]

    f.loops(tail.shape, body)
    f.emit(label_of(group))


def _lanes(f: Function, x: Ref, name: str, kind: str, dims: tuple, outer: dict, rank: int) -> list[str]:  # fmt: skip
    """A sum along rows, 16 partial sums at a time."""
    *others, last = dims
    count = x.shape[last]
    whole = count - count % LANES
    inner = {d: f"r{i}" for i, d in enumerate(others)}
    at = address(["0" if d == last else inner.get(d) or outer[d] for d in range(rank)], x.strides)
    row = lambda i: f.load(x, name, f"{at} + {i}" if at != "0" else i)  # noqa: E731
    work = [
        f"for (int k = 0; k < {whole}; k += {LANES})",
        f"  for (int j = 0; j < {LANES}; ++j) lanes[j] += {row('k + j')};",
    ]
    if whole < count:
        work.append(f"for (int k = {whole}; k < {count}; ++k) lanes[k - {whole}] += {row('k')};")
    for i, d in reversed(list(enumerate(others))):
        work = loop(f"r{i}", x.shape[d], work)
    return [
        f"{kind} lanes[{LANES}] = {{0}};",
        *work,
        f"for (int w = {LANES // 2}; w; w >>= 1)",
        "  for (int j = 0; j < w; ++j) lanes[j] += lanes[j + w];",
        f"const {kind} a = lanes[0];",
    ]


@emitter("argmax_dim", "argmin_dim")
def extreme_place(low: Lowering, group: Group) -> None:
    """The first place of the largest or smallest number along a dimension."""
    call = body_of(group)
    x = low.ref(call.inputs[0])
    rank, d = len(x.shape), wrap_dim(call.attrs["dim"], len(x.shape))
    f = Function(low, call.op.removesuffix("_dim"))
    name, tail = f.read(x), Tail(f, group)
    sign = ">" if call.op == "argmax_dim" else "<"
    stay = range(rank) if call.attrs["keepdim"] else [e for e in range(rank) if e != d]

    def body(index: list[str]) -> list[str]:
        outer = dict(zip(stay, index))
        at = lambda i: address([i if e == d else outer[e] for e in range(rank)], x.strides)  # noqa: E731
        kind = made_kind(low, x)
        work = [
            f"const {kind} v = {f.load(x, name, at('k'))};",
            f"if (v {sign} top || (v != v && top == top)) {{ top = v; place = k; }}",
        ]
        head = [f"{kind} top = {f.load(x, name, at('0'))};", "int place = 0;"]
        return [*head, *loop("k", x.shape[d], work, "1"), *tail.statements(index, "place")]

    f.loops(tail.shape, body)
    f.emit(label_of(group))


@emitter("cumsum", "cumprod")
def running(low: Lowering, group: Group) -> None:
    """Running sums or products along a dimension."""
    call = body_of(group)
    x = low.ref(call.inputs[0])
    d = wrap_dim(call.attrs["dim"], len(x.shape))
    f = Function(low, call.op)
    name, tail = f.read(x), Tail(f, group)
    kind = C_TYPES[low.kind(call.outputs[0])]
    sign, start = ("+", 0) if call.op == "cumsum" else ("*", 1)
    rows = [1 if e == d else n for e, n in enumerate(tail.shape)]

    def body(index: list[str]) -> list[str]:
        inner = ["k" if e == d else i for e, i in enumerate(index)]
        value = f.load(x, name, address(inner, x.strides))
        work = [f"a = a {sign} ({kind}){value};", *tail.statements(inner, "a")]
        return [f"{kind} a = {start};", *loop("k", x.shape[d], work)]

    f.loops(rows, body)
    f.emit(label_of(group))


# -- rows --------------------------------------------------------------------------------------------------------------


@emitter("softmax", "log_softmax")
def softmax(low: Lowering, group: Group) -> None:
    """exp(x - max) over its sum, along one dimension."""
    call = body_of(group)
    x = low.ref(call.inputs[0])
    if not x.shape:
        raise low.missing(call, "it has no dimension")
    d = wrap_dim(call.attrs["dim"], len(x.shape))
    f = Function(low, call.op)
    name, tail = f.read(x), Tail(f, group)
    kind = C_TYPES[low.kind(call.outputs[0])]
    s = "f" if kind == "float" else ""
    count = x.shape[d]
    rows = [1 if e == d else n for e, n in enumerate(tail.shape)]

    def body(index: list[str]) -> list[str]:
        inner = ["k" if e == d else i for e, i in enumerate(index)]
        load = lambda k: f.load(x, name, address([k if e == d else i for e, i in enumerate(index)], x.strides))  # noqa: E731  # fmt: skip
        lines = [
            f"{kind} top = {load('0')}, sum = 0;",
            *loop("k", count, [f"const {kind} v = {load('k')};", "top = v > top || v != v ? v : top;"], "1"),
        ]  # fmt: skip
        if call.op == "softmax" and tail.plain:
            # The exponentials wait in the result.
            at = address(inner, tail.strides[0])
            y = tail.target
            return [
                *lines,
                *loop("k", count, [f"const {kind} e = exp{s}({load('k')} - top);", f"{y}[{at}] = e;", "sum += e;"]),
                f"const {kind} scale = 1 / sum;",
                *loop("k", count, [f"{y}[{at}] *= scale;"]),
            ]  # fmt: skip
        lines += loop("k", count, [f"sum += exp{s}({load('k')} - top);"])
        if call.op == "softmax":
            lines.append(f"const {kind} scale = 1 / sum;")
            value = f"exp{s}({load('k')} - top) * scale"
        else:
            lines.append(f"const {kind} shift = top + log{s}(sum);")
            value = f"{load('k')} - shift"
        return [*lines, *loop("k", count, [f"const {kind} u = {value};", *tail.statements(inner, "u")])]  # fmt: skip

    f.loops(rows, body)
    f.emit(label_of(group))


@emitter("standardize")
def standardize(low: Lowering, group: Group) -> None:
    """(x - mean) / sqrt(var + eps): what layer, group and instance norms are made of."""
    call = body_of(group)
    x = low.ref(call.inputs[0])
    dims = tuple(call.attrs["dims"])
    f = Function(low, "standardize")
    name, tail = f.read(x), Tail(f, group)
    kind = C_TYPES[low.kind(call.outputs[0])]
    s = "f" if kind == "float" else ""
    count = 1
    for d in dims:
        count *= x.shape[d]
    rows = [1 if d in dims else n for d, n in enumerate(tail.shape)]
    small: list[tuple[str, Ref | None]] = []
    for v in call.outputs[1:]:
        if low.users.get(id(v)):
            ref = low.new(v)
            small.append((f.write(ref), ref))
        else:
            small.append(("", None))

    def over(index: list[str], work: list[str]) -> list[str]:
        for i, d in reversed(list(enumerate(dims))):
            if x.shape[d] != 1:
                work = loop(f"r{i}", x.shape[d], work)
        return work

    def body(index: list[str]) -> list[str]:
        inner = [
            (f"r{dims.index(d)}" if x.shape[d] != 1 else "0") if d in dims else i
            for d, i in enumerate(index)
        ]
        load = f.load(x, name, address(inner, x.strides))
        lines = [
            f"{kind} sum = 0, squares = 0;",
            *over(index, [f"sum += {load};"]),
            f"const {kind} mean = sum / {count};",
            *over(index, [f"const {kind} c = {load} - mean;", "squares += c * c;"]),
            f"const {kind} rstd = 1 / sqrt{s}(squares / {count} + {c_literal(call.attrs['eps'], low.kind(call.outputs[0]))});",
            *over(
                index, [f"const {kind} u = ({load} - mean) * rstd;", *tail.statements(inner, "u")]
            ),
        ]
        for (y, ref), what in zip(small, ("mean", "rstd")):
            if ref is not None:
                lines.append(f.store(ref, y, address(index, ref.strides), what))
        return lines

    f.loops(rows, body)
    f.emit(label_of(group))


# -- windows -----------------------------------------------------------------------------------------------------------


@emitter("max_pool", "window_sum")
def pool(low: Lowering, group: Group) -> None:
    """The largest number or the sum of each window, a row of windows at a time."""
    call = body_of(group)
    x = low.ref(call.inputs[0])
    a = call.attrs
    kernel, stride, padding, out = a["kernel"], a["stride"], a["padding"], a["out"]
    dilation = a.get("dilation", (1,) * len(kernel))
    f = Function(low, call.op)
    name, tail = f.read(x), Tail(f, group)
    if call.op == "max_pool" and x.scale is not None and tail.out.scale is x.scale:
        # The largest of int8 numbers of one scale needs no floats.
        x = Ref(x.buffer, x.shape, x.strides, x.offset)
        tail.out = Ref(tail.out.buffer, tail.out.shape)
        tail.kind = tail.dtypes["acc"] = "int8"
    rank, n = len(x.shape), len(kernel)
    kind = made_kind(low, x)
    largest = call.op == "max_pool"

    def body(index: list[str]) -> list[str]:
        places = []
        for d in range(n):
            i = index[rank - n + d]
            term = address([i], (stride[d],))
            k = "0" if kernel[d] == 1 else address([f"k{d}"], (dilation[d],))
            place = " + ".join(t for t in (term, k) if t != "0") or "0"
            places.append(f"{place} - {padding[d]}" if padding[d] else place)
        declared = [f"const int p{d} = {p};" for d, p in enumerate(places)]
        inside = [
            f"p{d} {'<' if top else '>='} {x.shape[rank - n + d] if top else 0}"
            for d in range(n)
            for top in (False, True)
            if _leaves(d, top, kernel, stride, padding, dilation, out, x.shape[rank - n :])
        ]
        at = address([*index[: rank - n], *[f"p{d}" for d in range(n)]], x.strides)
        load = f.load(x, name, at)
        floats = kind in ("float", "double")
        head, work = [f"{kind} a = 0;"], [f"a += {load};"]
        if largest:
            test = "v > a || v != v" if floats else "first || v > a"
            work = [f"const {kind} v = {load};", f"a = {test} ? v : a;"]
            head = [f"{kind} a = -INFINITY;"]
            if not floats:
                head, work = [f"{kind} a = 0;", "int first = 1;"], [*work, "first = 0;"]
        if inside:
            declared.append(f"if (!({' && '.join(inside)})) continue;")
        work = [*declared, *work]
        for d in reversed(range(n)):
            if kernel[d] != 1:
                work = loop(f"k{d}", kernel[d], work)
        if all(k == 1 for k in kernel):
            work = ["do {", *work, "} while (0);"]
        return [*head, *work, *tail.statements(index, "a")]

    f.loops(tail.shape, body)
    f.emit(label_of(group))


def _leaves(
    d: int,
    top: bool,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    out: Shape,
    size: Shape,
) -> bool:
    """Whether some window reaches beyond the array in dimension d, at its end or its beginning."""
    if not top:
        return padding[d] > 0
    return (out[d] - 1) * stride[d] + (kernel[d] - 1) * dilation[d] - padding[d] >= size[d]


# -- movement that copies ----------------------------------------------------------------------------------------------


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
    picked = max(len(r.shape) for r in indices)
    shape = tuple(
        max([r.shape[len(r.shape) - k] for r in indices if len(r.shape) >= k])
        for k in range(picked, 0, -1)
    )
    at = positions[0] if positions[-1] - positions[0] == len(positions) - 1 else 0

    def body(found: list[str]) -> list[str]:
        chosen, others = found[at : at + picked], [*found[:at], *found[at + picked :]]
        lines, inner = [], [""] * len(x.shape)
        for i, (p, r) in enumerate(zip(positions, indices)):
            lines += picked_index(f"p{i}", f"{names[i]}[{address(chosen, r.spread(shape))}]", x.shape[p])  # fmt: skip
            inner[p] = f"p{i}"
        free = iter(others)
        inner = [i or next(free) for i in inner]
        value = f.load(x, name, address(inner, x.strides))
        kind = made_kind(low, x)
        return [*lines, f"const {kind} u = {value};", *tail.statements(found, "u")]

    f.loops(tail.shape, body)
    f.emit(label_of(group), checks=True)


def picked_index(name: str, text: str, size: int) -> list[str]:
    """An index from memory as an int inside 0 to size - 1; negative ones count from the end."""
    return [
        f"int {name} = (int){text};",
        f"if ({name} < 0) {name} += {size};",
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
        lines = picked_index("p", f"{places}[{address(found, where.strides)}]", x.shape[d])
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
