"""The mel scale, which follows how people tell pitches apart, and the cosine transform for MFCC.

Both are matrices that a spectrogram is multiplied by; they are made once, by a transform.
"""

from __future__ import annotations

import math
import warnings

import flambeau
from flambeau import Tensor

__all__ = ["create_dct", "melscale_fbanks"]

# Slaney's scale (Auditory Toolbox, 1998): straight up to 1 kHz, logarithmic above.
_SLANEY_STEP = 200.0 / 3
_SLANEY_KNEE_HZ = 1000.0
_SLANEY_KNEE_MEL = _SLANEY_KNEE_HZ / _SLANEY_STEP
_SLANEY_LOG_STEP = math.log(6.4) / 27.0


def melscale_fbanks(
    n_freqs: int,
    f_min: float,
    f_max: float,
    n_mels: int,
    sample_rate: int,
    norm: str | None = None,
    mel_scale: str = "htk",
) -> Tensor:
    """Triangular filters, equally wide in mel, as a matrix from frequencies to mel bands.

    Args:
        n_freqs: number of frequencies, from 0 to half the sample rate.
        f_min: where the first triangle begins, in Hz.
        f_max: where the last one ends.
        n_mels: number of triangles.
        sample_rate: of the sound.
        norm: `"slaney"` gives every triangle the same area, `None` the same height 1.
        mel_scale: `"htk"` or `"slaney"`.

    Returns:
        `(n_freqs, n_mels)`.

    Raises:
        ValueError: `norm` or `mel_scale` is none of those.

    >>> from flambeau_audio.functional import melscale_fbanks
    >>> melscale_fbanks(6, 0.0, 4000.0, 2, 8000)[1:]
    tensor([[0.8467, 0.1533],
            [0.1634, 0.8366],
            [0.0000, 0.7244],
            [0.0000, 0.3622],
            [0.0000, 0.0000]])
    """
    if norm not in (None, "slaney"):
        raise ValueError(f'melscale_fbanks: norm must be one of None or "slaney", got {norm!r}')
    if mel_scale not in ("htk", "slaney"):
        raise ValueError(
            f'melscale_fbanks: mel_scale should be one of "htk" or "slaney", got {mel_scale!r}'
        )
    frequencies = flambeau.linspace(0, sample_rate // 2, n_freqs)
    mels = flambeau.linspace(_to_mel(f_min, mel_scale), _to_mel(f_max, mel_scale), n_mels + 2)
    corners = _to_hz(mels, mel_scale)
    widths = corners[1:] - corners[:-1]
    distances = corners.unsqueeze(0) - frequencies.unsqueeze(1)  # (n_freqs, n_mels + 2)
    rising = -distances[:, :-2] / widths[:-1]
    falling = distances[:, 2:] / widths[1:]
    filters = flambeau.minimum(rising, falling).clamp(min=0.0)
    if norm == "slaney":
        filters = filters * (2.0 / (corners[2:] - corners[:-2])).unsqueeze(0)
    if (filters.amax(dim=0) == 0.0).any().item():
        warnings.warn(
            f"At least one mel filterbank has all zero values. The value for `n_mels` ({n_mels}) "
            f"may be set too high. Or, the value for `n_freqs` ({n_freqs}) may be set too low.",
            stacklevel=2,
        )
    return filters


def create_dct(n_mfcc: int, n_mels: int, norm: str | None) -> Tensor:
    """The discrete cosine transform (type II) as a matrix.

    Args:
        n_mfcc: number of coefficients to keep.
        n_mels: number of mel bands.
        norm: `"ortho"` for orthonormal columns, or `None`.

    Returns:
        `(n_mels, n_mfcc)`.

    Raises:
        ValueError: `norm` is none of those.

    >>> from flambeau_audio.functional import create_dct
    >>> create_dct(2, 4, "ortho")
    tensor([[ 0.5000,  0.6533],
            [ 0.5000,  0.2706],
            [ 0.5000, -0.2706],
            [ 0.5000, -0.6533]])
    """
    if norm not in (None, "ortho"):
        raise ValueError(f'create_dct: norm must be either "ortho" or None, got {norm!r}')
    places = flambeau.arange(n_mels, dtype=flambeau.float32).unsqueeze(1) + 0.5
    orders = flambeau.arange(n_mfcc, dtype=flambeau.float32)
    matrix = flambeau.cos(math.pi / n_mels * places * orders)
    if norm is None:
        return matrix * 2.0
    scale = flambeau.full((n_mfcc,), math.sqrt(2.0 / n_mels))
    return matrix * flambeau.where(orders == 0, scale / math.sqrt(2.0), scale)


def _to_mel(hertz: float, mel_scale: str) -> float:
    if mel_scale == "htk":
        return 2595.0 * math.log10(1.0 + hertz / 700.0)
    if hertz < _SLANEY_KNEE_HZ:
        return hertz / _SLANEY_STEP
    return _SLANEY_KNEE_MEL + math.log(hertz / _SLANEY_KNEE_HZ) / _SLANEY_LOG_STEP


def _to_hz(mels: Tensor, mel_scale: str) -> Tensor:
    if mel_scale == "htk":
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    above = _SLANEY_KNEE_HZ * flambeau.exp(_SLANEY_LOG_STEP * (mels - _SLANEY_KNEE_MEL))
    return flambeau.where(mels >= _SLANEY_KNEE_MEL, above, mels * _SLANEY_STEP)
