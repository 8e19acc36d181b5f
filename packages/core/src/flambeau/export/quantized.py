"""The int8 variant: int8 weights with one step a channel, int8 activations with ranges seen on examples, int32 sums.

A convolution or linear map is one C function for all layers, its sizes in a small table: little code for a microcontroller.
Inside, products and sums are of 32-bit integers; one float multiplication an output brings a sum to int8 again. What is
neither reads int8, computes in float and stores int8; a function of one operand is a table of 256 entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._base import pytree
from ..autograd.modes import no_grad
from ..graph import Call, Graph, Value
from ..ops.creation import from_numpy
from ..runtime.tensor import Tensor
from .capture import array_of, is_known, run_call
from .functions import Function, label_of
from .lower import Group, Lowering, is_elementwise, is_move
from .memory import Ref, Scale

# Their results are stored by way of a tail, which knows int8.
_STORED = frozenset(
    "convolution linear max_pool window_sum sum amax amin pad_constant cat index gather norm2".split()  # noqa: SIM905
)
# Their operands are read as floats throughout: int8 would cost a copy and digits.
_FLOATING = frozenset(
    "lstm_layer gru_layer tanh_layer relu_layer lstm_step gru_step matmul convolution_input softmax log_softmax".split()  # noqa: SIM905
)
_CLAMPS = frozenset(("relu", "relu6", "hardtanh", "clamp_number"))
MOST_TERMS = 2**31 // (255 * 127)  # of a sum that int32 surely holds


def calibrated(
    caller: str, graph: Graph, args: tuple, examples: Sequence[tuple]
) -> dict[int, Scale]:
    """By id of a value that is kept as int8: its scale, from the values that the examples give it."""
    if not examples:
        raise ValueError(f"{caller}: calibration has no examples")
    shapes = [v.meta for v in graph.inputs]
    ranges: dict[int, list[float]] = {}
    chosen = _chosen(graph)
    for example in examples:
        leaves = [x for x in pytree.flatten(example)[0] if isinstance(x, Tensor)]
        found = [x._meta for x in leaves]
        if found != shapes:
            raise ValueError(
                f"{caller}: a calibration example has inputs {found}, but the model is exported for {shapes}"
            )
        _observe(caller, graph, leaves, chosen, ranges)
    scales = {key: _scale(*ends) for key, ends in ranges.items() if np.isfinite(ends).all()}
    _refuse_infinite(caller, graph, ranges, scales)
    for call in graph.calls:
        if call.op == "max_pool" and id(call.outputs[0]) in scales:
            source = scales.get(id(call.inputs[0]))
            if source is not None:
                scales[id(call.outputs[0])] = source
    return scales


def _chosen(graph: Graph) -> set[int]:
    """The values to keep as int8."""
    maker = {id(v): c for c in graph.calls for v in c.outputs}
    users: dict[int, list[Call]] = {}
    for call in graph.calls:
        for v in call.inputs:
            if isinstance(v, Value):
                users.setdefault(id(v), []).append(call)
    outputs = {id(v) for v in graph.outputs}

    def floating(v: Value) -> bool:
        """Whether a value, or a window into it, is read as floats, or leaves."""
        if id(v) in outputs:
            return True
        return any(
            c.op in _FLOATING or (is_move(c) and floating(c.outputs[0]))
            for c in users.get(id(v), ())
        )

    chosen = set()
    for v in [*graph.inputs, *(c.outputs[0] for c in graph.calls)]:
        made = maker.get(id(v))
        stored = made is None or made.op in _STORED or is_elementwise(made)
        if stored and v.meta.dtype.name == "float32" and users.get(id(v)) and not floating(v):
            chosen.add(id(v))
    return chosen


def _observe(
    caller: str, graph: Graph, leaves: Sequence[Tensor], chosen: set[int], ranges: dict
) -> None:
    """Runs the program on one example and widens the ranges of the chosen values."""
    env: dict[int, Any] = {id(v): x for v, x in zip(graph.inputs, leaves)}

    def see(v: Value, x: Tensor) -> None:
        env[id(v)] = x
        if id(v) in chosen:
            array = x.detach().numpy()
            if np.isnan(array).any():
                raise ValueError(f"{caller}: calibration met NaN; int8 cannot stand for it")
            low, high = float(array.min()), float(array.max())
            ends = ranges.setdefault(id(v), [0.0, 0.0])
            ends[0], ends[1] = min(ends[0], low), max(ends[1], high)

    with no_grad():
        for v, x in zip(graph.inputs, leaves):
            see(v, x)
        for v in (*graph.captured, *graph.constants):
            env[id(v)] = v.tensor
        for call in graph.calls:
            arrays = [env[id(v)] if isinstance(v, Value) else v for v in call.inputs]
            made = _layer(call, arrays) if call.op in _FLOATING and call.op.endswith("_layer") else run_call(call.op, arrays, call.attrs)  # fmt: skip
            for v, x in zip(call.outputs, made if call.several else (made,)):
                see(v, x)


def _refuse_infinite(caller: str, graph: Graph, ranges: dict, scales: dict[int, Scale]) -> None:
    """Infinite numbers, as masks before a softmax have, stay floats; products could not read them."""
    infinite = ranges.keys() - scales.keys()
    for call in graph.calls:
        if call.op in ("linear", "convolution") and id(call.inputs[0]) in infinite:
            raise ValueError(
                f"{caller}: calibration met infinite numbers before {call.op}; int8 cannot stand for them"
            )


def _layer(call: Call, arrays: list) -> Any:
    """A recurrent layer behind its product (see `open_recurrent`): a layer whose first product is with the identity."""
    fed, *rest = arrays
    *first, w_hh, inner = rest
    eye = from_numpy(np.eye(fed.shape[-1], dtype=np.float32))
    zero = from_numpy(np.zeros(fed.shape[-1], np.float32))
    return run_call(call.op, [fed, *first, eye, w_hh, zero, zero if inner is None else inner], call.attrs)  # fmt: skip


def _scale(low: float, high: float) -> Scale:
    """Steps of equal width from low to high, 0 among them."""
    step = float(np.float32((high - low) / 255)) or 1.0
    return Scale(step, int(np.clip(np.round(-128 - low / step), -128, 127)))


# -- products ----------------------------------------------------------------------------------------------------------


def absorbable(low: Lowering, group: Group, call: Call) -> bool:
    """Whether an int8 step may do the calls behind it: a product clamps, and that is all."""
    if call.op not in ("convolution", "linear", "max_pool") or not low.scales:
        return True
    clamps = len(group.calls) == 1 and group.root.op in _CLAMPS
    return call.op != "max_pool" and clamps and id(group.result) in low.scales


def integer(low: Lowering, group: Group, x: Ref, w: np.ndarray, b: np.ndarray | None) -> bool:
    """Writes a product in int8, if its input is int8; whether it did."""
    terms = int(np.prod(w.shape[1:]))
    if x.scale is None or terms > MOST_TERMS:
        return False
    call = group.core
    assert call is not None
    out = low.new(group.result)
    scale = x.scale
    steps = np.abs(w).reshape(len(w), -1).max(1).astype(np.float64) / 127
    steps[steps == 0] = 1
    whole = np.round(w / steps.reshape(-1, *[1] * (w.ndim - 1))).astype(np.int8)
    bias = np.zeros(len(w)) if b is None else b.astype(np.float64)
    factor = steps * scale.step
    clamp = (-128, 127)
    if out.scale is not None:
        factor, bias = factor / out.scale.step, bias / out.scale.step + out.scale.zero
        clamp = _clamp(group, out.scale)
    a = call.attrs
    x, zero = low.dense(x), scale.zero
    if call.op == "linear":
        rows = int(np.prod(x.shape[:-1]))
        table = [rows, x.shape[-1], len(w), zero, *clamp]
        text = _LINEAR
    else:
        window = _window(x, w, call)
        table = [
            x.shape[0], x.shape[1], *window[0][1:], len(w), w.shape[1], *(n for sizes in window[1:] for n in sizes[1:]),
            len(w) // a["groups"], zero, *clamp,
        ]  # fmt: skip
        text = _CONVOLUTION.format(**_PLANE)
        if w.ndim == 5:
            table += [sizes[0] for sizes in window]
            text = _CONVOLUTION.format(**_SPACE)
    f = Function(low, "linear_int8" if call.op == "linear" else "conv_int8")
    f.read(x)
    for array in (whole, factor.astype(np.float32), bias.astype(np.float32), np.array(table, np.int32)):  # fmt: skip
        f.args.append(low.weight(array))
    f.params += [
        "const int8_t *restrict w", "const float *restrict factor", "const float *restrict bias", "const int32_t *restrict g",
    ]  # fmt: skip
    y = f.write(out)
    store = f"{y}[at] = v;"
    if out.scale is not None:
        store = f"{y}[at] = (int8_t)(v < (float)low ? low : v > (float)high ? high : v < 0 ? (int)(v - 0.5f) : (int)(v + 0.5f));"
    f.lines = text.replace("STORE", store).strip("\n").splitlines()
    if out.scale is None:
        f.lines = [t for t in f.lines if "low =" not in t]
    f.extent = table[0] if call.op == "linear" else len(w)
    if f.extent == 1:
        f.lines = ["const int begin = 0, end = 1;", *f.lines]
    f.emit(label_of(group))
    return True


def _window(x: Ref, w: np.ndarray, call: Call) -> list[tuple[int, ...]]:
    """Size, kernel, stride, padding, dilation and windows of a convolution, as one over three dimensions."""
    a, one = call.attrs, (1,) * (5 - w.ndim)
    sizes = (x.shape[2:], w.shape[2:], a["stride"])
    rest = (a["dilation"], call.outputs[0].meta.shape[2:])
    padding = (*[0] * len(one), *[lo for lo, _ in a["padding"]])
    return [*((*one, *p) for p in sizes), padding, *((*one, *p) for p in rest)]


def _clamp(group: Group, scale: Scale) -> tuple[int, int]:
    """The ends that a clamp behind a product leaves, as int8."""
    if not group.calls:
        return -128, 127
    call = group.root
    ends = {
        "relu": lambda: (0.0, np.inf),
        "relu6": lambda: (0.0, 6.0),
        "hardtanh": lambda: (call.attrs["min_val"], call.attrs["max_val"]),
        "clamp_number": lambda: _numbers(call),
    }[call.op]()
    return tuple(int(np.clip(np.round(e / scale.step + scale.zero), -128, 127)) for e in ends)  # type: ignore[return-value]


def _numbers(call: Call) -> tuple[float, float]:
    low, high = call.attrs["min"], call.attrs["max"]
    return -np.inf if low is None else low, np.inf if high is None else high


_LINEAR = """
const int terms = g[1], outputs = g[2], zero = g[3];
const int low = g[4], high = g[5];
for (int r = begin; r < end; ++r)
  for (int o = 0; o < outputs; ++o) {
    int32_t sum = 0;
    for (int k = 0; k < terms; ++k) sum += (x0[r * terms + k] - zero) * w[o * terms + k];
    const int at = r * outputs + o;
    const float v = (float)sum * factor[o] + bias[o];
    STORE
  }
