from __future__ import annotations

import io
import re
import wave

import numpy
import pytest

import flambeau
import flambeau_audio

RATE = 16000


def tone(frames: int = 8000, channels: int = 2) -> flambeau.Tensor:
    """A different sine in each channel, with some noise so that no codec finds it too easy."""
    times = numpy.arange(frames) / RATE
    random = numpy.random.default_rng(0)
    waves = [0.5 * numpy.sin(2 * numpy.pi * 440 * (1 + c) * times) for c in range(channels)]
    noise = 0.01 * random.standard_normal((channels, frames))
    return flambeau.from_numpy((numpy.stack(waves) + noise).astype("float32"))


# How far each kind may be from what was saved: rounding, or the loss of the codec.
KINDS = {
    "wav": ("PCM_F", 32, 0.0),
    "flac": ("FLAC", 16, 1 / 32768),
    "ogg": ("VORBIS", 0, 0.1),
    "mp3": ("MP3", 0, 0.1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_comes_back(tmp_path, kind):
    encoding, bits, tolerance = KINDS[kind]
    path = tmp_path / f"tone.{kind}"
    flambeau_audio.save(path, tone(), RATE)
    waveform, rate = flambeau_audio.load(path)
    assert rate == RATE
    assert waveform.dtype == flambeau.float32
    assert tuple(waveform.shape) == (2, 8000)
    difference = (waveform - tone()).abs()
    assert difference.max().item() <= tolerance
    assert difference.mean().item() <= max(tolerance / 5, 1 / 32768)
    assert flambeau_audio.info(path) == flambeau_audio.AudioMetaData(RATE, 8000, 2, bits, encoding)


def test_opus(tmp_path):
    flambeau_audio.save(tmp_path / "tone.opus", tone(), RATE)
    about = flambeau_audio.info(tmp_path / "tone.opus")
    assert (about.encoding, about.num_channels, about.num_frames) == ("OPUS", 2, 8000)
    assert tuple(flambeau_audio.load(tmp_path / "tone.opus")[0].shape) == (2, 8000)


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_of_a_file(tmp_path, kind):
    path = tmp_path / f"tone.{kind}"
    flambeau_audio.save(path, tone(), RATE)
    whole, _ = flambeau_audio.load(path)
    part, _ = flambeau_audio.load(path, frame_offset=3000, num_frames=1000)
    numpy.testing.assert_allclose(part.numpy(), whole[:, 3000:4000].numpy(), atol=1e-4)
    end, _ = flambeau_audio.load(path, frame_offset=7900, num_frames=1000)
    assert tuple(end.shape) == (2, 100)
    past, _ = flambeau_audio.load(path, frame_offset=9000)
    assert tuple(past.shape) == (2, 0)


def test_channels_last(tmp_path):
    path = tmp_path / "tone.wav"
    flambeau_audio.save(path, tone().T, RATE, channels_first=False)
    waveform, _ = flambeau_audio.load(path, channels_first=False)
    assert tuple(waveform.shape) == (8000, 2)
    assert waveform.T.tolist() == tone().tolist()


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_file_objects(kind):
    file = io.BytesIO()
    flambeau_audio.save(file, tone(), RATE, format=kind)
    file.seek(0)
    assert flambeau_audio.info(file).num_frames == 8000
    file.seek(0)
    waveform, rate = flambeau_audio.load(file)
    assert (tuple(waveform.shape), rate) == ((2, 8000), RATE)


@pytest.mark.parametrize(
    "dtype, values",
    [
        ("uint8", [0, 1, 127, 128, 255]),
        ("int16", [-32768, -1, 0, 1, 32767]),
        ("int32", [-(2**31), -1, 0, 1, 2**31 - 1]),
        ("float32", [-1.0, -0.25, 0.0, 0.1, 2.0]),
        ("float64", [-1.0, -0.25, 0.0, 0.1, 2.0]),
    ],
)
def test_wav_keeps_every_dtype_where_asked_to(tmp_path, dtype, values):
    path = tmp_path / "x.wav"
    source = flambeau.tensor([values], dtype=getattr(flambeau, dtype))
    flambeau_audio.save(path, source, RATE)
    back, _ = flambeau_audio.load(path, normalize=False)
    assert back.dtype == source.dtype
    assert back.tolist() == source.tolist()


def test_normalising_divides_by_the_full_scale(tmp_path):
    path = tmp_path / "x.wav"
    flambeau_audio.save(path, flambeau.tensor([[-32768, 16384, 32767]], dtype=flambeau.int16), RATE)
    assert flambeau_audio.load(path)[0].tolist() == [[-1.0, 0.5, 32767 / 32768]]
    flambeau_audio.save(path, flambeau.tensor([[0, 128, 192]], dtype=flambeau.uint8), RATE)
    assert flambeau_audio.load(path)[0].tolist() == [[-1.0, 0.0, 0.5]]


def test_24_bits_fill_the_upper_bits_of_int32(tmp_path):
    flambeau_audio.save(tmp_path / "x.wav", flambeau.tensor([[0.5]]), RATE, bits_per_sample=24)
    assert flambeau_audio.info(tmp_path / "x.wav").bits_per_sample == 24
    back, _ = flambeau_audio.load(tmp_path / "x.wav", normalize=False)
    assert back.tolist() == [[2**30]]


def test_floats_are_clipped_where_the_file_holds_integers(tmp_path):
    flambeau_audio.save(
        tmp_path / "x.wav", flambeau.tensor([[-2.0, 2.0]]), RATE, bits_per_sample=16
    )
    assert flambeau_audio.load(tmp_path / "x.wav")[0].tolist() == [[-1.0, 32767 / 32768]]


@pytest.mark.parametrize(
    "encoding, bits, expected",
    [
        (None, None, ("PCM_F", 32)),
        (None, 8, ("PCM_U", 8)),
        (None, 32, ("PCM_S", 32)),
        ("PCM_S", None, ("PCM_S", 16)),
        ("PCM_S", 24, ("PCM_S", 24)),
        ("PCM_U", None, ("PCM_U", 8)),
        ("PCM_F", 64, ("PCM_F", 64)),
        ("ULAW", None, ("ULAW", 8)),
        ("ALAW", 8, ("ALAW", 8)),
    ],
)
def test_encodings_of_wav(tmp_path, encoding, bits, expected):
    path = tmp_path / "x.wav"
    flambeau_audio.save(path, tone(), RATE, encoding=encoding, bits_per_sample=bits)
    about = flambeau_audio.info(path)
    assert (about.encoding, about.bits_per_sample) == expected
    assert (flambeau_audio.load(path)[0] - tone()).abs().max().item() < 0.03


def test_flac_takes_bits_and_compression(tmp_path):
    path = tmp_path / "x.flac"
    flambeau_audio.save(path, tone(), RATE, bits_per_sample=24, compression=0)
    assert flambeau_audio.info(path).bits_per_sample == 24
    large = path.stat().st_size
    flambeau_audio.save(path, tone(), RATE, bits_per_sample=24, compression=8)
    assert path.stat().st_size < large


def test_vorbis_takes_a_quality(tmp_path):
    flambeau_audio.save(tmp_path / "low.ogg", tone(), RATE, compression=1)
    flambeau_audio.save(tmp_path / "high.ogg", tone(), RATE, compression=9)
    assert (tmp_path / "low.ogg").stat().st_size < (tmp_path / "high.ogg").stat().st_size


def test_a_file_made_by_python_itself(tmp_path):
    samples = numpy.array([[0, 100], [-200, 300]], "<i2")
    with wave.open(str(tmp_path / "x.wav"), "wb") as file:
        file.setparams((2, 2, 44100, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    waveform, rate = flambeau_audio.load(tmp_path / "x.wav")
    assert rate == 44100
    numpy.testing.assert_array_equal(waveform.numpy(), samples.T / numpy.float32(32768))


def test_gradients_are_not_saved(tmp_path):
    flambeau_audio.save(tmp_path / "x.wav", flambeau.zeros(1, 10, requires_grad=True), RATE)
    assert not flambeau_audio.load(tmp_path / "x.wav")[0].requires_grad


# Bad input


def one_line(raised: pytest.ExceptionInfo[Exception]) -> bool:
    return "\n" not in str(raised.value)


@pytest.mark.parametrize("function", [flambeau_audio.load, flambeau_audio.info])
def test_a_missing_file(tmp_path, function):
    with pytest.raises(FileNotFoundError, match=r"nothing\.wav"):
        function(tmp_path / "nothing.wav")
    with pytest.raises(IsADirectoryError):
        function(tmp_path)


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.ogg", "x.mp3", "x"])
@pytest.mark.parametrize("function", [flambeau_audio.load, flambeau_audio.info])
def test_a_file_of_another_kind(tmp_path, name, function):
    (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + b"not a sound " * 500)
    with pytest.raises(RuntimeError, match=r"not a sound file \(it begins with b'\\x89PNG'\)") as e:
        function(tmp_path / name)
    assert one_line(e)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(RuntimeError, match="is empty; expected a sound file"):
        function(tmp_path / name)


@pytest.mark.parametrize("share", [0.0005, 0.02, 0.5, 0.98])
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "opus", "mp3"])
def test_a_file_cut_short(tmp_path, kind, share):
    path = tmp_path / f"tone.{kind}"
    flambeau_audio.save(path, tone(RATE * 4), RATE)
    data = path.read_bytes()
    path.write_bytes(data[: max(int(len(data) * share), 8)])
    with pytest.raises(RuntimeError, match=r"^load: '.*tone\.\w+' is cut short") as raised:
        flambeau_audio.load(path)
    assert one_line(raised)
    with pytest.raises(RuntimeError, match="is cut short"):
        flambeau_audio.load(io.BytesIO(path.read_bytes()))


def test_an_mp3_without_a_length_is_read(tmp_path):
    """Its first frame, called Xing or Info, is left out; libsndfile then guesses from the size."""
    path = tmp_path / "x.mp3"
    flambeau_audio.save(path, tone(RATE * 2), RATE)
    data = path.read_bytes()
    second = data.index(data[:2], 4)
    assert re.search(b"Xing|Info", data[:second])
    path.write_bytes(data[second:] + b"TAG" + bytes(125))  # and an ID3 tag at the end
    waveform, _ = flambeau_audio.load(path)
    assert waveform.shape[1] > RATE


def test_a_wav_from_a_pipe_has_no_length_and_is_read(tmp_path):
    """ffmpeg and sox write 0xFFFFFFFF or 0x7FFFFFFF where they cannot go back to fill it in."""
    path = tmp_path / "x.wav"
    flambeau_audio.save(path, tone(100), RATE, encoding="PCM_S")
    data = path.read_bytes()
    place = data.index(b"data") + 4
    for claim in (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"):
        path.write_bytes(data[:place] + claim + data[place + 4 :])
        assert tuple(flambeau_audio.load(path)[0].shape) == (2, 100)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"frame_offset": -1}, "frame_offset must be at least 0, got -1"),
        ({"num_frames": 0}, "num_frames must be -1 or greater than 0, got 0"),
        ({"num_frames": -2}, "num_frames must be -1 or greater than 0, got -2"),
        ({"backend": "sox"}, "backend='sox'; expected None or 'soundfile'"),
    ],
)
def test_impossible_settings_of_load(tmp_path, settings, message):
    flambeau_audio.save(tmp_path / "x.wav", tone(10), RATE)
    with pytest.raises(ValueError, match=message):
        flambeau_audio.load(tmp_path / "x.wav", **settings)


