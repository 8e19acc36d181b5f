"""Operators in C beside eager, several to a program: what is compiled is slow, not what is run."""

from __future__ import annotations

import shutil

import pytest

import flambeau
from flambeau import nn
from flambeau.nn import functional as F

pytestmark = pytest.mark.slow
randn = flambeau.randn


def test_reductions(same_in_c):
    def f(x):
        plain = x.sum(), x.mean(1), x.amax(0), x.amin(1, keepdim=True), x.prod(1)
        more = (
            x.var(1),
            x.std(0),
            x.norm(),
            (x > 0).any(1),
            (x > -9).all(),
            x.argmax(1),
            x.argmin(0),
        )
        return *plain, *more, x.cumsum(1), x.exp().cumprod(0), x.logsumexp(1)

    same_in_c(f, randn(3, 40), atol=1e-5)


def test_rows(same_in_c):
    norm, group = nn.LayerNorm(6), nn.GroupNorm(2, 4)
    parts = norm, group, nn.InstanceNorm2d(4, affine=True), nn.RMSNorm(6)

    def f(x):
        rows = x.softmax(-1), x.softmax(1), x.softmax(1) * 2, x.log_softmax(2)
        return *rows, *[p(x) for p in parts], F.normalize(x, dim=1)

    same_in_c(f, randn(2, 4, 5, 6))


def test_movement(same_in_c):
    def f(x):
        views = x.T * 2, x.flip(0), x.flip(1)[:, ::2], x.diagonal(), x[1:, ::2], x[None, -1]
        made = x.roll(1, 1), flambeau.cat([x, x * 2], 1).relu(), flambeau.stack([x, x], 1)
        pads = F.pad(x, (1, 2, -1, 3), value=2.0), F.pad(x[None], (1, 2), mode="reflect")
        rest = x.repeat(2, 1), x.unfold(1, 3, 2), x.tril(1), x.triu(), x.expand(2, 4, 5), x.chunk(2, 1)[1]  # fmt: skip
        return *views, *made, *pads, *rest, x.t().reshape(-1), x.masked_fill(x > 0, -1.0)

    same_in_c(f, randn(4, 5))


def test_indices(same_in_c):
    def f(x, i, j):
        return (
            x[i],
            x[:, j],
            x[i, j],
            x.gather(1, i[:, None]),
            x.index_select(1, j),
            F.embedding(i, x),
        )

    same_in_c(f, randn(4, 5), flambeau.tensor([3, 0, 1]), flambeau.tensor([4, 2, 2]))


@pytest.mark.parametrize("k", [1, 3, 20, 40])
def test_the_first_of_a_row(k, same_in_c):
    def f(x):
        first = *x.topk(k), *x.topk(k, largest=False), *x.topk(2, 0), x.T.topk(2)[1]
        return *first, x.topk(k).values * 2, *x.int().topk(k)

    same_in_c(f, randn(3, 40).round(decimals=1), flags=("-O2",))  # few numbers: many are equal


def test_order(same_in_c):
    def f(x):
        falling, across = x.sort(descending=True, stable=True), x.sort(1, stable=True)
        whole = x.nan_to_num(7.0).int().sort(stable=True), (x > 0).sort(stable=True)
        medians = x.median(), *x.median(1), x.argsort(0, stable=True)
        return *x.sort(stable=True), *falling, *across, *whole[0], *whole[1], *medians

    x = randn(3, 17, 5).mul(2).round()
    x[0, 3, 1] = x[0, 5, 1] = x[1, 2] = float("nan")
    x[2, 2, 0], x[2, 3, 0] = float("inf"), -float("inf")
    same_in_c(f, x)


def test_largest_whole_numbers(same_in_c):
    def f(x):
        return x.amax(1), x.amin(0), *x.max(1), x.argmin(0), F.max_pool1d(x[None], 2)

    for cc in filter(None, map(shutil.which, ("gcc", "clang"))):
        same_in_c(f, flambeau.randint(-5, 5, (3, 20)), cc=cc)


