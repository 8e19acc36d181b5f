"""Samples of the error function's relatives."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample
from .doubles import domain

special_erfcx = _special_erfcx = domain((-2.0, 2.0), (6.0, 12.0))
erfinv = _erfinv = domain((-0.6, 0.6), (0.8, 0.95))
special_ndtr = _special_ndtr = special_log_ndtr = _special_log_ndtr = domain((-3.0, 3.0))
special_ndtri = _special_ndtri = domain((0.2, 0.8), (0.02, 0.1), (0.9, 0.98))
special_entr = domain((0.2, 3.0))


def special_xlog1py(make: Make) -> Iterator[Sample]:
    """Two tensors that broadcast, and a number at either place."""
    yield Sample(make(2, 3), make(3, low=-0.5, high=3))
    yield Sample(make(2, 3), 0.5)
    yield Sample(0.5, make(3, low=-0.5, high=3))
    yield Sample(make(0, 2), make(2, low=-0.5))
