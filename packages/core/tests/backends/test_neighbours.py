"""The next numbers, made of bits: those of C."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, neighbours

pytestmark = [
    pytest.mark.skipif(not available(), reason="no C compiler on this machine"),
    pytest.mark.usefixtures("some_threads"),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_next_numbers_are_those_of_c(dtype, monkeypatch):
    taken = []
    of = neighbours.kernels.of
    monkeypatch.setattr(neighbours.kernels, "of", lambda x: taken.append(x.size) or of(x))
    tiny, huge = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    odd = [0.0, -0.0, 1.0, -1.0, tiny, -tiny, np.finfo(dtype).tiny, huge, -huge, np.inf, -np.inf, np.nan]  # fmt: skip
    pairs = np.array(list(itertools.product(odd, odd)) * 16, dtype)
    usual = np.random.default_rng(0).standard_normal((70_001, 2)).astype(dtype)
    for given in (pairs, usual, usual[::3]):
        a, b = given[:, 0], given[:, 1]
        made = flambeau.nextafter(flambeau.from_numpy(a), flambeau.from_numpy(b)).numpy()
        with np.errstate(over="ignore", under="ignore"):
            want = np.nextafter(a, b)
        np.testing.assert_array_equal(made, want)
        sure = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(made)[sure], np.signbit(want)[sure])
    grown = flambeau.nextafter(flambeau.ones(700, 1, dtype=flambeau.float32), flambeau.zeros(7))
    assert grown.shape == (700, 7) and (grown < 1).all() and len(taken) >= 3
