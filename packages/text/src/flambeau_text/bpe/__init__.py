"""Byte-pair encoding: training, files in GPT-2's format, encoding and decoding."""

from __future__ import annotations

from flambeau_text.bpe.tokenizer import BPETokenizer

__all__ = ["BPETokenizer"]
