"""The cross-entropy of a linear layer, whole or without ever holding all its logits."""

from __future__ import annotations

import warnings
from math import prod
from typing import Any

from flambeau._base.checks import check
from flambeau._base.dtypes import int64
from flambeau.ops.comparison import where
from flambeau.ops.creation import zeros_like
from flambeau.ops.gathering import index_select
from flambeau.ops.joining import cat
from flambeau.ops.loss import cross_entropy
from flambeau.ops.matrix import linear
from flambeau.ops.precision import in_float32
from flambeau.runtime import state
from flambeau.runtime.tensor import Tensor


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy(linear(input, linear_weight, linear_bias), target)`: input (N, F) or (F), weight (C, *d, F).

    With `options` (`nn.LinearCrossEntropyOptions`) the logits are computed for a part of the batch at a time, and again
    in backward: memory for a chunk of logits instead of all of them.

    >>> import flambeau
    >>> linear_cross_entropy(flambeau.zeros(3, 4), flambeau.ones(2, 4), flambeau.tensor([0, 1, 1]))
    tensor(0.6931)
    """
    _check(input, linear_weight, linear_bias)
    classes, *out_features, _ = linear_weight.shape
    shape = (*input.shape[:-1], classes, *out_features)
    check(
        ignore_index is None or tuple(target.shape) != shape,
        lambda: "ignore_index cannot be specified when target contains probabilities",
    )
    ignored = -100 if ignore_index is None else ignore_index
    if options is not None:
        if _can_divide(target, reduction, label_smoothing, tuple(out_features)):
            return _divided(
                input, linear_weight, target, linear_bias, weight, reduction, ignored, options
            )
        warnings.warn(
            "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in "
            "{'mean','sum','none'}, label_smoothing == 0, target.dtype == int64, out_features == (). "
            f"Got reduction={reduction!r}, label_smoothing={label_smoothing}, "
            f"target.dtype={target.dtype}, out_features={tuple(out_features)}.",
            stacklevel=2,
        )

    def whole(input: Tensor, table: Tensor, bias: Any, goal: Tensor, scale: Any) -> Tensor:
        rows = prod(out_features, start=classes)
        logits = linear(
            input, table.reshape(rows, -1), None if bias is None else bias.reshape(rows)
        )
        return cross_entropy(
            logits.reshape(shape), goal, scale, ignored, reduction, label_smoothing
        )

    if state.local.promotion is not None:  # autocast, whose lists say what is in float32
        return whole(input, linear_weight, linear_bias, target, weight)
    return in_float32(whole, input, linear_weight, linear_bias, target, weight)


def _check(input: Tensor, weight: Tensor, bias: Any) -> None:
    check(
        input.ndim in (1, 2),
        lambda: f"expected input with dimensionality 1 or 2, got {input.ndim}",
    )
    check(
        weight.ndim >= 2,
        lambda: f"expected linear_weight with dimensionality at least 2, got {weight.ndim}",
    )
    check(
        input.shape[-1] == weight.shape[-1],
        lambda: (
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {weight.shape[-1]}, respectively"
        ),
    )
    check(
        bias is None or tuple(bias.shape) == tuple(weight.shape[:-1]),
        lambda: f"expected linear_bias shape {tuple(weight.shape[:-1])}, got {tuple(bias.shape)}",
    )
    check(
        weight.ndim == 2 or input.ndim == 2,
        lambda: (
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires batched "
            f"input, (N, {input.shape[-1]}), got unbatched input with shape {tuple(input.shape)}"
        ),
    )


def _can_divide(target: Tensor, reduction: str, smoothing: float, features: tuple) -> bool:
    known = reduction in ("mean", "sum", "none")
    return known and smoothing == 0 and target.dtype is int64 and not features


def _divided(
    input: Tensor,
    table: Tensor,
    target: Tensor,
    bias: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    ignored: int,
    options: Any,
) -> Tensor:
    from flambeau.utils.checkpoint import checkpoint

    single = input.ndim == 1
    x, goals = (input.unsqueeze(0), target.unsqueeze(0)) if single else (input, target)
    batch, features = x.shape
    check(
        tuple(goals.shape) == (batch,),
        lambda: (
            f"Expected input batch_size ({batch}) to match target batch_size ({goals.shape[0]})."
        ),
        ValueError,
    )
    kind = options.sum_dtype(x.dtype)

    def losses(x: Tensor, table: Tensor, bias: Any, goal: Tensor, scale: Any) -> Tensor:
        def wide(x: Tensor, table: Tensor, bias: Any, scale: Any) -> Tensor:
            logits = linear(x, table, bias)
            return cross_entropy(logits, goal, scale, ignored, "none").to(kind)

        return in_float32(wide, x, table, bias, scale)

    rows = options.rows(batch, features, table.shape[0])
    parts = [
        checkpoint(
            losses, x[i : i + rows], table, bias, goals[i : i + rows], weight, use_reentrant=False
        )
        for i in range(0, batch, rows)
    ]
    each = cat(parts) if parts else x.sum(1)
    if reduction == "none":
        return (each.squeeze(0) if single else each).to(input.dtype)
    total = each.to(kind).sum()
    if reduction == "mean":
        total = total / _count(goals, weight, ignored, kind)
    return total.to(input.dtype)


def _count(target: Tensor, weight: Tensor | None, ignored: int, kind: Any) -> Tensor:
    """What a mean divides by: the targets that count, or the sum of their classes' weights."""
    left_out = target == ignored
    if weight is None:
        return (~left_out).sum().to(kind)
    chosen = index_select(weight, 0, where(left_out, zeros_like(target), target))
    return where(left_out, zeros_like(chosen), chosen).to(kind).sum()
