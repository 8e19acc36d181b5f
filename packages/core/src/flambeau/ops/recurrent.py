"""Recurrent layers: one step of each kind, written once, and the loop over time, layers and directions.

The inputs of all steps are projected by one matrix product before the loop; a step then costs one
product with the state and a handful of elementwise calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._base.checks import check
from ..runtime import state
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .activation import relu
from .creation import zeros
from .dropout import dropout
from .joining import cat, stack
from .matrix import linear, matmul
from .trigonometry import tanh

State = tuple[Tensor, ...]


@primitive(method=False, outputs=("h", "c", "gates"))
def lstm_step(gates: Meta, c: Meta):
    """One step behind the products: gates (N, 4H) and cell (N, H) to the next h and c.

    The activated gates are a third result, because the gradient reads them. A primitive, because the
    dozen small operators it stands for cost ten times the arithmetic.

    >>> import flambeau
    >>> h, c, _ = flambeau.ops.recurrent.lstm_step(flambeau.zeros(1, 4), flambeau.ones(1, 1))
    >>> c
    tensor([[0.5000]])
    """
    check(
        gates.shape == (*c.shape[:-1], 4 * c.shape[-1]),
        lambda: f"lstm_step: expected gates (N, 4H) and a cell (N, H), got {gates} and {c}",
    )
    return c, c, gates


@lstm_step.kernel
def _(xp, gates, c):
    size = c.shape[-1]
    act = _activated(xp, gates, 2 * size, 3 * size)
    i, f, g, o = (act[..., k * size : (k + 1) * size] for k in range(4))
    new = f * c
    new += i * g
    h = xp.tanh(new)
    h *= o
    return h, new, act


def _activated(xp, gates, begin, end):
    """Sigmoid of all columns but those from `begin` to `end`, which get tanh."""
    act = gates * 0.5  # sigmoid(x) is (1 + tanh(x / 2)) / 2: one call for all of them
    act[..., begin:end] *= 2
    xp.tanh(act, out=act)
    for part in (act[..., :begin], act[..., end:]):
        part += 1
        part *= 0.5
    return act


@lstm_step.vjp
def _(g, out, gates: Meta, c):
    g_h, g_c, g_act = g
    _h, new, act = out
    if not state.local.grad and not new._level:
        return tuple(lstm_step_grad(g_h, g_c, g_act, new, act, c))
    i, f, new_gate, o = act.chunk(4, -1)
    t = tanh(new)
    g_new = g_c + g_h * o * (1 - t * t)
    g_act = g_act + cat([g_new * new_gate, g_new * c, g_new * i, g_h * t], -1)
    slope = cat([i * (1 - i), f * (1 - f), 1 - new_gate * new_gate, o * (1 - o)], -1)
    return g_act * slope, g_new * f


@primitive(method=False, outputs=("gates", "c"))
def lstm_step_grad(g_h: Meta, g_c: Meta, g_act: Meta, new: Meta, act: Meta, c: Meta):
    """What `lstm_step`'s gradient rule computes, in one call; used where it is not recorded itself.

    >>> import flambeau
    >>> one, four = flambeau.ones(1, 1), flambeau.zeros(1, 4)
    >>> flambeau.ops.recurrent.lstm_step_grad(one, one, four, one, four, one).c
    tensor([[0.]])
    """
    return act, c


@lstm_step_grad.kernel
def _(xp, g_h, g_c, g_act, new, act, c):
    size = c.shape[-1]
    i, f, g, o = (act[..., k * size : (k + 1) * size] for k in range(4))
    t = xp.tanh(new)
    g_new = g_c + g_h * o * (1 - t * t)
    made = act * (1 - act)
    made[..., 2 * size : 3 * size] = 1 - g * g
    for k, factor in enumerate((g_new * g, g_new * c, g_new * i, g_h * t)):
        factor += g_act[..., k * size : (k + 1) * size]
        made[..., k * size : (k + 1) * size] *= factor
    return made, g_new * f


lstm_step_grad.no_vjp("where it is to be differentiated, lstm_step's rule is written out instead")
lstm_step_grad.refuse("vmap", "as its gradient: the rule is written out under vmap")
lstm_step_grad.refuse("onnx", "a gradient: exported graphs do not train")


@lstm_step.batch
def _(size, batched, gates, c):
    gates, c = (
        x if b else x.unsqueeze(0).expand(size, *x.shape)
        for x, b in zip((gates, c), batched, strict=True)
    )
    return lstm_step(gates, c)


@lstm_step.onnx
def _(builder, gates, c):
    i, f, g, o = builder.nodes("Split", [gates], 4, axis=-1, num_outputs=4)
    i, f, o = (builder.node("Sigmoid", [x]) for x in (i, f, o))
    g = builder.node("Tanh", [g])
    kept, added = builder.node("Mul", [f, c]), builder.node("Mul", [i, g])
    new = builder.node("Add", [kept, added])
    h = builder.node("Mul", [o, builder.node("Tanh", [new])])
    return h, new, builder.node("Concat", [i, f, g, o], axis=-1)


def _lstm_step(fed: Tensor, state: State, recur, project) -> State:
    h, c, _ = lstm_step(fed + recur(state[0]), state[1])
    return project(h), c


@primitive(method=False, outputs=("h", "gates"))
def gru_step(fed: Meta, recurrent: Meta, h: Meta):
    """One step behind the products: both (N, 3H) and the state (N, H) to the next state.

    The activated gates (reset, update, new) are a second result, because the gradient reads them.

    >>> import flambeau
    >>> three, h = flambeau.zeros(1, 3), flambeau.ones(1, 1)
    >>> flambeau.ops.recurrent.gru_step(three, three, h).h
    tensor([[0.5000]])
    """
    check(
        fed.shape == recurrent.shape == (*h.shape[:-1], 3 * h.shape[-1]),
        lambda: (
            f"gru_step: expected two (N, 3H) and a state (N, H), got {fed}, {recurrent} and {h}"
        ),
    )
    return h, fed


@gru_step.kernel
def _(xp, fed, recurrent, h):
    size = h.shape[-1]
    act = fed + recurrent
    both = act[..., : 2 * size]
    both *= 0.5
    xp.tanh(both, out=both)
    both += 1
    both *= 0.5
    new = fed[..., 2 * size :] + act[..., :size] * recurrent[..., 2 * size :]
    xp.tanh(new, out=new)
    act[..., 2 * size :] = new
    made = h - new
    made *= act[..., size : 2 * size]
    made += new
    return made, act


@gru_step.vjp
def _(g, out, fed: Meta, recurrent, h):
    g_h, g_act = g
    _made, act = out
    if not state.local.grad and not act._level:
        return tuple(gru_step_grad(g_h, g_act, act, recurrent, h))
    reset, update, new = act.chunk(3, -1)
    g_reset, g_update, g_new = g_act.chunk(3, -1)
    other = recurrent.chunk(3, -1)[2]
    d_new = (g_new + g_h * (1 - update)) * (1 - new * new)
    d_update = (g_update + g_h * (h - new)) * update * (1 - update)
    d_reset = (g_reset + d_new * other) * reset * (1 - reset)
    both = [d_reset, d_update]
    return cat([*both, d_new], -1), cat([*both, d_new * reset], -1), g_h * update


@primitive(method=False, outputs=("fed", "recurrent", "h"))
def gru_step_grad(g_h: Meta, g_act: Meta, act: Meta, recurrent: Meta, h: Meta):
    """What `gru_step`'s gradient rule computes, in one call; used where it is not recorded itself.

    >>> import flambeau
    >>> one, three = flambeau.ones(1, 1), flambeau.zeros(1, 3)
    >>> flambeau.ops.recurrent.gru_step_grad(one, three, three, three, one).h
    tensor([[0.]])
    """
    return act, act, h


@gru_step_grad.kernel
def _(xp, g_h, g_act, act, recurrent, h):
    size = h.shape[-1]
    reset, update, new = (act[..., k * size : (k + 1) * size] for k in range(3))
    made = act * (1 - act)
    d_new = (g_act[..., 2 * size :] + g_h * (1 - update)) * (1 - new * new)
    made[..., :size] *= g_act[..., :size] + d_new * recurrent[..., 2 * size :]
    made[..., size : 2 * size] *= g_act[..., size : 2 * size] + g_h * (h - new)
    made[..., 2 * size :] = d_new
    other = made.copy()
    other[..., 2 * size :] = d_new * reset
    return made, other, g_h * update


gru_step_grad.no_vjp("where it is to be differentiated, gru_step's rule is written out instead")
gru_step_grad.refuse("vmap", "as its gradient: the rule is written out under vmap")
gru_step_grad.refuse("onnx", "a gradient: exported graphs do not train")


@gru_step.batch
def _(size, batched, *arrays):
    return gru_step(
        *(
            x if b else x.unsqueeze(0).expand(size, *x.shape)
            for x, b in zip(arrays, batched, strict=True)
        )
    )


@gru_step.onnx
def _(builder, fed, recurrent, h):
    a = builder.nodes("Split", [fed], 3, axis=-1, num_outputs=3)
    b = builder.nodes("Split", [recurrent], 3, axis=-1, num_outputs=3)
    reset, update = (builder.node("Sigmoid", [builder.node("Add", [a[k], b[k]])]) for k in range(2))
    new = builder.node("Tanh", [builder.node("Add", [a[2], builder.node("Mul", [reset, b[2]])])])
    moved = builder.node("Mul", [builder.node("Sub", [h, new]), update])
    made = builder.node("Add", [moved, new])
    return made, builder.node("Concat", [reset, update, new], axis=-1)


def _gru_step(fed: Tensor, state: State, recur, project) -> State:
    return (gru_step(fed, recur(state[0]), state[0])[0],)


def _tanh_step(fed: Tensor, state: State, recur, project) -> State:
    return (tanh(fed + recur(state[0])),)


def _relu_step(fed: Tensor, state: State, recur, project) -> State:
    return (relu(fed + recur(state[0])),)


STEPS = {
    "LSTM": (_lstm_step, 2),
    "GRU": (_gru_step, 1),
    "RNN_TANH": (_tanh_step, 1),
    "RNN_RELU": (_relu_step, 1),
}


def state_parts(mode: str) -> int:
    """How many tensors the state of a kind of network has.

    >>> state_parts("LSTM")
    2
    """
    return STEPS[mode][1]


def cell(
    mode: str,
    input: Tensor,
    state: State,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
) -> State:
    """One step of a network of kind `mode`: input (N, I) and state parts (N, H) to the next state.

    >>> import flambeau
    >>> h = flambeau.zeros(1, 2)
    >>> cell("RNN_TANH", flambeau.zeros(1, 3), (h,), flambeau.ones(2, 3), flambeau.ones(2, 2))
    (tensor([[0., 0.]]),)
    """
    step, _ = STEPS[mode]
    check(
        input.shape[1] == weight_ih.shape[1],
        lambda: (
            f"input has inconsistent input_size: got {input.shape[1]} expected {weight_ih.shape[1]}"
        ),
    )
    check(
        state[0].shape[0] == input.shape[0] and state[0].shape[1] == weight_hh.shape[1],
        lambda: (
            f"hidden has shape {list(state[0].shape)}, expected "
            f"{[input.shape[0], weight_hh.shape[1]]}"
        ),
    )
    fed = linear(input, weight_ih, bias_ih)
    return step(fed, state, lambda h: linear(h, weight_hh, bias_hh), _unchanged)


def _unchanged(h: Tensor) -> Tensor:
    return h


class _Direction:
    """The weights of one layer in one direction."""

    def __init__(self, mode: str, weights: Sequence[Tensor], has_biases: bool) -> None:
        self.step, _ = STEPS[mode]
        self.weight_ih, weight_hh, *rest = weights
        self.bias_ih = bias_hh = None
        if has_biases:
            self.bias_ih, bias_hh, *rest = rest
            if self.bias_ih is None or bias_hh is None:
                pass
            elif mode != "GRU":  # only a GRU multiplies the recurrent part before adding it
                self.bias_ih, bias_hh = self.bias_ih + bias_hh, None
        recurrent = weight_hh.mT
        self.recur = (
            (lambda h: matmul(h, recurrent))
            if bias_hh is None
            else (lambda h: matmul(h, recurrent) + bias_hh)
        )
        self.project = _unchanged
        if rest:
            projection = rest[0].mT
            self.project = lambda h: matmul(h, projection)

    def run(
        self, input: Tensor, state: State, sizes: list[int] | None, reverse: bool
    ) -> tuple[Tensor, State]:
        """Outputs and the last state, of a batch of equal lengths or of packed sequences."""
        if sizes is None:
            return self.run_whole(input, state, reverse)
        return self.run_packed(input, sizes, state, reverse)

    def run_whole(self, input: Tensor, state: State, reverse: bool) -> tuple[Tensor, State]:
        """Outputs (L, N, H) and the last state of a batch (L, N, I) of equal lengths."""
        fed = linear(input, self.weight_ih, self.bias_ih).unbind(0)
        outputs = []
        for one in reversed(fed) if reverse else fed:
            state = self.step(one, state, self.recur, self.project)
            outputs.append(state[0])
        if reverse:
            outputs.reverse()
        return stack(outputs, 0), state

    def run_packed(
        self, data: Tensor, sizes: list[int], state: State, reverse: bool
    ) -> tuple[Tensor, State]:
        """The same for packed sequences: at each step only those that have one take part."""
        fed = linear(data, self.weight_ih, self.bias_ih).split(sizes, 0)
        run = self._packed_backward if reverse else self._packed_forward
        outputs, state = run(fed, sizes, state)
        return cat(outputs, 0), state

    def _packed_forward(self, fed, sizes, state) -> tuple[list[Tensor], State]:
        outputs, ended = [], []
        for one, size in zip(fed, sizes):
            if size < state[0].shape[0]:
                ended.append(tuple(part[size:] for part in state))
                state = tuple(part[:size] for part in state)
            state = self.step(one, state, self.recur, self.project)
            outputs.append(state[0])
        ended.append(state)
        return outputs, tuple(cat(list(reversed(parts)), 0) for parts in zip(*ended))

    def _packed_backward(self, fed, sizes, first) -> tuple[list[Tensor], State]:
        outputs = []
        state = tuple(part[: sizes[-1]] for part in first)
        for one, size in zip(reversed(fed), reversed(sizes)):
            have = state[0].shape[0]
            if size > have:
                state = tuple(cat([s, f[have:size]], 0) for s, f in zip(state, first))
            state = self.step(one, state, self.recur, self.project)
            outputs.append(state[0])
        return outputs[::-1], state


def _layer(mode, input, state, weights, sizes, reverse) -> Any:
    """One layer in one direction, without a projection, step by step. A part of the state that is None is zero."""
    direction = _Direction(mode, weights, True)
    if any(part is None for part in state):
        shape = (input.shape[1] if sizes is None else sizes[0], weights[1].shape[1])
        made = zeros(shape, dtype=input.dtype, device=input.device)
        state = tuple(made if part is None else part for part in state)
    out, end = direction.run(input, state, None if sizes is None else list(sizes), reverse)
    return LAYERS[mode].op.tags["named"](out, *[part.unsqueeze(0) for part in end])


def _shapes(input: Meta, h: Meta, *rest: Any) -> tuple:
    """Of a layer's outputs and last state, for who does not want to go through all steps; programs give the first state."""
    return (*input.shape[:-1], h.shape[-1]), (1, *h.shape), (1, *h.shape)