"""

# Braces are doubled: the text is filled in for two dimensions (or one), or for three.
_CONVOLUTION = """
const int images = g[0], channels = g[1], height = g[2], width = g[3], outputs = g[4], parts = g[5];
const int kh = g[6], kw = g[7], sh = g[8], sw = g[9], ph = g[10], pw = g[11], dh = g[12], dw = g[13];
const int oh = g[14], ow = g[15], each = g[16], zero = g[17];
const int low = g[18], high = g[19];
{sizes}for (int o = begin; o < end; ++o)
  for (int i = 0; i < images; ++i)
    {levels}for (int h = 0; h < oh; ++h)
      for (int l = 0; l < ow; l += 16) {{
        const int count = ow - l < 16 ? ow - l : 16;
        int32_t a[16] = {{0}};
        for (int c = 0; c < parts; ++c)
          {level}for (int s = 0; s < kh; ++s) {{
            const int row = h * sh + s * dh - ph;
            if ({leaves}row < 0 || row >= height) continue;
            const int8_t *line = x0 + ({image} * height + row) * width;
            for (int t = 0; t < kw; ++t) {{
              const int first = l * sw + t * dw - pw;
              const int from = first < 0 ? (sw - 1 - first) / sw : 0;
              const int room = first < width ? (width - 1 - first) / sw + 1 : 0;
              const int to = room < count ? room : count;
              const int v = w[({kernel} * kh + s) * kw + t];
              for (int j = from; j < to; ++j) a[j] += (line[first + j * sw] - zero) * v;
            }}
          }}
        for (int j = 0; j < count; ++j) {{
          const int at = ({place} * oh + h) * ow + l + j;
          const float v = (float)a[j] * factor[o] + bias[o];
          STORE
        }}
      }}
