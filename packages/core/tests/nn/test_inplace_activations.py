"""`inplace=True` overwrites the input and leaves the gradient what it is without."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import nn

ACTIVATIONS = [
    nn.ReLU(),
    nn.ReLU6(),
    nn.Hardtanh(-1.0, 1.0),
    nn.LeakyReLU(0.1),
    nn.ELU(),
    nn.CELU(),
    nn.SELU(),
    nn.SiLU(),
    nn.Mish(),
    nn.Hardsigmoid(),
    nn.Hardswish(),
    nn.Threshold(0.1, 2.0),
]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda module: type(module).__name__)
def test_same_values_and_gradients(activation: nn.Module) -> None:
    found = []
    for activation.inplace in (False, True):
        x = flambeau.tensor([-9.0, -0.5, 0.0, 0.5, 2.0, 7.0], requires_grad=True)
        hidden = x * 1.0
        out = activation(hidden)
        assert (out is hidden) == activation.inplace
        out.square().sum().backward()
        found.append((out.detach(), x.grad))
    (plain, plain_grad), (inplace, inplace_grad) = found
    assert flambeau.equal(plain, inplace)
    assert flambeau.equal(plain_grad, inplace_grad)
