"""Transforms in C equal NumPy's in double precision: every length, dimension, layout and norm, on one thread and several."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, fourier, native, threads

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

SHORT = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 17, 25, 31, 34, 49, 64, 97, 100, 128, 143, 169, 202]
LONG = [243, 256, 343, 400, 401, 512, 1000, 1021, 2018, 2047, 2049, 4096, 5000, 10007, 30030, 65537]


def near(got, want, single):
    assert got.shape == want.shape
    worst = np.abs(got - want).max() / max(np.abs(want).max(), 1e-30)
    assert worst < (1e-6 if single else 3e-15)


def check(n, shape, dim, single, step=1):
    """All kinds along `dim` of arrays whose elements lie `step` apart."""
    rng = np.random.default_rng(n)
    real = np.zeros([abs(step) * s for s in shape], "f4" if single else "f8")
    wide = np.zeros(real.shape, "c8" if single else "c16")
    every = tuple([slice(None, None, step)] * len(shape))
    x, z = real[every], wide[every]
    x[...] = rng.standard_normal(shape)
    z[...] = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    h = np.take(z, range(n // 2 + 1), axis=dim)
    xd, zd, hd = x.astype("f8"), z.astype("c16"), h.astype("c16")
    made = fourier._c2c(z, dim=dim, forward=True)
    assert made.dtype == z.dtype and made.flags.c_contiguous
    near(made, np.fft.fft(zd, axis=dim), single)
    near(fourier._c2c(z, dim=dim, forward=False, scale=1 / n), np.fft.ifft(zd, axis=dim), single)
    made = fourier._r2c(x, dim=dim, scale=0.5)
    assert made.dtype == z.dtype
    near(made, np.fft.rfft(xd, axis=dim) / 2, single)
    near(fourier._r2c(x, dim=dim, onesided=False), np.fft.fft(xd, axis=dim), single)
    made = fourier._c2r(h, dim=dim, n=n, scale=1 / n)
    assert made.dtype == x.dtype
    near(made, np.fft.irfft(hd, n, axis=dim), single)


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("count", [1, 3])
def test_short_lengths(single, count):
    before = threads.count()
    threads.set_count(count)
    try:
        for n in SHORT:
            for shape, dim in [((n,), 0), ((3, n), 1), ((n, 5), 0), ((2, n, 19), 1), ((40, n, 2), 1), ((33, n), -1)]:  # fmt: skip
                check(n, shape, dim, single)
            check(n, (2, n, 3, 2), 1, single, 2)
            check(n, (18, n), 1, single, -1)
    finally:
        threads.set_count(before)


@pytest.mark.parametrize("single", [True, False])
def test_long_lengths(single):
    for n in LONG:
        check(n, (n,), 0, single)
        check(n, (6, n), 1, single)
        check(n, (n, 2), 0, single, 2)


def test_threads_do_not_change_results():
    x = np.random.default_rng(0).standard_normal((20, 12000)).astype("f4")
    before, made = threads.count(), []
    try:
        for count in (1, 4):
            threads.set_count(count)
            made.append([fourier._r2c(x[:, :n].copy(), dim=1) for n in (400, 1024, 12000)])
            made[-1].append(fourier._r2c(x[:1], dim=1))
    finally:
        threads.set_count(before)
    for a, b in zip(*made):
        np.testing.assert_array_equal(a.view("f4"), b.view("f4"))


def test_one_signal_does_not_touch_another():
    x = np.random.default_rng(0).standard_normal((20, 300)).astype("f4")
    clean = fourier._r2c(x, dim=1)
    x[3, 7], x[11, 0] = np.nan, np.inf
    x[5] *= 1e-30
    made = fourier._r2c(x, dim=1)
    others = [i for i in range(20) if i not in (3, 5, 11)]
    np.testing.assert_array_equal(made[others], clean[others])
    assert np.isnan(made[3].real).all() and not np.isfinite(made[11]).any()
    np.testing.assert_allclose(made[5], clean[5] * np.float32(1e-30), rtol=1e-3, atol=1e-36)


def test_ends_of_half_spectra_are_taken_as_real():
    for n in (6, 7, 600, 601, 6000, 6001):
        rng = np.random.default_rng(n)
        h = rng.standard_normal((2, n // 2 + 1)) + 1j * rng.standard_normal((2, n // 2 + 1))
        near(fourier._c2r(h, dim=1, n=n), np.fft.irfft(h, n, norm="forward"), False)
        other = h.copy()
        other[:, 0] = h[:, 0].real
        near(fourier._c2r(other, dim=1, n=n), np.fft.irfft(h, n, norm="forward"), False)


def test_taken_by_the_operators_and_differentiated(monkeypatch):
    calls = []
    inner = fourier._transform

    def watched(*given):
        calls.append(given[0])
        return inner(*given)

    monkeypatch.setattr(fourier, "_transform", watched)
    rng = np.random.default_rng(0)
    values = rng.standard_normal((20, 60))
    x = flambeau.from_numpy(values).requires_grad_()
    made = flambeau.fft.rfft(x, norm="ortho")
    near(made.detach().numpy(), np.fft.rfft(values, norm="ortho"), False)
    (flambeau.fft.irfft(made, 60, norm="ortho") * x.detach()).sum().backward()
    near(x.grad.numpy(), values, False)
    flambeau.fft.ifft(flambeau.fft.fft2(flambeau.from_numpy(values + 0j)))
    assert calls == [fourier.REAL, fourier.HALF, fourier.REAL, fourier.HALF] + [
        fourier.FORWARD
    ] * 2 + [fourier.BACKWARD]


def test_what_is_left_to_the_reference():
    x = np.zeros((0, 600), "c8")
    assert fourier._c2c(x, dim=1, forward=True) is NotImplemented
    assert fourier._c2r(np.zeros((2, 600), "c8"), dim=1, n=600) is NotImplemented
    assert flambeau.fft.fft(flambeau.zeros(0, 600, dtype=flambeau.complex64)).shape == (0, 600)
    native.recorders.append(lambda result, _function, _arguments: result)
    try:
        assert fourier._c2c(np.zeros((1, 10007), "c8"), dim=1, forward=True) is NotImplemented
        assert fourier._r2c(np.zeros((1, 30031), "f4"), dim=1) is NotImplemented
    finally:
        native.recorders.pop()


def test_tables_are_dropped(monkeypatch):
    tables = fourier._Tables()
    monkeypatch.setattr(fourier, "KEPT", 1000)

    def make(n):
        return (np.zeros(n, np.uint8),)

    assert tables.get((600,), make)[0].size == 600
    first = tables.get((300,), make)
    assert tables.get((300,), make) is first
    tables.get((500,), make)
    assert list(tables.made) == [(300,), (500,)]
    tables.get((5000,), make)
    assert list(tables.made) == [(5000,)]


def test_compiled():
    window = flambeau.hann_window(400)

    def spectrogram(x):
        spectrum = flambeau.stft(x, 400, 160, window=window, return_complex=True)
        return flambeau.view_as_real(spectrum).square().sum(-1)

    compiled = flambeau.compile(spectrogram)
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = flambeau.from_numpy(rng.standard_normal((2, 4000)).astype("f4"))
        assert flambeau.allclose(compiled(x), spectrogram(x), atol=1e-3)
