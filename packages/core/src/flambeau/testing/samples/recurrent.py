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
