"""Reading and writing sound files through libsndfile, in torchaudio's form.

A waveform is `(channels, frames)`, float32 in [-1, 1]. What it must refuse with one clear line: a
missing file, a file of another kind, and a file that is cut short. libsndfile hands out what is
left of the last without a word, which is how training data rots, so this is looked for here.
"""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import flambeau
from flambeau import Tensor
from flambeau_audio import encodings

if TYPE_CHECKING:
    import numpy
    import soundfile

__all__ = ["AudioMetaData", "info", "load", "save"]

Source = str | os.PathLike[str] | BinaryIO

# The first bytes of what libsndfile reads; tells a broken sound file from a file of another kind.
_SIGNATURES = (b"RIFF", b"RIFX", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b".snd", b"caff")
_OGG_END_OF_STREAM = 4
# A WAV that was written to a pipe says "as long as can be" instead of its length.
_UNKNOWN_LENGTH = 0x7FFF0000


@dataclass(frozen=True)
class AudioMetaData:
    """What a sound file says about itself.

    Attributes:
        sample_rate: frames a second.
        num_frames: samples in each channel.
        num_channels: how many channels.
        bits_per_sample: 0 where the encoding has no fixed number.
        encoding: `PCM_S`, `PCM_U`, `PCM_F`, `ULAW`, `ALAW`, `FLAC`, `VORBIS`, `OPUS`, `MP3` or
            `UNKNOWN`.
    """

    sample_rate: int
    num_frames: int
    num_channels: int
    bits_per_sample: int
    encoding: str


def info(
    uri: Source, format: str | None = None, buffer_size: int = 4096, backend: str | None = None
) -> AudioMetaData:
    """What a sound file says about itself, without reading the sound.

    Args:
        uri: a path, or a binary file that can seek.
        format: not needed, the contents tell; here as torchaudio has it.
        buffer_size: not needed, as above.
        backend: `None` or `"soundfile"`.

    Raises:
        FileNotFoundError: there is no such file.
        RuntimeError: the file is of another kind, or too short to say what it is.

    >>> import io
    >>> from flambeau_audio import info, save
    >>> file = io.BytesIO()
    >>> save(file, flambeau.zeros(2, 800), 8000, format="flac")
    >>> _ = file.seek(0)
    >>> info(file)
    AudioMetaData(sample_rate=8000, num_frames=800, num_channels=2, bits_per_sample=16, encoding='FLAC')
    """
    _check_backend("info", backend)
    with _opened("info", uri) as file:
        return AudioMetaData(
            sample_rate=file.samplerate,
            num_frames=file.frames,
            num_channels=file.channels,
            bits_per_sample=encodings.bits_of(file.subtype),
            encoding=encodings.encoding_of(file.format, file.subtype),
        )


def load(
    uri: Source,
    frame_offset: int = 0,
    num_frames: int = -1,
    normalize: bool = True,
    channels_first: bool = True,
    format: str | None = None,
    buffer_size: int = 4096,
    backend: str | None = None,
) -> tuple[Tensor, int]:
    """Read a sound file: WAV, FLAC, OGG (Vorbis, Opus), MP3 and what else libsndfile knows.

    Args:
        uri: a path, or a binary file that can seek.
        frame_offset: frames to leave out at the beginning.
        num_frames: the most frames to read; -1 reads to the end.
        normalize: float32 in [-1, 1] whatever the file holds; with False, a WAV file keeps its
            type (uint8, int16, int32 with 24 bits in the upper ones, float32, float64).
        channels_first: `(channels, frames)`, else `(frames, channels)`.
        format: not needed, the contents tell; here as torchaudio has it.
        buffer_size: not needed, as above.
        backend: `None` or `"soundfile"`.

    Returns:
        The waveform and the frames a second.

    Raises:
        FileNotFoundError: there is no such file.
        RuntimeError: the file is of another kind, damaged, or cut short.
        ValueError: `frame_offset` or `num_frames` is impossible.

    >>> import io
    >>> from flambeau_audio import load, save
    >>> file = io.BytesIO()
    >>> save(file, flambeau.tensor([[0.0, 0.5, -0.5, 0.25]]), 8000, format="wav")
    >>> _ = file.seek(0)
    >>> load(file, frame_offset=1, num_frames=2)
    (tensor([[ 0.5000, -0.5000]]), 8000)
    """
    _check_backend("load", backend)
    if frame_offset < 0:
        raise ValueError(f"load: frame_offset must be at least 0, got {frame_offset}")
    if num_frames < -1 or num_frames == 0:
        raise ValueError(f"load: num_frames must be -1 or greater than 0, got {num_frames}")
    with _opened("load", uri) as file:
        dtype = "float32" if normalize or file.format != "WAV" else _stored_dtype(file.subtype)
        available = max(file.frames - frame_offset, 0)
        wanted = available if num_frames == -1 else min(num_frames, available)
        if wanted:
            file.seek(frame_offset)
        samples = file.read(wanted, dtype=dtype, always_2d=True)
        if wanted - len(samples) > _uncertainty(file, uri) or _is_cut_short(file, uri):
            raise RuntimeError(
                f"load: {_name(uri)} is cut short: {_length(file, len(samples), wanted)}; "
                "expected a whole file"
            )
        if not normalize and file.subtype == "PCM_U8":
            samples = ((samples >> 8) + 128).astype("uint8")  # libsndfile has no 8-bit reads
        samples = samples.T if channels_first else samples
        return flambeau.from_numpy(samples.copy(order="C")), file.samplerate


