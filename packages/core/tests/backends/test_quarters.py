"""3 x 3 and 4 x 4 convolutions with a stride of 2 in fewer products: equal to the reference, at any size and padding, and really taken."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.backends.cpu import available, threads
from flambeau.ops import load_all
from flambeau.ops.convolution import output_size
from flambeau.runtime.dispatch import backends
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

TOLERANCE = {"float32": 2e-6, "float64": 1e-13}
SHAPES = [  # images, channels and rows of the convolution, size, padding
    (9, 64, 128, (8, 8), ((1, 1), (1, 1))),
    (2, 20, 150, (33, 16), ((0, 0), (0, 0))),
    (3, 33, 16, (14, 23), ((2, 1), (3, 2))),
    (1, 16, 70, (12, 250), ((1, 2), (0, 1))),  # rows of patches are cut
    (5, 130, 24, (9, 10), ((3, 3), (2, 3))),
    (64, 16, 16, (4, 4), ((1, 1), (1, 1))),  # one patch for each image
]


@pytest.fixture(scope="module")
def kernels():
    load_all()
    backends.of_device("cpu")
    from flambeau.backends.cpu import convolutions

    return convolutions


@pytest.fixture
def small_ones_too(monkeypatch):
    """Weights are thought to cost nothing."""
    from flambeau.backends.cpu import windows

    plans = (windows.quarters_plan, windows.transposed_plan, windows.convolution_plan)
    with monkeypatch.context() as patched:
        patched.setattr(windows, "PACKING_NEAR", 0)
        for plan in plans:
            plan.cache_clear()
        yield
    for plan in plans:
        plan.cache_clear()


def reference(name, *raw, **attrs):
    wide = [None if a is None else a.astype("f8") for a in raw]
    with np.errstate(invalid="ignore"):
        return registry[name].kernels[None](np, *wide, **attrs)


def three(kernels, x, w, g, b, c, options):
    """By name what the kernels give, and what the reference gives in float64."""
    size, kernel = x.shape[2:], w.shape[2:]
    return {
        "convolution": (
            kernels.convolution(x, w, b, **options),
            reference("convolution", x, w, b, **options),
        ),
        "convolution_input": (
            kernels.convolution_input(g, w, c, size=size, **options),
            reference("convolution_input", g, w, c, size=size, **options),
        ),
        "convolution_weight": (
            kernels.convolution_weight(x, g, kernel=kernel, **options),
            reference("convolution_weight", x, g, kernel=kernel, **options),
        ),
    }


def operands(rng, shape, dtype="float32", kernel=4):
    images, channels, rows, size, padding = shape
    options = {"stride": (2, 2), "padding": padding, "dilation": (1, 1), "groups": 1}
    out = output_size(size, (kernel, kernel), (2, 2), padding, (1, 1))
    shapes = ((images, channels, *size), (rows, channels, kernel, kernel), (images, rows, *out))
    x, w, g = (rng.normal(size=n).astype(dtype) for n in shapes)
    b, c = (rng.normal(size=n).astype(dtype) for n in (rows, channels))
    return x, w, g, b, c, options


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", [3, 4])
@pytest.mark.usefixtures("small_ones_too")
def test_they_are_the_reference(kernels, some_threads, shape, dtype, kernel):
    given = operands(np.random.default_rng(shape[2]), shape, dtype, kernel)
    for biases in (given[3:5], (None, None)):
        for made, wanted in three(kernels, *given[:3], *biases, given[5]).values():
            assert made.dtype == dtype and made.shape == wanted.shape
            scale = np.abs(wanted).max()
            np.testing.assert_allclose(made / scale, wanted / scale, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("kernel", [3, 4])
def test_what_is_not_finite_reaches_its_own_windows_only(kernels, value, kernel):
    shape = (8, 17, 20, (16, 18), ((1, 1), (1, 1)))
    x, w, g, b, c, options = operands(np.random.default_rng(3), shape, kernel=kernel)
    x[1, 3, 5, 6] = g[2, 4, 3, 3] = value
    for name, (made, wanted) in three(kernels, x, w, g, b, c, options).items():
        finite = np.isfinite(wanted)
        assert not finite.all() and finite.any(), name
        np.testing.assert_array_equal(np.isfinite(made), finite)
        np.testing.assert_allclose(made[finite], wanted[finite], atol=1e-3)


@pytest.mark.parametrize("kernel", [3, 4])
def test_results_do_not_depend_on_the_number_of_threads(kernels, kernel):
    given = operands(np.random.default_rng(5), SHAPES[0], kernel=kernel)
    before, found = threads.count(), []
    try:
        for count in (1, 2, 5):
            threads.set_count(count)
            found.append(three(kernels, *given))
    finally:
        threads.set_count(before)
    for other in found[1:]:
        for name, (made, _) in other.items():
            np.testing.assert_array_equal(made, found[0][name][0], err_msg=name)


def test_they_are_taken_where_they_pay():
    from flambeau.backends.cpu.windows import convolution_plan, transposed_plan

    options = ((2, 2), ((1, 1), (1, 1)), (1, 1), 1)
    many, few, w = (8, 32, 16, 16), (1, 32, 8, 8), (64, 32, 4, 4)
    assert convolution_plan(many, w, (8, 8), *options).form == "quarters"
    assert convolution_plan(few, w, (4, 4), *options).form != "quarters"
    assert transposed_plan((8, 64, 8, 8), w, (16, 16), *options).form == "quarters"
    assert transposed_plan((1, 64, 4, 4), w, (8, 8), *options).form != "quarters"
    three = (64, 32, 3, 3)
    assert convolution_plan(many, three, (8, 8), *options).form == "quarters"
    assert transposed_plan((8, 64, 8, 8), three, (16, 16), *options).form == "quarters"
    thin = (64, 3, 4, 4)
    assert convolution_plan((8, 3, 64, 64), thin, (32, 32), *options).form != "quarters"
    assert transposed_plan((8, 64, 32, 32), thin, (64, 64), *options).form != "quarters"


def test_one_window_is_a_product(kernels, some_threads):
    rng = np.random.default_rng(1)
    for size in ((4, 4), (7,), (2, 3, 5)):
        x, w, g = (
            rng.normal(size=n)
            for n in ((40, 20, *size), (30, 20, *size), (40, 30, *(1,) * len(size)))
        )
        options = {
            "stride": (2,) * len(size),
            "padding": ((0, 0),) * len(size),
            "dilation": (1,) * len(size),
            "groups": 1,
        }
        for made, wanted in three(kernels, x, w, g, rng.normal(size=30), None, options).values():
            np.testing.assert_allclose(made, wanted, atol=1e-11)
