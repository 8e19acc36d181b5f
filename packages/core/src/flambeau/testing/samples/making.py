"""Samples of fill, constant_pad_nd and copies of complex views."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample
from .complex import numbers


def fill(make: Make) -> Iterator[Sample]:
    """With a number, and with a 0-d tensor."""
    yield Sample(make(2, 3), 1.5)
    yield Sample(make(2, 3), make())
    yield Sample(make(), 2)
    yield Sample(make(0, 2), 2.0)


def constant_pad_nd(make: Make) -> Iterator[Sample]:
    """Around one dimension and two; cut; nothing."""
    yield Sample(make(3), (1, 2), 0.5)
    yield Sample(make(2, 3), (1, 0, 0, 2))
    yield Sample(make(2, 4), (-1, 1), 2.0)
    yield Sample(make(2, 3), ())


def view_as_real_copy(make: Make) -> Iterator[Sample]:
    """Complex numbers of one and two dimensions."""
    yield Sample(numbers(make, 2, 3))
    yield Sample(numbers(make))


def view_as_complex_copy(make: Make) -> Iterator[Sample]:
    """Pairs in the last dimension."""
    yield Sample(make(3, 2, grad=False))
    yield Sample(make(2, grad=False))
