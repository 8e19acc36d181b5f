"""The iterator of a `DataLoader` with worker processes.

Tasks are dealt to the workers in turn, `prefetch_factor` of them ahead for each. Each worker has a pipe of
its own in both directions, so that one that is killed while it writes harms no other. Results come in the
order of the tasks, or with `in_order=False` as they are ready. A worker that dies is seen at once.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import selectors
import signal
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from flambeau.utils.data.fetch import fetcher
from flambeau.utils.data.sampler import draw_seed
from flambeau.utils.data.shared import Receiver, Sender, SharedFile
from flambeau.utils.data.worker import END, ERROR, RESULT, RESUME, RESUME_NUMBER, WorkerTask, run

if TYPE_CHECKING:
    from flambeau.utils.data.dataloader import DataLoader

__all__ = ["MultiProcessIterator"]

# How long a worker may take to end by itself, in the middle of a batch, before it is ended.
PATIENCE = 5.0


class _Worker:
    """One process with its two pipes and its memory."""

    def __init__(
        self, context: Any, make: Callable[..., WorkerTask], in_flight: int, forked: list[Any]
    ) -> None:
        their_tasks, self.tasks = context.Pipe(duplex=False)
        results, their_results = context.Pipe(duplex=False)
        file = SharedFile()
        self.receiver = Receiver(results, file)
        self.waiting = 0  # tasks sent and not answered
        self.active = True  # takes more tasks in this pass
        # A forked child holds copies of all our ends of pipes; as long as it did, no worker would see ours close.
        forked += (self.tasks, results)
        task = make(
            tasks=their_tasks,
            sender=Sender(their_results, file, in_flight),
            to_close=tuple(forked) if context.get_start_method() == "fork" else (),
        )
        self.process = context.Process(target=run, args=(task,), daemon=True)
        try:
            self.process.start()
        finally:
            their_tasks.close()
            their_results.close()

    def send(self, number: int, indices: Any) -> None:
        """Gives the worker a task, and back the memory that is free again."""
        try:
            self.tasks.send((number, indices, self.receiver.take_returned()))
        except (BrokenPipeError, ConnectionResetError):
            self.report_death()

    def receive(self) -> tuple[int, int, Any]:
        """The worker's next answer."""
        try:
            return self.receiver.receive()
        except (EOFError, ConnectionResetError):
            self.report_death()

    def report_death(self) -> NoReturn:
        """RuntimeError that says how the process ended."""
        self.process.join(PATIENCE)
        code = self.process.exitcode
        who = f"DataLoader worker (pid {self.process.pid})"
        if code is not None and code < 0:
            raise RuntimeError(f"{who} is killed by signal: {signal.strsignal(-code)}. ")
        raise RuntimeError(f"{who} exited unexpectedly with exit code {code}")

    def close(self) -> None:
        """Lets the process see that nobody is there any more."""
        if self.tasks.closed:
            return
        # Closing is not enough where a process forked since holds a copy of the pipe's end. The farewell
        # must not wait: should the pipe be full, the worker is found out when it is joined.
        os.set_blocking(self.tasks.fileno(), False)
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            self.tasks.send(None)
        self.tasks.close()
        self.receiver.pipe.close()


