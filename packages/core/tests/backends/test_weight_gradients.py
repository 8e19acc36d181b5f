"""The gradient of convolutions for the weight in C, in its three ways: equal to the reference, whatever the shape."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.backends.cpu import available, threads
from flambeau.ops import load_all
from flambeau.ops.convolution import output_size
from flambeau.runtime.dispatch import backends
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

TOLERANCE = {"float32": 2e-5, "float64": 1e-11}


@pytest.fixture(scope="module")
def convolution_weight():
    load_all()
    backends.of_device("cpu")
    from flambeau.backends.cpu.convolutions import convolution_weight

    return convolution_weight


def both(function, x, g, **options):
    with np.errstate(invalid="ignore"):
        reference = registry["convolution_weight"].kernels[None]
        wanted = reference(np, x.astype("f8"), g.astype("f8"), **options)
    return function(x, g, **options), wanted


def options_for(size, kernel, stride=1, pad=0, groups=1):
    dims = len(size)
    options = {
        "stride": (stride,) * dims,
        "padding": ((pad, pad),) * dims,
        "dilation": (1,) * dims,
        "groups": groups,
    }
    return output_size(size, kernel, *list(options.values())[:3]), {"kernel": kernel, **options}


SHAPES = [  # images, channels, rows, size, kernel, stride, padding, groups
    *[(5, 1, rows, (9, 28), (5, 5), 1, 2, 1) for rows in (4, 5, 6, 7, 8, 9, 13, 16)],  # along the positions
    *[(3, 2, 8, (61,), (3,), 2, 1, 2), (2, 1, 10, (3, 6, 19), (2, 3, 3), 1, 1, 1)],
    *[(3, 8, 8, (14, 14), (3, 3), 1, 1, 16), (1, 8, 8, (28, 28), (3, 3), 2, 1, 8), (4, 24, 13, (17, 30), (5, 3), 1, 1, 3)],  # each group
    (17, 6, 16, (14, 14), (5, 5), 1, 0, 1),  # shares of the images
    *[(40, 20, 33, (3, 3), (3, 3), 1, 1, 1), (4, 9, 70, (40, 33), (1, 3), 1, 1, 3)],
    *[(2, 40, 160, (9, 9), (3, 3), 2, 1, 1), (1, 30, 20, (12, 50), (3, 3), 1, 1, 1)],  # all images at once
    (9, 96, 64, (4, 4), (4, 4), 2, 1, 1),
    *[(3, 40, 70, (9, 11), (3, 3), 1, pad, 1) for pad in (0, 1, 2)],  # fewer products (Winograd), by shares
    *[(7, 33, 50, (21, 40), (3, 3), 1, 0, 1), (1, 64, 48, (41, 7), (3, 3), 1, 1, 1)],
    *[(6, 150, 170, (9, 10), (3, 3), 1, 1, 1), (2, 160, 144, (31, 18), (3, 3), 1, 1, 1)],  # by places
    *[(3, 33, 40, (20, 21), (5, 5), 1, pad, 1) for pad in (0, 2, 3)],  # larger windows in pieces
    *[(2, 64, 70, (14, 19), (7, 6), 1, 3, 1), (5, 40, 64, (13, 10), (3, 5), 1, 1, 1), (1, 150, 170, (20, 18), (5, 5), 1, 2, 1)],
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weight_gradients_are_the_reference(convolution_weight, shape, dtype):
    images, channels, rows, size, kernel, stride, pad, groups = shape
    out, options = options_for(size, kernel, stride, pad, groups)
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(images, channels * groups, *size)).astype(dtype)
    g = rng.normal(size=(images, rows * groups, *out)).astype(dtype)
    found = []
    before = threads.count()
    try:
        for count in (1, 3):
            threads.set_count(count)
            made, wanted = both(convolution_weight, x, g, **options)
            found.append(made)
            scale = np.abs(wanted).max()
            np.testing.assert_allclose(made / scale, wanted / scale, atol=TOLERANCE[dtype])
    finally:
        threads.set_count(before)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    "channels, rows, size, side",
    [*[(1, rows, (9, 11), 3) for rows in (4, 6, 16, 33)], (32, 40, (9, 11), 3), (64, 64, (10, 12), 5)],
)  # fmt: skip
def test_what_is_not_finite_stays_where_it_belongs(convolution_weight, channels, rows, size, side):
    out, options = options_for(size, (side, side), pad=side // 2)
    rng = np.random.default_rng(1)
    x, g = rng.normal(size=(4, channels, *size)), rng.normal(size=(4, rows, *out))
    for number in (np.inf, np.nan):
        for place in ((2, 0, 0, 0), (1, 0, 4, 10), (3, 0, 8, 10)):
            bad = x.copy()
            bad[place] = number
            made, wanted = both(convolution_weight, bad, g, **options)
            assert np.isfinite(wanted).any() and not np.isfinite(wanted).all()
            np.testing.assert_allclose(made, wanted, atol=1e-11)
        bad = g.copy()
        bad[1, 2, 0, 0] = number
        made, wanted = both(convolution_weight, x, bad, **options)
        np.testing.assert_allclose(made, wanted, atol=1e-11)
