"""Dynamic int8 Linear beside PyTorch's x86 kernels: the same weights in int8, outputs equal up to rounding."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

import flambeau
from flambeau.quantization import per_channel_dynamic_qconfig, quantize_dynamic

pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # PyTorch announces that torch.ao.quantization will move


def pair(sizes, bias=True):
    theirs = torch.nn.Sequential(*(torch.nn.Linear(a, b, bias=bias) for a, b in pairwise(sizes)))
    ours = flambeau.nn.Sequential(
        *(flambeau.nn.Linear(a, b, bias=bias) for a, b in pairwise(sizes))
    )
    ours.load_state_dict(
        {k: flambeau.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()}
    )
    return theirs, ours


@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("size, bias", [(8, True), (20, False), (784, True), (3000, True)])
def test_one_layer(size, bias, scale):
    torch.manual_seed(0)
    theirs, ours = pair((size, 16), bias)
    quantized = torch.ao.quantization.quantize_dynamic(theirs, {torch.nn.Linear}, dtype=torch.qint8)
    made = quantize_dynamic(ours, {flambeau.nn.Linear}, dtype=flambeau.qint8)
    weight = quantized[0].weight()
    assert (weight.int_repr().numpy() == made[0].weight.numpy()).all()
    assert made[0].weight_scale.item() == pytest.approx(weight.q_scale(), rel=1e-6)
    x = torch.randn(50, size) * scale
    want, got = (
        quantized(x).detach(),
        torch.from_numpy(made(flambeau.from_numpy(x.numpy())).numpy()),
    )
    # One activation in thousands lies on the border of two levels and rounds the other way: one level of one input.
    level = (x.max() - x.min()).item() / 127 * theirs[0].weight.abs().max().item()
    assert (want - got).abs().max().item() <= 1.01 * level
    assert ((want - got).abs() > 1e-5 * scale).float().mean().item() < 0.05


def test_by_channel():
    torch.manual_seed(1)
    theirs, ours = pair((64, 32, 8))
    config = {torch.nn.Linear: torch.ao.quantization.per_channel_dynamic_qconfig}
    quantized = torch.ao.quantization.quantize_dynamic(theirs, config, dtype=torch.qint8)
    made = quantize_dynamic(ours, {flambeau.nn.Linear: per_channel_dynamic_qconfig})
    for i in (0, 1):
        weight = quantized[i].weight()
        assert (weight.int_repr().numpy() == made[i].weight.numpy()).all()
        assert made[i].weight_scale.tolist() == pytest.approx(
            weight.q_per_channel_scales().tolist(), rel=1e-6
        )
    x = torch.randn(50, 64)
    got = torch.from_numpy(made(flambeau.from_numpy(x.numpy())).numpy())
    torch.testing.assert_close(got, quantized(x).detach(), rtol=0, atol=0.02)


def test_printed_form():
    theirs, ours = pair((4, 3))
    quantized = torch.ao.quantization.quantize_dynamic(theirs, {torch.nn.Linear}, dtype=torch.qint8)
    assert repr(quantize_dynamic(ours)).replace("flambeau.", "torch.") == repr(quantized)