def save(
    uri: Source,
    src: Tensor,
    sample_rate: int,
    channels_first: bool = True,
    format: str | None = None,
    encoding: str | None = None,
    bits_per_sample: int | None = None,
    buffer_size: int = 4096,
    backend: str | None = None,
    compression: float | None = None,
) -> None:
    """Write a waveform to a sound file.

    Of a path the file is there whole when it is written; until then, and if it cannot be, the old one.

    Args:
        uri: a path, or a binary file, which needs `format`.
        src: `(channels, frames)`; float32, float64, int16, int32 or uint8. Floating point beyond
            [-1, 1] is clipped where the file holds integers.
        sample_rate: frames a second.
        channels_first: False for `(frames, channels)`.
        format: `wav`, `flac`, `ogg` (Vorbis), `opus` or `mp3`; by the file's ending if `None`.
        encoding: of WAV only: `PCM_S`, `PCM_U`, `PCM_F`, `ULAW` or `ALAW`.
        bits_per_sample: of WAV (8, 16, 24, 32, 64) and FLAC (8, 16, 24); by `src`'s dtype if
            `None`, 16 for FLAC.
        buffer_size: not needed; here as torchaudio has it.
        backend: `None` or `"soundfile"`.
        compression: of FLAC 0 to 8 (smallest), of Vorbis the quality 0 to 10.

    Raises:
        ValueError: `src` has not two dimensions, or the format cannot hold what is asked for.
        TypeError: `src` has another dtype.
        RuntimeError: the library cannot write it, such as MP3 at a rate that MP3 does not have.
    """
    _check_backend("save", backend)
    samples = _to_samples(src, channels_first)
    target = encodings.format_of(uri, format)
    subtype = encodings.subtype_for(target, str(samples.dtype), encoding, bits_per_sample)
    level = encodings.compression_level(target, compression)
    if samples.dtype == "uint8":
        samples = (samples.astype("int16") - 128) << 8  # libsndfile has no 8-bit writes
    import soundfile

    try:
        with _whole_or_not(uri) as file:
            soundfile.write(
                file,
                samples,
                sample_rate,
                subtype,
                format=target.format,
                compression_level=level,
            )
    except soundfile.LibsndfileError as error:
        raise RuntimeError(
            f"save: {_name(uri)} cannot be written as {target.format} {subtype} with "
            f"{samples.shape[1]} channels at {sample_rate} Hz: {error.error_string}"
        ) from None


