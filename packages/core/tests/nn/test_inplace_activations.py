"""`inplace=True` overwrites the input and leaves the gradient what it is without."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import nn
from flambeau.backends import cpu
from flambeau.nn._functional import placing

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


@pytest.mark.skipif(not cpu.available(), reason="one pass is a kernel, and nothing can be compiled")
@pytest.mark.parametrize("dtype", [flambeau.float32, flambeau.float64])
@pytest.mark.parametrize("activation", [nn.ReLU6(True), nn.Hardtanh(-2.0, 1.0, True)])
def test_a_large_input_is_written_in_one_pass(
    activation: nn.Module, dtype: flambeau.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = activation.min_val, activation.max_val
    x = flambeau.linspace(-9, 9, 40_000, dtype=dtype).reshape(200, 200)
    activation(x.clone())  # kernels are there from now on
    for given in (x.clone(), x.t().clone().t()):
        memory, view = given.data_ptr(), given[3]
        with monkeypatch.context() as patch:
            patch.setattr(placing, "assign", None)  # that would be a second pass
            activation(given.clone())
        assert activation(given) is given and given.data_ptr() == memory
        assert flambeau.equal(given, x.clamp(*limits)) and given._version == 1
        assert flambeau.equal(view, x[3].clamp(*limits))
    leaf = x.clone().requires_grad_()
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        activation(leaf)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        activation(x[:1].expand(200, 200))
    hidden = leaf * 1
    activation(hidden).sum().backward()
    assert flambeau.equal(leaf.grad, ((x > limits[0]) & (x < limits[1])).to(dtype))
    with flambeau.inference_mode():
        made = x.clone()
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        activation(made)
