"""Spectrograms, mel, decibels, cepstra: against values known from their formulas, and NumPy's FFT."""

from __future__ import annotations

import math

import numpy
import pytest

import flambeau
from flambeau_audio import functional, transforms


def noise(*shape: int) -> flambeau.Tensor:
    return flambeau.from_numpy(numpy.random.default_rng(0).standard_normal(shape).astype("float32"))


def framed_fft(signal, window, n_fft, hop, center=True):
    """The definition, frame by frame."""
    if center:
        signal = numpy.pad(signal, n_fft // 2, mode="reflect")
    left = (n_fft - len(window)) // 2
    weights = numpy.zeros(n_fft)
    weights[left : left + len(window)] = window
    starts = range(0, len(signal) - n_fft + 1, hop)
    return numpy.stack([numpy.fft.rfft(signal[s : s + n_fft] * weights) for s in starts], axis=1)


def hann(length):
    return 0.5 - 0.5 * numpy.cos(2 * numpy.pi * numpy.arange(length) / length)


@pytest.mark.parametrize(
    "settings",
    [
        {"n_fft": 64},
        {"n_fft": 64, "win_length": 48, "hop_length": 10},
        {"n_fft": 63, "win_length": 32, "power": 1.0},
        {"n_fft": 64, "center": False, "power": 0.5},
    ],
)
def test_spectrogram_is_its_definition(settings):
    signal = noise(2, 500)
    got = transforms.Spectrogram(**settings)(signal)
    n_fft = settings["n_fft"]
    length = settings.get("win_length", n_fft)
    hop = settings.get("hop_length", length // 2)
    for channel in range(2):
        spectrum = framed_fft(
            signal[channel].double().numpy(), hann(length), n_fft, hop, settings.get("center", True)
        )
        expected = numpy.abs(spectrum) ** settings.get("power", 2.0)
        numpy.testing.assert_allclose(got[channel].numpy(), expected, rtol=1e-3, atol=1e-3)


def test_a_tone_stands_at_its_frequency():
    times = flambeau.arange(8000) / 8000
    spec = transforms.Spectrogram(n_fft=800, power=1.0)(flambeau.cos(2 * math.pi * 1000 * times))
    assert set(spec[:, 2:-2].argmax(dim=0).tolist()) == {100}  # 10 Hz a row
    # A cosine of amplitude 1 reaches half the sum of the window.
    assert spec[100, 10].item() == pytest.approx(hann(800).sum() / 2, rel=1e-4)


def test_complex_values_and_both_sides():
    signal = noise(300)
    spec = transforms.Spectrogram(n_fft=32, power=None)(signal)
    assert spec.dtype == flambeau.complex64
    expected = framed_fft(signal.double().numpy(), hann(32), 32, 16)
    numpy.testing.assert_allclose(spec.numpy(), expected, rtol=1e-3, atol=1e-4)
    both = transforms.Spectrogram(n_fft=32, onesided=False)(signal)
    assert both.shape[0] == 32
    numpy.testing.assert_allclose(
        both[1:16].numpy(), both[17:].flip(0).numpy(), rtol=1e-3, atol=1e-3
    )


def test_normalisations():
    signal = noise(300)
    plain = transforms.Spectrogram(n_fft=32, power=1.0)(signal)
    norm = math.sqrt((hann(32) ** 2).sum())
    for normalized, divisor in [(True, norm), ("window", norm), ("frame_length", math.sqrt(32))]:
        got = transforms.Spectrogram(n_fft=32, power=1.0, normalized=normalized)(signal)
        numpy.testing.assert_allclose((got * divisor).numpy(), plain.numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="normalized='frame'; expected a bool, 'frame_length'"):
        transforms.Spectrogram(normalized="frame")(signal)
    with pytest.raises(TypeError, match="must be a bool or a str, got float"):
        transforms.Spectrogram(normalized=0.5)(signal)


def test_leading_dimensions_are_kept():
    signal = noise(2, 3, 300)
    whole = transforms.Spectrogram(n_fft=32, pad=5)(signal)
    assert tuple(whole.shape) == (2, 3, 17, 20)
    alone = transforms.Spectrogram(n_fft=32, pad=5)(signal[1, 2])
    numpy.testing.assert_allclose(whole[1, 2].numpy(), alone.numpy(), rtol=1e-4, atol=1e-5)


def test_window_function_and_its_arguments():
    made = transforms.Spectrogram(
        n_fft=8, window_fn=flambeau.hann_window, wkwargs={"periodic": False}
    )
    numpy.testing.assert_allclose(made.window.numpy(), numpy.hanning(8), atol=1e-6)
    assert list(made.state_dict()) == ["window"]


def test_gradients_reach_the_waveform():
    signal = noise(200).requires_grad_()
    spec = transforms.Spectrogram(n_fft=16, hop_length=8, center=False)
    spec(signal).sum().backward()
    direction = noise(200) * 1e-2
    with flambeau.no_grad():
        change = (spec(signal + direction).sum() - spec(signal - direction).sum()).item() / 2
    assert (signal.grad * direction).sum().item() == pytest.approx(change, rel=1e-2)


def test_htk_filters_are_triangles():
    filters = functional.melscale_fbanks(201, 0.0, 8000.0, 20, 16000)
    mels = numpy.linspace(0, 2595 * math.log10(1 + 8000 / 700), 22)
    corners = 700 * (10 ** (mels / 2595) - 1)
    frequencies = numpy.linspace(0, 8000, 201)
    for band in range(20):
        expected = numpy.interp(frequencies, corners[band : band + 3], [0, 1, 0])
        numpy.testing.assert_allclose(filters[:, band].numpy(), expected, atol=2e-4)


def test_slaney_scale_is_straight_below_1_khz_and_logarithmic_above():
    filters = functional.melscale_fbanks(8001, 0.0, 8000.0, 40, 16000, mel_scale="slaney")
    peaks = filters.argmax(dim=0).double().numpy()  # 1 Hz a row
    low, high = peaks[peaks < 950], peaks[peaks > 1100]
    assert numpy.ptp(numpy.diff(low)) <= 2
    ratios = high[1:] / high[:-1]
    assert ratios.max() - ratios.min() < 0.005


def test_slaney_norm_gives_all_filters_one_area():
    filters = functional.melscale_fbanks(4001, 0.0, 8000.0, 20, 16000, norm="slaney")
    areas = filters.sum(dim=0).numpy() * 2.0  # 2 Hz a row
    numpy.testing.assert_allclose(areas, 1.0, rtol=0.02)


def test_mel_arguments_are_checked():
    with pytest.raises(ValueError, match="norm must be one of None or \"slaney\", got 'area'"):
        functional.melscale_fbanks(201, 0.0, 8000.0, 20, 16000, norm="area")
    with pytest.raises(
        ValueError, match='mel_scale should be one of "htk" or "slaney", got \'bark\''
    ):
        functional.melscale_fbanks(201, 0.0, 8000.0, 20, 16000, mel_scale="bark")
    with pytest.raises(ValueError, match="require f_min: 9000"):
        transforms.MelScale(f_min=9000.0)
    with pytest.warns(UserWarning, match=r"`n_mels` \(128\) may be set too high"):
        functional.melscale_fbanks(33, 0.0, 8000.0, 128, 16000)


def test_mel_spectrogram_is_spectrogram_times_filters():
    signal = noise(2, 4000)
    transform = transforms.MelSpectrogram(n_fft=400, n_mels=30, f_min=50.0)
    spec = transforms.Spectrogram(n_fft=400)(signal).numpy()
    filters = functional.melscale_fbanks(201, 50.0, 8000.0, 30, 16000).numpy()
    expected = numpy.einsum("cft,fm->cmt", spec, filters)
    numpy.testing.assert_allclose(transform(signal).numpy(), expected, rtol=1e-3, atol=1e-3)
    assert set(transform.state_dict()) == {"spectrogram.window", "mel_scale.fb"}


def test_decibels():
    x = flambeau.tensor([[1.0, 10.0, 0.0]])
    assert transforms.AmplitudeToDB()(x)[0].tolist() == pytest.approx([0.0, 10.0, -100.0], abs=1e-4)
    assert transforms.AmplitudeToDB("magnitude")(x)[0].tolist() == pytest.approx(
        [0.0, 20.0, -200.0], abs=1e-4
    )
    assert transforms.AmplitudeToDB(top_db=30.0)(x)[0].tolist() == pytest.approx(
        [0.0, 10.0, -20.0], abs=1e-4
    )
    relative = functional.amplitude_to_DB(x, 10.0, 1e-10, db_multiplier=1.0)
    assert relative[0].tolist() == pytest.approx([-10.0, 0.0, -110.0], abs=1e-4)
    with pytest.raises(ValueError, match="top_db must be positive value, got -1"):
        transforms.AmplitudeToDB(top_db=-1)


def test_the_floor_is_each_recordings_own():
    """Channels of one recording share it, recordings of a batch do not."""
    x = flambeau.tensor([1.0, 1e-5, 1e-9, 1e-9]).reshape(2, 2, 1, 1)
    got = transforms.AmplitudeToDB(top_db=20.0)(x)
    assert got.flatten().tolist() == pytest.approx([0.0, -20.0, -90.0, -90.0])


def test_dct_is_orthonormal():
    matrix = functional.create_dct(16, 16, "ortho").numpy()
    numpy.testing.assert_allclose(matrix.T @ matrix, numpy.eye(16), atol=1e-5)
    plain = functional.create_dct(3, 4, None).numpy()
    expected = [[2 * math.cos(math.pi / 4 * (n + 0.5) * k) for k in range(3)] for n in range(4)]
    numpy.testing.assert_allclose(plain, expected, atol=1e-6)
    with pytest.raises(ValueError, match='norm must be either "ortho" or None'):
        functional.create_dct(3, 4, "l2")


@pytest.mark.parametrize("log_mels", [False, True])
def test_mfcc_is_the_cosine_transform_of_the_logarithm(log_mels):
    signal = noise(4000)
    settings = {"n_fft": 400, "n_mels": 30}
    transform = transforms.MFCC(16000, n_mfcc=13, log_mels=log_mels, melkwargs=settings)
    mel = transforms.MelSpectrogram(16000, **settings)(signal)
    logarithm = (mel + 1e-6).log() if log_mels else transforms.AmplitudeToDB(top_db=80.0)(mel)
    expected = functional.create_dct(13, 30, "ortho").numpy().T @ logarithm.numpy()
    numpy.testing.assert_allclose(transform(signal).numpy(), expected, rtol=1e-3, atol=2e-3)


def test_impossible_mfcc():
    with pytest.raises(ValueError, match="DCT type not supported: 3; expected 2"):
        transforms.MFCC(dct_type=3)
    with pytest.raises(ValueError, match=r"MFCC coefficients \(40\) than # mel bins \(20\)"):
        transforms.MFCC(melkwargs={"n_mels": 20})


def test_deprecated_arguments_warn():
    with pytest.warns(UserWarning, match="return_complex"):
        transforms.Spectrogram(return_complex=True)
    with pytest.warns(UserWarning, match="onesided"):
        transforms.MelSpectrogram(n_mels=20, onesided=True)
