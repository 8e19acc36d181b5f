"""PyTorch's old names for sparse tensors of a dtype."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import sparse

PLACES = flambeau.tensor([[0, 1], [2, 0]])


def test_calls():
    made = sparse.FloatTensor(PLACES, flambeau.tensor([3, 4]), (2, 3))
    assert made.layout is flambeau.sparse_coo and made.dtype is flambeau.float32
    assert made.to_dense().tolist() == [[0, 0, 3], [4, 0, 0]]
    assert sparse.LongTensor(PLACES, flambeau.tensor([3, 4])).shape == (2, 3)
    assert sparse.DoubleTensor(2, 3).shape == sparse.DoubleTensor(flambeau.Size([2, 3])).shape
    assert sparse.ByteTensor()._nnz() == 0
    with pytest.raises(RuntimeError, match="expects device type: cpu"):
        sparse.FloatTensor(PLACES, flambeau.ones(2), device="cuda")
    with pytest.raises(RuntimeError, match="size is inconsistent"):
        sparse.FloatTensor(PLACES, flambeau.ones(2), (2, 2))


def test_what_is_of_a_kind():
    made = sparse.FloatTensor(PLACES, flambeau.ones(2))
    assert isinstance(made, sparse.FloatTensor) and not isinstance(made, sparse.DoubleTensor)
    assert not isinstance(made.to_dense(), sparse.FloatTensor)
    assert not isinstance(3, sparse.FloatTensor)
    assert repr(sparse.FloatTensor) == "<class 'torch.sparse.FloatTensor'>"
