"""What a second run must find as the first did: random numbers and autocast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flambeau
from flambeau._base import pytree
from flambeau.amp import autocast_mode
from flambeau.runtime.tensor import Tensor


class DefaultDeviceType:
    """The kind of device whose random numbers are kept beside the CPU's: a GPU if there is one.

    >>> DefaultDeviceType.set_device_type("cuda")
    >>> DefaultDeviceType.get_device_type()
    'cuda'
    """

    _kind: str | None = None

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Sets it."""
        DefaultDeviceType._kind = device

    @staticmethod
    def get_device_type() -> str:
        """What was set last."""
        if DefaultDeviceType._kind is None:
            return "cuda" if flambeau.cuda.is_available() else "cpu"
        return DefaultDeviceType._kind


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """(devices, states of their random numbers) of the tensors among `args` that are not on the CPU.

    One generator draws for all devices here, so that its state is each device's.
    """
    devices = sorted(
        {
            x.device.index or 0
            for x in pytree.flatten(args)[0]
            if isinstance(x, Tensor) and x.device.type not in ("cpu", "meta")
        }
    )
    return devices, [flambeau.get_rng_state() for _ in devices]


def set_device_states(
    devices: list[int], states: list[Tensor], *, device_type: str | None = None
) -> None:
    """Puts the random numbers of devices back to `states`. With `device_type` "cpu" or "meta" there is nothing to do."""
    if device_type in ("cpu", "meta"):
        return
    for _, s in zip(devices, states):
        flambeau.set_rng_state(s)


class Surroundings:
    """The random numbers (if `random`) and autocast, as they are when this is made; `again()` brings them back."""

    def __init__(self, random: bool) -> None:
        self._autocast = autocast_mode.settings()
        self._random = flambeau.get_rng_state() if random else None

    @contextmanager
    def again(self) -> Iterator[None]:
        """As at the first run inside, and as before after it."""
        autocast = autocast_mode.settings()
        before = None if self._random is None else flambeau.get_rng_state()
        try:
            autocast_mode.set_back(self._autocast)
            if self._random is not None:
                flambeau.set_rng_state(self._random)
            yield
        finally:
            autocast_mode.set_back(autocast)
            if before is not None:
                flambeau.set_rng_state(before)
