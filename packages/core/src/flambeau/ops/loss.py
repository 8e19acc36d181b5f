"""Losses: how far predictions are from targets, per element, averaged or summed."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from .._base import dtypes
from .._base.checks import check
from ..runtime import state
from ..runtime.families import composite
from ..runtime.numbers import ends
from ..runtime.tensor import Tensor
from .activation import logsigmoid, relu
from .arranging import triu_indices
from .comparison import where
from .creation import ones_like, zeros_like
from .gathering import index_select, scatter_src
from .joining import broadcast_tensors
from .matrices import SCALARS, scalar_name
from .pointwise import xlogy
from .softmax import log_softmax


def reduce(loss: Tensor, reduction: str) -> Tensor:
    """The loss as asked for: each element, their mean or their sum."""
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    _check_reduction(reduction)
    return loss


def _check_reduction(reduction: str) -> None:
    check(
        reduction in ("none", "mean", "sum"),
        lambda: f"{reduction} is not a valid value for reduction",
        ValueError,
    )


def _weighted(loss: Tensor, weight: Tensor | None) -> Tensor:
    return loss if weight is None else loss * weight


def _values_known(x: Tensor) -> bool:
    """Whether a check may look at the numbers: not while a program is traced, nor at one element of a batch."""
    return not x._level and not state.local.modes


@composite(method=False, opmath=True)
def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None):
    """Squared difference.

    >>> import flambeau
    >>> flambeau.ops.loss.mse_loss(flambeau.tensor([1.0, 2.0]), flambeau.tensor([1.0, 4.0]))
    tensor(2.)
    """
    if weight is None or reduction != "mean":
        return reduce(_weighted((input - target).square(), weight), reduction)
    return ((input - target).square() * weight).sum() / weight.expand(input.shape).sum()


@composite(method=False, opmath=True)
def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None):
    """Absolute difference.

    >>> import flambeau
    >>> flambeau.ops.loss.l1_loss(flambeau.tensor([1.0, 2.0]), flambeau.tensor([1.0, 4.0]))
    tensor(1.)
    """
    if weight is None or reduction != "mean":
        return reduce(_weighted((input - target).abs(), weight), reduction)
    return ((input - target).abs() * weight).sum() / weight.expand(input.shape).sum()


@composite(method=False, opmath=True)
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
):
    """Half the square for differences below delta, delta * (|d| - delta / 2) above.

    >>> import flambeau
    >>> flambeau.ops.loss.huber_loss(flambeau.tensor([1.0, 2.0]), flambeau.tensor([1.0, 4.0]))
    tensor(0.7500)
    """
    check(delta > 0, lambda: "huber_loss does not support non-positive values for delta.")
    distance = (input - target).abs()
    loss = where(distance <= delta, distance.square() * 0.5, (distance - 0.5 * delta) * delta)
    if weight is None or reduction != "mean":
        return reduce(_weighted(loss, weight), reduction)
    return (loss * weight).sum() / weight.expand(input.shape).sum()


@composite(method=False, opmath=True)
def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0):
    """d² / (2 beta) for differences below beta, |d| - beta / 2 above.

    >>> import flambeau
    >>> flambeau.ops.loss.smooth_l1_loss(flambeau.tensor([1.0, 2.0]), flambeau.tensor([1.0, 4.0]))
    tensor(0.7500)
    """
    check(beta >= 0, lambda: "smooth_l1_loss does not support negative values for beta.")
    distance = (input - target).abs()
    if beta == 0:
        return reduce(distance, reduction)
    loss = where(distance < beta, distance.square() * (0.5 / beta), distance - 0.5 * beta)
    return reduce(loss, reduction)


# -- classes -----------------------------------------------------------------------------------------


@composite(method=False, opmath=True)
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
):
    """Minus the log-probability of the true class: input (N, C, *), target (N, *) of class indices.

    Targets equal to `ignore_index` do not count, also not in the mean.

    >>> import flambeau
    >>> flambeau.ops.loss.nll_loss(flambeau.tensor([[-1.0, -2.0]]), flambeau.tensor([1]))
    tensor(2.)
    """
    _check_classes("nll_loss", input, target, weight)
    dim = 1 if input.ndim > 1 else 0
    target = target.long()
    ignored = target == ignore_index
    safe = where(ignored, zeros_like(target), target)
    try:
        picked = input.gather(dim, safe.unsqueeze(dim)).squeeze(dim)
    except IndexError as error:
        _explain_target(safe, input.shape[dim], error)
    if weight is None:
        counted = where(ignored, zeros_like(picked), ones_like(picked))
    else:
        counted = where(ignored, zeros_like(picked), weight[safe])
    loss = -picked * counted
    # What is ignored must not turn into nan by way of 0 * inf.
    loss = where(ignored, zeros_like(loss), loss)
    if reduction == "mean":
        return loss.sum() / counted.sum()
    return reduce(loss, reduction)


@nll_loss.small
def _(xp, x, target, weight, *, ignore_index, reduction):
    if x.ndim != 2 or x.dtype.char not in "fd" or not x.size:
        return NotImplemented
    if weight is not None and (weight.shape != x.shape[1:] or weight.dtype is not x.dtype):
        return NotImplemented
    if target.shape != x.shape[:1] or target.dtype.char not in "lq":
        return NotImplemented
    if not x.flags.c_contiguous:
        return NotImplemented
    low, high = ends(target)
    if (
        low < 0
        or high >= x.shape[1]
        or type(ignore_index) is not int
        or low <= ignore_index <= high
    ):
        return NotImplemented
    picked, count = x.take(target + _rows_of(xp, *x.shape)), len(target)
    if weight is not None:
        counted = weight.take(target)
        picked, count = picked * counted, xp.add.reduce(counted) if reduction == "mean" else 0
    if reduction == "none":
        return -picked
    total = -xp.add.reduce(picked)
    if reduction == "mean":
        return total / count
    return total if reduction == "sum" else NotImplemented


@lru_cache(64)
def _rows_of(xp: Any, rows: int, columns: int) -> Any:
    """Where the rows of a matrix begin, counted flat."""
    return xp.arange(0, rows * columns, columns)


@nll_loss.small_vjp
def _(g, _out, x, target, weight, *, reduction):
    rows, _ = x.shape
    if weight is None:
        share = -(g / rows) if reduction == "mean" else -g
    else:
        counted = weight[target]
        share = -g * counted / (counted.sum() if reduction == "mean" else 1)
    spread = share.unsqueeze(1) if share.ndim else share.expand(rows, 1)
    given = g.new_zeros(x.shape).scatter(1, target.unsqueeze(1), spread)
    return given, None, lambda: _of_weights(g, x, target, weight, reduction)


def _of_weights(g: Tensor, x: Tensor, target: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """The gradient of `nll_loss` of rows by the weights of its classes."""
    loss = -x.gather(1, target.unsqueeze(1)).squeeze(1)
    if reduction == "mean":
        counted = weight[target]
        total = counted.sum()
        loss = (loss - (loss * counted).sum() / total) / total
    return g.new_zeros(weight.shape).index_add(0, target, loss * g)


def _explain_target(target: Tensor, classes: int, error: Exception) -> None:
    """The error of an index that names no class."""
    for value in (int(target.min()), int(target.max())):
        if not 0 <= value < classes:
            raise IndexError(f"Target {value} is out of bounds.") from error
    raise error


def _check_classes(name: str, input: Tensor, target: Tensor, weight: Any) -> None:
    check(
        target.dtype in (dtypes.int64, dtypes.uint8),
        lambda: (
            f"{name}: expected target dtype to be Long or Byte, but got {target.dtype}: "
            "a target is class indices"
        ),
    )
    if input.ndim == 1:
        fits = target.ndim == 0
    else:
        fits = input.ndim >= 1 and tuple(target.shape) == (input.shape[0], *input.shape[2:])
    if not fits and input.ndim >= 2 and target.ndim >= 1 and input.shape[0] != target.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size "
            f"({target.shape[0]})."
        )
    check(
        fits,
        lambda: (
            f"{name}: expected a target of shape (N, *) for input (N, C, *), but got input of size "
            f"{list(input.shape)} and target of size {list(target.shape)}"
        ),
    )
    classes = input.shape[1 if input.ndim > 1 else 0]
    check(
        weight is None or tuple(weight.shape) == (classes,),
        lambda: (
            f"weight tensor should be defined either for all {classes} classes or no classes but "
            f"got weight tensor of shape: {list(weight.shape)}"
        ),
    )


@composite(method=False, opmath=True)
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
):
    """Cross-entropy of scores (N, C, *) with class indices (N, *) or probabilities (N, C, *).

    >>> import flambeau
    >>> flambeau.ops.loss.cross_entropy(flambeau.zeros(3, 2), flambeau.tensor([0, 1, 1]))
    tensor(0.6931)
    """
    check(
        0 <= label_smoothing <= 1,
        lambda: f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}",
    )
    dim = 1 if input.ndim > 1 else 0
    logs = log_softmax(input, dim)
    if target.dtype.is_floating_point:
        check(
            tuple(target.shape) == tuple(input.shape),
            lambda: (
                f"cross_entropy: expected floating point target to have the shape of the input "
                f"{list(input.shape)} (class probabilities), but got {list(target.shape)}"
            ),
        )
        return _with_probabilities(logs, target, weight, reduction, label_smoothing, dim)
    if label_smoothing == 0:
        return nll_loss(logs, target, weight, ignore_index, reduction)
    return _smoothed(logs, target, weight, ignore_index, reduction, label_smoothing, dim)


def _with_probabilities(logs, target, weight, reduction, smoothing, dim) -> Tensor:
    classes = logs.shape[dim]
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / classes
    loss = -(logs * _per_class(target, weight, dim)).sum(dim)
    if reduction == "mean":
        return loss.sum() / max(loss.numel(), 1)
    return reduce(loss, reduction)


def _per_class(values: Tensor, weight: Tensor | None, dim: int) -> Tensor:
    if weight is None:
        return values
    return values * weight.reshape(-1, *[1] * (values.ndim - dim - 1))


def _smoothed(logs, target, weight, ignore_index, reduction, smoothing, dim) -> Tensor:
    """Most of the target on the true class, the rest evenly on all."""
    true = nll_loss(logs, target, weight, ignore_index, "none")
    ignored = target == ignore_index
    even = -_per_class(logs, weight, dim).sum(dim)
    even = where(ignored, zeros_like(even), even)
    part = smoothing / logs.shape[dim]
    if reduction != "mean":
        return reduce(true, reduction) * (1 - smoothing) + reduce(even, reduction) * part
    if weight is None:
        total = (~ignored).sum()
    else:
        safe = where(ignored, zeros_like(target), target)
        total = where(ignored, zeros_like(even), weight[safe]).sum()
    return (true.sum() * (1 - smoothing) + even.sum() * part) / total


@composite(method=False, opmath=True)
def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", *, log_target: bool = False):
    """target * (log target - input), where `input` and maybe `target` are logarithms.

    'batchmean' divides the sum by the first size.

    >>> import flambeau
    >>> flambeau.ops.loss.kl_div(flambeau.zeros(2), flambeau.ones(2))
    tensor(0.)
    """
    if log_target:
        loss = target.exp() * (target - input)
    else:
        loss = xlogy(target, target) - target * input
    if reduction == "batchmean":
        return loss.sum() / input.shape[0] if input.ndim else loss
    return reduce(loss, reduction)


# -- yes or no ---------------------------------------------------------------------------------------


@composite(method=False, opmath=True)
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
):
    """-(y log p + (1 - y) log(1 - p)); logarithms are not taken below -100.

    >>> import flambeau
    >>> flambeau.ops.loss.binary_cross_entropy(flambeau.tensor([0.5]), flambeau.tensor([1.0]))
    tensor(0.6931)
    """
    check(
        tuple(input.shape) == tuple(target.shape),
        lambda: (
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}) is deprecated. Please ensure they have the same size."
        ),
        ValueError,
    )
    if input.numel() and _values_known(input):
        inside = ((input >= 0) & (input <= 1)).all()
        check(inside, lambda: "all elements of input should be between 0 and 1")
    loss = -(target * input.log().clamp(min=-100) + (1 - target) * (-input).log1p().clamp(min=-100))
    return reduce(_weighted(loss, weight), reduction)


@composite(method=False, opmath=True)
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
):
    """Binary cross-entropy of sigmoid(input), without overflow.

    >>> import flambeau
    >>> x, y = flambeau.tensor([0.0]), flambeau.tensor([1.0])
    >>> flambeau.ops.loss.binary_cross_entropy_with_logits(x, y)
    tensor(0.6931)
    """
    check(
        tuple(input.shape) == tuple(target.shape),
        lambda: f"Target size ({target.shape}) must be the same as input size ({input.shape})",
        ValueError,
    )
    log_yes = logsigmoid(input)
    if pos_weight is not None:
        loss = (1 - target) * input - ((pos_weight - 1) * target + 1) * log_yes
    else:
        loss = (1 - target) * input - log_yes
    return reduce(_weighted(loss, weight), reduction)


@composite(method=False, opmath=True)
def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean"):
    """log(1 + exp(-y x)) for targets 1 and -1.

    >>> import flambeau
    >>> flambeau.ops.loss.soft_margin_loss(flambeau.zeros(1), flambeau.ones(1))
    tensor(0.6931)
    """
    return reduce(-logsigmoid(input * target), reduction)


@composite(method=False, opmath=True)
def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
):
    """Binary cross-entropy of each class with its logit, averaged over the last dimension.

    >>> import flambeau
    >>> flambeau.ops.loss.multilabel_soft_margin_loss(flambeau.zeros(1, 2), flambeau.ones(1, 2))
    tensor(0.6931)
    """
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    return reduce(_weighted(loss, weight).mean(-1), reduction)


# -- counts and measurements -------------------------------------------------------------------------


@composite(method=False, opmath=True)
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
):
    """Minus the log-likelihood of counts; `full` adds Stirling's approximation of log(target!).

    >>> import flambeau
    >>> flambeau.ops.loss.poisson_nll_loss(flambeau.zeros(2), flambeau.ones(2))
    tensor(1.)
    """
    if log_input:
        loss = input.exp() - target * input
    else:
        loss = input - target * (input + eps).log()
    if full:
        safe = where(target > 1, target, ones_like(target))
        stirling = safe * safe.log() - safe + (safe * (2 * math.pi)).log() * 0.5
        loss = loss + where(target > 1, stirling, zeros_like(stirling))
    return reduce(loss, reduction)


def _variances(input: Tensor, var: Any) -> Tensor:
    """`var` in a shape that fits the input's."""
    if not isinstance(var, Tensor):
        check(var >= 0, lambda: "var has negative entry/entries", ValueError)
        return ones_like(input) * var
    if tuple(var.shape) == tuple(input.shape):
        return var
    if tuple(var.shape) == tuple(input.shape[:-1]):
        return var.unsqueeze(-1)
    if var.ndim == input.ndim and sum(b for a, b in zip(input.shape, var.shape) if a != b) == 1:
        return var  # of one variance for all of one dimension
    raise ValueError("var is of incorrect size")


