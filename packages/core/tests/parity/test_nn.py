"""Modules against PyTorch: initial values, printed form, state, results and gradients."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch

import flambeau
from flambeau import nn

pytestmark = pytest.mark.filterwarnings("ignore")


def image(*shape):
    return ("float", shape)


def index(high, *shape):
    return ("int", high, shape)


# name: (positional and keyword arguments of the constructor, inputs)
CASES = {
    "Identity": ([((), {})], [image(2, 3)]),
    "Linear": ([((3, 4), {}), ((3, 4), {"bias": False})], [image(2, 3)]),
    "Bilinear": ([((3, 4, 5), {})], [image(2, 3), image(2, 4)]),
    "Flatten": ([((), {}), ((0, 1), {})], [image(2, 3, 4)]),
    "Unflatten": ([((1, (2, 3)), {})], [image(2, 6)]),
    "Conv1d": (
        [
            ((4, 6, 3), {}),
            ((4, 6, 3), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}),
            ((4, 6, 4), {"padding": "same", "dilation": 2, "bias": False}),
            ((4, 6, 3), {"padding": 2, "padding_mode": "circular"}),
        ],
        [image(2, 4, 9)],
    ),
    "Conv2d": (
        [
            ((4, 6, 3), {}),
            ((4, 6, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}),
            ((4, 4, 3), {"groups": 4, "padding": "same"}),
            ((4, 6, 1), {"stride": 2}),
            ((4, 6, 3), {"padding": 1, "padding_mode": "reflect"}),
            ((4, 6, 3), {"padding": "valid", "padding_mode": "replicate"}),
        ],
        [image(2, 4, 8, 7)],
    ),
    "Conv3d": ([((2, 4, 2), {"stride": 2, "padding": 1})], [image(2, 2, 4, 5, 6)]),
    "ConvTranspose1d": (
        [
            ((4, 6, 3), {}),
            (
                (4, 6, 3),
                {"stride": 3, "padding": 1, "output_padding": 2, "groups": 2, "dilation": 2},
            ),
        ],
        [image(2, 4, 5)],
    ),
    "ConvTranspose2d": (
        [((4, 6, 3), {"stride": 2, "output_padding": 1}), ((4, 6, 2), {"bias": False})],
        [image(2, 4, 3, 4)],
    ),
    "ConvTranspose3d": ([((2, 4, 2), {"stride": 2})], [image(1, 2, 2, 3, 2)]),
    "MaxPool1d": ([((2,), {}), ((3,), {"stride": 2, "padding": 1})], [image(2, 3, 8)]),
    "MaxPool2d": (
        [
            ((2,), {}),
            ((3,), {"stride": 2, "padding": 1, "ceil_mode": True}),
            ((2,), {"dilation": 2}),
        ],
        [image(2, 3, 7, 8)],
    ),
    "MaxPool3d": ([((2,), {})], [image(1, 2, 4, 4, 5)]),
    "AvgPool1d": ([((2,), {}), ((3, 2, 1), {"count_include_pad": False})], [image(2, 3, 8)]),
    "AvgPool2d": (
        [
            ((2,), {}),
            ((3,), {"stride": 2, "padding": 1, "ceil_mode": True}),
            ((3, 2, 1), {"count_include_pad": False}),
            ((2,), {"divisor_override": 3}),
        ],
        [image(2, 3, 7, 8)],
    ),
    "AvgPool3d": ([((2,), {})], [image(1, 2, 4, 4, 5)]),
    "AdaptiveAvgPool1d": ([((3,), {})], [image(2, 3, 8)]),
    "AdaptiveAvgPool2d": (
        [((1,), {}), (((3, None),), {}), ((4,), {})],
        [image(2, 3, 7, 8)],
    ),
    "AdaptiveAvgPool3d": ([((2,), {})], [image(1, 2, 4, 4, 5)]),
    "AdaptiveMaxPool1d": ([((3,), {}), ((4,), {})], [image(2, 3, 8)]),
    "AdaptiveMaxPool2d": ([((1,), {}), (((3, 4),), {})], [image(2, 3, 7, 8)]),
    "AdaptiveMaxPool3d": ([((2,), {})], [image(1, 2, 4, 4, 5)]),
    "BatchNorm1d": (
        [((3,), {}), ((3,), {"affine": False}), ((3,), {"momentum": None, "bias": False})],
        [image(4, 3)],
    ),
    "BatchNorm2d": (
        [((3,), {}), ((3,), {"track_running_stats": False, "eps": 0.1})],
        [image(4, 3, 2, 5)],
    ),
    "BatchNorm3d": ([((3,), {})], [image(2, 3, 2, 2, 2)]),
    "InstanceNorm1d": ([((3,), {})], [image(4, 3, 5)]),
    "InstanceNorm2d": (
        [((3,), {}), ((3,), {"affine": True, "track_running_stats": True})],
        [image(4, 3, 2, 5)],
    ),
    "LayerNorm": ([((5,), {}), (((3, 5),), {"bias": False})], [image(4, 3, 5)]),
    "GroupNorm": ([((2, 4), {}), ((4, 4), {"affine": False})], [image(3, 4, 5)]),
    "RMSNorm": ([((5,), {}), ((5,), {"eps": 1e-3})], [image(4, 3, 5)]),
    "LocalResponseNorm": ([((3,), {}), ((2, 0.1, 0.5, 2.0), {})], [image(2, 5, 4)]),
    "Dropout": ([((0.3,), {})], [image(40, 5)]),
    "Dropout1d": ([((), {})], [image(4, 6, 5)]),
    "Dropout2d": ([((), {})], [image(4, 6, 5, 2)]),
    "Dropout3d": ([((), {})], [image(4, 6, 2, 2, 2)]),
    "AlphaDropout": ([((0.3,), {})], [image(40, 5)]),
    "FeatureAlphaDropout": ([((0.3,), {})], [image(4, 6, 5)]),
    "Embedding": (
        [
            ((7, 3), {}),
            ((7, 3), {"padding_idx": 2}),
            ((7, 3), {"scale_grad_by_freq": True}),
            ((7, 3), {"max_norm": 1.0}),
        ],
        [index(7, 4, 5)],
    ),
    "EmbeddingBag": (
        [
            ((7, 3), {}),
            ((7, 3), {"mode": "sum", "padding_idx": 1}),
            ((7, 3), {"mode": "max"}),
        ],
        [index(7, 4, 5)],
    ),
    "Softmax": ([((1,), {})], [image(3, 4)]),
    "Softmin": ([((1,), {})], [image(3, 4)]),
    "LogSoftmax": ([((0,), {})], [image(3, 4)]),
    "Softmax2d": ([((), {})], [image(2, 3, 4, 2)]),
    "Upsample": (
        [
            ((), {"scale_factor": 2}),
            ((), {"size": (5, 9)}),
            ((), {"scale_factor": 1.7, "mode": "bilinear"}),
            ((), {"size": (6, 4), "mode": "bilinear", "align_corners": True}),
            ((), {"size": (6, 4), "mode": "bicubic"}),
            ((), {"size": (9, 11), "mode": "bicubic", "align_corners": True}),
            ((), {"size": (3, 11), "mode": "nearest-exact"}),
        ],
        [image(2, 3, 4, 5)],
    ),
    "UpsamplingNearest2d": ([((6,), {})], [image(2, 3, 4, 5)]),
    "UpsamplingBilinear2d": ([((6,), {})], [image(2, 3, 4, 5)]),
    "PixelShuffle": ([((2,), {})], [image(2, 8, 3, 4)]),
    "PixelUnshuffle": ([((2,), {})], [image(2, 2, 4, 6)]),
    "ChannelShuffle": ([((2,), {})], [image(2, 6, 4, 3)]),
    "Unfold": (
        [((2,), {}), ((3,), {"dilation": 2, "padding": 1, "stride": 2})],
        [image(2, 3, 6, 5)],
    ),
    "Fold": ([(((4, 5), (2, 3)), {"padding": 1})], [image(2, 18, 25)]),
    "CosineSimilarity": ([((), {})], [image(3, 4), image(3, 4)]),
    "PairwiseDistance": ([((), {}), ((1.0,), {"keepdim": True})], [image(3, 4), image(3, 4)]),
    "RNNCell": ([((3, 4), {}), ((3, 4), {"nonlinearity": "relu", "bias": False})], [image(2, 3)]),
    "LSTMCell": ([((3, 4), {})], [image(2, 3)]),
    "GRUCell": ([((3, 4), {})], [image(3)]),
    "RNN": (
        [((3, 4), {}), ((3, 4, 2, "relu"), {"bidirectional": True, "batch_first": True})],
        [image(5, 2, 3)],
    ),
    "LSTM": (
        [
            ((3, 4), {}),
            ((3, 4), {"num_layers": 2, "bidirectional": True, "bias": False}),
            ((3, 4), {"num_layers": 2, "proj_size": 2, "batch_first": True}),
        ],
        [image(5, 2, 3)],
    ),
    "GRU": ([((3, 4), {}), ((3, 4, 2), {"bidirectional": True})], [image(5, 2, 3)]),
    "MultiheadAttention": (
        [
            ((8, 2), {}),
            ((8, 4), {"bias": False, "add_zero_attn": True, "batch_first": True}),
            ((8, 2), {"add_bias_kv": True}),
            ((8, 2), {"kdim": 8, "vdim": 8, "dropout": 0.2}),
        ],
        [image(5, 3, 8), image(5, 3, 8), image(5, 3, 8)],
    ),
    "TransformerEncoderLayer": (
        [
            ((8, 2, 16), {}),
            ((8, 2, 16), {"norm_first": True, "activation": "gelu", "batch_first": True}),
        ],
        [image(5, 3, 8)],
    ),
    "TransformerDecoderLayer": (
        [((8, 2, 16), {"dropout": 0.0}), ((8, 2, 16), {"norm_first": True, "bias": False})],
        [image(5, 3, 8), image(4, 3, 8)],
    ),
    "Transformer": ([((8, 2, 1, 2, 16), {"dropout": 0.0})], [image(5, 3, 8), image(4, 3, 8)]),
}
for dims in (1, 2, 3):
    shape = (2, 3, *(5, 4, 6)[:dims])
    CASES[f"ZeroPad{dims}d"] = ([((1,), {})], [image(*shape)])
    CASES[f"ConstantPad{dims}d"] = ([((1, 3.5), {})], [image(*shape)])
    for kind in ("Reflection", "Replication", "Circular"):
        CASES[f"{kind}Pad{dims}d"] = ([((2,), {})], [image(*shape)])
ACTIVATIONS = {
    "CELU": [{}, {"alpha": 0.5}],
    "ELU": [{}, {"alpha": 0.5}],
    "GELU": [{}, {"approximate": "tanh"}],
    "GLU": [{}],
    "Hardshrink": [{}],
    "Hardsigmoid": [{}],
    "Hardswish": [{}],
    "Hardtanh": [{}, {"min_val": -0.3, "max_val": 0.5}],
    "LeakyReLU": [{}, {"negative_slope": 0.2}],
    "LogSigmoid": [{}],
    "Mish": [{}],
    "PReLU": [{}, {"num_parameters": 6}],
    "ReLU": [{}, {"inplace": True}],
    "ReLU6": [{}],
    "SELU": [{}],
    "SiLU": [{}],
    "Sigmoid": [{}],
    "Softplus": [{}, {"beta": 2.0, "threshold": 1.0}],
    "Softshrink": [{}],
    "Softsign": [{}],
    "Tanh": [{}],
    "Tanhshrink": [{}],
    "Threshold": [{"threshold": 0.1, "value": 20.0}],
}
for name, options in ACTIVATIONS.items():
    CASES[name] = ([((), kwargs) for kwargs in options], [image(4, 6)])

FLAT = [(name, k) for name, (ctors, _) in CASES.items() for k in range(len(ctors))]


def build(library, name, args, kwargs):
    library.manual_seed(7)
    return getattr(library.nn, name)(*args, **kwargs)


def make_inputs(specs):
    rng = np.random.default_rng(3)
    for spec in specs:
        if spec[0] == "float":
            yield rng.standard_normal(spec[1]).astype("float32") * 1.5
        else:
            yield rng.integers(0, spec[1], spec[2])


def flat(result):
    if result is None:
        return []
    if isinstance(result, (tuple, list)):
        return [leaf for part in result for leaf in flat(part)]
    return [result]


def run(library, module, arrays):
    """Outputs, gradients of inputs and of parameters, and buffers afterwards."""
    library.manual_seed(11)
    inputs = []
    for array in arrays:
        tensor = library.tensor(array)
        inputs.append(tensor.requires_grad_() if array.dtype.kind == "f" else tensor)
    given = [x.clone() if x.requires_grad else x for x in inputs]  # for in-place modules
    if type(module).__name__ == "MultiheadAttention":
        given = [given[0]] * 3
    outputs = flat(module(*given))
    total = 0
    for number, output in enumerate(outputs):
        if output.requires_grad:
            rng = np.random.default_rng(number)
            weights = library.tensor(rng.standard_normal(tuple(output.shape)).astype("float32"))
            total = total + (output * weights).sum()
    if not isinstance(total, int):
        total.backward()
    grads = [x.grad for x in inputs] + [p.grad for p in module.parameters()]
    return outputs, grads, list(module.buffers())


def same(ours, theirs, tolerance=3e-5):
    if theirs is None:
        assert ours is None
        return
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance
    )


def text(module):
    return repr(module).replace("torch.", "flambeau.")


@pytest.mark.parametrize("name, k", FLAT)
def test_module(name, k):
    ctors, specs = CASES[name]
    args, kwargs = ctors[k]
    ours, theirs = build(flambeau, name, args, kwargs), build(torch, name, args, kwargs)
    assert repr(ours) == text(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert ours.state_dict()._metadata == theirs.state_dict()._metadata
    for a, b in zip(ours.state_dict().values(), theirs.state_dict().values()):
        # Bit for bit where nothing but drawing is involved.
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6, atol=1e-7)
    for ours_one, theirs_one in ((ours, theirs), (ours.eval(), theirs.eval())):
        arrays = list(make_inputs(specs))
        for p in [*ours.parameters(), *theirs.parameters()]:
            p.grad = None
        for got, want in zip(run(flambeau, ours_one, arrays), run(torch, theirs_one, arrays)):
            assert len(got) == len(want)
            for a, b in zip(got, want):
                same(a, b)


LOSSES = {
    "L1Loss": ("regression", [{}]),
    "MSELoss": ("regression", [{}]),
    "SmoothL1Loss": ("regression", [{}, {"beta": 0.3}, {"beta": 0.0}]),
    "HuberLoss": ("regression", [{}, {"delta": 0.3}]),
    "PoissonNLLLoss": ("counts", [{}, {"full": True}]),
    "KLDivLoss": ("probabilities", [{}, {"log_target": True}]),
    "BCEWithLogitsLoss": ("probabilities", [{}]),
    "BCELoss": ("both", [{}]),
    "SoftMarginLoss": ("signs", [{}]),
    "HingeEmbeddingLoss": ("signs", [{}, {"margin": 0.3}]),
    "MultiLabelSoftMarginLoss": ("probabilities", [{}]),
    "NLLLoss": ("classes", [{}, {"ignore_index": 1}]),
    "CrossEntropyLoss": (
        "classes",
        [
            {},
            {"ignore_index": 2},
            {"label_smoothing": 0.2},
            {"label_smoothing": 0.1, "ignore_index": 0},
        ],
    ),
    "MultiMarginLoss": ("classes", [{}, {"p": 2, "margin": 0.5}]),
}


def loss_inputs(kind):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((6, 4)).astype("float32")
    if kind == "regression":
        return x, rng.standard_normal((6, 4)).astype("float32")
    if kind == "counts":
        return x, rng.integers(0, 5, (6, 4)).astype("float32")
    if kind == "signs":
        return x, rng.choice([-1.0, 1.0], (6, 4)).astype("float32")
    if kind == "classes":
        return x, rng.integers(0, 4, (6,))
    y = rng.random((6, 4)).astype("float32")
    return (rng.random((6, 4)).astype("float32") if kind == "both" else x), y


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name, k", [(n, k) for n, (_, o) in LOSSES.items() for k in range(len(o))])
def test_loss(name, k, reduction):
    kind, options = LOSSES[name]
    x, y = loss_inputs(kind)
    results = []
    for library in (flambeau, torch):
        module = getattr(library.nn, name)(**options[k], reduction=reduction)
        input = library.tensor(x, requires_grad=True)
        loss = module(input, library.tensor(y))
        loss.sum().backward()
        results.append((loss, input.grad))
    for a, b in zip(*results):
        same(a, b)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("target", ["classes", "probabilities"])
def test_cross_entropy_with_weights_of_images(target, reduction, smoothing):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4, 2, 5)).astype("float32")
    y = (
        rng.integers(0, 4, (3, 2, 5))
        if target == "classes"
        else rng.random((3, 4, 2, 5)).astype("f4")
    )
    w = rng.random(4).astype("float32")
    results = []
    for library in (flambeau, torch):
        input = library.tensor(x, requires_grad=True)
        loss = library.nn.functional.cross_entropy(
            input,
            library.tensor(y),
            library.tensor(w),
            reduction=reduction,
            label_smoothing=smoothing,
        )
        loss.sum().backward()
        results.append((loss, input.grad))
    for a, b in zip(*results):
        same(a, b)


PAIRS = {
    "CosineEmbeddingLoss": ({"margin": 0.2}, 2, True),
    "MarginRankingLoss": ({"margin": 0.2}, 2, None),
    "TripletMarginLoss": ({"swap": True}, 3, False),
    "TripletMarginWithDistanceLoss": ({"margin": 0.5}, 3, False),
    "GaussianNLLLoss": ({"full": True}, 3, False),
}


@pytest.mark.parametrize("name", PAIRS)
def test_loss_of_several_inputs(name):
    options, count, signs = PAIRS[name]
    rng = np.random.default_rng(2)
    arrays = [np.abs(rng.standard_normal((6, 4))).astype("float32") for _ in range(count)]
    results = []
    for library in (flambeau, torch):
        inputs = [library.tensor(a, requires_grad=True) for a in arrays]
        extra = []
        if signs is not False:
            shape = (6,) if signs else (6, 4)
            y = np.random.default_rng(1).choice([-1.0, 1.0], shape).astype("float32")
            extra = [library.tensor(y)]
        loss = getattr(library.nn, name)(**options)(*inputs, *extra)
        loss.backward()
        results.append([loss, *[i.grad for i in inputs]])
    for a, b in zip(*results):
        same(a, b)


def test_multilabel_margin_loss():
    x = np.random.default_rng(0).standard_normal((2, 4)).astype("float32")
    y = np.array([[3, 0, -1, 1], [1, -1, 2, 0]])
    results = []
    for library in (flambeau, torch):
        input = library.tensor(x, requires_grad=True)
        loss = library.nn.MultiLabelMarginLoss()(input, library.tensor(y))
        loss.backward()
        results.append((loss, input.grad))
    for a, b in zip(*results):
        same(a, b)


@pytest.mark.parametrize("mode", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_packed_sequences(mode, bidirectional):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 6, 4)).astype("float32")
    results = []
    for library in (flambeau, torch):
        library.manual_seed(1)
        net = getattr(library.nn, mode)(4, 5, 2, batch_first=True, bidirectional=bidirectional)
        input = library.tensor(x, requires_grad=True)
        pack = library.nn.utils.rnn
        packed = pack.pack_padded_sequence(input, [4, 6, 1], batch_first=True, enforce_sorted=False)
        output, state = net(packed)
        padded, lengths = pack.pad_packed_sequence(output, batch_first=True, padding_value=0.5)
        total = padded.sum() + sum((s * s).sum() for s in flat(state))
        total.backward()
        results.append(
            [padded, lengths, *flat(state), input.grad, *[p.grad for p in net.parameters()]]
        )
    for a, b in zip(*results):
        same(a, b)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masks", ["attn", "padding", "both", "causal", "heads"])
def test_attention_masks(masks, need_weights):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4, 8)).astype("float32")
    padding = np.zeros((3, 4), bool)
    padding[1, 2:] = True
    attn = np.triu(np.ones((4, 4), bool), 1)
    results = []
    for library in (flambeau, torch):
        library.manual_seed(1)
        net = library.nn.MultiheadAttention(8, 2, batch_first=True)
        input = library.tensor(x, requires_grad=True)
        kwargs = {"need_weights": need_weights, "average_attn_weights": masks != "attn"}
        if masks in ("attn", "both", "causal"):
            kwargs["attn_mask"] = library.tensor(attn)
            kwargs["is_causal"] = masks == "causal"
        if masks in ("padding", "both"):
            kwargs["key_padding_mask"] = library.tensor(padding)
        if masks == "heads":
            kwargs["attn_mask"] = library.tensor(rng.standard_normal((6, 4, 4)).astype("float32"))
            rng = np.random.default_rng(0)
            rng.standard_normal((3, 4, 8))
        output, weights = net(input, input, input, **kwargs)
        output.sum().backward()
        results.append([output, weights, input.grad])
    for a, b in zip(*results):
        same(a, b)


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.3}, {"mask": "bool"}])
def test_scaled_dot_product_attention(options):
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((2, 3, n, 4)).astype("float32") for n in (5, 6, 6))
    mask = rng.random((5, 6)) > 0.4
    mask[2] = False
    results = []
    for library in (flambeau, torch):
        inputs = [library.tensor(a, requires_grad=True) for a in (q, k, v)]
        kwargs = {key: value for key, value in options.items() if key != "mask"}
        if "mask" in options:
            kwargs["attn_mask"] = library.tensor(mask)
        out = library.nn.functional.scaled_dot_product_attention(*inputs, **kwargs)
        out.sum().backward()
        results.append([out, *[i.grad for i in inputs]])
    for a, b in zip(*results):
        same(a, b)


INITS = {
    "uniform_": [(), (-2.0, 3.0)],
    "normal_": [(), (1.0, 0.2)],
    "trunc_normal_": [(), (0.0, 0.02), (0.0, 1.0, 2.0, 3.0)],
    "constant_": [(0.3,)],
    "ones_": [()],
    "zeros_": [()],
    "eye_": [()],
    "xavier_uniform_": [(), (2.0,)],
    "xavier_normal_": [()],
    "kaiming_uniform_": [(), (0.5, "fan_out")],
    "kaiming_normal_": [(), (0, "fan_in", "relu")],
    "sparse_": [(0.3,)],
}


@pytest.mark.parametrize("name, args", [(n, a) for n, all in INITS.items() for a in all])
def test_init(name, args):
    results = []
    for library in (flambeau, torch):
        library.manual_seed(3)
        results.append(getattr(library.nn.init, name)(library.empty(20, 30), *args))
    np.testing.assert_allclose(results[0].numpy(), results[1].numpy(), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal(shape):
    results = []
    for library in (flambeau, torch):
        library.manual_seed(3)
        results.append(library.nn.init.orthogonal_(library.empty(*shape), 1.5))
    same(results[0], results[1])


@pytest.mark.parametrize("groups", [1, 2])
def test_dirac(groups):
    ours = nn.init.dirac_(flambeau.empty(4, 3, 3, 3), groups)
    same(ours, torch.nn.init.dirac_(torch.empty(4, 3, 3, 3), groups))


def messages(library, tries):
    """The class and text of the error of each call, with our name in the place of PyTorch's."""
    found = []
    for call in tries:
        with pytest.raises(Exception) as caught:  # noqa: PT011 -- its class is the result
            call(library)
        found.append((type(caught.value).__name__, str(caught.value).replace("torch", "flambeau")))
    return found