@composite(method=False, outputs=("output", "h", "c"), shapes=_shapes)
def lstm_layer(
    input: Tensor,
    h: Tensor | None,
    c: Tensor | None,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    sizes: Sequence[int] | None = None,
    reverse: bool = False,
) -> Any:
    """All steps of one LSTM layer in one direction: input (L, N, I) and the state, both (N, H), to outputs (L, N, H).

    The last state is (1, N, H), as that of a network with one layer.
    With `sizes` the input is packed: (sum(sizes), I), the rows of each step in turn. `reverse` runs from the last step.
    A state of None is zero.

    >>> import flambeau
    >>> x, h = flambeau.zeros(5, 1, 3), flambeau.zeros(1, 2)
    >>> flambeau.ops.recurrent.lstm_layer(x, h, h, flambeau.ones(8, 3), flambeau.ones(8, 2)).output.shape
    flambeau.Size([5, 1, 2])
    """
    return _layer("LSTM", input, (h, c), (weight_ih, weight_hh, bias_ih, bias_hh), sizes, reverse)


@composite(method=False, outputs=("output", "h"), shapes=_shapes)
def gru_layer(
    input: Tensor,
    h: Tensor | None,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    sizes: Sequence[int] | None = None,
    reverse: bool = False,
) -> Any:
    """All steps of one GRU layer in one direction, as `lstm_layer`.

    >>> import flambeau
    >>> x, h = flambeau.zeros(5, 1, 3), flambeau.ones(1, 2)
    >>> flambeau.ops.recurrent.gru_layer(x, h, flambeau.zeros(6, 3), flambeau.zeros(6, 2)).h
    tensor([[[0.0312, 0.0312]]])
    """
    return _layer("GRU", input, (h,), (weight_ih, weight_hh, bias_ih, bias_hh), sizes, reverse)


