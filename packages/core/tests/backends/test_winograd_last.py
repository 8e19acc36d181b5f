"""3 x 3 convolutions with channels last by fewer products: equal to the operator's definition."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.backends.cpu import available, threads
from flambeau.ops import load_all
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

TOLERANCE = {"float32": 3e-5, "float64": 1e-11}


@pytest.fixture(scope="module")
def last():
    load_all()
    from flambeau.backends.cpu import winograd_last

    return winograd_last


def by_definition(x, w, bias, pad):
    wide = [None if a is None else a.astype("f8") for a in (np.moveaxis(x, -1, 1), w, bias)]
    options = {"stride": (1, 1), "padding": pad, "dilation": (1, 1), "groups": 1}
    with np.errstate(invalid="ignore"):
        return np.moveaxis(registry["convolution"].kernels[None](np, *wide, **options), 1, -1)


def size_of(n, pad):
    return n + sum(pad) - 2


def agree(made, wanted):
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=1.0)
    tolerance = TOLERANCE[made.dtype.name]
    assert made.shape == wanted.shape
    np.testing.assert_allclose(made, wanted, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize(
    "shape, rows, pad",
    [
        ((1, 14, 14, 64), 64, ((1, 1), (1, 1))),
        ((2, 7, 7, 130), 70, ((1, 1), (1, 1))),  # several shares of the channels, a rest of rows
        ((3, 9, 11, 24), 25, ((0, 2), (3, 1))),
        ((1, 30, 17, 40), 90, ((0, 0), (0, 0))),
        ((5, 6, 6, 33), 24, ((1, 0), (1, 1))),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_the_definition(last, shape, rows, pad, dtype):
    rng = np.random.default_rng(7)
    x = rng.normal(size=shape).astype(dtype)
    w = rng.normal(size=(rows, shape[-1], 3, 3)).astype(dtype)
    bias = rng.normal(size=rows).astype(dtype)
    out = (size_of(shape[1], pad[0]), size_of(shape[2], pad[1]))
    found = last.winograd_last(shape, w.shape, out, (1, 1), pad, (1, 1), 1)
    packed, before = found.pack(w), threads.count()
    assert packed.shape == found.room(w.shape, w.dtype)
    residual = rng.normal(size=found.out).astype(dtype)
    plain, biased = by_definition(x, w, None, pad), by_definition(x, w, bias, pad)
    made = []
    try:
        for count in (1, 2):
            threads.set_count(count)
            agree(found.convolve(x, packed), plain)
            made.append(found.convolve(x, packed, bias, residual, 1, 0))
            agree(made[-1], np.maximum(biased + residual, 0))
    finally:
        threads.set_count(before)
    assert made[0].tobytes() == made[1].tobytes()


def test_numbers_that_are_none_stay_in_their_windows(last):
    rng = np.random.default_rng(8)
    x = rng.normal(size=(1, 10, 9, 26)).astype("f4")
    w = rng.normal(size=(35, 26, 3, 3)).astype("f4")
    x[0, 4, 5, 3], x[0, 0, 0, 7], w[20, 2, 1, 1] = np.nan, np.inf, -np.inf
    found = last.winograd_last(x.shape, w.shape, (10, 9), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    made, wanted = found.convolve(x, found.pack(w)), by_definition(x, w, None, ((1, 1), (1, 1)))
    np.testing.assert_array_equal(np.isnan(made), np.isnan(wanted))
    np.testing.assert_array_equal(np.isinf(made), np.isinf(wanted))
    agree(np.where(np.isfinite(made), made, 0), np.where(np.isfinite(wanted), wanted, 0))
    clamped = found.convolve(x, found.pack(w), None, None, 1, 0, 6)
    np.testing.assert_array_equal(np.isnan(clamped), np.isnan(wanted))


def test_which_convolutions_it_is_for(last):
    one, sides = (1, 1), ((1, 1), (1, 1))
    taken = last.winograd_last((1, 14, 14, 64), (64, 64, 3, 3), (14, 14), one, sides, one, 1)
    assert taken.out == (1, 14, 14, 64)
    for x, w, out, stride, groups in (
        ((1, 14, 14, 64), (64, 64, 3, 3), (7, 7), (2, 2), 1),
        ((1, 14, 14, 64), (64, 16, 3, 3), (14, 14), one, 4),
        ((1, 14, 14, 64), (64, 64, 5, 2), (12, 15), one, 1),
        ((1, 14, 14, 8), (64, 8, 3, 3), (14, 14), one, 1),
        ((1, 4, 4, 64), (64, 64, 3, 3), (4, 4), one, 1),
        ((40, 1, 1, 64), (64, 64, 3, 3), (1, 1), one, 1),
    ):
        assert last.winograd_last(x, w, out, stride, sides, one, groups) is None
