"""`flambeau.fft`: discrete Fourier transforms under PyTorch's names. What they mean is in `ops/spectral.py`."""

from __future__ import annotations

from .ops.spectral import fft_fft as fft
from .ops.spectral import fft_fft2 as fft2
from .ops.spectral import fft_fftfreq as fftfreq
from .ops.spectral import fft_fftn as fftn
from .ops.spectral import fft_fftshift as fftshift
from .ops.spectral import fft_ifft as ifft
from .ops.spectral import fft_ifft2 as ifft2
from .ops.spectral import fft_ifftn as ifftn
from .ops.spectral import fft_ifftshift as ifftshift
from .ops.spectral import fft_irfft as irfft
from .ops.spectral import fft_irfft2 as irfft2
from .ops.spectral import fft_irfftn as irfftn
from .ops.spectral import fft_rfft as rfft
from .ops.spectral import fft_rfft2 as rfft2
from .ops.spectral import fft_rfftfreq as rfftfreq
from .ops.spectral import fft_rfftn as rfftn

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]