class MultiProcessIterator:
    """One pass over the data, or with persistent workers one after another."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()
        # Not `__del__`: in a cycle of garbage the pipes would be finalized first, and their numbers be others'.
        self._shutdown = weakref.finalize(
            self, _shut_down, self._workers, self._selector, os.getpid()
        )
        self._num_workers = loader.num_workers
        self._in_order = loader.in_order
        self._timeout = loader.timeout
        self._persistent = loader.persistent_workers
        self._index_sampler = loader._index_sampler
        self._ahead = int(loader.prefetch_factor or 0)
        if self._ahead <= 0:
            raise AssertionError("prefetch_factor must be greater than 0 for MultiProcessIterator")
        self._begin_pass()
        self._base_seed = draw_seed(loader.generator)
        self._start(loader)
        self._fill()

    def _start(self, loader: DataLoader[Any]) -> None:
        context = loader.multiprocessing_context or multiprocessing.get_context()
        make_fetch = partial(
            _fetcher_of, loader._auto_collation, loader.collate_fn, loader.drop_last
        )
        forked: list[Any] = []
        try:
            for i in range(self._num_workers):
                make = partial(
                    WorkerTask,
                    id=i,
                    num_workers=self._num_workers,
                    base_seed=self._base_seed,
                    dataset=loader.dataset,
                    make_fetch=make_fetch,
                    init_fn=loader.worker_init_fn,
                )
                worker = _Worker(context, make, self._ahead, forked)
                self._workers.append(worker)
                self._selector.register(worker.receiver.pipe, selectors.EVENT_READ, worker)
                self._selector.register(worker.process.sentinel, selectors.EVENT_READ, worker)
        except BaseException:
            self._shutdown()
            raise

    def _begin_pass(self) -> None:
        self._indices: Iterator[Any] = iter(self._index_sampler)
        self._next_sent = 0  # number of the next task
        self._next_due = 0  # number of the next batch to hand out
        self._owners: dict[int, _Worker] = {}  # of the tasks that are not handed out
        self._early: dict[int, tuple[int, Any]] = {}  # answers that came before their turn
        self._turn = 0

    def restart(self) -> None:
        """Begins another pass with the same workers."""
        pending = list(self._workers)
        for worker in pending:
            worker.send(RESUME_NUMBER, None)
        for worker in pending:
            # What is left of a pass that was broken off comes first.
            while worker.receive()[1] != RESUME:
                pass
            worker.waiting, worker.active = 0, True
        self._begin_pass()
        self._fill()

    # -- dealing out

    def _fill(self) -> None:
        for _ in range(self._ahead * self._num_workers):
            self._deal()

    def _deal(self) -> None:
        """Gives the next task to the next worker that takes it; nothing if there is no task or no worker."""
        try:
            indices = next(self._indices)
        except StopIteration:
            return
        worker = self._next_worker()
        if worker is None:
            return
        number = self._next_sent
        self._next_sent += 1
        self._owners[number] = worker
        worker.waiting += 1
        worker.send(number, indices)

    def _next_worker(self) -> _Worker | None:
        active = sum(worker.active for worker in self._workers)
        for _ in range(self._num_workers):
            worker = self._workers[self._turn]
            self._turn = (self._turn + 1) % self._num_workers
            # Out of order, a slow worker must not collect more than its share of the tasks.
            share = self._ahead * self._num_workers // max(active, 1)
            if worker.active and (self._in_order or worker.waiting < share):
                return worker
        return None

    # -- taking in

    def __iter__(self) -> MultiProcessIterator:
        return self

    def __next__(self) -> Any:
        while True:
            while self._next_due < self._next_sent and self._next_due not in self._owners:
                self._next_due += 1  # handed out already, or the stream ended before it
            if self._next_due == self._next_sent:
                if not self._persistent:
                    self._shutdown()
                raise StopIteration
            number = self._next_due
            if number in self._early:
                return self._handed_out(number, *self._early.pop(number))
            number, kind, content = self._received(self._owners[number])
            if kind == END:
                self._stream_ended(number)
            elif number == self._next_due or not self._in_order:
                return self._handed_out(number, kind, content)
            else:
                self._early[number] = kind, content

    def _received(self, due: _Worker) -> tuple[int, int, Any]:
        """The next answer: of the worker whose turn it is, or of any when order does not matter."""
        deadline = time.monotonic() + self._timeout if self._timeout > 0 else None
        while True:
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            ready = self._selector.select(left)
            if not ready:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
            readable = [key.data for key, _ in ready if key.fileobj is key.data.receiver.pipe]
            wanted = due if self._in_order else next(iter(readable), None)
            if wanted in readable:
                return wanted.receive()  # type: ignore[union-attr]
            self._check_deaths(ready)
            if readable:
                return readable[0].receive()

    def _check_deaths(self, ready: list[Any]) -> None:
        """RuntimeError if a process ended that should not have."""
        for key, _ in ready:
            if key.fileobj is not key.data.receiver.pipe:
                key.data.report_death()

    def _stream_ended(self, number: int) -> None:
        """A worker's part of an iterable dataset is over: its other tasks have no answer."""
        worker = self._owners[number]
        worker.active = False
        worker.waiting = 0
        for lost in [n for n, owner in self._owners.items() if owner is worker and n >= number]:
            if lost not in self._early:
                del self._owners[lost]
        if not self._persistent:
            self._selector.unregister(worker.receiver.pipe)
            self._selector.unregister(worker.process.sentinel)
            worker.close()
        self._deal()

    def _handed_out(self, number: int, kind: int, content: Any) -> Any:
        worker = self._owners.pop(number)
        worker.waiting -= 1
        self._deal()
        if kind == ERROR:
            cls, name, text = content
            _reraise(cls, name, text, self._workers.index(worker))
        assert kind == RESULT
        return content

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled")


def _shut_down(workers: list[_Worker], selector: selectors.BaseSelector, owner: int) -> None:
    """Ends the workers: they see their pipes close; one that is long in a batch is terminated."""
    if os.getpid() != owner:
        return  # in a copy of the process, forked meanwhile
    selector.close()
    for worker in workers:
        worker.close()
    deadline = time.monotonic() + PATIENCE
    for worker in workers:
        worker.process.join(max(deadline - time.monotonic(), 0))
        if worker.process.is_alive():
            worker.process.terminate()
            worker.process.join()


def _fetcher_of(batched: bool, collate_fn: Any, drop_last: bool, dataset: Any) -> Any:
    return fetcher(dataset, batched, collate_fn, drop_last)


class _Text(str):
    """A text that KeyError, which shows its argument's repr, prints with its line breaks."""

    def __repr__(self) -> str:
        return str(self)


def _reraise(pickled: bytes | None, name: str, traceback: str, worker: int) -> NoReturn:
    """The worker's exception here, with its traceback in the message; RuntimeError if it cannot be made."""
    text: Any = f"Caught {name} in DataLoader worker process {worker}.\nOriginal {traceback}"
    if name == "KeyError":
        text = _Text(text)
    try:
        error = pickle.loads(pickled or b"")(text)  # noqa: S301  (our own worker wrote it)
    except Exception:
        # The class is not to be found here, or its constructor wants other arguments.
        raise RuntimeError(text) from None
    raise error
