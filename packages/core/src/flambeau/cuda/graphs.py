"""CUDA graphs: work recorded once from a stream and given to the GPU again as a whole.

What is recorded is the launches with their addresses, so that a graph reads its inputs and writes its results where they were:
write new values into the same tensors (`x.copy_(...)`), `replay()`, read the results. Memory taken while recording comes from a
pool of the graph's own and stays its own. What asks the GPU for numbers (`.item()`, random numbers, copies to the CPU)
cannot be recorded; CuPy or the driver refuses it.
"""

from __future__ import annotations

import itertools
from typing import Any

from .._base.checks import check
from .devices import runtime
from .streams import Stream, StreamContext, current_stream

_pools: dict[tuple[int, int], Any] = {}
_numbers = itertools.count(1)


def graph_pool_handle() -> tuple[int, int]:
    """The name of a new pool of memory, for several graphs that are never replayed at the same time to share."""
    name = (0, next(_numbers))
    _pools[name] = runtime().cuda.MemoryPool()
    return name


def is_current_stream_capturing() -> bool:
    """Whether work given to the current stream is recorded instead of done. False where CUDA has not been used."""
    from .devices import is_initialized

    return is_initialized() and bool(current_stream()._stream.is_capturing())


class CUDAGraph:
    """A recording of a stream's work; see `graph`."""

    def __init__(self, keep_graph: bool = False) -> None:
        self._cupy = runtime()
        self._graph: Any = None
        self._pool: tuple[int, int] | None = None
        self._stream: Any = None
        self._allocator: Any = None

    def capture_begin(
        self, pool: tuple[int, int] | None = None, capture_error_mode: str = "global"
    ) -> None:
        """Records the current stream's work from now on; it must not be the default stream."""
        check(self._graph is None, lambda: "This CUDAGraph instance already owns a captured graph")
        cp = self._cupy
        self._pool = pool if pool is not None else graph_pool_handle()
        self._stream = cp.cuda.get_current_stream()
        self._allocator = cp.cuda.using_allocator(_pools[self._pool].malloc)
        self._allocator.__enter__()
        try:
            self._stream.begin_capture()
        except BaseException:
            self._allocator.__exit__(None, None, None)
            raise

    def capture_end(self) -> None:
        """Ends the recording."""
        check(
            self._stream is not None, lambda: "CUDAGraph.capture_end: capture_begin was not called"
        )
        try:
            self._graph = self._stream.end_capture()
        finally:
            self._allocator.__exit__(None, None, None)
            self._stream = None

    def replay(self) -> None:
        """Gives the recorded work to the current stream."""
        check(
            self._graph is not None,
            lambda: "Called CUDAGraph::replay without a preceding successful capture.",
        )
        self._graph.launch(self._cupy.cuda.get_current_stream())

    def reset(self) -> None:
        """Forgets the recording, and the graph's hold on its memory."""
        self._graph = self._pool = None

    def pool(self) -> tuple[int, int]:
        """The name of the graph's pool of memory, for another graph to share."""
        check(
            self._pool is not None,
            lambda: "Called CUDAGraph::pool without a preceding successful capture.",
        )
        return self._pool  # type: ignore[return-value]


class graph:
    """Records the work of a block, given to a stream of its own.

    recording = flambeau.cuda.CUDAGraph()
    with flambeau.cuda.graph(recording):
        y = model(x)
    x.copy_(next_batch)
    recording.replay()      # y has the new result
    """

    def __init__(
        self, cuda_graph: CUDAGraph, pool: tuple[int, int] | None = None, stream: Stream | None = None,
        capture_error_mode: str = "global", enable_annotations: bool = False, check_input_liveness: bool = False,
    ) -> None:  # fmt: skip
        self.cuda_graph = cuda_graph
        self.pool = pool
        self._stream = StreamContext(Stream() if stream is None else stream)

    def __enter__(self) -> None:
        runtime().cuda.runtime.deviceSynchronize()
        self._stream.__enter__()
        try:
            self.cuda_graph.capture_begin(self.pool)
        except BaseException:
            self._stream.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        try:
            self.cuda_graph.capture_end()
        finally:
            self._stream.__exit__(*error)
