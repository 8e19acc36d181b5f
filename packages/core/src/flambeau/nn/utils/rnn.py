"""Batches of sequences of different lengths: padded to one length, or packed without padding."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

from flambeau._base.dtypes import float16, float32, float64, int64
from flambeau.ops.creation import as_tensor, full, tensor
from flambeau.ops.joining import cat, stack
from flambeau.ops.sorting import argsort, sort
from flambeau.runtime.tensor import Tensor


class PackedSequence_(NamedTuple):
    """The four parts of a packed sequence."""

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedSequence_):
    """Sequences without padding, step by step: what recurrent networks run on.

    `data` has all first steps, then all second steps of those that have one, …; `batch_sizes` says
    how many there are at each step. The two index tensors lead from the given order to that of
    falling length and back. Made by `pack_padded_sequence` and `pack_sequence`.
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            data, batch_sizes = data
        if batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be "
                "created manually. They should be instantiated by functions like pack_sequence "
                "and pack_padded_sequences in nn.utils.rnn."
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The data converted or moved; the indices move along."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        moved = [
            None if indices is None else indices.to(data.device)
            for indices in (self.sorted_indices, self.unsorted_indices)
        ]
        return type(self)(data, self.batch_sizes, *moved)

    def cuda(self, device: Any = None) -> PackedSequence:
        """On a GPU."""
        return self.to("cuda" if device is None else device)

    def cpu(self) -> PackedSequence:
        """In main memory."""
        return self.to("cpu")

    def double(self) -> PackedSequence:
        """With float64 data."""
        return self.to(dtype=float64)

    def float(self) -> PackedSequence:
        """With float32 data."""
        return self.to(dtype=float32)

    def half(self) -> PackedSequence:
        """With float16 data."""
        return self.to(dtype=float16)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return self.data.device.type == "cuda"


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one.

    >>> import flambeau
    >>> invert_permutation(flambeau.tensor([1, 2, 0]))
    tensor([2, 0, 1])
    """
    return None if permutation is None else argsort(permutation)


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | list[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Pack a padded batch (L, N, *) of sequences of these lengths.

    Args:
        input: the batch, (N, L, *) with `batch_first`.
        lengths: the length of each sequence, at least 1.
        batch_first: whether the batch is the first dimension.
        enforce_sorted: refuse lengths that do not fall; else sort and remember the order.

    >>> import flambeau
    >>> packed = pack_padded_sequence(flambeau.tensor([[1, 3], [2, 0]]), [2, 1])
    >>> packed.data, packed.batch_sizes
    (tensor([1, 3, 2]), tensor([2, 1]))
    """
    counts = as_tensor(lengths).to(int64)
    batch_dim = 0 if batch_first else 1
    order = None
    if not enforce_sorted:
        counts, order = sort(counts, descending=True)
        input = input.index_select(batch_dim, order)
    sizes = counts.tolist()
    _check_lengths(sizes, input.size(batch_dim), input.size(1 - batch_dim))
    steps = input.transpose(0, 1) if batch_first else input
    batch_sizes = [sum(size > step for size in sizes) for step in range(sizes[0])]
    data = cat([steps[step, :count] for step, count in enumerate(batch_sizes)])
    return PackedSequence(data, tensor(batch_sizes, dtype=int64), order, None)


def _check_lengths(sizes: list[int], batch: int, longest: int) -> None:
    if len(sizes) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} "
            f"(batch_size={batch})"
        )
    if any(size <= 0 for size in sizes):
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if any(a < b for a, b in pairwise(sizes)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. "
            "You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )
    if sizes[0] > longest:
        raise RuntimeError(
            f"Expected all lengths to be at most the size of the time dimension ({longest}), "
            f"but got {sizes[0]}"
        )


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The padded batch and the lengths of a packed sequence: `pack_padded_sequence` undone.

    >>> import flambeau
    >>> packed = pack_sequence([flambeau.tensor([1, 2]), flambeau.tensor([3])])
    >>> pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2],
            [3, 0]]), tensor([2, 1]))
    """
    counts = sequence.batch_sizes.tolist()
    steps = len(counts)
    if total_length is not None and total_length < steps:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, "
            f"but got total_length={total_length} and max sequence length being {steps}"
        )
    lengths = tensor([sum(count > i for count in counts) for i in range(counts[0])], dtype=int64)
    rows = []
    for part in sequence.data.split(counts):
        missing = counts[0] - len(part)
        rows.append(_filled(part, missing, padding_value))
    for _ in range((total_length or steps) - steps):
        rows.append(_filled(sequence.data[:0], counts[0], padding_value))
    padded = stack(rows, 1 if batch_first else 0)
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(0 if batch_first else 1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices.cpu()]
    return padded, lengths


def _filled(part: Tensor, missing: int, value: float) -> Tensor:
    """The rows of `part`, and behind them `missing` rows of one value."""
    if not missing:
        return part
    shape = (missing, *part.shape[1:])
    return cat([part, full(shape, value, dtype=part.dtype, device=part.device)])


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stack sequences (L_i, *) of different lengths, the shorter ones filled up with a value.

    >>> import flambeau
    >>> pad_sequence([flambeau.tensor([1, 2]), flambeau.tensor([3])], batch_first=True)
    tensor([[1, 2],
            [3, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    sequences = tuple(sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, got {padding_side}")
    longest = max(sequence.size(0) for sequence in sequences)
    padded = []
    for sequence in sequences:
        missing = longest - sequence.size(0)
        if padding_side == "right" or not missing:
            padded.append(_filled(sequence, missing, padding_value))
        else:
            padded.append(cat([_filled(sequence[:0], missing, padding_value), sequence]))
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of a padded batch, each cut to its length: `pad_sequence` undone."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [
        sequence[:length]
        for sequence, length in zip(padded_sequences, as_tensor(lengths).tolist(), strict=True)
    ]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (L_i, *).

    >>> import flambeau
    >>> pack_sequence([flambeau.tensor([1, 2]), flambeau.tensor([3])]).data
    tensor([1, 3, 2])
    """
    lengths = [sequence.size(0) for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The list of sequences of a packed sequence: `pack_sequence` undone."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
