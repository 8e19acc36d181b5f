"""The C of matrix products, and the inner loop that convolutions share with them.

Both have one inner loop: a block of sums, up to `Target.rows` x 16, stays in registers; for each term it takes 16 weights that
lie side by side and one number of each row. Weights are laid out for that here, once. Compilers turn the 16 into vectors
at -O3 (measured on an AVX-512 core, 3x3 convolution of 64 channels: 40 GFLOP/s plain, 210 with -march=native).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ir.text import C_TYPES
from .capture import array_of, is_known
from .emitters import body_of
from .functions import Function, Tail, label_of
from .lower import Group, Lowering, emitter
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
        *each(r, u, [f"for (int j = 0; j < {WIDE}; ++j) a[{place}][j] = {f'{b}[{plus(n, q, chr(106))}]' if b else '0'};"]),
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


def each(r: int, u: int, lines: list[str], name: str = "p") -> list[str]:
    """Loops over a block's rows p and its parts q, where there are several."""
    lines = loop(name, r, lines) if r > 1 else lines
    return loop("q", u, lines) if u > 1 else lines


def _stores(
    tail: Tail, r: int, u: int, outputs: int, index: list[str], n: str, value: str
) -> list[str]:
    """The block's sums through the tail into their places."""
    lines = tail.statements([*index, plus(n, "j")], value)
    if outputs % WIDE == 0:
        return each(r, u, loop("j", WIDE, lines))
    rest = str(outputs) if n == "0" else f"{outputs} - ({n})" if "+" in n else f"{outputs} - {n}"
    left = f"const int left = {rest} < {WIDE} ? {rest} : {WIDE};"
    if n == "0":
        return each(r, u, loop("j", outputs, lines))
    return each(r, u, [left, *loop("j", "left", lines)])


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
