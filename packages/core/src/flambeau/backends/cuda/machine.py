"""What compiled programs ask of a GPU: kernels of generated text, memory of their own, work recorded once and launched again.

`jit.cudaprogram` knows a GPU by these names alone, so that tests run the same programs with a processor in the GPU's place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import cupy

from . import pinned, providers

kind = cupy.ndarray  # the class of arrays


def kernel(text: str, name: str) -> Callable[..., None]:
    """A kernel of a text, called with (grid, block, arguments). It is compiled when first called, and kept on disk."""
    return cupy.RawKernel(text, name, providers.OPTIONS)


def empty(shape: Sequence[int], dtype: Any) -> Any:
    """A new dense array of the current device."""
    return cupy.empty(shape, dtype)


def place_for(array: Any) -> Any:
    """Memory for an array's values, laid out as it is where that is dense."""
    return cupy.empty_like(array)


def copied(array: Any) -> Any:
    """A copy, laid out as the array is where that is dense."""
    return array.copy(order="K")


def owner(array: Any) -> int:
    """Which memory an array looks at: equal for views of one."""
    return id(array.data.mem)


def address(array: Any) -> int:
    """Where an array's first element lies."""
    return array.data.ptr


def upload(numbers: Any) -> Any:
    """A NumPy array, copied to the current device."""
    return cupy.asarray(numbers)


def uploads() -> int:
    """How often arrays were copied here from the CPU: all such copies go through pinned memory."""
    return pinned.figures[pinned.REQUESTS].added


def on(array: Any) -> Any:
    """A context in which work is given to the device of `array`."""
    return nullcontext() if cupy.cuda.runtime.getDeviceCount() == 1 else array.device


def pool() -> Any:
    """Memory that nobody else is given, for `within` and `Recording`."""
    return cupy.cuda.MemoryPool()


def within(pool: Any) -> Any:
    """A context in which arrays are made in the memory of `pool`."""
    return cupy.cuda.using_allocator(pool.malloc)


class Recording:
    """Work of a block, recorded as a CUDA graph and not done; `launch` does it.

    The block is on a stream of its own, for the common one cannot be recorded. What asks the GPU for a number inside raises, and
    nothing is recorded then.
    """

    def __init__(self, pool: Any) -> None:
        self._within, self._stream = within(pool), cupy.cuda.Stream(non_blocking=True)
        self._graph: Any = None

    def __enter__(self) -> Recording:
        self._stream.__enter__()
        self._within.__enter__()
        try:
            self._stream.begin_capture()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._graph = self._stream.end_capture()
        except Exception:  # of a recording that has failed CUDA says so once more
            if error[0] is None:
                raise
        finally:
            self._leave()

    def _leave(self) -> None:
        self._within.__exit__(None, None, None)
        self._stream.__exit__(None, None, None)

    def do(self, run: Callable[[list], None], env: list, makes: bool = True) -> None:
        """One step of the work, on the table of arrays. `makes`: whether it puts arrays there, or only writes into some."""
        run(env)

    def launch(self) -> None:
        """Gives the work to the current stream."""
        self._graph.launch()


class Order:
    """Keeps the launches of one program apart where they come on different streams: they share its memory."""

    def __init__(self) -> None:
        self._stream: Any = None
        self._event: Any = None

    def __enter__(self) -> None:
        stream = cupy.cuda.get_current_stream()
        if self._event is not None and stream != self._stream:
            stream.wait_event(self._event)
        self._stream = stream

    def __exit__(self, *error: object) -> None:
        if self._event is None:
            self._event = cupy.cuda.Event(disable_timing=True)
        self._event.record(self._stream)
