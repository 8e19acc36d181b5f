"""Functions of networks as PyTorch has them at the top: the orders of arguments there, and reductions as numbers.

`torch.batch_norm` takes the weight before the statistics, `torch.embedding` the table before the indices, and losses name
their reduction by 0 (none), 1 (mean) or 2 (sum).
"""

from __future__ import annotations

from typing import Any

from flambeau._base.checks import check
from flambeau._base.dtypes import int64
from flambeau.ops import activation as _activation
from flambeau.ops import ctc as _ctc
from flambeau.ops import dropout as _dropout
from flambeau.ops import embedding as _embedding
from flambeau.ops import loss as _loss
from flambeau.ops import normalization as _normalization
from flambeau.ops import pooling as _pooling
from flambeau.ops.creation import tensor, zeros
from flambeau.ops.joining import stack
from flambeau.runtime.dispatch import write_out
from flambeau.runtime.signature import explained
from flambeau.runtime.tensor import Tensor

_REDUCTIONS = ("none", "mean", "sum")


def _reduction(number: int) -> str:
    check(
        number in (0, 1, 2), lambda: f"reduction is 0 (none), 1 (mean) or 2 (sum), got {number!r}"
    )
    return _REDUCTIONS[number]


# -- normalisations ------------------------------------------------------------------------------------


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """`nn.functional.batch_norm` with the weight and bias first.

    >>> import flambeau
    >>> x = flambeau.tensor([[1.0], [3.0]])
    >>> flambeau.batch_norm(x, None, None, None, None, True, 0.1, 0.0, False)
    tensor([[-1.],
            [ 1.]])
    """
    return _normalization.batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )


def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """`nn.functional.instance_norm` with the weight and bias first."""
    return _normalization.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
    cudnn_enable: bool = True,
) -> Tensor:
    """`nn.functional.layer_norm`; `cudnn_enable` is accepted."""
    return _normalization.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
    cudnn_enabled: bool = True,
) -> Tensor:
    """`nn.functional.group_norm`; `cudnn_enabled` is accepted."""
    return _normalization.group_norm(input, num_groups, weight, bias, eps)


# -- pooling -------------------------------------------------------------------------------------------


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """Largest values of windows chosen so that the output has the size asked for, and their places."""
    return _pooling.adaptive_max_pool1d(input, output_size, True)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """Largest value of each window, and its place."""
    return _pooling.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


# -- activations and dropout ---------------------------------------------------------------------------


def threshold(input: Tensor, threshold: float, value: float, *, out: Any = None) -> Tensor:
    """x where it is above `threshold`, else `value`."""
    made = _activation.threshold(input, threshold, value)
    return made if out is None else write_out(_activation.threshold.op, out, made)


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`nn.functional.dropout`, told whether to train.

    >>> import flambeau
    >>> flambeau.dropout(flambeau.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    return _dropout.dropout(input, p, train)


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout of whole channels of (N, C, ...)."""
    return _dropout.feature_dropout(input, p, train)


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout that keeps mean and variance of SELU activations."""
    return _dropout.alpha_dropout(input, p, train)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`alpha_dropout` of whole channels."""
    return _dropout.feature_alpha_dropout(input, p, train)


# -- tables --------------------------------------------------------------------------------------------


@explained
def embedding(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` that `indices` name; the row of `padding_idx` (-1: none) gets no gradient.

    >>> import flambeau
    >>> flambeau.embedding(flambeau.eye(2), flambeau.tensor([1]))
    tensor([[0., 1.]])
    """
    row = None if padding_idx < 0 else padding_idx
    return _embedding.embedding(indices, weight, row, None, 2.0, scale_grad_by_freq, sparse)


_BAGS = ("sum", "mean", "max")


def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sum (0), mean (1) or maximum (2) of the rows of each bag, the bag of each index, the bags' sizes, and, of a
    maximum, the row that each value came from.

    >>> import flambeau
    >>> flambeau.embedding_bag(flambeau.eye(2), flambeau.tensor([0, 1]), flambeau.tensor([0]))[0]
    tensor([[1., 1.]])
    """
    check(mode in (0, 1, 2), lambda: f"embedding_bag: mode is 0, 1 or 2, got {mode!r}")
    kind = _BAGS[mode]
    out = _embedding.embedding_bag(
        indices, weight, offsets, None, 2.0, scale_grad_by_freq, kind, sparse,
        per_sample_weights, include_last_offset, padding_idx,
    )  # fmt: skip
    starts = offsets.tolist()
    ends = [*starts[1:], indices.numel()]
    if include_last_offset:
        starts, ends = starts[:-1], ends[:-1]
    owners = [i for i, (a, b) in enumerate(zip(starts, ends)) for _ in range(b - a)]
    sizes = [b - a for a, b in zip(starts, ends)]
    where: dict[str, Any] = {"dtype": int64, "device": weight.device}
    rows = zeros(len(starts), **where)
    if kind == "max":
        empty = zeros(weight.shape[1], **where)
        found = []
        for a, b in zip(starts, ends):
            bag = indices[a:b] if padding_idx is None else indices[a:b][indices[a:b] != padding_idx]
            found.append(bag[weight.detach()[bag].argmax(0)] if bag.numel() else empty)
        rows = stack(found) if found else zeros(0, weight.shape[1], **where)
    return out, tensor(owners, **where), tensor(sizes, **where), rows


# -- losses --------------------------------------------------------------------------------------------


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 1,
) -> Tensor:
    """Binary cross-entropy of sigmoid(input)."""
    return _loss.binary_cross_entropy_with_logits(
        input, target, weight, _reduction(reduction), pos_weight
    )


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """1 - cos for targets 1, max(0, cos - margin) for targets -1."""
    return _loss.cosine_embedding_loss(input1, input2, target, margin, _reduction(reduction))


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Tensor:
    """Connectionist temporal classification; see `ops.ctc`."""
    return _ctc.ctc_loss(
        log_probs,
        targets,
        input_lengths,
        target_lengths,
        blank,
        _reduction(reduction),
        zero_infinity,
    )


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 1
) -> Tensor:
    """x where the target is 1, max(0, margin - x) where it is -1."""
    return _loss.hinge_embedding_loss(input, target, margin, _reduction(reduction))


def kl_div(
    input: Tensor, target: Tensor, reduction: int = 1, *, log_target: bool = False
) -> Tensor:
    """Kullback-Leibler divergence of log-probabilities from target probabilities."""
    return _loss.kl_div(input, target, _reduction(reduction), log_target=log_target)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """max(0, -y (x1 - x2) + margin)."""
    return _loss.margin_ranking_loss(input1, input2, target, margin, _reduction(reduction))


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """Minus the log-likelihood of counts under Poisson distributions."""
    return _loss.poisson_nll_loss(input, target, log_input, full, eps, _reduction(reduction))


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-06,
    swap: bool = False,
    reduction: int = 1,
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin)."""
    return _loss.triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap, _reduction(reduction)
    )
