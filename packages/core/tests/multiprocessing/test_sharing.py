"""Tensors in several processes: one memory through queues, pipes and arguments; workers that fail are told."""

from __future__ import annotations

import os
import signal

import pytest

import flambeau
import flambeau.multiprocessing as mp
from flambeau import nn

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.slow,
]


def add_one(queue, back):
    x = queue.get()
    x += 1
    back.put(x)
    assert queue.get() is None


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_queue_shares_memory_both_ways(method):
    context = mp.get_context(method)
    queue, back = context.Queue(), context.Queue()
    process = context.Process(target=add_one, args=(queue, back))
    process.start()
    x = flambeau.zeros(1000)
    queue.put(x)
    y = back.get(timeout=60)
    assert (x == 1).all() and (y == 1).all()
    y[0] = 7
    assert x[0] == 7
    queue.put(None)
    process.join()
    assert process.exitcode == 0


def fill(rank, tensors):
    for t in tensors:
        t[rank] = rank + 1


def test_arguments_are_shared():
    base = flambeau.zeros(4, 3).share_memory_()
    column = base[:, 1]
    half = flambeau.zeros(2, dtype=flambeau.bfloat16)
    long = flambeau.zeros(2, 2, dtype=flambeau.int64)
    mp.spawn(fill, ((column, half, long),), nprocs=2)
    assert base[:, 1].tolist() == [1, 2, 0, 0] and base[:, 0].tolist() == [0] * 4
    assert half.tolist() == [1, 2]
    assert long.tolist() == [[1, 1], [2, 2]]


def train(rank, net):
    with flambeau.no_grad():
        net.weight[rank] = 5.0
    assert isinstance(net.weight, nn.Parameter) and net.weight.requires_grad


def test_modules_are_shared():
    net = nn.Linear(3, 2)
    net.share_memory()
    mp.start_processes(train, (net,), nprocs=2, start_method="fork")
    assert (net.weight == 5).all()
    other = nn.Linear(3, 2)
    mp.spawn(train, (other,), nprocs=2)
    assert (other.weight == 5).all()


def test_what_has_views_goes_by_value_with_a_warning():
    x = flambeau.zeros(3)
    view = x[:2]
    with pytest.warns(UserWarning, match="by value"):
        data = dumps(x)
    view[0] = 1
    assert x[0] == 1 and data


def dumps(x):
    from multiprocessing.reduction import ForkingPickler

    return bytes(ForkingPickler.dumps(x))


def test_non_leaf_is_refused():
    x = flambeau.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="Cowardly refusing"):
        dumps(x * 2)


def fail(rank):
    if rank == 1:
        raise KeyError("of a worker")
    signal.pause()


def leave(rank, how):
    if rank == 0:
        signal.pause()
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)


def test_failures():
    with pytest.raises(mp.ProcessRaisedException, match="of a worker") as error:
        mp.spawn(fail, nprocs=2)
    assert error.value.error_index == 1 and "Traceback" in str(error.value)
    with pytest.raises(mp.ProcessExitedException, match="exit code 3") as error:
        mp.start_processes(leave, ("exit",), nprocs=2, start_method="fork")
    assert (error.value.error_index, error.value.exit_code) == (1, 3)
    with pytest.raises(mp.ProcessExitedException, match="SIGKILL") as error:
        mp.start_processes(leave, ("kill",), nprocs=2, start_method="fork")
    assert error.value.signal_name == "SIGKILL"


def test_strategies():
    assert mp.get_sharing_strategy() in mp.get_all_sharing_strategies()
    mp.set_sharing_strategy(mp.get_sharing_strategy())
    with pytest.raises(AssertionError):
        mp.set_sharing_strategy("by_post")
