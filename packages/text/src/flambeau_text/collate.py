"""Making one batch of sequences of different lengths.

The batch keeps what padding hides: the true lengths and a mask, so that a loss or an attention
never has to guess which zeros were data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flambeau
from flambeau import Tensor

__all__ = ["PaddedBatch", "pad_collate", "padded_batch"]


class PaddedBatch(NamedTuple):
    """Sequences padded to one length.

    Attributes:
        tokens: the padded sequences, `(batch, longest)`.
        lengths: the true lengths, int64 `(batch,)`.
        mask: True where a token is real, bool `(batch, longest)`.
    """

    tokens: Tensor
    lengths: Tensor
    mask: Tensor


def padded_batch(
    sequences: Sequence[Tensor | Sequence[int]],
    padding_value: float = 0,
    padding_side: str = "right",
) -> PaddedBatch:
    """Pad sequences to the longest and keep their lengths.

    Args:
        sequences: one-dimensional tensors, or lists of numbers.
        padding_value: what to fill with.
        padding_side: `"right"`, or `"left"` as for generation.

    Raises:
        ValueError: no sequences, a sequence that is not one-dimensional, or an unknown side.

    >>> from flambeau_text import padded_batch
    >>> batch = padded_batch([[5, 6, 7], [8]])
    >>> batch.tokens.tolist(), batch.lengths.tolist()
    ([[5, 6, 7], [8, 0, 0]], [3, 1])
    >>> batch.mask.tolist()
    [[True, True, True], [True, False, False]]
    """
    _check_side(padding_side)
    rows = [_as_row(sequence) for sequence in sequences]
    if not rows:
        raise ValueError("padded_batch: expected at least one sequence, got none")
    tokens = flambeau.nn.utils.rnn.pad_sequence(
        rows, batch_first=True, padding_value=padding_value, padding_side=padding_side
    )
    lengths = flambeau.tensor([row.shape[0] for row in rows])
    places = flambeau.arange(tokens.shape[1])
    if padding_side == "left":
        places = places.flip(0)
    return PaddedBatch(tokens, lengths, places < lengths.unsqueeze(1))


def pad_collate(
    padding_value: float = 0, padding_side: str = "right"
) -> Callable[[Sequence[Any]], Any]:
    """A `collate_fn` for `DataLoader` that pads.

    Examples that are sequences give a `PaddedBatch`; examples that are `(sequence, label)` pairs
    give `(PaddedBatch, labels)`, the labels stacked into one tensor.

    >>> from flambeau_text import pad_collate
    >>> collate = pad_collate(padding_value=-1)
    >>> batch, labels = collate([([1, 2], 0), ([3], 1)])
    >>> batch.tokens.tolist(), labels.tolist()
    ([[1, 2], [3, -1]], [0, 1])
    """
    _check_side(padding_side)
    return _PadCollate(padding_value, padding_side)


class _PadCollate:
    """A class and not a closure, so that it can be sent to worker processes."""

    def __init__(self, padding_value: float, padding_side: str) -> None:
        self.padding_value = padding_value
        self.padding_side = padding_side

    def __call__(self, examples: Sequence[Any]) -> Any:
        if not examples:
            raise ValueError("pad_collate: expected at least one example, got none")
        if not isinstance(examples[0], tuple):
            return padded_batch(examples, self.padding_value, self.padding_side)
        sequences, labels = zip(*examples, strict=True)
        batch = padded_batch(sequences, self.padding_value, self.padding_side)
        return batch, flambeau.stack([flambeau.as_tensor(label) for label in labels])


def _as_row(sequence: Tensor | Sequence[int]) -> Tensor:
    # An empty list would become floating point, and turn the whole batch into it.
    empty = not isinstance(sequence, Tensor) and len(sequence) == 0
    row = flambeau.as_tensor(sequence, dtype=flambeau.int64 if empty else None)
    if row.dim() != 1:
        raise ValueError(
            f"padded_batch: expected one-dimensional sequences, got shape {tuple(row.shape)}"
        )
    return row


def _check_side(padding_side: str) -> None:
    if padding_side not in ("right", "left"):
        raise ValueError(f"padding_side must be 'right' or 'left', got {padding_side!r}")
