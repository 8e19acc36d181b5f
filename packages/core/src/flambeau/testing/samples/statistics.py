"""Samples of counts, quantiles, running extremes, differences and integrals."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def aminmax(make: Make) -> Iterator[Sample]:
    """Of all, and along a dimension."""
    yield Sample(make.distinct(2, 3))
    yield Sample(make.distinct(2, 3), dim=1)
    yield Sample(make.distinct(2, 3), dim=0, keepdim=True)


def count_nonzero(make: Make) -> Iterator[Sample]:
    """Of all, and along dimensions."""
    yield Sample(make.ints(2, 3, below=2))
    yield Sample(make.ints(2, 3, below=2), 1)
    yield Sample(make.ints(2, 3, below=2), (0, 1))


def nansum(make: Make) -> Iterator[Sample]:
    """Of all, and along a dimension."""
    yield Sample(make(2, 3))
    yield Sample(make(2, 3), 1, True)


def nanmean(make: Make) -> Iterator[Sample]:
    """As nansum."""
    yield from nansum(make)


def std_mean(make: Make) -> Iterator[Sample]:
    """Of all, and along a dimension."""
    yield Sample(make(2, 3))
    yield Sample(make(2, 3), 1, keepdim=True)
    yield Sample(make(2, 3), 0, correction=0)


def quantile(make: Make) -> Iterator[Sample]:
    """One and several, along a dimension, each way between two."""
    yield Sample(make.distinct(5), 0.3, batch=False, onnx=False)
    yield Sample(
        make.distinct(4, 2), make(2, low=0.1, high=0.9, grad=False), 0, batch=False, onnx=False
    )
    for how in ("lower", "higher", "midpoint", "nearest"):
        yield Sample(make.distinct(2, 4), 0.4, -1, True, interpolation=how, batch=False, onnx=False)


def nanquantile(make: Make) -> Iterator[Sample]:
    """As quantile."""
    yield from quantile(make)


def kthvalue(make: Make) -> Iterator[Sample]:
    """Either dimension, kept and not."""
    yield Sample(make.distinct(2, 4), 2, onnx=False)
    yield Sample(make.distinct(3, 2), 3, 0, True, onnx=False)


def extreme_places(make: Make) -> Iterator[Sample]:
    """Largest and smallest, equal ones, 0-d."""
    yield Sample(make.distinct(2, 4), 1, True)
    yield Sample(make.ints(4, 2, below=3), 0, False)
    yield Sample(make(), 0, True)


def cummax(make: Make) -> Iterator[Sample]:
    """Either dimension."""
    yield Sample(make.distinct(2, 4), 1, onnx=False)
    yield Sample(make.distinct(4, 2), -2, onnx=False)


def cummin(make: Make) -> Iterator[Sample]:
    """As cummax."""
    yield from cummax(make)


def msort(make: Make) -> Iterator[Sample]:
    """A matrix."""
    yield Sample(make.distinct(3, 2), onnx=False)


def nanmedian(make: Make) -> Iterator[Sample]:
    """Of all, and along a dimension."""
    yield Sample(make.distinct(2, 3), onnx=False)
    yield Sample(make.distinct(2, 4), 1, onnx=False)
