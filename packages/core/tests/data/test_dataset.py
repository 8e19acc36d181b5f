"""Datasets: indexing, combining, splitting; and that whole batches equal single samples."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.utils.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)


class Count(IterableDataset):
    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self) -> int:
        return self.n


def test_tensor_dataset_gives_rows_and_slices():
    data = TensorDataset(flambeau.arange(6).reshape(3, 2), flambeau.arange(3))
    x, y = data[1]
    assert x.tolist() == [2, 3]
    assert y.item() == 1
    assert data[:2][0].shape == (2, 2)
    assert len(data) == 3


def test_tensor_dataset_refuses_other_lengths():
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(flambeau.zeros(3), flambeau.zeros(4))


@pytest.mark.parametrize("indices", [[2, 0, 2], [-1], [1]])
def test_rows_gathered_at_once_equal_rows_stacked(indices):
    data = TensorDataset(flambeau.rand(3, 2, 2), flambeau.arange(3))
    stacked = default_collate([data[i] for i in indices])
    for made, expected in zip(data._collated(indices), stacked):
        assert made.dtype == expected.dtype
        assert made.tolist() == expected.tolist()


def test_rows_are_not_gathered_where_gradients_are_wanted():
    data = TensorDataset(flambeau.ones(3, requires_grad=True))
    assert data._collated([0]) is None


def test_concat_dataset_counts_through_its_parts():
    joined = ConcatDataset([[1, 2], [3], [4, 5]])
    assert [joined[i] for i in range(5)] == [1, 2, 3, 4, 5]
    assert joined[-5] == 1
    with pytest.raises(ValueError, match="absolute value of index"):
        joined[-6]


def test_concat_dataset_refuses_nothing_and_streams():
    with pytest.raises(AssertionError, match="should not be an empty iterable"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="does not support IterableDataset"):
        ConcatDataset([Count(1)])


def test_datasets_add_up():
    class Letters(Dataset):
        def __getitem__(self, index):
            return "ab"[index]

        def __len__(self):
            return 2

    assert [ConcatDataset([Letters()] * 2)[i] for i in range(4)] == list("abab")
    assert (Letters() + Letters())[3] == "b"
    assert list(Count(1) + Count(2)) == [0, 0, 1]


def test_chain_dataset_has_a_length_and_refuses_maps():
    assert len(ChainDataset([Count(2), Count(3)])) == 5
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(ChainDataset([[1]]))


def test_stack_dataset_by_position_and_by_name():
    assert StackDataset([1, 2], "ab")[1] == (2, "b")
    named = StackDataset(x=[1, 2], y="ab")
    assert named[0] == {"x": 1, "y": "a"}
    assert named.__getitems__([1, 0]) == [{"x": 2, "y": "b"}, {"x": 1, "y": "a"}]


def test_stack_dataset_says_what_is_wrong():
    with pytest.raises(ValueError, match="both types are given"):
        StackDataset([1], x=[2])
    with pytest.raises(ValueError, match="At least one dataset"):
        StackDataset()
    with pytest.raises(ValueError, match="Size mismatch"):
        StackDataset([1], [1, 2])


def test_subset_maps_indices_and_passes_batches_on():
    class AtOnce(list):
        def __getitems__(self, indices):
            return [f"batch {self[i]}" for i in indices]

    part = Subset(AtOnce("abc"), [2, 0])
    assert part[0] == "c"
    assert part.__getitems__([1, 0]) == ["batch a", "batch c"]
    assert len(part) == 2


def test_subset_that_overrides_one_method_only_is_refused():
    class Loud(Subset):
        def __getitem__(self, idx):
            return super().__getitem__(idx).upper()

    with pytest.raises(NotImplementedError, match="overrides __getitem__ but not __getitems__"):
        Loud("abc", [0])


def test_random_split_by_number_and_by_fraction():
    generator = flambeau.Generator().manual_seed(3)
    a, b = random_split(range(10), [4, 6], generator=generator)
    assert sorted([*a, *b]) == list(range(10))
    assert [len(p) for p in random_split(range(10), [0.33, 0.33, 0.34])] == [4, 3, 3]


def test_random_split_refuses_other_sums():
    with pytest.raises(ValueError, match="Sum of input lengths"):
        random_split(range(10), [4, 5])
    with pytest.raises(ValueError, match="Fraction at index 0"):
        random_split(range(10), [1.5, -0.5])


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match="Length of split at index 2 is 0"):
        random_split(range(2), [0.5, 0.5, 0.0])


def test_arrays_and_lists_are_datasets():
    assert Subset(np.arange(4) * 2, [3])[0] == 6
    assert ConcatDataset([np.arange(2), [7]])[2] == 7
