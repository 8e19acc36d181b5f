"""GPT-2's alphabet: a printable character for each of the 256 bytes.

Its files (encoder.json, vocab.bpe) are text, while its tokens are bytes. Bytes that print keep
their Latin-1 character; the others, space and newline among them, are moved behind U+0100, so
that a token never holds white space, which separates the two halves of a merge in vocab.bpe.
"""

from __future__ import annotations

__all__ = ["BYTE_ORDER", "from_symbols", "to_symbols"]

_PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), 256)]

# The order in which GPT-2 numbers single bytes: the printable first, then the rest.
BYTE_ORDER: list[int] = _PRINTABLE + [byte for byte in range(256) if byte not in _PRINTABLE]

_SYMBOL_OF_BYTE = {
    byte: chr(byte) if place < len(_PRINTABLE) else chr(256 + place - len(_PRINTABLE))
    for place, byte in enumerate(BYTE_ORDER)
}
_BYTE_OF_SYMBOL = {symbol: byte for byte, symbol in _SYMBOL_OF_BYTE.items()}


def to_symbols(token: bytes) -> str:
    """The printable spelling of a token.

    >>> from flambeau_text.bpe.alphabet import to_symbols
    >>> to_symbols(b" the")
    'Ġthe'
    """
    return "".join(_SYMBOL_OF_BYTE[byte] for byte in token)


def from_symbols(symbols: str) -> bytes:
    """The bytes behind a printable spelling.

    Raises:
        KeyError: a character stands for no byte.

    >>> from flambeau_text.bpe.alphabet import from_symbols
    >>> from_symbols("Ġthe")
    b' the'
    """
    return bytes(_BYTE_OF_SYMBOL[symbol] for symbol in symbols)
