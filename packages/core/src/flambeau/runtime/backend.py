"""The backend protocol, and the table of backends by device and by array class.

A backend is chosen once per call by the class of the arrays. Backends register a loader; the module behind it is
imported when its device is first used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from .._base.devices import device


class Backend(Protocol):
    """What `backends/*` provide."""

    name: str
    xp: Any  # NumPy's namespace with the functions NumPy lacks
    providers: list[Callable[..., Any]]

    def device_of(self, array: Any) -> device: ...
    def asarray(self, array: Any, device: device) -> Any:
        """`array` (of any backend or NumPy) on `device`, copied only if it is elsewhere."""
        ...

    def to_numpy(self, array: Any) -> np.ndarray: ...


_loaders: dict[str, Callable[[], Backend]] = {}
_by_device: dict[str, Backend] = {}
_by_class: dict[type, Backend] = {}


def register(name: str, loader: Callable[[], Backend]) -> None:
    """Announces the backend of device type `name`; `loader()` runs on first use."""
    _loaders[name] = loader


def register_class(array_class: type, backend: Backend) -> None:
    """Says that arrays of this class belong to `backend`."""
    _by_class[array_class] = backend


def of_device(d: device | str) -> Backend:
    """The backend of a device, loaded if it was not."""
    name = d if isinstance(d, str) else d.type
    found = _by_device.get(name)
    if found is None:
        found = _by_device[name] = _loaders[name]()
    return found


def of_array(array: Any) -> Backend:
    """The backend that owns `array`."""
    found = _by_class.get(type(array))
    if found is None:
        found = next((b for c, b in _by_class.items() if isinstance(array, c)), None)
        if found is None and isinstance(array, np.ndarray):
            found = of_device("cpu")
        if found is None:
            raise TypeError(f"no backend owns arrays of class {type(array).__name__}")
        _by_class[type(array)] = found
    return found
