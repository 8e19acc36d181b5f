"""A network that hears which of ten digits is spoken, tested on voices it has never heard.

    python examples/keyword_spotting.py                     # espeak-ng if installed, else our own
    python examples/keyword_spotting.py --voices synthetic  # formants made by this script
    python examples/keyword_spotting.py --save digits.pt    # and keep the model

With Debian's espeak-ng the words are spoken in English by its many voices. Without it, they are
made here as speech has been made since the 1950s: a buzz (the vocal cords) or a hiss, shaped by
three moving resonances (the mouth). Each voice has its own pitch, size, speed and noise.
Needs `pip install flambeau flambeau-audio`; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import flambeau
import flambeau_audio
from flambeau.nn import functional as F
from flambeau.optim import AdamW
from flambeau.utils.data import DataLoader, TensorDataset
from flambeau_audio.models import KeywordCNN

RATE = 8000
ESPEAK_RATE = 22050
LENGTH = RATE  # one second
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]

# The first three formants of vowels and voiced consonants in Hz, after Peterson and Barney (1952).
VOICED = {
    "iy": (280, 2250, 2900),
    "ih": (400, 1950, 2550),
    "eh": (530, 1840, 2480),
    "ae": (660, 1720, 2410),
    "ah": (640, 1190, 2390),
    "aa": (730, 1090, 2440),
    "ao": (570, 840, 2410),
    "uw": (310, 870, 2240),
    "r": (330, 1060, 1500),
    "w": (300, 610, 2200),
    "n": (280, 1350, 2450),
    "v": (260, 1100, 2300),
}
# Centre and width of the hiss of unvoiced consonants in Hz, and its strength; "-" is a closed mouth.
HISS = {
    "s": (3600, 500, 0.5),
    "z": (3400, 600, 0.4),
    "f": (2500, 1500, 0.15),
    "th": (2000, 1500, 0.1),
    "t": (3000, 900, 0.6),
    "k": (1800, 500, 0.6),
    "-": (2000, 1000, 0.0),
}
# Sounds and how long each lasts, in hundredths of a second.
SPELLING = {
    "zero": "z8 ih8 r7 ao9 uw8",
    "one": "w8 ah14 n12",
    "two": "-2 t4 uw22",
    "three": "th9 r7 iy20",
    "four": "f10 ao16 r10",
    "five": "f10 aa10 ih10 v8",
    "six": "s11 ih10 -3 k4 s10",
    "seven": "s10 eh9 v6 ih7 n9",
    "eight": "eh8 iy12 -5 t4",
    "nine": "n9 aa11 ih9 n10",
}


def synthesize(word: str, voice: np.random.Generator, pitch: float, size: float) -> np.ndarray:
    """One utterance of `word`: a buzz of harmonics and a hiss under moving resonances."""
    sounds = [(part.rstrip("0123456789"), part) for part in SPELLING[word].split()]
    pace = voice.uniform(0.8, 1.2)
    counts = [
        int(RATE * 0.01 * int(part[len(name) :]) * pace * voice.uniform(0.85, 1.15))
        for name, part in sounds
    ]
    samples = sum(counts)
    glide = np.hanning(RATE // 25)  # mouths take some 40 ms to move
    glide /= glide.sum()

    def track(values: list[float]) -> np.ndarray:
        steps = np.repeat(values, counts)
        half = len(glide) // 2
        return np.convolve(np.pad(steps, half, mode="edge"), glide, "same")[half : half + samples]

    formants = [
        track([VOICED.get(name, (400, 1500, 2500))[k] * size for name, _ in sounds])
        for k in range(3)
    ]
    buzz_level = track([float(name in VOICED) for name, _ in sounds])
    drift = np.linspace(1.1, 0.9, samples) * (1 + 0.02 * np.sin(np.arange(samples) * 30 / RATE))
    phase = 2 * np.pi * np.cumsum(pitch * drift) / RATE
    harmonics = np.arange(1, int(3800 / pitch))[:, None]
    shape = sum(
        weight / (1 + ((harmonics * pitch - formant) / width) ** 2)
        for formant, width, weight in zip(formants, (70, 100, 150), (1.0, 0.6, 0.3))
    )
    buzz = (shape * np.sin(harmonics * phase)).sum(axis=0) * buzz_level

    hiss = np.zeros(samples)
    start = 0
    for (name, _), count in zip(sounds, counts):
        if name in HISS:
            centre, width, level = HISS[name]
            spectrum = np.fft.rfft(voice.standard_normal(count))
            frequencies = np.fft.rfftfreq(count, 1 / RATE)
            spectrum /= 1 + ((frequencies - centre * min(size, 1.05)) / width) ** 2
            hiss[start : start + count] = level * np.fft.irfft(spectrum, count) * np.hanning(count)
        start += count
    return buzz / 2 + hiss


def synthetic_clips(voices: int, takes: int, seed: int) -> tuple[flambeau.Tensor, flambeau.Tensor]:
    """`voices * takes` clips of each word; clips of one voice stand together."""
    random = np.random.default_rng(seed)
    clips, labels = [], []
    for _ in range(voices):
        pitch, size = random.uniform(85, 240), random.uniform(0.88, 1.15)
        for _ in range(takes):
            for label, word in enumerate(WORDS):
                sound = synthesize(word, random, pitch * random.uniform(0.95, 1.05), size)
                clips.append(place(sound, random))
                labels.append(label)
    return flambeau.from_numpy(np.stack(clips)), flambeau.tensor(labels)


def place(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The sound somewhere in a clip of one second, at some loudness, over some noise."""
    sound = sound[:LENGTH]
    clip = random.normal(0, 10 ** random.uniform(-4, -2), LENGTH)
    start = random.integers(LENGTH - len(sound) + 1)
    clip[start : start + len(sound)] += sound / np.abs(sound).max() * random.uniform(0.2, 0.9)
    return clip.astype(np.float32)


