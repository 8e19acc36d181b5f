"""Models for text."""

from __future__ import annotations

from flambeau_text.models.gpt import GPT, GPTConfig

__all__ = ["GPT", "GPTConfig"]
