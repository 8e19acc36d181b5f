"""Samples of further products."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def addmv(make: Make) -> Iterator[Sample]:
    """With and without factors."""
    yield Sample(make(2), make(2, 3), make(3))
    yield Sample(make(1), make(2, 3), make(3), beta=0.5, alpha=2)


def addbmm(make: Make) -> Iterator[Sample]:
    """With and without factors."""
    yield Sample(make(2, 1), make(2, 2, 3), make(2, 3, 1))
    yield Sample(make(1), make(2, 2, 3), make(2, 3, 1), beta=0.5, alpha=2)


def addr(make: Make) -> Iterator[Sample]:
    """With and without factors."""
    yield Sample(make(2, 3), make(2), make(3))
    yield Sample(make(2, 3), make(2), make(3), beta=0, alpha=2)


def vdot(make: Make) -> Iterator[Sample]:
    """Real and complex."""
    yield Sample(make(3), make(3))
    yield Sample(make.complex(2), make.complex(2), onnx=False)


def inner(make: Make) -> Iterator[Sample]:
    """Matrices, a vector, a number."""
    yield Sample(make(2, 3), make(2, 3))
    yield Sample(make(2, 3), make(3))
    yield Sample(make(2), make())


def tensordot(make: Make) -> Iterator[Sample]:
    """By number and by lists."""
    yield Sample(make(2, 3), make(3, 2), 1)
    yield Sample(make(2, 3), make(2, 3))
    yield Sample(make(2, 3, 2), make(2, 3), ([0, 1], [0, 1]))
    yield Sample(make(2, 3, 2), make(1, 3), ([0, 1], [0, 1]))


def kron(make: Make) -> Iterator[Sample]:
    """Matrices, and of different ranks."""
    yield Sample(make(2, 1), make(1, 3))
    yield Sample(make(2), make(2, 2))


def trace(make: Make) -> Iterator[Sample]:
    """Square and not."""
    yield Sample(make(3, 3), onnx=False)
    yield Sample(make(2, 3), onnx=False)


def cross(make: Make) -> Iterator[Sample]:
    """Along either dimension, broadcast."""
    yield Sample(make(2, 3), make(2, 3))
    yield Sample(make(3, 2), make(3, 1), 0)


def cdist(make: Make) -> Iterator[Sample]:
    """Several norms, a batch."""
    yield Sample(make(2, 3), make(4, 3))
    yield Sample(make(2, 2, 3), make(2, 3), 3.0)
    yield Sample(make(2, 3), make(1, 3), 1.0)
    yield Sample(make(2, 3), make(4, 3), 2.0, "use_mm_for_euclid_dist", onnx=False)


def dist(make: Make) -> Iterator[Sample]:
    """Two norms."""
    yield Sample(make(2, 3), make(3))
    yield Sample(make(2, 3), make(2, 3), 3)


def renorm(make: Make) -> Iterator[Sample]:
    """Some slices too long."""
    yield Sample(make(3, 2), 2, 0, 1.0)
    yield Sample(make(2, 3), 3, 1, 0.5)


def cov(make: Make) -> Iterator[Sample]:
    """Plain, weighted, one variable."""
    yield Sample(make(2, 4))
    yield Sample(make(2, 4), correction=0, fweights=make.ints(4, below=3, above=1))
    yield Sample(make(2, 4), aweights=make(4, low=0.5, grad=False))
    yield Sample(make(4))


def corrcoef(make: Make) -> Iterator[Sample]:
    """Two variables."""
    yield Sample(make(2, 4), onnx=False)


def vander(make: Make) -> Iterator[Sample]:
    """Falling, rising, more columns."""
    yield Sample(make(3, low=0.3))
    yield Sample(make(2, low=0.3), 4, True)


def linalg_vecdot(make: Make) -> Iterator[Sample]:
    """Broadcast; complex."""
    yield Sample(make(2, 3), make(3))
    yield Sample(make.complex(2, 2), make.complex(2, 2), dim=0, onnx=False)


def linalg_cross(make: Make) -> Iterator[Sample]:
    """Along either dimension, broadcast."""
    yield Sample(make(2, 3), make(2, 3))
    yield Sample(make(3, 2), make(3, 1), dim=0)


def linalg_vander(make: Make) -> Iterator[Sample]:
    """A vector, a batch."""
    yield Sample(make(3, low=0.3), onnx=False)
    yield Sample(make(2, 2, low=0.3), N=4, onnx=False)
