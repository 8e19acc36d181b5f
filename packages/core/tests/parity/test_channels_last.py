"""Channels last in flambeau and in PyTorch: values and strides of results and of the input's gradient, call by call."""

import numpy as np
import pytest
import torch

import flambeau
from flambeau.backends.cpu import convolutions, pools
from flambeau.runtime import layouts

SHAPE = (2, 8, 6, 6)
LARGE = (2, 16, 48, 48)  # where compiled kernels serve
W, DEPTH, B = (16, 8, 3, 3), (8, 1, 3, 3), (16,)

# What is called with the library's `nn.functional`, an input with channels last, and further operands.
CALLS = {
    "conv": (lambda f, x, w, b: f.conv2d(x, w, b, padding=1), W, B),
    "conv 1x1": (lambda f, x, w: f.conv2d(x, w), (16, 8, 1, 1)),
    "conv few": (lambda f, x, w: f.conv2d(x, w, padding=1), (5, 8, 3, 3)),
    "conv strided": (lambda f, x, w, b: f.conv2d(x, w, b, stride=2, padding=1), W, B),
    "conv dilated": (lambda f, x, w, b: f.conv2d(x, w, b, padding=2, dilation=2), W, B),
    "conv grouped": (lambda f, x, w: f.conv2d(x, w, padding=1, groups=2), (16, 4, 3, 3)),
    "conv depthwise": (lambda f, x, w: f.conv2d(x, w, padding=1, groups=8), DEPTH),
    "conv whole": (lambda f, x, w: f.conv2d(x, w), (4, 8, 6, 6)),
    "conv_transpose": (
        lambda f, x, w: f.conv_transpose2d(x, w, stride=2, padding=1),
        (8, 16, 3, 3),
    ),
    "max_pool": (lambda f, x: f.max_pool2d(x, 2),),
    "max_pool padded": (lambda f, x: f.max_pool2d(x, 3, 2, 1),),
    "max_pool ceil": (lambda f, x: f.max_pool2d(x, 4, 3, ceil_mode=True),),
    "max_pool indices": (lambda f, x: f.max_pool2d(x, 2, return_indices=True)[0],),
    "max_pool places": (lambda f, x: f.max_pool2d(x, 2, return_indices=True)[1],),
    "max_unpool": (lambda f, x: f.max_unpool2d(*f.max_pool2d(x, 2, return_indices=True), 2),),
    "avg_pool": (lambda f, x: f.avg_pool2d(x, 2),),
    "avg_pool padded": (lambda f, x: f.avg_pool2d(x, 3, 2, 1, count_include_pad=False),),
    "avg_pool ceil": (lambda f, x: f.avg_pool2d(x, 4, 3, ceil_mode=True),),
    "avg_pool divisor": (lambda f, x: f.avg_pool2d(x, 2, divisor_override=3),),
    "lp_pool": (lambda f, x: f.lp_pool2d(x, 2, 2),),
    "adaptive_avg": (lambda f, x: f.adaptive_avg_pool2d(x, 4),),
    "adaptive_avg to one": (lambda f, x: f.adaptive_avg_pool2d(x, 1),),
    "adaptive_max": (lambda f, x: f.adaptive_max_pool2d(x, 3),),
    "batch_norm": (lambda f, x, w, b: f.batch_norm(x, None, None, w, b, True), (8,), (8,)),
    "batch_norm given": (
        lambda f, x, m, v: f.batch_norm(x, m.detach(), v.detach() ** 2 + 1),
        (8,),
        (8,),
    ),
    "group_norm": (lambda f, x, w, b: f.group_norm(x, 2, w, b), (8,), (8,)),
    "nearest": (lambda f, x: f.interpolate(x, scale_factor=2, mode="nearest"),),
    "bilinear": (lambda f, x: f.interpolate(x, scale_factor=2, mode="bilinear"),),
    "bicubic": (lambda f, x: f.interpolate(x, scale_factor=2, mode="bicubic"),),
    "area": (lambda f, x: f.interpolate(x, size=(4, 4), mode="area"),),
    "pad": (lambda f, x: f.pad(x, (1, 2, 1, 1)),),
    "pad and cut": (lambda f, x: f.pad(x, (-1, 2, 0, 1, 1, -1), value=2.0),),
    "pad reflect": (lambda f, x: f.pad(x, (1, 2, 1, 1), mode="reflect"),),
    "pad replicate": (lambda f, x: f.pad(x, (1, 2, 1, 1), mode="replicate"),),
    "pad circular": (lambda f, x: f.pad(x, (1, 2, 1, 1), mode="circular"),),
    "pixel_shuffle": (lambda f, x: f.pixel_shuffle(x, 2),),
    "pixel_unshuffle": (lambda f, x: f.pixel_unshuffle(x, 2),),
    "channel_shuffle": (lambda f, x: f.channel_shuffle(x, 2),),
    "flip": (lambda f, x: x.flip(1, 3),),
    "relu": (lambda f, x: f.relu(x),),
    "gelu": (lambda f, x: f.gelu(x),),
    "gelu tanh": (lambda f, x: f.gelu(x, approximate="tanh"),),
    "silu": (lambda f, x: f.silu(x),),
    "hardswish": (lambda f, x: f.hardswish(x),),
    "prelu": (lambda f, x, w: f.prelu(x, w), (8,)),
    "softmax": (lambda f, x: f.softmax(x, 1),),
    "by channel": (lambda f, x, w: w * x + 1, (8, 1, 1)),
    "with rows": (lambda f, x, y: y * x, SHAPE),
    "with itself": (lambda f, x: x * x + x,),
    "block": (lambda f, x, w, b: f.relu(f.max_pool2d(f.conv2d(x, w, b, padding=1), 2)) + 1, W, B),
}


