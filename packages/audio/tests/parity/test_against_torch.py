"""torchaudio's definitions, written with PyTorch's own operators: torchaudio has no build for this oracle."""

from __future__ import annotations

import math

import numpy
import pytest
import torch

import flambeau
from flambeau_audio import functional, transforms

RANDOM = numpy.random.default_rng(0)
SIGNAL = RANDOM.standard_normal((2, 3, 4000)).astype("float32")
OURS = flambeau.from_numpy(SIGNAL)
THEIRS = torch.from_numpy(SIGNAL)


def close(got, expected, rtol=1e-4, atol=1e-4):
    numpy.testing.assert_allclose(got.detach().numpy(), expected.numpy(), rtol=rtol, atol=atol)


def torch_spectrogram(n_fft, win_length, hop_length, center, pad_mode, normalized, onesided):
    flat = THEIRS.reshape(-1, THEIRS.shape[-1])
    window = torch.hann_window(win_length)
    spec = torch.stft(
        flat,
        n_fft,
        hop_length,
        win_length,
        window,
        center,
        pad_mode,
        normalized == "frame_length",
        onesided,
        return_complex=True,
    )
    spec = spec.reshape(THEIRS.shape[:-1] + spec.shape[-2:])
    return spec / window.pow(2.0).sum().sqrt() if normalized is True else spec


@pytest.mark.parametrize("normalized", [False, True, "frame_length"])
@pytest.mark.parametrize("onesided", [True, False])
@pytest.mark.parametrize(
    "lengths, center, pad_mode",
    [
        ((400, 400, 200), True, "reflect"),
        ((512, 300, 100), True, "constant"),
        ((255, 255, 64), True, "replicate"),
        ((256, 200, 64), False, "reflect"),
    ],
)
def test_spectrogram(lengths, center, pad_mode, normalized, onesided):
    n_fft, win_length, hop_length = lengths
    expected = torch_spectrogram(*lengths, center, pad_mode, normalized, onesided)
    for power in (None, 1.0, 2.0, 0.7):
        got = transforms.Spectrogram(
            n_fft,
            win_length,
            hop_length,
            power=power,
            normalized=normalized,
            center=center,
            pad_mode=pad_mode,
            onesided=onesided,
        )(OURS)
        wanted = expected if power is None else expected.abs().pow(power)
        close(got, wanted, rtol=1e-3, atol=1e-3)


def test_gradient_of_a_log_mel_spectrogram():
    ours = flambeau.from_numpy(SIGNAL[0, :1]).requires_grad_()
    theirs = torch.from_numpy(SIGNAL[0, :1]).requires_grad_()
    mel = transforms.MelSpectrogram(n_fft=256, n_mels=20)
    (mel(ours) + 1e-3).log().sum().backward()
    spec = torch.stft(theirs, 256, 128, 256, torch.hann_window(256), return_complex=True)
    power = spec.abs().pow(2.0).transpose(-1, -2)
    ((power @ torch.from_numpy(mel.mel_scale.fb.numpy())) + 1e-3).log().sum().backward()
    close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-3)


def torch_kernel(orig, new, width_in_crossings, rolloff, method):
    edge = min(orig, new) * rolloff
    width = math.ceil(width_in_crossings * orig / edge)
    index = torch.arange(-width, width + orig, dtype=torch.float64)[None, None] / orig
    t = torch.arange(0, -new, -1, dtype=torch.float64)[:, None, None] / new + index
    t = (t * edge).clamp(-width_in_crossings, width_in_crossings)
    if method == "sinc_interp_hann":
        window = torch.cos(t * math.pi / width_in_crossings / 2) ** 2
    else:
        beta = torch.tensor(14.769656459379492, dtype=torch.float64)
        window = torch.i0(beta * torch.sqrt(1 - (t / width_in_crossings) ** 2)) / torch.i0(beta)
    t = t * math.pi
    sinc = torch.where(t == 0, torch.tensor(1.0, dtype=torch.float64), t.sin() / t)
    return sinc * window * edge / orig, width


@pytest.mark.parametrize("method", ["sinc_interp_hann", "sinc_interp_kaiser"])
@pytest.mark.parametrize("settings", [(6, 0.99), (16, 0.9475937167399596)])
@pytest.mark.parametrize("rates", [(441, 160), (1, 2), (2, 1), (3, 2), (160, 441)])
def test_resample(rates, settings, method):
    orig, new = rates
    kernel, width = torch_kernel(orig, new, *settings, method)
    flat = torch.nn.functional.pad(THEIRS.double().reshape(-1, 1, 4000), (width, width + orig))
    expected = torch.nn.functional.conv1d(flat, kernel, stride=orig).transpose(1, 2).reshape(6, -1)
    expected = expected[:, : math.ceil(4000 * new / orig)].reshape(2, 3, -1)
    got = functional.resample(OURS.double(), orig * 50, new * 50, *settings, method)
    close(got, expected, rtol=1e-9, atol=1e-9)
    close(functional.resample(OURS, orig, new, *settings, method), expected.float(), atol=1e-5)
    transform = transforms.Resample(orig, new, method, *settings)
    close(transform(OURS), expected.float(), atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7), (2, 3, 5, 7)])
def test_decibels(shape):
    x = RANDOM.random(shape).astype("float32") ** 8
    theirs = 20.0 * torch.log10(torch.clamp(torch.from_numpy(x), min=1e-5)) - 20.0 * 0.5
    packed = theirs.reshape(-1, shape[-3] if len(shape) > 2 else 1, *shape[-2:])
    floor = packed.amax(dim=(-3, -2, -1)).view(-1, 1, 1, 1) - 30.0
    expected = torch.max(packed, floor).reshape(shape)
    close(functional.amplitude_to_DB(flambeau.from_numpy(x), 20.0, 1e-5, 0.5, 30.0), expected)
