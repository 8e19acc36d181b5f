"""Windows with strides, and windows one element wide: planes cut by strides or not, gradients woven of pairs, rows joined, depthwise gradients (`conv_spread.c`)."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.backends.cpu import available, threads
from flambeau.ops import load_all
from flambeau.ops.convolution import output_size
from flambeau.runtime.dispatch import backends
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

TOLERANCE = {"float32": 3e-5, "float64": 1e-11}


@pytest.fixture(scope="module")
def kernels():
    load_all()
    backends.of_device("cpu")
    from flambeau.backends.cpu import convolutions

    return convolutions


def agree(made, wanted, dtype):
    assert made.dtype == dtype
    scale = max(np.abs(wanted).max(), 1)
    np.testing.assert_allclose(made / scale, wanted / scale, atol=TOLERANCE[dtype])


def by_definition(name, *arrays, **options):
    return registry[name].kernels[None](np, *arrays, **options)


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (7, 7), (2, 2), (1, 3), (4, 1), (3, 6), (9, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_depthwise_gradients_are_the_definition(kernels, kernel, dtype):
    from flambeau.backends.cpu.windows import transposed_plan

    rng = np.random.default_rng(kernel[1])
    before = threads.count()
    for top, left in ((0, 0), (1, 1), (2, 1), (0, 3), (3, 4)):
        for size in ((7, 9), (14, 14), (1, 40), (33, 64), (20, 35)):
            padding = ((top, left), (left, top))
            options = {"stride": (2, 2), "padding": padding, "dilation": (1, 1), "groups": 5}
            out = output_size(size, kernel, *list(options.values())[:3])
            if min(out) < 1:
                continue
            g, w, bias = (rng.normal(size=s) for s in ((2, 5, *out), (5, 1, *kernel), 5))
            wanted = by_definition("convolution_input", g, w, bias, size=size, **options)
            assert transposed_plan(g.shape, w.shape, size, *options.values()).form == "spread"
            g, w, bias = (a.astype(dtype) for a in (g, w, bias))
            made = []
            try:
                for count in (1, 2):
                    threads.set_count(count)
                    made.append(kernels.convolution_input(g, w, bias, size=size, **options))
            finally:
                threads.set_count(before)
            agree(made[0], wanted, dtype)
            np.testing.assert_array_equal(*made)


@pytest.mark.parametrize("stride", [3, 4])
@pytest.mark.parametrize("taps", [2, 3, 4, 7])
@pytest.mark.parametrize("rows", [9, 17])  # cut for the gradient for the weight, and not
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_planes_cut_by_strides_are_the_definition(kernels, stride, taps, rows, dtype):
    rng = np.random.default_rng(taps)
    for wide, lo, hi in ((47, 0, 0), (48, 1, 2), (64, 2, 1), (131, 3, 0), (150, 5, 5)):
        size = (7, wide)
        options = {"stride": (2, stride), "padding": ((1, 0), (lo, hi)), "dilation": (1, 1), "groups": 1}  # fmt: skip
        out = output_size(size, (2, taps), *list(options.values())[:3])
        x, w, g = (rng.normal(size=s) for s in ((2, 3, *size), (rows, 3, 2, taps), (2, rows, *out)))
        wanted = by_definition("convolution", x, w, None, **options)
        back = by_definition("convolution_weight", x, g, kernel=(2, taps), **options)
        x, w, g = (a.astype(dtype) for a in (x, w, g))
        agree(kernels.convolution(x, w, None, **options), wanted, dtype)
        agree(kernels.convolution_weight(x, g, kernel=(2, taps), **options), back, dtype)


SHAPES = [  # images, groups, channels and rows of each, size, kernel, stride, padding, dilation
    (2, 1, 40, 70, (13, 30), (3, 3), (2, 2), (1, 1), (1, 1)),
    (2, 1, 5, 40, (32, 32), (2, 2), (2, 2), (0, 0), (1, 1)),  # planes of 4096 bytes, read where they are
    (1, 1, 6, 33, (32, 64), (1, 1), (2, 3), (0, 0), (1, 1)),
    (3, 1, 9, 35, (27, 45), (4, 5), (3, 4), (2, 1), (1, 2)),
    (2, 4, 16, 8, (29, 33), (3, 3), (2, 2), (1, 1), (1, 1)),
    (1, 3, 7, 24, (9, 8, 11), (3, 3, 3), (2, 2, 2), (1, 1, 1), (1, 1, 1)),
    (2, 1, 20, 33, (5, 6, 9), (2, 3, 4), (1, 2, 2), (0, 1, 1), (1, 1, 1)),
    (2, 1, 300, 20, (5, 7), (4, 4), (2, 2), (1, 1), (1, 1)),  # several blocks of channels
    (2, 1, 24, 300, (3, 3), (2, 3), (2, 2), (1, 1), (1, 1)),  # few windows in a row
    (4, 1, 130, 20, (90,), (8,), (4,), (2,), (1,)),
    (2, 1, 30, 50, (17, 17), (7, 1), (1, 1), (3, 0), (1, 1)),
    (2, 2, 12, 20, (17, 9), (5, 1), (1, 1), (4, 0), (2, 1)),
    (1, 1, 10, 36, (9, 7, 6), (3, 1, 1), (1, 1, 1), (1, 0, 0), (1, 1, 1)),
    (2, 1, 10, 20, (6, 9, 7), (2, 3, 1), (1, 1, 1), (1, 2, 0), (2, 1, 1)),
    (1, 1, 10, 20, (6, 9, 7), (3, 2, 1), (2, 1, 1), (1, 1, 0), (1, 1, 1)),
    (1, 1, 10, 20, (6, 9, 7), (3, 1, 1), (1, 1, 1), (2, 1, 0), (1, 1, 1)),  # padding beside windows of one element
    (1, 6, 1, 1, (6, 9, 7), (3, 1, 1), (1, 1, 1), (1, 0, 0), (1, 1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_windows_are_the_definition(kernels, shape, dtype):
    images, groups, channels, rows, size, kernel, stride, pad, gap = shape
    rng = np.random.default_rng(rows)
    options = {"stride": stride, "padding": tuple((p, p) for p in pad), "dilation": gap, "groups": groups}  # fmt: skip
    out = output_size(size, kernel, stride, options["padding"], gap)
    x = rng.normal(size=(images, groups * channels, *size))
    g = rng.normal(size=(images, groups * rows, *out))
    w = rng.normal(size=(groups * rows, channels, *kernel))
    for name, arrays, more in (
        ("convolution", (x, w, rng.normal(size=groups * rows)), {}),
        ("convolution_input", (g, w, rng.normal(size=groups * channels)), {"size": size}),
        ("convolution_weight", (x, g), {"kernel": kernel}),
    ):
        wanted = by_definition(name, *arrays, **options, **more)
        given = tuple(a.astype(dtype) for a in arrays)
        made = []
        for count in (1, 3):
            before = threads.count()
            threads.set_count(count)
            try:
                made.append(getattr(kernels, name)(*given, **options, **more))
            finally:
                threads.set_count(before)
        agree(made[0], wanted, dtype)
        np.testing.assert_array_equal(*made)