def test_writing_along_a_dimension(same_in_c):
    def f(x, i, s):
        written = (
            x.scatter(1, i, s),
            x.scatter(0, i[:1] % 3, s),
            x.scatter(1, i, 2.5),
            x[0].scatter(0, i[0], s[0]),
        )
        folded = (
            x.scatter_add(1, i, s),
            x.scatter(1, i, s, reduce="multiply"),
            x.T.scatter_add(0, i.T, s.T),
        )
        kinds = [(r, own) for r in ("sum", "prod", "mean", "amax", "amin") for own in (True, False)]
        reduced = [x.scatter_reduce(1, i, s, r, include_self=own) for r, own in kinds]
        whole = i.scatter_reduce(1, i % 5, i, "amax"), F.one_hot(i, 6)
        return *written, *folded, *reduced, *whole, x.scatter_add(1, i, s).relu()

    x, s = randn(3, 5), randn(3, 6)
    s[0, 1] = float("nan")
    i = flambeau.tensor([[4, 1, 1, 0, 2], [0, 0, 3, 3, 3], [2, 4, 0, 1, 1]])
    same_in_c(f, x, i, s, flags=("-DMODEL_THREADS=3", "-pthread"))


def test_writing_where_indices_point(same_in_c):
    def f(x, i, j, v):
        a, b, c, d = x.clone(), x.clone(), x.clone(), x.clone()
        a[i] = v
        b[:, j] = 0.5
        c[x > 0] = -1.0
        d[0], d[1:3, 1] = d[1], 7.0
        put = (
            x.index_put((i, j), v[:, 0], accumulate=True),
            x.put(i, v[:, 0]),
            x.index_put((-i,), v),
        )
        rest = x.index_add(0, i % 2, v), x.index_fill(1, j, 3.0), x.index_copy(0, i, v)
        return a, b, c, d, *put, *rest, x.index_reduce(0, i, v, "amax")

    same_in_c(f, randn(4, 5), flambeau.tensor([3, 0, 1]), flambeau.tensor([4, 2, 2]), randn(3, 5))


def test_elementwise_functions(same_in_c):
    def f(x):
        y = x.abs() + 0.5
        powers = y**0.3, x**2, x**3, 2**x, y**-0.5, y**-1
        choices = x.clamp(-0.5, 0.5), flambeau.where(x > 0, x, 0.1 * x), flambeau.maximum(x, -x)
        rounded = x.remainder(0.3), x.fmod(0.3), x.floor_divide(0.3), x.round(), x.sign(), x.trunc()
        logs = y.log(), y.log1p(), y.log2(), y.rsqrt(), y.sqrt(), x.expm1(), x.atan(), y.lgamma()
        active = [g(x) for g in (F.gelu, F.silu, F.elu, F.softplus, F.hardswish, F.mish, F.selu)]
        return (
            *powers,
            *choices,
            *rounded,
            *logs,
            *active,
            x.erf(),
            x.sinh(),
            x.isinf(),
            x.sigmoid(),
        )

    x = randn(3, 4)
    x[0, 0] = float("inf")
    x[0, 1] = float("nan")
    same_in_c(f, x, atol=1e-5)


def test_whole_numbers(same_in_c):
    def f(x):
        whole = x // 3, x % 3, x * 2 - 1, -x, x.abs(), x & 3, x << 1, x == 2
        return *whole, x / 2, x.float().mean(), x.sum(), x.max(), x.to(flambeau.int32) * 3, x.double().exp()  # fmt: skip

    same_in_c(f, flambeau.tensor([[-5, 0, 2], [3, 7, -1]]))


def test_products(same_in_c):
    w = randn(6, 7)

    def f(x, y, v, b):
        plain = x @ y, y.T @ x.T, x @ v, v @ y, v @ v, (x @ y).softmax(0), x @ w
        batch = (
            b @ b.transpose(-1, -2),
            b @ w,
            flambeau.einsum("bij,bkj->bik", b, b),
            F.linear(b, w.T),
        )
        return *plain, *batch, F.scaled_dot_product_attention(b, b, b, is_causal=True)

    same_in_c(f, randn(5, 6), randn(6, 40), randn(6), randn(2, 3, 6), atol=1e-5)


