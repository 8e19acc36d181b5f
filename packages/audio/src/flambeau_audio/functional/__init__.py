"""Functions on waveforms and spectrograms, with torchaudio's names, arguments and definitions."""

from __future__ import annotations

from flambeau_audio.functional.mel import create_dct, melscale_fbanks
from flambeau_audio.functional.resampling import resample
from flambeau_audio.functional.spectrum import amplitude_to_DB, spectrogram

__all__ = ["amplitude_to_DB", "create_dct", "melscale_fbanks", "resample", "spectrogram"]
