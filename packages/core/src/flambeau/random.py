"""Seeds and the state of the default generator (`flambeau.random`)."""

from __future__ import annotations

from .runtime import random as _numbers
from .runtime.generator import Generator
from .runtime.tensor import Tensor, wrap

default_generator = _numbers.default_generator
initial_seed, seed = _numbers.initial_seed, _numbers.seed


def manual_seed(seed: int) -> Generator:
    """Starts the stream of `seed` and returns the default generator; PyTorch's numbers for the same seed.

    >>> import flambeau
    >>> flambeau.manual_seed(0).initial_seed()
    0
    """
    return _numbers.manual_seed(seed)


def get_rng_state() -> Tensor:
    """The default generator's state, a byte tensor that PyTorch understands."""
    return wrap(_numbers.get_rng_state())


def set_rng_state(new_state: Tensor) -> None:
    """Goes back to a state of `get_rng_state`."""
    _numbers.set_rng_state(new_state.numpy())


class fork_rng:
    """Draws inside do not move the generator outside.

    >>> import flambeau
    >>> with flambeau.random.fork_rng(): _ = flambeau.rand(3)
    """

    def __init__(self, devices: object = None, enabled: bool = True) -> None:
        self._enabled = enabled

    def __enter__(self) -> None:
        self._state = get_rng_state()

    def __exit__(self, *_: object) -> None:
        if self._enabled:
            set_rng_state(self._state)
