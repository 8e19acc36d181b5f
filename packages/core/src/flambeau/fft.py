"""`flambeau.fft`: discrete Fourier transforms under PyTorch's names. What they mean is in `ops/spectral.py`."""

from __future__ import annotations

from .ops.spectral import fft_fft as fft
from .ops.spectral import fft_fftfreq as fftfreq
from .ops.spectral import fft_ifft as ifft
from .ops.spectral import fft_irfft as irfft
from .ops.spectral import fft_rfft as rfft
from .ops.spectral import fft_rfftfreq as rfftfreq

__all__ = ["fft", "fftfreq", "ifft", "irfft", "rfft", "rfftfreq"]
