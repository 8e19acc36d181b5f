"""The C of products: matrices, convolutions, recurrent layers.

All have one inner loop: a block of sums, up to `Target.rows` x 16, stays in registers; for each term it takes 16 weights that
lie side by side and one number of each row. Weights are laid out for that here, once. Compilers turn the 16 into vectors
at -O3 (measured on an AVX-512 core, 3x3 convolution of 64 channels: 40 GFLOP/s plain, 210 with -march=native).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from .._base.checks import Shape
from ..ir.text import C_TYPES
from .capture import array_of, is_known
from .emitters import body_of, rest
from .lower import Function, Group, Lowering, Tail, emitter, label_of
from .memory import Ref
from .quantized import integer
from .text import address, loop, merged, plus

WIDE = 16  # sums side by side


def packed(low: Lowering, matrix: np.ndarray) -> Ref:
    """A weight (outputs, ..., terms) as blocks (outputs / 16, terms, 16), zeros behind the last output."""
    count = -(-len(matrix) // WIDE)
    flat = matrix.reshape(len(matrix), -1)
    room = np.zeros((count * WIDE, flat.shape[1]), matrix.dtype)
    room[: len(flat)] = flat
    return low.weight(room.reshape(count, WIDE, -1).swapaxes(1, 2))


def padded_bias(low: Lowering, bias: np.ndarray) -> Ref:
    """A bias with zeros up to a whole block."""
    return low.weight(np.pad(bias, (0, -len(bias) % WIDE)))


def rows_at_once(count: int, most: int) -> int:
    """How many rows a block takes: a divisor of `count` where a good one exists."""
    divisors = [r for r in range(1, min(count, most) + 1) if count % r == 0]
    return divisors[-1] if 2 * divisors[-1] >= min(count, most) else min(count, most)


def term(rows: Sequence[str], blocks: int, block_step: str, kind: str) -> list[str]:
    """One term of every sum: `rows` are the numbers, the weights of block u begin at v + u * block_step."""
    weights = [
        f"const {kind} w{u} = v[{f'{u} * {block_step} + ' if u else ''}j];" for u in range(blocks)
    ]
    sums = [
        f"a[{u * len(rows) + r}][j] += {x} * w{u};"
        for u in range(blocks)
        for r, x in enumerate(rows)
    ]
    return [f"for (int j = 0; j < {WIDE}; ++j) {{", *("  " + t for t in (*weights, *sums)), "}"]


# -- matrices ----------------------------------------------------------------------------------------------------------


@emitter("linear", "matmul")
def product(low: Lowering, group: Group) -> None:
    """input @ weight.T + bias, or a @ b."""
    call = body_of(group)
    a, b = call.inputs[:2]
    if low.kind(call.outputs[0]) not in ("float32", "float64"):
        raise low.missing(call, "products are of floats")
    x, w = low.ref(a), b
    rank = w.meta.ndim
    if call.op == "linear":
        bias = call.inputs[2] if len(call.inputs) > 2 else None
        if is_known(w) and rank == 2 and (bias is None or bias.meta.shape == w.meta.shape[:1]) and is_known(bias):  # fmt: skip
            b = None if bias is None else array_of(bias)
            if not integer(low, group, x, array_of(w), b):
                _by_known(low, group, x, array_of(w), b)
            return
        if bias is not None or rank != 2:
            raise low.missing(call, "its weight or bias is computed while it runs")
        other = low.ref(w)
        _by_any(low, group, x, Ref(other.buffer, other.shape[::-1], other.strides[::-1], other.offset, other.scale))  # fmt: skip
        return
    if is_known(w) and rank == 2 and len(x.shape) > 1:
        _by_known(low, group, x, array_of(w).T, None)
        return
    _by_any(low, group, x, low.ref(w))


def _by_known(
    low: Lowering, group: Group, x: Ref, weight: np.ndarray, bias: np.ndarray | None
) -> None:
    """Rows of `x` times a weight (outputs, terms) that is known: packed."""
    outputs, terms = weight.shape
    f = Function(low, "linear")
    x = plain(low, x)
    tail = Tail(f, group)
    source, w = f.read(x), f.read(packed(low, weight), "w")
    b = None if bias is None else f.read(padded_bias(low, bias), "b")
    lead, strides = merged(x.shape[:-1], [x.strides[:-1], *(s[:-1] for s in tail.strides)])
    tail.shape = (*lead, outputs)
    tail.strides = [(*s, t[-1]) for s, t in zip(strides[1:], tail.strides)]
    *outer, rows = lead
    r = rows_at_once(rows, low.target.rows)
    blocks = -(-outputs // WIDE)
    u = max(k for k in range(1, max(1, low.target.rows // r) + 1) if blocks % k == 0)
    whole, units = -(-rows // r), blocks // u
    share_rows = units < 4 and rows % r == 0 and whole > units and not outer
    names = [f"o{i}" for i in range(len(outer))]
    m, n = ("m" if whole > 1 else "0"), ("n" if units > 1 else "0")
    p, q = ("p" if r > 1 else "0"), (f"q * {WIDE}" if u > 1 else "0")
    place = plus(f"q * {r}" if u > 1 else "0", p)
    at = [
        plus(address([*names, m, "k"], (*strides[0], x.strides[-1])), str(i * strides[0][-1]))
        for i in range(r)
    ]
    kind = C_TYPES[low.kind(body_of(group).outputs[0])]
    sums = term([f"{source}[{t}]" for t in at], u, str(terms * WIDE), kind)
    begin = address([n], (terms,))
    lines = [
        f"{kind} a[{r * u}][{WIDE}];",
        *_each(r, u, [f"for (int j = 0; j < {WIDE}; ++j) a[{place}][j] = {f'{b}[{plus(n, q, chr(106))}]' if b else '0'};"]),
        f"for (int k = 0; k < {terms}; ++k) {{",
        f"  const {kind} *v = {w} + {plus(begin, f'k * {WIDE}')};",
        *("  " + t for t in sums),
        "}",
        *_stores(tail, r, u, outputs, [*names, plus(m, p)], plus(n, q), f"a[{place}][j]"),
    ]  # fmt: skip
    row = f"i * {r}" if rows % r == 0 else f"i * {r} < {rows - r} ? i * {r} : {rows - r}"
    row, block = f"const int m = {row};", f"const int n = g * {u * WIDE};"
    if share_rows:
        lines = loop("g", units, [block, *lines]) if units > 1 else lines
        f.lines, f.extent = loop("i", "end", [row, *lines], "begin"), whole
    else:
        lines = loop("i", whole, [row, *lines]) if whole > 1 else lines
        for name, count in zip(reversed(names), reversed(outer)):
            lines = loop(name, count, lines)
        f.lines = loop("g", "end", [block, *lines], "begin") if units > 1 else lines
        f.extent = units
    f.emit(label_of(group))


def _each(r: int, u: int, lines: list[str], name: str = "p") -> list[str]:
    """Loops over a block's rows p and its parts q, where there are several."""
    lines = loop(name, r, lines) if r > 1 else lines
    return loop("q", u, lines) if u > 1 else lines