MODULE_ERRORS = [
    lambda t: t.nn.Module().forward(),
    lambda t: t.nn.Module(3),
    lambda t: t.nn.Module(a=3),
    lambda t: t.nn.Module().missing,
    lambda t: t.nn.Linear(2, 3).register_parameter("a.b", None),
    lambda t: t.nn.Linear(2, 3).register_parameter("", None),
    lambda t: t.nn.Linear(2, 3).register_parameter("forward", None),
    lambda t: t.nn.Linear(2, 3).register_parameter("x", t.ones(2)),
    lambda t: t.nn.Linear(2, 3).register_parameter(3, None),
    lambda t: setattr(t.nn.Linear(2, 3), "weight", t.ones(2)),
    lambda t: setattr(t.nn.Sequential(t.nn.ReLU()), "0", 3),
    lambda t: setattr(t.nn.BatchNorm1d(3), "running_mean", 3),
    lambda t: t.nn.Linear(2, 3).register_buffer("a.b", None),
    lambda t: t.nn.Linear(2, 3).register_buffer("weight", None),
    lambda t: t.nn.Linear(2, 3).add_module("a.b", None),
    lambda t: t.nn.Linear(2, 3).add_module("weight", None),
    lambda t: t.nn.Linear(2, 3).get_submodule("a.b"),
    lambda t: t.nn.Linear(2, 3).get_parameter("in_features"),
    lambda t: t.nn.Linear(2, 3).get_buffer("weight"),
    lambda t: t.nn.Linear(2, 3).load_state_dict({"weight": t.ones(3, 3), "other": t.ones(1)}),
    lambda t: t.nn.Linear(2, 3).load_state_dict([1]),
    lambda t: t.nn.Linear(2, 3).train(3),
    lambda t: t.nn.Linear(2, 3).to(t.int64),
    lambda t: t.nn.Sequential(3),
    lambda t: t.nn.Sequential(t.nn.ReLU())[2],
    lambda t: t.nn.ModuleList([t.nn.ReLU()])[-2],
    lambda t: t.nn.ModuleList().extend(3),
    lambda t: t.nn.ModuleDict().update(3),
    lambda t: t.nn.ModuleDict().update([(1, 2, 3)]),
    lambda t: t.nn.ParameterList()(),
    lambda t: t.nn.Dropout(2.0),
    lambda t: t.nn.Conv2d(3, 4, 3, groups=2),
    lambda t: t.nn.Conv2d(2, 4, 3, stride=2, padding="same"),
    lambda t: t.nn.Conv2d(3, 4, 3)(t.ones(1, 2, 8, 8)),
    lambda t: t.nn.Conv2d(3, 4, 3)(t.ones(3, 8)),
    lambda t: t.nn.Conv2d(3, 4, 3)(t.ones(1, 3, 2, 2)),
    lambda t: t.nn.BatchNorm2d(3)(t.ones(2, 3)),
    lambda t: t.nn.BatchNorm1d(3)(t.ones(1, 3)),
    lambda t: t.nn.LayerNorm(3)(t.ones(2, 4)),
    lambda t: t.nn.GroupNorm(2, 3),
    lambda t: t.nn.Unflatten(1, (1, 2.0)),
    lambda t: t.nn.LSTM(3, 4)(t.ones(2, 3, 5)),
    lambda t: t.nn.LSTM(3, 4, dropout=2.0),
    lambda t: t.nn.LSTM(3, 4, proj_size=5),
    lambda t: t.nn.GRU(3, 4, proj_size=2),
    lambda t: t.nn.RNN(3, 4, nonlinearity="exp"),
    lambda t: t.nn.MultiheadAttention(5, 2),
    lambda t: t.nn.CrossEntropyLoss()(t.ones(3, 2), t.tensor([0, 1])),
    lambda t: t.nn.CrossEntropyLoss()(t.ones(2, 2), t.tensor([0, 5])),
    lambda t: t.nn.BCELoss()(t.ones(2) * 2, t.ones(2)),
    lambda t: t.nn.Embedding(3, 4, padding_idx=5),
    lambda t: t.nn.init.eye_(t.ones(3)),
    lambda t: t.nn.init.xavier_uniform_(t.ones(3)),
    lambda t: t.nn.init.calculate_gain("exp"),
    lambda t: t.nn.PixelShuffle(2)(t.ones(1, 3, 2, 2)),
    lambda t: t.nn.Upsample(size=3, mode="bilinear")(t.ones(1, 3, 2)),
    lambda t: t.nn.functional.interpolate(t.ones(1, 1, 2, 2)),
    lambda t: t.nn.functional.pad(t.ones(3), (1,)),
]


