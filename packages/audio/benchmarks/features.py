"""Milliseconds for ten seconds of sound: features, their gradient, resampling. One thread.

    OPENBLAS_NUM_THREADS=1 python packages/audio/benchmarks/features.py

Where PyTorch is installed, the same formulas in its operators stand beside ours.
"""

from __future__ import annotations

import importlib.util
import timeit
from collections.abc import Callable
from types import ModuleType

import flambeau
from flambeau_audio import transforms

RATE, N_FFT, HOP, MELS = 16000, 400, 160, 80


def ours() -> dict[str, Callable[[], object]]:
    sound = flambeau.randn(1, 10 * RATE)
    mel = transforms.MelSpectrogram(RATE, n_fft=N_FFT, hop_length=HOP, n_mels=MELS)
    resample = transforms.Resample(44100, RATE)
    music = flambeau.randn(1, 441000)

    def gradient() -> object:
        leaf = sound.clone().requires_grad_()
        mel(leaf).sum().backward()
        return leaf.grad

    return {
        "mel spectrogram": lambda: mel(sound),
        "mel spectrogram and its gradient": gradient,
        "44.1 to 16 kHz": lambda: resample(music),
    }


def theirs(torch: ModuleType) -> dict[str, Callable[[], object]]:
    torch.set_num_threads(1)
    sound, window = torch.randn(1, 10 * RATE), torch.hann_window(N_FFT)
    filters = torch.from_numpy(
        transforms.MelScale(MELS, RATE, n_stft=N_FFT // 2 + 1).fb.numpy().copy()
    )
    made = transforms.Resample(44100, RATE)
    kernel, width = torch.from_numpy(made.kernel.numpy().copy()), made.width
    music = torch.randn(1, 441000)

    def mel(x: object) -> object:
        spec = torch.stft(x, N_FFT, HOP, N_FFT, window, return_complex=True)
        return (spec.abs().pow(2.0).transpose(-1, -2) @ filters).transpose(-1, -2)

    def gradient() -> object:
        leaf = sound.clone().requires_grad_()
        mel(leaf).sum().backward()
        return leaf.grad

    def resample() -> object:
        padded = torch.nn.functional.pad(music[:, None], (width, width + 441))
        return torch.nn.functional.conv1d(padded, kernel, stride=441).transpose(1, 2).reshape(1, -1)

    return {
        "mel spectrogram": lambda: mel(sound),
        "mel spectrogram and its gradient": gradient,
        "44.1 to 16 kHz": resample,
    }


def milliseconds(call: Callable[[], object]) -> float:
    call()
    return min(timeit.repeat(call, number=1, repeat=15)) * 1e3


def main() -> None:
    """Print the table."""
    other = {}
    if importlib.util.find_spec("torch") is not None:
        other = theirs(importlib.import_module("torch"))
    print(f"{'':34s}{'flambeau':>10s}{'PyTorch':>10s}")
    for name, call in ours().items():
        beside = f"{milliseconds(other[name]):10.1f}" if other else f"{'':>10s}"
        print(f"{name:34s}{milliseconds(call):10.1f}{beside}")


if __name__ == "__main__":
    main()
