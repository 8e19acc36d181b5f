"""The byte-pair tokenizer: GPT-2's scheme, trained here or read from its files.

Encoding is tiktoken's compiled core, driven by our table of ranks, so that nothing is ever
downloaded; docs/design/tokenizer.md says why this library. Every text can be encoded and comes
back unchanged, since the 256 bytes are always tokens. Words are split by GPT-2's pattern and no
other: the two files name no pattern, so another one would be lost on saving.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Literal

import regex
import tiktoken

from flambeau_text.bpe.files import ENCODER_FILE, MERGES_FILE, read_files, write_files
from flambeau_text.bpe.training import learn_tokens

__all__ = ["BPETokenizer"]

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


class BPETokenizer:
    """Text to token numbers and back.

    Args:
        ranks: token to its number; every single byte must be there. Pairs with lower numbers
            are merged first.
        special_tokens: markers such as `<|endoftext|>` and their numbers; they are only ever
            read from a text where `encode` is told so.

    Raises:
        ValueError: a byte is missing, or a number stands for two tokens.

    >>> from flambeau_text import BPETokenizer
    >>> tokenizer = BPETokenizer.train("the cat, the hat, the bat", vocab_size=260)
    >>> tokenizer.tokens("the rat")
    ['the', ' ', 'r', 'at']
    >>> tokenizer.decode(tokenizer.encode("the rat"))
    'the rat'
    """

    def __init__(
        self, ranks: Mapping[bytes, int], special_tokens: Mapping[str, int] | None = None
    ) -> None:
        self._ranks = dict(ranks)
        self._special_tokens = dict(special_tokens or {})
        _check_table(self._ranks, self._special_tokens)
        self._encoding = tiktoken.Encoding(
            "flambeau-bpe",
            pat_str=GPT2_PATTERN,
            mergeable_ranks=self._ranks,
            special_tokens=self._special_tokens,
        )

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int,
        *,
        min_frequency: int = 2,
        special_tokens: Sequence[str] = (),
    ) -> BPETokenizer:
        """Learn a vocabulary from a text, or from many.

        Args:
            texts: what to learn from.
            vocab_size: the size to reach, special tokens included; a short text gives fewer.
            min_frequency: pairs that occur more rarely are not merged.
            special_tokens: markers that get the last numbers.

        Raises:
            ValueError: `vocab_size` has no room for the 256 bytes and the special tokens.
        """
        smallest = 256 + len(special_tokens)
        if vocab_size < smallest:
            raise ValueError(
                f"BPETokenizer.train: vocab_size={vocab_size} is too small; expected at least "
                f"{smallest}: 256 bytes and {len(special_tokens)} special tokens"
            )
        words: Counter[str] = Counter()
        for text in [texts] if isinstance(texts, str) else texts:
            words.update(regex.findall(GPT2_PATTERN, text))
        frequencies = {word.encode("utf-8", "replace"): count for word, count in words.items()}
        tokens = learn_tokens(frequencies, vocab_size - len(special_tokens), min_frequency)
        ranks = {token: number for number, token in enumerate(tokens)}
        return cls(ranks, {name: len(ranks) + i for i, name in enumerate(special_tokens)})

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> BPETokenizer:
        """Read `encoder.json` and `vocab.bpe` from a folder, as `save` writes them."""
        return cls.from_files(Path(folder, ENCODER_FILE), Path(folder, MERGES_FILE))

    @classmethod
    def from_files(cls, encoder: str | PathLike[str], merges: str | PathLike[str]) -> BPETokenizer:
        """Read GPT-2's two files, whatever their names (`vocab.json` and `merges.txt`, too).

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is of another kind or cut short, or they do not fit each other.
        """
        return cls(*read_files(Path(encoder), Path(merges)))

    def save(self, folder: str | PathLike[str]) -> None:
        """Write `encoder.json` and `vocab.bpe`, which any reader of GPT-2's files understands."""
        write_files(Path(folder), self._ranks, self._splits(), self._special_tokens)

    def encode(
        self, text: str, *, allowed_special: Literal["all"] | Collection[str] = ()
    ) -> list[int]:
        """The token numbers of `text`.

        Args:
            text: any string.
            allowed_special: the special tokens to read from the text, or `"all"`. By default
                none: a user's text cannot smuggle in a marker, which is encoded as plain text.

        Raises:
            TypeError: `text` is not a string.
            ValueError: an allowed special token does not exist.
        """
        if not isinstance(text, str):
            raise TypeError(f"BPETokenizer.encode: expected a str, got {type(text).__name__}")
        names = self._special_tokens.keys() if allowed_special == "all" else set(allowed_special)
        if unknown := sorted(names - self._special_tokens.keys()):
            raise ValueError(
                f"BPETokenizer.encode: unknown special tokens {unknown}; "
                f"this vocabulary has {sorted(self._special_tokens)}"
            )
        return self._encoding.encode(text, allowed_special=set(names), disallowed_special=())

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """The token numbers of each text."""
        return [self.encode(text) for text in texts]

    def decode(self, numbers: Sequence[int]) -> str:
        """The text of `numbers`; bytes that are not UTF-8 become U+FFFD.

        Raises:
            IndexError: a number stands for no token.
        """
        return self.decode_bytes(numbers).decode("utf-8", "replace")

    def decode_bytes(self, numbers: Sequence[int]) -> bytes:
        """The bytes of `numbers`: the way to join pieces that cut a character in two."""
        try:
            return self._encoding.decode_bytes(numbers)
        except KeyError as error:
            raise IndexError(
                f"BPETokenizer.decode: {error.args[0]}; the vocabulary has {len(self)} tokens"
            ) from None

    def tokens(self, text: str) -> list[str]:
        """The pieces `text` is cut into, for people to look at."""
        return [self.decode([number]) for number in self.encode(text)]

    @property
    def special_tokens(self) -> dict[str, int]:
        """The special tokens and their numbers."""
        return dict(self._special_tokens)

    def __len__(self) -> int:
        return len(self._ranks) + len(self._special_tokens)

    def __repr__(self) -> str:
        return f"BPETokenizer({len(self)} tokens, special_tokens={sorted(self._special_tokens)})"

    def __reduce__(self) -> tuple[object, ...]:
        # tiktoken's core does not pickle; data loader workers get the table instead.
        return type(self), (self._ranks, self._special_tokens)

    def _splits(self) -> dict[bytes, tuple[bytes, bytes]]:
        """The two halves of every merged token, in the order of the merges.

        The table keeps only ranks. The halves are what remains of a token when every merge but
        its own has been done.
        """
        merged = sorted(
            (token for token in self._ranks if len(token) > 1), key=self._ranks.__getitem__
        )
        return {token: _halves(token, self._ranks) for token in merged}


def _check_table(ranks: Mapping[bytes, int], special_tokens: Mapping[str, int]) -> None:
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise ValueError(
            f"BPETokenizer: {len(missing)} single bytes have no number, the first is "
            f"{missing[0]:#04x}; expected all 256"
        )
    numbers = [*ranks.values(), *special_tokens.values()]
    if len(set(numbers)) != len(numbers):
        raise ValueError("BPETokenizer: a number stands for two tokens; expected distinct numbers")


def _halves(token: bytes, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes]:
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        joined = [ranks.get(a + b, math.inf) for a, b in pairwise(parts)]
        place = joined.index(min(joined))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts[0], parts[1]