@pytest.mark.parametrize("k", range(len(MODULE_ERRORS)))
def test_errors_are_pytorchs(k):
    ours, theirs = (messages(t, [MODULE_ERRORS[k]])[0] for t in (flambeau, torch))
    assert ours[0] == theirs[0], (ours, theirs)


SAME_WORDS = [*range(35), *range(39, 41)]


@pytest.mark.parametrize("k", SAME_WORDS)
def test_messages_are_pytorchs(k):
    ours, theirs = (messages(t, [MODULE_ERRORS[k]])[0] for t in (flambeau, torch))
    assert ours[1] == theirs[1]


def test_containers_print_alike():
    def build(t):
        n = t.nn
        return [
            n.ModuleList([n.Linear(2, 3), n.Linear(2, 3), n.ReLU()]),
            n.ModuleDict({"a": n.Linear(2, 3), "b": n.Sequential(n.ReLU(), n.Tanh())}),
            n.ParameterList([n.Parameter(t.ones(2, 3)), t.ones(2), 3]),
            n.ParameterDict({"a": n.Parameter(t.ones(2, 3)), "b": t.ones(2), "c": 3}),
            n.Sequential(),
            n.ModuleList(),
            n.TransformerEncoder(n.TransformerEncoderLayer(4, 2, 8), 2),
            n.Parameter(t.ones(2)),
        ]

    for ours, theirs in zip(build(flambeau), build(torch)):
        assert repr(ours) == text(theirs)


