"""Lazy modules, CTC, adaptive softmax, pooling by chance, pruning, fusing and parametrizations against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as T
import torch.nn.utils.prune

import flambeau
from flambeau import nn
from flambeau.nn import functional as F

pytestmark = pytest.mark.filterwarnings("ignore")


def ours(x):
    """A PyTorch tensor as flambeau's, a leaf where that is one."""
    made = flambeau.tensor(x.detach().numpy())
    return made.requires_grad_() if x.requires_grad else made


def near(made, expected, tolerance=2e-6):
    expected = expected.detach().numpy()
    assert made.shape == expected.shape
    np.testing.assert_allclose(made.detach().numpy(), expected, rtol=tolerance, atol=tolerance * 10)


def twins(build):
    """The same module of both libraries, with the same draws."""
    torch.manual_seed(3)
    flambeau.manual_seed(3)
    return build(nn), build(torch.nn)


def same_state(a, b):
    mine, theirs = a.state_dict(), b.state_dict()
    assert list(mine) == list(theirs)
    for name in mine:
        near(mine[name], theirs[name])


LAZY = {
    "LazyLinear": ((4,), (2, 3)),
    "LazyConv1d": ((4, 2), (2, 3, 6)),
    "LazyConv2d": ((4, 2), (2, 3, 5, 4)),
    "LazyConv3d": ((4, 2), (2, 3, 4, 3, 3)),
    "LazyConvTranspose1d": ((4, 2), (2, 3, 6)),
    "LazyConvTranspose2d": ((4, 2), (2, 3, 5, 4)),
    "LazyConvTranspose3d": ((4, 2), (2, 3, 4, 3, 3)),
    "LazyBatchNorm1d": ((), (2, 3, 6)),
    "LazyBatchNorm2d": ((), (2, 3, 5, 4)),
    "LazyBatchNorm3d": ((), (2, 3, 4, 3, 3)),
    "LazyInstanceNorm1d": ((), (2, 3, 6)),
    "LazyInstanceNorm2d": ((1e-3, 0.2, True, True), (2, 3, 5, 4)),
    "LazyInstanceNorm3d": ((), (2, 3, 4, 3, 3)),
}


