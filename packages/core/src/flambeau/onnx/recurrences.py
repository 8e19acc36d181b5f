"""Recurrent networks in ONNX: RNN, GRU and LSTM of one layer, in one direction or both."""

from __future__ import annotations

from ..ops import recurrent
from ..ops.joining import cat, stack
from ..runtime.tensor import Tensor
from .nodes import OPERATORS, Attributes, Function

# The order of ONNX's gates in PyTorch's, and the functions they are passed through.
GATES = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 2, 3, 1]}
ACTIVATIONS = {"GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
RNNS = {"Tanh": "RNN_TANH", "Relu": "RNN_RELU"}


def _mode(a: Attributes, directions: int) -> str:
    """The kind of network, where it is one that PyTorch has."""
    a.refuse("layout", 0)
    a.refuse("input_forget", 0)
    if "clip" in a:
        raise a.unsupported("clip")
    if a.kind == "GRU" and not a.get("linear_before_reset"):
        raise a.unsupported("linear_before_reset=0")
    given = a.get("activations") or ACTIVATIONS.get(a.kind, ["Tanh"]) * directions
    one = given[: len(given) // directions]
    usual = one == ACTIVATIONS.get(a.kind) if a.kind in ACTIVATIONS else one[0] in RNNS
    if not usual or given != one * directions:
        raise a.unsupported(f"activations={given}")
    return RNNS[one[0]] if a.kind == "RNN" else a.kind


def _reordered(weight: Tensor, gates: list[int]) -> Tensor:
    parts = weight.chunk(len(gates), 0)
    return cat([parts[k] for k in gates], 0)


def _network(kind: str) -> Function:
    def run(
        a: Attributes, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None, lengths: Tensor | None = None, *more: Tensor | None
    ) -> tuple:  # fmt: skip
        directions, gates = w.shape[0], GATES[kind]
        mode = _mode(a, directions)
        parts = recurrent.state_parts(mode)
        if any(peephole is not None for peephole in more[parts:]):
            raise a.unsupported("peepholes")
        if lengths is not None and bool((lengths != x.shape[0]).any()):
            raise a.unsupported("sequences of different lengths")
        begin = [*more[:parts], *[None] * (parts - len(more[:parts]))]
        outputs, ends = [], []
        for k in range(directions):
            weights = [_reordered(matrix[k], gates) for matrix in (w, r)]
            if b is not None:
                weights += [_reordered(half, gates) for half in b[k].chunk(2)]
            state = [None if part is None else part[k] for part in begin]
            backward = k == 1 or a.get("direction") == "reverse"
            out, *end = recurrent.LAYERS[mode](x, *state, *weights, reverse=backward)
            outputs.append(out)
            ends.append(end)
        return stack(outputs, 1), *(cat(list(parts), 0) for parts in zip(*ends))

    return run


for _kind in GATES:
    OPERATORS[_kind] = _network(_kind)