def _stores(
    tail: Tail, r: int, u: int, outputs: int, index: list[str], n: str, value: str
) -> list[str]:
    """The block's sums through the tail into their places."""
    lines = tail.statements([*index, plus(n, "j")], value)
    if outputs % WIDE == 0:
        return _each(r, u, loop("j", WIDE, lines))
    rest = str(outputs) if n == "0" else f"{outputs} - ({n})" if "+" in n else f"{outputs} - {n}"
    left = f"const int left = {rest} < {WIDE} ? {rest} : {WIDE};"
    if n == "0":
        return _each(r, u, loop("j", outputs, lines))
    return _each(r, u, [left, *loop("j", "left", lines)])


def _by_any(low: Lowering, group: Group, a: Ref, b: Ref) -> None:
    """a @ b where both are computed while the program runs."""
    f = Function(low, "matmul")
    tail = Tail(f, group)
    row, column = len(a.shape) == 1, len(b.shape) == 1
    a, b = plain(low, a), plain(low, b)
    if row:
        a = Ref(a.buffer, (1, *a.shape), (0, *a.strides), a.offset)
    if column:
        b = Ref(b.buffer, (*b.shape, 1), (*b.strides, 1), b.offset)
    if b.strides[-1] != 1 and b.shape[-1] > 1:
        b = low.dense(b)
    rows, terms, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    lead = tail.shape[: len(tail.shape) - (not row) - (not column)]
    x, y = f.read(a), f.read(b)
    names = ["0" if n == 1 else f"o{i}" for i, n in enumerate(lead)]
    front = lambda ref: Ref(ref.buffer, ref.shape[:-2], ref.strides[:-2]).spread(lead)  # noqa: E731
    at_a, at_b = address(names, front(a)), address(names, front(b))
    kind = C_TYPES[low.kind(body_of(group).outputs[0])]
    wide = min(WIDE, columns)
    r = rows_at_once(rows, low.target.rows)
    sums = [
        f"a[{p}][j] += {x}[{at_a} + {address([f'(m + {p})', 'k'], a.strides[-2:])}] * v;"
        for p in range(r)
    ]
    index = [*names, *([] if row else ["m + p"]), *([] if column else ["n + j"])]
    lines = [
        f"{kind} a[{r}][{wide}] = {{{{0}}}};",
        f"for (int k = 0; k < {terms}; ++k)",
        f"  for (int j = 0; j < {wide}; ++j) {{",
        f"    const {kind} v = {y}[{at_b} + {address(['k'], b.strides[-2:-1])} + n + j];",
        *("    " + s for s in sums),
        "  }",
        *loop("p", r, loop("j", wide, tail.statements(index, "a[p][j]"))),
    ]
    for letter, name, size, step in (("g", "n", columns, wide), ("i", "m", rows, r)):
        count = -(-size // step)
        here = f"const int {name} = {letter} * {step};"
        if size % step:
            here = f"const int {name} = {letter} * {step} < {size - step} ? {letter} * {step} : {size - step};"
        lines = (
            loop(letter, count, [here, *lines]) if count > 1 else [f"const int {name} = 0;", *lines]
        )
    shared = next((n for n in names if n != "0"), None)
    for name, count in zip(reversed(names), reversed(lead)):
        if name == "0":
            continue
        if name == shared:
            lines, f.extent = loop(name, "end", lines, "begin"), count
        else:
            lines = loop(name, count, lines)
    f.lines = ["{", *("  " + t for t in lines), "}"]
    f.emit(label_of(group))


def plain(low: Lowering, x: Ref) -> Ref:
    """A window as floats: int8 is written out."""
    if x.scale is None:
        return x
    made = low.allocate("float32", x.shape)
    low.copy(x, made, "dequantize")
    return made


# -- convolutions ------------------------------------------------------------------------------------------------------


class Geometry:
    """A convolution as one over two dimensions; `source` has zeros around it."""

    def __init__(
        self, source: Ref, kernel: Shape, stride: Shape, dilation: Shape, out: Shape
    ) -> None:
        lift = lambda pair, one: (one, *pair) if len(pair) == 1 else tuple(pair)  # noqa: E731
        self.flat = len(kernel) == 1
        self.kernel, self.stride, self.dilation, self.out = (
            lift(p, 1) for p in (kernel, stride, dilation, out)
        )
        self.source = source
        n, c, *rest = source.strides
        self.steps = (n, c, *([0] if self.flat else []), *rest)


@emitter("convolution")
def convolution(low: Lowering, group: Group) -> None:
    """A convolution without columns: sums in registers over a source with zeros around it."""
    call = body_of(group)
    a = call.attrs
    x, weight, bias = _parts(low, group)
    kernel = weight.shape[2:]
    if integer(low, group, x, weight, bias):
        return
    source = plain(low, x)
    if any(lo or hi for lo, hi in a["padding"]):
        size = [n + lo + hi for n, (lo, hi) in zip(x.shape[2:], a["padding"])]
        source = widened(low, source, [lo for lo, _ in a["padding"]], [1] * len(size), size)
    out = call.outputs[0].meta.shape[2:]
    _convolve(low, group, Geometry(source, kernel, a["stride"], a["dilation"], out), weight, bias, a["groups"])  # fmt: skip


@emitter("convolution_input")
def transposed(low: Lowering, group: Group) -> None:
    """A transposed convolution: one over the input spread out, the kernel turned round."""
    call = body_of(group)
    a = call.attrs
    x, weight, bias = _parts(low, group)
    kernel, groups = weight.shape[2:], a["groups"]
    c, o = weight.shape[0], weight.shape[1]
    turned = weight.reshape(groups, c // groups, o, *kernel).swapaxes(1, 2)
    turned = np.flip(turned.reshape(groups * o, c // groups, *kernel), tuple(range(2, weight.ndim)))
    before = [d * (k - 1) - lo for k, d, (lo, _) in zip(kernel, a["dilation"], a["padding"])]
    size = [n + d * (k - 1) for n, k, d in zip(a["size"], kernel, a["dilation"])]
    source = widened(low, plain(low, x), before, a["stride"], size)
    ones = (1,) * len(kernel)
    _convolve(low, group, Geometry(source, kernel, ones, a["dilation"], a["size"]), turned, bias, groups)  # fmt: skip


def _parts(low: Lowering, group: Group) -> tuple[Ref, np.ndarray, np.ndarray | None]:
    call = body_of(group)
    x, w, b = call.inputs
    if not (is_known(w) and is_known(b)):
        raise low.missing(call, "its weight is computed while it runs")
    if w.meta.ndim not in (3, 4):
        raise low.missing(call, "convolutions are of one or two dimensions")
    return low.ref(x), array_of(w), None if b is None else array_of(b)


def widened(
    low: Lowering, x: Ref, before: Sequence[int], spread: Sequence[int], size: Sequence[int]
) -> Ref:
    """`x` in a field of zeros: element i of the last dimensions at before + i * spread; what leaves the field is cut."""
    made = low.allocate(x.dtype, (*x.shape[:2], *size), x.scale)
    f = Function(low, "pad")
    source, target = f.read(x), f.write(made)
    lead, (a, b) = merged(x.shape[:2], [x.strides[:2], made.strides[:2]])
    zero = x.scale.zero if x.scale else 0

    def body(index: list[str]) -> list[str]:
        here, count = address(index, b), prod(size)
        fill = loop("e", count, [f"{target}[{plus(here, 'e')}] = {zero};"])
        names = [f"e{d}" for d in range(len(size))]
        to = [
            plus(address([n], (s,)), str(p)) if p >= 0 else f"{address([n], (s,))} - {-p}"
            for n, s, p in zip(names, spread, before)
        ]
        inside = plus(here, address(to, made.strides[2:]))
        there = plus(address(index, a), address(names, x.strides[2:]))
        work = [f"{target}[{inside}] = {source}[{there}];"]
        for name, n, s, p, room in reversed(list(zip(names, x.shape[2:], spread, before, size))):
            first, last = max(0, -(p // s)), min(n, -(-(room - p) // s))
            work = loop(name, last, work, str(first))
        return [*fill, *work]

    f.loops(lead, body)
    f.emit(f"pad -> {made.dtype}{list(made.shape)}")
    return made


def _convolve(
    low: Lowering,
    group: Group,
    g: Geometry,
    weight: np.ndarray,
    bias: np.ndarray | None,
    groups: int,
) -> None:
    if weight.shape[0] // groups < 4:
        _by_rows(low, group, g, weight, bias, groups)
    else:
        _by_channels(low, group, g, weight, bias, groups)


def _by_channels(
    low: Lowering,
    group: Group,
    g: Geometry,
    weight: np.ndarray,
    bias: np.ndarray | None,
    groups: int,
) -> None:
    """16 output channels side by side, a few places at once."""
    f = Function(low, "conv")
    tail = Tail(f, group)
    (kh, kw), (sh, sw), (dh, dw), (oh, ow) = g.kernel, g.stride, g.dilation, g.out
    images, o, c = g.source.shape[0], weight.shape[0] // groups, weight.shape[1]
    step_n, step_c, step_h, step_w = g.steps
    flat = g.flat
    if kh == kw == sh == sw == 1 and not flat and step_h == ow * step_w and tail.merge_last(2):
        oh, ow, flat = 1, oh * ow, True
    kind = C_TYPES[low.kind(body_of(group).outputs[0])]
    blocks = -(-o // WIDE)
    parts = [packed(low, weight[i * o : (i + 1) * o]).buffer.array for i in range(groups)]
    x, w = f.read(g.source), f.read(low.weight(np.concatenate(parts)), "w")
    b = None
    if bias is not None:
        room = np.pad(bias.reshape(groups, o), ((0, 0), (0, -o % WIDE)))
        b = f.read(low.weight(room.reshape(-1)), "b")
    most = low.target.rows
    q = rows_at_once(ow, most)
    p = rows_at_once(oh, max(1, most // q)) if q == ow else 1
    terms, units = c * kh * kw, groups * blocks
    i, h, t, n = (_index(name, k) for name, k in (("i", images), ("h", -(-oh // p)), ("l", -(-ow // q)), ("g", units)))  # fmt: skip
    own = _scaled(f"({n} / {blocks})" if blocks > 1 and groups > 1 else n, c * step_c)
    base = plus(address([i, h, t], (step_n, sh * step_h, sw * step_w)), own if groups > 1 else "0")
    part = f"({n} % {blocks})" if groups > 1 and blocks > 1 else n if groups == 1 else "0"
    first = _scaled(part, WIDE)
    of = _scaled(f"({n} / {blocks})" if blocks > 1 else n, o) if groups > 1 else "0"
    inner = [
        f"const {kind} *x = {plus(x, base, *_offsets(c, kh, kw, step_c, dh * step_h, dw * step_w))};",
        *term([f"x[{a * sh * step_h + b * sw * step_w}]" for a in range(p) for b in range(q)], 1, "0", kind),
        f"v += {WIDE};",
    ]  # fmt: skip
    for name, count in (("t", kw), ("s", kh), ("k", c)):
        if count > 1:
            inner = loop(name, count, inner)
    places = p * q
    e = _index("e", places)
    at_h, at_l = (f"e / {q}", f"e % {q}") if p > 1 and q > 1 else (e, "0") if q == 1 else ("0", e)
    index = [i, plus(of, first, "j"), *([] if flat else [plus(h, at_h)]), plus(t, at_l)]
    valid = str(min(o, WIDE))
    left = []
    if o % WIDE and blocks > 1:
        valid = "left"
        left = [f"const int left = {o} - {first} < {WIDE} ? {o} - {first} : {WIDE};"]
    begin = f"{b}[{plus(_scaled(n, WIDE), 'j')}]" if b else "0"
    lines = [
        f"{kind} a[{places}][{WIDE}];",
        *_each(places, 1, [f"for (int j = 0; j < {WIDE}; ++j) a[{e}][j] = {begin};"], "e"),
        f"const {kind} *v = {plus(w, _scaled(n, terms * WIDE))};",
        *(inner if terms > 1 else ["{", *("  " + t for t in inner), "}"]),
        *left,
        *loop("j", valid, _each(places, 1, tail.statements(index, f"a[{e}][j]"), "e")),
    ]
    lines = _stepped("h", oh, p, _stepped("l", ow, q, lines))
    lines = loop("i", images, lines) if images > 1 else lines
    f.lines = loop("g", "end", lines, "begin") if units > 1 else lines
    f.extent = units
    f.emit(label_of(group))


def _index(name: str, count: int) -> str:
    """The name of a loop's variable; 0 where the loop has one round and is not written."""
    return name if count > 1 else "0"


def _scaled(name: str, factor: int) -> str:
    return address([name], (factor,))


def _offsets(c: int, kh: int, kw: int, step_c: int, step_h: int, step_w: int) -> list[str]:
    """Where the terms of a window lie, by channel k, row s and column t."""
    return [
        _scaled(_index(name, count), step)
        for name, count, step in (("k", c, step_c), ("s", kh, step_h), ("t", kw, step_w))
    ]


def _stepped(name: str, size: int, step: int, body: list[str]) -> list[str]:
    """A loop in steps; the last step begins early enough to end with `size`, so that there is no rest to treat apart."""
    count = -(-size // step)
    if count == 1:
        return body
    if step == 1:
        return loop(name, size, body)
    at = f"b{name} * {step}"
    here = at if size % step == 0 else f"{at} < {size - step} ? {at} : {size - step}"
    return loop(f"b{name}", count, [f"const int {name} = {here};", *body])


def _by_rows(
    low: Lowering,
    group: Group,
    g: Geometry,
    weight: np.ndarray,
    bias: np.ndarray | None,
    groups: int,
) -> None:
    """One output channel at a time, up to 16 places of a row side by side: depthwise, and few channels."""
    f = Function(low, "conv")
    tail = Tail(f, group)
    (kh, kw), (sh, sw), (dh, dw), (oh, ow) = g.kernel, g.stride, g.dilation, g.out
    images, outputs, c = g.source.shape[0], weight.shape[0], weight.shape[1]
    step_n, step_c, step_h, step_w = g.steps
    kind = C_TYPES[low.kind(body_of(group).outputs[0])]
    x, w = f.read(g.source), f.read(low.weight(weight), "w")
    b = None if bias is None else f.read(low.weight(bias), "b")
    q, p = min(WIDE, ow), rows_at_once(oh, low.target.rows)
    i, h, t, n = (_index(name, k) for name, k in (("i", images), ("h", -(-oh // p)), ("l", -(-ow // q)), ("g", outputs)))  # fmt: skip
    each = outputs // groups
    own = _scaled(f"({n} / {each})" if each > 1 else n, c * step_c) if groups > 1 else "0"
    base = plus(address([i, h, t], (step_n, sh * step_h, sw * step_w)), own)
    weight_at = plus(_scaled(n, c * kh * kw), *_offsets(c, kh, kw, kh * kw, kw, 1))
    inner = [
        f"const {kind} *x = {plus(x, base, *_offsets(c, kh, kw, step_c, dh * step_h, dw * step_w))};",
        f"const {kind} v = {w}[{weight_at}];",
        f"for (int j = 0; j < {q}; ++j) {{",
        *(f"  a[{e}][j] += v * x[{plus(str(e * sh * step_h), address(['j'], (sw * step_w,)))}];" for e in range(p)),
        "}",
    ]  # fmt: skip
    for name, count in (("t", kw), ("s", kh), ("k", c)):
        if count > 1:
            inner = loop(name, count, inner)
    e = _index("e", p)
    index = [i, n, *([] if g.flat else [plus(h, e)]), plus(t, "j")]
    lines = [
        f"{kind} a[{p}][{q}];",
        *_each(p, 1, [f"for (int j = 0; j < {q}; ++j) a[{e}][j] = {f'{b}[{n}]' if b else '0'};"], "e"),
        *(inner if max(c, kh, kw) > 1 else ["{", *("  " + t for t in inner), "}"]),
        *_each(p, 1, loop("j", q, tail.statements(index, f"a[{e}][j]")), "e"),
    ]  # fmt: skip
    lines = _stepped("h", oh, p, _stepped("l", ow, q, lines))
    lines = loop("i", images, lines) if images > 1 else lines
    f.lines = loop("g", "end", lines, "begin") if outputs > 1 else lines
    f.extent = outputs
    f.emit(label_of(group))


# -- recurrent layers --------------------------------------------------------------------------------------------------

_CELLS = {
    "lstm_layer": (4, [
        "const float i = 1 / (1 + expf(-z[j])), f = 1 / (1 + expf(-z[H + j]));",
        "const float g = tanhf(z[2 * H + j]), o = 1 / (1 + expf(-z[3 * H + j]));",
        "c[j] = f * c[j] + i * g;",
        "next[j] = o * tanhf(c[j]);",
    ]),
    "gru_layer": (3, [
        "const float r = 1 / (1 + expf(-(fed[j] + z[j]))), u = 1 / (1 + expf(-(fed[H + j] + z[H + j])));",
        "const float m = tanhf(fed[2 * H + j] + r * z[2 * H + j]);",
        "next[j] = (h[j] - m) * u + m;",
    ]),
    "tanh_layer": (1, ["next[j] = tanhf(z[j]);"]),
    "relu_layer": (1, ["next[j] = z[j] > 0 || z[j] != z[j] ? z[j] : 0;"]),
}  # fmt: skip


@emitter("lstm_step", "gru_step")
def step(low: Lowering, group: Group) -> None:
    """One step behind the products, where the model writes the loop itself."""
    call = body_of(group)
    lstm = call.op == "lstm_step"
    if low.users.get(id(call.outputs[-1])):
        raise low.missing(call, "its gates are read, which only gradients do")
    if low.kind(call.outputs[0]) != "float32":
        raise low.missing(call, "recurrent cells are of float32")
    f = Function(low, call.op)
    given = [f.read(low.dense(plain(low, low.ref(v)))) for v in call.inputs]
    made = [f.write(low.new(v)) for v in call.outputs[:-1]]
    size = call.outputs[0].meta.shape[-1]
    _, cell = _CELLS["lstm_layer" if lstm else "gru_layer"]
    gates = 4 if lstm else 3
    if lstm:
        head = [
            f"const float *z = {given[0]} + n * {gates * size};",
            f"float *c = {made[1]} + n * {size};",
            f"for (int j = 0; j < {size}; ++j) c[j] = {given[1]}[n * {size} + j];",
        ]
    else:
        head = [
            f"const float *fed = {given[0]} + n * {gates * size}, *z = {given[1]} + n * {gates * size};",
            f"const float *h = {given[2]} + n * {size};",
        ]
    body = [f"enum {{ H = {size} }};", *head, f"float *next = {made[0]} + n * {size};"]
    body += loop("j", size, cell)
    f.lines, f.extent = loop("n", "end", body, "begin"), prod(call.outputs[0].meta.shape[:-1])
    if f.extent == 1:
        f.lines = ["const int n = 0;", *body]
    f.emit(label_of(group))
    if group.calls:
        rest(low, group)


@emitter(*_CELLS)
def recurrent(low: Lowering, group: Group) -> None:
    """A recurrent layer in one direction: the product with all inputs first, then a loop over time."""
    call = body_of(group)
    fed, *first, w_hh, inner = call.inputs
    if call.attrs["sizes"] is not None:
        raise low.missing(
            call, "it is of packed sequences, whose lengths are known only when it runs"
        )
    if not (is_known(w_hh) and is_known(inner)):
        raise low.missing(call, "its weights are computed while it runs")
    if low.kind(call.outputs[0]) != "float32":
        raise low.missing(call, "recurrent layers are of float32")
    gates, cell = _CELLS[call.op]
    size = w_hh.meta.shape[1]
    steps, batch = fed.meta.shape[:2]
    f = Function(low, call.op)
    states = [low.dense(plain(low, low.ref(v))) for v in first]
    names = [f.read(s) for s in states]
    source, w = f.read(low.dense(plain(low, low.ref(fed)))), f.read(low.weight(array_of(w_hh).T))
    b = None if inner is None else f.read(low.weight(array_of(inner)))
    room = low.allocate("float32", (batch, gates * size))
    scratch = f.write(room)
    kept = [low.new(v) for v in call.outputs]
    out, h_end, *c_end = [f.write(r) for r in kept]
    wide = gates * size
    lstm = call.op == "lstm_layer"
    time = f"{steps} - 1 - t" if call.attrs["reverse"] else "t"
    start = f"z[j] = {f'{b}[j]' if b else 'fed[j]'};"
    work = [
        f"const int at = {time};",
        f"const float *fed = {source} + (at * {batch} + n) * {wide};",
        f"float *next = {out} + (at * {batch} + n) * {size};",
        "(void)fed;" if not b and gates != 3 else "",
        f"for (int j = 0; j < {wide}; ++j) {start if b or gates != 3 else 'z[j] = 0;'}",
        f"for (int k = 0; k < {size}; ++k) {{",
        "  const float v = h[k];",
        f"  const float *w = {w} + k * {wide};",
        f"  for (int j = 0; j < {wide}; ++j) z[j] += v * w[j];",
        "}",
        f"for (int j = 0; j < {size}; ++j) {{",
        *("  " + c for c in cell),
        "}",
        "h = next;",
    ]
    body = [
        f"float *z = {scratch} + n * {wide};",
        f"const float *h = {names[0]} + n * {size};",
        *([f"float *c = {c_end[0]} + n * {size};"] if lstm else []),
        *([f"for (int j = 0; j < {size}; ++j) c[j] = {names[1]}[n * {size} + j];"] if lstm else []),
        *loop("t", steps, [t for t in work if t]),
        f"for (int j = 0; j < {size}; ++j) {h_end}[n * {size} + j] = h[j];",
    ]
    f.lines = [
        f"enum {{ H = {size} }};" if gates > 1 else "",
        *(loop("n", "end", body, "begin") if batch > 1 else ["const int n = 0;", *body]),
    ]
    f.lines = [t for t in f.lines if t]
    f.extent = batch
    f.emit(label_of(group))
    if group.calls:
        rest(low, group)