@composite(method=False, opmath=True, truths=("full",))
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
):
    """Minus the log-likelihood under normal distributions of variance `var`, at least `eps`.

    >>> import flambeau
    >>> flambeau.ops.loss.gaussian_nll_loss(flambeau.zeros(2), flambeau.ones(2), flambeau.ones(2))
    tensor(0.5000)
    """
    var = _variances(input, var)
    check(
        var.dtype.category >= dtypes.FLOAT,
        lambda: f"result type Float can't be cast to the desired output type {scalar_name(var)}",
    )
    if _values_known(var):
        check(not (var < 0).any(), lambda: "var has negative entry/entries", ValueError)
    # The bound does not stop the gradient: PyTorch clamps under no_grad.
    safe = var + (var.detach().clamp(min=eps) - var.detach())
    loss = (safe.log() + (input - target).square() / safe) * 0.5
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduce(loss, reduction)


# -- margins -----------------------------------------------------------------------------------------


@composite(method=False, opmath=True)
def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
):
    """x where the target is 1, max(0, margin - x) where it is -1.

    >>> import flambeau
    >>> x, y = flambeau.tensor([0.5, 0.5]), flambeau.tensor([1.0, -1.0])
    >>> flambeau.ops.loss.hinge_embedding_loss(x, y)
    tensor(0.5000)
    """
    zero = zeros_like(input)
    loss = where(target == -1, zero, input) + where(target == 1, zero, relu(margin - input))
    return reduce(loss, reduction)


