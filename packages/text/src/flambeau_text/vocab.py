"""A vocabulary: tokens to numbers and back, with torchtext's names, defaults and error classes.

It must keep the order of insertion (a token's number is its place), give the same numbers for the
same text in every process (ties in frequency are broken by the token itself), and refuse a token
it does not know unless a default index was set.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping

from flambeau import nn

__all__ = ["Vocab", "build_vocab_from_iterator", "vocab"]


class Vocab(nn.Module):
    """Two-way map between tokens and their indices.

    It is a module, as in torchtext, so that it can stand in an `nn.Sequential` of text transforms.

    Args:
        tokens: the tokens in the order of their indices, without repetition.

    Raises:
        RuntimeError: a token appears twice.

    >>> from flambeau_text import Vocab
    >>> words = Vocab(["<unk>", "sea", "land"])
    >>> words.set_default_index(0)
    >>> words(["land", "sky", "sea"])
    [2, 0, 1]
    >>> words.lookup_tokens([1, 2])
    ['sea', 'land']
    """

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        super().__init__()
        self._tokens: list[str] = []
        self._indices: dict[str, int] = {}
        self._default_index: int | None = None
        for token in tokens:
            self.append_token(token)

    def __len__(self) -> int:
        return len(self._tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._indices

    def __getitem__(self, token: str) -> int:
        """The index of `token`, or the default index where the token is unknown."""
        index = self._indices.get(token, self._default_index)
        if index is None:
            raise RuntimeError(
                f"Vocab: token {token!r} not found and default index is not set; "
                "call set_default_index(index) to give unknown tokens an index"
            )
        return index

    def forward(self, tokens: list[str]) -> list[int]:
        """The indices of `tokens`; the same as `lookup_indices`."""
        return self.lookup_indices(tokens)

    def set_default_index(self, index: int | None) -> None:
        """Give every unknown token this index; `None` makes unknown tokens an error again."""
        self._default_index = index

    def get_default_index(self) -> int | None:
        """The index of unknown tokens, or `None` where they are an error."""
        return self._default_index

    def append_token(self, token: str) -> None:
        """Add `token` at the end.

        Raises:
            RuntimeError: the token is already there.
        """
        self.insert_token(token, len(self))

    def insert_token(self, token: str, index: int) -> None:
        """Add `token` at `index` and move those behind it by one.

        Raises:
            TypeError: the token is not a string.
            RuntimeError: the token is already there, or the index lies outside `[0, len]`.
        """
        if not isinstance(token, str):
            raise TypeError(f"Vocab: a token must be a str, got {type(token).__name__}")
        if token in self._indices:
            raise RuntimeError(
                f"Vocab: token {token!r} already exists in the Vocab "
                f"with index {self._indices[token]}"
            )
        if not 0 <= index <= len(self):
            raise RuntimeError(
                f"Vocab: specified index {index} is out of bounds for vocab of size {len(self)}"
            )
        self._tokens.insert(index, token)
        for place in range(index, len(self)):
            self._indices[self._tokens[place]] = place

    def lookup_token(self, index: int) -> str:
        """The token at `index`.

        Raises:
            RuntimeError: the index lies outside `[0, len)`; negative ones do not count backwards.
        """
        if not 0 <= index < len(self):
            raise RuntimeError(
                f"Vocab: specified index {index} is out of bounds for vocab of size {len(self)}"
            )
        return self._tokens[index]

    def lookup_tokens(self, indices: Iterable[int]) -> list[str]:
        """The tokens at `indices`."""
        return [self.lookup_token(index) for index in indices]

    def lookup_indices(self, tokens: Iterable[str]) -> list[int]:
        """The indices of `tokens`, unknown ones answered by the default index.

        Raises:
            TypeError: a bare string came, which would be taken apart into characters.
        """
        if isinstance(tokens, str):
            raise TypeError(
                f"Vocab: expected a list of tokens, got the str {tokens[:40]!r}; "
                "pass [token], or list(text) for characters"
            )
        return [self[token] for token in tokens]

    def get_stoi(self) -> dict[str, int]:
        """A new dictionary from token to index."""
        return dict(self._indices)

    def get_itos(self) -> list[str]:
        """A new list of the tokens by index."""
        return list(self._tokens)

    def extra_repr(self) -> str:
        """What the printed module shows: the size and the default index."""
        return f"{len(self)} tokens, default_index={self._default_index}"


def vocab(
    ordered_dict: Mapping[str, int],
    min_freq: int = 1,
    specials: list[str] | None = None,
    special_first: bool = True,
) -> Vocab:
    """A vocabulary of the keys of `ordered_dict`, in its order.

    Args:
        ordered_dict: token to its frequency.
        min_freq: tokens seen more rarely are left out.
        specials: tokens that are always in, in the given order, whatever their frequency.
        special_first: whether these stand before the others or behind them.

    >>> from flambeau_text.vocab import vocab
    >>> vocab({"b": 5, "a": 2, "z": 1}, min_freq=2, specials=["<pad>"]).get_itos()
    ['<pad>', 'b', 'a']
    """
    special_tokens = list(specials or [])
    skipped = set(special_tokens)
    tokens = [
        token for token, freq in ordered_dict.items() if freq >= min_freq and token not in skipped
    ]
    return Vocab(special_tokens + tokens if special_first else tokens + special_tokens)


def build_vocab_from_iterator(
    iterator: Iterable[Iterable[str]],
    min_freq: int = 1,
    specials: list[str] | None = None,
    special_first: bool = True,
    max_tokens: int | None = None,
) -> Vocab:
    """A vocabulary of the tokens that `iterator` yields, the most frequent first.

    Args:
        iterator: yields lists of tokens.
        min_freq: tokens seen more rarely are left out.
        specials: tokens that are always in, in the given order.
        special_first: whether these stand before the others or behind them.
        max_tokens: the largest size of the vocabulary, specials included.

    Raises:
        ValueError: `max_tokens` leaves no room beside the specials.

    >>> from flambeau_text import build_vocab_from_iterator
    >>> lines = [["to", "be"], ["or", "not", "to", "be"]]
    >>> build_vocab_from_iterator(lines, specials=["<unk>"]).get_itos()
    ['<unk>', 'be', 'to', 'not', 'or']
    """
    counts: Counter[str] = Counter()
    for tokens in iterator:
        counts.update(tokens)
    special_tokens = list(specials or [])
    for token in special_tokens:
        counts.pop(token, None)
    by_frequency = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if max_tokens is not None:
        room = max_tokens - len(special_tokens)
        if room <= 0:
            raise ValueError(
                f"build_vocab_from_iterator: max_tokens={max_tokens} leaves no room beside "
                f"{len(special_tokens)} specials; expected max_tokens > {len(special_tokens)}"
            )
        by_frequency = by_frequency[:room]
    return vocab(OrderedDict(by_frequency), min_freq, special_tokens, special_first)
