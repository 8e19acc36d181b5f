"""Streams and events: the order of work on a GPU, and how long it took."""

from __future__ import annotations

from typing import Any

from .._base.devices import device as Device
from .devices import current_device, index_of, runtime


class Event:
    """A mark in a stream's work; two with `enable_timing` measure what lies between them.

    start, end = (flambeau.cuda.Event(enable_timing=True) for _ in range(2))
    start.record(); work(); end.record(); end.synchronize()
    start.elapsed_time(end)  # milliseconds
    """

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False, external: bool = False
    ) -> None:  # fmt: skip
        self._timed = enable_timing
        self._event = runtime().cuda.Event(
            block=blocking, disable_timing=not enable_timing, interprocess=interprocess
        )
        self._recorded = False

    def record(self, stream: Stream | None = None) -> None:
        """Marks what the stream (the current one) was given so far."""
        self._event.record((current_stream() if stream is None else stream)._stream)
        self._recorded = True

    def wait(self, stream: Stream | None = None) -> None:
        """Makes what the stream is given from now on wait for this event."""
        (current_stream() if stream is None else stream).wait_event(self)

    def query(self) -> bool:
        """Whether the work marked is done."""
        return bool(self._event.done)

    def synchronize(self) -> None:
        """Waits, here on the CPU, until the work marked is done."""
        self._event.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to `end_event`."""
        if not (self._timed and end_event._timed):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if not (self._recorded and end_event._recorded):
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return float(runtime().cuda.get_elapsed_time(self._event, end_event._event))

    @property
    def cuda_event(self) -> int:
        """The event as CUDA's own handle."""
        return self._event.ptr


class Stream:
    """A queue of work on one device; different streams may overlap.

    side = flambeau.cuda.Stream()
    with flambeau.cuda.stream(side):
        y = x @ x
    flambeau.cuda.current_stream().wait_stream(side)
    """

    def __init__(self, device: Any = None, priority: int = 0, _stream: Any = None) -> None:
        cp = runtime()
        self._index = index_of(device)
        with cp.cuda.Device(self._index):
            self._stream = (
                cp.cuda.Stream(non_blocking=True, priority=priority) if _stream is None else _stream
            )

    @property
    def device(self) -> Device:
        return Device("cuda", self._index)

    @property
    def cuda_stream(self) -> int:
        """The stream as CUDA's own handle."""
        return self._stream.ptr

    def query(self) -> bool:
        """Whether all work given is done."""
        return bool(self._stream.done)

    def synchronize(self) -> None:
        """Waits, here on the CPU, until all work given is done."""
        self._stream.synchronize()

    def record_event(self, event: Event | None = None) -> Event:
        """Records `event`, or a new one, and returns it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """What is given from now on waits for `event`; the CPU does not."""
        self._stream.wait_event(event._event)

    def wait_stream(self, stream: Stream) -> None:
        """What is given from now on waits for all that `stream` was given so far."""
        self.wait_event(stream.record_event())

    def __enter__(self) -> Stream:
        self._stream.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.__exit__(*error)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and (self._index, self.cuda_stream) == (
            other._index,
            other.cuda_stream,
        )

    def __hash__(self) -> int:
        return hash((self._index, self.cuda_stream))

    def __repr__(self) -> str:
        return f"<flambeau.cuda.Stream device=cuda:{self._index} cuda_stream={self.cuda_stream:#x}>"


class StreamContext:
    """Gives work to a stream until the block ends; None changes nothing."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self._device: list[int] = []

    def __enter__(self) -> None:
        if self.stream is not None:
            cp = runtime()
            self._device.append(current_device())
            cp.cuda.runtime.setDevice(self.stream._index)
            self.stream._stream.__enter__()

    def __exit__(self, *error: object) -> None:
        if self.stream is not None:
            self.stream._stream.__exit__(*error)
            runtime().cuda.runtime.setDevice(self._device.pop())


def stream(stream: Stream | None) -> StreamContext:
    """A context manager: work goes to `stream` until the block ends."""
    return StreamContext(stream)


def current_stream(device: Any = None) -> Stream:
    """The stream that work goes to now."""
    cp, index = runtime(), index_of(device)
    with cp.cuda.Device(index):
        return Stream(index, _stream=cp.cuda.get_current_stream())


def default_stream(device: Any = None) -> Stream:
    """The stream that work goes to unless told otherwise."""
    return Stream(index_of(device), _stream=runtime().cuda.Stream.null)


def set_stream(stream: Stream | None) -> None:
    """Gives work to a stream from now on."""
    if stream is not None:
        stream._stream.use()


class ExternalStream(Stream):
    """A stream that another library made and keeps, by CUDA's own handle."""

    def __init__(self, stream_ptr: int, device: Any = None) -> None:
        cp, index = runtime(), index_of(device)
        super().__init__(index, _stream=cp.cuda.ExternalStream(stream_ptr, index))


def get_stream_from_external(data_ptr: int, device: Any = None) -> Stream:
    """A stream that another library made and keeps, by CUDA's own handle."""
    return ExternalStream(data_ptr, device)