@pytest.mark.parametrize(
    "name, settings, error, message",
    [
        ("x.xyz", {}, ValueError, r"'xyz' of .* is not known; expected .* wav, flac, ogg"),
        ("x", {}, ValueError, r"'' of .* is not known"),
        ("x.wav", {"format": "midi"}, ValueError, "'midi' of"),
        ("x.wav", {"encoding": "PCM_S", "bits_per_sample": 8}, ValueError, "WAV cannot hold"),
        ("x.wav", {"encoding": "MP3"}, ValueError, "WAV cannot hold encoding='MP3'"),
        ("x.flac", {"bits_per_sample": 32}, ValueError, "FLAC cannot hold"),
        ("x.flac", {"encoding": "PCM_S"}, ValueError, "FLAC cannot hold encoding='PCM_S'"),
        ("x.ogg", {"bits_per_sample": 16}, ValueError, "OGG cannot hold"),
        ("x.flac", {"compression": 9}, ValueError, "expected a number from 0 to 8"),
        ("x.mp3", {"compression": 2}, ValueError, "expected None, as it cannot be set"),
        ("x.mp3", {"sample_rate": 12345}, RuntimeError, "cannot be written as MP3 .* 12345 Hz"),
        ("x.wav", {"src": flambeau.zeros(5)}, ValueError, r"expected a 2D Tensor, got 1D"),
        ("x.wav", {"src": [[0.0]]}, TypeError, "expected src to be a Tensor, got list"),
        ("x.wav", {"src": flambeau.zeros(1, 5, dtype=flambeau.int64)}, TypeError, "has dtype"),
    ],
)
def test_what_cannot_be_saved(tmp_path, name, settings, error, message):
    arguments = {"src": tone(100), "sample_rate": RATE} | settings
    with pytest.raises(error, match=message) as raised:
        flambeau_audio.save(tmp_path / name, **arguments)
    assert one_line(raised)


def test_what_cannot_be_saved_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.mp3"
    flambeau_audio.save(path, tone(1000), RATE)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="12345 Hz"):
        flambeau_audio.save(path, tone(1000), 12345)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(RuntimeError, match=r"save: the folder of .*x\.wav' does not exist"):
        flambeau_audio.save(tmp_path / "none" / "x.wav", tone(100), RATE)


def test_a_file_object_needs_a_format():
    with pytest.raises(ValueError, match=r"the format of .* is not known"):
        flambeau_audio.save(io.BytesIO(), tone(10), RATE)
