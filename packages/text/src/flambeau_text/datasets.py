"""Datasets made of text: windows for language models, and one sentence or line an example.

They hold the text in memory and read no files by themselves: opening a file, with its encoding,
is the caller's one line, and nothing here guesses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import flambeau
from flambeau import Tensor
from flambeau.utils.data import Dataset
from flambeau_text.sentences import split_sentences
from flambeau_text.vocab import Vocab, build_vocab_from_iterator

__all__ = ["CharDataset", "SentenceDataset", "TokenWindows"]


class TokenWindows(Dataset[tuple[Tensor, Tensor]]):
    """Windows of a long sequence of tokens, each with the same window one step later.

    Args:
        tokens: the whole sequence, int64 `(n,)`, or a list of numbers.
        block_size: the length of a window.
        stride: the distance between two windows; `None` puts them end to end.

    Raises:
        ValueError: the sequence is shorter than `block_size + 1`.

    >>> from flambeau_text import TokenWindows
    >>> windows = TokenWindows([0, 1, 2, 3, 4, 5], block_size=2)
    >>> len(windows), [part.tolist() for part in windows[1]]
    (2, [[2, 3], [3, 4]])
    """

    def __init__(
        self, tokens: Tensor | Iterable[int], block_size: int, stride: int | None = None
    ) -> None:
        values = tokens if isinstance(tokens, Tensor) else list(tokens)
        self.tokens = flambeau.as_tensor(values, dtype=flambeau.int64)
        self.block_size = block_size
        self.stride = block_size if stride is None else stride
        if block_size < 1 or self.stride < 1:
            raise ValueError(
                f"{type(self).__name__}: block_size={block_size} and stride={self.stride} "
                "must be at least 1"
            )
        if self.tokens.dim() != 1 or self.tokens.shape[0] <= block_size:
            raise ValueError(
                f"{type(self).__name__}: tokens of shape {tuple(self.tokens.shape)} hold no "
                f"window; expected one dimension with at least block_size + 1 = {block_size + 1}"
            )

    def __len__(self) -> int:
        return (self.tokens.shape[0] - self.block_size - 1) // self.stride + 1

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """The window `(block_size,)` and the tokens that follow each of its places."""
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"{type(self).__name__}: index {index} is out of range for {size}")
        start = (index % size) * self.stride
        stop = start + self.block_size
        return self.tokens[start:stop], self.tokens[start + 1 : stop + 1]


class CharDataset(TokenWindows):
    """Windows of a text, character by character.

    Args:
        text: the whole text.
        block_size: the length of a window.
        stride: the distance between two windows; `None` puts them end to end.
        vocab: the characters to know, such as another dataset's; `None` takes those of the text.

    >>> from flambeau_text import CharDataset
    >>> data = CharDataset("hello world", block_size=5)
    >>> data.decode(data[0][0]), data.decode(data[0][1])
    ('hello', 'ello ')
    """

    def __init__(
        self,
        text: str,
        block_size: int,
        stride: int | None = None,
        vocab: Vocab | None = None,
    ) -> None:
        self.vocab = Vocab(sorted(set(text))) if vocab is None else vocab
        super().__init__(self.encode(text), block_size, stride)

    def encode(self, text: str) -> Tensor:
        """The numbers of the characters, int64 `(len(text),)`.

        Raises:
            RuntimeError: a character is unknown and the vocabulary has no default index.
        """
        return flambeau.tensor(self.vocab(list(text)), dtype=flambeau.int64)

    def decode(self, tokens: Tensor | Iterable[int]) -> str:
        """The text of the numbers."""
        numbers = tokens.tolist() if isinstance(tokens, Tensor) else tokens
        return "".join(self.vocab.lookup_tokens(numbers))


class SentenceDataset(Dataset[Tensor]):
    """One sentence of a text an example, as numbers of different lengths.

    Args:
        text: a text to be split into sentences, or the sentences themselves.
        tokenizer: from a sentence to its tokens; `str.split` by default.
        vocab: the tokens to know; `None` takes those of the text, with `<unk>` at 0 as default.

    >>> from flambeau_text import SentenceDataset
    >>> data = SentenceDataset("It rains. It rains again!")
    >>> [sentence.tolist() for sentence in data]
    [[1, 4], [1, 3, 2]]
    >>> data.vocab.lookup_tokens([1, 3, 2])
    ['It', 'rains', 'again!']
    """

    def __init__(
        self,
        text: str | Iterable[str],
        tokenizer: Callable[[str], list[str]] = str.split,
        vocab: Vocab | None = None,
    ) -> None:
        self.sentences = split_sentences(text) if isinstance(text, str) else list(text)
        self.tokenizer = tokenizer
        self.vocab = self._build_vocab() if vocab is None else vocab

    def __len__(self) -> int:
        return len(self.sentences)

    def __getitem__(self, index: int) -> Tensor:
        """The numbers of one sentence, int64 `(length,)`."""
        return flambeau.tensor(
            self.vocab(self.tokenizer(self.sentences[index])), dtype=flambeau.int64
        )

    def _build_vocab(self) -> Vocab:
        vocab = build_vocab_from_iterator(map(self.tokenizer, self.sentences), specials=["<unk>"])
        vocab.set_default_index(0)
        return vocab
