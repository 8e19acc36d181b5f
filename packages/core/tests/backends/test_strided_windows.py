"""Windows with strides: planes cut by strides of 3 and 4, and depthwise gradients for the input with a stride of 2 (`conv_spread.c`)."""

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
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_planes_cut_by_strides_are_the_definition(kernels, stride, taps, dtype):
    rng = np.random.default_rng(taps)
    for wide, lo, hi in ((47, 0, 0), (48, 1, 2), (64, 2, 1), (131, 3, 0), (150, 5, 5)):
        size = (7, wide)
        options = {"stride": (2, stride), "padding": ((1, 0), (lo, hi)), "dilation": (1, 1), "groups": 1}  # fmt: skip
        out = output_size(size, (2, taps), *list(options.values())[:3])
        x, w, g = (rng.normal(size=s) for s in ((2, 3, *size), (17, 3, 2, taps), (2, 17, *out)))
        wanted = by_definition("convolution", x, w, None, **options)
        back = by_definition("convolution_weight", x, g, kernel=(2, taps), **options)
        x, w, g = (a.astype(dtype) for a in (x, w, g))
        agree(kernels.convolution(x, w, None, **options), wanted, dtype)
        agree(kernels.convolution_weight(x, g, kernel=(2, taps), **options), back, dtype)
