"""Nested tensors by themselves: the ragged dimension elsewhere, gaps, second derivatives."""

from __future__ import annotations

import copy
import pickle

import pytest

import flambeau
from flambeau.autograd import gradcheck, gradgradcheck
from flambeau.nested import nested_tensor, nested_tensor_from_jagged, to_padded_tensor

F = flambeau.nn.functional
OFFSETS = flambeau.tensor([0, 2, 3, 6])


def over(values, **options):
    return nested_tensor_from_jagged(values, OFFSETS, **options)


@pytest.mark.parametrize("f", [
    lambda x: (x * x.sin()).values(), lambda x: x.softmax(1).values(), lambda x: x.softmax(2).values(), lambda x: x.sum(1),
    lambda x: x.mean(1), lambda x: x.sum(2).values(), lambda x: to_padded_tensor(x, 0.0), lambda x: F.layer_norm(x, (3,)).values(),
    lambda x: (x * flambeau.arange(1.0, 4.0, dtype=flambeau.float64).reshape(3, 1, 1)).values(), lambda x: x.unbind()[2],
    lambda x: F.linear(x, flambeau.ones(2, 3, dtype=flambeau.float64)).values(),
])  # fmt: skip
def test_derivatives(f):
    values = flambeau.randn(6, 3, dtype=flambeau.float64, requires_grad=True)
    assert gradcheck(lambda v: f(over(v)), (values,))
    assert gradgradcheck(lambda v: f(over(v)), (values,))


def test_attention_is_that_of_each_sequence():
    q, k, v = (flambeau.randn(6, 2, 4, requires_grad=True) for _ in range(3))
    made = F.scaled_dot_product_attention(
        *(over(x).transpose(1, 2) for x in (q, k, v)), is_causal=True
    )
    for i, (a, b) in enumerate(((0, 2), (2, 3), (3, 6))):
        one = F.scaled_dot_product_attention(
            *(x[a:b].transpose(0, 1) for x in (q, k, v)), is_causal=True
        )
        assert flambeau.allclose(made.unbind()[i], one, atol=1e-6)
    made.values().sum().backward()
    assert q.grad.shape == (6, 2, 4)


def test_a_network_on_jagged_input_is_that_on_each_piece():
    net = flambeau.nn.Sequential(flambeau.nn.Linear(3, 8), flambeau.nn.GELU(), flambeau.nn.LayerNorm(8),
                                 flambeau.nn.Dropout(0.0), flambeau.nn.Linear(8, 2))  # fmt: skip
    values = flambeau.randn(6, 3)
    out = net(over(values))
    assert flambeau.allclose(out.values(), net(values), atol=1e-6)
    out.sum(1).sum().backward()
    assert net[0].weight.grad is not None


def test_gaps_between_tensors():
    x = flambeau.nested.narrow(flambeau.arange(12.0).reshape(3, 4), 1, flambeau.tensor([0, 1, 3]),
                               flambeau.tensor([2, 3, 1]), layout=flambeau.jagged)  # fmt: skip
    assert [t.tolist() for t in x.unbind()] == [[0, 1], [5, 6, 7], [11]]
    assert x.sum(1).tolist() == [1, 18, 11]
    assert x.sum().item() == 30
    assert x.mean(1).tolist() == [0.5, 6, 11]
    assert to_padded_tensor(x, -1.0).tolist() == [[0, 1, -1], [5, 6, 7], [11, -1, -1]]
    assert not x.is_contiguous()


def test_the_ragged_size_is_a_symbol():
    x = over(flambeau.ones(6, 3))
    y = over(flambeau.ones(6, 3))
    assert x.shape[1] is y.shape[1]  # the same offsets
    assert x.shape[1] is not nested_tensor([flambeau.ones(2, 3)], layout=flambeau.jagged).shape[1]
    assert str(x.shape[1]).startswith("j")
    assert x.view(3, x.shape[1], 3, 1).values().shape == (6, 3, 1)


def test_the_ragged_dimension_may_be_any():
    x = flambeau.nested.as_nested_tensor(
        [flambeau.ones(2, 3), flambeau.ones(2, 1)], layout=flambeau.jagged
    )
    assert x.sum(2).tolist() == [[3, 3], [1, 1]]
    assert to_padded_tensor(x, 0).shape == (2, 2, 3)
    assert (x + 1).unbind()[1].tolist() == [[2], [2]]
    assert x.softmax(2).sum(2).tolist() == [[1, 1], [1, 1]]


def test_leaves_copies_and_pickles():
    x = nested_tensor(
        [flambeau.ones(2), flambeau.ones(3)], layout=flambeau.jagged, requires_grad=True
    )
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert [g.tolist() for g in x.grad.unbind()] == [[4, 4], [4, 4, 4]]
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.requires_grad
        assert [t.tolist() for t in y.detach().unbind()] == [[1, 1], [1, 1, 1]]


@pytest.mark.parametrize("f", [
    lambda x: x.cumsum(1), lambda x: x[:, 0:1], lambda x: x.chunk(2, 1), lambda x: x @ flambeau.ones(3, 3, 2), lambda x: x.tolist(),
    lambda x: x.reshape(-1), lambda x: flambeau.cat([x, flambeau.ones(3, 2, 3)], -1), lambda x: x.to_dense(), lambda x: x.data_ptr(),
    lambda x: x + flambeau.ones(7, 7, 7), lambda x: x.transpose(0, 1), lambda x: x.flatten(1, 2),
    lambda x: nested_tensor_from_jagged(x.values(), flambeau.tensor([0, 9])), lambda x: F.layer_norm(x, (6, 3)),
])  # fmt: skip
def test_what_has_no_rule_is_refused(f):
    with pytest.raises((RuntimeError, NotImplementedError)):
        f(over(flambeau.ones(6, 3)))
