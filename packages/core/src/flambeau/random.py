"""Seeds and the state of the default generator (`flambeau.random`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ._base.devices import device as Device
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


@contextlib.contextmanager
def fork_rng(
    devices: Any = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str | None = None,
) -> Iterator[None]:
    """Draws inside do not move the generator outside. One generator serves all devices, so `devices` changes nothing.

    >>> import flambeau
    >>> with flambeau.random.fork_rng(): _ = flambeau.rand(3)
    """
    if device_type is not None:
        Device(device_type)  # refuses what is no device
    if not enabled or device_type == "meta":
        yield
        return
    before = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(before)


def thread_safe_generator() -> Generator | None:
    """The generator of the DataLoader's worker thread that calls; None elsewhere, which means the default generator.

    >>> import flambeau
    >>> flambeau.random.thread_safe_generator() is None
    True
    """
    from .utils.data import get_worker_info

    info: Any = get_worker_info()
    if info is None or getattr(info, "worker_method", None) != "thread":
        return None
    return info.rng.torch_generator
