"""Convolutions that are products of few rows: equal to the reference, whatever the shape, and really taken."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
import flambeau.nn.functional as F
from flambeau.backends.cpu import available, threads
from flambeau.ops import load_all
from flambeau.ops.convolution import output_size
from flambeau.runtime.dispatch import backends
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

TOLERANCE = {"float32": 2e-5, "float64": 1e-11}
OPERATORS = ("convolution", "convolution_input", "convolution_weight")
SHAPES = [  # images, channels, rows, size, kernel, stride, padding, dilation, and which operators go this way
    (2, 64, 1, (53, 61), (1, 1), 1, 0, 1, (0, 2)),  # one row, one channel, and few of either
    (1, 70, 3, (2011,), (1,), 1, 0, 1, (0, 2)),
    (3, 1, 40, (50, 51), (1, 1), 1, 0, 1, (1, 2)),
    (2, 3, 33, (9, 15, 31), (1, 1, 1), 1, 0, 1, (1, 2)),
    (1, 1, 90, (3201,), (10,), 5, 0, 1, (1,)),  # columns added up
    (2, 3, 35, (50, 67), (3, 3), 2, 1, 1, (1,)),
    (2, 2, 40, (61, 43), (3, 2), (1, 3), (2, 1), (2, 1), (1,)),
    (2, 1, 60, (9, 22, 41), (2, 3, 3), (1, 2, 2), 1, 1, (1,)),
    (3, 3, 50, (50, 49), (4, 4), 4, 0, 1, (1,)),  # windows that leave a rest
]


@pytest.fixture(scope="module")
def kernels():
    load_all()
    backends.of_device("cpu")
    from flambeau.backends.cpu import convolutions

    return convolutions


def every(value, dims):
    return value if isinstance(value, tuple) else (value,) * dims


def calls_of(shape, dtype):
    """The three operators' arguments."""
    images, channels, rows, size, kernel, stride, pad, gap, _ = shape
    dims, rng = len(size), np.random.default_rng(rows)
    options = {
        "stride": every(stride, dims),
        "padding": tuple((p, p) for p in every(pad, dims)),
        "dilation": every(gap, dims),
    }
    out = output_size(size, kernel, *options.values())
    options["groups"] = 1
    x = rng.normal(size=(images, channels, *size)).astype(dtype)
    w = rng.normal(size=(rows, channels, *kernel)).astype(dtype)
    g = rng.normal(size=(images, rows, *out)).astype(dtype)
    to, back = (rng.normal(size=n).astype(dtype) for n in (rows, channels))
    return [
        ((x, w, to), options),
        ((g, w, back), {"size": size, **options}),
        ((x, g), {"kernel": kernel, **options}),
    ]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_thin_convolutions_are_the_reference(kernels, monkeypatch, shape, dtype):
    taken = []
    for name in ("forward", "backward", "weight"):
        real = getattr(kernels.thin, name)

        def spied(*args, name=name, real=real):
            made = real(*args)
            if made is not NotImplemented:
                taken.append(name)
            return made

        monkeypatch.setattr(kernels.thin, name, spied)
    before, calls = threads.count(), calls_of(shape, dtype)
    for at in shape[-1]:
        arrays, options = calls[at]
        wanted = registry[OPERATORS[at]].kernels[None](np, *[a.astype("f8") for a in arrays], **options)  # fmt: skip
        found = []
        try:
            for count in (1, 3):
                threads.set_count(count)
                found.append(getattr(kernels, OPERATORS[at])(*arrays, **options))
        finally:
            threads.set_count(before)
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(found[0] / scale, wanted / scale, atol=TOLERANCE[dtype])
        np.testing.assert_array_equal(*found)
        assert ("forward", "backward", "weight")[at] in taken


def test_what_is_not_finite_reaches_its_own_places_only(kernels):
    (_, _), ((g, w, _), options), _ = calls_of(SHAPES[5], "float32")
    g[0, 3, 7, 8], g[1, 0, 0, 0] = np.inf, np.nan
    made = kernels.convolution_input(g, w, None, **options)
    with np.errstate(invalid="ignore"):
        wanted = registry["convolution_input"].kernels[None](np, g, w, None, **options)
    np.testing.assert_array_equal(np.isnan(made), np.isnan(wanted))
    np.testing.assert_array_equal(np.isinf(made), np.isinf(wanted))


def test_small_and_empty_ones_are_left_to_others(kernels):
    one = {"stride": (1, 1), "padding": ((0, 0),) * 2, "dilation": (1, 1), "groups": 1}
    x, w = np.ones((2, 3, 5, 4), "f4"), np.ones((1, 3, 1, 1), "f4")
    np.testing.assert_array_equal(kernels.convolution(x, w, None, **one), np.full((2, 1, 5, 4), 3))
    assert F.conv2d(flambeau.ones(0, 64, 9, 9), flambeau.ones(1, 64, 1, 1)).shape == (0, 1, 9, 9)
    g = np.ones((0, 64, 9, 9), "f4")
    made = kernels.convolution_input(g, np.ones((64, 1, 1, 1), "f4"), None, size=(9, 9), **one)
    assert made is NotImplemented or made.shape == (0, 1, 9, 9)


def test_layouts_and_whole_backward(kernels):
    x = flambeau.randn(2, 64, 48, 50, dtype=flambeau.float64)
    w = flambeau.randn(1, 64, 1, 1, dtype=flambeau.float64, requires_grad=True)
    b = flambeau.randn(1, dtype=flambeau.float64, requires_grad=True)
    for given in (x, x.transpose(2, 3), x.contiguous(memory_format=flambeau.channels_last)):
        given = given.detach().requires_grad_(True)
        y = F.conv2d(given, w, b)
        wanted = (given * w[0, :, 0, 0].reshape(1, -1, 1, 1)).sum(1, keepdim=True) + b
        np.testing.assert_allclose(y.detach().numpy(), wanted.detach().numpy(), atol=1e-10)
        g = flambeau.randn(*y.shape, dtype=flambeau.float64)
        found = flambeau.autograd.grad(y, [given, w, b], g)
        for made, right in zip(found, flambeau.autograd.grad(wanted, [given, w, b], g)):
            np.testing.assert_allclose(made.numpy(), right.numpy(), atol=1e-9)
