"""CUDA text of groups with reductions: it computes what NumPy computes, whatever lies where, and compiles for sm_90."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from flambeau import ir
from flambeau._base.checks import contiguous_strides
from flambeau.ir import cudafolds
from flambeau.ir.loops import Array, Result
from flambeau.jit import cudakernels

sys.path.insert(0, str(Path(__file__).parent))
import emulation
from nvrtc import compile_cubin  # noqa: F401  (a fixture)

pytestmark = pytest.mark.skipif(
    emulation.COMPILER is None, reason="no C++ compiler on this machine"
)
x, y = ir.var("x"), ir.var("y")
NAMES = {"V": "bfloat16"}


def strides(a):
    return tuple(s // a.itemsize for s in a.strides)


def kept(shape, reduced):
    return tuple(1 if d in reduced else n for d, n in enumerate(shape))


def computed(arrays, exprs, reduced=(), shape=None, dtypes=None):
    """The results of a group, each (expression, fold or None, dtype of the result); and its text."""
    dtypes = dtypes or [a.dtype.name for a in arrays]
    inputs = [Array(n, t, a.shape, strides(a)) for n, t, a in zip("xy", dtypes, arrays)]
    whole = np.broadcast_shapes(*(a.shape for a in arrays)) if shape is None else shape
    results, outs = [], []
    for n, (expr, fold, dtype) in enumerate(exprs):
        sizes = kept(whole, reduced) if fold else whole
        results.append(Result(f"r{n}", expr, dtype, contiguous_strides(sizes), fold))
        stored = "uint16" if dtype in ("float16", "bfloat16") else dtype
        outs.append(np.full(sizes, 7).astype(stored))
    text = cudafolds.group("group", inputs, results, reduced, shape)
    work = [np.full(n, 7).astype(t) for t, n in text.work]
    every = [*outs, *work]
    for launch in text.launches:
        given = [*(arrays if launch.inputs else ()), *[every[i] for i in launch.results]]
        given += [] if launch.count is None else [np.int64(launch.count)]
        emulation.Compiled(text.text, launch.name)(launch.grid, (cudafolds.THREADS,), given)
    return outs, text


SHAPES = [
    ((7, 300), (1,)),  # rows
    ((2, 9000), (1,)),  # long rows, in pieces
    ((300, 7), (0,)),  # columns
    ((5, 6, 7, 8), (0, 2, 3)),  # as batch norm reduces
    ((4, 3, 50), (1,)),
    ((70000,), (0,)),  # everything
    ((1, 1), (0, 1)),
    ((3, 0, 2), (1,)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "reduced"), SHAPES, ids=str)
def test_sums_extremes_and_elements_at_once(shape, reduced):
    a = np.random.default_rng(0).normal(size=shape).astype("float32")
    if a.size > 20:
        a.reshape(-1)[17] = np.nan
    wanted = [
        (x * 2, "sum", "float32"),
        (x * 2, None, "float32"),
        (x, "max", "float32"),
        (x > 0, "sum", "int64"),
    ]
    (total, doubled, most, positive), text = computed([a], wanted, reduced)
    np.testing.assert_allclose(
        total, (a * 2.0).sum(reduced, dtype="float64", keepdims=True), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_array_equal(doubled, a * 2)
    np.testing.assert_array_equal(most, a.max(reduced, keepdims=True, initial=-np.inf))
    np.testing.assert_array_equal(positive, (a > 0).sum(reduced, keepdims=True))
    assert len(text.launches) == (2 if shape in ((2, 9000), (70000,)) else 1)


def test_broadcast_transposed_and_reversed_inputs():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(40, 6)), rng.normal(size=(40,))
    (out,), _ = computed([a.T, b], [(x * y, "sum", "float64")], (1,))
    np.testing.assert_allclose(out[:, 0], a.T @ b, rtol=1e-12)
    (out,), _ = computed([a[::-1, ::2]], [(x, "prod", "float64")], (0,))
    np.testing.assert_allclose(out[0], a[::-1, ::2].prod(0), rtol=1e-12)
    (out,), _ = computed(
        [b], [(x + 1, "min", "float64")], (0,), (3, 40)
    )  # over a shape that no input has
    np.testing.assert_array_equal(out[0], b + 1)


@pytest.mark.parametrize(("fold", "numpy"), [("any", np.any), ("all", np.all)])
def test_truth_values(fold, numpy):
    a = np.random.default_rng(2).random((5, 64)) > 0.98
    (out,), _ = computed([a], [(x, fold, "bool")], (1,))
    np.testing.assert_array_equal(out, numpy(a, 1, keepdims=True))


def test_means_and_integers():
    a = np.arange(-50, 50).reshape(4, 25)
    (mean, most), _ = computed(
        [a], [(ir.cast(x, "float64"), "mean", "float64"), (x, "max", "int64")], (1,)
    )
    np.testing.assert_allclose(mean, a.mean(1, keepdims=True))
    np.testing.assert_array_equal(most, a.max(1, keepdims=True))


HALVES = ["float16", "bfloat16"]


def bits_of(values, dtype):
    if dtype == "float16":
        return values.astype("float16").view("uint16")
    bits = values.view("uint32")
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("uint16")
    return np.where(np.isnan(values), (bits >> 16 & 0x8000 | 0x7FC0).astype("uint16"), rounded)


def floats_of(bits, dtype):
    if dtype == "float16":
        return bits.view("float16").astype("float32")
    return (bits.astype("uint32") << 16).view("float32")


@pytest.mark.parametrize("dtype", HALVES)
def test_every_half_is_read_and_written_as_it_is(dtype):
    every = np.arange(1 << 16, dtype="uint16")
    (wide, back), _ = computed([every], [(x, None, "float32"), (x, None, dtype)], dtypes=[dtype])
    want = floats_of(every, dtype)
    np.testing.assert_array_equal(wide, want)
    number = ~np.isnan(want)
    np.testing.assert_array_equal(back[number], every[number])
    assert np.isnan(floats_of(back[~number], dtype)).all()


@pytest.mark.parametrize("dtype", HALVES)
@np.errstate(all="ignore")
def test_halves_are_rounded_once_to_the_nearest(dtype):
    rng = np.random.default_rng(3)
    a = rng.integers(0, 1 << 32, 200_000, dtype="uint32").view(
        "float32"
    )  # all magnitudes, NaN and infinities
    near = floats_of(np.arange(1 << 16, dtype="uint16"), dtype)
    ties = ((near[:-1].astype("float64") + near[1:]) / 2).astype("float32")
    a = np.concatenate([a, ties, np.float32([65519.99, 65520, -65520, 1e-8, 2**-25])])
    want = bits_of(a, dtype)
    (out,), _ = computed([a], [(x, None, dtype)])
    nan = np.isnan(a)
    np.testing.assert_array_equal(out[~nan], want[~nan])
    assert np.isnan(floats_of(out[nan], dtype)).all()


def test_sums_of_halves_are_kept_in_double():
    a = np.full((2, 5000), 0.1, "float16")
    (out,), _ = computed([a.view("uint16")], [(x, "sum", "float16")], (1,), dtypes=["float16"])
    np.testing.assert_array_equal(
        out.view("float16"), a.sum(1, dtype="float64", keepdims=True).astype("float16")
    )


def test_arrays_beyond_two_billion_elements_are_numbered_in_64_bits():
    shape = (3, 1 << 30)
    inputs = [Array("x", "float32", shape, (1 << 30, 1)), Array("y", "float32", (3, 1), (1, 1))]
    whole = Result("r", x * y, "float32", (1 << 30, 1))
    text = cudafolds.group("group", inputs, [whole]).text
    assert "LL" in text.partition("group(")[2] and "(int)i" not in text
    text = cudafolds.group("group", inputs, [Result("r", x, "float32", (1, 1), "sum")], (1,)).text
    assert "const int64_t k" in text and "(k) * 1073741824LL" in text
    small = cudafolds.group(
        "group", [Array("x", "float32", (9, 4), (1, 1 << 20))], [Result("r", x, "float32", (4, 1))]
    )
    assert "const int n = (int)i" in small.text
    far = [Array("x", "float32", (2, 2), (1 << 31, 1))]  # few elements, far apart
    assert "(int)i" not in cudafolds.group("group", far, [Result("r", x, "float32", (1, 2))]).text


def test_results_depend_on_shapes_alone():
    """The threads of a block come in another order at every barrier, and the sum is the same to the last bit."""
    a = np.random.default_rng(4).normal(size=70000).astype("float32")
    wanted = [(x, "sum", "float64")]
    first, _ = computed([a], wanted, (0,))
    again, _ = computed([a], wanted, (0,))
    assert first[0] == again[0] != np.cumsum(a)[-1]


@pytest.mark.slow
def test_groups_compile_for_sm_90(compile_cubin):  # noqa: F811
    assert b".text.copy\0" in compile_cubin(cudakernels.COPY)
    for dtype in ("float32", "float16", "bfloat16"):
        inputs = [Array("x", dtype, (64, 9000), (9000, 1)), Array("y", "float64", (64, 1), (1, 1))]
        results = [
            Result("a", ir.exp(x), dtype, (1, 1), "sum"), Result("b", x * y, "float64", (9000, 1)),
            Result("c", x, dtype, (1, 1), "max"), Result("d", x > 0, "bool", (9000, 1)),
        ]  # fmt: skip
        for n in (2, 64):
            inputs = [Array(a.name, a.dtype, (n, *a.shape[1:]), a.strides) for a in inputs]
            text = cudafolds.group("group", inputs, results, (1,))
            cubin = compile_cubin(text.text)
            for launch in text.launches:
                assert f".text.{launch.name}\0".encode() in cubin
