"""Dynamic int8: exact integer products, small errors, what is replaced, saved and refused."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.quantization import (
    DynamicLinear,
    default_dynamic_qconfig,
    per_channel_dynamic_qconfig,
    quantize_dynamic,
)
from flambeau.quantization.numbers import integer_product, quantize_activation
from flambeau.testing import assert_close


def model():
    flambeau.manual_seed(1)
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 5))


@pytest.mark.parametrize("size", [1, 1024, 1025, 5000])
def test_products_are_exact(size):
    rng = np.random.default_rng(0)
    for sign in (1, -1):  # the largest sums there are, and random ones
        steps = np.full((2, size), sign * 127, "float32")
        weight = np.full((3, size), -128, np.int8)
        steps[1], weight[1] = rng.integers(-127, 128, size), rng.integers(-128, 128, size)
        got = integer_product(flambeau.from_numpy(steps), flambeau.from_numpy(weight))
        want = steps.astype("int64") @ weight.T.astype("int64")
        np.testing.assert_array_equal(got.numpy(), want.astype("float32"))


def test_activations_use_all_levels_and_keep_zero():
    x = flambeau.tensor([-1.0, 0.0, 0.5, 3.0])
    steps, scale = quantize_activation(x)
    assert steps[1].item() == 0
    assert (steps.max() - steps.min()).item() == 127
    assert_close(steps * scale, x, rtol=0, atol=scale.item() / 2)


@pytest.mark.parametrize(
    "x", [flambeau.zeros(2, 20), flambeau.full((2, 20), 5.0), flambeau.full((2, 20), -1e-6)]
)
def test_inputs_without_spread(x):
    layer = nn.Linear(20, 3)
    made = DynamicLinear.from_float(layer)(x)
    assert_close(made, layer(x).detach(), rtol=0, atol=0.02 * max(1.0, x.abs().max().item()))


@pytest.mark.parametrize("per_channel", [False, True])
def test_the_error_is_that_of_eight_bits(per_channel):
    layer = nn.Linear(64, 32)
    layer.weight.data[0] *= 20  # one row of another size
    x = flambeau.randn(100, 64)
    quantized = DynamicLinear.from_float(layer, per_channel)
    error = (quantized(x) - layer(x)).detach().abs()[:, 1:].max().item()
    assert quantized.weight_scale.shape == ((32,) if per_channel else ())
    assert error < (0.05 if per_channel else 0.3)
    assert per_channel or error > 0.05  # one scale for all rows costs the small ones


def test_what_is_replaced():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.encoder(x))

    net = Net().eval()
    made = quantize_dynamic(net, {nn.Linear}, dtype=flambeau.qint8)
    kinds = {name: type(m) for name, m in made.named_modules()}
    assert kinds["head"] is kinds["encoder.linear1"] is kinds["encoder.linear2"] is DynamicLinear
    assert kinds["encoder.self_attn.out_proj"] is not DynamicLinear
    assert type(net.head) is nn.Linear  # a copy was made
    x = flambeau.randn(2, 4, 8)
    assert_close(made(x).detach(), net(x).detach(), rtol=0, atol=0.1)


def test_by_name_and_by_channel():
    net = model()
    made = quantize_dynamic(
        net, {"2": per_channel_dynamic_qconfig, nn.Linear: default_dynamic_qconfig}
    )
    assert [made[0].per_channel, made[2].per_channel] == [False, True]
    assert [type(m) for m in quantize_dynamic(net, {"2"})] == [nn.Linear, nn.ReLU, DynamicLinear]
    assert quantize_dynamic(net, inplace=True) is net
    assert type(net[0]) is DynamicLinear


def test_one_layer_alone():
    assert type(quantize_dynamic(nn.Linear(2, 2))) is DynamicLinear
    with pytest.raises(ValueError, match="cannot be replaced in place"):
        quantize_dynamic(nn.Linear(2, 2), inplace=True)


def test_printed_as_pytorchs():
    assert repr(quantize_dynamic(model())) == (
        "Sequential(\n"
        "  (0): DynamicQuantizedLinear(in_features=20, out_features=30, dtype=flambeau.qint8, "
        "qscheme=flambeau.per_tensor_affine)\n"
        "  (1): ReLU()\n"
        "  (2): DynamicQuantizedLinear(in_features=30, out_features=5, dtype=flambeau.qint8, "
        "qscheme=flambeau.per_tensor_affine)\n"
        ")"
    )


def test_files_hold_int8_and_load_back(tmp_path):
    made = quantize_dynamic(model(), {nn.Linear: per_channel_dynamic_qconfig})
    path = tmp_path / "model.pt"
    flambeau.save(made.state_dict(), path)
    loaded = flambeau.load(path, weights_only=True)
    assert loaded["0.weight"].dtype is flambeau.int8
    assert sorted(loaded) == sorted(
        f"{i}.{n}" for i in (0, 2) for n in ("weight", "weight_scale", "bias")
    )
    other = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 5))
    other = quantize_dynamic(other, {nn.Linear: per_channel_dynamic_qconfig})
    other.load_state_dict(loaded)
    x = flambeau.randn(4, 20)
    assert flambeau.equal(other(x), made(x))


def test_autocast_leaves_the_integers_alone():
    made, x = quantize_dynamic(model()), flambeau.randn(4, 20)
    with flambeau.autocast("cpu"):
        inside = made(x)
    assert flambeau.equal(inside, made(x))


def test_compiled_and_traced():
    made, x = quantize_dynamic(model()).eval(), flambeau.randn(4, 20)
    compiled = flambeau.compile(made)
    for scale in (1, 3):  # the range is found anew
        assert_close(compiled(x * scale), made(x * scale))


def test_nothing_is_trained():
    made = quantize_dynamic(model())
    assert list(made.parameters()) == []
    assert not made(flambeau.randn(2, 20, requires_grad=True)).requires_grad


def test_shapes_and_dtypes():
    layer = DynamicLinear.from_float(nn.Linear(20, 3, bias=False))
    assert layer.bias is None
    assert layer(flambeau.randn(20)).shape == (3,)
    assert layer(flambeau.randn(2, 4, 20)).shape == (2, 4, 3)
    assert layer(flambeau.zeros(0, 20)).shape == (0, 3)
    assert layer(flambeau.randn(2, 20, dtype=flambeau.float64)).dtype is flambeau.float64


@pytest.mark.parametrize("kind", [nn.LSTM, nn.Conv2d, nn.Embedding], ids=lambda k: k.__name__)
def test_other_layers_are_refused_by_name(kind):
    with pytest.raises(
        ValueError, match=f"{kind.__name__} has no dynamic int8 form here, only nn.Linear"
    ):
        quantize_dynamic(model(), {nn.Linear, kind})


def test_wrong_arguments_are_refused():
    net = model()
    with pytest.raises(ValueError, match=r"dtype must be flambeau\.qint8"):
        quantize_dynamic(net, {nn.Linear}, dtype=flambeau.float16)
    with pytest.raises(ValueError, match="no submodule 'nowhere'"):
        quantize_dynamic(net, {"nowhere"})
    with pytest.raises(ValueError, match="ReLU has no dynamic int8 form"):
        quantize_dynamic(net, {"1"})
    with pytest.raises(TypeError, match="must be default_dynamic_qconfig"):
        quantize_dynamic(net, {nn.Linear: 8})
    with pytest.raises(ValueError, match="mapping"):
        quantize_dynamic(net, {nn.Linear}, mapping={})
    with pytest.raises(TypeError, match="expected float32 weights"):
        quantize_dynamic(nn.Sequential(nn.Linear(2, 2, dtype=flambeau.float64)))
    with pytest.raises(ValueError, match="at most 131072"):
        DynamicLinear(1 << 18, 1)
    layer = DynamicLinear.from_float(nn.Linear(3, 2))
    with pytest.raises(RuntimeError, match=r"expected input \(\.\.\., 3\), but got shape \[2, 4\]"):
        layer(flambeau.ones(2, 4))
    with pytest.raises(RuntimeError, match="floating point input, but got flambeau.int64"):
        layer(flambeau.ones(2, 3, dtype=flambeau.int64))
