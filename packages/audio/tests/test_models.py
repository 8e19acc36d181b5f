from __future__ import annotations

import math

import numpy
import pytest

import flambeau
from flambeau.nn import functional as F
from flambeau.optim import AdamW
from flambeau_audio.models import KeywordCNN

RATE = 4000


def words(count: int, seed: int) -> tuple[flambeau.Tensor, flambeau.Tensor]:
    """Four "words" of two gliding tones: up or down, then up or down, in noise, anywhere."""
    random = numpy.random.default_rng(seed)
    clips, labels = [], numpy.arange(count) % 4
    for label in labels:
        rises = numpy.repeat([1.0 if label & 1 else -1.0, 1.0 if label & 2 else -1.0], RATE // 5)
        pitch = random.uniform(400, 900) * 2 ** (numpy.cumsum(rises) / RATE * 4)
        sound = numpy.sin(2 * math.pi * numpy.cumsum(pitch) / RATE)
        clip = random.normal(0, 0.05, RATE // 2)
        start = random.integers(len(clip) - len(sound))
        clip[start : start + len(sound)] += sound
        clips.append(clip.astype("float32"))
    return flambeau.from_numpy(numpy.stack(clips)), flambeau.from_numpy(labels)


def model() -> KeywordCNN:
    flambeau.manual_seed(0)
    return KeywordCNN(4, RATE, n_mels=20, width=24)


def test_loudness_does_not_matter():
    clips, _ = words(4, seed=0)
    net = model().eval()
    numpy.testing.assert_allclose(
        net(clips).detach().numpy(), net(clips * 0.5).detach().numpy(), atol=2e-2
    )


def test_features_have_mean_zero_and_deviation_one():
    features = model().features(words(4, seed=0)[0])
    numpy.testing.assert_allclose(features.mean(dim=(1, 2)).numpy(), 0, atol=1e-4)
    numpy.testing.assert_allclose((features**2).mean(dim=(1, 2)).numpy(), 1, atol=1e-3)


def test_silence_is_no_catastrophe():
    assert model().eval()(flambeau.zeros(1, RATE)).isfinite().all().item()


def test_the_shape_of_clips_is_checked():
    with pytest.raises(ValueError, match=r"waveform of shape \(10,\); expected \(batch, time\)"):
        model()(flambeau.zeros(10))


@pytest.mark.slow
def test_it_learns_words_and_is_saved_whole(tmp_path):
    net = model()
    clips, labels = words(192, seed=1)
    optimizer = AdamW(net.parameters(), lr=4e-3)
    for _ in range(8):
        for start in range(0, 192, 32):
            loss = F.cross_entropy(net(clips[start : start + 32]), labels[start : start + 32])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    net.eval()
    unheard, expected = words(80, seed=2)
    with flambeau.no_grad():
        heard = net(unheard).argmax(dim=1)
        assert (heard == expected).float().mean().item() >= 0.95

    flambeau.save(net.state_dict(), tmp_path / "words.pt")
    again = KeywordCNN(4, RATE, n_mels=20, width=24)
    again.load_state_dict(flambeau.load(tmp_path / "words.pt"))
    again.eval()
    with flambeau.no_grad():
        assert again(unheard).argmax(dim=1).tolist() == heard.tolist()