@pytest.mark.parametrize("name", LAZY)
def test_lazy_modules_become_what_pytorchs_become(name):
    args, shape = LAZY[name]
    mine, theirs = twins(lambda lib: getattr(lib, name)(*args))
    assert repr(mine) == repr(theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    uninitialised = [n for n, p in mine.named_parameters() if "Uninit" in type(p).__name__]
    assert uninitialised == [
        n for n, p in theirs.named_parameters() if "Uninit" in type(p).__name__
    ]
    x = torch.randn(shape, requires_grad=True)
    torch.manual_seed(3)
    flambeau.manual_seed(3)
    y, y_mine = theirs(x), mine(ours(x))
    assert repr(mine) == repr(theirs) and type(mine).__name__ == type(theirs).__name__
    near(y_mine, y)
    same_state(mine, theirs)
    again, _ = twins(lambda lib: getattr(lib, name)(*args))
    again.load_state_dict(mine.state_dict())
    near(again(ours(x)), theirs(x), 1e-5)
    assert repr(again) == repr(mine)


def test_an_uninitialised_parameter_tells_no_shape_and_converts():
    layer = nn.LazyLinear(3)
    with pytest.raises(RuntimeError, match="uninitialized"):
        layer.weight.shape
    layer.double()
    assert layer(flambeau.ones(2, 5, dtype=flambeau.float64)).dtype is flambeau.float64
    assert layer.in_features == 5


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("zero_infinity", [False, True])
@pytest.mark.parametrize("joined", [False, True])
def test_ctc(reduction, zero_infinity, joined):
    torch.manual_seed(0)
    logs = torch.randn(6, 4, 5, dtype=torch.float64).log_softmax(2).detach().requires_grad_()
    targets = torch.tensor([[1, 2, 2], [3, 4, 1], [2, 1, 3], [1, 1, 1]])
    ins, outs = (6, 5, 6, 3), (3, 2, 0, 3)  # the last does not fit: its loss is infinite
    if joined:
        targets = torch.cat([row[:n] for row, n in zip(targets, outs)])
    args = (targets, torch.tensor(ins), torch.tensor(outs))
    expected = T.ctc_loss(logs, *args, reduction=reduction, zero_infinity=zero_infinity)
    x = ours(logs)
    made = F.ctc_loss(x, ours(targets), ins, outs, reduction=reduction, zero_infinity=zero_infinity)
    near(made, expected)
    expected.sum().backward()
    made.sum().backward()
    near(x.grad, logs.grad)


def test_ctc_of_one_sample_and_its_errors():
    logs = torch.randn(5, 4).log_softmax(1)
    target, n = torch.tensor([1, 3]), (torch.tensor(5), torch.tensor(2))
    near(F.ctc_loss(ours(logs), ours(target), *map(ours, n)), T.ctc_loss(logs, target, *n), 1e-5)
    with pytest.raises(RuntimeError, match="at most 5"):
        F.ctc_loss(ours(logs), ours(target), flambeau.tensor(6), flambeau.tensor(2))
    with pytest.raises(RuntimeError, match="blank"):
        F.ctc_loss(ours(logs), ours(target), flambeau.tensor(5), flambeau.tensor(2), blank=4)


def test_adaptive_softmax():
    mine, theirs = twins(lambda lib: lib.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], head_bias=True))
    assert repr(mine) == repr(theirs)
    same_state(mine, theirs)
    x = torch.randn(6, 8, requires_grad=True)
    target = torch.tensor([0, 11, 4, 2, 8, 5])
    expected, z = theirs(x, target), ours(x)
    made = mine(z, ours(target))
    near(made.output, expected.output)
    near(made.loss, expected.loss)
    made.loss.backward()
    expected.loss.backward()
    near(z.grad, x.grad)
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        near(a.grad, b.grad)
    near(mine.log_prob(z), theirs.log_prob(x))
    assert mine.predict(z).tolist() == theirs.predict(x).tolist()
    with pytest.raises(RuntimeError, match="Target values should be in"):
        mine(z, ours(target) + 1)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fractional_pooling_draws_and_finds_the_same(dims, dtype):
    name = f"fractional_max_pool{dims}d"
    x = torch.randn(2, 3, *(9, 8, 7)[:dims], dtype=dtype, requires_grad=True)
    torch.manual_seed(1)
    flambeau.manual_seed(1)
    ratio = (0.6,) * dims
    expected = getattr(T, name)(x, 2, output_ratio=ratio, return_indices=True)
    z = ours(x)
    made = getattr(F, name)(z, 2, output_ratio=0.6, return_indices=True)
    near(made[0], expected[0])
    assert made[1].tolist() == expected[1].tolist()
    expected[0].sum().backward()
    made[0].sum().backward()
    near(z.grad, x.grad)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpooling_with_overlapping_windows(dims):
    x = torch.randn(2, 3, *(7, 6, 5)[:dims], requires_grad=True)
    values, places = getattr(T, f"max_pool{dims}d")(x, 3, 2, return_indices=True)
    size = x.shape[2:]
    expected = getattr(T, f"max_unpool{dims}d")(values, places, 3, 2, output_size=size)
    z = ours(values.detach().requires_grad_())
    made = getattr(F, f"max_unpool{dims}d")(z, ours(places), 3, 2, output_size=tuple(size))
    near(made, expected)
    with pytest.raises(ValueError, match="invalid output_size"):
        getattr(F, f"max_unpool{dims}d")(z, ours(places), 3, 2, output_size=(99,) * dims)


def test_cross_map_norm_and_sync_batch_norm_alone():
    x = torch.randn(2, 7, 3, 3)
    for size in (3, 4, 5):
        a, b = twins(lambda lib, size=size: lib.CrossMapLRN2d(size, 0.1, 0.6, 2.0))
        assert repr(a) == repr(b)
        near(a(ours(x)), b(x))
    a, b = twins(
        lambda lib: lib.SyncBatchNorm.convert_sync_batchnorm(
            lib.Sequential(lib.Conv2d(7, 4, 1), lib.BatchNorm2d(4, momentum=None))
        )
    )
    assert repr(a) == repr(b)
    near(a(ours(x)), b(x), 1e-5)
    same_state(a, b)


