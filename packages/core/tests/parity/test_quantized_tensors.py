"""Quantized tensors and fake quantization against PyTorch."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import flambeau

pytestmark = pytest.mark.filterwarnings("ignore")
KINDS = ["quint8", "qint8", "qint32"]


def both(name, *args, **kwargs):
    """The function of both libraries on the same arguments."""

    def ours(a):
        if isinstance(a, torch.dtype):
            return getattr(flambeau, str(a).removeprefix("torch."))
        return flambeau.tensor(a.detach().numpy()) if isinstance(a, torch.Tensor) else a

    mine = getattr(flambeau, name)(*map(ours, args), **kwargs)
    return mine, getattr(torch, name)(*args, **kwargs)


def same(mine, theirs):
    assert mine.int_repr().tolist() == theirs.int_repr().tolist()
    np.testing.assert_array_equal(mine.dequantize().numpy(), theirs.dequantize().numpy())
    assert str(mine.qscheme()).partition(".")[2] == str(theirs.qscheme()).partition(".")[2]


def halves(*shape):
    count = int(np.prod(shape))
    return ((torch.arange(count) - count // 2) * 0.5).reshape(shape)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("scale", "zero"), [(1.0, 0), (0.2, 3), (0.13, 1)])
def test_per_tensor(kind, scale, zero):
    for x in (halves(7, 5), torch.randn(50) * 9, torch.zeros(0), torch.tensor(1.5)):
        mine, theirs = both("quantize_per_tensor", x, scale, zero, getattr(torch, kind))
        same(mine, theirs)
        assert (mine.q_scale(), mine.q_zero_point()) == (scale, zero)
        assert mine.is_quantized and mine.dtype is getattr(flambeau, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_per_channel(kind, axis):
    x = halves(4, 4, 4)
    scales, zeros = torch.tensor([0.1, 0.5, 1.0, 0.03]), torch.tensor([0, 1, 2, 5])
    if axis == -1:
        axis = 2
    mine, theirs = both("quantize_per_channel", x, scales, zeros, axis, getattr(torch, kind))
    same(mine, theirs)
    assert mine.q_per_channel_axis() == theirs.q_per_channel_axis() == axis
    assert mine.q_per_channel_scales().tolist() == theirs.q_per_channel_scales().tolist()
    with pytest.raises(RuntimeError, match="q_scale"):
        mine.q_scale()


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("reduce_range", [False, True])
def test_dynamic(kind, reduce_range):
    for x in (torch.randn(99), torch.rand(9) + 3, -torch.rand(9), torch.zeros(4)):
        mine, theirs = both("quantize_per_tensor_dynamic", x, getattr(torch, kind), reduce_range)
        same(mine, theirs)
        assert mine.q_scale() == theirs.q_scale() and mine.q_zero_point() == theirs.q_zero_point()


MOVES = {
    "reshape": lambda t: t.reshape(2, 6),
    "index": lambda t: t[1, ::2],
    "permute": lambda t: t.permute(1, 0),
    "clone": lambda t: t.clone(),
    "flatten": lambda t: t.flatten(),
    "unsqueeze": lambda t: t.unsqueeze(0),
    "max": lambda t: t.max(),
    "relu": lambda t: t.relu(),
    "sort": lambda t: t.sort()[0],
}


@pytest.mark.parametrize("move", MOVES)
def test_what_moves_elements_keeps_their_meaning(move):
    mine, theirs = both("quantize_per_tensor", halves(3, 4), 0.5, 7, torch.quint8)
    same(MOVES[move](mine), MOVES[move](theirs))


def test_printed_joined_copied_and_refused():
    mine, theirs = both("quantize_per_tensor", halves(2, 3), 0.5, 7, torch.quint8)
    text = repr(theirs).replace("torch.", "flambeau.")
    assert repr(mine).split() == text.split()
    same(flambeau.cat([mine, mine]), torch.cat([theirs, theirs]))
    assert bool((mine == mine).all())
    for again in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
        same(again, theirs)
    with pytest.raises(NotImplementedError, match="dequantize"):
        mine + mine
    with pytest.raises(NotImplementedError, match="quantized"):
        flambeau.ones(2).q_scale()
    with pytest.raises(RuntimeError, match="above upper bound"):
        flambeau.quantize_per_tensor(flambeau.ones(2), 0.1, 300, flambeau.quint8)
    with pytest.raises(RuntimeError, match="only works on Float"):
        flambeau.quantize_per_tensor(flambeau.ones(2).double(), 0.1, 3, flambeau.quint8)


def test_pooled_and_normalised():
    mine, theirs = both("quantize_per_tensor", halves(1, 2, 4, 4), 0.5, 3, torch.quint8)
    same(flambeau.quantized_max_pool2d(mine, 2), torch.quantized_max_pool2d(theirs, 2))
    line, line_theirs = both("quantize_per_tensor", halves(1, 2, 8), 0.5, 3, torch.quint8)
    same(flambeau.quantized_max_pool1d(line, 2), torch.quantized_max_pool1d(line_theirs, 2))
    stats = [torch.tensor(v) for v in ([1.0, 2.0], [0.1, 0.0], [0.2, -0.1], [1.5, 0.7])]
    made = flambeau.quantized_batch_norm(
        mine, *(flambeau.tensor(s.numpy()) for s in stats), 1e-5, 0.1, 3
    )
    expected = torch.quantized_batch_norm(theirs, *stats, 1e-5, 0.1, 3)
    steps = made.int_repr().long() - flambeau.tensor(expected.int_repr().numpy()).long()
    assert int(steps.abs().max()) <= 1


@pytest.mark.parametrize("as_tensors", [False, True])
def test_fake_quantization_and_its_gradient(as_tensors):
    x = (torch.randn(6, 5) * 3).requires_grad_()
    z = flambeau.tensor(x.detach().numpy()).requires_grad_()
    given = (torch.tensor(0.1), torch.tensor(10)) if as_tensors else (0.1, 10)
    own = [flambeau.tensor(a.numpy()) if as_tensors else a for a in given]
    expected = torch.fake_quantize_per_tensor_affine(x, *given, 0, 30)
    made = flambeau.fake_quantize_per_tensor_affine(z, *own, 0, 30)
    np.testing.assert_array_equal(made.detach().numpy(), expected.detach().numpy())
    expected.square().sum().backward()
    made.square().sum().backward()
    np.testing.assert_array_equal(z.grad.numpy(), x.grad.numpy())
    with pytest.raises(RuntimeError, match="quant_min"):
        flambeau.fake_quantize_per_tensor_affine(z, 0.1, 0, 3, 2)


def test_fake_quantization_of_channels():
    x = (torch.randn(6, 3) * 3).requires_grad_()
    z = flambeau.tensor(x.detach().numpy()).requires_grad_()
    scales, zeros = torch.tensor([0.1, 0.2, 0.5]), torch.tensor([0, 3, 7], dtype=torch.int32)
    expected = torch.fake_quantize_per_channel_affine(x, scales, zeros, 1, -4, 20)
    made = flambeau.fake_quantize_per_channel_affine(
        z, flambeau.tensor(scales.numpy()), flambeau.tensor(zeros.numpy()), 1, -4, 20
    )
    np.testing.assert_array_equal(made.detach().numpy(), expected.detach().numpy())
    expected.sum().backward()
    made.sum().backward()
    np.testing.assert_array_equal(z.grad.numpy(), x.grad.numpy())
