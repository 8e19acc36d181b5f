"""The CPU backend's reference: every operator on NumPy. Compiled kernels (`backends.cpu`) are providers beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._base.devices import CPU, device
from ...runtime import backend as protocol
from ...runtime import dispatch
from ..cpu import providers
from . import xp as _xp


class NumpyBackend:
    """NumPy arrays on the CPU."""

    name = "cpu"
    kernels = None  # the key of its kernels in Operator.kernels: the reference ones
    xp: Any = _xp
    providers: list[Any] = []

    def device_of(self, array: Any) -> device:
        return CPU

    def asarray(self, array: Any, device: device) -> np.ndarray:
        return array if isinstance(array, np.ndarray) else protocol.of_array(array).to_numpy(array)

    def to_numpy(self, array: np.ndarray) -> np.ndarray:
        return array

    def offers(self, op: Any) -> list[Any]:
        """The compiled kernels of an operator, from the module that has them."""
        return providers.load(op)

    def shares(self, made: np.ndarray, source: np.ndarray) -> bool:
        return np.may_share_memory(made, source)


backend = NumpyBackend()
protocol.register_class(np.ndarray, backend)
protocol._by_device["cpu"] = backend
dispatch.set_cpu(backend)
providers.register()
