"""Samples of reading and writing along one dimension."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def index_select(make: Make) -> Iterator[Sample]:
    """Along either dimension, repeated, none, 0-d index."""
    yield Sample(make(3, 2), 0, make.ints(4, below=3))
    yield Sample(make(2, 3), -1, make.ints(2, below=3))
    yield Sample(make(2, 3), 1, make.ints(0, below=3))
    yield Sample(make(3), 0, make.ints(below=3))


def gather(make: Make) -> Iterator[Sample]:
    """An index as large as the input, smaller, longer along dim; 0-d."""
    yield Sample(make(2, 3), 1, make.ints(2, 3, below=3))
    yield Sample(make(3, 2), 0, make.ints(4, 1, below=3))
    yield Sample(make(2, 3), -1, make.ints(1, 2, below=3))
    yield Sample(make(), 0, make.ints(below=1))


def scatter_add(make: Make) -> Iterator[Sample]:
    """Repeated places, a source larger than the index."""
    yield Sample(make(3, 2), 0, make.ints(2, 2, below=3), make(2, 2))
    yield Sample(make(2, 3), -1, make.ints(2, 2, below=3), make(2, 3))
    yield Sample(make(3), 0, make.ints(4, below=3), make(4))
    yield Sample(make(), 0, make.ints(below=1), make(), onnx=False)
    yield Sample(make(3), 0, make.ints(0, below=3), make(2), onnx=False)


def scatter_src(make: Make) -> Iterator[Sample]:
    """Each place once."""
    yield Sample(make(4), 0, make.order(4)[:3], make(3))
    yield Sample(make(2, 3), 1, make.ints(2, 1, below=3), make(2, 2))
    yield Sample(make(), 0, make.ints(below=1), make(), onnx=False)
    yield Sample(make(3), 0, make.ints(0, below=3), make(2), onnx=False)


def scatter(make: Make) -> Iterator[Sample]:
    """A tensor, a number, added."""
    yield Sample(make(4), 0, make.order(4)[:2], make(2))
    yield Sample(make(2, 3), 1, make.ints(2, 1, below=3), 1.5)
    yield Sample(make(3), 0, make.ints(4, below=3), make(4), reduce="add")
    yield Sample(make(3), 0, make.ints(4, below=3), make(4), reduce="multiply")
    yield Sample(make(2, 3), 1, make.ints(2, 1, below=3), value=1.5)


def take_along_dim(make: Make) -> Iterator[Sample]:
    """Flat, along a dimension, with broadcasting."""
    yield Sample(make(2, 3), make.ints(2, 2, below=6))
    yield Sample(make(2, 3), make.ints(2, 2, below=3), 1)
    yield Sample(make(1, 3), make.ints(2, 1, below=3), -1)
    yield Sample(make(2, 3), make.ints(2, 2, below=3, above=-3), 1)


def nonzero_table(make: Make) -> Iterator[Sample]:
    """Integers, truth values, nothing."""
    yield Sample(make.ints(2, 3, below=2))
    yield Sample(make.bools(4))
    yield Sample(make.ints(0, 2))


def nonzero(make: Make) -> Iterator[Sample]:
    """A table and a tuple."""
    yield Sample(make.ints(2, 3, below=2))
    yield Sample(make.ints(2, 3, below=2), as_tuple=True, onnx=False)


def masked_select(make: Make) -> Iterator[Sample]:
    """A mask of the input's shape, and one that broadcasts."""
    yield Sample(make(2, 3), make.bools(2, 3))
    yield Sample(make(2, 3), make.bools(3))


def nonzero_static(make: Make) -> Iterator[Sample]:
    """Fewer and more than there are; none; 0-d."""
    yield Sample(make.ints(2, 3, below=2), size=2)
    yield Sample(make.bools(4), size=6, fill_value=-7)
    yield Sample(make.ints(3), size=0)
    yield Sample(make.ints(), size=2)
