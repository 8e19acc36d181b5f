"""Recurrent layers: one step of each kind, written once, and the loop over time, layers and directions.

The inputs of all steps are projected by one matrix product before the loop; a step then costs one
product with the state and a handful of elementwise calls.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._base.checks import check
from ..runtime.tensor import Tensor
from .activation import relu, sigmoid
from .dropout import dropout
from .joining import cat, stack
from .matrix import linear, matmul
from .trigonometry import tanh

State = tuple[Tensor, ...]


def _lstm_step(fed: Tensor, state: State, recur, project) -> State:
    h, c = state
    i, f, g, o = (fed + recur(h)).chunk(4, 1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return project(sigmoid(o) * tanh(c)), c


def _gru_step(fed: Tensor, state: State, recur, project) -> State:
    (h,) = state
    reset_x, update_x, new_x = fed.chunk(3, 1)
    reset_h, update_h, new_h = recur(h).chunk(3, 1)
    update = sigmoid(update_x + update_h)
    new = tanh(new_x + sigmoid(reset_x + reset_h) * new_h)
    return ((h - new) * update + new,)


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
            if mode != "GRU":  # only a GRU multiplies the recurrent part before adding it
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

    def run(self, input: Tensor, state: State, reverse: bool) -> tuple[Tensor, State]:
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


def layers(
    mode: str,
    input: Tensor,
    state: State,
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
        state: its parts, each (layers * directions, N, H).
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
    final: list[State] = []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            k = layer * directions + direction
            one = _Direction(mode, weights[k * count : (k + 1) * count], has_biases)
            begin = tuple(part[k] for part in state)
            if sizes is None:
                out, end = one.run(input, begin, direction == 1)
            else:
                out, end = one.run_packed(input, sizes, begin, direction == 1)
            outputs.append(out)
            final.append(end)
        input = outputs[0] if directions == 1 else cat(outputs, -1)
        if dropout and train and layer < num_layers - 1:
            input = _dropout(input, dropout, True)
    if batch_first and batch_sizes is None:
        input = input.transpose(0, 1)
    return input, tuple(stack(list(parts), 0) for parts in zip(*final))


_dropout = dropout  # the parameter of `layers` has its name
