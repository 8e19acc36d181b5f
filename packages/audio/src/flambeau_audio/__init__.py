"""Sound for flambeau: reading and writing files, spectrograms, resampling; torchaudio's interface.

soundfile and soxr are imported when a file is first opened or a soxr method first used.
"""

from __future__ import annotations

from flambeau_audio import functional, transforms
from flambeau_audio.files import AudioMetaData, info, load, save

__version__ = "0.1.0"

__all__ = ["AudioMetaData", "functional", "info", "load", "save", "transforms"]
