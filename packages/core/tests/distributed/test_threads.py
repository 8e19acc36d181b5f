"""The collectives, run by ranks that are threads; every backend must do the same."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau import distributed as dist
from flambeau.distributed.threads import RankFailed


def ranked(function, size=3):
    return dist.run_threads(function, size)


def mine(*shape, dtype=flambeau.float32):
    """A tensor that says whose it is."""
    return flambeau.full(shape, float(dist.get_rank() + 1)).to(dtype)


@pytest.mark.parametrize(
    "op, expected",
    [
        (dist.ReduceOp.SUM, 6.0),
        (dist.ReduceOp.AVG, 2.0),
        (dist.ReduceOp.PRODUCT, 6.0),
        (dist.ReduceOp.MIN, 1.0),
        (dist.ReduceOp.MAX, 3.0),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16", "int64"])
@pytest.mark.parametrize("async_op", [False, True])
def test_all_reduce(op, expected, dtype, async_op):
    if op is dist.ReduceOp.AVG and dtype == "int64":
        dtype = "float64"  # the mean of whole numbers is refused: see below

    def rank():
        x = mine(2, 2, dtype=getattr(flambeau, dtype))
        work = dist.all_reduce(x, op, async_op=async_op)
        if async_op:
            assert work.wait()
            assert work.is_success()
        assert x.dtype is getattr(flambeau, dtype)
        return x.tolist()

    assert ranked(rank) == [[[expected] * 2] * 2] * 3


def test_bits_and_truth_values():
    def rank():
        x = flambeau.tensor([0b001 << dist.get_rank(), 0b111])
        dist.all_reduce(x, dist.ReduceOp.BOR)
        y = flambeau.tensor([dist.get_rank() == 1, False])
        dist.all_reduce(y)
        return x.tolist(), y.tolist()

    assert ranked(rank)[2] == ([0b111, 0b111], [True, False])


def test_a_strided_tensor_is_reduced_in_place():
    def rank():
        x = flambeau.zeros(2, 3)
        dist.all_reduce(x.t().fill_(1.0))
        return x.tolist()

    assert ranked(rank)[1] == [[3.0] * 3] * 2


def test_the_mean_of_whole_numbers_is_refused():
    with pytest.raises(RuntimeError, match=r"ReduceOp\.AVG of int64"):
        ranked(lambda: dist.all_reduce(flambeau.ones(1, dtype=flambeau.int64), dist.ReduceOp.AVG))


def test_broadcast_and_reduce():
    def rank():
        x, y = mine(2), mine(2)
        dist.broadcast(x, src=1)
        dist.reduce(y, dst=2)
        return x.tolist(), y.tolist()

    assert ranked(rank) == [
        ([2.0, 2.0], [1.0, 1.0]),
        ([2.0, 2.0], [2.0, 2.0]),
        ([2.0, 2.0], [6.0, 6.0]),
    ]


def test_gathering():
    def rank():
        each = [flambeau.zeros(1) for _ in range(3)]
        dist.all_gather(each, mine(1))
        flat, stacked = flambeau.zeros(6), flambeau.zeros(3, 2)
        dist.all_gather_into_tensor(flat, mine(2))
        dist.all_gather_into_tensor(stacked, mine(2))
        at_one = [flambeau.zeros(2) for _ in range(3)] if dist.get_rank() == 1 else None
        dist.gather(mine(2), at_one, dst=1)
        return (
            [t.item() for t in each],
            flat.tolist(),
            stacked.tolist(),
            at_one and [t.tolist() for t in at_one],
        )

    pairs = [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    for rank, (each, flat, stacked, at_one) in enumerate(ranked(rank)):
        assert each == [1.0, 2.0, 3.0]
        assert flat == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
        assert stacked == pairs
        assert at_one == (pairs if rank == 1 else None)


def test_scattering():
    def rank():
        out = flambeau.zeros(2)
        parts = [flambeau.full((2,), 10.0 * i) for i in range(3)] if dist.get_rank() == 0 else None
        dist.scatter(out, parts, src=0)
        summed, part = flambeau.zeros(2), flambeau.zeros(2)
        dist.reduce_scatter(summed, [mine(2) * i for i in range(3)])
        dist.reduce_scatter_tensor(part, mine(6), dist.ReduceOp.AVG)
        return out.tolist(), summed.tolist(), part.tolist()

    assert ranked(rank) == [([10.0 * i] * 2, [6.0 * i] * 2, [2.0] * 2) for i in range(3)]


def test_all_to_all():
    def rank():
        me = dist.get_rank()
        out = [flambeau.zeros(i + 1) for i in range(3)]
        dist.all_to_all(out, [flambeau.full((me + 1,), 10.0 * me + i) for i in range(3)])
        single = flambeau.zeros(3)
        dist.all_to_all_single(single, flambeau.arange(3.0) + 10 * me)
        return [t.tolist() for t in out], single.tolist()

    for rank, (out, single) in enumerate(ranked(rank)):
        assert out == [[10.0 * i + rank] * (i + 1) for i in range(3)]
        assert single == [float(rank), 10.0 + rank, 20.0 + rank]


def test_point_to_point():
    def rank():
        me, size = dist.get_rank(), dist.get_world_size()
        x = flambeau.zeros(2)
        sent = dist.isend(mine(2), (me + 1) % size)
        source = dist.recv(x, (me - 1) % size)
        sent.wait()
        anyone = flambeau.zeros(1)
        if me == 0:
            who = {dist.recv(anyone), dist.recv(anyone)}
            assert who == {1, 2}
        else:
            dist.send(mine(1), 0)
        return source, x.tolist()

    assert ranked(rank) == [(2, [3.0, 3.0]), (0, [1.0, 1.0]), (1, [2.0, 2.0])]


def test_objects():
    def rank():
        me = dist.get_rank()
        everywhere, there, given, single = [None] * 3, [None] * 3, [None, None], [None]
        dist.all_gather_object(everywhere, {"rank": me})
        dist.gather_object("x" * me, there if me == 0 else None)
        if me == 2:
            given = ["a", {"b": 1}]
        dist.broadcast_object_list(given, src=2)
        dist.scatter_object_list(single, [0, 1, 2] if me == 0 else None)
        return everywhere, there, given, single

    for rank, (everywhere, there, given, single) in enumerate(ranked(rank)):
        assert everywhere == [{"rank": 0}, {"rank": 1}, {"rank": 2}]
        assert there == (["", "x", "xx"] if rank == 0 else [None] * 3)
        assert given == ["a", {"b": 1}]
        assert single == [rank]


def test_groups_of_some_ranks():
    def rank():
        odd = dist.new_group([1, 3])
        even = dist.new_group([2, 0])
        own = odd if dist.get_rank() % 2 else even
        x = mine(1)
        dist.all_reduce(x, group=own)
        y = mine(1)
        dist.all_reduce(y, group=odd)  # does nothing in ranks outside
        dist.broadcast(x, src=own.ranks[1], group=own)
        assert dist.get_world_size(own) == 2
        assert dist.get_global_rank(own, dist.get_rank(own)) == dist.get_rank()
        return dist.get_rank(odd), x.item(), y.item(), dist.get_process_group_ranks(own)

    assert ranked(rank, 4) == [
        (-1, 4.0, 1.0, [0, 2]),
        (0, 6.0, 6.0, [1, 3]),
        (-1, 4.0, 3.0, [0, 2]),
        (1, 6.0, 6.0, [1, 3]),
    ]


def test_async_calls_keep_their_order():
    def rank():
        x = flambeau.ones(1)
        works = [dist.all_reduce(x, async_op=True) for _ in range(5)]
        dist.all_reduce(x)
        assert all(work.is_completed() for work in works)
        return x.item()

    assert ranked(rank, 2) == [2.0**6] * 2


def test_equal_bits_on_every_rank_and_run():
    values = np.random.default_rng(0).standard_normal((4, 1000)).astype(np.float32)

    def rank():
        x = flambeau.from_numpy(values[dist.get_rank()].copy())
        dist.all_reduce(x)
        return x.numpy().tobytes()

    assert len({*ranked(rank, 4), *ranked(rank, 4)}) == 1


def test_state_of_a_rank_is_its_own():
    assert not dist.is_initialized()

    def rank():
        assert dist.is_initialized()
        assert dist.get_backend() == "threads"
        dist.init_process_group("threads")
        with pytest.raises(ValueError, match="initialize the default process group twice"):
            dist.init_process_group("mpi")
        dist.destroy_process_group()
        assert not dist.is_initialized()
        with pytest.raises(ValueError, match="Default process group has not been initialized"):
            dist.get_rank()

    ranked(rank, 2)
    assert not dist.is_initialized()


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: dist.all_reduce([1.0]), TypeError, "to be of type Tensor"),
        (
            lambda: dist.all_gather([flambeau.zeros(1)], flambeau.zeros(1)),
            ValueError,
            "expected one for each of 2",
        ),
        (
            lambda: dist.all_gather_into_tensor(flambeau.zeros(3), flambeau.zeros(2)),
            ValueError,
            "as many elements",
        ),
        (
            lambda: dist.broadcast(flambeau.zeros(1), src=5),
            ValueError,
            "Global rank 5 is not part of group",
        ),
        (lambda: dist.scatter(flambeau.zeros(1)), ValueError, "must be specified on source rank"),
        (
            lambda: dist.send(flambeau.zeros(1), dist.get_rank()),
            ValueError,
            "should not be the same as the rank",
        ),
        (lambda: dist.new_group([0, 7]), ValueError, "7 is not in 0 to 1"),
        (lambda: dist.new_group([0, 0]), ValueError, "name one twice"),
        (
            lambda: dist.broadcast(flambeau.zeros(dist.get_rank() + 1)),
            RankFailed,
            "do not call the same collective",
        ),
    ],
)
def test_calls_that_cannot_work(call, error, text):
    with pytest.raises(error, match=text):
        ranked(call, 2)


def test_ranks_that_disagree_are_told():
    def rank():
        if dist.get_rank() == 1:
            dist.barrier()
        else:
            dist.all_reduce(flambeau.zeros(2))

    with pytest.raises(
        RankFailed, match=r"rank 0: all_reduce SUM of float32\[2\]; rank 1: barrier"
    ):
        ranked(rank, 2)


def test_waiting_for_a_rank_that_has_returned_is_no_hang():
    with pytest.raises(RankFailed, match="barrier waits for rank 1, which has returned"):
        ranked(lambda: dist.barrier() if dist.get_rank() == 0 else None, 2)
    with pytest.raises(RankFailed, match="recv waits for rank 1, which has returned"):
        ranked(lambda: dist.recv(flambeau.zeros(1), 1) if dist.get_rank() == 0 else None, 2)


def test_the_exception_of_a_rank_comes_out():
    def rank():
        if dist.get_rank() == 1:
            raise KeyError("lost")
        dist.barrier()

    with pytest.raises(KeyError, match="lost"):
        ranked(rank, 3)


def test_without_a_group_everything_says_so():
    for call in (dist.get_rank, dist.get_world_size, dist.barrier, dist.destroy_process_group):
        with pytest.raises(ValueError, match="please make sure to call init_process_group"):
            call()
    with pytest.raises(RuntimeError, match="exists only inside"):
        dist.init_process_group("threads")
    with pytest.raises(ValueError, match="backend 'nccl' is not available"):
        dist.init_process_group("nccl")
    with pytest.raises(ValueError, match="start the script with mpiexec"):
        dist.init_process_group("mpi", init_method="tcp://127.0.0.1:1")
    with pytest.raises(ValueError, match="world_size=0"):
        dist.run_threads(print, 0)
