"""Samples of exponentials and logarithms whose domain is narrow."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def logit(make: Make) -> Iterator[Sample]:
    """Probabilities, and numbers outside that `eps` brings back."""
    yield Sample(make(2, 3, low=0.1, high=0.9))
    yield Sample(make(low=0.1, high=0.9))
    yield Sample(make(0, 2))
    yield Sample(make.transposed(2, 3, low=0.1, high=0.9))
    yield Sample(make(8, low=-0.5, high=1.5), 0.2)
