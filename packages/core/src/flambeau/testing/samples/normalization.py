"""Samples of normalisations."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def standardize(make: Make) -> Iterator[Sample]:
    """One dimension and several."""
    yield Sample(make(2, 3), (1,), 1e-5)
    yield Sample(make(3, 2, 2), (0, 2), 0.1)


def batch_norm(make: Make) -> Iterator[Sample]:
    """By the batch, with and without weight, and by running statistics."""
    yield Sample(make(4, 2), None, None, make(2), make(2), True)
    yield Sample(make(2, 2, 3), None, None, training=True, eps=0.1)
    mean, var = make(2, grad=False), make(2, low=0.5, high=2, grad=False)
    yield Sample(make(4, 2), mean, var, make(2), make(2), False)


def normalize_channels(make: Make) -> Iterator[Sample]:
    """Planes of one element and of several."""
    yield Sample(make(4, 2), make(2), make(2), 1e-5)
    yield Sample(make(2, 2, 3), None, None, 0.1)


def rescale_channels(make: Make) -> Iterator[Sample]:
    """With weight and bias or neither."""
    yield Sample(make(4, 2), make(2), make(2, low=0.5, high=2), make(2), make(2), 1e-5)
    yield Sample(make(2, 2, 3), make(2), make(2, low=0.5, high=2), None, None, 0.1)


def layer_norm(make: Make) -> Iterator[Sample]:
    """One dimension and two, with weight and bias or neither."""
    yield Sample(make(2, 4), (4,), make(4), make(4))
    yield Sample(make(2, 2, 3), (2, 3))


def group_norm(make: Make) -> Iterator[Sample]:
    """With weight and bias or neither."""
    yield Sample(make(2, 4, 2), 2, make(4), make(4))
    yield Sample(make(2, 4), 1)


def instance_norm(make: Make) -> Iterator[Sample]:
    """With weight and bias or neither."""
    yield Sample(make(2, 2, 3), None, None, make(2), make(2))
    yield Sample(make(1, 2, 2, 2))


def rms_norm(make: Make) -> Iterator[Sample]:
    """With weight and without."""
    yield Sample(make(2, 3), (3,), make(3))
    yield Sample(make(2, 2, 2), (2, 2), None, 0.1)


def local_response_norm(make: Make) -> Iterator[Sample]:
    """An even and an odd number of channels."""
    yield Sample(make(1, 3, 2), 2, 0.5)
    yield Sample(make(1, 4, 2), 3, 0.5, 0.5, 2.0)
