"""Samples of functions of one real number: intervals on both sides of each seam."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import Make, Sample


def domain(
    *intervals: tuple[float, float], grad: bool = True
) -> Callable[[Make], Iterator[Sample]]:
    """Numbers of each interval, and the usual shapes in the first one."""
    low, high = intervals[0]

    def samples(make: Make) -> Iterator[Sample]:
        for a, b in intervals:
            yield Sample(make(2, 4, low=a, high=b, grad=grad))
        yield Sample(make(low=low, high=high, grad=grad))
        yield Sample(make(0, 2, grad=grad))
        yield Sample(make.transposed(2, 3, low=low, high=high).detach().requires_grad_(grad))

    return samples
