"""Seeds. CPU and GPU draw from one generator, so that equal seeds give equal numbers on both; see docs/random.md.

Without a GPU these do nothing: PyTorch remembers the seed for a GPU that never comes, and leaves the CPU's alone.
"""

from __future__ import annotations

from .. import random as _random
from .devices import is_available


def manual_seed(seed: int) -> None:
    """Seeds the generator. Differs from PyTorch: with a GPU, also the CPU's next numbers change."""
    if is_available():
        _random.manual_seed(int(seed))


manual_seed_all = manual_seed


def seed() -> None:
    """Seeds the generator from the system's randomness."""
    if is_available():
        _random.seed()


seed_all = seed


def initial_seed() -> int:
    """The seed the generator was given."""
    return _random.initial_seed()
