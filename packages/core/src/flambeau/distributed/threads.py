"""Ranks as threads of one process: for tests, for learning, and as the oracle for the other backends.

All ranks of a group meet at one `Meeting`. It knows who is there, for what, and who will never come, so a
program that would hang under MPI fails here at once with a sentence that says why. Values are combined in the
order of the ranks: equal bits on every run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flambeau.distributed import context
from flambeau.distributed.groups import ProcessGroup
from flambeau.distributed.reduction import ReduceOp, combined

__all__ = ["ThreadGroup", "run_threads"]


class RankFailed(RuntimeError):
    """A collective cannot be completed, because of another rank."""


class World:
    """What the threads of one `run_threads` share: which ranks have ended, and the lock of all meetings."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.ended: dict[int, BaseException | None] = {}  # by world rank: what it ended with
        self.meetings: dict[Any, Meeting] = {}
        self.mail: dict[tuple[Any, ...], list[np.ndarray]] = {}

    def end(self, rank: int, error: BaseException | None) -> None:
        """Notes that a rank has returned or failed, and wakes those who wait for it."""
        with self.changed:
            self.ended[rank] = error
            self.changed.notify_all()

    def meeting(self, key: Any, ranks: Sequence[int]) -> Meeting:
        """The meeting of a group, the same for all its members."""
        with self.changed:
            return self.meetings.setdefault(key, Meeting(self, ranks))


class Meeting:
    """Where the ranks of a group exchange values: everybody brings one, everybody gets all."""

    def __init__(self, world: World, ranks: Sequence[int]) -> None:
        self.world = world
        self.ranks = list(ranks)
        self.round = 0
        self.here: dict[int, tuple[str, Any]] = {}
        self.results: dict[
            int, list[Any]
        ] = {}  # by round: what was brought, and how many have yet to take it

    def exchange(self, rank: int, what: str, value: Any, combine: Callable[[list], Any]) -> Any:
        """`combine` of all ranks' values, computed once; `what` must be the same for all."""
        with self.world.changed:
            number = self.round
            self.here[rank] = what, value
            if len(self.here) == len(self.ranks):
                self._complete(combine)
            while number not in self.results:
                self._check_absent(what)
                self.world.changed.wait()
            result = self.results[number]
            result[1] -= 1
            if result[1] == 0:
                del self.results[number]
        if isinstance(result[0], BaseException):
            raise result[0]
        return result[0]

    def _complete(self, combine: Callable[[list], Any]) -> None:
        calls = {i: self.here[i][0] for i in sorted(self.here)}
        made: Any
        if len(set(calls.values())) > 1:
            listed = "; ".join(f"rank {self.ranks[i]}: {call}" for i, call in calls.items())
            made = RankFailed(f"the ranks of a group do not call the same collective: {listed}")
        else:
            try:
                made = combine([self.here[i][1] for i in range(len(self.ranks))])
            except Exception as error:
                made = error
        self.results[self.round] = [made, len(self.ranks)]
        self.round += 1
        self.here = {}
        self.world.changed.notify_all()

    def _check_absent(self, what: str) -> None:
        """RankFailed if somebody who is not here has ended."""
        for i, rank in enumerate(self.ranks):
            if i not in self.here and rank in self.world.ended:
                raise _never_came(rank, self.world.ended[rank], what)


def _never_came(rank: int, error: BaseException | None, what: str) -> RankFailed:
    how = "returned" if error is None else f"failed with {type(error).__name__}: {error}"
    return RankFailed(f"{what} waits for rank {rank}, which has {how}")


class ThreadGroup(ProcessGroup):
    """A group of ranks that are threads."""

    backend = "threads"

    def __init__(self, world: World, ranks: Sequence[int], rank: int, key: Any) -> None:
        super().__init__(ranks, rank)
        self._world = world
        self._key = key
        self._meeting = world.meeting(key, ranks)
        self._splits = 0

    def _exchange(self, what: str, value: Any, combine: Callable[[list], Any] = list) -> Any:
        return self._meeting.exchange(self._rank, what, value, combine)

    def allreduce(self, array: np.ndarray, op: ReduceOp) -> None:
        what = f"all_reduce {op.name} of {_described(array)}"
        array[...] = self._exchange(what, array.copy(), lambda arrays: combined(arrays, op))

    def broadcast(self, array: np.ndarray, root: int) -> None:
        value = array.copy() if self._rank == root else None
        what = f"broadcast of {_described(array)} from rank {self.ranks[root]}"
        array[...] = self._exchange(what, value, lambda values: values[root])

    def allgather(self, array: np.ndarray) -> list[np.ndarray]:
        return [a.copy() for a in self._exchange("all_gather", array.copy())]

    def alltoall(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        sent = self._exchange("all_to_all", [a.copy() for a in arrays])
        return [row[self._rank] for row in sent]

    def barrier(self) -> None:
        self._exchange("barrier", None)

    def send(self, array: np.ndarray, to: int, tag: int) -> None:
        with self._world.changed:
            self._world.mail.setdefault((self._key, to, tag, self._rank), []).append(array)
            self._world.changed.notify_all()

    def receive(self, array: np.ndarray, source: int | None, tag: int) -> int:
        sources = range(self.size()) if source is None else [source]
        with self._world.changed:
            while True:
                for sender in sources:
                    box = self._world.mail.get((self._key, self._rank, tag, sender))
                    if box:
                        array[...] = box.pop(0)
                        return sender
                self._check_senders(sources)
                self._world.changed.wait()

    def _check_senders(self, sources: Sequence[int]) -> None:
        ended = [self.ranks[i] for i in sources if self.ranks[i] in self._world.ended]
        if len(ended) == len([i for i in sources if i != self._rank]):
            raise _never_came(ended[0], self._world.ended[ended[0]], "recv")

    def split(self, ranks: Sequence[int]) -> ThreadGroup | None:
        self._splits += 1
        self.barrier()
        mine = self.ranks[self._rank]
        if mine not in ranks:
            return None
        key = (self._key, self._splits, tuple(ranks))
        return ThreadGroup(self._world, ranks, list(ranks).index(mine), key)


def run_threads(function: Callable[..., Any], world_size: int, *args: Any) -> list[Any]:
    """Runs `function(*args)` as `world_size` ranks in threads, and returns what each returned.

    Inside, `flambeau.distributed` works as under ``mpiexec``, with the default group joined. The first
    exception of a rank is raised here, once all have ended; ranks that wait for it are told. The ranks share
    the default random generator: give each one of its own, or seed before.

    >>> from flambeau import distributed
    >>> run_threads(lambda: (distributed.get_rank(), distributed.get_world_size()), 2)
    [(0, 2), (1, 2)]
    """
    if world_size < 1:
        raise ValueError(f"run_threads: world_size={world_size}; expected 1 or more")
    world = World()
    results: list[Any] = [None] * world_size
    failures: list[BaseException] = []

    def run(rank: int) -> None:
        mine = context.RankContext()
        context.enter(mine)
        mine.world = ThreadGroup(world, range(world_size), rank, "world")
        mine.groups = [mine.world]
        error: BaseException | None = None
        try:
            results[rank] = function(*args)
        except BaseException as raised:
            error = raised
            failures.append(raised)
        finally:
            world.end(rank, error)
            for group in mine.groups:
                group.close()

    threads = [
        threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(world_size)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise next((f for f in failures if not isinstance(f, RankFailed)), failures[0])
    return results


def _described(array: np.ndarray) -> str:
    return f"{array.dtype.name}{list(array.shape)}"
