"""GPT-2's two vocabulary files: encoder.json (token to number) and vocab.bpe (the merges in order).

Reading turns them into one table from bytes to number, and refuses with one clear line what is not
such a file, is cut short, or cannot be encoded by rank (numbers must rise with the merges).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from flambeau_text.bpe.alphabet import BYTE_ORDER, from_symbols, to_symbols

__all__ = ["ENCODER_FILE", "MERGES_FILE", "read_files", "write_files"]

ENCODER_FILE = "encoder.json"
MERGES_FILE = "vocab.bpe"
_VERSION_LINE = "#version: 0.2"


def read_files(encoder: Path, merges: Path) -> tuple[dict[bytes, int], dict[str, int]]:
    """The numbers of the tokens and of the special tokens (those that no merge makes)."""
    numbers = _read_encoder(encoder)
    tokens = [bytes([byte]) for byte in BYTE_ORDER] + _read_merges(merges)
    ranks: dict[bytes, int] = {}
    for token in tokens:
        symbols = to_symbols(token)
        if symbols not in numbers:
            raise ValueError(
                f"BPETokenizer: {encoder} lacks {symbols!r}, which {merges} needs; "
                "expected the two files of one vocabulary"
            )
        ranks[token] = numbers.pop(symbols)
    _check_rising([ranks[token] for token in tokens[len(BYTE_ORDER) :]], encoder)
    return ranks, numbers


def write_files(
    folder: Path,
    ranks: Mapping[bytes, int],
    splits: Mapping[bytes, tuple[bytes, bytes]],
    special_tokens: Mapping[str, int],
) -> None:
    """Write both files into `folder`, which is made where it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {to_symbols(token): number for token, number in ranks.items()} | dict(special_tokens)
    encoder = json.dumps(numbers, ensure_ascii=False)
    lines = [_VERSION_LINE]
    lines += [f"{to_symbols(left)} {to_symbols(right)}" for left, right in splits.values()]
    (folder / ENCODER_FILE).write_text(encoder, encoding="utf-8")
    (folder / MERGES_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _read_encoder(path: Path) -> dict[str, int]:
    try:
        numbers = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"BPETokenizer: {path} is not a whole JSON file: {error}") from None
    if not isinstance(numbers, dict) or not all(type(n) is int for n in numbers.values()):
        raise ValueError(
            f"BPETokenizer: {path} is not a token table; expected one JSON object from token "
            "to number, as in GPT-2's encoder.json"
        )
    return numbers


def _read_merges(path: Path) -> list[bytes]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"BPETokenizer: {path} is not a text file: {error}") from None
    tokens: list[bytes] = []
    for number, line in enumerate(lines, start=1):
        if (number == 1 and line.startswith("#version")) or not line:
            continue
        try:
            left, right = line.split(" ")
            tokens.append(from_symbols(left) + from_symbols(right))
        except (ValueError, KeyError):
            raise ValueError(
                f"BPETokenizer: {path}, line {number}: {line[:60]!r} is not a merge; "
                "expected two tokens in GPT-2's alphabet with a space between"
            ) from None
    return tokens


def _check_rising(numbers: list[int], encoder: Path) -> None:
    for earlier, later in pairwise(numbers):
        if later <= earlier:
            raise ValueError(
                f"BPETokenizer: the numbers in {encoder} do not rise with the merges "
                f"({earlier} is followed by {later}); expected GPT-2's numbering"
            )
