"""Samplers: what they draw, how often, and that a seed fixes it."""

from __future__ import annotations

import pytest

import flambeau
from flambeau.utils.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


def seeded(seed: int = 0):
    return flambeau.Generator().manual_seed(seed)


def test_sequential_sampler():
    sampler = SequentialSampler("abcd")
    assert list(sampler) == [0, 1, 2, 3]
    assert len(sampler) == 4


def test_random_sampler_permutes_and_obeys_its_seed():
    first = list(RandomSampler(range(100), generator=seeded()))
    assert sorted(first) == list(range(100))
    assert first != list(range(100))
    assert first == list(RandomSampler(range(100), generator=seeded()))
    assert first != list(RandomSampler(range(100), generator=seeded(1)))


def test_random_sampler_without_generator_obeys_manual_seed():
    flambeau.manual_seed(5)
    sampler = RandomSampler(range(50))
    first, second = list(sampler), list(sampler)
    assert first != second
    flambeau.manual_seed(5)
    assert [*sampler] == first


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("count", [1, 3, 32, 45, 100])
def test_random_sampler_gives_as_many_as_asked_for(count, replacement):
    sampler = RandomSampler(range(40), replacement, count, seeded())
    drawn = list(sampler)
    assert len(drawn) == count == len(sampler)
    assert set(drawn) <= set(range(40))


@pytest.mark.parametrize("count", [0, -1, 2.0, True])
def test_counts_that_are_none_are_refused(count):
    with pytest.raises(ValueError, match="num_samples should be a positive integer"):
        WeightedRandomSampler([1.0], count)


def test_random_sampler_checks_its_options():
    with pytest.raises(TypeError, match="replacement should be a boolean"):
        RandomSampler([1], replacement=1)
    with pytest.raises(ValueError, match="num_samples should be a positive integer"):
        RandomSampler([])


def test_subset_random_sampler_shuffles_indices():
    indices = [3, 1, 4, 15, 9]
    assert sorted(SubsetRandomSampler(indices, seeded())) == sorted(indices)


def test_weighted_sampler_follows_weights():
    drawn = list(WeightedRandomSampler([0.0, 3.0, 1.0], 400, generator=seeded()))
    assert 0 not in drawn
    assert 250 < drawn.count(1) < 350
    once = list(WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False, generator=seeded()))
    assert sorted(once) == [0, 1, 2]


def test_weighted_sampler_refuses_tables():
    with pytest.raises(ValueError, match="weights should be a 1d sequence"):
        WeightedRandomSampler([[1.0]], 1)


def test_batch_sampler_keeps_or_drops_the_rest():
    assert list(BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert len(BatchSampler(range(5), 2, False)) == 3
    assert len(BatchSampler(range(5), 2, True)) == 2
    assert len(BatchSampler(range(4), 2, False)) == 2


def test_batch_sampler_checks_its_options():
    with pytest.raises(ValueError, match="batch_size should be a positive integer"):
        BatchSampler(range(5), 0, False)
    with pytest.raises(ValueError, match="drop_last should be a boolean"):
        BatchSampler(range(5), 2, 1)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("n", [1, 7, 8, 9])
def test_distributed_sampler_gives_every_rank_as_many(n, drop_last):
    shares = [list(DistributedSampler(range(n), 4, rank, drop_last=drop_last)) for rank in range(4)]
    assert len({len(share) for share in shares}) == 1
    drawn = {i for share in shares for i in share}
    assert len(drawn) == (n // 4 * 4 if drop_last else n)


def test_distributed_sampler_shuffles_by_epoch():
    sampler = DistributedSampler(range(20), 2, 0, seed=1)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first


def test_distributed_sampler_refuses_a_rank_that_is_none():
    with pytest.raises(
        ValueError, match=r"Invalid rank 2, rank should be in the interval \[0, 1\]"
    ):
        DistributedSampler(range(4), num_replicas=2, rank=2)
