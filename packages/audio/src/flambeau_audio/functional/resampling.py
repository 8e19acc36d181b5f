"""Changing the sample rate by windowed-sinc interpolation (Smith, "Digital Audio Resampling").

The rates are reduced to p:q. Then q short filters, one for each place an output sample can have
between input samples, repeat over the whole signal: one strided convolution, with a gradient. Its
kernel is computed in float64 and rounded once. Rates without a common divisor make that kernel
p * q numbers large; the soxr methods do not mind, but have no gradient.
"""

from __future__ import annotations

import math

import flambeau
from flambeau import Tensor
from flambeau.nn import functional as F

__all__ = ["check_method", "convolve", "resample", "sinc_kernel", "soxr_resample"]

KAISER_BETA = 14.769656459379492  # torchaudio's
_SINC_METHODS = ("sinc_interp_hann", "sinc_interp_kaiser")
_SOXR_METHODS = {f"soxr_{quality}": quality.upper() for quality in ("qq", "lq", "mq", "hq", "vhq")}


def resample(
    waveform: Tensor,
    orig_freq: int,
    new_freq: int,
    lowpass_filter_width: int = 6,
    rolloff: float = 0.99,
    resampling_method: str = "sinc_interp_hann",
    beta: float | None = None,
) -> Tensor:
    """The same sound at another sample rate.

    Args:
        waveform: `(..., time)`, floating point.
        orig_freq: its sample rate.
        new_freq: the rate wanted.
        lowpass_filter_width: zero crossings of the sinc on either side; more is sharper and slower.
        rolloff: the filter's edge, as a share of the lower rate's half.
        resampling_method: `"sinc_interp_hann"`, `"sinc_interp_kaiser"`, or the library soxr in one
            of its qualities: `"soxr_qq"` (quick), `"soxr_lq"`, `"soxr_mq"`, `"soxr_hq"`,
            `"soxr_vhq"` (very high). With soxr there is no gradient, the two settings above are
            not used, and the length is soxr's.
        beta: the Kaiser window's shape.

    Returns:
        `(..., ceil(time * new_freq / orig_freq))`.

    Raises:
        ValueError: a rate is not a positive whole number, a setting is impossible, or the method
            is unknown.
        TypeError: the waveform is not floating point.
        RuntimeError: a soxr method where a gradient is wanted.

    >>> from flambeau_audio.functional import resample
    >>> tone = (flambeau.arange(800) * 0.1).sin()
    >>> tuple(resample(tone, 8000, 6000).shape)
    (600,)
    """
    check_method("resample", resampling_method, lowpass_filter_width, orig_freq, new_freq)
    if orig_freq == new_freq:
        return waveform
    if resampling_method in _SOXR_METHODS:
        return soxr_resample(waveform, orig_freq, new_freq, resampling_method)
    kernel, width = sinc_kernel(
        orig_freq, new_freq, lowpass_filter_width, rolloff, resampling_method, beta
    )
    kernel = kernel.to(device=waveform.device, dtype=waveform.dtype)
    return convolve(waveform, orig_freq, new_freq, kernel, width)


def check_method(
    caller: str, method: str, lowpass_filter_width: int, orig_freq: int, new_freq: int
) -> None:
    """Refuse what neither a function nor a transform can do."""
    if method not in _SINC_METHODS and method not in _SOXR_METHODS:
        known = ", ".join([*_SINC_METHODS, *_SOXR_METHODS])
        raise ValueError(f"{caller}: invalid resampling method {method!r}; expected one of {known}")
    for rate in (orig_freq, new_freq):
        if int(rate) != rate or rate <= 0:
            raise ValueError(
                f"{caller}: frequencies must be positive whole numbers, got {orig_freq} and "
                f"{new_freq}; use a ratio of whole numbers, such as 8 to 1"
            )
    if lowpass_filter_width <= 0:
        raise ValueError(
            f"{caller}: lowpass_filter_width must be positive, got {lowpass_filter_width}"
        )


