"""Samples of the steps of recurrent networks."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def lstm_step(make: Make) -> Iterator[Sample]:
    """Several rows and one."""
    yield Sample(make(3, 8), make(3, 2))
    yield Sample(make(1, 4), make(1, 1))


def lstm_step_grad(make: Make) -> Iterator[Sample]:
    """Cotangents, results and the cell."""
    yield Sample(make(3, 2), make(3, 2), make(3, 8), make(3, 2), make(3, 8), make(3, 2))


def gru_step(make: Make) -> Iterator[Sample]:
    """Several rows and one."""
    yield Sample(make(3, 6), make(3, 6), make(3, 2))
    yield Sample(make(1, 3), make(1, 3), make(1, 1))


def gru_step_grad(make: Make) -> Iterator[Sample]:
    """Cotangents, results, the recurrent part and the state."""
    yield Sample(make(3, 2), make(3, 6), make(3, 6), make(3, 6), make(3, 2))


def _layer(make: Make, gates: int, parts: int = 1) -> Iterator[Sample]:
    """A batch of equal lengths, one without biases run backwards, and packed sequences."""
    state, weights = [make(2, 3) for _ in range(parts)], (make(3 * gates, 2), make(3 * gates, 3))
    biases = (make(3 * gates), make(3 * gates))
    yield Sample(make(3, 2, 2), *state, *weights, *biases)
    yield Sample(make(2, 2, 2), *state, *weights, reverse=True)
    yield Sample(make(5, 2), *state, *weights, *biases, sizes=(2, 2, 1), onnx=False)


def lstm_layer(make: Make) -> Iterator[Sample]:
    """As all layers."""
    return _layer(make, 4, 2)


def gru_layer(make: Make) -> Iterator[Sample]:
    """As all layers."""
    return _layer(make, 3)


def tanh_layer(make: Make) -> Iterator[Sample]:
    """As all layers."""
    return _layer(make, 1)


def relu_layer(make: Make) -> Iterator[Sample]:
    """As all layers."""
    return _layer(make, 1)
