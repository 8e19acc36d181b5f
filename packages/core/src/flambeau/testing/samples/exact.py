"""Samples of divisors, and of the parts and neighbours of floats."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def gcd(make: Make) -> Iterator[Sample]:
    """Both signs and zero, broadcast."""
    yield Sample(make.ints(3, 4, above=-12, below=13), make.ints(4, above=-12, below=13))
    yield Sample(make.ints(above=1, below=9), make.ints(2, above=1, below=9))
    yield Sample(make.ints(0, 2), make.ints(2))


lcm = gcd


def nextafter(make: Make) -> Iterator[Sample]:
    """Up and down, broadcast."""
    yield Sample(make(3, 4), make(4))
    yield Sample(make(), make(2))
    yield Sample(make(0, 2), make(2))


def frexp(make: Make) -> Iterator[Sample]:
    """Away from powers of two, where the mantissa jumps."""
    yield Sample(make(2, 3, low=1.1, high=1.9))
    yield Sample(make(low=-3.9, high=-2.1))
    yield Sample(make(0, 2))
