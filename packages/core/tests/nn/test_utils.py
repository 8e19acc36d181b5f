"""Clipping, vectors, parametrizations, functional calls, padded and packed sequences."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import nn
from flambeau.nn.utils import parametrizations, parametrize, rnn


def with_grads(*values: float) -> list[nn.Parameter]:
    params = [nn.Parameter(flambeau.zeros(1)) for _ in values]
    for param, value in zip(params, values):
        param.grad = flambeau.tensor([value])
    return params


def test_clip_grad_norm() -> None:
    params = with_grads(3.0, 4.0)
    assert float(nn.utils.clip_grad_norm_(params, 1.0)) == 5
    assert flambeau.allclose(flambeau.cat([p.grad for p in params]), flambeau.tensor([0.6, 0.8]))
    nn.utils.clip_grad_norm_(params, 10.0)  # already short: unchanged
    assert abs(float(params[0].grad) - 0.6) < 1e-5
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(with_grads(float("inf")), 1.0, error_if_nonfinite=True)


def test_clip_grad_value() -> None:
    params = with_grads(3.0, -4.0, 0.5)
    nn.utils.clip_grad_value_(params, 1.0)
    assert [float(p.grad) for p in params] == [1.0, -1.0, 0.5]


def test_vector_and_back() -> None:
    net = nn.Linear(2, 3)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (9,)
    nn.utils.vector_to_parameters(vector.detach() * 0 + 2, net.parameters())
    assert float(net.weight.sum()) == 12 and net.weight.requires_grad


def test_spectral_norm_has_largest_singular_value_one() -> None:
    layer = parametrizations.spectral_norm(nn.Linear(5, 4))
    for _ in range(30):
        layer(flambeau.ones(1, 5))
    product = layer.weight.detach() @ layer.weight.detach().T
    vector = flambeau.ones(4)
    for _ in range(100):
        vector = product @ vector
        vector = vector / vector.norm()
    assert abs(float(vector @ product @ vector) - 1) < 1e-3
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and isinstance(layer.weight, nn.Parameter)


@pytest.mark.parametrize("norm", [parametrizations.weight_norm, nn.utils.weight_norm])
def test_weight_norm_splits_length_and_direction(norm) -> None:
    plain = nn.Linear(3, 2)
    weight = plain.weight.detach().clone()
    layer = norm(plain)
    assert flambeau.allclose(layer.weight.detach(), weight, atol=1e-6)
    layer(flambeau.ones(1, 3)).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


def test_functional_call_leaves_the_module_alone() -> None:
    layer = nn.Linear(2, 1)
    before = layer.weight
    weight = flambeau.ones(1, 2, requires_grad=True)
    out = nn.utils.stateless.functional_call(layer, {"weight": weight}, flambeau.ones(1, 2))
    out.sum().backward()
    assert layer.weight is before and before.grad is None and weight.grad.tolist() == [[1.0, 1.0]]
    # A name that the module does not have is there for the call only, as in PyTorch.
    nn.utils.stateless.functional_call(layer, {"w": weight}, flambeau.ones(1, 2))
    assert not hasattr(layer, "w")
    with pytest.raises(AttributeError, match="no attribute `inner`"):
        nn.utils.stateless.functional_call(layer, {"inner.w": weight}, flambeau.ones(1, 2))


def test_padding_and_packing_undo_each_other() -> None:
    sequences = [flambeau.arange(n).float() + 1 for n in (2, 4, 1)]
    padded = rnn.pad_sequence(sequences, batch_first=True, padding_value=-1)
    assert padded.tolist() == [[1, 2, -1, -1], [1, 2, 3, 4], [1, -1, -1, -1]]
    left = rnn.pad_sequence(sequences, batch_first=True, padding_side="left")
    assert left[2].tolist() == [0, 0, 0, 1]
    packed = rnn.pack_padded_sequence(padded, [2, 4, 1], batch_first=True, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [3, 2, 1, 1]
    again, lengths = rnn.pad_packed_sequence(packed, batch_first=True, padding_value=-1)
    assert again.tolist() == padded.tolist() and lengths.tolist() == [2, 4, 1]
    with pytest.raises(RuntimeError, match="sorted in decreasing order"):
        rnn.pack_padded_sequence(padded, [2, 4, 1], batch_first=True)
    with pytest.raises(RuntimeError, match="greater than 0"):
        rnn.pack_padded_sequence(padded, [2, 1, 0], batch_first=True)
