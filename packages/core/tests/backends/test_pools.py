"""Pooling in C beyond what test_windows.py tries: windows taken by halves, and adaptive ones."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available
from flambeau.backends.numpy import xp
from flambeau.ops import load_all
from flambeau.runtime.dispatch import backends, meta_of
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

F = flambeau.nn.functional
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}


@pytest.fixture(scope="module")
def pools():
    load_all()
    backends.of_device("cpu")
    from flambeau.backends.cpu import pools

    return pools


def reference(name, *raw, **attrs):
    return registry[name].kernels[None](xp, *raw, **attrs)


def agree(made, wanted):
    assert made is not NotImplemented
    assert made.dtype == wanted.dtype and made.shape == wanted.shape
    tolerance = TOLERANCE[made.dtype.name]
    np.testing.assert_allclose(made, wanted, rtol=tolerance, atol=tolerance)


def broken(rng, shape, dtype, case):
    """Few different numbers, so that windows have several largest ones; in some cases NaN and infinities."""
    x = rng.integers(-3, 4, shape).astype(dtype)
    if case % 3 == 1:
        x[rng.random(shape) < 0.3] = np.nan
    if case % 3 == 2:
        x[rng.random(shape) < 0.6] = -np.inf
        x[rng.random(shape) < 0.1] = np.inf
    return x


# -- windows of two or four beside each other ----------------------------------------------------------

HALVED = [  # size, kernel, stride
    *[((2,), (2,), (2,)), ((67,), (2,), (2,)), ((161,), (4,), (4,))],
    *[((28, 28), (2, 2), (2, 2)), ((10, 10), (2, 2), (2, 2)), ((9, 63), (2, 2), (2, 2))],
    *[((13, 18), (3, 2), (5, 2)), ((16, 64), (4, 4), (4, 4)), ((7, 70), (1, 4), (2, 4))],
    *[((6, 6, 36), (2, 2, 2), (2, 2, 2)), ((5, 7, 9), (3, 2, 4), (3, 4, 4))],
]


@pytest.mark.parametrize("size, kernel, stride", HALVED, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_windows_taken_by_halves(pools, some_threads, size, kernel, stride, dtype):
    out = tuple((n - k) // s + 1 for n, k, s in zip(size, kernel, stride))
    options = {"kernel": kernel, "stride": stride, "padding": (0,) * len(size)}
    gap = {"dilation": (1,) * len(size)}
    for case in range(3):
        rng = np.random.default_rng(case)
        x, values = broken(rng, (3, 2, *size), dtype, case), rng.normal(size=(3, 2, *size))
        g, values = rng.normal(size=(3, 2, *out)).astype(dtype), values.astype(dtype)
        assert pools._plan(x, size, **options, out=out)[0] is pools.halves
        best = reference("max_pool", x, **options, **gap, out=out)
        agree(pools.max_pool(x, **options, **gap, out=out), best)
        agree(
            pools.max_pool_spread(g, x, best, **options, **gap, out=out),
            reference("max_pool_spread", g, x, best, **options, **gap, out=out),
        )
        agree(
            pools.window_sum(values, **options, out=out),
            reference("window_sum", values, **options, out=out),
        )
        agree(
            pools.window_spread(g, size=size, **options),
            reference("window_spread", g, size=size, **options),
        )


@pytest.mark.parametrize("change", [
    {"stride": (1, 1)}, {"kernel": (2, 3), "stride": (2, 3)}, {"padding": (1, 0)}, {"dilation": (2, 1)}, {"stride": (1, 2)},
    {"out": (5, 6)}, {"kernel": (65, 2), "stride": (65, 2)},
], ids=str)  # fmt: skip
def test_windows_not_taken_by_halves(pools, change):
    size = (130, 11) if "kernel" in change else (9, 11)
    options = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "out": (2, 3)} | change
    assert pools._plan(np.zeros((2, *size)), size, **options)[0] is pools.pool


def test_means_of_whole_windows_are_divided(pools):
    x = flambeau.arange(2 * 7 * 9).reshape(1, 2, 7, 9).float().requires_grad_()
    for options, divisor in [({}, 4), ({"divisor_override": -3}, -3), ({"ceil_mode": False}, 4)]:
        made = F.avg_pool2d(x, 2, **options)
        blocks = x[..., :6, :8].reshape(1, 2, 3, 2, 4, 2)
        np.testing.assert_allclose(
            made.detach().numpy(), (blocks.sum((3, 5)) / divisor).detach().numpy(), rtol=1e-6
        )
        (grad,) = flambeau.autograd.grad(made.sum(), [x])
        wanted = np.zeros((1, 2, 7, 9), "f4")
        wanted[..., :6, :8] = 1 / divisor
        np.testing.assert_allclose(grad.numpy(), wanted, rtol=1e-6)


# -- adaptive windows -----------------------------------------------------------------------------------

ADAPTIVE = [  # size, windows
    *[((1,), (1,)), ((49,), (1,)), ((5000,), (1,)), ((101,), (7,)), ((64,), (16,)), ((5,), (13,))],
    *[((7, 7), (1, 1)), ((13, 13), (7, 7)), ((3, 40), (5, 3)), ((12, 35), (1, 5)), ((9, 4), (3, 4))],
    *[((4, 5, 6), (2, 2, 2)), ((3, 4, 33), (1, 1, 1)), ((2, 3, 4), (5, 1, 9)), ((6, 5, 20), (4, 3, 1))],
]  # fmt: skip


@pytest.mark.parametrize("size, windows", ADAPTIVE, ids=str)
@pytest.mark.parametrize("kind", ["avg", "max"])
def test_adaptive_windows_are_what_their_body_says(pools, some_threads, kind, size, windows):
    op = registry[f"adaptive_{kind}_pool{len(size)}d"]
    for case, dtype in enumerate(("float32", "float64", "float64")):
        rng = np.random.default_rng(case)
        raw = broken(rng, (2, 3, *size), dtype, case if kind == "max" else 0)
        x = flambeau.tensor(raw, requires_grad=True)
        arrays, attrs = op.bind((x, windows), {})
        made, plain = getattr(F, op.name)(x, windows), op.call_body(arrays, attrs)
        agree(made.detach().numpy(), plain.detach().numpy())
        g = flambeau.tensor(rng.normal(size=made.shape).astype(dtype))
        (a,) = flambeau.autograd.grad(made, [x], g)
        if kind == "avg":
            agree(a.numpy(), flambeau.autograd.grad(plain, [x], g)[0].numpy())
        else:  # the body need not choose the first of several largest numbers
            agree(a.numpy(), given_to_first(raw, windows, g.numpy()))


def given_to_first(x, windows, g):
    """The gradient of adaptive maxima as PyTorch has it: each to the first largest number in the order of memory."""
    made = np.zeros_like(x)
    size = x.shape[2:]
    for place in np.ndindex(*g.shape):
        bins = [
            slice(i * n // k, -(-(i + 1) * n // k)) for i, n, k in zip(place[2:], size, windows)
        ]
        window = x[(*place[:2], *bins)]
        first = np.unravel_index(np.argmax(window), window.shape)  # NumPy's, too, is the first NaN
        made[(*place[:2], *[b.start + f for b, f in zip(bins, first)])] += g[place]
    return made


def test_adaptive_pooling_is_taken_and_declined(pools):
    x = flambeau.ones(2, 3, 9, 8)
    F.adaptive_avg_pool2d(x, 2)  # the module of kernels is loaded
    for name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        op = registry[name]

        def taken(tensor, size, op=op, **options):
            arrays, attrs = op.bind((tensor, size), options)
            metas = [meta_of(a) for a in arrays]
            return any(accepts(metas, attrs) for accepts, _ in op.providers["cpu"])

        assert taken(x, (2, 3)) and taken(x[0], [4, None]) and taken(x, 1)
        assert not taken(x, (0, 3)) and not taken(flambeau.ones(0, 3, 9, 8), 2)
        assert not taken(x.half(), 2)
    assert not taken(x, 2, return_indices=True)
    values, places = F.adaptive_max_pool2d(x, 2, return_indices=True)
    assert values.shape == places.shape == (2, 3, 2, 2)


def test_adaptive_pooling_of_layouts_and_its_second_derivative(pools):
    rng = np.random.default_rng(4)
    x = flambeau.tensor(rng.normal(size=(2, 5, 7, 3)))
    last = x.permute(0, 3, 1, 2)
    for pool in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        agree(pool(last, 3).numpy(), pool(last.contiguous(), 3).numpy())
    small = flambeau.tensor(rng.normal(size=(1, 2, 5, 4)), requires_grad=True)
    assert flambeau.autograd.gradgradcheck(
        lambda v: (F.adaptive_avg_pool2d(v, 2) * F.adaptive_max_pool2d(v, 2)).sum(), (small,)
    )


def test_adaptive_pooling_refuses_as_ever(pools):
    with pytest.raises(RuntimeError, match="must be greater than or equal to 0"):
        F.adaptive_avg_pool2d(flambeau.ones(1, 2, 4, 4), (-1, 2))
    with pytest.raises(ValueError, match="Input dimension should be at least"):
        F.adaptive_avg_pool2d(flambeau.ones(2, 3), (2, 2))
    with pytest.raises(RuntimeError, match="output_size must have 2 elements"):
        F.adaptive_max_pool2d(flambeau.ones(1, 2, 4, 4), (1, 2, 3))
