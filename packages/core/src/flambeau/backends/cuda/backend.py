"""The backend object: CuPy arrays on one or several GPUs.

Operators run their reference kernels on CuPy, which launches on the current device. With one GPU that is always the
right one, and nothing is added to a call; with several, each call runs inside its arrays' device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from ..._base.devices import device
from ...runtime import backend as protocol
from ...runtime.operator import Operator
from . import machine, memory, pinned, providers, waiting
from . import xp as _xp


class CudaBackend:
    """CuPy arrays on CUDA devices."""

    name = "cuda"
    xp: Any = _xp
    providers: list[Any] = []
    machine = machine  # what compiled programs ask for

    def __init__(self) -> None:
        # Not None: dispatch asks `own_kernel` for every call.
        self.kernels = None if cupy.cuda.runtime.getDeviceCount() == 1 else "cuda"

    def device_of(self, array: Any) -> device:
        return device("cuda", array.device.id)

    def asarray(self, array: Any, device: device) -> Any:
        with cupy.cuda.Device(index_of(device)):
            if isinstance(array, cupy.ndarray):
                return array if array.device.id == index_of(device) else cupy.array(array)
            return cupy.asarray(protocol.of_array(array).to_numpy(array))

    def to_numpy(self, array: Any) -> np.ndarray:
        if waiting.mode:
            waiting.note()
        return cupy.asnumpy(array)

    def shares(self, made: Any, source: Any) -> bool:
        """Whether the result of a view's kernel lies in the allocation of `source`: CuPy views keep its memory object."""
        return made.data.mem is source.data.mem

    def own_kernel(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Callable[..., Any]:
        """With several GPUs: the kernel, run where its arrays are."""
        kernel = providers.choose(op, arrays, attrs)
        where = attrs.get("device")

        def inside(xp: Any, *raw: Any, **attrs: Any) -> Any:
            found = next((a.device.id for a in raw if isinstance(a, cupy.ndarray)), None)
            with cupy.cuda.Device(index_of(where) if found is None else found):
                return kernel(xp, *raw, **attrs)

        return inside


def index_of(d: device | None) -> int:
    """The number of a CUDA device; the current one where none is named."""
    return cupy.cuda.runtime.getDevice() if d is None or d.index is None else d.index


memory.install()
pinned.install()
backend = CudaBackend()
protocol.register_class(cupy.ndarray, backend)
providers.register()
