"""Convolutions and pooling in C: equal to the operators' reference kernels, whatever the geometry, and really taken."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, threads
from flambeau.backends.numpy import xp
from flambeau.ops import load_all
from flambeau.ops.convolution import output_size
from flambeau.ops.sliding import window_count
from flambeau.runtime.dispatch import backends, choose
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

F = flambeau.nn.functional
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}


@pytest.fixture(scope="module", autouse=True)
def kernels():
    """The two modules of kernels; their operators are registered."""
    load_all()
    backends.of_device("cpu")
    from flambeau.backends.cpu import convolutions, pools

    return convolutions, pools


def reference(name, *raw, **attrs):
    return registry[name].kernels[None](xp, *raw, **attrs)


def agree(made, wanted):
    assert made is not NotImplemented
    assert made.dtype == wanted.dtype and made.shape == wanted.shape
    if made.dtype.kind == "f":
        scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=1.0)
        tolerance = TOLERANCE[made.dtype.name]
        np.testing.assert_allclose(made, wanted, rtol=tolerance, atol=tolerance * scale)
    else:
        np.testing.assert_array_equal(made, wanted)


def numbers(rng, low, high, count):
    return tuple(int(v) for v in rng.integers(low, high, count))


def geometry(rng, dims):
    """Size, kernel, stride, padding and dilation with at least one window."""
    while True:
        size = numbers(rng, 1, [70, 20, 8][dims - 1], dims)
        kernel, stride = numbers(rng, 1, 5, dims), numbers(rng, 1, 4, dims)
        padding = tuple((a, b) for a, b in zip(numbers(rng, 0, 4, dims), numbers(rng, 0, 4, dims)))
        dilation = numbers(rng, 1, 3, dims)
        spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
        if all(n + a + b >= s for n, (a, b), s in zip(size, padding, spans)):
            return size, kernel, stride, padding, dilation


CHANNELS = [  # groups, channels and rows of each
    *[(1, 1, 1), (1, 3, 17), (1, 33, 3), (2, 5, 8), (3, 2, 2), (5, 1, 1), (4, 1, 2), (2, 16, 20), (1, 160, 9)],
]  # fmt: skip


@pytest.mark.parametrize("channels", CHANNELS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolutions_are_the_reference(kernels, some_threads, channels, dtype):
    convolutions, _ = kernels
    groups, each, rows = channels
    rng = np.random.default_rng(groups * 100 + each * 10 + rows)
    for dims in (1, 1, 2, 2, 2, 3):
        size, kernel, stride, padding, dilation = geometry(rng, dims)
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        out = output_size(size, kernel, stride, padding, dilation)
        images = int(rng.choice([1, 2, 5]))
        x = rng.normal(size=(images, groups * each, *size)).astype(dtype)
        w = rng.normal(size=(groups * rows, each, *kernel)).astype(dtype)
        g = rng.normal(size=(images, groups * rows, *out)).astype(dtype)
        b, c = (rng.normal(size=n * groups).astype(dtype) for n in (rows, each))
        for bias in (None, b):
            made = convolutions.convolution(x, w, bias, **options)
            agree(made, reference("convolution", x, w, bias, **options))
        for bias in (None, c):
            made = convolutions.convolution_input(g, w, bias, size=size, **options)
            agree(made, reference("convolution_input", g, w, bias, size=size, **options))
        made = convolutions.convolution_weight(x, g, kernel=kernel, **options)
        agree(made, reference("convolution_weight", x, g, kernel=kernel, **options))


WIDE = [  # groups, channels and rows of each, size, kernel, padding, dilation
    (1, 16, 32, (600,), (3,), 512, 512), (1, 64, 64, (90,), (5,), 40, 20), (1, 8, 4, (300,), (3,), 100, 100),
    (2, 3, 5, (200,), (2,), 70, 70), (6, 1, 1, (500,), (3,), 300, 300), (4, 1, 2, (70,), (3,), 300, 300),
    (1, 20, 12, (5, 90), (1, 3), (0, 60), (1, 60)), (1, 6, 17, (3, 4, 60), (1, 1, 3), (0, 0, 50), (1, 1, 50)),
]  # fmt: skip


@pytest.mark.parametrize("channels, dims", [((g, c, r), tuple(rest)) for g, c, r, *rest in WIDE])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_padding_behind_the_last_plane_is_zero(kernels, some_threads, channels, dims, dtype):
    """Wide paddings: what an earlier call left behind in the scratch memory reaches no window."""
    convolutions, _ = kernels
    (groups, each, rows), (size, kernel, pad, gap) = channels, dims
    rng = np.random.default_rng(rows)
    pads, gaps = ((n,) * len(size) if isinstance(n, int) else n for n in (pad, gap))
    options = {"stride": (1,) * len(size), "padding": tuple((n, n) for n in pads), "dilation": gaps, "groups": groups}  # fmt: skip
    out = output_size(size, kernel, options["stride"], options["padding"], gaps)
    x, g = (
        rng.normal(size=(2, groups * n, *v)).astype(dtype) for n, v in ((each, size), (rows, out))
    )
    w = rng.normal(size=(groups * rows, each, *kernel)).astype(dtype)
    given = {"convolution": (x, w, None), "convolution_input": (g, w, None), "convolution_weight": (x, g)}  # fmt: skip
    more = {"convolution_input": {"size": size}, "convolution_weight": {"kernel": kernel}}
    for name, arrays in given.items():
        larger = {**options, **more.get(name, {})}
        made = getattr(convolutions, name)(*arrays, **larger)
        before = [a if a is None or a is w else np.full((9, *a.shape[1:]), np.nan, dtype) for a in arrays]  # fmt: skip
        getattr(convolutions, name)(*before, **larger)
        again = getattr(convolutions, name)(*arrays, **larger)
        agree(again, reference(name, *arrays, **larger))
        np.testing.assert_array_equal(again, made)


@pytest.mark.parametrize(
    "images, groups, channels, rows, size, kernel, dilation, padding",
    [
        (2, 1, 33, 24, (7, 13, 16), (3, 3, 3), (1, 1, 1), ((1, 1), (1, 1), (1, 1))),
        (1, 1, 16, 40, (5, 9, 22), (2, 3, 3), (2, 2, 3), ((0, 1), (3, 0), (2, 2))),
        (3, 1, 40, 70, (23, 18), (3, 3), (2, 3), ((2, 2), (3, 0))),
        (2, 3, 17, 33, (19, 16), (3, 3), (1, 1), ((1, 1), (0, 2))),
        (2, 2, 24, 20, (4, 12, 10), (1, 3, 3), (1, 1, 2), ((0, 0), (1, 1), (2, 2))),
        # larger windows, in pieces of 2 and 3 taps
        (2, 1, 16, 16, (13, 20), (5, 5), (1, 1), ((2, 2), (1, 3))),
        (1, 2, 24, 40, (19, 16), (7, 4), (1, 2), ((3, 3), (3, 3))),
        (3, 1, 110, 33, (10, 9), (3, 9), (2, 1), ((2, 1), (4, 4))),
        (1, 1, 17, 30, (4, 14, 15), (2, 5, 6), (1, 1, 1), ((1, 0), (2, 2), (3, 2))),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fewer_products_with_depth_dilation_and_groups(
    kernels, some_threads, images, groups, channels, rows, size, kernel, dilation, padding, dtype
):
    from flambeau.backends.cpu.windows import convolution_plan, transposed_plan

    convolutions, _ = kernels
    rng = np.random.default_rng(rows)
    stride = (1,) * len(size)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    out = output_size(size, kernel, stride, padding, dilation)
    x, g = (
        rng.normal(size=(images, n * groups, *grid)) for n, grid in ((channels, size), (rows, out))
    )
    w, b = rng.normal(size=(rows * groups, channels, *kernel)), rng.normal(size=rows * groups)
    wanted = reference("convolution", x, w, b, **options)
    back = reference("convolution_input", g, w, None, size=size, **options)
    x, w, b, g = (a.astype(dtype) for a in (x, w, b, g))
    assert convolution_plan(x.shape, w.shape, out, *options.values()).form == "winograd"
    assert transposed_plan(g.shape, w.shape, size, *options.values()).form == "winograd"
    agree(convolutions.convolution(x, w, b, **options), wanted.astype(dtype))
    agree(convolutions.convolution_input(g, w, None, size=size, **options), back.astype(dtype))
    x[0, 1, ..., 4, 5] = g[-1, -1, ..., 3, 4] = np.inf  # reaches its own windows only
    with np.errstate(invalid="ignore"):
        for made, right in (
            (convolutions.convolution(x, w, b, **options), reference("convolution", x, w, b, **options)),
            (convolutions.convolution_input(g, w, None, size=size, **options),
             reference("convolution_input", g, w, None, size=size, **options)),
        ):  # fmt: skip
            np.testing.assert_array_equal(np.isfinite(made), np.isfinite(right))


@pytest.mark.parametrize(
    "shape, weight, stride, pad",
    [
        ((3, 64, 7, 7), (40, 64, 3, 3), 1, 1),  # columns of several images packed into one tile
        ((2, 64, 30, 57), (16, 64, 3, 3), 1, 1),  # read in place, many tiles
        ((1, 40, 13, 13), (72, 40, 1, 1), 1, 0),  # one row without ends, and a rest of it
        ((2, 20, 14, 14), (24, 20, 1, 1), 2, 0),
        ((1, 3, 40, 41), (64, 3, 7, 7), 2, 3),
        (
            (2, 300, 5, 6),
            (130, 300, 2, 2),
            1,
            0,
        ),  # sums that go to memory between shares of the channels
        ((7, 33, 1, 1), (65, 33, 1, 1), 1, 0),
        ((2, 8, 33, 34), (8, 1, 5, 5), 2, 2),
        ((4, 10, 4, 4), (6, 10, 4, 4), 1, 0),  # one window for each image
        ((3, 130, 13, 14), (33, 130, 3, 3), 1, 1),  # fewer products (Winograd), odd sizes
        ((2, 24, 30, 17), (40, 24, 3, 3), 1, 2),
    ],
)
def test_shapes_of_networks(kernels, some_threads, shape, weight, stride, pad):
    convolutions, _ = kernels
    rng = np.random.default_rng(5)
    groups = shape[1] // weight[1]
    options = {
        "stride": (stride,) * 2,
        "padding": ((pad, pad),) * 2,
        "dilation": (1, 1),
        "groups": groups,
    }
    out = output_size(shape[2:], weight[2:], (stride,) * 2, ((pad, pad),) * 2, (1, 1))
    for dtype in ("float32", "float64"):
        x, w = rng.normal(size=shape).astype(dtype), rng.normal(size=weight).astype(dtype)
        g = rng.normal(size=(shape[0], weight[0], *out)).astype(dtype)
        wanted = [a.astype("f8") for a in (x, w, g)]
        agree(
            convolutions.convolution(x, w, None, **options),
            reference("convolution", *wanted[:2], None, **options).astype(dtype),
        )
        agree(
            convolutions.convolution_input(g, w, None, size=shape[2:], **options),
            reference("convolution_input", wanted[2], wanted[1], None, size=shape[2:], **options).astype(dtype),
        )  # fmt: skip
        agree(
            convolutions.convolution_weight(x, g, kernel=weight[2:], **options),
            reference("convolution_weight", wanted[0], wanted[2], kernel=weight[2:], **options).astype(dtype),
        )  # fmt: skip


def test_numbers_that_are_none_stay_where_they_belong(kernels):
    """An infinity or NaN reaches the results whose windows hold it, and no others."""
    convolutions, _ = kernels
    rng = np.random.default_rng(0)
    for groups, channels, all_channels in ((1, 6, 6), (6, 1, 6), (1, 32, 32)):
        x = rng.normal(size=(2, all_channels, 9, 21)).astype("f4")
        w = rng.normal(size=(all_channels, channels, 3, 3)).astype("f4")
        g = rng.normal(size=(2, all_channels, 9, 21)).astype("f4")
        x[0, 2, 0, 20], x[1, 4, 8, 0], g[0, 1, 3, 20] = np.inf, np.nan, -np.inf
        options = {
            "stride": (1, 1),
            "padding": ((1, 1), (1, 1)),
            "dilation": (1, 1),
            "groups": groups,
        }
        made = [
            convolutions.convolution(x, w, None, **options),
            convolutions.convolution_input(g, w, None, size=(9, 21), **options),
            convolutions.convolution_weight(
                x, np.nan_to_num(g, neginf=1), kernel=(3, 3), **options
            ),
        ]
        wanted = [
            reference("convolution", x, w, None, **options),
            reference("convolution_input", g, w, None, size=(9, 21), **options),
            reference("convolution_weight", x, np.nan_to_num(g, neginf=1), kernel=(3, 3), **options),
        ]  # fmt: skip
        for a, b in zip(made, wanted):
            np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))


def test_the_number_of_threads_changes_no_bit(kernels):
    convolutions, _ = kernels
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(3, 20, 15, 15)).astype("f4"), rng.normal(size=(40, 20, 3, 3)).astype("f4")  # fmt: skip
    g = rng.normal(size=(3, 40, 15, 15)).astype("f4")
    options = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    before, found = threads.count(), []
    try:
        for count in (1, 2, 5):
            threads.set_count(count)
            found.append(
                (
                    convolutions.convolution(x, w, None, **options),
                    convolutions.convolution_input(g, w, None, size=(15, 15), **options),
                    convolutions.convolution_weight(x, g, kernel=(3, 3), **options),
                )
            )
    finally:
        threads.set_count(before)
    for made in found[1:]:
        for a, b in zip(made, found[0]):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pooling_is_the_reference(kernels, some_threads, dims, dtype):
    _, pools = kernels
    rng = np.random.default_rng(dims)
    tried = 0
    while tried < 12:
        size, kernel, stride, _, dilation = geometry(rng, dims)
        padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
        out = window_count(size, kernel, stride, padding, dilation, bool(tried % 2))
        if min(out) < 1:
            continue
        tried += 1
        x = rng.integers(-3, 4, (2, 3, *size)).astype(dtype)
        values = rng.normal(size=x.shape).astype(dtype)
        if tried % 3 == 0:
            x[rng.random(x.shape) < 0.1] = np.nan
        if tried % 4 == 0:
            x[rng.random(x.shape) < 0.4] = -np.inf
        options = {
            "kernel": kernel,
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "out": out,
        }
        g = rng.normal(size=(2, 3, *out)).astype(dtype)
        best = reference("max_pool", x, **options)
        agree(pools.max_pool(x, **options), best)
        agree(pools.max_pool_places(x, **options), reference("max_pool_places", x, **options))
        agree(
            pools.max_pool_spread(g, x, best, **options),
            reference("max_pool_spread", g, x, best, **options),
        )
        agree(
            pools.max_pool_pick(values, x, best, **options),
            reference("max_pool_pick", values, x, best, **options),
        )
        del options["dilation"]
        options["out"] = out = window_count(size, kernel, stride, padding, (1,) * dims, tried % 2)
        if min(out) < 1:
            continue
        agree(pools.window_sum(values, **options), reference("window_sum", values, **options))
        del options["out"]
        g = rng.normal(size=(2, 3, *out)).astype(dtype)
        agree(
            pools.window_spread(g, size=size, **options),
            reference("window_spread", g, size=size, **options),
        )


@pytest.mark.parametrize("options", [
    {"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": (3, 2), "stride": 1, "padding": (1, 0), "count_include_pad": False},
    {"kernel_size": [3, 3], "stride": 2, "padding": 1, "ceil_mode": True}, {"kernel_size": 3, "divisor_override": -5},
])  # fmt: skip
def test_means_are_what_their_body_says(kernels, options):
    rng = np.random.default_rng(2)
    x = flambeau.tensor(rng.normal(size=(2, 3, 13, 17)), requires_grad=True)
    op = registry["avg_pool2d"]
    made = F.avg_pool2d(x, **options)
    arrays, attrs = op.bind((x,), dict(options))
    plain = op.call_body(arrays, attrs)
    agree(made.detach().numpy(), plain.detach().numpy())
    g = flambeau.tensor(rng.normal(size=made.shape))
    (a,), (b,) = (flambeau.autograd.grad(y, [x], g) for y in (made, plain))
    agree(a.numpy(), b.numpy())


def test_second_derivatives_of_means_and_convolutions():
    rng = np.random.default_rng(3)
    x = flambeau.tensor(rng.normal(size=(1, 2, 12, 13)), requires_grad=True)
    w = flambeau.tensor(rng.normal(size=(3, 2, 3, 3)), requires_grad=True)

    def f(x, w):
        return F.avg_pool2d(F.max_pool2d(F.conv2d(x, w, padding=1), 3, 2, 1), 2).square().sum()

    assert flambeau.autograd.gradgradcheck(f, (x[..., :5, :6].detach().requires_grad_(), w))


@pytest.mark.parametrize("name", ["convolution", "convolution_input", "convolution_weight", "max_pool", "window_sum"])  # fmt: skip
def test_the_kernels_are_taken(kernels, name):
    """Large calls go to C; integers, and what is not there, to the reference."""
    backend = backends.of_device("cpu")
    op = registry[name]
    x = flambeau.ones(1, 4, 40, 40)
    window = {
        "kernel": (2, 2),
        "stride": (1, 1),
        "padding": (0, 0),
        "dilation": (1, 1),
        "out": (39, 39),
    }
    conv = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    arrays, attrs = {
        "convolution": ((x, flambeau.ones(4, 4, 2, 2), None), conv),
        "convolution_input": ((x, flambeau.ones(4, 4, 2, 2), None), {"size": (41, 41), **conv}),
        "convolution_weight": ((x, flambeau.ones(1, 4, 39, 39)), {"kernel": (2, 2), **conv}),
        "max_pool": ((x,), window),
        "window_sum": ((x,), {k: v for k, v in window.items() if k != "dilation"}),
    }[name]
    assert choose(op, backend, arrays, attrs) is not op.kernels[None]
    whole = tuple(None if a is None else a.long() for a in arrays)
    assert choose(op, backend, whole, attrs) is op.kernels[None]


def test_layouts_and_nothing(kernels):
    """Strided, reversed and channels-last inputs, and arrays without elements."""
    rng = np.random.default_rng(4)
    w = flambeau.tensor(rng.normal(size=(5, 6, 3, 3)))
    x = flambeau.tensor(rng.normal(size=(2, 9, 11, 6)))
    last = x.permute(0, 3, 1, 2)
    wanted = reference("convolution", np.ascontiguousarray(last.numpy()), w.numpy(), None, stride=(1, 1), padding=((1, 1),) * 2, dilation=(1, 1), groups=1)  # fmt: skip
    agree(F.conv2d(last, w, padding=1).numpy(), wanted)
    agree(F.conv2d(last.contiguous(), w.transpose(2, 3), padding=1).numpy(), F.conv2d(last, w.transpose(2, 3).contiguous(), padding=1).numpy())  # fmt: skip
    agree(F.max_pool2d(last, 2).numpy(), F.max_pool2d(last.contiguous(), 2).numpy())
    assert F.conv2d(flambeau.ones(0, 6, 40, 40), w.float()).shape == (0, 5, 38, 38)
    assert F.max_pool2d(flambeau.ones(0, 6, 40, 40), 2).shape == (0, 6, 20, 20)


def test_what_does_not_fit_is_refused_as_ever():
    x, w = flambeau.ones(1, 6, 40, 40), flambeau.ones(5, 4, 3, 3)
    with pytest.raises(RuntimeError, match="to have 4 channels, but got 6"):
        F.conv2d(x, w)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        F.conv2d(x, flambeau.ones(5, 6, 50, 3))
    with pytest.raises(RuntimeError, match="expected bias to be 1-dimensional with 5"):
        F.conv2d(x, flambeau.ones(5, 6, 3, 3), flambeau.ones(4))
    with pytest.raises(RuntimeError, match="at most half of"):
        F.avg_pool2d(x, 2, padding=2)
    with pytest.raises(RuntimeError, match="divisor must be not zero"):
        F.avg_pool2d(x, 2, divisor_override=0)
