"""Names for how sound is kept in a file: torchaudio's on one side, libsndfile's on the other.

Tables and the few rules between them, so that `files` reads as what it does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePath
from typing import NamedTuple

__all__ = ["Target", "bits_of", "compression_level", "encoding_of", "format_of", "subtype_for"]


class Target(NamedTuple):
    """A container that can be written: libsndfile's format and, where there is one only, subtype."""

    format: str
    subtype: str | None = None


TARGETS = {
    "wav": Target("WAV"),
    "flac": Target("FLAC"),
    "ogg": Target("OGG", "VORBIS"),
    "oga": Target("OGG", "VORBIS"),
    "vorbis": Target("OGG", "VORBIS"),
    "opus": Target("OGG", "OPUS"),
    "mp3": Target("MP3", "MPEG_LAYER_III"),
}

# torchaudio's encoding names, by the first that fits the beginning of libsndfile's subtype.
_ENCODINGS = {
    "PCM_U8": "PCM_U",
    "PCM_": "PCM_S",
    "FLOAT": "PCM_F",
    "DOUBLE": "PCM_F",
    "ULAW": "ULAW",
    "ALAW": "ALAW",
    "VORBIS": "VORBIS",
    "OPUS": "OPUS",
    "MPEG_LAYER_III": "MP3",
}

_BITS = {
    "PCM_S8": 8,
    "PCM_U8": 8,
    "PCM_16": 16,
    "PCM_24": 24,
    "PCM_32": 32,
    "FLOAT": 32,
    "DOUBLE": 64,
    "ULAW": 8,
    "ALAW": 8,
}

_SUBTYPE_OF_DTYPE = {
    "uint8": "PCM_U8",
    "int16": "PCM_16",
    "int32": "PCM_32",
    "float32": "FLOAT",
    "float64": "DOUBLE",
}

# What WAV can hold, by encoding and bits; None is the choice where the caller makes none.
_WAV_SUBTYPES: dict[str | None, dict[int | None, str]] = {
    None: {8: "PCM_U8", 16: "PCM_16", 24: "PCM_24", 32: "PCM_32"},
    "PCM_S": {None: "PCM_16", 16: "PCM_16", 24: "PCM_24", 32: "PCM_32"},
    "PCM_U": {None: "PCM_U8", 8: "PCM_U8"},
    "PCM_F": {None: "FLOAT", 32: "FLOAT", 64: "DOUBLE"},
    "ULAW": {None: "ULAW", 8: "ULAW"},
    "ALAW": {None: "ALAW", 8: "ALAW"},
}
_FLAC_SUBTYPES: dict[int | None, str] = {
    None: "PCM_16",
    8: "PCM_S8",
    16: "PCM_16",
    24: "PCM_24",
}

# From torchaudio's scale (the codec's own) to libsndfile's, 0 for the best and 1 for the smallest.
_COMPRESSION: dict[str, tuple[float, float, Callable[[float], float]]] = {
    "FLAC": (0, 8, lambda level: level / 8),
    "OGG": (0, 10, lambda quality: 1 - quality / 10),
}


def encoding_of(format: str, subtype: str) -> str:
    """torchaudio's name of an encoding, `UNKNOWN` where it has none."""
    if format == "FLAC":
        return "FLAC"
    return next((name for key, name in _ENCODINGS.items() if subtype.startswith(key)), "UNKNOWN")


def bits_of(subtype: str) -> int:
    """Bits of a sample, 0 for what is compressed with loss."""
    return _BITS.get(subtype, 0)


def format_of(uri: object, format: str | None) -> Target:
    """The container to write: the one named, or the one that the file's name ends in.

    Raises:
        ValueError: neither says a container that can be written.
    """
    name = format
    if name is None and isinstance(uri, str | os.PathLike):
        name = PurePath(uri).suffix.removeprefix(".")
    if name is None or name.lower() not in TARGETS:
        raise ValueError(
            f"save: {'the format' if name is None else repr(name)} of {uri!r} is not known; "
            f"expected format= or the file's ending to be one of {', '.join(TARGETS)}"
        )
    return TARGETS[name.lower()]


def subtype_for(
    target: Target, dtype: str, encoding: str | None, bits_per_sample: int | None
) -> str:
    """libsndfile's subtype for samples of `dtype`, as torchaudio chooses it.

    Raises:
        ValueError: the container cannot hold that encoding or that many bits.
    """
    if target.format == "WAV":
        if encoding is None and bits_per_sample is None:
            return _SUBTYPE_OF_DTYPE[dtype]
        subtype = _WAV_SUBTYPES.get(encoding, {}).get(bits_per_sample)
    elif target.format == "FLAC":
        subtype = _FLAC_SUBTYPES.get(bits_per_sample) if encoding is None else None
    else:
        subtype = target.subtype if encoding is None and bits_per_sample is None else None
    if subtype is None:
        raise ValueError(
            f"save: {target.format} cannot hold encoding={encoding!r} with "
            f"bits_per_sample={bits_per_sample}; leave both out for the usual choice"
        )
    return subtype


def compression_level(target: Target, compression: float | None) -> float | None:
    """libsndfile's level for torchaudio's `compression`.

    Raises:
        ValueError: the container has no such setting, or not that value.
    """
    if compression is None:
        return None
    low, high, convert = _COMPRESSION.get(target.format, (0, -1, float))
    if not low <= compression <= high:
        wanted = f"a number from {low} to {high}" if high > 0 else "None, as it cannot be set"
        raise ValueError(f"save: compression={compression} for {target.format}; expected {wanted}")
    return convert(compression)
