"""The loader with worker processes: equal results, seeds, shared memory, failures, the end."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import flambeau
from flambeau.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info

# From Python 3.12 on forking beside the threads of a BLAS is warned of; the worker uses none of them.
pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)


class Numbers(Dataset):
    """Rows filled with their index; one index may be made to fail in some way."""

    def __init__(self, n: int = 24, bad: int = -1, how=None) -> None:
        self.n, self.bad, self.how = n, bad, how

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int):
        if index == self.bad:
            self.how()
        return np.full((20, 30), index, np.float32), index


class Share(IterableDataset):
    """Every worker gives its own part of a range."""

    def __iter__(self):
        info = get_worker_info()
        return iter(range(info.id, 20 + 10 * info.id, info.num_workers))


class Seeds(Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int):
        import random

        info = get_worker_info()
        assert info.dataset is self
        return info.id, info.seed, random.random(), flambeau.rand(1).item(), np.random.rand()


def complain() -> None:
    raise ValueError("this item is bad")


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    os._exit(3)


def indices(loader) -> list:
    out = []
    for x, y in loader:
        assert x.shape[1:] == (20, 30)
        assert x[:, 3, 4].tolist() == y.tolist(), "memory of another batch"
        out += y.tolist()
    return out


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_equal_those_of_one_process(workers):
    data = TensorDataset(flambeau.rand(50, 40), flambeau.arange(50))

    def make(n):
        generator = flambeau.Generator().manual_seed(2)
        return DataLoader(data, 8, shuffle=True, num_workers=n, generator=generator)

    for (x, y), (u, v) in zip(make(0), make(workers), strict=True):
        assert y.tolist() == v.tolist()
        assert x.tolist() == u.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_other_ways_to_start_processes(context):
    assert indices(
        DataLoader(Numbers(), 5, num_workers=2, multiprocessing_context=context)
    ) == list(range(24))


def test_out_of_order_gives_the_same_batches_in_some_order():
    assert sorted(indices(DataLoader(Numbers(), 5, num_workers=2, in_order=False))) == list(
        range(24)
    )


def test_batches_that_are_kept_keep_their_memory():
    kept = list(DataLoader(Numbers(), 2, num_workers=2))
    gc.collect()
    assert [x[0, 0, 0].item() for x, _ in kept] == list(range(0, 24, 2))


def test_memory_is_used_again():
    loader = DataLoader(Numbers(400), 2, num_workers=1, persistent_workers=True)
    for _ in loader:
        pass
    slots = loader._iterator._workers[0].receiver.slots
    assert len(slots) <= 5, "200 batches, of which at most four live at once"


def test_batches_may_be_changed_in_place():
    for x, y in DataLoader(Numbers(8), 2, num_workers=1):
        x += 1
        assert x[0, 0, 0].item() == y[0].item() + 1


def test_every_kind_of_batch_arrives():
    samples = [
        {
            "half": flambeau.ones(700, dtype=flambeau.bfloat16),
            "name": "a",
            "list": [1, None],
            "empty": np.zeros((0, 3)),
        },
        flambeau.nn.Parameter(flambeau.arange(600.0)),
        flambeau.arange(600.0).reshape(20, 30).T,
        "x" * 100_000,
        [flambeau.zeros(2, 3)] * 3,
    ]
    got = list(
        DataLoader(samples, batch_size=None, num_workers=1, collate_fn=lambda sample: sample)
    )
    assert got[0]["half"].dtype is flambeau.bfloat16
    assert got[0]["half"].float().sum().item() == 700
    assert got[0]["list"] == [1, None]
    assert got[0]["empty"].shape == (0, 3)
    assert isinstance(got[1], flambeau.nn.Parameter)
    assert got[1].requires_grad
    assert got[2].tolist() == samples[2].tolist()
    assert got[3] == samples[3]
    assert got[4][2].tolist() == [[0.0] * 3] * 2


def test_streams_are_read_by_turns():
    batches = [b.tolist() for b in DataLoader(Share(), 4, num_workers=2)]
    assert batches[:4] == [[0, 2, 4, 6], [1, 3, 5, 7], [8, 10, 12, 14], [9, 11, 13, 15]]
    assert sorted(i for batch in batches for i in batch) == sorted(
        [*range(0, 20, 2), *range(1, 30, 2)]
    )


def test_persistent_workers_stay_and_begin_anew():
    loader = DataLoader(Numbers(), 5, num_workers=2, persistent_workers=True)
    assert indices(loader) == list(range(24))
    processes = [worker.process.pid for worker in loader._iterator._workers]
    for _ in loader:
        break  # a pass broken off leaves batches on their way
    assert indices(loader) == list(range(24))
    assert [worker.process.pid for worker in loader._iterator._workers] == processes
    streams = DataLoader(Share(), 4, num_workers=2, persistent_workers=True)
    assert len({str([b.tolist() for b in streams]) for _ in range(3)}) == 1


def test_workers_are_seeded_differently_and_reproducibly():
    def rows():
        generator = flambeau.Generator().manual_seed(7)
        loader = DataLoader(
            Seeds(), batch_size=None, num_workers=2, generator=generator, collate_fn=tuple
        )
        return list(loader)

    first = rows()
    assert [row[0] for row in first] == [0, 1, 0, 1]
    assert first[1][1] == first[0][1] + 1
    for column in range(2, 5):
        assert first[0][column] != first[1][column]
    assert rows() == first
    assert get_worker_info() is None


def test_worker_init_fn_runs_in_each_worker():
    def mark(worker_id: int) -> None:
        get_worker_info().dataset.n = 100 + worker_id

    class Tell(Dataset):
        n = 0

        def __len__(self):
            return 2

        def __getitem__(self, index):
            return self.n

    assert list(DataLoader(Tell(), batch_size=None, num_workers=2, worker_init_fn=mark)) == [
        100,
        101,
    ]


def test_an_exception_comes_with_the_workers_traceback():
    loader = DataLoader(Numbers(bad=7, how=complain), 4, num_workers=2)
    with pytest.raises(
        ValueError, match="Caught ValueError in DataLoader worker process 1"
    ) as caught:
        list(loader)
    text = str(caught.value)
    assert "this item is bad" in text
    assert "in complain" in text


def test_a_pass_goes_on_after_an_exception():
    iterator = iter(DataLoader(Numbers(bad=7, how=complain), 4, num_workers=2))
    seen = []
    for _ in range(6):
        try:
            seen.append(next(iterator)[1][0].item())
        except ValueError:
            seen.append("failed")
    assert seen == [0, "failed", 8, 12, 16, 20]


def test_an_exception_that_cannot_be_made_again_is_a_runtime_error():
    class Odd(Exception):
        def __init__(self, a, b):
            super().__init__(a)

    def odd():
        raise Odd(1, 2)

    with pytest.raises(RuntimeError, match="Caught Odd in DataLoader worker process 0"):
        list(DataLoader(Numbers(bad=0, how=odd), 4, num_workers=1))


def test_a_key_error_keeps_its_line_breaks():
    with pytest.raises(KeyError) as caught:
        list(DataLoader(Numbers(bad=0, how=lambda: {}["lost"]), 4, num_workers=1))
    assert "\nOriginal Traceback" in str(caught.value)


def test_a_failing_worker_init_fn_is_reported():
    def fail(worker_id: int) -> None:
        raise OSError("no such disk")

    with pytest.raises(OSError, match="no such disk"):
        list(DataLoader(Numbers(), 4, num_workers=1, worker_init_fn=fail))


def test_what_cannot_be_pickled_is_reported():
    with pytest.raises(Exception, match=r"(?i)pickle.*lambda|lambda.*pickle"):
        list(DataLoader(Numbers(), 4, num_workers=1, collate_fn=lambda batch: lambda: None))


def test_tensors_with_a_history_are_refused():
    def collate(batch):
        return flambeau.ones(2, requires_grad=True) * 2

    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        list(DataLoader(Numbers(), 4, num_workers=1, collate_fn=collate))


@pytest.mark.parametrize(
    "how, text",
    [(kill, r"DataLoader worker \(pid \d+\) is killed by signal: Killed"), (leave, "exit code 3")],
)
def test_a_worker_that_dies_is_reported_at_once(how, text):
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=text):
        list(DataLoader(Numbers(bad=9, how=how), 4, num_workers=2))
    assert time.monotonic() - began < 3


@pytest.mark.slow
def test_a_slow_batch_runs_into_the_timeout():
    loader = DataLoader(Numbers(bad=0, how=lambda: time.sleep(1)), 4, num_workers=1, timeout=0.2)
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0\.2 seconds"):
        list(loader)


def test_no_process_outlives_its_pass():
    iterator = iter(DataLoader(Numbers(), 4, num_workers=2))
    next(iterator)
    processes = [worker.process for worker in iterator._batches._workers]
    assert all(process.is_alive() for process in processes)
    del iterator
    gc.collect()
    assert not any(process.is_alive() for process in processes)


def test_index_lists_and_results_larger_than_a_pipe_do_not_block():
    loader = DataLoader(range(400_000), 100_000, num_workers=1, collate_fn=lambda batch: batch)
    assert [len(batch) for batch in loader] == [100_000] * 4


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


SCRIPT = textwrap.dedent(
    """
    import signal
    import time
    import numpy as np
    from flambeau.utils.data import DataLoader, Dataset

    # A shell's background jobs are started with Ctrl-C ignored, and hand that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    class Slow(Dataset):
        def __len__(self): return 1000
        def __getitem__(self, index):
            time.sleep(0.01)
            return np.zeros(10000)

    iterator = iter(DataLoader(Slow(), 2, num_workers=2))
    next(iterator)
    print(*[worker.process.pid for worker in iterator._batches._workers], flush=True)
    for batch in iterator:
        pass
    """
)


@pytest.mark.slow
@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_main_process(with_signal):
    main = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workers = [int(pid) for pid in main.stdout.readline().split()]
    assert len(workers) == 2
    os.kill(main.pid, with_signal)
    _, errors = main.communicate(timeout=30)
    deadline = time.monotonic() + 30
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, workers))
    if with_signal == signal.SIGINT:
        assert errors.count("Traceback") == 1, errors
        assert "KeyboardInterrupt" in errors
