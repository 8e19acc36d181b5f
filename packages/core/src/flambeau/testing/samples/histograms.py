"""Samples of counting into bins."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def bincount(make: Make) -> Iterator[Sample]:
    """Counts and weights."""
    yield Sample(make.ints(6, below=4), onnx=False)
    yield Sample(make.ints(6, below=4), make(6, grad=False), 6, batch=False, onnx=False)


def histc(make: Make) -> Iterator[Sample]:
    """Between given ends, and of the data's own."""
    yield Sample(make(6, grad=False), 4, -1, 1, batch=False, onnx=False)
    yield Sample(make(6, grad=False), 3, batch=False, onnx=False)


def counts_in_bins(make: Make) -> Iterator[Sample]:
    """Some outside."""
    yield Sample(make(6, grad=False), 4, -1.0, 1.0, batch=False, onnx=False)


def histogram(make: Make) -> Iterator[Sample]:
    """Of the data's own range, of a given one; edges, weights, density."""
    x = make(6, grad=False)
    yield Sample(x, 3, batch=False, onnx=False)
    yield Sample(x.reshape(2, 3), 4, range=(-1.0, 1.0), density=True, batch=False, onnx=False)
    edges = make(4, grad=False).sort().values
    yield Sample(x, edges, weight=make(6, grad=False), batch=False, onnx=False)


def histogramdd(make: Make) -> Iterator[Sample]:
    """One number of bins, one for each column, edges; weights, density."""
    x = make(8, 2, grad=False)
    yield Sample(x, 2, batch=False, onnx=False)
    yield Sample(x, [2, 3], range=[-1.0, 1.0, -2.0, 2.0], density=True, batch=False, onnx=False)
    edges = [make(4, grad=False).sort().values for _ in range(2)]
    yield Sample(x, edges, weight=make(8, grad=False), batch=False, onnx=False)
