from __future__ import annotations

import math

import numpy
import pytest

import flambeau
from flambeau_audio import functional, transforms

METHODS = ["sinc_interp_hann", "sinc_interp_kaiser", "soxr_hq", "soxr_vhq"]
RATES = [(8000, 16000), (16000, 8000), (44100, 16000), (5, 7)]


def tone(rate: int, frequency: float, seconds: float) -> flambeau.Tensor:
    return flambeau.sin(2 * math.pi * frequency * flambeau.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rates", [(8000, 16000), (16000, 8000), (44100, 16000), (22050, 8000)])
def test_a_tone_stays_the_same_tone(method, rates):
    before, after = rates
    got = functional.resample(tone(before, 440, 0.2), before, after, resampling_method=method)
    expected = tone(after, 440, 0.2)
    middle = slice(after // 50, -after // 50)  # the ends meet silence
    numpy.testing.assert_allclose(got[middle].numpy(), expected[middle].numpy(), atol=5e-3)


@pytest.mark.parametrize("method", METHODS)
def test_what_the_new_rate_cannot_hold_is_removed(method):
    got = functional.resample(tone(16000, 6000, 0.2), 16000, 8000, resampling_method=method)
    assert got[200:-200].abs().max().item() < 0.02


def test_the_filter_is_the_windowed_sinc_of_its_definition():
    """Every output sample, as a sum over the input, written out."""
    signal = numpy.random.default_rng(0).standard_normal(60)
    orig, new, width, rolloff = 5, 3, 6, 0.99
    edge = rolloff * min(orig, new)
    expected = []
    for place in range(math.ceil(60 * new / orig)):
        distance = (numpy.arange(60) / orig - place / new) * edge
        inside = numpy.clip(distance / width, -1, 1)
        weights = numpy.sinc(distance) * numpy.cos(inside * numpy.pi / 2) ** 2
        expected.append((signal * weights).sum() * edge / orig)
    got = functional.resample(flambeau.from_numpy(signal), orig, new)
    assert got.dtype == flambeau.float64
    numpy.testing.assert_allclose(got.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("frames", [1, 2, 99, 100])
@pytest.mark.parametrize("rates", RATES)
def test_lengths(rates, frames):
    got = functional.resample(flambeau.zeros(2, 1, frames), *rates)
    assert tuple(got.shape) == (2, 1, math.ceil(frames * rates[1] / rates[0]))


def test_equal_rates_change_nothing():
    signal = tone(100, 3, 1)
    assert functional.resample(signal, 8000, 8000) is signal
    assert transforms.Resample(8000, 8000)(signal) is signal


@pytest.mark.parametrize("method", METHODS)
def test_the_transform_equals_the_function(method):
    signal = flambeau.stack([tone(8000, 300, 0.05), tone(8000, 700, 0.05)])
    transform = transforms.Resample(8000, 6000, method)
    expected = functional.resample(signal, 8000, 6000, resampling_method=method)
    numpy.testing.assert_allclose(transform(signal).numpy(), expected.numpy(), atol=1e-6)
    assert list(transform.state_dict()) == (["kernel"] if method.startswith("sinc") else [])


def test_the_transform_in_float64():
    signal = tone(8000, 300, 0.05).double()
    got = transforms.Resample(8000, 6000, dtype=flambeau.float64)(signal)
    expected = functional.resample(signal, 8000, 6000)
    numpy.testing.assert_allclose(got.numpy(), expected.numpy(), atol=1e-12)


def test_a_wider_filter_is_sharper():
    signal = tone(16000, 4300, 0.2)
    soft, sharp = (
        functional.resample(signal, 16000, 8000, lowpass_filter_width=width)[300:-300].abs().max()
        for width in (6, 64)
    )
    assert sharp.item() < soft.item() / 10


def test_gradients_flow_through_sinc_and_are_refused_by_soxr():
    signal = tone(8000, 300, 0.01).requires_grad_()
    functional.resample(signal, 8000, 4000).sum().backward()
    # The filters sum to nearly 1, so each input sample counts for half an output sample.
    numpy.testing.assert_allclose(signal.grad[20:-20].numpy(), 0.5, atol=0.02)
    with pytest.raises(RuntimeError, match="soxr_hq has no gradient"):
        functional.resample(signal, 8000, 4000, resampling_method="soxr_hq")
    with flambeau.no_grad():
        assert functional.resample(signal, 8000, 4000, resampling_method="soxr_hq").shape[0] == 40


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, 8000), "positive whole numbers, got 0 and 8000"),
        ((8000, -1), "positive whole numbers, got 8000 and -1"),
        ((44100, 5512.5), "positive whole numbers, got 44100 and 5512.5"),
        ((8000, 4000, 0), "lowpass_filter_width must be positive, got 0"),
        ((8000, 4000, 6, 0.99, "linear"), "invalid resampling method 'linear'; expected one of"),
    ],
)
def test_impossible_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        functional.resample(flambeau.zeros(10), *arguments)


def test_whole_numbers_are_not_resampled():
    with pytest.raises(TypeError, match=r"floating point waveform, got .*int16"):
        transforms.Resample(8000, 4000)(flambeau.zeros(10, dtype=flambeau.int16))
    with pytest.raises(TypeError, match="floating point"):
        functional.resample(flambeau.zeros(10, dtype=flambeau.int64), 2, 1)
