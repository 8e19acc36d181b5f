"""Samples of folding values into places that an index names."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def scatter_prod(make: Make) -> Iterator[Sample]:
    """Repeated places; zeros, one and two in a group; a source larger than the index; nothing; 0-d."""
    yield Sample(make(3, 2, low=0.3), 0, make.ints(4, 2, below=3), make(4, 2, low=0.3))
    yield Sample(make(2, 3), -1, make.ints(2, 2, below=3), make(2, 4))
    yield Sample(make(), 0, make.ints(below=1), make(), onnx=False)
    yield Sample(make(3), 0, make.ints(0, below=3), make(2), onnx=False)
    beside_zero = make(4).detach() * (make.order(4) > 0)
    yield Sample(make(2), 0, make.ints(4, below=1), beside_zero.requires_grad_())
    beside_two = make(5).detach() * (make.order(5) > 1)
    yield Sample(make(2), 0, make.ints(5, below=1), beside_two.requires_grad_())


def _distinct(make: Make, *shapes: tuple[int, ...]) -> list:
    counts = [1] * len(shapes)
    for i, shape in enumerate(shapes):
        for n in shape:
            counts[i] *= n
    parts = make.distinct(sum(counts)).detach().split(counts)
    return [p.clone().reshape(s).requires_grad_() for p, s in zip(parts, shapes)]


def scatter_extreme(make: Make) -> Iterator[Sample]:
    """Largest and smallest; a source larger than the index; 0-d."""
    for largest in (True, False):
        x, src = _distinct(make, (3, 2), (4, 2))
        yield Sample(x, 0, make.ints(4, 2, below=3), src, largest)
    x, src = _distinct(make, (2, 3), (3, 2))
    yield Sample(x, 1, make.ints(2, 2, below=3), src, True)
    x, src = _distinct(make, (), ())
    yield Sample(x, 0, make.ints(below=1), src, False, onnx=False)


def scatter_reduce(make: Make) -> Iterator[Sample]:
    """Each way to fold, with and without what is there."""
    for reduce in ("sum", "prod", "mean", "amax", "amin"):
        for include_self in (True, False):
            x, src = _distinct(make, (3, 2), (4, 2))
            yield Sample(
                x, 0, make.ints(4, 2, below=3), src, reduce, include_self=include_self, onnx=False
            )


def index_reduce(make: Make) -> Iterator[Sample]:
    """Each way to fold, with and without what is there."""
    for reduce in ("prod", "mean", "amax", "amin"):
        for include_self in (True, False):
            x, src = _distinct(make, (2, 3), (2, 4))
            yield Sample(
                x, -1, make.ints(4, below=3), src, reduce, include_self=include_self, onnx=False
            )


def segment_reduce(make: Make) -> Iterator[Sample]:
    """Each way to fold; pieces of rows, empty ones, offsets, a beginning."""
    from ...ops.creation import tensor

    lengths = tensor([2, 0, 3])
    for reduce in ("sum", "mean", "max", "min", "prod"):
        yield Sample(
            make.distinct(5, 2), reduce, lengths=lengths, initial=1.0, batch=False, onnx=False
        )
    rows = tensor([[1, 2], [3, 0]])
    yield Sample(make(2, 3, 2), "sum", lengths=rows, axis=1, batch=False, onnx=False)
    yield Sample(make(6), "prod", offsets=tensor([0, 2, 6]), batch=False, onnx=False)
