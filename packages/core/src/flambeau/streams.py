"""`flambeau.Stream` and `flambeau.Event` for any device: queues of work, and marks in them.

The CPU works at once, so that its one stream is always done and has nothing to mark; CUDA's are `flambeau.cuda`'s.
"""

from __future__ import annotations

from typing import Any

from ._base.checks import fail
from ._base.devices import CPU
from ._base.devices import device as Device

_NO_EVENTS = "cpu backend doesn't support events."


def _cuda(device: Any) -> bool:
    return device is not None and Device(device).type == "cuda"


class Stream:
    """A queue of work on a device. The CPU's is done as soon as it is given something.

    >>> import flambeau
    >>> flambeau.Stream(device="cpu").query()
    True
    """

    device = CPU
    stream_id = device_type = 0
    device_index = -1

    def __new__(cls, device: Any = None, *, priority: int = 0, **kwargs: Any) -> Any:
        if _cuda(device):
            from .cuda import Stream as CudaStream

            return CudaStream(device, priority=priority)
        return object.__new__(cls)

    def __init__(self, device: Any = None, *, priority: int = 0, **kwargs: Any) -> None:
        self.priority = priority

    def query(self) -> bool:
        """Whether all work given is done."""
        return True

    def synchronize(self) -> None:
        """Waits until all work given is done: it is."""

    def wait_stream(self, stream: Any) -> None:
        """Work given from now on waits for what `stream` has been given."""
        stream.synchronize()

    def wait_event(self, event: Any) -> None:
        """Work given from now on waits for the event."""
        event.synchronize()

    def record_event(self, event: Any = None) -> Any:
        """RuntimeError: the CPU has no events, in PyTorch neither."""
        fail(_NO_EVENTS)

    def is_capturing(self) -> bool:
        """Whether work is recorded instead of done."""
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream)

    def __hash__(self) -> int:
        return hash(Stream)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __repr__(self) -> str:
        return "flambeau.Stream device_type=cpu, device_index=-1, stream_id=0"


class Event:
    """A mark in a stream's work. On the CPU it can be made and asked, but not recorded, as in PyTorch."""

    device = CPU
    event_id = 0

    def __new__(cls, device: Any = None, *, enable_timing: bool = False, blocking: bool = False,
                interprocess: bool = False) -> Any:  # fmt: skip
        if _cuda(device):
            from .cuda import Event as CudaEvent

            return CudaEvent(enable_timing, blocking, interprocess)
        return object.__new__(cls)

    def __init__(self, device: Any = None, *, enable_timing: bool = False, blocking: bool = False,
                 interprocess: bool = False) -> None:  # fmt: skip
        self.enable_timing = enable_timing

    def record(self, stream: Any = None) -> None:
        """RuntimeError: the CPU has no events, in PyTorch neither."""
        fail(_NO_EVENTS)

    def query(self) -> bool:
        """Whether the work marked is done."""
        return True

    def synchronize(self) -> None:
        """Waits until the work marked is done: it is."""

    def wait(self, stream: Any = None) -> None:
        """Makes a stream wait for the work marked: it is done."""

    def elapsed_time(self, other: Any) -> float:
        """RuntimeError: nothing was recorded."""
        return fail(_NO_EVENTS)

    def __repr__(self) -> str:
        return "flambeau.Event device_type=cpu, device_index=-1, event_flag=0, event_id=0"