def espeak_clips(voices: int, takes: int, seed: int) -> tuple[flambeau.Tensor, flambeau.Tensor]:
    """Clips like `synthetic_clips`, spoken by espeak-ng."""
    random = np.random.default_rng(seed)
    variants = espeak_variants()
    clips, labels = [], []
    to_rate = flambeau_audio.transforms.Resample(ESPEAK_RATE, RATE)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "word.wav")
        for number in range(voices):
            accent = ("en-us", "en-gb")[number % 2]
            voice = f"{accent}+{variants[number % len(variants)]}"
            for _ in range(takes):
                manner = ["-s", str(random.integers(120, 200)), "-p", str(random.integers(30, 70))]
                for label, word in enumerate(WORDS):
                    command = ["espeak-ng", "-v", voice, *manner, "-w", str(file), word]
                    subprocess.run(command, check=True, capture_output=True)
                    sound, _ = flambeau_audio.load(file)
                    clips.append(place(to_rate(sound)[0].numpy(), random))
                    labels.append(label)
    return flambeau.from_numpy(np.stack(clips)), flambeau.tensor(labels)


def espeak_variants() -> list[str]:
    """The names of espeak-ng's speakers, each a way to speak any language."""
    listing = subprocess.run(
        ["espeak-ng", "--voices=variant"], check=True, capture_output=True, text=True
    ).stdout
    # The last column is the file, such as "!v/Alex".
    return sorted(line.split("!v/")[1].strip() for line in listing.splitlines() if "!v/" in line)


def train(model: KeywordCNN, clips: flambeau.Tensor, labels: flambeau.Tensor, epochs: int) -> None:
    """Adam on random batches, each clip shifted in time by up to a tenth of a second."""
    optimizer = AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    loader = DataLoader(TensorDataset(clips, labels), batch_size=32, shuffle=True)
    model.train()
    for epoch in range(1, epochs + 1):
        start, losses, right = time.perf_counter(), 0.0, 0
        for batch, targets in loader:
            shift = int(flambeau.randint(-RATE // 10, RATE // 10, (1,)).item())
            logits = model(flambeau.roll(batch, shift, dims=1))
            loss = F.cross_entropy(logits, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += loss.item() * len(targets)
            right += int((logits.argmax(dim=1) == targets).sum().item())
        seconds, count = time.perf_counter() - start, len(labels)
        print(
            f"epoch {epoch}  loss {losses / count:.3f}  accuracy {right / count:.1%}  "
            f"{seconds:.1f} s",
            flush=True,
        )


def answers(model: KeywordCNN, clips: flambeau.Tensor) -> flambeau.Tensor:
    """The word the model hears in each clip."""
    model.eval()
    with flambeau.no_grad():
        batches = [model(batch[0]) for batch in DataLoader(TensorDataset(clips), batch_size=64)]
    return flambeau.cat(batches).argmax(dim=1)


def main(arguments: Sequence[str] | None = None) -> float:
    """Make the clips, train, and return the accuracy on voices that were kept apart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voices", choices=["auto", "espeak", "synthetic"], default="auto")
    parser.add_argument("--speakers", type=int, default=40, help="a fifth is kept for the test")
    parser.add_argument("--takes", type=int, default=2, help="times each speaker says each word")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--save", type=Path, help="where to keep the trained model")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    flambeau.manual_seed(options.seed)
    has_espeak = shutil.which("espeak-ng") is not None
    use_espeak = options.voices == "espeak" or (options.voices == "auto" and has_espeak)
    make = espeak_clips if use_espeak else synthetic_clips
    clips, labels = make(options.speakers, options.takes, options.seed)
    speakers = max(options.speakers // 5, 1)
    cut = len(labels) - speakers * options.takes * len(WORDS)
    print(
        f"{len(labels)} clips by {'espeak-ng' if use_espeak else 'our synthesizer'}, "
        f"{len(labels) - cut} of them by {speakers} speakers kept for the test"
    )

    model = KeywordCNN(len(WORDS), RATE)
    train(model, clips[:cut], labels[:cut], options.epochs)
    heard = answers(model, clips[cut:])
    accuracy = (heard == labels[cut:]).float().mean().item()
    print(f"on speakers never heard before: {accuracy:.1%}")
    for index in range(0, len(WORDS) * options.takes, options.takes + 1):
        said, understood = WORDS[int(labels[cut + index])], WORDS[int(heard[index])]
        print(f"  said {said:6s} heard {understood}")
    if options.save is not None:
        flambeau.save(model.state_dict(), options.save)
        print(f"saved to {options.save}")
    return accuracy


if __name__ == "__main__":
    main()