@pytest.mark.parametrize("kind", ["conv", "transpose", "linear"])
def test_fused_layers(kind):
    def build(lib):
        if kind == "linear":
            return lib.Sequential(lib.Linear(3, 4), lib.BatchNorm1d(4))
        conv = lib.Conv2d if kind == "conv" else lib.ConvTranspose2d
        return lib.Sequential(conv(3, 4, 2, bias=False), lib.BatchNorm2d(4))

    a, b = twins(build)
    x = torch.randn(5, 3) if kind == "linear" else torch.randn(2, 3, 5, 5)
    a(ours(x)), b(x)
    a.eval(), b.eval()
    name = "fuse_linear_bn_eval" if kind == "linear" else "fuse_conv_bn_eval"
    more = (True,) if kind == "transpose" else ()
    mine, theirs = (getattr(lib.utils, name)(*m, *more) for lib, m in ((nn, a), (torch.nn, b)))
    near(mine(ours(x)), theirs(x), 1e-5)
    same_state(mine, theirs)


def test_pruning_step_by_step():
    a, b = twins(lambda lib: lib.Linear(6, 5))
    for lib, m in ((nn, a), (torch.nn, b)):
        prune = lib.utils.prune
        prune.l1_unstructured(m, "weight", 0.3)
        prune.ln_structured(m, "weight", 2, n=2, dim=0)
        prune.random_unstructured(m, "bias", 2)
    same_state(a, b)
    assert nn.utils.prune.is_pruned(a)
    assert (a.weight == 0).tolist() == (b.weight == 0).tolist()
    x = torch.randn(2, 6)
    near(a(ours(x)), b(x))
    a(ours(x)).sum().backward(), b(x).sum().backward()
    near(a.weight_orig.grad, b.weight_orig.grad)
    for lib, m in ((nn, a), (torch.nn, b)):
        lib.utils.prune.remove(m, "weight")
    same_state(a, b)
    with pytest.raises(ValueError, match="has to be pruned"):
        nn.utils.prune.remove(a, "weight")


def test_pruning_over_several_modules():
    a, b = twins(lambda lib: lib.Sequential(lib.Linear(4, 6), lib.ReLU(), lib.Linear(6, 2)))
    for lib, m in ((nn, a), (torch.nn, b)):
        pairs = ((m[0], "weight"), (m[2], "weight"), (m[0], "bias"))
        lib.utils.prune.global_unstructured(pairs, lib.utils.prune.L1Unstructured, amount=9)
        lib.utils.prune.random_structured(m[0], "weight", 1, dim=1)
    same_state(a, b)


