"""Samples of reductions that are not folds: places, averages, spreads, norms."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import Make, Sample


def argmax_dim(make: Make) -> Iterator[Sample]:
    """Kept or not."""
    yield Sample(make.distinct(2, 3), 1, False)
    yield Sample(make.distinct(2, 3), -2, True)


def argmin_dim(make: Make) -> Iterator[Sample]:
    """Kept or not."""
    yield from argmax_dim(make)


def _choices(make: Make) -> Iterator[Sample]:
    yield Sample(make.distinct(2, 3))
    yield Sample(make.distinct(2, 3), 1)
    yield Sample(make.distinct(2, 3), -2, True)
    yield Sample(make.distinct())


argmax = argmin = max = min = _choices


def _spread(low: float = -2.0) -> Callable[[Make], Iterator[Sample]]:
    def samples(make: Make) -> Iterator[Sample]:
        yield Sample(make(2, 3, low=low))
        yield Sample(make(2, 3, low=low), 1)
        yield Sample(make(2, 3, low=low), -2, keepdim=True)
        yield Sample(make(2, 2, 3, low=low), (0, 2))
        yield Sample(make.transposed(2, 3, low=low), 0)

    return samples


var = std = var_mean = _spread()


def mean(make: Make) -> Iterator[Sample]:
    """All, one, several dimensions, 0-d, over nothing."""
    yield from _spread()(make)
    yield Sample(make())
    yield Sample(
        make(0, 2), 0, grad=False, onnx=False
    )  # NaN, the mean of nothing; ONNX leaves it open


def logsumexp(make: Make) -> Iterator[Sample]:
    """One and several dimensions."""
    yield Sample(make(2, 3), 1)
    yield Sample(make(2, 3), -2, True)
    yield Sample(make(2, 2, 3), (0, 2))
    yield Sample(make(), 0)


def prod(make: Make) -> Iterator[Sample]:
    """Away from zero, and with zeros."""
    yield Sample(make(2, 3, low=0.3))
    yield Sample(make(2, 3, low=0.3), 1)
    yield Sample(make(2, 3, low=0.3), -2, True)
    yield Sample(make.ints(3, below=3))


def norm2(make: Make) -> Iterator[Sample]:
    """Kept or not."""
    yield Sample(make(2, 3, low=0.2), (1,), False)
    yield Sample(make(2, 3, low=0.2), (0, 1), True)


def norm(make: Make) -> Iterator[Sample]:
    """Euclid's, sums, the largest, another power."""
    yield Sample(make(2, 3, low=0.2))
    yield Sample(make(2, 3, low=0.2), 1, 1)
    yield Sample(make.distinct(2, 3), float("inf"), 0)
    yield Sample(make(2, 3, low=0.2), 3, -1, True)
