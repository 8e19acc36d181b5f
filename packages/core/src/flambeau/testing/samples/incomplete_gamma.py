"""Samples of the incomplete gamma functions: each way of computing them. The first argument has no derivative."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def igamma(make: Make) -> Iterator[Sample]:
    """Series, continued fraction, Temme's expansion, small numbers, and broadcasting."""
    for a, x in (
        ((1.0, 9.0), (0.1, 0.9)),
        ((1.0, 3.0), (4.0, 9.0)),
        ((40.0, 50.0), (40.0, 50.0)),
        ((0.1, 0.4), (0.1, 0.9)),
    ):
        yield Sample(
            make(2, 3, low=a[0], high=a[1], grad=False), make(2, 3, low=x[0], high=x[1]), onnx=False
        )
    yield Sample(make(2, 1, low=1, high=9, grad=False), make(3, low=1, high=9), onnx=False)
    yield Sample(make(0, 2, grad=False), make(2, low=1), onnx=False)


igammac = igamma


def _igamma(make: Make) -> Iterator[Sample]:
    """As above, both sides."""
    for i, sample in enumerate(igamma(make)):
        yield Sample(*sample.args, i % 2 == 0)
