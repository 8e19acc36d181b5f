"""Fourier transforms against NumPy's and against their definition; gradients against differences."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau

RANDOM = np.random.default_rng(0)


def real(*shape):
    return flambeau.from_numpy(RANDOM.standard_normal(shape))


def complex_(*shape):
    return flambeau.from_numpy(RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape))


def check_gradient(function, x, step=1e-6):
    """The gradient of the sum of squared parts, along random directions, against a difference quotient."""

    def loss(value):
        out = function(value)
        return sum(
            (part**2).sum() for part in ([out.real, out.imag] if out.is_complex() else [out])
        )

    leaf = x.clone().requires_grad_()
    loss(leaf).backward()
    for direction in (complex_(*x.shape), 1j * complex_(*x.shape)):
        direction = direction if x.is_complex() else direction.real
        with flambeau.no_grad():
            quotient = (loss(x + step * direction) - loss(x - step * direction)).item() / (2 * step)
        inner = leaf.grad.conj() * direction
        inner = inner.real if inner.is_complex() else inner
        assert inner.sum().item() == pytest.approx(quotient, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 4, 7, 9])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_transforms(name, n, norm):
    function, reference = getattr(flambeau.fft, name), getattr(np.fft, name)
    x = real(3, 7, 2) if name in ("rfft", "ihfft") else complex_(3, 7, 2)
    got = function(x, n, 1, norm)
    np.testing.assert_allclose(got.numpy(), reference(x.numpy(), n, 1, norm), atol=1e-12)
    check_gradient(lambda value: function(value, n, 1, norm), x)


def test_mirrored_transforms_over_several_dimensions():
    x = complex_(2, 3, 4)
    np.testing.assert_allclose(
        flambeau.fft.hfft2(x).numpy(),
        np.fft.hfft(np.fft.fft(x.numpy(), axis=1), axis=2),
        atol=1e-12,
    )
    y = real(2, 3, 6)
    half = flambeau.fft.ihfftn(y, dim=(1, 2))
    np.testing.assert_allclose(
        half.numpy(), np.fft.ifft(np.fft.ihfft(y.numpy(), axis=2), axis=1), atol=1e-12
    )
    np.testing.assert_allclose(
        flambeau.fft.hfftn(half, (3, 6), (1, 2)).numpy(), y.numpy(), atol=1e-12
    )
    check_gradient(lambda value: flambeau.fft.hfftn(value, (4, 3), (0, 2), "ortho"), x)
    check_gradient(lambda value: flambeau.fft.ihfft2(value, norm="forward"), y)


def test_wrong_dimensions():
    zero = flambeau.tensor(1.0)
    for name in ("fft", "rfft", "irfft", "hfft", "ihfft"):
        with pytest.raises(IndexError, match="no dimensions"):
            getattr(flambeau.fft, name)(zero)
    for name in ("fftn", "irfft2", "hfft2"):
        with pytest.raises(IndexError, match="no dimensions"):
            getattr(flambeau.fft, name)(zero, dim=(0,))
    assert flambeau.fft.fftn(zero).dtype is flambeau.complex64
    for name in ("rfftn", "irfftn", "hfftn", "ihfftn"):
        with pytest.raises(RuntimeError, match="at least one axis"):
            getattr(flambeau.fft, name)(zero, dim=())
    with pytest.raises(RuntimeError, match="Invalid number of data points"):
        flambeau.fft.hfft(flambeau.ones(1))
    for options in ({"dim": "a"}, {"s": "ab"}, {"s": (2.5,)}, {"dim": (0, None)}):
        with pytest.raises(TypeError, match="fftn.*ints"):
            flambeau.fft.fftn(flambeau.ones(2, 2), **options)
    with pytest.raises(RuntimeError, match="real input"):
        flambeau.fft.ihfft(flambeau.ones(3, dtype=flambeau.complex64))


def test_dtypes():
    ones = flambeau.ones(4)
    assert flambeau.fft.rfft(ones).dtype == flambeau.complex64
    assert flambeau.fft.irfft(flambeau.fft.rfft(ones)).dtype == flambeau.float32
    assert flambeau.fft.fft(ones.double()).dtype == flambeau.complex128
    assert flambeau.fft.fft(ones.long()).dtype == flambeau.complex64
    with pytest.raises(RuntimeError, match=r"Unsupported dtype .*float16"):
        flambeau.fft.rfft(ones.half())


def test_frequencies():
    for n in (1, 4, 5):
        np.testing.assert_allclose(flambeau.fft.fftfreq(n, 0.5).numpy(), np.fft.fftfreq(n, 0.5))
        np.testing.assert_allclose(flambeau.fft.rfftfreq(n, 0.5).numpy(), np.fft.rfftfreq(n, 0.5))


def test_windows():
    np.testing.assert_allclose(flambeau.hann_window(9, periodic=False), np.hanning(9), atol=1e-6)
    np.testing.assert_allclose(flambeau.hamming_window(9, False), np.hamming(9), atol=1e-6)
    np.testing.assert_allclose(flambeau.hann_window(8), np.hanning(9)[:8], atol=1e-6)
    assert flambeau.hann_window(1).tolist() == [1.0]
    with pytest.raises(RuntimeError, match="non-negative window_length, got window_length=-1"):
        flambeau.hann_window(-1)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("onesided", [True, False])
def test_stft_is_the_transform_of_every_frame(center, onesided):
    x, window = real(2, 50), flambeau.hann_window(10, dtype=flambeau.float64)

    def transform(value):
        return flambeau.stft(
            value, 16, 6, 10, window, center, onesided=onesided, return_complex=True
        )

    padded = np.pad(x.numpy(), ((0, 0), (8, 8)), mode="reflect") if center else x.numpy()
    weights = np.pad(window.numpy(), 3)
    starts = range(0, padded.shape[1] - 15, 6)
    transforms = np.fft.rfft if onesided else np.fft.fft
    expected = np.stack([transforms(padded[:, s : s + 16] * weights) for s in starts], axis=2)
    np.testing.assert_allclose(transform(x).numpy(), expected, atol=1e-12)
    assert transform(x[0]).shape == expected.shape[1:]
    check_gradient(transform, x)


@pytest.mark.parametrize("hop", [4, 5, 8])
def test_istft_undoes_stft(hop):
    x, window = real(2, 80), flambeau.hamming_window(16, dtype=flambeau.float64)
    spectrum = flambeau.stft(x, 16, hop, window=window, return_complex=True)
    again = flambeau.istft(spectrum, 16, hop, window=window, length=80)
    whole = again.shape[1] if (80 % hop) == 0 else 80 - 80 % hop
    np.testing.assert_allclose(again[:, :whole].numpy(), x[:, :whole].numpy(), atol=1e-10)
    check_gradient(lambda s: flambeau.istft(s, 16, hop, window=window), spectrum.detach())


def test_istft_refuses_windows_that_leave_gaps():
    spectrum = flambeau.zeros(5, 4, dtype=flambeau.complex64)
    with pytest.raises(RuntimeError, match="sum of squares is zero somewhere"):
        flambeau.istft(spectrum, 8, 8, window=flambeau.hann_window(8), center=False)


def test_complex_parts_are_views():
    z = complex_(3)
    z.real.zero_()
    z.imag[0] = 5.0
    assert z.real.tolist() == [0.0, 0.0, 0.0]
    assert z[0].item() == 5j
    pairs = flambeau.view_as_real(z)
    pairs[1, 0] = 7.0
    assert z[1].real.item() == 7.0
    assert flambeau.view_as_complex(pairs).tolist() == z.tolist()


@pytest.mark.parametrize(
    "function",
    [
        lambda z: z.abs(),
        lambda z: z.sgn() * 3,
        lambda z: z.conj() * z * z,
        lambda z: z.real * z.imag,
        lambda z: z @ z.mT,
        lambda z: flambeau.complex(z.imag, z.real * 2),
        lambda z: flambeau.view_as_real(z)[..., 0],
    ],
)
def test_gradients_of_complex_numbers(function):
    check_gradient(function, complex_(2, 2))


def test_real_numbers_have_no_imaginary_part():
    with pytest.raises(RuntimeError, match="imag is not implemented for tensors with non-complex"):
        _ = flambeau.ones(2).imag
    with pytest.raises(RuntimeError, match="view_as_real is only supported for complex tensors"):
        flambeau.view_as_real(flambeau.ones(2))
    with pytest.raises(RuntimeError, match="last dimension of size 2"):
        flambeau.view_as_complex(flambeau.ones(3))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"return_complex": None}, "stft requires the return_complex parameter"),
        ({"hop_length": 0}, "expected hop_length > 0, got 0"),
        ({"win_length": 17}, "expected 0 < win_length <= n_fft = 16, got 17"),
        ({"n_fft": 60, "win_length": None, "center": False}, r"expected 0 < n_fft <= 40"),
        ({"window": flambeau.ones(8)}, r"window of win_length = 16 elements, got shape \[8\]"),
    ],
)
def test_impossible_settings_of_stft(settings, message):
    given = {"n_fft": 16, "window": None, "return_complex": True} | settings
    if given["window"] is None:
        given["window"] = flambeau.ones(given.get("win_length") or given["n_fft"])
    with pytest.raises(RuntimeError, match=message):
        flambeau.stft(flambeau.zeros(40), **given)


def test_no_window_is_warned_about():
    with pytest.warns(UserWarning, match="A window was not provided"):
        flambeau.stft(flambeau.zeros(40), 16, return_complex=True)


def test_every_operator_is_complete():
    from flambeau.runtime.operator import registry
    from flambeau.testing import missing_rules

    here = [op for op in registry.values() if op.body.__module__ == "flambeau.ops.spectral"]
    assert len(here) == 27
    assert {op.name: missing_rules(op) for op in here if missing_rules(op)} == {}


@pytest.mark.parametrize("n", [1, 2, 7, 8, 600, 601])
def test_real_numbers_have_all_terms(n):
    x = real(3, n)
    made = flambeau.fft.fft(x, norm="ortho")
    np.testing.assert_allclose(made.numpy(), np.fft.fft(x.numpy(), norm="ortho"), atol=1e-12)
    check_gradient(flambeau.fft.fft, x)