@pytest.mark.parametrize("rows", [1, 5, 37])
def test_linear_layers_of_any_number_of_rows(rows, same_in_c):
    last = nn.Linear(70, 7), nn.Linear(70, 128), nn.Linear(70, 3, bias=False)
    first = nn.Linear(9, 70)
    same_in_c(lambda x: [m(F.elu(first(x))) for m in last], randn(rows, 9))


def test_convolutions(same_in_c):
    square = [
        nn.Conv2d(8, 24, 3, padding=1, groups=2),
        nn.Conv2d(8, 8, 3, 2, 1, groups=8),
        nn.Conv2d(8, 16, 3, padding=2, dilation=2, groups=8),
        nn.Conv2d(8, 20, 1),
        nn.Conv2d(8, 2, (1, 5), bias=False),
        nn.Conv2d(8, 40, (4, 2), (3, 1), (1, 0)),
        nn.ConvTranspose2d(8, 4, 3, 2, 1, 1),
        nn.ConvTranspose2d(8, 6, 1, 2, 0, 1, groups=2),
        nn.Sequential(nn.ConvTranspose2d(8, 3, 2, 2), nn.BatchNorm2d(3)),
    ]
    model = nn.ModuleList(square).eval()
    same_in_c(lambda x: [F.silu(m(x)) for m in model], randn(2, 8, 9, 11))


def test_convolutions_of_one_dimension(same_in_c):
    parts = [
        nn.Conv1d(3, 20, 5, 2, 2),
        nn.Conv1d(3, 3, 3, groups=3),
        nn.ConvTranspose1d(3, 8, 4, 2, 1),
        nn.Sequential(nn.Conv1d(3, 7, 1), nn.BatchNorm1d(7), nn.Tanh()),
    ]
    model = nn.ModuleList(parts).eval()
    same_in_c(lambda x: [m(x) for m in model], randn(2, 3, 31))


def test_convolutions_of_three_dimensions(same_in_c):
    parts = [
        nn.Conv3d(8, 24, 3, padding=1, groups=2),
        nn.Conv3d(8, 8, (2, 3, 1), groups=8, dilation=(2, 1, 1)),
        nn.Conv3d(8, 20, 1),
        nn.Conv3d(8, 2, (1, 1, 5), bias=False),
        nn.Conv3d(8, 18, (3, 1, 2), (2, 1, 3), (1, 0, 1)),
        nn.ConvTranspose3d(8, 6, (1, 2, 3), 2, groups=2),
        nn.Sequential(nn.ConvTranspose3d(8, 5, 3, 2, 1, 1), nn.BatchNorm3d(5)),
    ]
    model = nn.ModuleList(parts).eval()
    same_in_c(lambda x: [F.silu(m(x)) for m in model], randn(2, 8, 5, 6, 7))


def test_windows_of_three_dimensions(same_in_c):
    def f(x):
        largest = (
            F.max_pool3d(x, 2),
            F.max_pool3d(x, 3, 2, 1),
            F.max_pool3d(x, (1, 2, 2), ceil_mode=True),
        )
        means = F.avg_pool3d(x, 2), F.avg_pool3d(x, 3, 2, 1, count_include_pad=False)
        return (
            *largest,
            *means,
            F.adaptive_avg_pool3d(x, (2, 1, 3)),
            F.interpolate(x, scale_factor=2),
        )

    same_in_c(f, randn(2, 3, 4, 5, 6))


def test_windows_as_columns_and_back(same_in_c):
    def f(x):
        columns = F.unfold(x, 3, padding=1), F.unfold(x, (2, 3), (1, 2), 0, 2), F.unfold(x[0], 1)
        there = [(3, 1, 1, 2), ((2, 3), (2, 1), (0, 1), (1, 2))]
        return *columns, *[F.fold(F.unfold(x, *o).relu(), (7, 9), *o) for o in there]

    same_in_c(f, randn(2, 3, 7, 9))


