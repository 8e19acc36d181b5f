"""Depthwise convolutions of small images, with vectors along the channels: equal to the reference, and really taken."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.backends.cpu import available, threads
from flambeau.ops import load_all
from flambeau.ops.convolution import output_size
from flambeau.runtime.dispatch import backends
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

SHAPES = [  # images, channels, size, kernel, stride, padding
    (1, 64, (7, 7), 3, 1, ((1, 1), (1, 1))),
    (2, 45, (7, 7), 7, 1, ((3, 3), (3, 3))),
    (5, 33, (9, 10), 5, 1, ((2, 2), (2, 2))),
    (
        3,
        30,
        (5, 4),
        3,
        1,
        ((2, 1), (3, 2)),
    ),  # padding that differs, and reaches further than a window
    (2, 70, (14, 18), 5, 2, ((2, 2), (2, 1))),
    (2, 40, (10, 9), 7, 2, ((4, 3), (1, 3))),
    (1, 65, (21, 23), 5, 1, ((0, 0), (0, 0))),
    (4, 17, (40, 36), 7, 1, ((3, 3), (3, 3))),
]


@pytest.fixture(scope="module")
def kernels():
    load_all()
    backends.of_device("cpu")
    from flambeau.backends.cpu import convolutions, windows

    return convolutions, windows


def reference(name, *args, **options):
    with np.errstate(invalid="ignore"):
        return registry[name].kernels[None](np, *args, **options)


def arrays_of(shape, dtype):
    images, channels, size, kernel, stride, padding = shape
    options = {"stride": (stride,) * 2, "padding": padding, "dilation": (1, 1), "groups": channels}
    out = output_size(size, (kernel,) * 2, *list(options.values())[:3])
    rng = np.random.default_rng(channels)
    x = rng.normal(size=(images, channels, *size)).astype(dtype)
    w = rng.normal(size=(channels, 1, kernel, kernel)).astype(dtype)
    g = rng.normal(size=(images, channels, *out)).astype(dtype)
    return x, w, rng.normal(size=channels).astype(dtype), g, options


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_small_depthwise_is_the_reference(kernels, shape, dtype):
    convolutions, windows = kernels
    x, w, b, g, options = arrays_of(shape, dtype)
    key = (x.shape, w.shape, g.shape[2:], *options.values())
    assert windows.convolution_plan(*key).form == "channels"
    tolerance = {"rtol": 1e-4, "atol": 2e-5} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-11}  # fmt: skip
    wanted = reference("convolution", x, w, b, **options)
    back = reference("convolution_input", g, w, None, size=x.shape[2:], **options)
    found, before = [], threads.count()
    try:
        for count in (1, 3):
            threads.set_count(count)
            found.append(convolutions.convolution(x, w, b, **options))
            made = convolutions.convolution_input(g, w, None, size=x.shape[2:], **options)
            np.testing.assert_allclose(made, back, **tolerance)
    finally:
        threads.set_count(before)
    np.testing.assert_allclose(found[0], wanted, **tolerance)
    np.testing.assert_array_equal(*found)


def test_residuals_and_activations(kernels):
    convolutions, _ = kernels
    x, w, b, g, options = arrays_of(SHAPES[1], "float32")
    way = convolutions.prepared(x.shape, w.shape, *options.values())
    assert way.plan.form == "channels"
    plain = reference("convolution", x, w, b, **options) + g
    made = way.convolve(x, way.pack(w), b, g, convolutions.Activation.CLAMP, 0.0, 2.0)
    np.testing.assert_allclose(made, plain.clip(0, 2), rtol=1e-4, atol=2e-5)
    made = way.convolve(x, way.pack(w), b, g, convolutions.Activation.SILU)
    np.testing.assert_allclose(made, plain / (1 + np.exp(-plain)), rtol=1e-4, atol=2e-5)


def test_what_is_not_finite_stays_in_its_windows(kernels):
    convolutions, _ = kernels
    x, w, _, _, options = arrays_of(SHAPES[2], "float32")
    x[1, 3, 4, 4], x[2, 32, 0, 9] = np.inf, np.nan
    made = convolutions.convolution(x, w, None, **options)
    wanted = reference("convolution", x, w, None, **options)
    np.testing.assert_array_equal(np.isnan(made), np.isnan(wanted))
    np.testing.assert_array_equal(np.isinf(made), np.isinf(wanted))