@composite(method=False, opmath=True)
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
):
    """max(0, -y (x1 - x2) + margin).

    >>> import flambeau
    >>> a, b = flambeau.tensor([1.0]), flambeau.tensor([3.0])
    >>> flambeau.ops.loss.margin_ranking_loss(a, b, flambeau.tensor([1.0]))
    tensor(2.)
    """
    check(
        input1.ndim == input2.ndim == target.ndim,
        lambda: (
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        ),
    )
    return reduce(relu(-target * (input1 - input2) + margin), reduction)


@composite(method=False, opmath=True)
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
):
    """1 - cos for targets 1, max(0, cos - margin) for targets -1, over the last dimension.

    >>> import flambeau
    >>> x = flambeau.eye(2)
    >>> flambeau.ops.loss.cosine_embedding_loss(x, x, flambeau.tensor([1, -1]))
    tensor(0.5000)
    """
    dim = target.ndim
    tiny = 1e-12
    product = (input1 * input2).sum(dim)
    norms = (input1.square().sum(dim) + tiny) * (input2.square().sum(dim) + tiny)
    cos = product / norms.sqrt()
    zero = zeros_like(cos)
    loss = where(target == 1, 1 - cos, zero) + where(target == -1, relu(cos - margin), zero)
    return reduce(loss, reduction)


