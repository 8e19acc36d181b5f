"""Samples of convolutions."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def convolution(make: Make) -> Iterator[Sample]:
    """One and two dimensions, with stride, uneven padding, dilation, groups and bias."""
    yield Sample(make(2, 2, 5), make(3, 2, 3), make(3), (1,), ((0, 0),), (1,), 1)
    yield Sample(make(2, 4, 6), make(2, 2, 2), None, (2,), ((1, 2),), (2,), 2)
    yield Sample(make(1, 2, 4, 3), make(2, 2, 2, 2), make(2), (2, 1), ((1, 0), (0, 1)), (1, 2), 1)


def convolution_input(make: Make) -> Iterator[Sample]:
    """The same, transposed."""
    yield Sample(make(2, 3, 3), make(3, 2, 3), make(2), (5,), (1,), ((0, 0),), (1,), 1)
    yield Sample(make(2, 2, 4), make(2, 2, 2), None, (6,), (2,), ((1, 2),), (2,), 2)


def _padded_behind(make: Make) -> Iterator[Sample]:
    """An output padding as large as the stride: one window more than there are inputs."""
    yield Sample(make(1, 2, 3), make(2, 2, 2), None, 1, 0, 1, 1, 2, onnx=False)


def convolution_weight(make: Make) -> Iterator[Sample]:
    """The gradient for the weight."""
    yield Sample(make(2, 2, 5), make(2, 3, 3), (3,), (1,), ((0, 0),), (1,), 1)
    yield Sample(make(2, 4, 6), make(2, 2, 4), (2,), (2,), ((1, 2),), (2,), 2)


def _conv(make: Make, dims: int) -> Iterator[Sample]:
    size, kernel = (4, 3, 3)[:dims], (2, 2, 1)[:dims]
    yield Sample(make(2, 2, *size), make(2, 2, *kernel), make(2))
    yield Sample(make(2, *size), make(2, 1, *kernel), None, 2, 1, 1, 2)
    if dims < 3:
        yield Sample(make(1, 2, *size), make(2, 2, *kernel), padding="same")


def conv1d(make: Make) -> Iterator[Sample]:
    """Batched, single, strided, padded, in groups."""
    yield from _conv(make, 1)


def conv2d(make: Make) -> Iterator[Sample]:
    """Batched, single, strided, padded, in groups."""
    yield from _conv(make, 2)


def conv3d(make: Make) -> Iterator[Sample]:
    """Batched, single, strided, padded, in groups."""
    yield from _conv(make, 3)


def _conv_transpose(make: Make, dims: int) -> Iterator[Sample]:
    size, kernel = (3, 2, 2)[:dims], (2, 2, 1)[:dims]
    yield Sample(make(2, 2, *size), make(2, 2, *kernel), make(2))
    yield Sample(make(2, *size), make(2, 1, *kernel), None, 2, 0, 1, 2)


def conv_transpose1d(make: Make) -> Iterator[Sample]:
    """Batched, single, strided, in groups."""
    yield from _conv_transpose(make, 1)
    yield from _padded_behind(make)


def conv_transpose2d(make: Make) -> Iterator[Sample]:
    """Batched, single, strided, in groups."""
    yield from _conv_transpose(make, 2)


def conv_transpose3d(make: Make) -> Iterator[Sample]:
    """Batched, single, strided, in groups."""
    yield from _conv_transpose(make, 3)


def conv_tbc(make: Make) -> Iterator[Sample]:
    """Time first, with and without padding."""
    yield Sample(make(4, 2, 2), make(3, 2, 2), make(2))
    yield Sample(make(3, 1, 2), make(2, 2, 1), make(1), 1)
