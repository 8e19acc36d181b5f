"""`flambeau.cpu`: the module of the device "cpu", for code that asks `get_device_module` for one."""

from __future__ import annotations

from typing import Any

from .streams import Event, Stream

_stream = Stream()


def is_available() -> bool:
    """Whether there is a CPU."""
    return True


def is_initialized() -> bool:
    """Whether the CPU can be used."""
    return True


def device_count() -> int:
    """The number of CPU devices: one."""
    return 1


def current_device() -> str:
    """The name of the current CPU device."""
    return "cpu"


def set_device(device: Any) -> None:
    """Changes nothing: there is one CPU device."""


def synchronize(device: Any = None) -> None:
    """Waits until all work is done: it is."""


def current_stream(device: Any = None) -> Stream:
    """The one stream."""
    return _stream


class StreamContext:
    """Gives work to a stream until the block ends: there is one."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


def stream(stream: Any) -> StreamContext:
    """A context in which work goes to `stream`."""
    return StreamContext(stream)


__all__ = [
    "Event",
    "Stream",
    "StreamContext",
    "current_device",
    "current_stream",
    "device_count",
    "is_available",
    "is_initialized",
    "set_device",
    "stream",
    "synchronize",
]