def run(m, call, operands, last):
    """Result, its strides, and the gradient of the first operand with its strides."""
    given = []
    for i, a in enumerate(operands):
        t = m.tensor(a)
        if i == 0 or (last and a.ndim == 4):
            t = t.to(memory_format=m.channels_last)
        given.append(t.requires_grad_())
    made = call(m.nn.functional, *given)
    found = [made.detach().numpy(), made.stride(), None, None]
    if made.requires_grad:
        (made * made.detach()).sum().backward()
        found[2:] = given[0].grad.numpy(), given[0].grad.stride()
    return found


def check(call, operands, last):
    got, wanted = (run(m, call, operands, last) for m in (flambeau, torch))
    assert tuple(got[1]) == tuple(wanted[1])
    np.testing.assert_allclose(got[0], wanted[0], rtol=1e-4, atol=1e-4)
    if wanted[2] is not None:
        assert tuple(got[3]) == tuple(wanted[3])
        np.testing.assert_allclose(got[2], wanted[2], rtol=1e-3, atol=1e-3)


def operands(rng, shapes, dtype):
    return [rng.standard_normal(s).astype(dtype) for s in shapes]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CALLS)
def test_results_lie_as_in_pytorch(name, dtype):
    call, *shapes = CALLS[name]
    check(call, operands(np.random.default_rng(3), (SHAPE, *shapes), dtype), False)


@pytest.mark.parametrize("name", [n for n in CALLS if n.startswith("conv") or n == "block"])
def test_weights_may_have_channels_last_too(name):
    call, *shapes = CALLS[name]
    given = operands(np.random.default_rng(4), (SHAPE, *shapes), "float32")
    if given[1].shape[1] > 1:  # of one channel, strides do not tell
        check(call, given, True)


LARGE_CALLS = {
    "conv": (lambda f, x, w: f.conv2d(x, w, padding=1), (32, 16, 3, 3)),
    "max_pool": (lambda f, x: f.max_pool2d(x, 3, 2, 1),),
    "avg_pool": (lambda f, x: f.avg_pool2d(x, 2),),
    "pad": (lambda f, x: f.pad(x, (1, 2, 1, 1)),),
    "flip": (lambda f, x: x.flip(2),),
    "gelu": (lambda f, x: f.gelu(x),),
    "with rows": (lambda f, x, y: x + y, LARGE),
    "rows with it": (lambda f, x, y: y + x, LARGE),
}


@pytest.mark.parametrize("name", LARGE_CALLS)
def test_large_results_lie_as_in_pytorch(name):
    call, *shapes = LARGE_CALLS[name]
    check(call, operands(np.random.default_rng(5), (LARGE, *shapes), "float32"), False)