@contextmanager
def _whole_or_not(uri: Source) -> Iterator[str | BinaryIO]:
    """Where to write: of a path a file beside it, which takes its place when all of it is there."""
    target = _path_or_file(uri)
    if not isinstance(target, str) or (os.path.exists(target) and not os.path.isfile(target)):
        yield target  # a file object, a pipe
        return
    target = os.path.realpath(target)
    if not os.path.isdir(os.path.dirname(target)):
        raise RuntimeError(f"save: the folder of {_name(uri)} does not exist")
    beside = f"{target}.{os.getpid()}.tmp"
    try:
        yield beside
        os.replace(beside, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(beside)


def _to_samples(src: Tensor, channels_first: bool) -> numpy.ndarray:
    if not isinstance(src, Tensor):
        raise TypeError(f"save: expected src to be a Tensor, got {type(src).__name__}")
    if src.dim() != 2:
        raise ValueError(
            f"save: expected a 2D Tensor, got {src.dim()}D of shape {tuple(src.shape)}"
        )
    samples = src.detach().cpu().numpy()
    if samples.dtype not in ("float32", "float64", "int16", "int32", "uint8"):
        raise TypeError(
            f"save: src has dtype {src.dtype}; expected float32, float64, int16, int32 or uint8"
        )
    return samples.T if channels_first else samples


def _stored_dtype(subtype: str) -> str:
    return {"PCM_U8": "int16", "PCM_16": "int16", "FLOAT": "float32", "DOUBLE": "float64"}.get(
        subtype, "int32" if subtype.startswith("PCM") else "float32"
    )


@contextmanager
def _opened(caller: str, uri: Source) -> Iterator[soundfile.SoundFile]:
    import soundfile

    if isinstance(uri, str | os.PathLike):
        with open(uri, "rb") as opened:  # a missing file, a folder: Python's own error says it
            start = opened.read(4)
    else:
        start = uri.read(4)
        uri.seek(-len(start), io.SEEK_CUR)
    try:
        with soundfile.SoundFile(_path_or_file(uri)) as file:
            yield file
    except soundfile.LibsndfileError as error:
        raise RuntimeError(_why_unreadable(caller, uri, start, error)) from None


def _why_unreadable(
    caller: str, uri: Source, start: bytes, error: soundfile.LibsndfileError
) -> str:
    name = _name(uri)
    if not start:
        return f"{caller}: {name} is empty; expected a sound file"
    if start.startswith(_SIGNATURES) or (start[0] == 0xFF and start[1:2] >= b"\xe0"):
        reason = error.error_string.strip(" :.") or "nothing could be decoded"
        return f"{caller}: {name} is cut short or damaged: {reason}"
    return (
        f"{caller}: {name} is not a sound file (it begins with {start!r}); "
        "expected WAV, FLAC, OGG, MP3 or another format of libsndfile"
    )


def _uncertainty(file: soundfile.SoundFile, uri: Source) -> float:
    """By how many frames the number of frames that libsndfile tells may be wrong.

    An MP3 file tells its length in a first frame called Xing or Info, to within the one frame of
    1,152 samples that encoders count or not. Without it libsndfile guesses from the file's size.
    """
    if file.format != "MP3":
        return 0
    return 1152 if re.search(rb"Xing|Info", _head(uri, 4096)) else math.inf


def _is_cut_short(file: soundfile.SoundFile, uri: Source) -> bool:
    """Whether the file ends before its container says so. FLAC and MP3 show it on reading."""
    if file.format == "OGG":
        return not _ends_with_last_page(uri)
    # libsndfile notes the length a chunk claims and, in brackets, the one it found.
    claims = re.findall(r"^\s*data\s*:\s*(\d+) \(should be \d+\)", file.extra_info, re.MULTILINE)
    return any(int(claim) < _UNKNOWN_LENGTH for claim in claims)


def _ends_with_last_page(uri: Source) -> bool:
    tail = _tail(uri, 1 << 17)  # a page has at most 65,307 bytes
    start = tail.rfind(b"OggS")
    if start < 0 or len(tail) < start + 27:
        return False
    flags, segments = tail[start + 5], tail[start + 26]
    header_end = start + 27 + segments
    body = sum(tail[start + 27 : header_end])
    return bool(flags & _OGG_END_OF_STREAM) and len(tail) >= header_end + body


def _head(uri: Source, size: int) -> bytes:
    """The first bytes behind an ID3 tag."""
    if isinstance(uri, str | os.PathLike):
        with open(uri, "rb") as file:
            return _head(file, size)
    place = uri.tell()
    uri.seek(0)
    start = uri.read(10)
    skip = 0
    if start.startswith(b"ID3"):  # its length in four bytes of seven bits each
        skip = 10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(start[6:10]))
    uri.seek(skip)
    data = uri.read(size)
    uri.seek(place)
    return data


def _tail(uri: Source, size: int) -> bytes:
    if isinstance(uri, str | os.PathLike):
        with open(uri, "rb") as file:
            return _tail(file, size)
    place = uri.tell()
    end = uri.seek(0, io.SEEK_END)
    uri.seek(max(end - size, 0))
    data = uri.read()
    uri.seek(place)
    return data


def _length(file: soundfile.SoundFile, got: int, wanted: int) -> str:
    if got < wanted:
        return f"{got} of {wanted} frames could be read"
    return f"it holds {file.frames} frames and should go on"


def _name(uri: Source) -> str:
    given = _path_or_file(uri)
    return repr(given if isinstance(given, str) else getattr(given, "name", "the file"))


def _path_or_file(uri: Source) -> str | BinaryIO:
    return os.fspath(uri) if isinstance(uri, str | os.PathLike) else uri


def _check_backend(caller: str, backend: str | None) -> None:
    if backend not in (None, "soundfile"):
        raise ValueError(f"{caller}: backend={backend!r}; expected None or 'soundfile'")
