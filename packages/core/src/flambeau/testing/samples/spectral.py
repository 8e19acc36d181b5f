"""Samples of Fourier transforms. Gradients that arrive complex are tested in tests/ops/test_spectral.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...ops.creation import ones
from . import Make, Sample
from .complex import numbers


def _fft_c2c(make: Make) -> Iterator[Sample]:
    """Both directions, also scaled."""
    yield Sample(numbers(make, 2, 5), 1, True)
    yield Sample(numbers(make, 4, 2), 0, False, 0.5)


def _fft_r2c(make: Make) -> Iterator[Sample]:
    """Even and odd lengths, half of the terms and all."""
    yield Sample(make(2, 6), 1, grad=False)
    yield Sample(make(5, 2), 0, 0.5, grad=False)
    yield Sample(make(2, 6), 1, 2.0, False, grad=False)
    yield Sample(make(5, 2), 0, 1.0, False, grad=False)


def _fft_c2r(make: Make) -> Iterator[Sample]:
    """Even and odd lengths."""
    yield Sample(numbers(make, 2, 4), 1, 6)
    yield Sample(numbers(make, 3, 2), 0, 5, 0.5)


def fft_fft(make: Make) -> Iterator[Sample]:
    """Real and complex, cut and filled up, every norm."""
    yield Sample(make(2, 6), grad=False)
    yield Sample(numbers(make, 2, 6), 4, -1, "ortho")
    yield Sample(numbers(make, 6, 2), 7, 0, "forward")


fft_ifft = fft_fft


def fft_irfft(make: Make) -> Iterator[Sample]:
    """As `fft`; complex numbers inside, which ONNX has not."""
    for sample in fft_fft(make):
        sample.onnx = False
        yield sample


fft_hfft = fft_irfft


def fft_rfft(make: Make) -> Iterator[Sample]:
    """Whole, cut and filled up."""
    yield Sample(make(2, 6), grad=False)
    yield Sample(make(2, 6), 5, -1, "ortho", grad=False)
    yield Sample(make(6, 2), 7, 0, "forward", grad=False)


fft_ihfft = fft_rfft


def _length(make: Make) -> Iterator[Sample]:
    yield Sample(4)
    yield Sample(5)


fft_fftfreq = fft_rfftfreq = _length


def stft(make: Make) -> Iterator[Sample]:
    """One signal and several, one side and both."""
    window = ones(8)
    plain: dict[str, Any] = {
        "window": window,
        "return_complex": True,
        "grad": False,
        "batch": False,
    }
    yield Sample(make(20), 8, 4, **plain)
    yield Sample(make(2, 20), 8, center=False, onesided=False, **plain)


def istft(make: Make) -> Iterator[Sample]:
    """One side and both."""
    window = ones(8)
    yield Sample(numbers(make, 5, 6), 8, window=window, batch=False)
    yield Sample(numbers(make, 2, 8, 6), 8, window=window, onesided=False, batch=False)


def fft_fftn(make: Make) -> Iterator[Sample]:
    """All dimensions, some, of other sizes."""
    yield Sample(numbers(make, 2, 3))
    yield Sample(numbers(make, 3, 2), (4,), norm="ortho")
    yield Sample(numbers(make, 2, 2, 3), (2, 2), (0, -1), "forward")


fft_ifftn = fft_fftn


def fft_fft2(make: Make) -> Iterator[Sample]:
    """The last two dimensions, and of other sizes."""
    yield Sample(numbers(make, 2, 2, 3))
    yield Sample(numbers(make, 2, 3), (3, 2), norm="ortho")


fft_ifft2 = fft_fft2


def fft_rfftn(make: Make) -> Iterator[Sample]:
    """As `rfft`, over two dimensions."""
    yield Sample(make(2, 4), grad=False)
    yield Sample(make(2, 3, 2), (4, 3), norm="ortho", grad=False)


fft_rfft2 = fft_rfftn


fft_ihfftn = fft_ihfft2 = fft_rfftn


def fft_irfftn(make: Make) -> Iterator[Sample]:
    """As `irfft`, over two dimensions."""
    yield Sample(numbers(make, 2, 3))
    yield Sample(numbers(make, 2, 2, 3), (2, 5), norm="forward")


fft_irfft2 = fft_hfftn = fft_hfft2 = fft_irfftn


def fft_fftshift(make: Make) -> Iterator[Sample]:
    """All dimensions, and one."""
    yield Sample(make(2, 3), onnx=False)
    yield Sample(make(4, 2), 0, onnx=False)


fft_ifftshift = fft_fftshift
