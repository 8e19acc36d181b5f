"""Samples of further ways of joining, splitting and turning."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def ravel(make: Make) -> Iterator[Sample]:
    """A view and a copy; 0-d, empty."""
    yield Sample(make(2, 3))
    yield Sample(make.transposed(2, 3))
    yield Sample(make())
    yield Sample(make(0, 2))


def fliplr(make: Make) -> Iterator[Sample]:
    """A matrix."""
    yield Sample(make(2, 3))


def flipud(make: Make) -> Iterator[Sample]:
    """A matrix and a vector."""
    yield Sample(make(2, 3))
    yield Sample(make(3))


def rot90(make: Make) -> Iterator[Sample]:
    """Every number of turns."""
    for k in (-1, 0, 1, 2):
        yield Sample(make(2, 3), k)
    yield Sample(make(2, 3, 2), 1, (1, -1))


def atleast_1d(make: Make) -> Iterator[Sample]:
    """Of few dimensions and of enough."""
    yield Sample(make(), batch=False)
    yield Sample(make(2, 3), batch=False)


def atleast_2d(make: Make) -> Iterator[Sample]:
    """Of few dimensions and of enough."""
    yield Sample(make(), batch=False)
    yield Sample(make(3), batch=False)


def atleast_3d(make: Make) -> Iterator[Sample]:
    """Of few dimensions and of enough."""
    yield from atleast_2d(make)
    yield Sample(make(2, 3), batch=False)


def column_stack(make: Make) -> Iterator[Sample]:
    """Vectors and a matrix."""
    yield Sample([make(2), make(2, 2)])


def dstack(make: Make) -> Iterator[Sample]:
    """Vectors and matrices."""
    yield Sample([make(2), make(2)])
    yield Sample([make(2, 3), make(2, 3)])


def tensor_split(make: Make) -> Iterator[Sample]:
    """Uneven parts; at indices."""
    yield Sample(make(5, 2), 3)
    yield Sample(make(2, 5), (1, 3), -1)
    yield Sample(make(4), (-1, 9))


def vsplit(make: Make) -> Iterator[Sample]:
    """Even parts, and at indices."""
    yield Sample(make(4, 2), 2)
    yield Sample(make(4, 2), (1, 3))


def hsplit(make: Make) -> Iterator[Sample]:
    """A matrix and a vector."""
    yield Sample(make(2, 4), 2)
    yield Sample(make(4), 2)


def dsplit(make: Make) -> Iterator[Sample]:
    """Even parts."""
    yield Sample(make(2, 1, 4), 2)


def split_with_sizes(make: Make) -> Iterator[Sample]:
    """Either dimension."""
    yield Sample(make(4, 2), (1, 3))
    yield Sample(make(2, 4), (2, 2), -1)


def diag_embed(make: Make) -> Iterator[Sample]:
    """On and beside the diagonal, in other dimensions."""
    yield Sample(make(2, 3), onnx=False)
    yield Sample(make(2), -1, onnx=False)
    yield Sample(make(2, 2), 1, 0, 2, onnx=False)


def diag(make: Make) -> Iterator[Sample]:
    """Both ways."""
    yield Sample(make(3), onnx=False)
    yield Sample(make(2), 1, onnx=False)
    yield Sample(make(2, 3), -1, onnx=False)


def diagflat(make: Make) -> Iterator[Sample]:
    """A matrix."""
    yield Sample(make(2, 2), onnx=False)
    yield Sample(make(2), -1, onnx=False)


def block_diag(make: Make) -> Iterator[Sample]:
    """Matrices, a vector, a number."""
    yield Sample(make(1, 2), make(2, 1), make(2), make(), batch=False)


def cartesian_prod(make: Make) -> Iterator[Sample]:
    """Two vectors."""
    yield Sample(make(2), make(3))


def combinations(make: Make) -> Iterator[Sample]:
    """With and without repetition."""
    yield Sample(make(3))
    yield Sample(make(3), 2, True)


def unravel_index(make: Make) -> Iterator[Sample]:
    """Two dimensions."""
    yield Sample(make.ints(2, 3, below=6), (2, 3), onnx=False)


def argwhere(make: Make) -> Iterator[Sample]:
    """Integers."""
    yield Sample(make.ints(2, 3, below=2))


def select_scatter(make: Make) -> Iterator[Sample]:
    """Either dimension."""
    yield Sample(make(2, 3), make(3), 0, 1, onnx=False)
    yield Sample(make(2, 3), make(2), -1, -1, onnx=False)


def slice_scatter(make: Make) -> Iterator[Sample]:
    """With a step."""
    yield Sample(make(4, 2), make(2, 2), 0, 0, 4, 2, onnx=False)
    yield Sample(make(2, 3), make(2, 2), 1, 1, onnx=False)


def diagonal_scatter(make: Make) -> Iterator[Sample]:
    """On and beside the diagonal."""
    yield Sample(make(3, 3), make(3), onnx=False)
    yield Sample(make(2, 3), make(2), 1, onnx=False)
