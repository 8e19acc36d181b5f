"""Samples of the gamma function's relatives, away from poles."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample
from .doubles import domain

lgamma = _lgamma = digamma = _digamma = domain((0.3, 9.0), (-3.9, -3.1))


def mvlgamma(make: Make) -> Iterator[Sample]:
    """Dimensions one and three."""
    yield Sample(make(2, 3, low=1.2, high=4), 1, onnx=False)
    yield Sample(make(low=1.2, high=4), 3, onnx=False)
    yield Sample(make(0, 2), 2, onnx=False)