@composite(method=False, outputs=("output", "h"), shapes=_shapes)
def tanh_layer(
    input: Tensor,
    h: Tensor | None,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    sizes: Sequence[int] | None = None,
    reverse: bool = False,
) -> Any:
    """All steps of one plain recurrent layer with tanh in one direction, as `lstm_layer`.

    >>> import flambeau
    >>> x, h = flambeau.zeros(5, 1, 3), flambeau.zeros(1, 2)
    >>> flambeau.ops.recurrent.tanh_layer(x, h, flambeau.ones(2, 3), flambeau.ones(2, 2)).h
    tensor([[[0., 0.]]])
    """
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    return _layer("RNN_TANH", input, (h,), weights, sizes, reverse)


@composite(method=False, outputs=("output", "h"), shapes=_shapes)
def relu_layer(
    input: Tensor,
    h: Tensor | None,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    sizes: Sequence[int] | None = None,
    reverse: bool = False,
) -> Any:
    """The same with relu.

    >>> import flambeau
    >>> x, h = flambeau.ones(2, 1, 1), flambeau.zeros(1, 1)
    >>> flambeau.ops.recurrent.relu_layer(x, h, flambeau.ones(1, 1), flambeau.ones(1, 1)).h
    tensor([[[2.]]])
    """
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    return _layer("RNN_RELU", input, (h,), weights, sizes, reverse)


