"""Samples of tensors like others, and of triangles."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def _like(make: Make) -> Iterator[Sample]:
    from ..._base.dtypes import int64

    yield Sample(make(2, 3, grad=False))
    yield Sample(make(2, 3, grad=False), dtype=int64)
    yield Sample(make(grad=False))


zeros_like = ones_like = _like


def full_like(make: Make) -> Iterator[Sample]:
    """A number of the tensor's kind, and of another."""
    from ..._base.dtypes import int64

    yield Sample(make(2, 3, grad=False), 2.5)
    yield Sample(make(2, 3, grad=False), 2, dtype=int64)


def tril(make: Make) -> Iterator[Sample]:
    """On, above and below the diagonal; batches."""
    yield Sample(make(3, 3))
    yield Sample(make(2, 4), 1)
    yield Sample(make(2, 3, 2), -1)


def triu(make: Make) -> Iterator[Sample]:
    """As tril."""
    yield from tril(make)


def one_hot(make: Make) -> Iterator[Sample]:
    """As many classes as occur, and more."""
    yield Sample(make.ints(2, 3, below=4), onnx=False)
    yield Sample(make.ints(3, below=4), 6, onnx=False)