@composite(method=False, opmath=True)
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
):
    """max(0, margin - x_true + x_other) to the power p, averaged over the classes.

    >>> import flambeau
    >>> flambeau.ops.loss.multi_margin_loss(flambeau.tensor([[0.0, 0.5]]), flambeau.tensor([1]))
    tensor(0.2500)
    """
    check(p in (1, 2), lambda: "only p == 1 and p == 2 supported", ValueError)
    _check_reduction(reduction)
    check(
        weight is None or weight.ndim == 1,
        lambda: "multi_margin_loss: weight must be one-dimensional",
        ValueError,
    )
    single = input.ndim < 2
    if single:
        input, target = input.reshape(1, -1), target.reshape(1)
    column = target.unsqueeze(1)
    gaps = relu(margin - input.gather(1, column) + input)
    loss = gaps if p == 1 else gaps * gaps
    if weight is not None:
        loss = loss * weight[target].unsqueeze(1)
    others = scatter_src(ones_like(loss), 1, column, zeros_like(loss[:, :1]))
    loss = (loss * others).sum(1) / input.shape[1]
    if single:
        loss = loss.squeeze(0)
    return reduce(loss, reduction)


@composite(method=False, opmath=True)
def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean"):
    """max(0, 1 - (x_true - x_other)) for every true and every other class, over their number.

    The true classes of a sample are listed in `target` up to the first -1.

    >>> import flambeau
    >>> x, y = flambeau.tensor([[0.1, 0.2]]), flambeau.tensor([[1, -1]])
    >>> flambeau.ops.loss.multilabel_margin_loss(x, y)
    tensor(0.4500)
    """
    _check_reduction(reduction)
    check(
        input.ndim < 3 and (input.numel() > 0 or (input.ndim == 2 and input.shape[1] > 0)),
        lambda: (
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        ),
    )
    check(
        tuple(target.shape) == tuple(input.shape) or (input.ndim == 0 and target.numel() == 1),
        lambda: (
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        ),
    )
    single = input.ndim < 2
    if single:
        input, target = input.reshape(1, -1), target.reshape(1, -1)
    listed = (target < 0).cumsum(1) == 0
    safe = where(listed, target, zeros_like(target))
    zero = zeros_like(input.detach())
    is_true = zero.scatter_add(1, safe, where(listed, zero + 1, zero)) > 0
    gaps = relu(1 - input.gather(1, safe).unsqueeze(2) + input.unsqueeze(1))
    counts = listed.unsqueeze(2) & ~is_true.unsqueeze(1)
    loss = where(counts, gaps, zeros_like(gaps)).sum((1, 2)) / input.shape[1]
    if single:
        loss = loss.squeeze(0)
    return reduce(loss, reduction)


