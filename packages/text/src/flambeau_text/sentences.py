"""Cutting a text into sentences by its punctuation.

A rule and no model: a sentence ends at `.`, `!`, `?` or `…` (with closing quotes or brackets)
before white space, or at an empty line. Abbreviations and initials before a name do not end one.
It loses no character but the white space between sentences.
"""

from __future__ import annotations

import re

__all__ = ["split_sentences"]

_PARAGRAPH = re.compile(r"\n\s*\n")
_END = re.compile(r"""[.!?…]+["'”’)\]]*(?=\s)""")
_ABBREVIATIONS = frozenset(
    {"mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "vs", "etc", "e.g", "i.e", "cf", "fig"}
    | {"no", "vol", "p", "pp", "al", "inc", "ltd", "co", "u.s", "a.m", "p.m"}
)


def split_sentences(text: str) -> list[str]:
    """The sentences of `text`, stripped, with line breaks inside them made spaces.

    >>> from flambeau_text import split_sentences
    >>> split_sentences("Mr. Brown came. Did he?  Yes!")
    ['Mr. Brown came.', 'Did he?', 'Yes!']
    """
    sentences: list[str] = []
    for paragraph in _PARAGRAPH.split(text):
        sentences += _split_paragraph(" ".join(paragraph.split()))
    return sentences


def _split_paragraph(paragraph: str) -> list[str]:
    sentences: list[str] = []
    start = 0
    for end in _END.finditer(paragraph):
        if _is_abbreviation(paragraph[start : end.end()]):
            continue
        sentences.append(paragraph[start : end.end()])
        start = end.end() + 1
    if paragraph[start:]:
        sentences.append(paragraph[start:])
    return sentences


def _is_abbreviation(piece: str) -> bool:
    if not piece.endswith("."):
        return False
    word = piece.rsplit(None, 1)[-1].lstrip("(\"'“‘[")[:-1]
    is_initial = len(word) == 1 and word.isupper() and word != "I"
    return is_initial or word.lower() in _ABBREVIATIONS