@pytest.mark.parametrize("call", [lambda f, x, w: f.conv3d(x, w), lambda f, x, w: f.max_pool3d(x, 2) * w.sum()])  # fmt: skip
def test_five_dimensions(call):
    rng = np.random.default_rng(6)
    x, w = operands(rng, ((2, 4, 5, 6, 7), (6, 4, 3, 3, 3)), "float32")
    found = []
    for m in (flambeau, torch):
        given = m.tensor(x).to(memory_format=m.channels_last_3d)
        made = call(m.nn.functional, given, m.tensor(w))
        found.append((made.is_contiguous(memory_format=m.channels_last_3d), tuple(made.stride())))
        np.testing.assert_allclose(made.numpy(), call(torch.nn.functional, *map(torch.tensor, (x, w))), rtol=1e-4, atol=1e-4)  # fmt: skip
    assert found[0] == found[1]


def test_row_major_operands_stay_row_major():
    rng = np.random.default_rng(7)
    for name, (call, *shapes) in CALLS.items():
        made = call(flambeau.nn.functional, *map(flambeau.tensor, operands(rng, (SHAPE, *shapes), "float32")))  # fmt: skip
        assert made.is_contiguous(), name


def test_gradients_of_weights_lie_as_the_weights():
    rng = np.random.default_rng(8)
    x, w = rng.standard_normal(SHAPE), rng.standard_normal(W)
    found = []
    for m in (flambeau, torch):
        weight = m.tensor(w).to(memory_format=m.channels_last).requires_grad_()
        m.nn.functional.conv2d(m.tensor(x), weight).sum().backward()
        m.nn.functional.conv2d(m.tensor(x), weight).square().sum().backward()  # added in place
        found.append(weight.grad)
    assert found[0].stride() == found[1].stride() == (72, 1, 24, 8)
    np.testing.assert_allclose(found[0].numpy(), found[1].numpy())


def test_kernels_for_channels_last_are_taken(monkeypatch):
    taken = []
    for place, name in ((convolutions, "_with_channels_last"), (pools, "_mean_last")):
        real = getattr(place, name)
        monkeypatch.setattr(place, name, lambda *a, real=real: taken.append(real(*a)) or taken[-1])
    x = flambeau.rand(*LARGE).to(memory_format=flambeau.channels_last)
    flambeau.nn.functional.conv2d(x, flambeau.rand(32, 16, 3, 3))
    flambeau.nn.functional.avg_pool2d(x, 2)
    assert [a is not None and layouts.is_last(a) for a in taken] == [True, True]


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 1, 4, 5), (2, 3, 1, 1), (1, 1, 1, 1), (4, 1, 1, 1), (2, 3, 4, 5, 6), (0, 3, 4, 5), (2, 3)])  # fmt: skip
def test_is_last(shape):
    rows = np.empty(shape)
    assert not layouts.is_last(rows)
    if len(shape) > 3 and rows.size > 4 and 0 not in shape:
        order = layouts.ORDERS[len(shape)]
        assert layouts.is_last(np.empty([shape[d] for d in order]).transpose(layouts.BACK[len(shape)]))  # fmt: skip


def test_modules_are_converted_and_trained():
    rng = np.random.default_rng(9)
    x, w = rng.standard_normal(SHAPE), rng.standard_normal(W)
    found = []
    for m in (flambeau, torch):
        net = m.nn.Sequential(m.nn.Conv2d(8, 16, 3, padding=1), m.nn.BatchNorm2d(16), m.nn.ReLU())
        net = net.double().to(memory_format=m.channels_last)
        with m.no_grad():
            net[0].weight.copy_(m.tensor(w))
            net[0].bias.zero_()
        made = net(m.tensor(x))
        made.square().sum().backward()
        step = m.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        step.step()
        weight = net[0].weight
        found.append((made, weight, weight.grad))
    for got, wanted in zip(*found):
        assert tuple(got.stride()) == tuple(wanted.stride())
        np.testing.assert_allclose(got.detach().numpy(), wanted.detach().numpy(), atol=1e-8)
    assert found[0][1].is_contiguous(memory_format=flambeau.channels_last)
