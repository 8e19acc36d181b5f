"""Learning byte-pair merges from text (Sennrich et al., 2016), over bytes as GPT-2 does.

It must give the same merges for the same text everywhere (ties go to the pair whose tokens were
made first) and cost time by what a merge touches, not by the whole text: distinct words are
counted once, every pair knows the words it occurs in, and a heap with stale entries finds the
most frequent pair.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise

from flambeau_text.bpe.alphabet import BYTE_ORDER

__all__ = ["learn_tokens"]

Pair = tuple[int, int]


def learn_tokens(words: Mapping[bytes, int], size: int, min_frequency: int) -> list[bytes]:
    """The tokens of a vocabulary of at most `size`: the 256 bytes, then one for each merge.

    Args:
        words: word to the number of times it occurs.
        size: how many tokens to make; fewer come back where the text gives no more pairs.
        min_frequency: pairs that occur more rarely are not merged.
    """
    tokens = [bytes([byte]) for byte in BYTE_ORDER]
    known = set(tokens)
    corpus = _Corpus(words)
    while len(tokens) < size:
        pair = corpus.most_frequent_pair(min_frequency)
        if pair is None:
            break
        token = tokens[pair[0]] + tokens[pair[1]]
        # Another split of a token we have: encoding already joins it, at the earlier rank.
        if token in known:
            corpus.forget(pair)
            continue
        corpus.merge(pair, len(tokens))
        tokens.append(token)
        known.add(token)
    return tokens


class _Corpus:
    """The distinct words as sequences of token numbers, with the counts of adjacent pairs."""

    def __init__(self, words: Mapping[bytes, int]) -> None:
        number_of_byte = {byte: number for number, byte in enumerate(BYTE_ORDER)}
        self._words = [[number_of_byte[byte] for byte in word] for word in words]
        self._frequencies = list(words.values())
        self._counts: dict[Pair, int] = defaultdict(int)
        self._places: dict[Pair, set[int]] = defaultdict(set)
        for index in range(len(self._words)):
            self._count_pairs(index, 1)
        self._heap = [(-count, pair) for pair, count in self._counts.items()]
        heapq.heapify(self._heap)

    def most_frequent_pair(self, min_frequency: int) -> Pair | None:
        """The pair with the highest count, or None where no count reaches `min_frequency`."""
        while self._heap:
            count, pair = self._heap[0]
            if -count == self._counts.get(pair, 0):
                return pair if -count >= max(min_frequency, 1) else None
            heapq.heappop(self._heap)  # its count changed since; the newer entry is in the heap
        return None

    def merge(self, pair: Pair, number: int) -> None:
        """Replace `pair` by `number` in all words."""
        changed: set[Pair] = set()
        for index in list(self._places[pair]):
            changed.update(self._count_pairs(index, -1))
            self._words[index] = _merged(self._words[index], pair, number)
            changed.update(self._count_pairs(index, 1))
        for touched in changed:
            if self._counts[touched] > 0:
                heapq.heappush(self._heap, (-self._counts[touched], touched))
        self.forget(pair)

    def forget(self, pair: Pair) -> None:
        """Never offer `pair` again unless a merge makes new occurrences of it."""
        self._counts.pop(pair, None)
        self._places.pop(pair, None)

    def _count_pairs(self, index: int, sign: int) -> set[Pair]:
        word = self._words[index]
        weight = sign * self._frequencies[index]
        pairs = list(pairwise(word))
        for pair in pairs:
            self._counts[pair] += weight
        distinct = set(pairs)
        for pair in distinct:
            if sign > 0:
                self._places[pair].add(index)
            else:
                self._places[pair].discard(index)
        return distinct


def _merged(word: list[int], pair: Pair, number: int) -> list[int]:
    out: list[int] = []
    position = 0
    while position < len(word):
        if (word[position], *word[position + 1 : position + 2]) == pair:
            out.append(number)
            position += 2
        else:
            out.append(word[position])
            position += 1
    return out
