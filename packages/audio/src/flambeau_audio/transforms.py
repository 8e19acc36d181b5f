"""Modules from waveforms to features, with torchaudio's names, arguments, defaults and buffers.

They hold what is made once (windows, filters) as buffers, so that it moves with `.to(device)` and
is saved with a model; the arithmetic is in `flambeau_audio.functional`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import flambeau
from flambeau import Tensor, nn
from flambeau_audio import functional as AF
from flambeau_audio.functional import resampling

__all__ = ["MFCC", "AmplitudeToDB", "MelScale", "MelSpectrogram", "Resample", "Spectrogram"]


class Spectrogram(nn.Module):
    """Strength of every frequency in every frame; see `functional.spectrogram`.

    Args:
        n_fft: length of a frame as it is transformed; gives `n_fft // 2 + 1` frequencies.
        win_length: length of the window; `n_fft` if `None`.
        hop_length: samples between two frames; `win_length // 2` if `None`.
        pad: zeros to put at both ends first.
        window_fn: makes the window from its length.
        power: 1 for magnitude, 2 for power, `None` for the complex values.
        normalized: `True` or `"window"`, `"frame_length"`, or `False`.
        wkwargs: more arguments for `window_fn`.
        center: whether frame t stands around sample `t * hop_length`.
        pad_mode: how the ends are continued where `center`.
        onesided: leave out the frequencies that a real signal has twice.
        return_complex: deprecated in torchaudio, without effect.

    >>> from flambeau_audio.transforms import Spectrogram
    >>> tuple(Spectrogram(n_fft=64)(flambeau.zeros(2, 320)).shape)
    (2, 33, 11)
    """

    def __init__(
        self,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        pad: int = 0,
        window_fn: Callable[..., Tensor] = flambeau.hann_window,
        power: float | None = 2.0,
        normalized: bool | str = False,
        wkwargs: dict[str, Any] | None = None,
        center: bool = True,
        pad_mode: str = "reflect",
        onesided: bool = True,
        return_complex: bool | None = None,
    ) -> None:
        super().__init__()
        if return_complex is not None:
            warnings.warn(
                "`return_complex` argument is now deprecated and is not effective. "
                "`Spectrogram(power=None)` always returns a tensor with complex dtype. "
                "Please remove the argument in the function call.",
                stacklevel=2,
            )
        self.n_fft = n_fft
        self.win_length = n_fft if win_length is None else win_length
        self.hop_length = self.win_length // 2 if hop_length is None else hop_length
        self.pad = pad
        self.power = power
        self.normalized = normalized
        self.center = center
        self.pad_mode = pad_mode
        self.onesided = onesided
        self.register_buffer("window", window_fn(self.win_length, **(wkwargs or {})))

    def forward(self, waveform: Tensor) -> Tensor:
        """From `(..., time)` to `(..., frequency, frame)`."""
        return AF.spectrogram(
            waveform,
            self.pad,
            self.window,
            self.n_fft,
            self.hop_length,
            self.win_length,
            self.power,
            self.normalized,
            self.center,
            self.pad_mode,
            self.onesided,
        )


class MelScale(nn.Module):
    """A spectrogram's frequencies gathered into mel bands.

    Args:
        n_mels: number of bands.
        sample_rate: of the sound.
        f_min: the lowest frequency, in Hz.
        f_max: the highest; half the sample rate if `None`.
        n_stft: number of frequencies that come in.
        norm: `"slaney"` for triangles of equal area, or `None`.
        mel_scale: `"htk"` or `"slaney"`.

    Raises:
        ValueError: `f_min` lies above `f_max`.

    >>> from flambeau_audio.transforms import MelScale
    >>> tuple(MelScale(n_mels=40)(flambeau.zeros(201, 5)).shape)
    (40, 5)
    """

    def __init__(
        self,
        n_mels: int = 128,
        sample_rate: int = 16000,
        f_min: float = 0.0,
        f_max: float | None = None,
        n_stft: int = 201,
        norm: str | None = None,
        mel_scale: str = "htk",
    ) -> None:
        super().__init__()
        self.n_mels = n_mels
        self.sample_rate = sample_rate
        self.f_min = f_min
        self.f_max = float(sample_rate // 2) if f_max is None else f_max
        self.n_stft = n_stft
        self.norm = norm
        self.mel_scale = mel_scale
        if self.f_min > self.f_max:
            raise ValueError(f"MelScale: require f_min: {f_min} <= f_max: {self.f_max}")
        filters = AF.melscale_fbanks(
            n_stft, self.f_min, self.f_max, n_mels, sample_rate, norm, mel_scale
        )
        self.register_buffer("fb", filters)

    def forward(self, specgram: Tensor) -> Tensor:
        """From `(..., frequency, time)` to `(..., n_mels, time)`."""
        return (specgram.transpose(-1, -2) @ self.fb).transpose(-1, -2)


class MelSpectrogram(nn.Module):
    """`Spectrogram`, then `MelScale`; the arguments are theirs.

    >>> from flambeau_audio.transforms import MelSpectrogram
    >>> mel = MelSpectrogram(sample_rate=8000, n_fft=256, n_mels=32)
    >>> tuple(mel(flambeau.zeros(1, 8000)).shape)
    (1, 32, 63)
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        f_min: float = 0.0,
        f_max: float | None = None,
        pad: int = 0,
        n_mels: int = 128,
        window_fn: Callable[..., Tensor] = flambeau.hann_window,
        power: float = 2.0,
        normalized: bool | str = False,
        wkwargs: dict[str, Any] | None = None,
        center: bool = True,
        pad_mode: str = "reflect",
        onesided: bool | None = None,
        norm: str | None = None,
        mel_scale: str = "htk",
    ) -> None:
        super().__init__()
        if onesided is not None:
            warnings.warn(
                "Argument 'onesided' has been deprecated and has no influence on the behavior "
                "of this module.",
                stacklevel=2,
            )
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.n_mels = n_mels
        self.spectrogram = Spectrogram(
            n_fft,
            win_length,
            hop_length,
            pad,
            window_fn,
            power,
            normalized,
            wkwargs,
            center,
            pad_mode,
        )
        self.win_length = self.spectrogram.win_length
        self.hop_length = self.spectrogram.hop_length
        self.mel_scale = MelScale(
            n_mels, sample_rate, f_min, f_max, n_fft // 2 + 1, norm, mel_scale
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """From `(..., time)` to `(..., n_mels, frame)`."""
        return self.mel_scale(self.spectrogram(waveform))


class AmplitudeToDB(nn.Module):
    """Power or magnitude in decibels.

    Args:
        stype: `"power"` or `"magnitude"`.
        top_db: the range to keep below the loudest point of each recording.

    Raises:
        ValueError: `top_db` is negative.

    >>> from flambeau_audio.transforms import AmplitudeToDB
    >>> AmplitudeToDB()(flambeau.tensor([[1.0, 100.0]])).round()
    tensor([[ 0., 20.]])
    """

    def __init__(self, stype: str = "power", top_db: float | None = None) -> None:
        super().__init__()
        if top_db is not None and top_db < 0:
            raise ValueError(f"AmplitudeToDB: top_db must be positive value, got {top_db}")
        self.stype = stype
        self.top_db = top_db
        self.multiplier = 10.0 if stype == "power" else 20.0
        self.amin = 1e-10
        self.ref_value = 1.0
        self.db_multiplier = math.log10(max(self.amin, self.ref_value))

    def forward(self, x: Tensor) -> Tensor:
        """Decibels in the shape of `x` `(..., frequency, time)`."""
        return AF.amplitude_to_DB(x, self.multiplier, self.amin, self.db_multiplier, self.top_db)


class MFCC(nn.Module):
    """Mel-frequency cepstral coefficients: the cosine transform of a logarithmic mel spectrogram.

    Args:
        sample_rate: of the sound.
        n_mfcc: number of coefficients.
        dct_type: 2.
        norm: `"ortho"` or `None`.
        log_mels: natural logarithm instead of decibels.
        melkwargs: arguments for `MelSpectrogram`.

    Raises:
        ValueError: another `dct_type`, or more coefficients than mel bands.

    >>> from flambeau_audio.transforms import MFCC
    >>> mfcc = MFCC(8000, n_mfcc=13, melkwargs={"n_fft": 256, "n_mels": 32})
    >>> tuple(mfcc(flambeau.zeros(8000)).shape)
    (13, 63)
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        n_mfcc: int = 40,
        dct_type: int = 2,
        norm: str | None = "ortho",
        log_mels: bool = False,
        melkwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if dct_type != 2:
            raise ValueError(f"MFCC: DCT type not supported: {dct_type}; expected 2")
        self.sample_rate = sample_rate
        self.n_mfcc = n_mfcc
        self.dct_type = dct_type
        self.norm = norm
        self.log_mels = log_mels
        self.top_db = 80.0
        self.amplitude_to_DB = AmplitudeToDB("power", self.top_db)
        self.MelSpectrogram = MelSpectrogram(sample_rate=sample_rate, **(melkwargs or {}))
        if n_mfcc > self.MelSpectrogram.n_mels:
            raise ValueError(
                f"MFCC: cannot select more MFCC coefficients ({n_mfcc}) than # mel bins "
                f"({self.MelSpectrogram.n_mels})"
            )
        self.register_buffer("dct_mat", AF.create_dct(n_mfcc, self.MelSpectrogram.n_mels, norm))

    def forward(self, waveform: Tensor) -> Tensor:
        """From `(..., time)` to `(..., n_mfcc, frame)`."""
        mel = self.MelSpectrogram(waveform)
        logarithmic = flambeau.log(mel + 1e-6) if self.log_mels else self.amplitude_to_DB(mel)
        return (logarithmic.transpose(-1, -2) @ self.dct_mat).transpose(-1, -2)


class Resample(nn.Module):
    """The same sound at another sample rate; see `functional.resample`.

    Args:
        orig_freq: the sample rate that comes in.
        new_freq: the rate wanted.
        resampling_method: `"sinc_interp_hann"`, `"sinc_interp_kaiser"`, or `"soxr_hq"` and its
            sisters.
        lowpass_filter_width: zero crossings of the sinc on either side.
        rolloff: the filter's edge, as a share of the lower rate's half.
        beta: the Kaiser window's shape.
        dtype: of the kernel, which should be the waveform's; float32 if `None`.

    >>> from flambeau_audio.transforms import Resample
    >>> tuple(Resample(8000, 16000)(flambeau.zeros(2, 100)).shape)
    (2, 200)
    """

    def __init__(
        self,
        orig_freq: int = 16000,
        new_freq: int = 16000,
        resampling_method: str = "sinc_interp_hann",
        lowpass_filter_width: int = 6,
        rolloff: float = 0.99,
        beta: float | None = None,
        *,
        dtype: flambeau.dtype | None = None,
    ) -> None:
        super().__init__()
        resampling.check_method(
            "Resample", resampling_method, lowpass_filter_width, orig_freq, new_freq
        )
        self.orig_freq = orig_freq
        self.new_freq = new_freq
        self.resampling_method = resampling_method
        self.lowpass_filter_width = lowpass_filter_width
        self.rolloff = rolloff
        self.beta = beta
        if orig_freq != new_freq and resampling_method.startswith("sinc"):
            kernel, self.width = resampling.sinc_kernel(
                orig_freq, new_freq, lowpass_filter_width, rolloff, resampling_method, beta
            )
            self.register_buffer("kernel", kernel.to(flambeau.float32 if dtype is None else dtype))

    def forward(self, waveform: Tensor) -> Tensor:
        """From `(..., time)` to `(..., ceil(time * new_freq / orig_freq))`."""
        if self.orig_freq == self.new_freq:
            return waveform
        if not self.resampling_method.startswith("sinc"):
            return resampling.soxr_resample(
                waveform, self.orig_freq, self.new_freq, self.resampling_method
            )
        return resampling.convolve(waveform, self.orig_freq, self.new_freq, self.kernel, self.width)
