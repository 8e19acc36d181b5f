"""A small network that tells spoken words apart.

It takes the waveform itself: the mel spectrogram is part of the model, so that what is saved,
exported or served needs no second description of how features were made.
"""

from __future__ import annotations

import flambeau
from flambeau import Tensor, nn
from flambeau_audio.transforms import MelSpectrogram

__all__ = ["KeywordCNN"]


class KeywordCNN(nn.Module):
    """Convolutions over time on a logarithmic mel spectrogram, pooled over the whole clip.

    Args:
        num_words: number of classes.
        sample_rate: of the clips.
        n_mels: mel bands.
        width: channels of the convolutions.
        dropout: probability of dropping before the last layer.

    >>> from flambeau_audio.models import KeywordCNN
    >>> model = KeywordCNN(num_words=10, sample_rate=8000).eval()
    >>> tuple(model(flambeau.zeros(2, 8000)).shape)
    (2, 10)
    """

    def __init__(
        self,
        num_words: int,
        sample_rate: int = 16000,
        n_mels: int = 40,
        width: int = 64,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        # Frames of 32 ms every 16 ms: long enough for a low voice, short enough for a plosive.
        n_fft = sample_rate * 32 // 1000
        self.mel = MelSpectrogram(
            sample_rate, n_fft=n_fft, hop_length=n_fft // 2, f_min=60.0, n_mels=n_mels
        )
        self.body = nn.Sequential(
            *_stage(n_mels, width),
            nn.MaxPool1d(2),
            *_stage(width, width),
            nn.MaxPool1d(2),
            *_stage(width, width),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, num_words)

    def forward(self, waveform: Tensor) -> Tensor:
        """Logits `(batch, num_words)` of clips `(batch, time)`.

        Raises:
            ValueError: the clips are not `(batch, time)`.
        """
        if waveform.dim() != 2:
            raise ValueError(
                f"KeywordCNN: waveform of shape {tuple(waveform.shape)}; expected (batch, time)"
            )
        hidden = self.body(self.features(waveform))
        # The mean says how much of a sound there was, the maximum whether there was any.
        pooled = flambeau.cat((hidden.mean(dim=-1), hidden.amax(dim=-1)), dim=1)
        return self.head(self.dropout(pooled))

    def features(self, waveform: Tensor) -> Tensor:
        """The logarithmic mel spectrogram `(batch, n_mels, frame)`, of mean 0 and deviation 1.

        Normalised clip by clip: how loud a voice is and how far the microphone says nothing.
        """
        mel = flambeau.log(self.mel(waveform) + 1e-6)
        mean = mel.mean(dim=(1, 2), keepdim=True)
        variance = ((mel - mean) ** 2).mean(dim=(1, 2), keepdim=True)
        return (mel - mean) / flambeau.sqrt(variance + 1e-5)


def _stage(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [
        nn.Conv1d(channels_in, channels_out, kernel_size=5, padding=2, bias=False),
        nn.BatchNorm1d(channels_out),
        nn.ReLU(),
    ]
