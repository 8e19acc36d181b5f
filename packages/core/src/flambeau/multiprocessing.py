"""Python's multiprocessing, and `spawn`, which starts several workers and reports the one that fails: `torch.multiprocessing`.

Tensors that travel through queues and pipes, or are arguments of a process, are not copied: both sides look at one memory,
a file without a name whose descriptor is sent. The sender has to live until the receiver has it.
"""

from __future__ import annotations

import multiprocessing as _multiprocessing
import multiprocessing.connection
import os
import pathlib
import shutil
import signal
import tempfile
import traceback
import weakref
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from multiprocessing import get_context
from typing import Any

from flambeau.utils.sharing import register

_NAMES = [*_multiprocessing.__all__]


class ProcessException(Exception):
    """A worker failed: which one it was."""

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid

    def __reduce__(self) -> tuple:
        return type(self), (self.msg, self.error_index, self.pid)


class ProcessRaisedException(ProcessException):
    """A worker raised an exception; the message has its traceback."""

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg, error_index, error_pid)


class ProcessExitedException(ProcessException):
    """A worker ended with another exit code than 0, or by a signal."""

    def __init__(
        self,
        msg: str,
        error_index: int,
        error_pid: int,
        exit_code: int,
        signal_name: str | None = None,
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name

    def __reduce__(self) -> tuple:
        return (
            type(self),
            (self.msg, self.error_index, self.pid, self.exit_code, self.signal_name),
        )


def _worker(fn: Callable[..., Any], index: int, args: tuple, file: str) -> None:
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass  # the parent has it too and says so
    except Exception:
        pathlib.Path(file).write_text(traceback.format_exc())
        raise SystemExit(1) from None


class ProcessContext:
    """Processes that were started together."""

    def __init__(self, processes: list[Any], error_files: list[str]) -> None:
        self.processes, self.error_files = processes, error_files
        self.sentinels = {process.sentinel: i for i, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """The processes' numbers."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Waits for some process to end; True once all have ended well.

        If one has failed, the others are ended (killed if they take longer than `grace_period` seconds), and
        ProcessRaisedException or ProcessExitedException says which it was.
        """
        if not self.sentinels:
            return True
        ready = multiprocessing.connection.wait(list(self.sentinels), timeout)
        failed = None
        for sentinel in ready:
            index = self.sentinels.pop(sentinel)
            self.processes[index].join()
            if self.processes[index].exitcode != 0 and failed is None:
                failed = index
        if failed is None:
            return not self.sentinels
        self._end(grace_period)
        self._report(failed)
        return False

    def _end(self, grace_period: float | None) -> None:
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        for process in self.processes:
            process.join(30 if grace_period is None else grace_period)
            if process.is_alive():
                process.kill()
                process.join()
        self.sentinels.clear()

    def _report(self, index: int) -> None:
        process, file = self.processes[index], self.error_files[index]
        if os.path.getsize(file):
            text = pathlib.Path(file).read_text()
            raise ProcessRaisedException(
                f"\n\n-- Process {index} terminated with the following error:\n{text}",
                index,
                process.pid,
            )
        code = process.exitcode
        name = signal.Signals(-code).name if code < 0 else None
        how = f"signal {name}" if name else f"exit code {code}"
        raise ProcessExitedException(
            f"process {index} terminated with {how}", index, process.pid, code, name
        )


SpawnContext = ProcessContext


def start_processes(
    fn: Callable[..., Any],
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Runs `fn(i, *args)` in `nprocs` processes; waits for them (`join`), or gives their ProcessContext."""
    made = get_context(start_method)
    folder = tempfile.mkdtemp(prefix="flambeau-processes-")
    processes, files = [], []
    for i in range(nprocs):
        file = os.path.join(folder, str(i))
        open(file, "wb").close()
        process = made.Process(target=_worker, args=(fn, i, args, file), daemon=daemon)  # type: ignore[attr-defined]
        process.start()
        processes.append(process)
        files.append(file)
    context = ProcessContext(processes, files)
    weakref.finalize(context, shutil.rmtree, folder, ignore_errors=True)
    if not join:
        return context
    while not context.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any],
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Runs `fn(i, *args)` in `nprocs` fresh processes; waits for them (`join`), or gives their ProcessContext.

    If one fails the others are ended, and ProcessRaisedException has its traceback.
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)


def get_all_sharing_strategies() -> set[str]:
    """The one way in which memory is shared: files without a name, sent by their descriptors."""
    return {"file_descriptor"}


def get_sharing_strategy() -> str:
    """The one way in which memory is shared."""
    return "file_descriptor"


def set_sharing_strategy(new_strategy: str) -> None:
    """Checks the name; AssertionError unless it is one of `get_all_sharing_strategies()`."""
    assert new_strategy in get_all_sharing_strategies(), new_strategy


__all__ = [
    *_NAMES,
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
]

register()
