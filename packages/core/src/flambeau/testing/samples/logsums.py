"""Samples of running sums of exponentials."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def logcumsumexp(make: Make) -> Iterator[Sample]:
    """Either dimension."""
    yield Sample(make(2, 3), 1, onnx=False)
    yield Sample(make(3, 2), 0, onnx=False)


def weigh(make: Make) -> Iterator[Sample]:
    """Both ways, either dimension; zeros among what is weighed; 0-d."""
    for back in (False, True):
        yield Sample(make(2, 4), make(2, 4, low=2), make(2, 4), 1, back)
        g = make(4, 2).detach() * (make.ints(4, 2, below=2) > 0)
        yield Sample(g.requires_grad_(), make(4, 2, low=2), make(4, 2), 0, back)
        yield Sample(make(), make(), make(), 0, back)
