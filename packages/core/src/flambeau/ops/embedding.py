"""Looking vectors up in a table: one for each index, or one for each bag of indices."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .._base.checks import check
from .._base.dtypes import int32, int64
from ..runtime import state
from ..runtime.dispatch import assign, ndarray
from ..runtime.families import composite
from ..runtime.numbers import ends
from ..runtime.tape import record
from ..runtime.tensor import Tensor, history, wrap
from .comparison import where
from .creation import arange, ones_like, tensor, zeros, zeros_like
from .gathering import index_select
from .indexing import index, pick
from .joining import cat
from .loss import _values_known


@composite(method=False)
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
):
    """The rows of `weight` (V, D) that the integers of `input` (*) name: (*, D).

    The row of `padding_idx` gets no gradient. With `max_norm` the rows named are first shortened, in
    place. With `sparse` the gradient of `weight` is a sparse tensor of the rows named.

    >>> import flambeau
    >>> flambeau.ops.embedding.embedding(flambeau.tensor([1, 0]), flambeau.eye(2))
    tensor([[0., 1.],
            [1., 0.]])
    """
    plain = padding_idx is None and max_norm is None and not (scale_grad_by_freq or sparse)
    if plain and (found := _few(weight, input)) is not None:
        return found
    check(
        not input.dtype.is_floating_point,
        lambda: (
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got {input.dtype} instead (while checking arguments for embedding)"
        ),
    )
    check(weight.ndim == 2, lambda: f"'weight' must be 2-D, but got {list(weight.shape)}")
    padding_idx = _row_number(padding_idx, weight.shape[0])
    if plain and input.ndim and input.dtype in (int64, int32) and weight.numel():
        return pick([weight, input], (0,), False)
    flat = input.reshape(-1)
    if max_norm is not None:
        _renormalise(weight, flat, max_norm, norm_type)
    if sparse and not weight._level:
        rows = _sparse_rows(weight, flat, padding_idx, scale_grad_by_freq)
        return rows.reshape(*input.shape, weight.shape[1])
    rows = index_select(weight, 0, flat)
    if padding_idx is not None:
        rows = where((flat == padding_idx).unsqueeze(1), rows.detach(), rows)
    if scale_grad_by_freq:
        rows = _scaled_gradient(rows, flat, weight.shape[0])
    return rows.reshape(*input.shape, weight.shape[1])


FEW = 32  # indices that Python looks at as quickly as NumPy


def _few(weight: Tensor, input: Tensor) -> Tensor | None:
    """The rows of a few indices, looked at here; None where there are many, or something is unusual or wrong."""
    array, rows = getattr(input, "_array", None), getattr(weight, "_array", None)
    if type(array) is not ndarray or type(rows) is not ndarray or state.active:
        return None
    if not 0 < array.size <= FEW or array.dtype.char not in "lqi" or not array.ndim:
        return None
    if rows.ndim != 2 or rows.dtype.char not in "fd" or rows.shape[1] > 1 << 9:
        return None
    low, high = ends(array)
    if low < 0 or high >= rows.shape[0]:
        return None
    made = wrap(rows.take(array, 0))
    if state.local.grad and history(weight) is not None:
        return record(index.op, made, (weight, input), {"positions": (0,), "from_end": False})
    return made


def _sparse_rows(weight: Tensor, flat: Tensor, padding_idx: int | None, scaled: bool) -> Tensor:
    """The rows, recorded so that the gradient of `weight` is sparse; by `flambeau.sparse`, a layer above."""
    module = import_module(f"{__package__.rpartition('.')[0]}.sparse.lookup")
    return module.rows_of(weight, flat.to(int64), padding_idx, scaled)


def _row_number(padding_idx: int | None, count: int) -> int | None:
    if padding_idx is None:
        return None
    check(
        -count <= padding_idx < count,
        lambda: "Padding_idx must be within num_embeddings",
        AssertionError,
    )
    return padding_idx % count


def _scaled_gradient(rows: Tensor, flat: Tensor, count: int) -> Tensor:
    """The same rows, whose gradients are divided by how often each row is named."""
    counts = zeros(count, dtype=rows.dtype, device=rows.device)
    counts = counts.scatter_add(0, flat, ones_like(flat).to(rows.dtype))
    part = 1 / index_select(counts, 0, flat).unsqueeze(1)
    fixed = rows.detach()
    return fixed + (rows - fixed) * part


def _renormalise(weight: Tensor, flat: Tensor, max_norm: float, norm_type: float) -> None:
    """Shortens the rows named that are longer than `max_norm`, in place and unseen by autograd."""
    table = weight.detach()
    norms = table.norm(norm_type, 1, True)
    named = zeros(table.shape[0], dtype=table.dtype, device=table.device)
    named = named.scatter_add(0, flat, ones_like(flat).to(table.dtype)).unsqueeze(1) > 0
    factor = where(named & (norms > max_norm), max_norm / (norms + 1e-7), ones_like(norms))
    assign(table, table * factor)


@composite(method=False, opmath=True)
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
):
    """Sum, mean or maximum of the rows of each bag: the rows of a 2-d input, or runs of a 1-d one.

    >>> import flambeau
    >>> indices, starts = flambeau.tensor([0, 1, 1]), flambeau.tensor([0, 1])
    >>> flambeau.ops.embedding.embedding_bag(indices, flambeau.eye(2), starts, mode="sum")
    tensor([[1., 0.],
            [0., 2.]])
    """
    check(
        mode in ("sum", "mean", "max"),
        lambda: f"mode has to be one of sum, mean or max, but got {mode!r}",
        ValueError,
    )
    check(
        per_sample_weights is None or mode == "sum",
        lambda: (
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}')."
        ),
        NotImplementedError,
    )
    known = offsets is None or input.ndim != 1 or _values_known(offsets)
    unread = None if known else offsets
    starts = [] if unread is not None else _starts(input, offsets, include_last_offset)
    padding_idx = _row_number(padding_idx, weight.shape[0])
    if input.ndim == 2 and input.shape[1] and padding_idx is None:
        rows = embedding(input, weight, None, max_norm, norm_type, scale_grad_by_freq, sparse)
        return _equal_bags(rows, per_sample_weights, mode)
    flat = input.reshape(-1)
    rows = embedding(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    kept = None if padding_idx is None else (flat != padding_idx)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    if unread is not None:
        return _unread_bags(rows, kept, unread[:-1] if include_last_offset else unread, mode)
    bags = list(zip(starts, [*starts[1:], flat.shape[0]]))
    if mode == "max":
        return cat([_largest(rows[a:b], None if kept is None else kept[a:b]) for a, b in bags])
    return _totals(rows, kept, bags, mode)


def _equal_bags(rows: Tensor, per_sample_weights: Tensor | None, mode: str) -> Tensor:
    """Bags (N, L, D) of as many rows each."""
    if mode == "max":
        return rows.max(1)[0]
    if mode == "mean":
        return rows.mean(1)
    return (rows if per_sample_weights is None else rows * per_sample_weights.unsqueeze(-1)).sum(1)


def _starts(input: Tensor, offsets: Any, include_last_offset: bool) -> list[int]:
    if input.ndim == 2:
        check(
            offsets is None,
            lambda: (
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                "of fixed length sequences."
            ),
            ValueError,
        )
        return [i * input.shape[1] for i in range(input.shape[0])]
    check(
        input.ndim == 1,
        lambda: f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}",
        ValueError,
    )
    check(offsets is not None, lambda: "offsets has to be a 1D Tensor but got None", ValueError)
    check(offsets.ndim == 1, lambda: "offsets has to be a 1D Tensor", ValueError)
    starts = offsets.tolist()
    check(
        not starts or starts[0] == 0,
        lambda: (
            f"offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {starts[0]}"
        ),
    )
    check(
        not starts or starts[-1] <= input.shape[0],
        lambda: (
            f"offsets[-1] can not be greater than input's length {input.shape[0]} but got offsets[-1] of {starts[-1]}"
        ),
    )
    check(
        starts == sorted(starts),
        lambda: f"offsets must be in ascending order, but got {starts}",
    )
    return starts[:-1] if include_last_offset else starts


def _unread_bags(rows: Tensor, kept: Tensor | None, starts: Tensor, mode: str) -> Tensor:
    """Bags whose first rows `starts` names, which is not read: in a traced program it is another at each call."""
    places = arange(rows.shape[0], device=rows.device).unsqueeze(1)
    owner = (places >= starts).sum(1) - 1
    count, wide = starts.shape[0], owner.unsqueeze(1).expand(rows.shape)
    out = zeros(count, rows.shape[1], dtype=rows.dtype, device=rows.device)
    ones = ones_like(owner) if kept is None else kept.to(owner.dtype)
    if mode == "max":
        least = -float("inf")
        rows = rows if kept is None else where(kept.unsqueeze(1), rows, least)
        out = (out + least).scatter_reduce(0, wide, rows, "amax")
    else:
        rows = rows if kept is None else where(kept.unsqueeze(1), rows, zeros_like(rows))
        out = out.scatter_add(0, wide, rows)
    if mode == "sum":
        return out
    number = zeros(count, dtype=owner.dtype, device=rows.device).scatter_add(0, owner, ones)
    number = number.unsqueeze(1)
    return (
        where(number == 0, 0.0, out) if mode == "max" else out / number.clamp(min=1).to(out.dtype)
    )


def _totals(rows: Tensor, kept: Tensor | None, bags: list[tuple[int, int]], mode: str) -> Tensor:
    """Sums by adding every row to its bag."""
    if kept is not None:
        rows = where(kept.unsqueeze(1), rows, zeros_like(rows))
    owner = tensor([i for i, (a, b) in enumerate(bags) for _ in range(b - a)], device=rows.device)
    owner = owner.to(int64)
    out = zeros(len(bags), rows.shape[1], dtype=rows.dtype, device=rows.device)
    out = out.scatter_add(0, owner.unsqueeze(1).expand(rows.shape), rows)
    if mode == "sum":
        return out
    ones = zeros(rows.shape[0], dtype=rows.dtype, device=rows.device) + 1
    if kept is not None:
        ones = where(kept, ones, zeros_like(ones))
    counts = zeros(len(bags), dtype=rows.dtype, device=rows.device).scatter_add(0, owner, ones)
    return out / counts.clamp(min=1).unsqueeze(1)


def _largest(rows: Tensor, kept: Tensor | None) -> Tensor:
    """The largest value of each column of one bag; zeros for an empty bag."""
    if kept is not None:
        rows = rows[kept]
    if not rows.shape[0]:
        return zeros(1, rows.shape[1], dtype=rows.dtype, device=rows.device)
    return rows.max(0, True)[0]
