"""Seeds. CPU and GPU draw from one generator, so that equal seeds give equal numbers on both; see docs/random.md.

Without a GPU these do nothing: PyTorch remembers the seed for a GPU that never comes, and leaves the CPU's alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import random as _random
from ..runtime.tensor import Tensor
from .devices import device_count, index_of, is_available, runtime


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


def get_rng_state(device: Any = "cuda") -> Tensor:
    """The generator's state, which is one for all devices."""
    runtime()
    index_of(device)
    return _random.get_rng_state()


def get_rng_state_all() -> list[Tensor]:
    """The generator's state once for each GPU; nothing without one."""
    return [_random.get_rng_state() for _ in range(device_count())]


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Sets the generator's state. The one for all devices."""
    runtime()
    index_of(device)
    _random.set_rng_state(new_state)


def set_rng_state_all(new_states: Iterable[Tensor]) -> None:
    """Sets the generator's state to the first of one for each GPU; nothing where there are none."""
    for index, state in enumerate(new_states):
        if index == 0:
            set_rng_state(state)
