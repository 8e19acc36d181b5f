"""Text for flambeau: vocabularies, byte-pair tokenizers, datasets, padding, and a GPT.

Nothing is downloaded, here or by the libraries underneath: what comes in is text and files that
you have. The tokenizer's compiled part and the models are imported where they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flambeau_text.collate import PaddedBatch, pad_collate, padded_batch
from flambeau_text.datasets import CharDataset, SentenceDataset, TokenWindows
from flambeau_text.sentences import split_sentences
from flambeau_text.vocab import Vocab, build_vocab_from_iterator

if TYPE_CHECKING:
    from flambeau_text import models
    from flambeau_text.bpe import BPETokenizer

__version__ = "0.1.0"

__all__ = [
    "BPETokenizer",
    "CharDataset",
    "PaddedBatch",
    "SentenceDataset",
    "TokenWindows",
    "Vocab",
    "build_vocab_from_iterator",
    "models",
    "pad_collate",
    "padded_batch",
    "split_sentences",
]


def __getattr__(name: str) -> Any:
    """Import the heavier parts when they are first asked for."""
    from importlib import import_module

    if name == "BPETokenizer":
        return import_module("flambeau_text.bpe").BPETokenizer
    if name == "models":
        return import_module("flambeau_text.models")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