def test_clip_grad_norm():
    results = []
    for library in (flambeau, torch):
        params = [library.nn.Parameter(library.zeros(2, 3)), library.nn.Parameter(library.zeros(4))]
        params[0].grad = library.arange(6.0).reshape(2, 3)
        params[1].grad = library.ones(4)
        norm = library.nn.utils.clip_grad_norm_(params, 2.0, 3.0)
        results.append([norm, *[p.grad for p in params]])
    for a, b in zip(*results):
        same(a, b)


def test_spectral_and_weight_norm():
    results = []
    for library in (flambeau, torch):
        library.manual_seed(0)
        utils = library.nn.utils.parametrizations
        layer = utils.spectral_norm(library.nn.Linear(3, 4))
        other = utils.weight_norm(library.nn.Conv1d(2, 3, 2))
        y = layer(library.ones(1, 3)).sum() + other(library.ones(1, 2, 4)).sum()
        y.backward()
        names = [n for m in (layer, other) for n, _ in m.named_parameters()]
        grads = [p.grad for m in (layer, other) for p in m.parameters()]
        results.append((names, [y, *grads, *layer.state_dict().values()]))
    assert results[0][0] == results[1][0]
    for a, b in zip(results[0][1], results[1][1]):
        same(a, b)


def test_hooks_see_what_pytorch_shows():
    def story(t):
        t.manual_seed(0)
        told = []
        net = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.ReLU(), t.nn.Linear(4, 2))

        def tell(kind):
            def hook(module, *rest):
                told.append((kind, type(module).__name__, [shapes(r) for r in rest]))

            return hook

        def shapes(x):
            if isinstance(x, (tuple, list)):
                return [shapes(y) for y in x]
            if isinstance(x, dict):
                return sorted(x)
            return None if x is None else (tuple(x.shape), round(float(x.sum()), 4))

        for module in net.modules():
            module.register_forward_pre_hook(tell("before"))
            module.register_forward_hook(tell("after"), with_kwargs=True)
            module.register_full_backward_pre_hook(tell("back before"))
            module.register_full_backward_hook(tell("back"))
        net(t.ones(2, 3)).sum().backward()
        net(t.ones(2, 3).requires_grad_()).sum().backward()
        return told

    assert story(flambeau) == story(torch)


