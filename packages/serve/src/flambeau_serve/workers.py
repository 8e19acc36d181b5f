"""Several server processes on one socket, watched: a worker that dies is logged, counted and started again.

The supervisor listens and never serves. Each worker is this program once more, with the socket, the shared counters
and two pipes handed down: one tells the supervisor that the worker is ready, the other tells the worker that the
supervisor is gone, so that none is ever left behind. Workers have a session of their own: Ctrl-C reaches the
supervisor alone, which passes it on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

from .metrics import RESTARTS, Metrics, size_of

logger = logging.getLogger("flambeau_serve")

_POLL = 0.1
_LONGEST_PAUSE = 30.0


class Worker:
    """One worker process and the pipes to it.

    `argv` starts one that is told `--worker ROW,ROWS,LISTENER,COUNTERS,READY`: its row in the counters, how many
    there are, and the descriptors it is given.
    """

    def __init__(
        self, argv: Sequence[str], row: int, rows: int, fds: Sequence[int], threads: int
    ) -> None:
        self.ready = False
        self.started = time.monotonic()
        self._ready_pipe, theirs = os.pipe()
        os.set_blocking(self._ready_pipe, False)
        handed = ",".join(map(str, [row, rows, *fds, theirs]))
        self.process = subprocess.Popen(  # noqa: S603 - this very program, and no shell
            [*argv, "--worker", handed],
            stdin=subprocess.PIPE,
            pass_fds=[*fds, theirs],
            start_new_session=True,
            env=_environment(threads),
        )
        os.close(theirs)

    def poll(self) -> int | None:
        """The exit code, or None while the worker lives; notes when it became ready."""
        if not self.ready:
            with contextlib.suppress(BlockingIOError):  # not yet: it is still loading the model
                self.ready = bool(os.read(self._ready_pipe, 1))
        return self.process.poll()

    def signal(self, sig: int) -> None:
        """Send a signal, if the worker still lives."""
        if self.process.poll() is None:
            self.process.send_signal(sig)

    def close(self) -> None:
        """Let go of the pipes of a worker that ended."""
        os.close(self._ready_pipe)
        if self.process.stdin is not None:
            self.process.stdin.close()


class Supervisor:
    """Keeps `count` workers alive on `listener`; `run` returns the exit code."""

    def __init__(self, listener: socket.socket, argv: Sequence[str], count: int) -> None:
        self._argv = list(argv)
        self._threads = max(1, _cpus() // count)
        self._rows = count + 1  # the last is the supervisor's own
        self._counters = tempfile.TemporaryFile()  # noqa: SIM115 - shared as long as workers live
        self._counters.truncate(size_of(self._rows))
        self._metrics = Metrics(fd=self._counters.fileno(), rows=self._rows, row=count)
        self._listener = listener
        self._workers: list[Worker | None] = [None] * count
        self._pause = [0.0] * count
        self._due = [0.0] * count
        self._signals = 0

    def run(self, on_ready: Callable[[], None]) -> int:
        """Serve until SIGTERM or Ctrl-C; 0 if every worker drained, 1 if one failed or could not start."""
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, self._on_signal)
        for row in range(len(self._workers)):
            self._start(row)
        if not self._await_all():
            return self._end()
        if not self._signals:
            on_ready()
        while not self._signals:
            self._watch()
            time.sleep(_POLL)
        return self._end()

    def _on_signal(self, _sig: int, _frame: FrameType | None) -> None:
        self._signals += 1

    def _start(self, row: int) -> None:
        fds = [self._listener.fileno(), self._counters.fileno()]
        self._workers[row] = Worker(self._argv, row, self._rows, fds, self._threads)

    def _await_all(self) -> bool:
        """Wait until every worker serves; False if one ended before it did."""
        while not self._signals:
            workers = [worker for worker in self._workers if worker is not None]
            if any(worker.poll() is not None for worker in workers):
                return False
            if all(worker.ready for worker in workers):
                return True
            time.sleep(_POLL / 4)
        return True

    def _watch(self) -> None:
        """Start dead workers again, those that die young after a pause that doubles."""
        for row, worker in enumerate(self._workers):
            if worker is None:
                if time.monotonic() >= self._due[row]:
                    self._start(row)
                continue
            code = worker.poll()
            if code is None:
                continue
            young = time.monotonic() - worker.started < _LONGEST_PAUSE
            self._pause[row] = min(_LONGEST_PAUSE, max(0.5, self._pause[row] * 2)) if young else 0.0
            self._due[row] = time.monotonic() + self._pause[row]
            self._metrics.add(RESTARTS)
            logger.error(
                "worker %d (pid %d) died: %s; starting another in %g s",
                row + 1,
                worker.process.pid,
                _reason(code),
                self._pause[row],
            )
            worker.close()
            self._workers[row] = None

    def _end(self) -> int:
        """Let the workers drain; a second signal is passed on and ends them at once."""
        workers = [worker for worker in self._workers if worker is not None]
        for worker in workers:
            worker.signal(signal.SIGTERM)
        passed_on = self._signals
        while any(worker.poll() is None for worker in workers):
            if self._signals > max(1, passed_on):
                passed_on = self._signals
                for worker in workers:
                    worker.signal(signal.SIGTERM)
            time.sleep(_POLL / 4)
        for worker in workers:
            worker.close()
        return int(any(worker.process.returncode != 0 for worker in workers))


def end_with_supervisor() -> None:
    """In a worker: drain when the supervisor is gone, which shows as the end of standard input."""

    def wait() -> None:
        os.read(0, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="flambeau-serve-supervisor", daemon=True).start()


def say_ready(fd: int) -> None:
    """In a worker: tell the supervisor that requests are answered."""
    os.write(fd, b"1")
    os.close(fd)


def _environment(threads: int) -> dict[str, str]:
    """The cores shared out among the workers, unless the user did so."""
    return {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads), **os.environ}


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
