"""Samples of windows: they have a length only."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def _length(make: Make) -> Iterator[Sample]:
    yield Sample(4)
    yield Sample(5, False)
    yield Sample(1)
    yield Sample(0)


hann_window = hamming_window = blackman_window = bartlett_window = kaiser_window = _length
