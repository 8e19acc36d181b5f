"""`Work`: a collective that is on its way; and the thread that carries a group's out, one after another."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Courier", "Work"]


class Work:
    """What a call with `async_op=True` returns: `wait` until it is done.

    >>> work = Work(lambda: 3)
    >>> work.run()
    >>> work.wait(), work.result()
    (True, 3)
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._done = threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Does the work; an exception is kept for `wait`."""
        try:
            self._result = self._call()
        except BaseException as error:
            self._error = error
        finally:
            del self._call
            self._done.set()

    def is_completed(self) -> bool:
        """Whether it is done, or has failed."""
        return self._done.is_set()

    def is_success(self) -> bool:
        """Whether it is done and has not failed."""
        return self._done.is_set() and self._error is None

    def exception(self) -> BaseException | None:
        """What it failed with, if it did."""
        return self._error

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is done; raises what it failed with. RuntimeError after `timeout` seconds."""
        if not self._done.wait(timeout):
            raise RuntimeError(f"Work.wait: not done after {timeout} seconds")
        if self._error is not None:
            raise self._error
        return True

    def result(self) -> Any:
        """What the call gave, once it is done."""
        self.wait()
        return self._result


class Courier:
    """A thread that runs the collectives of one group in the order they were asked for.

    All ranks must call a group's collectives in one order; a queue keeps that order where some calls wait and
    others do not. MPI makes progress only inside its calls, so a thread is also what makes communication
    overlap with computation: mpi4py, NumPy and BLAS all let go of the interpreter.
    """

    def __init__(self, prepare: Callable[[], None]) -> None:
        self._prepare = prepare
        self._works: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._pending = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, call: Callable[[], Any]) -> Work:
        """Queues a call."""
        work = Work(call)
        with self._lock:
            self._pending += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, daemon=True)
                self._thread.start()
        self._works.put(work)
        return work

    def run(self, call: Callable[[], Any]) -> Any:
        """Runs a call now if none is queued, else after those; returns what it gives."""
        with self._lock:
            idle = self._pending == 0
        return call() if idle else self.submit(call).result()

    def stop(self) -> None:
        """Finishes what is queued and ends the thread."""
        if self._thread is not None:
            self._works.put(None)
            self._thread.join()
            self._thread = None

    def _serve(self) -> None:
        self._prepare()
        while (work := self._works.get()) is not None:
            work.run()
            with self._lock:
                self._pending -= 1
