"""The loader in one process: order, batches, lengths, arguments that do not go together."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import flambeau
from flambeau.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    SequentialSampler,
    TensorDataset,
)

# From Python 3.12 on forking beside the threads of a BLAS is warned of; the worker uses none of them.
pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)


class Stream(IterableDataset):
    def __init__(self, n: int, claimed: int | None = None) -> None:
        self.n = n
        self.claimed = n if claimed is None else claimed

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self) -> int:
        return self.claimed


def batches(loader) -> list:
    return [batch.tolist() for batch in loader]


def test_batches_in_order():
    assert batches(DataLoader(range(5), batch_size=2)) == [[0, 1], [2, 3], [4]]
    assert batches(DataLoader(range(5), batch_size=2, drop_last=True)) == [[0, 1], [2, 3]]
    assert batches(DataLoader([1, 2])) == [[1], [2]]


def test_arrays_are_datasets():
    x, y = next(iter(DataLoader(list(zip(np.eye(3), [5, 6, 7])), batch_size=3)))
    assert x.dtype is flambeau.float64
    assert y.tolist() == [5, 6, 7]


def test_no_batching():
    samples = list(DataLoader(np.arange(3), batch_size=None))
    assert [s.item() for s in samples] == [0, 1, 2]
    assert list(DataLoader("ab", batch_size=None)) == ["a", "b"]


def test_shuffled_passes_differ_and_obey_the_generator():
    def make():
        return DataLoader(range(64), 8, shuffle=True, generator=flambeau.Generator().manual_seed(1))

    loader = make()
    first, second = batches(loader), batches(loader)
    assert first != second
    assert sorted(i for batch in first for i in batch) == list(range(64))
    assert batches(make()) == first


def test_own_samplers():
    assert list(DataLoader("abcd", 2, sampler=[3, 1])) == [["d", "b"]]
    assert batches(DataLoader(range(9), batch_sampler=[[8], [1, 2]])) == [[8], [1, 2]]
    # Lists of indices as the samples' own indices: the dataset makes whole batches.
    pairs = BatchSampler(SequentialSampler(range(4)), 2, False)
    assert batches(DataLoader(np.arange(4) * 2, batch_size=None, sampler=pairs)) == [[0, 2], [4, 6]]


def test_whole_batches_of_a_tensor_dataset_equal_single_samples():
    data = TensorDataset(flambeau.rand(10, 3), flambeau.arange(10))
    at_once = list(DataLoader(data, 4))
    one_by_one = list(DataLoader([data[i] for i in range(10)], 4))
    for (x, y), (u, v) in zip(at_once, one_by_one, strict=True):
        assert x.tolist() == u.tolist()
        assert y.tolist() == v.tolist()


def test_collate_fn_sees_the_list_of_samples():
    seen = []
    list(DataLoader(TensorDataset(flambeau.arange(3)), 2, collate_fn=seen.append))
    assert [len(batch) for batch in seen] == [2, 1]
    assert seen[0][1][0].item() == 1


def test_getitems_is_used_for_whole_batches():
    class AtOnce(list):
        def __getitems__(self, indices):
            return [-self[i] for i in indices]

    assert batches(DataLoader(AtOnce([1, 2, 3]), 2)) == [[-1, -2], [-3]]


def test_streams():
    assert batches(DataLoader(Stream(5), 2)) == [[0, 1], [2, 3], [4]]
    assert batches(DataLoader(Stream(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(2), batch_size=None)) == [0, 1]


def test_lengths():
    assert len(DataLoader(range(5), 2)) == 3
    assert len(DataLoader(range(5), 2, drop_last=True)) == 2
    assert len(DataLoader(Stream(5), 2)) == 3
    assert len(DataLoader(Stream(5), 2, drop_last=True)) == 2
    assert len(DataLoader(Stream(5), batch_size=None)) == 5
    assert len(iter(DataLoader(range(5), 2))) == 3


def test_a_stream_longer_than_it_says_is_reported():
    loader = DataLoader(Stream(3, claimed=2), batch_size=1)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match=r"was reported to be 2.*but 3 samples"):
        list(loader)


def test_the_number_of_workers_does_not_change_later_random_numbers():
    flambeau.manual_seed(0)
    list(DataLoader(range(4), shuffle=True))
    after = flambeau.rand(1).item()
    flambeau.manual_seed(0)
    list(DataLoader(range(4), shuffle=True, num_workers=1))
    assert flambeau.rand(1).item() == after


@pytest.mark.parametrize(
    "options, text",
    [
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        (
            {"prefetch_factor": 2},
            "prefetch_factor option could only be specified in multiprocessing",
        ),
        (
            {"num_workers": 1, "prefetch_factor": -1},
            "prefetch_factor option should be non-negative",
        ),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"shuffle": True, "sampler": [0]}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[0]], "drop_last": True}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
        ({"batch_size": 0}, "batch_size should be a positive integer"),
        ({"multiprocessing_context": "fork"}, "can only be used with multi-process loading"),
        (
            {"multiprocessing_context": "boil", "num_workers": 1},
            "should specify a valid start method",
        ),
    ],
)
def test_arguments_that_do_not_go_together(options, text):
    with pytest.raises(ValueError, match=text):
        DataLoader(range(3), **options)


@pytest.mark.parametrize("option", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}])
def test_streams_have_no_order_to_choose(option):
    with pytest.raises(ValueError, match="DataLoader with IterableDataset: expected unspecified"):
        DataLoader(Stream(3), **option)


def test_a_context_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="should be a valid context object"):
        DataLoader(range(3), num_workers=1, multiprocessing_context=3)


def test_attributes_are_fixed_once_made():
    loader = DataLoader(range(3))
    with pytest.raises(ValueError, match="batch_size attribute should not be set after DataLoader"):
        loader.batch_size = 2
    loader.collate_fn = list


def test_more_workers_than_processors_are_warned_of():
    with pytest.warns(UserWarning, match="will create 999 worker processes"):
        DataLoader(range(3), num_workers=999)


def test_pinned_memory_without_an_accelerator_is_warned_of():
    if flambeau.cuda.is_available():
        pytest.skip("needs a machine without an accelerator")
    with pytest.warns(UserWarning, match="no accelerator is found"):
        assert batches(DataLoader(range(2), 2, pin_memory=True)) == [[0, 1]]


def test_errors_of_a_dataset_come_through():
    with pytest.raises(IndexError):
        list(DataLoader([1, 2], sampler=[5]))


@pytest.mark.slow
def test_multiprocessing_is_imported_only_for_workers():
    code = (
        "import sys, flambeau, flambeau.utils.data as d; list(d.DataLoader(range(4), 2));"
        "assert 'multiprocessing' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
