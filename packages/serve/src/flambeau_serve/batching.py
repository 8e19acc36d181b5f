"""The queue in front of the model: one thread that runs it, joining waiting requests where that is allowed.

The event loop never waits for a model, and a model never meets two threads. Joining costs no latency: only what is
already waiting when the model becomes free is taken together, up to `max_batch` rows. If a joined run fails, its
requests run again one by one, so that a bad one spoils no other. The thread is a daemon: a model that never returns
cannot keep a process from ending.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .datatypes import Array
from .errors import ServeError
from .metrics import Metrics
from .model import Model

logger = logging.getLogger("flambeau_serve")


@dataclass(slots=True)
class Answer:
    """Outputs of one request, and how long the model ran for it and those joined with it."""

    outputs: dict[str, Array]
    seconds: float


@dataclass(slots=True)
class _Job:
    arrays: dict[str, Array]
    rows: int
    key: tuple[Any, ...] | None
    """Jobs with equal keys may be joined; None stays alone."""
    future: asyncio.Future[Answer]
    loop: asyncio.AbstractEventLoop


class Batcher:
    """Runs `model` in a thread of its own; `await submit(arrays)` gives an `Answer` or raises what the model did."""

    def __init__(self, model: Model, *, max_batch: int = 1, metrics: Metrics) -> None:
        self._model = model
        self._max_batch = max_batch if model.batched else 1
        self._metrics = metrics
        self._jobs: deque[_Job] = deque()
        self._waiting: set[asyncio.Future[Answer]] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="flambeau-serve-model", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Let the thread end once what it runs is done."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    async def submit(self, arrays: Mapping[str, Array]) -> Answer:
        """Queue one request and wait for its answer."""
        loop = asyncio.get_running_loop()
        job = _Job(
            dict(arrays), *_rows_and_key(arrays, self._max_batch), loop.create_future(), loop
        )
        self._waiting.add(job.future)
        job.future.add_done_callback(self._waiting.discard)
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()
        return await job.future

    def give_up(self) -> None:
        """Answer everyone who waits with 503, whatever the model is doing; called in the event loop."""
        for future in list(self._waiting):
            future.set_exception(ServeError("the server stopped before the answer", status=503))

    def _run(self) -> None:
        while (jobs := self._take()) is not None:
            self._serve(jobs)

    def _take(self) -> list[_Job] | None:
        """The next jobs to run together; None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            if self._closed:
                return None
            jobs = [self._jobs.popleft()]
            rows = jobs[0].rows
            while self._jobs and self._fits(jobs[0], self._jobs[0], rows):
                rows += self._jobs[0].rows
                jobs.append(self._jobs.popleft())
            return jobs

    def _fits(self, first: _Job, job: _Job, rows: int) -> bool:
        return first.key is not None and job.key == first.key and rows + job.rows <= self._max_batch

    def _serve(self, jobs: list[_Job]) -> None:
        jobs = [job for job in jobs if not job.future.done()]
        if len(jobs) > 1 and self._serve_joined(jobs):
            return
        for job in jobs:
            try:
                _settle(job, self._predict(job.arrays, 1))
            except (
                BaseException
            ) as error:  # even SystemExit is the requester's to hear, or all would hang
                _settle(job, error)

    def _serve_joined(self, jobs: list[_Job]) -> bool:
        """Run the jobs as one; False where they have to run alone."""
        try:
            joined = {
                name: np.concatenate([job.arrays[name] for job in jobs]) for name in jobs[0].arrays
            }
            answer = self._predict(joined, len(jobs))
        except Exception:
            logger.info("%d joined requests failed; running them one by one", len(jobs))
            return False
        if not _has_rows(answer.outputs, sum(job.rows for job in jobs)):
            self._max_batch = 1
            logger.warning(
                "model %r does not give one row for each row it takes; requests are no longer joined",
                self._model.name,
            )
            return False
        start = 0
        for job in jobs:
            rows = slice(start, start + job.rows)
            start += job.rows
            outputs = {name: array[rows] for name, array in answer.outputs.items()}
            _settle(job, Answer(outputs, answer.seconds))
        return True

    def _predict(self, arrays: dict[str, Array], requests: int) -> Answer:
        started = time.perf_counter()
        outputs = self._model.predict(arrays)
        seconds = time.perf_counter() - started
        self._metrics.add("flambeau_predict_seconds_total", seconds)
        self._metrics.add("flambeau_batches_total")
        self._metrics.add("flambeau_batched_requests_total", requests)
        return Answer(outputs, seconds)


def _rows_and_key(
    arrays: Mapping[str, Array], max_batch: int
) -> tuple[int, tuple[Any, ...] | None]:
    """How many rows a request has, and what it may be joined with."""
    if max_batch == 1:
        return 1, None
    sizes = {array.shape[0] for array in arrays.values()}
    if len(sizes) != 1:
        return 1, None
    key = tuple((name, arrays[name].dtype, arrays[name].shape[1:]) for name in sorted(arrays))
    return sizes.pop(), key


def _has_rows(outputs: Mapping[str, Array], rows: int) -> bool:
    return all(array.ndim > 0 and array.shape[0] == rows for array in outputs.values())


def _settle(job: _Job, result: Answer | BaseException) -> None:
    """Hand the result to the event loop that waits for it."""
    try:
        job.loop.call_soon_threadsafe(_resolve, job.future, result)
    except RuntimeError:  # the loop is closed: the server gave up waiting and nobody listens
        logger.warning("an answer came after the server had stopped")


def _resolve(future: asyncio.Future[Answer], result: Answer | BaseException) -> None:
    if future.done():  # the client left, or the server gave up
        return
    if isinstance(result, Answer):
        future.set_result(result)
    elif isinstance(result, Exception):
        future.set_exception(result)
    else:  # asyncio lets SystemExit and KeyboardInterrupt end the loop: wrap them
        future.set_exception(ServeError(f"the model raised {result!r}"))