@composite(method=False, opmath=True)
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
):
    """The p-norm of x1 - x2 + eps along the last dimension.

    >>> import flambeau
    >>> flambeau.ops.loss.pairwise_distance(flambeau.zeros(2), flambeau.tensor([3.0, 4.0]))
    tensor(5.0000)
    """
    for given in (p, eps):
        check(isinstance(given, (int, float)), lambda: "p and eps are numbers", TypeError)
    check(isinstance(x2, Tensor), lambda: "x2 is a tensor", TypeError)
    return (x1 - x2 + eps).norm(p, -1, keepdim)


@composite(method=False, opmath=True)
def pdist(input: Tensor, p: float = 2.0):
    """The p-norm distances between all pairs of rows of (N, M): N (N - 1) / 2 of them, the first row's first.

    >>> import flambeau
    >>> flambeau.pdist(flambeau.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    check(
        input.ndim == 2,
        lambda: f"pdist only supports 2D tensors, got: {input.ndim}D",
    )
    check(
        input.dtype.is_floating_point,
        lambda: f"pdist only supports floating-point dtypes, but got {input.dtype}",
    )
    check(p >= 0, lambda: f"pdist only supports non-negative p values, got {p}")
    n = input.shape[0]
    first, second = triu_indices(n, n, 1, device=input.device)
    away = index_select(input, 0, first) - index_select(input, 0, second)
    if p == 0:  # a count: flat, which is a gradient of zeros and not none
        return (away != 0).to(input.dtype).sum(-1) + where(away < -math.inf, away, 0.0).sum(-1)
    return away.norm(p, -1)


@composite(method=False, opmath=True, ints=("dim",))
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8):
    """The cosine of the angle between x1 and x2 along a dimension; norms count as at least eps.

    >>> import flambeau
    >>> flambeau.ops.loss.cosine_similarity(flambeau.eye(2), flambeau.eye(2))
    tensor([1., 1.])
    """
    kind = dtypes.promote_types(x1.dtype, x2.dtype)
    check(
        kind.is_floating_point,
        lambda: (
            f"expected common dtype to be floating point, yet common dtype is {SCALARS.get(kind.name, kind.name)}"
        ),
    )
    x1, x2 = broadcast_tensors(x1.to(kind), x2.to(kind))
    a = x1 / x1.norm(2, dim, True).clamp(min=eps)
    b = x2 / x2.norm(2, dim, True).clamp(min=eps)
    return (a * b).sum(dim)


@composite(method=False, opmath=True)
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) with the p-norm as distance.

    >>> import flambeau
    >>> a = flambeau.zeros(1, 2)
    >>> flambeau.ops.loss.triplet_margin_loss(a, a, a).shape
    flambeau.Size([])
    """
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        other = pairwise_distance(positive, negative, p, eps)
        far = where(far < other, far, other)
    return reduce(relu(near - far + margin), reduction)