def test_places_of_the_largest_and_back(same_in_c):
    def f(x):
        made, places = F.max_pool2d(x, 2, return_indices=True)
        others = *F.max_pool2d(x, 3, 2, 1, return_indices=True), *F.adaptive_max_pool2d(x, 3, True)
        return made, places, *others, F.max_unpool2d(made, places, 2)

    x = randn(2, 3, 8, 8).round()
    x[0, 0, 3, 3] = float("nan")
    same_in_c(f, x)


def test_pooling_and_resizing(same_in_c):
    def f(x):
        largest = F.max_pool2d(x, 3, 2, 1), F.max_pool2d(x, 2, ceil_mode=True), F.max_pool2d(x, 2, 1, dilation=2)  # fmt: skip
        means = F.avg_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        shaped = F.adaptive_avg_pool2d(x, (3, 2)), F.adaptive_max_pool2d(x, 2), F.avg_pool2d(x, 1)
        sizes = F.interpolate(x, scale_factor=2), F.interpolate(x, size=(5, 4), mode="bilinear")
        return *largest, *means, *shaped, *sizes, F.pixel_shuffle(x, 2)

    same_in_c(f, randn(1, 4, 7, 9))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers(kind, same_in_c):
    layer = kind(6, 7, 2, bidirectional=True)
    same_in_c(lambda x: layer(x), randn(5, 3, 6))


def test_recurrent_layers_of_other_kinds(same_in_c):
    cells = nn.LSTMCell(6, 4), nn.GRUCell(6, 4)
    layers = nn.LSTM(6, 7, proj_size=3), nn.GRU(6, 3, bias=False), nn.RNN(6, 3, nonlinearity="relu")

    def f(x, h):
        return [c(x[0]) for c in cells], [m(x) for m in layers], layers[1](x, h)

    same_in_c(f, randn(4, 2, 6), randn(1, 2, 3))


def test_a_transformer_layer(same_in_c):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    same_in_c(layer, randn(2, 5, 8))


def test_doubles(same_in_c):
    same_in_c(nn.Sequential(nn.Linear(4, 5), nn.Sigmoid()).double(), randn(3, 4).double())


def test_spectra(same_in_c):
    window, turned = (
        flambeau.hann_window(16),
        flambeau.polar(flambeau.rand(9, 1), flambeau.rand(9, 1)),
    )

    def f(x):
        half, whole = flambeau.fft.rfft(x), flambeau.fft.fft(x)
        frames = flambeau.stft(x, 16, 4, window=window, return_complex=True)
        back = (
            flambeau.fft.irfft(half * 2j + half.conj(), n=48),
            flambeau.fft.irfft(half[:, :9], n=31),
        )
        parts = (
            half.abs(),
            half.real,
            flambeau.view_as_real(half),
            whole.imag,
            (whole * whole.conj()).real,
        )
        more = (
            flambeau.fft.ifft(whole / 3).real,
            flambeau.fft.fft2(x).abs(),
            flambeau.fft.irfft2(flambeau.fft.rfft2(x)),
        )
        voice = (
            (frames * turned).abs(),
            (frames / turned).imag,
            flambeau.cat([frames, -frames], 1).real,
        )
        return *back, *parts, *more, *voice

    same_in_c(f, randn(2, 48), atol=2e-5)


def test_bags_by_offsets(same_in_c):
    bags = [nn.EmbeddingBag(9, 4, mode=m, padding_idx=p) for m in ("sum", "mean", "max") for p in (None, 2)]  # fmt: skip
    ids, starts = flambeau.tensor([0, 3, 2, 8, 2, 2]), flambeau.tensor([0, 0, 3, 4, 6])
    same_in_c(lambda i, o: [b(i, o) for b in bags], ids, starts)


def test_results_that_are_no_computation(same_in_c):
    made = same_in_c(lambda x, _: (flambeau.ones(2), x, x, x.detach(), (x * 2).sum()), randn(2), randn(3))  # fmt: skip
    assert len(made.outputs) == 5
