"""Checkpointing: equal results and gradients, calls counted, random numbers repeated."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import nn
from flambeau.utils.checkpoint import checkpoint, checkpoint_sequential


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_gradients_of_inputs_and_parameters_are_the_same(use_reentrant):
    layer = nn.Linear(3, 2)
    x = flambeau.rand(4, 3, requires_grad=True)
    layer(x).tanh().sum().backward()
    expected = [x.grad, layer.weight.grad, layer.bias.grad]
    x.grad = None
    layer.zero_grad()
    checkpoint(lambda t: layer(t).tanh(), x, use_reentrant=use_reentrant).sum().backward()
    for made, right in zip([x.grad, layer.weight.grad, layer.bias.grad], expected, strict=True):
        assert flambeau.allclose(made, right)


def test_parameters_alone_have_gradients():
    layer = nn.Linear(3, 2)
    checkpoint(layer, flambeau.ones(1, 3), use_reentrant=False).sum().backward()
    assert layer.weight.grad.tolist() == [[1.0] * 3] * 2


def test_the_function_is_called_again_in_backward_only():
    calls = []

    def square(x):
        calls.append(flambeau.is_grad_enabled())
        return x * x

    x = flambeau.ones(2, requires_grad=True)
    y = checkpoint(square, x, use_reentrant=False)
    assert calls == [True]  # recorded, with hooks that keep nothing
    y.sum().backward()
    assert calls == [True, True]
    with flambeau.no_grad():
        checkpoint(square, x, use_reentrant=False)
    assert len(calls) == 3


def test_dropout_is_the_same_both_times():
    x = flambeau.ones(1000, requires_grad=True)
    y = checkpoint(lambda t: nn.functional.dropout(t, 0.5), x, use_reentrant=False)
    before = flambeau.rand(1)
    y.sum().backward()
    assert flambeau.equal(x.grad, y.detach())
    after = flambeau.rand(1)
    assert before.item() != after.item()


def test_several_tensors_in_containers_and_keywords():
    a = flambeau.ones(2, requires_grad=True)
    b = flambeau.ones(2, requires_grad=True)

    def mixed(pair, factor, *, shift):
        return pair["a"] * factor, pair["a"] * shift

    first, second = checkpoint(mixed, {"a": a}, 3.0, shift=b, use_reentrant=False)
    (first.sum() + second.sum()).backward()
    assert a.grad.tolist() == [4.0, 4.0]
    assert b.grad.tolist() == [1.0, 1.0]


def test_segments_of_a_sequence():
    layers = nn.Sequential(*(nn.Linear(3, 3) for _ in range(5)))
    x = flambeau.rand(2, 3, requires_grad=True)
    layers(x).sum().backward()
    expected = x.grad.clone()
    x.grad = None
    checkpoint_sequential(layers, 3, x, use_reentrant=False).sum().backward()
    assert flambeau.allclose(x.grad, expected)


def test_arguments():
    x = flambeau.ones(1, requires_grad=True)
    with pytest.warns(UserWarning, match="use_reentrant parameter should be passed explicitly"):
        checkpoint(lambda t: t, x * 1)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: shift"):
        checkpoint(lambda t, shift: t, x, shift=1, use_reentrant=True)
