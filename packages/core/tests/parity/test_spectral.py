"""Fourier transforms, short-time transforms and complex numbers beside PyTorch: values, gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flambeau

RANDOM = np.random.default_rng(0)


def real(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def complex_(*shape):
    return (RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape)).astype(np.complex64)


def same(function, array, tolerance=1e-4):
    """`function(library, tensor)` in both: the value, and the gradient of a weighted sum of squares of it."""
    ours = flambeau.from_numpy(array.copy()).requires_grad_()
    theirs = torch.from_numpy(array.copy()).requires_grad_()
    got, expected = function(flambeau, ours), function(torch, theirs)
    assert str(got.dtype).split(".")[1] == str(expected.dtype).split(".")[1]
    assert tuple(got.shape) == tuple(expected.shape)
    value = expected.detach().resolve_conj().numpy()
    np.testing.assert_allclose(got.detach().numpy(), value, rtol=1e-3, atol=tolerance)
    weights = np.arange(1, value.size + 1, dtype=np.float32).reshape(value.shape) / value.size
    for library, x, out in ((flambeau, ours, got), (torch, theirs, expected)):
        parts = [out.real, out.imag] if out.is_complex() else [out]
        sum((part**2 * library.from_numpy(weights)).sum() for part in parts).backward()
    np.testing.assert_allclose(
        ours.grad.numpy(), theirs.grad.resolve_conj().numpy(), rtol=1e-3, atol=tolerance * 10
    )


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 5, 8, 12])
@pytest.mark.parametrize("dim", [-1, 0, 1])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_transforms(name, dim, n, norm):
    def transform(library, x):
        return getattr(library.fft, name)(x, n, dim, norm)

    same(transform, real(6, 9, 8))
    if name not in ("rfft", "ihfft"):
        same(transform, complex_(6, 9, 8))


@pytest.mark.parametrize("name", ["hfft2", "hfftn", "ihfft2", "ihfftn"])
@pytest.mark.parametrize(
    "options", [{}, {"s": (4, 5)}, {"dim": (0, -1), "norm": "ortho"}, {"s": (3, -1), "dim": (2, 0)}]
)
def test_mirrored_transforms(name, options):
    def transform(library, x):
        return getattr(library.fft, name)(x, **options)

    same(transform, real(3, 4, 6))
    if name.startswith("h"):
        same(transform, complex_(3, 4, 6))


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9])
def test_frequencies(n):
    for name in ("fftfreq", "rfftfreq"):
        got, expected = (getattr(lib.fft, name)(n, 0.25) for lib in (flambeau, torch))
        np.testing.assert_allclose(got.numpy(), expected.numpy(), atol=1e-7)


@pytest.mark.parametrize("length", [0, 1, 2, 7, 8])
@pytest.mark.parametrize("periodic", [True, False])
def test_windows(length, periodic):
    for name in ("hann_window", "hamming_window"):
        got, expected = (getattr(lib, name)(length, periodic) for lib in (flambeau, torch))
        np.testing.assert_allclose(got.numpy(), expected.numpy(), atol=1e-6)
    got = flambeau.hamming_window(8, periodic, 0.6, 0.4, dtype=flambeau.float64)
    expected = torch.hamming_window(8, periodic, 0.6, 0.4, dtype=torch.float64)
    np.testing.assert_allclose(got.numpy(), expected.numpy(), atol=1e-12)


STFT = [
    {"n_fft": 16},
    {"n_fft": 16, "hop_length": 5, "win_length": 10, "window": 10},
    {"n_fft": 15, "window": 15, "normalized": True},
    {"n_fft": 16, "center": False, "onesided": False},
    {"n_fft": 16, "pad_mode": "constant", "win_length": 12},
    {"n_fft": 16, "pad_mode": "replicate", "window": 16},
]


@pytest.mark.filterwarnings("ignore:A window was not provided")
@pytest.mark.parametrize("settings", STFT)
@pytest.mark.parametrize("shape", [(60,), (3, 61)])
def test_stft(settings, shape):
    def transform(library, x):
        window = settings.get("window")
        made = None if window is None else library.hann_window(window)
        return library.stft(x, **settings | {"window": made}, return_complex=True)

    same(transform, real(*shape))


@pytest.mark.filterwarnings("ignore:stft with return_complex=False is deprecated")
def test_stft_as_pairs_and_of_complex_signals():
    def pairs(library, x):
        return library.stft(x, 16, window=library.ones(16), return_complex=False)

    def two_sided(library, x):
        return library.stft(x, 16, window=library.ones(16), return_complex=True)

    same(pairs, real(50))
    same(two_sided, complex_(2, 50))


@pytest.mark.parametrize("settings", [{}, {"length": 57}, {"normalized": True}, {"center": False}])
@pytest.mark.parametrize("onesided", [True, False])
def test_istft(settings, onesided):
    frequencies = 9 if onesided else 16

    def transform(library, x):
        window = library.hamming_window(16)
        return library.istft(x, 16, 4, window=window, onesided=onesided, **settings)

    same(transform, complex_(2, frequencies, 15))


def test_complex_numbers():
    x = complex_(3, 4)
    same(lambda library, z: z.abs(), x)
    same(lambda library, z: z.sgn() * 2, x)
    same(lambda library, z: z.real * z.imag, x)
    same(lambda library, z: z.conj() * z * z, x)
    same(lambda library, z: library.view_as_real(z)[..., 1:], x)
    same(lambda library, z: library.complex(z, 2 * z), real(3))
    same(lambda library, z: library.complex(z[:, None], z), real(3))
    same(lambda library, z: library.view_as_complex(z), real(3, 2))
    same(lambda library, z: (z / (1 + z.abs())).exp(), x)
    same(lambda library, z: z @ z.mT, x, 1e-3)


def test_the_modulus_at_zero_and_twice():
    zero = flambeau.zeros(2, dtype=flambeau.complex64).requires_grad_()
    zero.abs().sum().backward()
    assert zero.grad.tolist() == [0, 0]
    x = complex_(3)
    results = []
    for library in (flambeau, torch):
        z = library.from_numpy(x.copy()).requires_grad_()
        (first,) = library.autograd.grad(z.abs().pow(3).sum(), z, create_graph=True)
        first.abs().sum().backward()
        results.append(z.grad.numpy())
    np.testing.assert_allclose(*results, rtol=1e-3)


CALLS = {
    "rfft of complex": lambda t: t.fft.rfft(t.zeros(4, dtype=t.complex64)),
    "fft of nothing": lambda t: t.fft.fft(t.zeros(0)),
    "norm": lambda t: t.fft.fft(t.zeros(4), norm="half"),
    "dim": lambda t: t.fft.fft(t.zeros(4), dim=1),
    "return_complex": lambda t: t.stft(t.zeros(40), 16),
    "short": lambda t: t.stft(t.zeros(4), 16, center=False, return_complex=True),
    "3d": lambda t: t.stft(t.zeros(1, 1, 40), 16, return_complex=True),
    "hop": lambda t: t.stft(t.zeros(40), 16, 0, return_complex=True),
    "window": lambda t: t.stft(t.zeros(40), 16, window=t.ones(8), return_complex=True),
    "win_length": lambda t: t.stft(t.zeros(40), 16, win_length=17, return_complex=True),
    "integers": lambda t: t.stft(t.zeros(40, dtype=t.int64), 16, return_complex=True),
    "istft of real": lambda t: t.istft(t.zeros(9, 4), 16),
    "istft of another size": lambda t: t.istft(t.zeros(8, 4, dtype=t.complex64), 16),
    "imag of real": lambda t: t.zeros(2).imag,
    "pairs": lambda t: t.view_as_complex(t.zeros(3)),
    "negative window": lambda t: t.hann_window(-1),
}


@pytest.mark.filterwarnings("ignore:A window was not provided")
@pytest.mark.parametrize("name", CALLS)
def test_errors_are_of_the_same_class(name):
    classes = []
    for library in (torch, flambeau):
        try:
            CALLS[name](library)
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            classes.append(type(error))
    assert len(classes) == 2, "one of them accepts it"
    assert issubclass(classes[1], classes[0])
