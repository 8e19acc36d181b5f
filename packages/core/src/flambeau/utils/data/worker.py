"""What runs in a worker process of a `DataLoader`: seeds, the loop, and `get_worker_info`.

A worker must end when its loader does, however that happens: it sees the end of the pipe that its tasks come
through. It must never block for ever in sending: results are kept small enough for the pipe (see `shared.py`).
"""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from flambeau.utils.data.shared import Sender

__all__ = ["END", "ERROR", "RESULT", "RESUME", "WorkerInfo", "WorkerTask", "get_worker_info", "run"]

# What a message of a worker is: a batch, the text of an exception, the end of its stream, or "ready again".
RESULT, ERROR, END, RESUME = range(4)
# The number of the message that starts another pass of persistent workers.
RESUME_NUMBER = -1
# Seconds between looks whether the main process is still there.
LOOK_AROUND = 5.0


class WorkerInfo(NamedTuple):
    """What a worker process knows of itself; see `get_worker_info`."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker process its number, how many there are, its seed and its dataset; None elsewhere.

    >>> get_worker_info() is None
    True
    """
    return _info


class WorkerTask(NamedTuple):
    """All that a worker needs; it must be picklable where workers are spawned."""

    id: int
    num_workers: int
    base_seed: int
    dataset: Any
    make_fetch: Callable[[Any], Callable[[Any], Any]]
    init_fn: Callable[[int], None] | None
    tasks: Connection
    sender: Sender
    to_close: tuple[Any, ...]


def run(task: WorkerTask) -> None:
    """The life of a worker process."""
    import signal

    # Ctrl-C reaches the whole group of processes; the main process answers it and ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for inherited in task.to_close:
        inherited.close()
    _seed(task)
    try:
        _serve(task)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the loader is gone


def _seed(task: WorkerTask) -> None:
    """Seeds Python's, NumPy's and our random numbers, as PyTorch does: differently in each worker."""
    global _info
    import numpy as np

    import flambeau

    seed = task.base_seed + task.id
    random.seed(seed)
    flambeau.manual_seed(seed)
    words = [task.id, task.base_seed & 0xFFFFFFFF, task.base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(words).generate_state(4))
    _info = WorkerInfo(task.id, task.num_workers, seed, task.dataset)


def _serve(task: WorkerTask) -> None:
    """Answers one task after another until there are no more."""
    fetch, failure = _begun(task)
    ended = False
    while (order := _next_task(task.tasks)) is not None:
        number, indices, returned = order
        task.sender.take_back(returned)
        if number == RESUME_NUMBER:
            fetch, failure = _begun(task, again=True)
            ended = False
            task.sender.send(number, RESUME, None)
        elif failure is not None:
            task.sender.send(number, ERROR, failure)
            failure = None
        elif not ended:
            ended = _answer(task.sender, number, fetch, indices)


def _next_task(tasks: Connection) -> Any:
    """The next task, or None if the main process is gone.

    Its end of the pipe may have been copied into processes that it forked later, so its death alone need not
    end the pipe: look whether we were adopted.
    """
    parent = os.getppid()
    while not tasks.poll(LOOK_AROUND):
        if os.getppid() != parent:
            return None
    return tasks.recv()


def _begun(task: WorkerTask, again: bool = False) -> tuple[Any, Any]:
    """The function that fetches batches; or the failure of `init_fn` or of the dataset to begin."""
    try:
        if task.init_fn is not None and not again:
            task.init_fn(task.id)
        return task.make_fetch(task.dataset), None
    except Exception as error:
        return None, described(error)


def _answer(sender: Sender, number: int, fetch: Callable[[Any], Any], indices: Any) -> bool:
    """Fetches one batch and sends it, or the exception; True at the end of an iterable dataset."""
    from flambeau.utils.data.fetch import Stream

    try:
        kind, message = RESULT, sender.packed(fetch(indices))
    except StopIteration as error:
        ended = isinstance(fetch, Stream)
        kind, message = (
            (END, sender.packed(None)) if ended else (ERROR, sender.packed(described(error)))
        )
    except Exception as error:
        kind, message = ERROR, sender.packed(described(error))
    sender.post(number, kind, message)
    return kind == END


def described(error: BaseException) -> tuple[bytes | None, str, str]:
    """An exception as its pickled class (None if that is local to a function), its name and its traceback.

    The exception itself may hold what cannot be pickled, or refuse to be made again from it.
    """
    import traceback

    cls = type(error)
    try:
        pickled = pickle.dumps(cls)
    except (pickle.PicklingError, AttributeError, TypeError):
        pickled = None
    return pickled, cls.__name__, "".join(traceback.format_exception(error))
