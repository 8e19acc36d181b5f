"""Convolutions and windows over arrays whose channels lie last, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.backends.cpu import available, threads
from flambeau.backends.numpy import xp
from flambeau.ops import load_all
from flambeau.runtime.operator import internal, registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


@pytest.fixture(scope="module", autouse=True)
def packed():
    load_all()
    from flambeau.backends.cpu import packed

    return packed


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"], autouse=True)
def some_threads(request):
    before = threads.count()
    threads.set_count(request.param)
    yield
    threads.set_count(before)


def run(name, *arrays, **attrs):
    return internal[name].kernels[None](xp, *arrays, **attrs)


def first(x):
    return np.moveaxis(x, -1, 1)


def last(x):
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def by_definition(name, *arrays, **attrs):
    wide = [None if a is None else a.astype("f8") for a in arrays]
    return registry[name].kernels[None](xp, *wide, **attrs)


def agree(made, wanted, dtype):
    assert made.shape == wanted.shape
    assert made.dtype == dtype
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=1.0)
    np.testing.assert_allclose(made, wanted, rtol=0, atol=TOLERANCE[np.dtype(dtype).name] * scale)


def geometry(rng, dims, depthwise=False):
    k = rng.integers(1, 5, dims)
    dilation = rng.integers(1, 3, dims)
    size = (k - 1) * dilation + rng.integers(1, 17, dims)
    ints = lambda v: tuple(int(i) for i in v)  # noqa: E731
    return ints(size), ints(k), {
        "stride": ints(rng.integers(1, 4, dims)),
        "padding": tuple((int(a), int(b)) for a, b in rng.integers(0, 4, (dims, 2))),
        "dilation": ints(dilation),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(24))
def test_convolution_is_its_definition(packed, seed):
    rng = np.random.default_rng(seed)
    dtype = ["float32", "float64"][seed % 2]
    size, k, attrs = geometry(rng, 1 + seed % 3 % 2)
    groups = int(rng.choice([1, 1, 2]))
    channels, rows = int(rng.integers(1, 40)) * groups, int(rng.integers(1, 150)) * groups
    if seed % 4 == 3:  # depthwise
        groups = rows = channels
    x = rng.standard_normal((int(rng.integers(1, 4)), channels, *size)).astype(dtype)
    w = rng.standard_normal((rows, channels // groups, *k)).astype(dtype)
    bias = rng.standard_normal(rows).astype(dtype) if seed % 3 else None
    attrs["groups"] = groups
    wanted = by_definition("convolution", x, w, bias, **attrs)
    residual = rng.standard_normal(wanted.shape).astype(dtype) if seed % 5 < 2 else None
    xl = last(x)
    kept = run("pack_convolution", w, input=xl.shape, last=True, **attrs)
    assert kept.shape == packed.packed_shape(xl.shape, w.shape, w.dtype, True, **attrs)
    kind = packed.Activation.CLAMP if seed % 2 else packed.Activation.NONE
    made = run(
        "packed_convolution", xl, kept, bias, None if residual is None else last(residual),
        weight=w.shape, last=True, activation=kind, low=0.0, high=2.0, **attrs,
    )  # fmt: skip
    wanted = wanted if residual is None else wanted + residual
    agree(first(made), np.clip(wanted, 0, 2) if seed % 2 else wanted, dtype)


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("step", [1, 2])
def test_depthwise_blocks_of_every_width_are_their_definition(packed, k, step):
    rng = np.random.default_rng(10 * k + step)
    kinds = [packed.Activation.NONE, packed.Activation.CLAMP, packed.Activation.HARDSWISH]
    for case in range(16):
        dtype = ["float32", "float64"][case % 2]
        before, behind = (int(v) for v in rng.integers(0, k + 1, 2))
        high, wide = (int(v) for v in rng.integers(max(1, k - before - behind), 24, 2))
        channels = 400 if case == 7 else int(rng.integers(1, 70))
        x = rng.standard_normal((1 + case % 2, channels, high, wide)).astype(dtype)
        x[0, 0, -1, 0] = np.nan
        w = rng.standard_normal((channels, 1, k, k)).astype(dtype)
        bias = rng.standard_normal(channels).astype(dtype) if case % 3 else None
        attrs = {
            "stride": (step, step), "padding": ((behind, before), (before, behind)), "dilation": (1, 1),
            "groups": channels,
        }  # fmt: skip
        wanted = by_definition("convolution", x, w, bias, **attrs)
        residual = rng.standard_normal(wanted.shape).astype(dtype) if case % 5 == 0 else None
        kept = run("pack_convolution", w, input=last(x).shape, last=True, **attrs)
        kind = kinds[case % 3]
        made = run(
            "packed_convolution", last(x), kept, bias, None if residual is None else last(residual),
            weight=w.shape, last=True, activation=kind, low=0.0, high=2.0, **attrs,
        )  # fmt: skip
        wanted = wanted if residual is None else wanted + residual
        if kind == packed.Activation.CLAMP:
            wanted = np.clip(wanted, 0, 2)
        elif kind == packed.Activation.HARDSWISH:
            wanted = wanted * np.clip(wanted + 3, 0, 6) / 6
        agree(first(made), wanted, dtype)


@pytest.mark.parametrize(
    ("channels", "k", "groups"), [(700, 3, 1), (300, 1, 1), (2048, 1, 1), (64, 3, 1), (1300, 3, 2)]
)
def test_deep_windows_are_summed_in_parts(packed, channels, k, groups):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 5, 5, channels)).astype("f4")
    w = rng.standard_normal((70 * groups, channels // groups, k, k)).astype("f4")
    bias = rng.standard_normal(len(w)).astype("f4")
    attrs = {"stride": (1, 1), "padding": ((k // 2,) * 2,) * 2, "dilation": (1, 1), "groups": groups}  # fmt: skip
    wanted = by_definition("convolution", np.ascontiguousarray(first(x)), w, bias, **attrs)
    residual = rng.standard_normal((1, 5, 5, len(w))).astype("f4")
    kept = run("pack_convolution", w, input=x.shape, last=True, **attrs)
    made = run("packed_convolution", x, kept, bias, residual, weight=w.shape, last=True, activation=0, **attrs)  # fmt: skip
    wanted = wanted + first(residual)
    agree(first(made), wanted, "float32")
    # One chain of all products has some 1e-6 at 2000 of them, growing with their root.
    error = np.sqrt(((first(made) - wanted) ** 2).mean() / (wanted**2).mean())
    assert error < 4e-7


def test_nan_and_infinity_reach_their_own_windows_only(packed):
    x = np.ones((1, 6, 6, 3), "f4")
    x[0, 2, 2, 1], x[0, 5, 5, 0] = np.nan, np.inf
    w = np.ones((16, 3, 1, 1), "f4")
    attrs = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    kept = run("pack_convolution", w, input=x.shape, last=True, **attrs)
    made = run(
        "packed_convolution", x, kept, None, None, weight=w.shape, last=True,
        activation=packed.Activation.CLAMP, low=0.0, high=6.0, **attrs,
    )  # fmt: skip
    assert np.isnan(made[0, 2, 2]).all()
    assert (made[0, 5, 5] == 6).all()
    made[0, 2, 2] = 3
    made[0, 5, 5] = 3
    assert (made == 3).all()


@pytest.mark.parametrize("seed", range(12))
def test_pooling_is_its_definition(seed):
    rng = np.random.default_rng(seed)
    dtype = ["float32", "float64"][seed % 2]
    k, stride = (int(v) for v in rng.integers(1, 6, 2))
    padding = int(rng.integers(0, k // 2 + 1))
    x = rng.standard_normal((2, int(rng.integers(1, 70)), *rng.integers(6, 20, 2))).astype(dtype)
    x[0, 0, 3, 3] = np.nan
    out = tuple((n + 2 * padding - k) // stride + 1 for n in x.shape[2:])
    two = {"kernel": (k, k), "stride": (stride,) * 2, "padding": (padding,) * 2, "out": out}
    wanted = registry["max_pool"].kernels[None](xp, x, dilation=(1, 1), **two)
    made = run("last_max_pool", last(x), dilation=(1, 1), **two)
    np.testing.assert_array_equal(first(made), wanted)
    x[0, 0, 3, 3] = 0
    wide = np.pad(x.astype("f8"), ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    ones = np.pad(np.ones(x.shape), ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))

    def sums(a):
        views = np.lib.stride_tricks.sliding_window_view(a, (k, k), (2, 3))
        return views[:, :, ::stride, ::stride].sum((4, 5))

    for counted in (0, k * k, 7):
        made = run("last_avg_pool", last(x), counted=counted, **two)
        agree(first(made), sums(wide) / (counted or sums(ones)), dtype)
    agree(run("last_mean", last(x))[:, 0, 0], x.astype("f8").mean((2, 3)), dtype)


@pytest.mark.parametrize("seed", range(8))
def test_input_gradients_with_channels_last_stay_so(seed):
    """With a stride of 1, as convolutions with the weights turned round."""
    from flambeau.backends.cpu import convolutions
    from flambeau.ops.convolution import output_size
    from flambeau.runtime.layouts import is_last

    rng = np.random.default_rng(seed)
    groups, channels, rows = [(1, 20, 33), (2, 16, 9), (16, 1, 1), (1, 16, 40)][seed % 4]
    size, kernel, dilation = (13, 9), (3, 2 + seed % 2), (1 + seed // 4, 1)
    padding = ((1, 2), (0, 1)) if seed % 3 else ((5, 5), (1, 1))  # more than a window reaches
    options = {"stride": (1, 1), "padding": padding, "dilation": dilation, "groups": groups}
    out = output_size(size, kernel, *list(options.values())[:3])
    g = rng.normal(size=(2, *out, rows * groups)).transpose(0, 3, 1, 2)
    w = rng.normal(size=(rows * groups, channels, *kernel))
    bias = rng.normal(size=channels * groups) if seed % 2 else None
    made = convolutions.convolution_input(g, w, bias, size=size, **options)
    agree(made, by_definition("convolution_input", g, w, bias, size=size, **options), np.float64)
    if padding[0][0] < 5:
        assert is_last(made)


@pytest.mark.parametrize("seed", range(16))
def test_depthwise_weight_gradients_are_their_definition(seed):
    from flambeau.backends.cpu import convolutions
    from flambeau.ops.convolution import output_size

    rng = np.random.default_rng(seed)
    dtype = ["float32", "float64"][seed % 2]
    while True:
        size, kernel, attrs = geometry(rng, 2)
        if seed % 4 == 3:
            kernel, size = (2, 9), (size[0] + 2, size[1] + 9)  # wider than sums in registers
        out = output_size(size, kernel, attrs["stride"], attrs["padding"], attrs["dilation"])
        if min(out) > 0:
            break
    channels, images = int(rng.integers(2, 70)), int(rng.integers(1, 4))
    x = rng.standard_normal((images, *size, channels)).astype(dtype).transpose(0, 3, 1, 2)
    g = rng.standard_normal((images, *out, channels)).astype(dtype).transpose(0, 3, 1, 2)
    attrs["groups"] = channels
    made = convolutions.convolution_weight(x, g, kernel=kernel, **attrs)
    agree(made, by_definition("convolution_weight", x, g, kernel=kernel, **attrs), dtype)


@pytest.mark.parametrize("seed", range(12))
def test_gradients_of_largest_values_are_their_definition(seed):
    """Equal values, zeros of both signs, infinities and NaN included."""
    from flambeau.backends.cpu import pools
    from flambeau.runtime.layouts import is_last

    rng = np.random.default_rng(seed)
    dtype = ["float32", "float64"][seed % 2]
    kernel, stride = (3, 2 + seed % 2), (1 + seed % 3, 2)
    options = {"kernel": kernel, "stride": stride, "padding": (1, seed % 2), "dilation": (1, 1)}
    size = (int(rng.integers(3, 12)), int(rng.integers(4, 14)))
    options["out"] = tuple(
        (n + 2 * p - k) // s + 1 for n, p, k, s in zip(size, options["padding"], kernel, stride)
    )
    x = rng.integers(-3, 4, (3, *size, int(rng.integers(2, 40)))).astype(dtype)
    for value in (-0.0, np.nan, np.inf, -np.inf):
        x[rng.random(x.shape) < 0.03] = value
    x = x.transpose(0, 3, 1, 2)
    best = registry["max_pool"].kernels[None](xp, x, **options)
    g = rng.standard_normal(best.shape).astype(dtype)
    g.flat[:3] = np.inf, -np.inf, np.nan
    made = pools.max_pool_spread(g, x, best, **options)
    assert is_last(made)
    with np.errstate(invalid="ignore"):
        wanted = registry["max_pool_spread"].kernels[None](xp, g, x, best, **options)
    np.testing.assert_allclose(made, wanted, rtol=1e-5, atol=1e-5)