# ONNX's node of each kind of layer, where its gates are among ours, and its options.
_NODES: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "LSTM": ("LSTM", (0, 3, 1, 2), {}),
    "GRU": ("GRU", (1, 0, 2), {"linear_before_reset": 1}),
    "RNN_TANH": ("RNN", (0,), {"activations": ["Tanh"]}),
    "RNN_RELU": ("RNN", (0,), {"activations": ["Relu"]}),
}


def _node(mode: str) -> Any:
    """A layer as one ONNX node, whose number of steps may be open."""
    kind, order, options = _NODES[mode]
    count = state_parts(mode)

    def ordered(builder, weight):
        if len(order) == 1:
            return weight
        parts = builder.nodes("Split", [weight], len(order), axis=0, num_outputs=len(order))
        return builder.node("Concat", [parts[k] for k in order], axis=0)

    def rule(builder, input, *tensors, sizes=None, reverse=False):
        check(sizes is None, lambda: f"onnx.export: {kind} of packed sequences has no ONNX form")
        state, (w_ih, w_hh, *biases) = tensors[:count], tensors[count:]

        def one_direction(name):
            return name and builder.node("Unsqueeze", [name, builder.ints([0])])

        given = [one_direction(ordered(builder, w)) for w in (w_ih, w_hh)]
        known = [b for b in biases if b is not None]
        both = (
            builder.node("Concat", [ordered(builder, b) for b in known], axis=0) if known else None
        )
        way = {"direction": "reverse"} if reverse else {}
        hidden = builder.metas[w_hh].shape[1]
        out, *end = builder.nodes(
            kind,
            [input, *given, one_direction(both), None, *map(one_direction, state)],
            1 + count,
            hidden_size=hidden,
            **options,
            **way,
        )
        return builder.node("Squeeze", [out, builder.ints([1])]), *end

    return rule


