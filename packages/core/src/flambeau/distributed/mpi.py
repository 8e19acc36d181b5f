"""Ranks as processes started by ``mpiexec``, communicating through mpi4py. The only file that imports it.

An exception in one rank leaves the others waiting for ever in every MPI; `world` therefore installs a hook that
prints the traceback and aborts the job.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau._base.errors import missing_extra
from flambeau.distributed.groups import ProcessGroup
from flambeau.distributed.reduction import ReduceOp, finished, widened

__all__ = ["MPIGroup", "world"]


def world() -> MPIGroup:
    """The group of all processes of this job; MissingExtra without mpi4py."""
    mpi = _mpi()
    _abort_on_exceptions(mpi)
    made = MPIGroup(mpi.COMM_WORLD.Dup(), range(mpi.COMM_WORLD.Get_size()), mpi)
    # Before mpi4py's own end of MPI, which must not come while a thread is inside a call.
    atexit.register(made.close)
    return made


def _mpi() -> Any:
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise missing_extra("init_process_group('mpi')", "mpi4py", "mpi") from error
    return MPI


# What sums and products of truth values are.
_LOGICAL = {ReduceOp.SUM: ReduceOp.MAX, ReduceOp.PRODUCT: ReduceOp.MIN}


class MPIGroup(ProcessGroup):
    """A group over an MPI communicator of its own."""

    backend = "mpi"

    def __init__(self, comm: Any, ranks: Sequence[int], mpi: Any) -> None:
        super().__init__(ranks, comm.Get_rank())
        self._comm = comm
        self._mpi = mpi
        self._ops = {
            ReduceOp.SUM: mpi.SUM,
            ReduceOp.AVG: mpi.SUM,
            ReduceOp.PRODUCT: mpi.PROD,
            ReduceOp.MIN: mpi.MIN,
            ReduceOp.MAX: mpi.MAX,
            ReduceOp.BAND: mpi.BAND,
            ReduceOp.BOR: mpi.BOR,
            ReduceOp.BXOR: mpi.BXOR,
        }

    def allreduce(self, array: np.ndarray, op: ReduceOp) -> None:
        if array.dtype.kind == "b":
            array, op = array.view(np.uint8), _LOGICAL.get(op, op)
        wide = widened(array)
        self._comm.Allreduce(self._mpi.IN_PLACE, wide, self._ops[op])
        finished(wide, op, self.size())
        if wide is not array:
            array[...] = wide.astype(array.dtype)

    def broadcast(self, array: np.ndarray, root: int) -> None:
        self._comm.Bcast(_bytes(array), root)

    def allgather(self, array: np.ndarray) -> list[np.ndarray]:
        kinds = self._comm.allgather((array.dtype, array.shape))
        made = [np.empty(shape, dtype) for dtype, shape in kinds]
        sizes = [a.nbytes for a in made]
        everything = np.empty(sum(sizes), np.uint8)
        self._comm.Allgatherv(_bytes(array), (everything, sizes))
        return _cut(everything, made)

    def alltoall(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        kinds = self._comm.alltoall([(a.dtype, a.shape) for a in arrays])
        made = [np.empty(shape, dtype) for dtype, shape in kinds]
        received = np.empty(sum(a.nbytes for a in made), np.uint8)
        sent = np.concatenate([_bytes(np.ascontiguousarray(a)) for a in arrays])
        self._comm.Alltoallv(
            (sent, [a.nbytes for a in arrays]), (received, [a.nbytes for a in made])
        )
        return _cut(received, made)

    def send(self, array: np.ndarray, to: int, tag: int) -> None:
        self._comm.Send(_bytes(array), to, tag)

    def receive(self, array: np.ndarray, source: int | None, tag: int) -> int:
        status = self._mpi.Status()
        anyone = self._mpi.ANY_SOURCE if source is None else source
        self._comm.Recv(_bytes(array), anyone, tag, status)
        return status.Get_source()

    def barrier(self) -> None:
        self._comm.Barrier()

    def split(self, ranks: Sequence[int]) -> MPIGroup | None:
        mine = self.ranks[self._rank]
        color = 0 if mine in ranks else self._mpi.UNDEFINED
        comm = self._comm.Split(color, self._rank)
        return MPIGroup(comm, ranks, self._mpi) if color == 0 else None


def _bytes(array: np.ndarray) -> np.ndarray:
    """The array's memory as bytes: MPI knows neither bfloat16 nor NumPy's bool."""
    return array.reshape(-1).view(np.uint8)


def _cut(everything: np.ndarray, like: list[np.ndarray]) -> list[np.ndarray]:
    """Consecutive bytes as arrays of the dtypes and shapes of `like`."""
    made, start = [], 0
    for array in like:
        part = everything[start : start + array.nbytes]
        made.append(part.view(array.dtype).reshape(array.shape))
        start += array.nbytes
    return made


# Seconds between the last words and the end of the job.
GRACE = 0.2

_hooked = False


def _abort_on_exceptions(mpi: Any) -> None:
    """From now on an uncaught exception, in any thread, prints its traceback and ends all ranks."""
    global _hooked
    if _hooked or mpi.COMM_WORLD.Get_size() == 1:
        return
    _hooked = True
    show = sys.excepthook

    def abort(kind: type[BaseException]) -> None:
        rank = mpi.COMM_WORLD.Get_rank()
        _print(f"flambeau.distributed: {kind.__name__} in rank {rank}; the job ends\n")
        # The launcher drops what it has not passed on when the abort reaches it.
        time.sleep(GRACE)
        mpi.COMM_WORLD.Abort(1)

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        show(kind, error, trace)
        abort(kind)

    def thread_hook(args: Any) -> None:
        if args.exc_type is SystemExit:
            return
        text = traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback)
        name = args.thread.name if args.thread is not None else "unknown"
        _print(f"Exception in thread {name}:\n" + "".join(text))
        abort(args.exc_type)

    sys.excepthook, threading.excepthook = hook, thread_hook


def _print(text: str) -> None:
    """One write, so that the ranks' lines do not mix."""
    sys.stdout.flush()
    sys.stderr.write(text)
    sys.stderr.flush()
