"""The C of convolutions and their transposes, without columns (im2col)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from .._base.checks import Shape
from ..ir.text import C_TYPES
from .capture import array_of, is_known
from .emitters import body_of
from .functions import Function, Tail, label_of
from .lower import Group, Lowering, emitter
from .memory import Ref
from .products import WIDE, each, packed, plain, rows_at_once, term
from .quantized import integer
from .text import address, loop, merged, plus


class Geometry:
    """A convolution as one over three dimensions, of which `rank` are there; `source` has zeros around it."""

    def __init__(
        self, source: Ref, kernel: Shape, stride: Shape, dilation: Shape, out: Shape
    ) -> None:
        self.rank = len(kernel)
        self.kernel, self.stride, self.dilation, self.out = (
            lifted(p, 3, 1) for p in (kernel, stride, dilation, out)
        )
        self.source = source
        n, c, *rest = source.strides
        self.steps = (n, c, *lifted(rest, 3, 0))


def lifted(sizes: Sequence[int], count: int, fill: int) -> tuple[int, ...]:
    """Sizes of the last dimensions as those of `count`."""
    return (*[fill] * (count - len(sizes)), *sizes)


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
    if w.meta.ndim not in (3, 4, 5):
        raise low.missing(call, "convolutions are of one, two or three dimensions")
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
    (kd, kh, kw), (sd, sh, sw), (dd, dh, dw), (od, oh, ow) = g.kernel, g.stride, g.dilation, g.out
    images, o, c = g.source.shape[0], weight.shape[0] // groups, weight.shape[1]
    step_n, step_c, step_d, step_h, step_w = g.steps
    rank = g.rank
    if rank == 2 and kh == kw == sh == sw == 1 and step_h == ow * step_w and tail.merge_last(2):
        oh, ow, rank = 1, oh * ow, 1
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
    terms, units = c * kd * kh * kw, groups * blocks
    counts = {"i": images, "z": od, "h": -(-oh // p), "l": -(-ow // q), "g": units}
    i, z, h, t, n = (_index(name, k) for name, k in counts.items())
    window = {"k": (c, step_c), "r": (kd, dd * step_d), "s": (kh, dh * step_h), "t": (kw, dw * step_w)}  # fmt: skip
    own = _scaled(f"({n} / {blocks})" if blocks > 1 and groups > 1 else n, c * step_c)
    base = plus(address([i, z, h, t], (step_n, sd * step_d, sh * step_h, sw * step_w)), own if groups > 1 else "0")  # fmt: skip
    part = f"({n} % {blocks})" if groups > 1 and blocks > 1 else n if groups == 1 else "0"
    first = _scaled(part, WIDE)
    of = _scaled(f"({n} / {blocks})" if blocks > 1 else n, o) if groups > 1 else "0"
    inner = [
        f"const {kind} *x = {plus(x, base, *_offsets(window))};",
        *term([f"x[{a * sh * step_h + b * sw * step_w}]" for a in range(p) for b in range(q)], 1, "0", kind),
        f"v += {WIDE};",
    ]  # fmt: skip
    inner = _walk(window, inner)
    places = p * q
    e = _index("e", places)
    at_h, at_l = (f"e / {q}", f"e % {q}") if p > 1 and q > 1 else (e, "0") if q == 1 else ("0", e)
    index = [i, plus(of, first, "j"), *[z, plus(h, at_h), plus(t, at_l)][3 - rank :]]
    valid = str(min(o, WIDE))
    left = []
    if o % WIDE and blocks > 1:
        valid = "left"
        left = [f"const int left = {o} - {first} < {WIDE} ? {o} - {first} : {WIDE};"]
    begin = f"{b}[{plus(_scaled(n, WIDE), 'j')}]" if b else "0"
    lines = [
        f"{kind} a[{places}][{WIDE}];",
        *each(places, 1, [f"for (int j = 0; j < {WIDE}; ++j) a[{e}][j] = {begin};"], "e"),
        f"const {kind} *v = {plus(w, _scaled(n, terms * WIDE))};",
        *(inner if terms > 1 else ["{", *("  " + t for t in inner), "}"]),
        *left,
        *loop("j", valid, each(places, 1, tail.statements(index, f"a[{e}][j]"), "e")),
    ]
    f.lines = _over(counts, _stepped("h", oh, p, _stepped("l", ow, q, lines)))
    f.extent = units
    f.emit(label_of(group))


def _index(name: str, count: int) -> str:
    """The name of a loop's variable; 0 where the loop has one round and is not written."""
    return name if count > 1 else "0"