LAYERS = {"LSTM": lstm_layer, "GRU": gru_layer, "RNN_TANH": tanh_layer, "RNN_RELU": relu_layer}
for _mode, _whole in LAYERS.items():
    _whole.onnx(_node(_mode))


def _run(mode, input, state, weights, has_biases, sizes, reverse) -> tuple[Tensor, State]:
    """One layer in one direction: outputs and last state, (1, N, H)."""
    if len(weights) > (4 if has_biases else 2):  # with a projection
        out, made = _Direction(mode, weights, has_biases).run(input, state, sizes, reverse)
        return out, tuple(part.unsqueeze(0) for part in made)
    steps = None if sizes is None else tuple(sizes)
    out, *end = LAYERS[mode](input, *state, *weights, sizes=steps, reverse=reverse)
    return out, tuple(end)


def layers(
    mode: str,
    input: Tensor,
    state: State | None,
    weights: Sequence[Tensor],
    *,
    batch_sizes: Tensor | None = None,
    has_biases: bool = True,
    num_layers: int = 1,
    dropout: float = 0.0,
    train: bool = False,
    bidirectional: bool = False,
    batch_first: bool = False,
) -> tuple[Tensor, State]:
    """A whole recurrent network: input (L, N, I), or packed data, and the state of every layer.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        state: its parts, each (layers * directions, N, H), or None for zeros.
        weights: those of the first layer forward, the first layer backward, the second, ….
        batch_sizes: of packed data, how many sequences have each step.

    >>> import flambeau
    >>> x, h = flambeau.zeros(5, 1, 3), flambeau.zeros(1, 1, 2)
    >>> weights = [flambeau.ones(2, 3), flambeau.ones(2, 2)]
    >>> layers("RNN_TANH", x, (h,), weights, has_biases=False)[0].shape
    flambeau.Size([5, 1, 2])
    """
    if batch_first and batch_sizes is None:
        input = input.transpose(0, 1)
    sizes = None if batch_sizes is None else batch_sizes.tolist()
    directions = 2 if bidirectional else 1
    count = len(weights) // (num_layers * directions)
    if state is None and (_watched() or count > (4 if has_biases else 2)):  # a program, projections
        batch = input.shape[1] if sizes is None else sizes[0]
        state = _zeros(mode, num_layers * directions, batch, input, weights[1])
    none: Any = (None,) * state_parts(mode)
    final: list[State] = []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            k = layer * directions + direction
            own = weights[k * count : (k + 1) * count]
            begin = none if state is None else tuple(part[k] for part in state)
            out, end = _run(mode, input, begin, own, has_biases, sizes, direction == 1)
            outputs.append(out)
            final.append(end)
        input = outputs[0] if directions == 1 else cat(outputs, -1)
        if dropout and train and layer < num_layers - 1:
            input = _dropout(input, dropout, True)
    if batch_first and batch_sizes is None:
        input = input.transpose(0, 1)
    return input, final[0] if len(final) == 1 else tuple(cat(parts, 0) for parts in zip(*final))


def _watched() -> bool:
    """Whether somebody sees the calls, who is to find a first state there."""
    return bool(state.active)


def _zeros(mode: str, rows: int, batch: int, like: Tensor, weight_hh: Tensor) -> State:
    """The first state that is meant where none is given; with a projection h and c have sizes of their own."""
    sizes = (weight_hh.shape[1], weight_hh.shape[0] // 4)[: state_parts(mode)]
    return tuple(zeros((rows, batch, n), dtype=like.dtype, device=like.device) for n in sizes)


_dropout = dropout  # the parameter of `layers` has its name
