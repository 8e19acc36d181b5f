"""The meta device: shapes without data, and no way to take data out."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import nn


@pytest.mark.parametrize(
    "take",
    [
        lambda x: x.cpu(),
        lambda x: x.to("cpu"),
        lambda x: x.tolist(),
        lambda x: x.sum().item(),
        lambda x: bool(x.sum()),
        lambda x: flambeau.ones(3).copy_(x),
    ],
    ids=("cpu", "to", "tolist", "item", "bool", "copy_"),
)
def test_there_is_no_data_to_take_out(take):
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor; no data!"):
        take(flambeau.ones(3, device="meta"))


def test_a_module_moves_only_with_memory_of_its_own():
    model = nn.Linear(2, 2, device="meta")
    with pytest.raises(NotImplementedError, match="no data"):
        model.to("cpu")
    model.to_empty(device="cpu")
    model.load_state_dict(nn.Linear(2, 2).state_dict())
    assert model(flambeau.ones(1, 2)).device.type == "cpu"


def test_tensors_like_a_meta_tensor_may_be_elsewhere():
    x = flambeau.ones(3, device="meta")
    assert flambeau.full_like(x, 2.0, device="cpu").tolist() == [2.0, 2.0, 2.0]
    assert flambeau.ones_like(flambeau.ones(2), device="meta").device.type == "meta"