"""

_PLANE = {
    "sizes": "", "levels": "", "level": "", "leaves": "", "kernel": "(o * parts + c)", "place": "(i * outputs + o)",
    "image": "(i * channels + o / each * parts + c)",
}  # fmt: skip
_SPACE = {
    "sizes": "const int depth = g[20], kd = g[21], sd = g[22], pd = g[23], dd = g[24], od = g[25];\n",
    "levels": "for (int z = 0; z < od; ++z) ",
    "level": "for (int r = 0; r < kd; ++r) ",
    "leaves": "z * sd + r * dd < pd || z * sd + r * dd - pd >= depth || ",
    "kernel": "((o * parts + c) * kd + r)",
    "place": "((i * outputs + o) * od + z)",
    "image": "((i * channels + o / each * parts + c) * depth + z * sd + r * dd - pd)",
}


# -- tables ------------------------------------------------------------------------------------------------------------


def table(low: Lowering, group: Group) -> bool:
    """Writes a function of one int8 operand as a table of its 256 values; whether it did."""
    scale = low.scales.get(id(group.result))
    made = {id(c.outputs[0]) for c in group.calls}
    operands = {
        id(v): v for c in group.calls for v in c.inputs if isinstance(v, Value) and id(v) not in made
    }  # fmt: skip
    unknown = [v for v in operands.values() if not is_known(v)]
    if scale is None or len(unknown) != 1 or unknown[0].meta.shape != group.result.meta.shape:
        return False
    if any(v.meta.numel != 1 for v in operands.values() if is_known(v)):
        return False
    x = low.ref(unknown[0])
    if x.scale is None:
        return False
    every = (np.arange(-128, 128, dtype=np.float64) - x.scale.zero) * x.scale.step
    env: dict[int, Any] = {id(unknown[0]): from_numpy(every.astype(np.float32))}
    env |= {id(v): from_numpy(array_of(v).reshape(())) for v in operands.values() if is_known(v)}
    with no_grad():
        for call in group.calls:
            arrays = [env[id(v)] if isinstance(v, Value) else v for v in call.inputs]
            env[id(call.outputs[0])] = run_call(call.op, arrays, call.attrs)
    values = env[id(group.result)].numpy().astype(np.float64)
    rounded = np.clip(np.round(values / scale.step) + scale.zero, -128, 127)
    entries = np.where(np.isnan(rounded), -128, rounded).astype(np.int8)
    x = low.dense(x)
    f = Function(low, "table")
    source, places = f.read(x), f.read(low.weight(entries))
    out = f.write(low.new(group.result))
    f.loops((x.numel,), lambda i: [f"{out}[{i[0]}] = {places}[{source}[{i[0]}] + 128];"])
    f.emit(label_of(group))
    return True