def test_old_spectral_norm():
    a, b = twins(lambda lib: lib.utils.spectral_norm(lib.ConvTranspose2d(3, 4, 2)))
    x = torch.randn(1, 3, 4, 4)
    for _ in range(2):
        near(a(ours(x)), b(x), 1e-5)
    a(ours(x)).sum().backward(), b(x).sum().backward()
    near(a.weight_orig.grad, b.weight_orig.grad, 2e-5)
    same_state(a, b)
    near(
        nn.utils.remove_spectral_norm(a).weight,
        torch.nn.utils.remove_spectral_norm(b).weight,
        1e-5,
    )
    assert list(a.state_dict()) == ["bias", "weight"] or list(a.state_dict()) == ["weight", "bias"]


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5)])
@pytest.mark.parametrize("way", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("trivialised", [True, False])
def test_orthogonal(shape, way, trivialised):
    a, b = twins(
        lambda lib: lib.utils.parametrizations.orthogonal(
            lib.Linear(*shape), orthogonal_map=way, use_trivialization=trivialised
        )
    )
    assert repr(a) == repr(b)
    near(a.weight, b.weight, 5e-6)
    (a.weight**3).sum().backward(), (b.weight**3).sum().backward()
    near(a.parametrizations.weight.original.grad, b.parametrizations.weight.original.grad, 1e-5)


def test_transferred_parametrizations():
    source = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    target = nn.utils.parametrize.transfer_parametrizations_and_params(source, nn.Linear(3, 2))
    assert nn.utils.parametrize.type_before_parametrizations(target) is nn.Linear
    assert flambeau.equal(target.weight, source.weight)
    assert target.parametrizations.weight.original0 is source.parametrizations.weight.original0


def test_data_parallel_on_two_parts_of_the_cpu():
    layer = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    x = flambeau.randn(5, 3)
    whole = layer(x)
    parts = nn.parallel.data_parallel(layer, x, ["cpu", "cpu"])
    assert flambeau.allclose(whole, parts)
    expected = flambeau.autograd.grad(whole.sum(), layer[0].weight)[0]
    parts.sum().backward()
    assert flambeau.allclose(layer[0].weight.grad, expected, atol=1e-6)
    assert flambeau.allclose(nn.DataParallel(layer)(x), whole)


@pytest.mark.parametrize("rows", [1, 3, 8, 100])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_linear_cross_entropy_in_chunks(rows, reduction):
    torch.manual_seed(0)
    x, w, b = (
        torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((8, 3), (5, 3), (5,))
    )
    target, weight = torch.tensor([0, 1, 4, -100, 2, 2, 3, 0]), torch.rand(5, dtype=torch.float64)
    options = {"weight": weight, "reduction": reduction}
    expected = T.linear_cross_entropy(x, w, target, linear_bias=b, **options)
    mine = [ours(t) for t in (x, w, b)]
    made = F.linear_cross_entropy(
        *mine[:2],
        ours(target),
        linear_bias=mine[2],
        weight=ours(weight),
        reduction=reduction,
        options=nn.LinearCrossEntropyOptions(batch_chunk_size=rows),
    )
    near(made, expected)
    expected.sum().backward()
    made.sum().backward()
    for t, m in zip((x, w, b), mine):
        near(m.grad, t.grad)


def test_grouped_and_scaled_products():
    x, w = torch.randn(7, 8), torch.randn(2, 8, 4)
    ends = torch.tensor([3, 7], dtype=torch.int32)
    near(F.grouped_mm(ours(x), ours(w), offs=ours(ends)), torch.cat([x[:3] @ w[0], x[3:] @ w[1]]))
    a, b = torch.randn(16, 32), torch.randn(32, 16)
    kinds = F.ScalingType.RowWise, T.ScalingType.RowWise
    rows, columns = torch.rand(16, 1), torch.rand(1, 16)
    low = torch.float8_e4m3fn
    tall = b.t().contiguous().to(low).t()
    expected = T.scaled_mm(
        a.to(low), tall, rows, kinds[1], columns, kinds[1], output_dtype=torch.float32
    )
    made = F.scaled_mm(
        ours(a).to(flambeau.float8_e4m3fn),
        ours(b).to(flambeau.float8_e4m3fn),
        ours(rows),
        kinds[0],
        ours(columns),
        kinds[0],
        output_dtype=flambeau.float32,
    )
    near(made, expected, 1e-5)
    with pytest.raises(ValueError, match="Invalid scaling configuration"):
        F.scaled_mm(ours(a), ours(b), ours(rows), kinds[0], ours(columns), kinds[0])


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [True, False])
def test_grid_sample_with_gradients(mode, padding, align):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    grid = (torch.rand(2, 6, 3, 2, dtype=torch.float64) * 5 - 2.5).requires_grad_()
    expected = T.grid_sample(x, grid, mode, padding, align)
    mine = ours(x), ours(grid)
    made = F.grid_sample(*mine, mode, padding, align)
    near(made, expected)
    g = torch.randn_like(expected)
    expected.backward(g)
    made.backward(ours(g))
    near(mine[0].grad, x.grad)
    near(mine[1].grad, grid.grad)


def test_affine_grid_and_its_warnings():
    theta = torch.randn(2, 3, 4, dtype=torch.float64)
    for align in (True, False):
        expected = T.affine_grid(theta, (2, 1, 3, 1, 2), align)
        near(F.affine_grid(ours(theta), (2, 1, 3, 1, 2), align), expected)
    with pytest.warns(UserWarning, match="align_corners=False since"):
        F.affine_grid(ours(theta), (2, 1, 3, 4, 2))
    with pytest.raises(ValueError, match="2D affine matrices"):
        F.affine_grid(ours(theta), (2, 1, 3, 4), False)


@pytest.mark.parametrize("p", [0.0, 0.7, 1.0, 2.0, 3.0, float("inf")])
def test_pdist(p):
    x = torch.randn(6, 4, dtype=torch.float64)
    x[2] = x[0]  # no distance: a gradient of zeros
    x.requires_grad_()
    z = ours(x)
    expected, made = T.pdist(x, p), F.pdist(z, p)
    near(made, expected)
    expected.sum().backward()
    made.sum().backward()
    near(z.grad, x.grad)
