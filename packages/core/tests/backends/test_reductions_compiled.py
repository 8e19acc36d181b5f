"""Fused chains that end in reductions, compiled, equal NumPy's in float64."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau import ir
from flambeau.backends.cpu import available
from flambeau.backends.cpu.kernel import compile_elementwise, compile_reduction

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

x, y = ir.var("x"), ir.var("y")
DIMS = [None, 0, 1, 2, (0, 1), (1, 2), (0, 2), -1]
SHAPES = [(3, 5, 7), (2, 130, 9), (1, 4, 300), (70, 1, 65)]
FOLDS = {"sum": np.sum, "mean": np.mean, "prod": np.prod, "max": np.max, "min": np.min}
KERNELS: dict = {}


def compiled(fold, expr, dtype, dim, keepdim=False):
    key = (fold, repr(expr), dtype, dim, keepdim)
    if key not in KERNELS:
        KERNELS[key] = compile_reduction({"out": (fold, expr)}, {"x": dtype}, dim, keepdim)
    return KERNELS[key]


@pytest.mark.slow  # compiles about thirty texts where the cache is empty
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fold", FOLDS)
def test_every_dimension_and_layout(fold, dtype):
    rng = np.random.default_rng(3)
    for dim in DIMS:
        for shape in SHAPES:
            a = rng.normal(size=shape).astype(dtype)
            for view in (a, np.asfortranarray(a), a[:, ::-1]):
                (got,) = compiled(fold, x, dtype, dim)(view)
                want = FOLDS[fold](view.astype("float64"), axis=dim)
                assert got.shape == want.shape
                assert got.dtype == dtype
                np.testing.assert_allclose(
                    got, want, rtol=2e-6 if dtype == "float32" else 1e-12, atol=1e-6
                )


@pytest.mark.parametrize("dim", [0, 1, None])
def test_a_chain_before_and_beside_the_reduction(dim):
    from flambeau.backends.cpu.kernel import Kernel, Output

    outputs = [Output("e", ir.exp(x - y), "float32"), Output("s", ir.exp(x - y), "float32", "sum")]
    kernel = Kernel(outputs, {"x": "float32", "y": "float32"}, dim=dim, keepdim=True)
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(33, 129)).astype("f4"), rng.normal(size=(33, 1)).astype("f4")
    e, s = kernel(a, b)
    want = np.exp(a.astype("f8") - b)
    np.testing.assert_allclose(e, want, rtol=1e-6)
    np.testing.assert_allclose(s, want.sum(dim, keepdims=True), rtol=1e-6)


def test_nothing_to_reduce_gives_the_neutral_element():
    empty = np.ones((0, 4), "f4")
    for dim, shape in ((None, ()), (0, (4,)), (1, (0,))):
        (got,) = compiled("sum", x, "float32", dim)(empty)
        np.testing.assert_array_equal(got, np.zeros(shape, "f4"))
    assert compiled("sum", x, "float32", None)(np.float32(3))[0] == 3


def test_nan_wins_in_max_and_min():
    a = np.zeros((3, 100), "f4")
    a[0, 17] = a[1, 99] = np.nan
    for fold in ("max", "min"):
        for dim in (0, 1, None):
            np.testing.assert_array_equal(
                compiled(fold, x, "float32", dim)(a)[0], FOLDS[fold](a, axis=dim)
            )


def test_integers_and_bools():
    a = np.arange(-60, 60).reshape(4, 30)
    total = compile_reduction({"out": ("sum", x)}, {"x": "int64"}, 1)
    np.testing.assert_array_equal(total(a)[0], a.sum(1))
    low = compile_reduction({"out": ("min", x * x)}, {"x": "int64"}, 0)
    np.testing.assert_array_equal(low(a)[0], (a * a).min(0))
    for fold, reference in (("any", np.any), ("all", np.all)):
        found = compile_reduction(
            {"out": (fold, x > 58)}, {"x": "int64"}, 1, dtypes={"out": "bool"}
        )
        np.testing.assert_array_equal(found(a)[0], reference(a > 58, 1))


def test_a_long_float32_sum_is_accurate():
    a = np.full(3_000_001, 0.1, "f4")
    (got,) = compiled("sum", x, "float32", None)(a)
    assert (
        abs(float(got) - a.astype("f8").sum()) < 0.05
    )  # naive float32 summation is off by thousands


def test_in_place_results_may_share_an_inputs_memory():
    kernel = compile_elementwise({"out": x * 2 + 1}, {"x": "float32"})
    a = np.arange(1000, dtype="f4")
    kernel(a)
    plan = kernel.plan([a])
    assert plan.fits(a) and not plan.fits(a[:5])
    plan.into(a, [a])
    np.testing.assert_array_equal(a, np.arange(1000, dtype="f4") * 2 + 1)


def test_results_keep_the_memory_order_of_their_input():
    kernel = compile_elementwise({"out": ir.exp(x)}, {"x": "float32"})
    a = np.ones((3, 4, 5), "f4").transpose(2, 0, 1)
    assert kernel(a)[0].strides == a.strides


def test_wrong_dtypes_are_named():
    kernel = compile_elementwise({"out": ir.exp(x)}, {"x": "float32"})
    with pytest.raises(
        TypeError, match="kernel argument x: expected an array of float32, but got float64"
    ):
        kernel(np.ones(3))
