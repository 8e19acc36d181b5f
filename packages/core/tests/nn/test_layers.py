"""Layers against their definitions, and double backward of what has kernels of its own."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.autograd import gradcheck, gradgradcheck
from flambeau.nn import functional as F


def doubles(*shape: int, seed: int = 0) -> flambeau.Tensor:
    values = np.random.default_rng(seed).standard_normal(shape)
    return flambeau.tensor(values, requires_grad=True)


def direct_convolution(x, w, stride, padding, dilation, groups):
    """The sum of products, written out."""
    x = np.pad(x, [(0, 0), (0, 0), *[(p, p) for p in padding]])
    n, _, height, width = x.shape
    o, per_group, kh, kw = w.shape
    oh = (height - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (width - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((n, o, oh, ow))
    for k in range(o):
        first = k // (o // groups) * per_group
        for i in range(oh):
            for j in range(ow):
                rows = i * stride[0] + np.arange(kh) * dilation[0]
                columns = j * stride[1] + np.arange(kw) * dilation[1]
                part = x[:, first : first + per_group][:, :, rows][:, :, :, columns]
                y[:, k, i, j] = (part * w[k]).sum((1, 2, 3))
    return y


@pytest.mark.parametrize(
    "stride, padding, dilation, groups",
    [((1, 1), (0, 0), (1, 1), 1), ((2, 1), (1, 2), (1, 2), 2), ((1, 3), (0, 1), (2, 1), 4)],
)
def test_convolution_is_the_sum_of_products(stride, padding, dilation, groups) -> None:
    x, w = doubles(2, 4, 7, 6), doubles(4, 4 // groups, 3, 2, seed=1)
    y = F.conv2d(x, w, None, stride, padding, dilation, groups)
    expected = direct_convolution(
        x.detach().numpy(), w.detach().numpy(), stride, padding, dilation, groups
    )
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_convolution_gradients_of_both_orders(transposed, groups) -> None:
    x, b = doubles(2, 4, 4), doubles(4, seed=2)
    w = doubles(4, 4 // groups, 2, seed=1)
    if transposed:

        def f(x, w, b):
            return F.conv_transpose1d(x, w, b, 2, 1, 1, groups, 2)
    else:

        def f(x, w, b):
            return F.conv1d(x, w, b, 2, 1, 2, groups)

    assert gradcheck(f, (x, w, b))
    assert gradgradcheck(f, (x, w, b))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: F.max_pool2d(x, 2, 1),
        lambda x: F.avg_pool2d(x, 3, 2, 1, True, False),
        lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
        lambda x: F.adaptive_max_pool2d(x, (2, 3)),
        lambda x: F.unfold(x, 2, stride=2),
        lambda x: F.fold(F.unfold(x, 2), (3, 4), 2),
        lambda x: F.layer_norm(x, (4,)),
        lambda x: F.group_norm(x, 1),
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: F.instance_norm(x),
        lambda x: F.rms_norm(x, (4,)),
        lambda x: F.interpolate(x, size=(2, 5), mode="bicubic"),
        lambda x: F.pad(x, (1, 2, 0, 1), mode="reflect"),
        lambda x: F.scaled_dot_product_attention(x, x * 2, x + 1),
        lambda x: F.normalize(x),
    ],
)
def test_gradients_of_both_orders(f) -> None:
    x = doubles(1, 2, 3, 4)
    assert gradcheck(f, (x,))
    assert gradgradcheck(f, (x,), atol=1e-4)


@pytest.mark.parametrize("mode", ["LSTM", "GRU", "RNN"])
def test_recurrent_gradients(mode) -> None:
    net = getattr(nn, mode)(2, 3, bidirectional=True).double()
    x = doubles(3, 2, 2)
    assert gradcheck(lambda x, *w: net(x)[0], (x, *net.parameters()))


def test_batch_norm_remembers_what_it_saw() -> None:
    norm = nn.BatchNorm1d(2, momentum=0.5)
    x = flambeau.tensor([[1.0, 0.0], [3.0, 4.0]])
    norm(x)
    assert flambeau.allclose(norm.running_mean, flambeau.tensor([1.0, 1.0]))
    assert flambeau.allclose(norm.running_var, flambeau.tensor([1.5, 4.5]))
    assert int(norm.num_batches_tracked) == 1
    before = norm.running_mean.clone()
    norm.eval()(x)
    assert flambeau.equal(norm.running_mean, before)


def test_max_pool_keeps_nan_and_its_indices_lead_back() -> None:
    x = flambeau.tensor([[[1.0, float("nan"), 5.0, 2.0]]])
    values, places = F.max_pool1d(x, 2, return_indices=True)
    assert bool(values[0, 0, 0].isnan()) and places.tolist() == [[[1, 2]]]


def test_dropout_scales_what_stays_and_rests_in_evaluation() -> None:
    x = flambeau.ones(1000)
    y = nn.Dropout(0.25)(x)
    kept = y[y != 0]
    assert flambeau.allclose(kept, flambeau.full_like(kept, 1 / 0.75))
    assert 650 < len(kept) < 850
    assert nn.Dropout(0.25).eval()(x) is x
    channels = nn.Dropout2d(0.5)(flambeau.ones(8, 8, 3, 3)).flatten(2)
    assert bool(((channels == 0).all(-1) | (channels == 2).all(-1)).all())


def test_embedding_gradient_skips_padding() -> None:
    table = nn.Embedding(4, 2, padding_idx=1)
    table(flambeau.tensor([[0, 1], [1, 0]])).sum().backward()
    assert table.weight.grad.tolist() == [[2, 2], [0, 0], [0, 0], [0, 0]]
    with pytest.raises(IndexError):
        table(flambeau.tensor([4]))


def test_cross_entropy_ignores_and_refuses() -> None:
    x = flambeau.tensor([[0.0, 0.0], [9.0, 0.0]])
    loss = F.cross_entropy(x, flambeau.tensor([0, -100]))
    assert abs(float(loss) - np.log(2)) < 1e-6
    assert bool(F.cross_entropy(x, flambeau.tensor([-100, -100])).isnan())
    with pytest.raises(IndexError, match=r"Target 2 is out of bounds\."):
        F.cross_entropy(x, flambeau.tensor([2, 0]))
    with pytest.raises(ValueError, match=r"batch_size \(2\) to match target batch_size \(3\)"):
        F.cross_entropy(x, flambeau.tensor([0, 1, 1]))


def test_lstm_of_packed_sequences_equals_each_alone() -> None:
    net = nn.LSTM(2, 3, 2, bidirectional=True)
    sequences = [flambeau.randn(n, 2) for n in (4, 2, 5)]
    packed = nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
    output, (h, _) = net(packed)
    for k, (sequence, part) in enumerate(zip(sequences, nn.utils.rnn.unpack_sequence(output))):
        alone, (state, _) = net(sequence)
        assert flambeau.allclose(part, alone, atol=1e-6)
        assert flambeau.allclose(h[:, k], state, atol=1e-6)


def test_attention_of_what_is_masked_is_zero() -> None:
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    x = flambeau.randn(2, 3, 4)
    padding = flambeau.tensor([[False, False, True], [False, False, False]])
    _, weights = attention(x, x, x, key_padding_mask=padding)
    assert bool((weights[0, :, 2] == 0).all()) and bool((weights[1] > 0).all())
    assert flambeau.allclose(weights.sum(-1), flambeau.ones(2, 3))


def test_causal_encoder_does_not_look_ahead() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval()
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    x = flambeau.randn(1, 3, 4)
    changed = x.clone()
    changed[0, 2] = 9.0
    a, b = layer(x, src_mask=mask), layer(changed, src_mask=mask)
    assert flambeau.allclose(a[:, :2], b[:, :2]) and not flambeau.allclose(a[:, 2], b[:, 2])


def test_a_network_learns_to_tell_points_apart() -> None:
    x = flambeau.randn(200, 2)
    y = (x[:, 0] * x[:, 1] > 0).long()
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = flambeau.optim.Adam(net.parameters(), 0.05)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    assert float((net(x).argmax(1) == y).float().mean()) > 0.95


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: nn.Conv2d(3, 4, 3)(flambeau.ones(1, 2, 8, 8)), RuntimeError, "to have 3 channels"),
        (lambda: nn.Conv2d(3, 4, 9)(flambeau.ones(1, 3, 4, 4)), RuntimeError, "Kernel size can't"),
        (lambda: nn.Linear(3, 4)(flambeau.ones(2, 5)), RuntimeError, "2x5 and 3x4"),
        (lambda: nn.MaxPool2d(5)(flambeau.ones(1, 1, 3, 3)), RuntimeError, "too small"),
        (lambda: nn.BatchNorm2d(3)(flambeau.ones(2, 3)), ValueError, "expected 4D input"),
        (lambda: nn.LSTM(3, 4)(flambeau.ones(2, 1, 5)), RuntimeError, "Expected 3, got 5"),
        (lambda: nn.Linear(3, 4)(flambeau.ones(3, dtype=flambeau.float64)), RuntimeError, "dtype"),
        (lambda: nn.MultiheadAttention(5, 2), AssertionError, "divisible by num_heads"),
        (lambda: F.interpolate(flambeau.ones(1, 1, 2)), ValueError, "either size or scale"),
        (lambda: F.one_hot(flambeau.tensor([3]), 2), RuntimeError, "smaller than num_classes"),
    ],
)
def test_wrong_input_is_one_clear_error(call, error, text) -> None:
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("dtype", [flambeau.int64, flambeau.int32])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (0,), (2, 0), (64, 50)])
def test_an_embedding_picks_rows_by_indices_of_any_shape(shape, dtype):
    flambeau.manual_seed(0)
    weight = flambeau.randn(10, 16, requires_grad=True)
    indices = flambeau.randint(0, 10, shape).to(dtype)
    out = F.embedding(indices, weight)
    picked = weight.detach().numpy()[indices.numpy()]
    assert out.shape == (*shape, 16) and np.array_equal(out.detach().numpy(), picked)
    g = flambeau.randn(*out.shape)
    out.backward(g)
    expected = np.zeros((10, 16))
    np.add.at(expected, indices.numpy(), g.numpy())
    np.testing.assert_allclose(weight.grad.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("count", [3, 4000])  # for NumPy, and for the kernel
@pytest.mark.parametrize("bad", [10, -11, -1])
def test_an_embedding_names_an_index_out_of_range(count, bad):
    indices = flambeau.zeros(count, 2, dtype=flambeau.int64)
    indices[1, 0] = bad
    for weight in (flambeau.ones(10, 16), flambeau.ones(10, 16, requires_grad=True)):
        with pytest.raises(IndexError, match=f"index {bad} is out of bounds for dimension 0"):
            F.embedding(indices, weight)
    with pytest.raises(IndexError, match="out of bounds"):
        F.embedding(indices, flambeau.ones(10, 0))
    row = F.embedding(flambeau.tensor(3), weight := flambeau.ones(10, 4))
    row.zero_()  # a copy, of one index too
    assert weight.sum() == 40
