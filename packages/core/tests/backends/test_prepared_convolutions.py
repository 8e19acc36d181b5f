"""Convolutions with weights packed beforehand, and what is done to results on their way out."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.backends.cpu import available, threads
from flambeau.ops import load_all
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

TOLERANCE = {"float32": 3e-5, "float64": 1e-11}


@pytest.fixture(scope="module")
def convolutions():
    load_all()
    from flambeau.backends.cpu import convolutions

    return convolutions


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def some_threads(request):
    before = threads.count()
    threads.set_count(request.param)
    yield
    threads.set_count(before)


def agree(made, wanted):
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=1.0)
    tolerance = TOLERANCE[made.dtype.name]
    assert made.shape == wanted.shape
    np.testing.assert_allclose(made, wanted, rtol=tolerance, atol=tolerance * scale)


def by_definition(x, w, bias, options):
    wide = [None if a is None else a.astype("f8") for a in (x, w, bias)]
    return registry["convolution"].kernels[None](np, *wide, **options)


def finished(y, activation, low=-np.inf, high=np.inf):
    name = activation.name
    with np.errstate(all="ignore"):
        if name == "CLAMP":
            return np.clip(y, low, high)
        if name == "SILU":
            return y / (1 + np.exp(-y))
        if name == "HARDSWISH":
            return y * np.clip(y + 3, 0, 6) / 6
        return y


SHAPES = [  # x, w, stride, padding, dilation, groups, the function that does it
    ((1, 20, 14, 14), (40, 20, 1, 1), (1, 1), ((0, 0),) * 2, (1, 1), 1, "convolution"),
    ((2, 33, 7, 7), (19, 33, 1, 1), (1, 1), ((0, 0),) * 2, (1, 1), 1, "convolution"),
    ((1, 300, 5, 9), (70, 300, 1, 1), (1, 1), ((0, 0),) * 2, (1, 1), 1, "convolution"),
    ((3, 5, 9, 11), (7, 5, 3, 2), (2, 1), ((1, 0), (2, 1)), (1, 2), 1, "convolution"),
    ((1, 3, 41, 40), (64, 3, 7, 7), (2, 2), ((3, 3),) * 2, (1, 1), 1, "broadcast"),
    ((2, 12, 10, 13), (20, 3, 3, 3), (1, 1), ((1, 1),) * 2, (1, 1), 4, "convolution"),
    ((6, 20, 3, 4), (64, 20, 2, 2), (1, 1), ((0, 0),) * 2, (1, 1), 1, "broadcast"),  # packed columns
    ((2, 6, 50), (9, 6, 4), (3,), ((2, 0),), (1,), 1, "convolution"),
    ((1, 4, 5, 6, 7), (9, 4, 2, 3, 2), (1, 1, 2), ((0, 1),) * 3, (1, 1, 1), 1, "convolution"),
    ((1, 64, 28, 28), (32, 64, 3, 3), (1, 1), ((1, 1),) * 2, (1, 1), 1, "winograd"),
    ((3, 40, 13, 14), (27, 40, 3, 3), (1, 1), ((1, 1),) * 2, (1, 1), 1, "winograd"),
    ((2, 18, 15, 17), (18, 1, 3, 3), (1, 1), ((1, 1),) * 2, (1, 1), 18, "planes"),
    ((2, 5, 15, 17), (10, 1, 5, 3), (2, 2), ((2, 1),) * 2, (1, 1), 5, "planes"),
    ((1, 3, 19, 40), (3, 1, 3, 4), (1, 2), ((1, 0), (3, 2)), (2, 3), 3, "planes"),
    ((2, 5, 15, 37), (10, 1, 3, 3), (1, 3), ((2, 1),) * 2, (1, 1), 5, "depthwise"),
]  # fmt: skip


@pytest.mark.parametrize("case", SHAPES, ids=lambda c: f"{c[-1]}-{'x'.join(map(str, c[0] + c[1]))}")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_packed_weights_and_ends_are_the_definition(convolutions, some_threads, case, dtype):
    x_shape, w_shape, *rest, name = case
    options = dict(zip(("stride", "padding", "dilation", "groups"), rest))
    found = convolutions.prepared(x_shape, w_shape, *rest)
    assert found.plan.form == name
    rng = np.random.default_rng(11)
    x, w = rng.normal(size=x_shape).astype(dtype), rng.normal(size=w_shape).astype(dtype)
    bias, residual = rng.normal(size=w_shape[0]).astype(dtype), rng.normal(size=found.out).astype(dtype)  # fmt: skip
    packed = found.pack(w)
    w_before, w[...] = w.copy(), np.nan  # what was packed stands alone
    plain = by_definition(x, w_before, None, options)
    agree(found.convolve(x, packed), plain)
    biased = plain + bias.reshape(-1, *[1] * (plain.ndim - 2))
    agree(found.convolve(x, packed, bias), biased)
    Activation = convolutions.Activation
    relu = found.convolve(x, packed, bias, residual, Activation.CLAMP, 0)
    agree(relu, np.maximum(biased + residual, 0))
    assert relu.min() == 0
    agree(found.convolve(x, packed, None, None, Activation.CLAMP, 0, 6), plain.clip(0, 6))
    out = np.full(found.out, np.nan, dtype)
    assert found.convolve(x, packed, None, residual, out=out) is out
    agree(out, plain + residual)
    for activation in (Activation.SILU, Activation.HARDSWISH):
        agree(found.convolve(x, packed, bias, None, activation), finished(biased, activation))


@pytest.mark.parametrize("shape", [(1, 8, 6, 7), (1, 64, 28, 28), (2, 8, 9, 9)], ids=str)
def test_no_number_passes_a_clamp(convolutions, shape):
    rng = np.random.default_rng(2)
    groups = shape[1] if shape[0] == 2 else 1
    w = rng.normal(size=(32 if groups == 1 else 8, shape[1] // groups, 3, 3)).astype("f4")
    x = rng.normal(size=shape).astype("f4")
    x[0, 3, 2, 2], x[0, 5, 4, 4] = np.nan, np.inf
    rest = ((1, 1), ((1, 1), (1, 1)), (1, 1), groups)
    found = convolutions.prepared(shape, w.shape, *rest)
    plain = by_definition(x, w, None, dict(zip(("stride", "padding", "dilation", "groups"), rest)))
    made = found.convolve(x, found.pack(w), None, None, convolutions.Activation.CLAMP, 0, 6)
    wanted = np.clip(plain, 0, 6)
    assert np.isnan(wanted).any() and np.isfinite(wanted).any()
    np.testing.assert_array_equal(np.isnan(made), np.isnan(wanted))
    agree(np.nan_to_num(made), np.nan_to_num(wanted))


def test_ends_of_activations(convolutions):
    """A convolution by one is its input: SiLU and hardswish of any number."""
    values = [0.0, -0.0, 1e-30, 3, -3, 6, -6, 20, -20, 90, -90, -200, 1e30, -1e30, np.inf, np.nan]
    x = np.array(values, "f4").reshape(1, 1, -1)
    for dtype in ("f4", "f8"):
        given = x.astype(dtype)
        found = convolutions.prepared(x.shape, (5, 1, 1), (1,), ((0, 0),), (1,), 1)
        packed = found.pack(np.ones((5, 1, 1), dtype))
        for activation in (convolutions.Activation.SILU, convolutions.Activation.HARDSWISH):
            made = found.convolve(given, packed, None, None, activation)
            wanted = finished(given.astype("f8"), activation)
            np.testing.assert_allclose(made, np.repeat(wanted, 5, 1), rtol=3e-6, atol=1e-36)


def test_the_number_of_threads_changes_no_bit(convolutions):
    rng = np.random.default_rng(4)
    before = threads.count()
    for shape, weight in (((1, 96, 14, 14), (64, 96, 3, 3)), ((1, 200, 7, 7), (80, 200, 1, 1))):
        pad = (weight[2] // 2,) * 2
        found = convolutions.prepared(shape, weight, (1, 1), (pad, pad), (1, 1), 1)
        x, w = (rng.normal(size=s).astype("f4") for s in (shape, weight))
        made = []
        try:
            for count in (1, 2, 3):
                threads.set_count(count)
                made.append(found.convolve(x, found.pack(w)))
        finally:
            threads.set_count(before)
        assert made[0].tobytes() == made[1].tobytes() == made[2].tobytes()


def test_nothing_to_compute_is_not_prepared(convolutions):
    rest = ((1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    assert convolutions.prepared((0, 3, 5, 5), (4, 3, 1, 1), *rest) is None
    assert convolutions.prepared((1, 3, 5, 5), (0, 3, 1, 1), *rest) is None
    same = convolutions.prepared((1, 3, 5, 5), (4, 3, 1, 1), *rest)
    assert same is convolutions.prepared((1, 3, 5, 5), (4, 3, 1, 1), *rest)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_strides_that_take_a_row_apart(convolutions, dtype):
    """Rows are laid out by squares of whole steps, with their ends beside."""
    rng = np.random.default_rng(6)
    for size, kernel, stride, low, high in (
        (64, 16, 16, 0, 0), (61, 5, 5, 3, 4), (97, 7, 3, 2, 0), (40, 9, 8, 9, 1), (30, 2, 7, 0, 0), (200, 3, 20, 1, 1),
    ):  # fmt: skip
        x = rng.normal(size=(2, 3, size)).astype(dtype)
        w = rng.normal(size=(20, 3, kernel)).astype(dtype)
        rest = ((stride,), ((low, high),), (1,), 1)
        found = convolutions.prepared(x.shape, w.shape, *rest)
        options = dict(zip(("stride", "padding", "dilation", "groups"), rest))
        agree(found.convolve(x, found.pack(w)), by_definition(x, w, None, options))
