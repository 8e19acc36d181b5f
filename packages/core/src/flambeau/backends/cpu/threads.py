"""How many threads our kernels use, and the call that shares a kernel's outermost range among them.

By default as many as this process may use: $FLAMBEAU_NUM_THREADS, else the processors it may run on (affinity), no more
than its share of them (cgroup). Threads are started by the first call that wants them, never at import.
"""

from __future__ import annotations

import math
import os
from typing import Any

from . import library

_threads: int | None = None


def count() -> int:
    """Threads per kernel call, the calling one included."""
    global _threads
    if _threads is None:
        _threads = default()
    return _threads


def set_count(threads: int) -> None:
    """Sets the threads per kernel call; ValueError or TypeError for what is no positive int."""
    global _threads
    if isinstance(threads, bool) or not isinstance(threads, int):
        raise TypeError(f"set_num_threads expects an int, but got {type(threads).__name__}")
    if threads < 1:
        raise RuntimeError(f"set_num_threads expects a positive integer, but got {threads}")
    _threads = threads
    if _pool is not None:
        _pool.fb_set_threads(threads)


def default() -> int:
    """What `count` is unless set. A $FLAMBEAU_NUM_THREADS that is no positive number is refused: ValueError."""
    given = os.environ.get("FLAMBEAU_NUM_THREADS")
    if given:
        if not given.strip().isdigit() or int(given) < 1:
            raise ValueError(
                f"FLAMBEAU_NUM_THREADS must be a positive whole number, but is {given!r}"
            )
        return int(given)
    allowed = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min(allowed, cgroup_share()))


def cgroup_share(root: str = "/sys/fs/cgroup") -> int:
    """Processors that the control group leaves to this process, rounded up; a large number where it sets no limit."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = [w for name in names for w in _read(os.path.join(root, name)).split()]
        except OSError:
            continue
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]):
            return max(1, math.ceil(int(words[0]) / int(words[1])))
    return 1 << 16


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


_pool: Any = None


def pool() -> Any:
    """The pool's library, told how many threads to use; CompileError where there is no compiler."""
    global _pool
    if _pool is None:
        made = library.load(library.header("fb_pool.c"))
        made.fb_set_threads(count())
        _tell_python(made)
        _pool = made
    return _pool


class NoMemoryToWorkIn(MemoryError):
    """A kernel, or one of its threads, asked for memory to work in and there was none; its results are not to be used.

    Operators raise it, as NumPy's, as PyTorch's error (`runtime.signature`), which reads `_total_size`.
    """

    def __init__(self) -> None:
        import ctypes

        self._total_size = ctypes.c_int64.in_dll(pool(), "fb_asked").value
        super().__init__(
            f"no memory for a kernel to work in: it asked for {self._total_size} bytes"
        )


def _tell_python(made: Any) -> None:
    """Gives the pool what it raises an exception with, in the thread whose call it gave up.

    It is raised when the interpreter next looks, which is where the foreign call returns to it.
    """
    import ctypes

    api = ctypes.pythonapi
    names = (
        "PyGILState_Ensure", "PyGILState_Release", "PyThread_get_thread_ident", "PyThreadState_SetAsyncExc",
    )  # fmt: skip
    functions = [ctypes.cast(getattr(api, name), ctypes.c_void_p) for name in names]
    made.fb_set_python.argtypes = [ctypes.c_void_p] * 5
    made.fb_set_python.restype = None
    made.fb_set_python(*functions, id(NoMemoryToWorkIn))