def test_pickle_and_deepcopy_keep_values():
    net = nn.TransformerEncoderLayer(8, 2, 16)
    twin = copy.deepcopy(net)
    assert twin.linear1.weight is not net.linear1.weight
    for a, b in zip(net.state_dict().values(), twin.state_dict().values()):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_state_dict_goes_both_ways():
    ours, theirs = nn.LSTM(3, 4, 2, bidirectional=True), torch.nn.LSTM(3, 4, 2, bidirectional=True)
    ours.load_state_dict({k: flambeau.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((5, 2, 3)).astype("float32")
    same(ours(flambeau.tensor(x))[0], theirs(torch.tensor(x))[0])


def test_signatures_are_pytorchs():
    import inspect

    different = []
    for name in nn.modules.__all__:
        ours, theirs = getattr(nn, name), getattr(torch.nn, name, None)
        if theirs is None or not isinstance(ours, type):
            continue
        a, b = (list(inspect.signature(c).parameters) for c in (ours, theirs))
        if name in ("RNN", "LSTM", "GRU"):
            continue  # PyTorch's are (*args, **kwargs)
        if a != b:
            different.append((name, a, b))
    for name in nn.functional.__all__:
        ours, theirs = getattr(nn.functional, name), getattr(torch.nn.functional, name, None)
        if theirs is None:
            continue
        try:
            b = list(inspect.signature(theirs).parameters)
        except ValueError:
            continue
        a = list(inspect.signature(ours).parameters)
        if a != b and b not in (["args", "kwargs"],):
            different.append((name, a, b))
    assert not different


def test_public_names():
    missing = [n for n in torch.nn.modules.__all__ if not hasattr(nn, n)]
    known = {
        "AdaptiveLogSoftmaxWithLoss", "Container", "CrossMapLRN2d", "CTCLoss", "FractionalMaxPool2d",
        "FractionalMaxPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "LinearCrossEntropyLoss",
        "LinearCrossEntropyOptions", "LinearCrossEntropyOptions",
        "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "NLLLoss2d", "RReLU", "SyncBatchNorm",
    }  # fmt: skip
    assert {n for n in missing if not n.startswith("Lazy")} <= known, missing


def test_warnings_of_old_arguments():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loss = nn.MSELoss(size_average=False)
    assert loss.reduction == "sum"
    assert "reduction='sum'" in str(caught[0].message)
