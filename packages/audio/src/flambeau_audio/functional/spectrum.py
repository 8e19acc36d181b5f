"""Waveforms to spectrograms, and amplitudes to decibels.

Everything here is made of flambeau's operators, so that gradients flow back to the waveform.
"""

from __future__ import annotations

import flambeau
from flambeau import Tensor
from flambeau.nn import functional as F

__all__ = ["amplitude_to_DB", "spectrogram"]


def spectrogram(
    waveform: Tensor,
    pad: int,
    window: Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int,
    power: float | None,
    normalized: bool | str,
    center: bool = True,
    pad_mode: str = "reflect",
    onesided: bool = True,
) -> Tensor:
    """Strength of every frequency in every frame: |STFT|^power.

    Args:
        waveform: `(..., time)`.
        pad: zeros to put at both ends first.
        window: weights of a frame, `(win_length,)`.
        n_fft: length of a frame as it is transformed.
        hop_length: samples between two frames.
        win_length: length of the window; it stands in the middle of the frame.
        power: 1 for magnitude, 2 for power, `None` for the complex values.
        normalized: `True` or `"window"` divides by the window's L2 norm, `"frame_length"` by the
            square root of `n_fft`.
        center: whether frame t stands around sample `t * hop_length` instead of beginning there.
        pad_mode: how the ends are continued where `center`.
        onesided: the `n_fft // 2 + 1` frequencies that a real signal needs, or all.

    Returns:
        `(..., frequency, frame)`.

    Raises:
        ValueError: `normalized` names no normalisation.
        TypeError: `normalized` is neither a bool nor a string.

    >>> from flambeau_audio.functional import spectrogram
    >>> tone = (flambeau.arange(32) * (flambeau.pi / 4)).cos()      # 1 in 8 of the sample rate
    >>> spec = spectrogram(tone, 0, flambeau.ones(16), 16, 16, 16, 2.0, False, center=False)
    >>> spec.argmax(dim=0).tolist()
    [2, 2]
    """
    by_frame_length, by_window = _normalisations(normalized)
    if pad > 0:
        waveform = F.pad(waveform, (pad, pad), "constant")
    shape = waveform.shape
    spec = flambeau.stft(
        waveform.reshape(-1, shape[-1]),
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=window,
        center=center,
        pad_mode=pad_mode,
        normalized=by_frame_length,
        onesided=onesided,
        return_complex=True,
    )
    spec = spec.reshape(shape[:-1] + spec.shape[-2:])
    if by_window:
        spec = spec / window.pow(2.0).sum().sqrt()
    if power is None:
        return spec
    if power == 2.0:  # without a root in between, whose gradient would divide by the magnitude
        return spec.real.square() + spec.imag.square()
    magnitude = spec.abs()
    return magnitude if power == 1.0 else magnitude.pow(power)


def amplitude_to_DB(
    x: Tensor,
    multiplier: float,
    amin: float,
    db_multiplier: float,
    top_db: float | None = None,
) -> Tensor:
    """Amplitude or power in decibels: `multiplier * (log10(max(x, amin)) - db_multiplier)`.

    Args:
        x: spectrograms `(..., frequency, time)`, or with channels `(..., channel, frequency, time)`.
        multiplier: 10 for power, 20 for amplitude.
        amin: what is smaller counts as this.
        db_multiplier: log10 of the reference that becomes 0 dB.
        top_db: what lies further than this below the loudest point of its recording (all channels
            together) is raised to there.

    >>> from flambeau_audio.functional import amplitude_to_DB
    >>> amplitude_to_DB(flambeau.tensor([[1.0, 0.1, 0.0]]), 10.0, 1e-10, 0.0, top_db=60.0)
    tensor([[  0., -10., -60.]])
    """
    decibels = multiplier * flambeau.log10(flambeau.clamp(x, min=amin)) - multiplier * db_multiplier
    if top_db is None:
        return decibels
    shape = decibels.shape
    channels = shape[-3] if decibels.dim() > 2 else 1
    recordings = decibels.reshape(-1, channels, shape[-2], shape[-1])
    floor = recordings.amax(dim=(-3, -2, -1), keepdim=True) - top_db
    return flambeau.maximum(recordings, floor).reshape(shape)


def _normalisations(normalized: bool | str) -> tuple[bool, bool]:
    """Whether to divide by the frame's length, and whether by the window's norm."""
    if isinstance(normalized, bool):
        return False, normalized
    if not isinstance(normalized, str):
        raise TypeError(
            f"spectrogram: normalized must be a bool or a str, got {type(normalized).__name__}"
        )
    if normalized not in ("frame_length", "window"):
        raise ValueError(
            f"spectrogram: normalized={normalized!r}; expected a bool, 'frame_length' or 'window'"
        )
    return normalized == "frame_length", normalized == "window"
