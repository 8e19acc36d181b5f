"""The short-time transform, the cosine transform and the Kaiser window against SciPy."""

from __future__ import annotations

import numpy
import pytest
from scipy import fft, signal, special

import flambeau
from flambeau_audio import functional, transforms
from flambeau_audio.functional.resampling import sinc_kernel

SIGNAL = numpy.random.default_rng(0).standard_normal(3000)


@pytest.mark.parametrize("hop", [32, 100])
def test_spectrogram(hop):
    window = signal.get_window("hann", 128)
    transform = signal.ShortTimeFFT(window, hop, fs=1.0, fft_mode="onesided", phase_shift=None)
    first = -(
        -64 // hop
    )  # SciPy's frame p stands around sample p * hop; this is the first whole one
    expected = transform.stft(SIGNAL, p0=first, p1=25)
    ours = transforms.Spectrogram(128, hop_length=hop, power=None, center=False)
    ours = ours.to(flambeau.float64)
    got = ours(flambeau.from_numpy(SIGNAL[first * hop - 64 :].copy())).numpy()
    assert got.dtype == numpy.complex128
    # The window was made in float32.
    numpy.testing.assert_allclose(got[:, : 25 - first], expected, atol=1e-5)


@pytest.mark.parametrize("norm", [None, "ortho"])
def test_dct(norm):
    mels = numpy.random.default_rng(1).standard_normal((5, 24)).astype("float32")
    got = mels @ functional.create_dct(24, 24, norm).numpy()
    expected = fft.dct(mels, type=2, norm=norm)
    numpy.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_kaiser_kernel():
    kernel, width = sinc_kernel(3, 2, 6, 0.99, "sinc_interp_kaiser", beta=8.0)
    edge = 2 * 0.99
    taps = (numpy.arange(-width, width + 3) / 3 - numpy.arange(2)[:, None] / 2) * edge
    taps = taps.clip(-6, 6)
    window = special.i0(8.0 * numpy.sqrt(1 - (taps / 6) ** 2)) / special.i0(8.0)
    expected = numpy.sinc(taps) * window * edge / 3
    numpy.testing.assert_allclose(kernel[:, 0].numpy(), expected, rtol=1e-12, atol=1e-14)
