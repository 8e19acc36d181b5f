"""The few random draws the transforms make, in torchvision's order and from flambeau's generator.

Equal seeds must give equal crops, so every transform draws through these functions and draws
nothing else: one more or one fewer number would shift all that follow.
"""

from __future__ import annotations

import math

import numpy

import flambeau


def coin(p: float) -> bool:
    """True with probability `p`."""
    return bool(flambeau.rand(1) < p)


def uniform(low: float, high: float) -> float:
    """A number between `low` and `high`."""
    return float(flambeau.empty(1).uniform_(low, high).item())


def below(limit: int) -> int:
    """A whole number from 0 to `limit - 1`."""
    return int(flambeau.randint(0, limit, size=(1,)).item())


def log_uniform(low: float, high: float) -> float:
    """A number between `low` and `high`, its logarithm evenly spread.

    Both logarithm and exponential are rounded to float32, in which torchvision takes them.
    """
    bounds = (float(numpy.float32(math.log(numpy.float32(bound)))) for bound in (low, high))
    return float(numpy.float32(math.exp(uniform(*bounds))))
