"""The C of recurrent layers: a loop over time behind the product with all inputs."""

from __future__ import annotations

from math import prod

from .capture import array_of, is_known
from .emitters import body_of
from .functions import Function, label_of
from .lower import Group, Lowering, emitter
from .moving import rest
from .products import plain
from .text import loop

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
