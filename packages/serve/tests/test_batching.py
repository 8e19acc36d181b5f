"""The queue: requests are joined only where it changes nothing but the number of runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

import numpy as np
import pytest

from flambeau_serve import Model, TensorSpec
from flambeau_serve.batching import Answer, Batcher
from flambeau_serve.metrics import Metrics

Arrays = dict[str, np.ndarray]
SPECS = {
    "inputs": [TensorSpec("x", "INT64", (-1, -1))],
    "outputs": [TensorSpec("y", "INT64", (-1,))],
}


class Recorder:
    """Row sums; holds the first run until every request is queued, and notes the size of each run."""

    def __init__(self, waiting: int) -> None:
        self.runs: list[int] = []
        self.entered = threading.Event()
        self._queued = threading.Semaphore(0)
        self._waiting = waiting

    def queued(self) -> None:
        self._queued.release()

    def __call__(self, arrays: Arrays) -> Arrays:
        if not self.runs:
            self.entered.set()
            for _ in range(self._waiting):
                assert self._queued.acquire(timeout=20)
        self.runs.append(len(arrays["x"]))
        return self.answer(arrays["x"])

    def answer(self, x: np.ndarray) -> Arrays:
        return {"y": x.sum(1)}


async def run_all(
    recorder: Recorder, requests: list[Arrays], max_batch: int, metrics: Metrics | None = None
) -> list[Answer | BaseException]:
    """Submit the requests in order, the first of which runs alone, and gather their answers."""
    batcher = Batcher(Model(recorder, **SPECS), max_batch=max_batch, metrics=metrics or Metrics())
    batcher.start()

    async def submit(arrays: Mapping[str, np.ndarray]) -> Answer:
        answer = asyncio.ensure_future(batcher.submit(arrays))
        await asyncio.sleep(0)  # submit has run up to its wait
        recorder.queued()
        return await answer

    try:
        first = asyncio.ensure_future(submit(requests[0]))
        await asyncio.to_thread(recorder.entered.wait, 20)
        rest = map(submit, requests[1:])
        return await asyncio.gather(first, *rest, return_exceptions=True)
    finally:
        batcher.close()


def rows(*counts: int) -> list[Arrays]:
    return [{"x": np.full((count, 2), index)} for index, count in enumerate(counts)]


def check(answers: list[Answer | BaseException], requests: list[Arrays]) -> None:
    for answer, request in zip(answers, requests, strict=True):
        assert isinstance(answer, Answer)
        np.testing.assert_array_equal(answer.outputs["y"], request["x"].sum(1))


@pytest.mark.parametrize(
    "max_batch, runs",
    [(1, [1, 1, 2, 1, 3, 4]), (4, [1, 4, 3, 4]), (64, [1, 11]), (3, [1, 3, 1, 3, 4])],
)
def test_waiting_requests_are_joined(max_batch: int, runs: list[int]) -> None:
    requests = rows(1, 1, 2, 1, 3, 4)
    recorder = Recorder(len(requests))
    metrics = Metrics()
    check(asyncio.run(run_all(recorder, requests, max_batch, metrics)), requests)
    assert recorder.runs == runs
    assert metrics.total("flambeau_batches_total") == len(runs)
    assert metrics.total("flambeau_batched_requests_total") == len(requests)


def test_only_equal_shapes_are_joined() -> None:
    requests = [{"x": np.full((1, width), width)} for width in (1, 2, 2, 3, 2)]
    recorder = Recorder(len(requests))
    check(asyncio.run(run_all(recorder, requests, 64)), requests)
    assert recorder.runs == [1, 2, 1, 1]


def test_a_bad_request_spoils_no_other() -> None:
    class Picky(Recorder):
        def answer(self, x: np.ndarray) -> Arrays:
            if (x == 2).any():
                raise ValueError("two")
            return super().answer(x)

    requests = rows(1, 1, 1, 1)
    answers = asyncio.run(run_all(Picky(4), requests, 8))
    assert isinstance(answers.pop(2), ValueError)
    requests.pop(2)
    check(answers, requests)


def test_a_model_that_mixes_rows_is_found_out() -> None:
    class Mean(Recorder):
        def answer(self, x: np.ndarray) -> Arrays:
            return {"y": x.sum((0, 1))[None]}

    recorder = Mean(5)
    answers = asyncio.run(run_all(recorder, rows(1, 1, 1, 1, 1), 2))
    assert [answer.outputs["y"].tolist() for answer in answers] == [[0], [2], [4], [6], [8]]
    assert recorder.runs == [1, 2, 1, 1, 1, 1]  # joined once, then never again


def test_models_with_fixed_sizes_are_never_joined() -> None:
    recorder = Recorder(3)
    model = Model(recorder, inputs=[TensorSpec("x", "INT64", (1, 2))])
    assert not model.batched
    assert Batcher(model, max_batch=8, metrics=Metrics())._max_batch == 1


def test_a_request_that_was_given_up_is_not_run() -> None:
    async def scenario() -> list[int]:
        recorder = Recorder(1)
        batcher = Batcher(Model(recorder, **SPECS), max_batch=1, metrics=Metrics())
        batcher.start()
        first, second, third = (
            asyncio.ensure_future(batcher.submit(arrays)) for arrays in rows(1, 2, 3)
        )
        await asyncio.sleep(0)
        second.cancel()
        recorder.queued()
        await asyncio.gather(first, third)
        batcher.close()
        return recorder.runs

    assert asyncio.run(scenario()) == [1, 3]
