"""Samples of further reading and writing by index, and of bins."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def index_add(make: Make) -> Iterator[Sample]:
    """Repeated places, either dimension, a factor, 0-d."""
    yield Sample(make(3, 2), 0, make.ints(4, below=3), make(4, 2), onnx=False)
    yield Sample(make(2, 3), -1, make.ints(2, below=3), make(2, 2), alpha=2, onnx=False)
    yield Sample(make(), 0, make.ints(1, below=1), make(), onnx=False)


def index_copy(make: Make) -> Iterator[Sample]:
    """Each place once."""
    yield Sample(make(3, 2), 0, make.order(3)[:2], make(2, 2), onnx=False)
    yield Sample(make(2, 3), 1, make.order(3)[:1], make(2, 1), onnx=False)


def index_fill(make: Make) -> Iterator[Sample]:
    """A number and a tensor."""
    yield Sample(make(3, 2), 0, make.order(3)[:2], 1.5, onnx=False)
    yield Sample(make(2, 3), 1, make.order(3)[:2], make(), onnx=False)


def masked_scatter(make: Make) -> Iterator[Sample]:
    """A full mask's worth of sources."""
    yield Sample(make(2, 3), make.bools(2, 3), make(6), batch=False, onnx=False)
    yield Sample(make(2, 3), make.bools(3), make(2, 3), batch=False, onnx=False)


def take(make: Make) -> Iterator[Sample]:
    """Repeated places."""
    yield Sample(make(2, 3), make.ints(2, 2, below=6))


def put(make: Make) -> Iterator[Sample]:
    """Written once each, and added."""
    yield Sample(make(2, 3), make.order(6)[:3], make(3), onnx=False)
    yield Sample(make(2, 3), make.ints(4, below=6), make(4), True, onnx=False)


def isin(make: Make) -> Iterator[Sample]:
    """Both ways."""
    yield Sample(make.ints(2, 3), make.ints(2), onnx=False)
    yield Sample(make.ints(2, 3), make.ints(2), invert=True, onnx=False)
    yield Sample(make.ints(2, 3, below=20), make.ints(9, below=20), onnx=False)


def places_in(make: Make) -> Iterator[Sample]:
    """One row and several."""
    yield Sample(make(5, grad=False).sort().values, make(2, 3, grad=False), False)
    yield Sample(make(2, 5, grad=False).sort().values, make(2, 3, grad=False), True)


def searchsorted(make: Make) -> Iterator[Sample]:
    """One row and several."""
    yield Sample(make(5, grad=False).sort().values, make(2, 3, grad=False), onnx=False)
    yield Sample(
        make(2, 5, grad=False).sort().values, make(2, 3, grad=False), right=True, onnx=False
    )


def bucketize(make: Make) -> Iterator[Sample]:
    """Both sides."""
    yield Sample(make(2, 3, grad=False), make(4, grad=False).sort().values, onnx=False)
    yield Sample(make.ints(4), make.ints(3).sort().values, right=True, onnx=False)