def _scaled(name: str, factor: int) -> str:
    return address([name], (factor,))


def _offsets(window: dict[str, tuple[int, int]]) -> list[str]:
    """Where the terms of a window lie, by its channel and place: counts and steps by the names of loops."""
    return [_scaled(_index(name, count), step) for name, (count, step) in window.items()]


def _walk(window: dict[str, tuple[int, int]], body: list[str]) -> list[str]:
    """The loops over a window, the first name outermost."""
    for name, (count, _) in reversed(window.items()):
        body = loop(name, count, body) if count > 1 else body
    return body


def _over(counts: dict[str, int], body: list[str]) -> list[str]:
    """Loops over channels (outermost, shared), images and depth."""
    for name in ("z", "i"):
        body = loop(name, counts[name], body) if counts[name] > 1 else body
    return loop("g", "end", body, "begin") if counts["g"] > 1 else body


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
    (kd, kh, kw), (sd, sh, sw), (dd, dh, dw), (od, oh, ow) = g.kernel, g.stride, g.dilation, g.out
    images, outputs, c = g.source.shape[0], weight.shape[0], weight.shape[1]
    step_n, step_c, step_d, step_h, step_w = g.steps
    kind = C_TYPES[low.kind(body_of(group).outputs[0])]
    x, w = f.read(g.source), f.read(low.weight(weight), "w")
    b = None if bias is None else f.read(low.weight(bias), "b")
    q, p = min(WIDE, ow), rows_at_once(oh, low.target.rows)
    counts = {"i": images, "z": od, "h": -(-oh // p), "l": -(-ow // q), "g": outputs}
    i, z, h, t, n = (_index(name, k) for name, k in counts.items())
    per = outputs // groups
    own = _scaled(f"({n} / {per})" if per > 1 else n, c * step_c) if groups > 1 else "0"
    base = plus(address([i, z, h, t], (step_n, sd * step_d, sh * step_h, sw * step_w)), own)
    window = {"k": (c, step_c), "r": (kd, dd * step_d), "s": (kh, dh * step_h), "t": (kw, dw * step_w)}  # fmt: skip
    weights = dict(zip(window, zip((c, kd, kh, kw), (kd * kh * kw, kh * kw, kw, 1))))
    inner = _walk(window, [
        f"const {kind} *x = {plus(x, base, *_offsets(window))};",
        f"const {kind} v = {w}[{plus(_scaled(n, c * kd * kh * kw), *_offsets(weights))}];",
        f"for (int j = 0; j < {q}; ++j) {{",
        *(f"  a[{e}][j] += v * x[{plus(str(e * sh * step_h), address(['j'], (sw * step_w,)))}];" for e in range(p)),
        "}",
    ])  # fmt: skip
    e = _index("e", p)
    index = [i, n, *[z, plus(h, e), plus(t, "j")][3 - g.rank :]]
    lines = [
        f"{kind} a[{p}][{q}];",
        *each(p, 1, [f"for (int j = 0; j < {q}; ++j) a[{e}][j] = {f'{b}[{n}]' if b else '0'};"], "e"),
        *(inner if max(c, kd, kh, kw) > 1 else ["{", *("  " + t for t in inner), "}"]),
        *each(p, 1, loop("j", q, tail.statements(index, f"a[{e}][j]")), "e"),
    ]  # fmt: skip
    f.lines = _over(counts, _stepped("h", oh, p, _stepped("l", ow, q, lines)))
    f.extent = outputs
    f.emit(label_of(group))
