"""Samples of the operators behind random numbers that have derivatives: paths through numbers that were drawn."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def _gamma_slope(make: Make) -> Iterator[Sample]:
    """Both sides of the distribution, small and large concentrations; nothing is differentiable."""
    for low, high in ((0.1, 0.9), (1.5, 6.0), (40.0, 60.0)):
        a = make(2, 3, low=low, high=high, grad=False)
        x = make(2, 3, low=low, high=high, grad=False)
        yield Sample(a, x, a.double().digamma(), onnx=False)
    nothing = make(0, 2, grad=False)
    yield Sample(nothing, nothing, nothing, onnx=False)


def _beta_slope(make: Make) -> Iterator[Sample]:
    """Both sides of the distribution."""
    for low, high in ((0.1, 0.9), (1.5, 6.0)):
        a, b = (make(2, 3, low=low, high=high, grad=False) for _ in range(2))
        x = make(2, 3, low=0.1, high=0.9, grad=False)
        yield Sample(x, a, b, a.double().digamma() - (a + b).double().digamma(), onnx=False)


def _gamma_path(make: Make) -> Iterator[Sample]:
    """Numbers that were drawn do not move with finite differences of the parameters: no gradient check."""
    a = make(2, 3, low=0.5, high=4, grad=False)
    yield Sample(a, make(2, 3, low=0.5, high=4, grad=False), onnx=False)


def _dirichlet_path(make: Make) -> Iterator[Sample]:
    """As above."""
    a = make(2, 3, low=0.5, high=4, grad=False)
    yield Sample(a, make(2, 3, low=0.1, high=0.3, grad=False), onnx=False)


def binomial(make: Make) -> Iterator[Sample]:
    """Outcomes that are certain, so that draws can be compared."""
    counts = make.ints(2, 3, below=9).to(make(1).dtype)
    yield Sample(counts, counts * 0, onnx=False, batch=False)
    yield Sample(counts, counts * 0 + 1, onnx=False, batch=False)
