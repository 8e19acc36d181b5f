"""The C of windows: their largest numbers and sums, where the largest are, windows as columns and columns added up again."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from .._base.checks import Shape
from ..ops.sliding import window_count
from .emitters import FLOATS, body_of, made_kind, nan_test
from .functions import Function, Tail, label_of
from .lower import Group, Lowering, emitter
from .memory import Ref, row_major
from .text import address, loop, plus


def _place(output: str, k: str, stride: int, dilation: int, padding: int) -> str:
    """Where in the array the place `k` of the window of `output` lies."""
    place = plus(address([output], (stride,)), address([k], (dilation,)))
    return f"{place} - {padding}" if padding else place


def _inside(
    kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, out: Shape, size: Shape
) -> list[str]:
    """Tests that a window's places p0, p1, ... are in the array, where some window reaches beyond."""
    tests = []
    for d, (k, s, p, apart, count, n) in enumerate(
        zip(kernel, stride, padding, dilation, out, size)
    ):
        tests += [f"p{d} >= 0"] if p > 0 else []
        tests += [f"p{d} < {n}"] if (count - 1) * s + (k - 1) * apart - p >= n else []
    return tests


def _names(kernel: Shape) -> list[str]:
    """Loop variables over a window; 0 where there is one place."""
    return ["0" if k == 1 else f"k{d}" for d, k in enumerate(kernel)]


def _walk(kernel: Shape, body: list[str]) -> list[str]:
    """The loops over a window, of whose body `continue` leaves one round."""
    if all(k == 1 for k in kernel):
        return ["do {", *("  " + t for t in body), "} while (0);"]
    for d in reversed(range(len(kernel))):
        if kernel[d] != 1:
            body = loop(f"k{d}", kernel[d], body)
    return body


@emitter("max_pool", "window_sum", "max_pool_places")
def pool(low: Lowering, group: Group) -> None:
    """The largest number of each window, its place, or the sum."""
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
    n = len(kernel)
    lead, size = len(x.shape) - n, x.shape[-n:]
    kind = made_kind(low, x)
    tests = _inside(kernel, stride, padding, dilation, out, size)
    places = [f"p{d}" for d in range(n)]
    head, step = _folded(call.op, kind, address(places, row_major(size)))

    def body(index: list[str]) -> list[str]:
        terms = zip(index[lead:], _names(kernel), stride, dilation, padding)
        work = [f"const int p{d} = {_place(*t)};" for d, t in enumerate(terms)]
        work += [f"if (!({' && '.join(tests)})) continue;"] if tests else []
        load = f.load(x, name, address([*index[:lead], *places], x.strides))
        work += [t.replace("LOAD", load) for t in step]
        return [*head, *_walk(kernel, work), *tail.statements(index, "place" if call.op == "max_pool_places" else "a")]  # fmt: skip

    f.loops(tail.shape, body)
    f.emit(label_of(group))


def _folded(op: str, kind: str, flat: str) -> tuple[list[str], list[str]]:
    """What stands before a window, and what is done with each number (LOAD) of it."""
    if op == "window_sum":
        return [f"{kind} a = 0;"], ["a += LOAD;"]
    if op == "max_pool_places":
        test = "place < 0 || v > a" + nan_test(kind, " || (v != v && a == a)")
        work = [f"const {kind} v = LOAD;", f"if ({test}) {{", "  a = v;", f"  place = {flat};", "}"]
        return [f"{kind} a = 0;", "int place = -1;"], work
    if kind in FLOATS:
        return [f"{kind} a = -INFINITY;"], [f"const {kind} v = LOAD;", "a = v > a || v != v ? v : a;"]  # fmt: skip
    work = [f"const {kind} v = LOAD;", "a = first || v > a ? v : a;", "first = 0;"]
    return [f"{kind} a = 0;", "int first = 1;"], work


# -- columns -----------------------------------------------------------------------------------------------------------


def _columns(index: Sequence[str], kernel: Shape, out: Sequence[str], counts: Shape, channel: str) -> list[str]:  # fmt: skip
    """Row and column, among the columns of windows, of a channel's place in a window."""
    row = address([channel, *index], (prod(kernel), *row_major(kernel)))
    return [row, address(out, row_major(counts))]


@emitter("window_columns")
def unfold(low: Lowering, group: Group) -> None:
    """Every window as a column."""
    call = body_of(group)
    x, a = low.ref(call.inputs[0]), call.attrs
    kernel, stride, padding, dilation = a["kernel"], a["stride"], a["padding"], a["dilation"]
    n, size = len(kernel), x.shape[2:]
    counts = window_count(size, kernel, stride, padding, dilation, False)
    f = Function(low, "unfold")
    name, tail = f.read(x), Tail(f, group)
    tests = _inside(kernel, stride, padding, dilation, counts, size)

    def body(index: list[str]) -> list[str]:
        image, channel, *places = index
        terms = zip(places[n:], places[:n], stride, dilation, padding)
        lines = [f"const int p{d} = {_place(*t)};" for d, t in enumerate(terms)]
        at = address([image, channel, *[f"p{d}" for d in range(n)]], x.strides)
        value = f.load(x, name, at)
        value = f"{' && '.join(tests)} ? {value} : 0" if tests else value
        there = _columns(places[:n], kernel, places[n:], counts, channel)
        return [*lines, f"const {made_kind(low, x)} u = {value};", *tail.statements([image, *there], "u")]  # fmt: skip

    f.loops((*x.shape[:2], *kernel, *counts), body)
    f.emit(label_of(group))


@emitter("columns_sum")
def fold(low: Lowering, group: Group) -> None:
    """Columns added up where their windows lie: for each element the windows that it is in."""
    call = body_of(group)
    x, a = low.ref(call.inputs[0]), call.attrs
    kernel, stride, padding, dilation = a["kernel"], a["stride"], a["padding"], a["dilation"]
    counts = window_count(a["size"], kernel, stride, padding, dilation, False)
    f = Function(low, "fold")
    name, tail = f.read(x), Tail(f, group)
    kind = made_kind(low, x)
    windows = [f"q{d}" if s == 1 else f"q{d} / {s}" for d, s in enumerate(stride)]

    def body(index: list[str]) -> list[str]:
        image, channel, *place = index
        row, column = _columns([f"k{d}" for d in range(len(kernel))], kernel, windows, counts, channel)  # fmt: skip
        work = [f"a += {f.load(x, name, address([image, row, column], x.strides))};"]
        for d in reversed(range(len(kernel))):
            begin = f"{place[d]} + {padding[d]} - {address([f'k{d}'], (dilation[d],))}"
            apart = f" || q{d} % {stride[d]}" if stride[d] > 1 else ""
            leave = f"if (q{d} < 0{apart} || {windows[d]} >= {counts[d]}) continue;"
            work = loop(f"k{d}", kernel[d], [f"const int q{d} = {begin};", leave, *work])
        return [f"{kind} a = 0;", *work, *tail.statements(index, "a")]

    f.loops(tail.shape, body)
    f.emit(label_of(group))
