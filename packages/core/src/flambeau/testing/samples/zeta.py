"""Samples of the zeta function and the derivatives of digamma."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def _zeta(make: Make) -> Iterator[Sample]:
    """Positive and negative second arguments; the first has no derivative."""
    whole = make.ints(2, 3, above=2, below=6).double()
    yield Sample(make(2, 3, low=1.5, high=6, grad=False), make(3, low=0.3, high=20))
    yield Sample(whole, make(2, 3, low=-3.8, high=-3.2))
    yield Sample(make(low=1.5, high=6, grad=False), make(2, low=0.3, high=3))
    yield Sample(make(0, 2, grad=False), make(2, low=0.3))


def special_zeta(make: Make) -> Iterator[Sample]:
    """As above, and with numbers."""
    for sample in _zeta(make):
        sample.onnx = False
        yield sample
    yield Sample(2.0, make(2, 3, low=0.3, high=5), onnx=False)
    yield Sample(make(2, 3, low=1.5, high=6, grad=False), 1.5, onnx=False)


def _polygamma(make: Make) -> Iterator[Sample]:
    """digamma itself and its derivatives."""
    for n in (0, 1, 3):
        yield Sample(make(2, 3, low=0.3, high=9), n, onnx=False)
    yield Sample(make(2, low=-3.8, high=-3.2), 1, onnx=False)
    yield Sample(make(0, 2), 2, onnx=False)
