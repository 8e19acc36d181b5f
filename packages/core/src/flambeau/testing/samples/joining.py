"""Samples of joining and repeating."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def cat(make: Make) -> Iterator[Sample]:
    """Along either dimension, one tensor, an empty one."""
    yield Sample([make(2, 3), make(1, 3)])
    yield Sample([make(2, 1), make(2, 2), make.transposed(2, 2)], -1)
    yield Sample([make(2)])
    yield Sample([make(0, 2), make(2, 2)])


def stack(make: Make) -> Iterator[Sample]:
    """In front, behind, of 0-d tensors."""
    yield Sample([make(2, 3), make(2, 3)])
    yield Sample([make(2), make(2)], -1)
    yield Sample([make(), make()])


def repeat(make: Make) -> Iterator[Sample]:
    """As many sizes as dimensions, more, none of it."""
    yield Sample(make(2, 1), 1, 3)
    yield Sample(make(2), (2, 2))
    yield Sample(make(), 2)
    yield Sample(make(2), 0)


def tile(make: Make) -> Iterator[Sample]:
    """Fewer sizes than dimensions, and more."""
    yield Sample(make(2, 3), (2,))
    yield Sample(make(2), (2, 1, 2))


def repeat_interleave(make: Make) -> Iterator[Sample]:
    """A number and counts, flat and along a dimension."""
    yield Sample(make(2, 2), 2)
    yield Sample(make(2, 2), 3, -1)
    yield Sample(make(3, 2), make.ints(3, below=3), 0, onnx=False)


def pad_constant(make: Make) -> Iterator[Sample]:
    """Growing, cutting, both."""
    yield Sample(make(2, 3), ((1, 0), (2, 1)), 0.5)
    yield Sample(make(2, 4), ((0, 0), (-1, 2)))
    yield Sample(make(3), ((-1, -1),), 2.0)


def hstack(make: Make) -> Iterator[Sample]:
    """Numbers, vectors, matrices."""
    yield Sample([make(), make()])
    yield Sample([make(2), make(3)])
    yield Sample([make(2, 3), make(2, 1)])


def vstack(make: Make) -> Iterator[Sample]:
    """Numbers, vectors, a vector and a matrix."""
    yield Sample([make(), make()])
    yield Sample([make(2), make(2)])
    yield Sample([make(2), make(3, 2)])