def sinc_kernel(
    orig_freq: int,
    new_freq: int,
    lowpass_filter_width: int,
    rolloff: float,
    method: str,
    beta: float | None,
) -> tuple[Tensor, int]:
    """The filters as a convolution's weight, float64 `(q, 1, 2 * width + p)`, and `width`."""
    orig, new = _reduced(orig_freq, new_freq)
    edge = min(orig, new) * rolloff
    width = math.ceil(lowpass_filter_width * orig / edge)
    taps = flambeau.arange(-width, width + orig, dtype=flambeau.float64) / orig
    phases = flambeau.arange(new, dtype=flambeau.float64) / new
    # How far every tap lies from every output place, in zero crossings of the sinc.
    t = (taps.unsqueeze(0) - phases.unsqueeze(1)) * edge
    t = t.clamp(-lowpass_filter_width, lowpass_filter_width)
    inside = t / lowpass_filter_width
    if method == "sinc_interp_hann":
        window = flambeau.cos(inside * (math.pi / 2)) ** 2
    else:
        shape = KAISER_BETA if beta is None else float(beta)
        edge_value = _bessel_i0(flambeau.tensor(shape, dtype=flambeau.float64))
        window = _bessel_i0(shape * flambeau.sqrt((1 - inside**2).clamp(min=0.0))) / edge_value
    kernel = _sinc(t) * window * (edge / orig)
    return kernel.unsqueeze(1), width


def convolve(waveform: Tensor, orig_freq: int, new_freq: int, kernel: Tensor, width: int) -> Tensor:
    """Apply the filters of `sinc_kernel` to `(..., time)`."""
    if not waveform.is_floating_point():
        raise TypeError(
            f"resample: expected a floating point waveform, got {waveform.dtype}; load it "
            "normalised, or convert it by waveform.float()"
        )
    orig, new = _reduced(orig_freq, new_freq)
    shape = waveform.shape
    signals = F.pad(waveform.reshape(-1, 1, shape[-1]), (width, width + orig))
    phases = F.conv1d(signals, kernel, stride=orig)  # (signal, q, time / p)
    length = -(-shape[-1] * new // orig)
    resampled = phases.transpose(1, 2).reshape(phases.shape[0], -1)[:, :length]
    return resampled.reshape((*shape[:-1], length))


def soxr_resample(waveform: Tensor, orig_freq: int, new_freq: int, method: str) -> Tensor:
    """Resample `(..., time)` by the library soxr."""
    if waveform.requires_grad and flambeau.is_grad_enabled():
        raise RuntimeError(
            f"resample: {method} has no gradient, and the waveform requires one; use "
            "sinc_interp_hann, or waveform.detach()"
        )
    import soxr

    shape = waveform.shape
    samples = waveform.reshape(-1, shape[-1]).cpu().numpy().T
    resampled = soxr.resample(samples, orig_freq, new_freq, quality=_SOXR_METHODS[method])
    out = flambeau.from_numpy(resampled.T.copy()).to(waveform.device)
    return out.reshape((*shape[:-1], out.shape[-1]))


def _reduced(orig_freq: int, new_freq: int) -> tuple[int, int]:
    divisor = math.gcd(int(orig_freq), int(new_freq))
    return int(orig_freq) // divisor, int(new_freq) // divisor


def _sinc(x: Tensor) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0."""
    angle = (x * math.pi).masked_fill(x == 0, 1.0)
    return (flambeau.sin(angle) / angle).masked_fill(x == 0, 1.0)


def _bessel_i0(x: Tensor) -> Tensor:
    """The modified Bessel function of order 0, by its power series (all terms are positive)."""
    quarter = (x / 2) ** 2
    term = total = flambeau.ones_like(x)
    # Terms grow until k = x / 2 and then fall faster than geometrically.
    for k in range(1, 20 + 2 * math.ceil(x.max().item())):
        term = term * quarter / (k * k)
        total = total + term
    return total
