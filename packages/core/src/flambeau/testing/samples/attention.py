"""Samples of attention."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def scaled_dot_product_attention(make: Make) -> Iterator[Sample]:
    """Plain, causal, with a boolean and with an added mask."""
    yield Sample(make(2, 3, 2), make(2, 4, 2), make(2, 4, 3))
    yield Sample(make(3, 2), make(3, 2), make(3, 2), is_causal=True)
    yield Sample(make(3, 2), make(3, 2), make(3, 2), make.bools(3, 3))
    yield Sample(make(3, 2), make(3, 2), make(3, 2), make(3, 3), scale=0.5)
