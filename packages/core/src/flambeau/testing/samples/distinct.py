"""Samples of what occurs how often."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def run_parts(make: Make) -> Iterator[Sample]:
    """Elements, rows, nothing."""
    yield Sample(make.ints(8, below=2))
    yield Sample(make.ints(6, 2, below=2))
    yield Sample(make.ints(0))


def unique_consecutive(make: Make) -> Iterator[Sample]:
    """Flat and along dimensions, with where and how often."""
    yield Sample(make.ints(2, 4, below=2), batch=False, onnx=False)
    yield Sample(make.ints(8, below=2), True, True, batch=False, onnx=False)
    yield Sample(make.ints(6, 2, below=2), True, True, 0, batch=False, onnx=False)
    yield Sample(make.ints(1, 6, below=2), dim=-1, batch=False, onnx=False)
    yield Sample(make.ints(0), True, True, batch=False, onnx=False)


def mode(make: Make) -> Iterator[Sample]:
    """Repeated and distinct elements, either dimension, kept or not; 0-d."""
    yield Sample(make.ints(3, 6, below=3), onnx=False)
    yield Sample(make.ints(6, 3, below=3), 0, True, onnx=False)
    yield Sample(make.distinct(2, 3), onnx=False)
    yield Sample(make(), onnx=False)


def hash_tensor(make: Make) -> Iterator[Sample]:
    """Floats and integers, all and some dimensions, nothing."""
    yield Sample(make(2, 3, grad=False))
    yield Sample(make.ints(2, 3), 1)
    yield Sample(make.transposed(2, 3).detach(), (0, 1), keepdim=True)
    yield Sample(make.ints(0, 2), 1)
    yield Sample(make(grad=False))
