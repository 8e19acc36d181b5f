"""The C of operators that are neither elementwise nor products: reductions, softmax, normalization."""

from __future__ import annotations

from .._base.checks import wrap_dim, wrap_dims
from ..graph import Call
from ..ir.text import C_TYPES, c_literal
from .functions import Function, Tail, label_of
from .lower import Group, Lowering, emitter
from .memory import Ref
from .text import address, loop


def body_of(group: Group) -> Call:
    """The call that has an emitter of its own."""
    assert group.core is not None
    return group.core


def made_kind(low: Lowering, ref: Ref) -> str:
    """The C type that an element of a window has once read."""
    return "float" if ref.scale else C_TYPES[ref.dtype]


FLOATS = ("float", "double")  # the C types that have NaN


def nan_test(kind: str, text: str) -> str:
    """`text`, a test for NaN behind others; nothing for integers, of which compilers say that it is always false."""
    return text if kind in FLOATS else ""


# -- reductions --------------------------------------------------------------------------------------------------------

# Start and step, by operator; {a} the sum so far, {v} the next number.
_FOLDS = {
    "sum": ("0", "{a} + {v}"),
    "norm2": ("0", "{a} + {v} * {v}"),
    "prod_dims": ("1", "{a} * {v}"),
    "amax": (None, "({v} > {a}{nan}) ? {v} : {a}"),
    "amin": (None, "({v} < {a}{nan}) ? {v} : {a}"),
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
    nan = nan_test(kind, " || v != v")
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
            work = [line, f"a = {step.format(a='a', v='v', nan=nan)};"]
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
        better = f"v {sign} top" + nan_test(kind, " || (v != v && top == top)")
        work = [
            f"const {kind} v = {f.load(x, name, at('k'))};",
            f"if ({better}) {{ top = v; place = k; }}",
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
