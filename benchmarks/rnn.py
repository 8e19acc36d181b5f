"""Recurrent layers over whole sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Bar, Case, Side, with_backward

TITLE = "Recurrent layers"
TEXT = "64 steps of 32 sequences, 256 features in and hidden, unless the name says otherwise."
BARS = [Bar("lstm_fwd_bwd", geomean=1.2), Bar("gru_fwd_bwd", geomean=2.0)]
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def layer(
    kind: str,
    steps: int = 64,
    batch: int = 32,
    features: int = 256,
    hidden: int = 256,
    backward: bool = False,
    **options: Any,
) -> Case:
    """The layer from zeros over a random sequence; with `backward` gradients of input and weights too."""

    def make(s: Side) -> Callable:
        rnn = s.model(getattr(s.nn, kind)(features, hidden, **options))
        x = s.normal(steps, batch, features, grad=backward)
        if backward:
            return with_backward(s, lambda: rnn(x)[0], x, *rnn.parameters())
        rnn.requires_grad_(False)
        return lambda: rnn(x)

    directions = 2 if options.get("bidirectional") else 1
    columns, width = 0, features
    for _ in range(options.get("num_layers", 1)):
        columns += directions * (width + hidden)
        width = directions * hidden
    flops = 2 * steps * batch * GATES[kind] * hidden * columns
    return Case(make, flops=flops * (3 if backward else 1), tolerance=2e-3)


CASES = {
    "lstm_fwd": layer("LSTM"),
    "lstm_fwd_bwd": layer("LSTM", backward=True),
    "gru_fwd": layer("GRU"),
    "gru_fwd_bwd": layer("GRU", backward=True),
}
HELD_OUT = {
    f"{name}.{way}": layer(kind, *sizes, backward=backward, **options)
    for name, (kind, sizes, options) in {
        "lstm_31x7x65x129": ("LSTM", (31, 7, 65, 129), {}),
        "lstm_200x1x128x128": ("LSTM", (200, 1, 128, 128), {}),
        "lstm_2layers_35x20x200x200": ("LSTM", (35, 20, 200, 200), {"num_layers": 2}),
        "lstm_bidirectional_50x16x100x150": ("LSTM", (50, 16, 100, 150), {"bidirectional": True}),
        "gru_100x1x80x256": ("GRU", (100, 1, 80, 256), {}),
        "gru_17x128x33x65": ("GRU", (17, 128, 33, 65), {}),
        "rnn_40x32x64x128": ("RNN", (40, 32, 64, 128), {}),
    }.items()
    for way, backward in {"fwd": False, "fwd_bwd": True}.items()
}
