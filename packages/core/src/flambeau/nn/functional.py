"""Functions of neural networks, with the names and arguments of `torch.nn.functional`.

What they compute is defined in `flambeau.ops`; here is only what PyTorch's spelling adds: `inplace=`,
the old `size_average=`, defaults that depend on the input.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from flambeau._base.checks import check
from flambeau.ops import activation as _activation
from flambeau.ops import dropout as _dropout
from flambeau.ops import embedding as _embedding
from flambeau.ops import loss as _loss
from flambeau.ops import softmax as _softmax
from flambeau.ops.attention import canonical_mask as _canonical_mask  # noqa: F401 -- for modules
from flambeau.ops.attention import multi_head_attention_forward, scaled_dot_product_attention
from flambeau.ops.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from flambeau.ops.creation import one_hot, zeros_like
from flambeau.ops.interpolate import (
    channel_shuffle,
    interpolate,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
)
from flambeau.ops.loss import (
    cosine_similarity,
    pairwise_distance,
)
from flambeau.ops.matrix import einsum as _einsum
from flambeau.ops.matrix import linear
from flambeau.ops.normalization import (
    batch_norm,
    group_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
from flambeau.ops.normalization import instance_norm as _instance_norm
from flambeau.ops.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    fold,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from flambeau.ops.pooling import unfold_windows as unfold
from flambeau.ops.random import rand_like as _rand_like
from flambeau.ops.trigonometry import tanh as _tanh
from flambeau.runtime.dispatch import assign as _assign
from flambeau.runtime.tensor import Tensor

instance_norm = _instance_norm


# -- activations ---------------------------------------------------------------------------------------


def _placed(result: Tensor, input: Tensor, inplace: bool) -> Tensor:
    """The result, written into the input where that was asked for."""
    return _assign(input, result) if inplace else result


def _kept(input: Tensor, inplace: bool) -> Tensor:
    """What a rule that reads its input computes on: a copy where the input is about to be overwritten."""
    return input.clone() if inplace and input.requires_grad else input


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0) of each element.

    >>> import flambeau
    >>> relu(flambeau.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if inplace:
        return input.relu_()
    return _activation.relu(input)


def relu_(input: Tensor) -> Tensor:
    """In-place version of `relu`."""
    return input.relu_()


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x limited to [0, 6]."""
    return _placed(_activation.relu6(input), input, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, negative_slope * x elsewhere."""
    return _placed(_activation.leaky_relu(_kept(input, inplace), negative_slope), input, inplace)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place version of `leaky_relu`."""
    return leaky_relu(input, negative_slope, True)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, alpha * (exp(x) - 1) elsewhere."""
    return _placed(_activation.elu(_kept(input, inplace), alpha), input, inplace)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place version of `elu`."""
    return elu(input, alpha, True)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, alpha * (exp(x / alpha) - 1) elsewhere."""
    check(alpha != 0, lambda: "ZeroDivisionError: alpha cannot be 0 for CELU")
    return _placed(_activation.celu(_kept(input, inplace), alpha), input, inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """elu with constants that keep the mean 0 and the variance 1 of deep networks."""
    return _placed(_activation.selu(_kept(input, inplace)), input, inplace)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x)."""
    return _placed(_activation.silu(_kept(input, inplace)), input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x))."""
    return _placed(_activation.mish(_kept(input, inplace)), input, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """x limited to [min_val, max_val]."""
    check(min_val <= max_val, lambda: "min_val cannot be greater than max_val", ValueError)
    return _placed(_activation.hardtanh(input, min_val, max_val), input, inplace)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place version of `hardtanh`."""
    return hardtanh(input, min_val, max_val, True)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """x / 6 + 1/2 between -3 and 3, 0 below, 1 above."""
    return _placed(_activation.hardsigmoid(_kept(input, inplace)), input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x)."""
    return _placed(_activation.hardswish(_kept(input, inplace)), input, inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it is above `threshold`, else `value`."""
    return _placed(_activation.threshold(_kept(input, inplace), threshold, value), input, inplace)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place version of `threshold`."""
    return _placed(_activation.threshold(_kept(input, True), threshold, value), input, True)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """Leaky ReLU; while training with a slope from [lower, upper] for each element.

    >>> import flambeau
    >>> rrelu(flambeau.tensor([-1.0, 1.0]), 0.5, 0.5)
    tensor([-0.5000,  1.0000])
    """
    if training:
        slopes = _rand_like(input) * (upper - lower) + lower
        return _placed(_activation.leaky_slopes(_kept(input, inplace), slopes), input, inplace)
    return leaky_relu(input, (lower + upper) / 2, inplace)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Leaky ReLU with trained slopes: one, or one for each channel (dimension 1).

    >>> import flambeau
    >>> prelu(flambeau.tensor([-1.0, 1.0]), flambeau.tensor([0.5]))
    tensor([-0.5000,  1.0000])
    """
    count = weight.numel()
    if count != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        check(
            count == channels,
            lambda: (
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{count} and channel size = {channels}."
            ),
        )
        weight = weight.reshape(-1, *[1] * (input.ndim - 2))
    elif input.ndim == 0:
        weight = weight.reshape(())
    return _activation.leaky_slopes(input, weight)


gelu = _activation.gelu
softplus = _activation.softplus
logsigmoid = _activation.logsigmoid
softsign = _activation.softsign
tanhshrink = _activation.tanhshrink
hardshrink = _activation.hardshrink
softshrink = _activation.softshrink


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)) of each element."""
    return _activation.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent of each element."""
    return _tanh(input)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along `dim` times the sigmoid of the second half.

    >>> import flambeau
    >>> glu(flambeau.tensor([2.0, 0.0]))
    tensor([1.])
    """
    check(input.ndim > 0, lambda: "glu does not support scalars because halving size must be even")
    size = input.shape[dim]
    check(
        size % 2 == 0,
        lambda: f"Halving dimension must be even, but dimension {dim} is size {size}",
    )
    value, gate = input.chunk(2, dim)
    return value * gate.sigmoid()


def _softmax_dim(name: str, ndim: int, stacklevel: int) -> int:
    """PyTorch's guess where no dimension is given; it warns."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """exp(x), divided by its sum along `dim`.

    >>> import flambeau
    >>> softmax(flambeau.zeros(2), 0)
    tensor([0.5000, 0.5000])
    """
    dim = _softmax_dim("softmax", input.ndim, _stacklevel) if dim is None else dim
    return _softmax.softmax(input, dim, dtype=dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Logarithm of the softmax, computed without overflow."""
    dim = _softmax_dim("log_softmax", input.ndim, _stacklevel) if dim is None else dim
    return _softmax.log_softmax(input, dim, dtype=dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Softmax of -x."""
    dim = _softmax_dim("softmin", input.ndim, _stacklevel) if dim is None else dim
    return _softmax.softmin(input, dim, dtype=dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A sample of one class with probabilities softmax(logits), relaxed so that gradients flow.

    With `hard` the sample is one-hot, with the gradient of the relaxed one.

    >>> import flambeau
    >>> gumbel_softmax(flambeau.zeros(2, 3), hard=True).sum(1)
    tensor([1., 1.])
    """
    noise = -zeros_like(logits.detach()).exponential_().log()
    soft = _softmax.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.argmax(dim, True)
    sample = zeros_like(soft.detach()).scatter(dim, index, 1.0)
    return sample - soft.detach() + soft


# -- dropout -------------------------------------------------------------------------------------------


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes each element with probability `p`; the others grow by 1 / (1 - p).

    >>> import flambeau
    >>> dropout(flambeau.ones(2), training=False)
    tensor([1., 1.])
    """
    return _placed(_dropout.dropout(input, p, training), input, inplace and training)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps mean and variance of SELU activations."""
    return _placed(_dropout.alpha_dropout(input, p, training), input, inplace and training)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels."""
    return _placed(_dropout.feature_alpha_dropout(input, p, training), input, inplace and training)


def _dropout_channels(
    name: str, dims: int, input: Tensor, p: float, training: bool, inplace: bool
) -> Tensor:
    if input.ndim not in (dims + 1, dims + 2):
        warnings.warn(
            f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will result "
            "in an error in a future release.",
            stacklevel=3,
        )
    single = input.ndim == dims + 1 and dims != 2
    if single:
        made = _dropout.feature_dropout(input.unsqueeze(0), p, training).squeeze(0)
    else:
        made = _dropout.feature_dropout(input, p, training)
    return _placed(made, input, inplace and training)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of (N, C, L) or (C, L)."""
    return _dropout_channels("dropout1d", 1, input, p, training, inplace)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of (N, C, H, W); as in PyTorch (N, C, L) too."""
    return _dropout_channels("dropout2d", 2, input, p, training, inplace)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    return _dropout_channels("dropout3d", 3, input, p, training, inplace)


# -- tables --------------------------------------------------------------------------------------------


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` that the integers of `input` name.

    >>> import flambeau
    >>> embedding(flambeau.tensor([1]), flambeau.eye(2))
    tensor([[0., 1.]])
    """
    return _embedding.embedding(
        input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
    )


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sum, mean or maximum of the rows of each bag of indices."""
    return _embedding.embedding_bag(
        input,
        weight,
        offsets,
        max_norm,
        norm_type,
        scale_grad_by_freq,
        mode,
        sparse,
        per_sample_weights,
        include_last_offset,
        padding_idx,
    )


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x1ᵀ W x2 + b for each output: (*, I1), (*, I2) and weight (O, I1, I2) to (*, O).

    >>> import flambeau
    >>> bilinear(flambeau.ones(2), flambeau.ones(3), flambeau.ones(1, 2, 3))
    tensor([6.])
    """
    out = _einsum("...i,oij,...j->...o", input1, weight, input2)
    return out if bias is None else out + bias


def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """Divided by the p-norm along `dim`, which counts as at least `eps`.

    >>> import flambeau
    >>> normalize(flambeau.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    made = input / input.norm(p, dim, True).clamp(min=eps).expand(input.shape)
    return made if out is None else out.copy_(made)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, L)."""
    size = kernel_size if isinstance(kernel_size, int) else kernel_size[0]
    mean = avg_pool1d(input.abs() ** norm_type, kernel_size, stride, 0, ceil_mode)
    return (mean * size) ** (1.0 / norm_type)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, H, W)."""
    k = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
    mean = avg_pool2d(input.abs() ** norm_type, kernel_size, stride, 0, ceil_mode)
    return (mean * (k[0] * k[1])) ** (1.0 / norm_type)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool1d` with the places of the values."""
    return max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool2d` with the places of the values."""
    return max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool3d` with the places of the values."""
    return max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Old name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


# -- losses --------------------------------------------------------------------------------------------


def _reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that is meant, also by the two old arguments, which warn."""
    if size_average is None and reduce is None:
        return reduction
    average = size_average is None or size_average
    one = reduce is None or reduce
    meant = "none" if not one else "mean" if average else "sum"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{meant}' instead.",
        stacklevel=4,
    )
    return meant


def _warn_of_broadcast(input: Tensor, target: Tensor) -> None:
    if tuple(input.shape) != tuple(target.shape):
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Squared difference.

    >>> import flambeau
    >>> mse_loss(flambeau.zeros(2), flambeau.ones(2))
    tensor(1.)
    """
    _warn_of_broadcast(input, target)
    return _loss.mse_loss(input, target, _reduction(size_average, reduce, reduction), weight)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Absolute difference."""
    _warn_of_broadcast(input, target)
    return _loss.l1_loss(input, target, _reduction(size_average, reduce, reduction), weight)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Quadratic below beta, linear above."""
    _warn_of_broadcast(input, target)
    return _loss.smooth_l1_loss(input, target, _reduction(size_average, reduce, reduction), beta)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Quadratic below delta, linear above."""
    _warn_of_broadcast(input, target)
    return _loss.huber_loss(input, target, reduction, delta, weight)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of scores with class indices or probabilities.

    >>> import flambeau
    >>> cross_entropy(flambeau.zeros(1, 2), flambeau.tensor([0]))
    tensor(0.6931)
    """
    reduction = _reduction(size_average, reduce, reduction)
    return _loss.cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability of the true class."""
    reduction = _reduction(size_average, reduce, reduction)
    return _loss.nll_loss(input, target, weight, ignore_index, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Kullback-Leibler divergence of log-probabilities from target probabilities."""
    if reduction == "mean" and size_average is None and reduce is None:
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. "
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition. "
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    reduction = _reduction(size_average, reduce, reduction)
    return _loss.kl_div(input, target, reduction, log_target=log_target)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of probabilities."""
    reduction = _reduction(size_average, reduce, reduction)
    return _loss.binary_cross_entropy(input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of sigmoid(input)."""
    reduction = _reduction(size_average, reduce, reduction)
    return _loss.binary_cross_entropy_with_logits(input, target, weight, reduction, pos_weight)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-likelihood of counts under Poisson distributions."""
    reduction = _reduction(size_average, reduce, reduction)
    return _loss.poisson_nll_loss(input, target, log_input, full, eps, reduction)


gaussian_nll_loss = _loss.gaussian_nll_loss


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where the target is 1, max(0, margin - x) where it is -1."""
    reduction = _reduction(size_average, reduce, reduction)
    return _loss.hinge_embedding_loss(input, target, margin, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -y (x1 - x2) + margin)."""
    reduction = _reduction(size_average, reduce, reduction)
    return _loss.margin_ranking_loss(input1, input2, target, margin, reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos for targets 1, max(0, cos - margin) for targets -1."""
    reduction = _reduction(size_average, reduce, reduction)
    return _loss.cosine_embedding_loss(input1, input2, target, margin, reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-y x))."""
    return _loss.soft_margin_loss(input, target, _reduction(size_average, reduce, reduction))


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Hinge loss between every true class and every other."""
    return _loss.multilabel_margin_loss(input, target, _reduction(size_average, reduce, reduction))


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of each class by itself."""
    reduction = _reduction(size_average, reduce, reduction)
    return _loss.multilabel_soft_margin_loss(input, target, weight, reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Hinge loss between the true class and every other."""
    reduction = _reduction(size_average, reduce, reduction)
    return _loss.multi_margin_loss(input, target, p, margin, weight, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin)."""
    check(margin > 0, lambda: f"margin must be greater than 0, got {margin}", ValueError)
    reduction = _reduction(size_average, reduce, reduction)
    return _loss.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with any function as distance."""
    check(margin > 0, lambda: f"margin must be greater than 0, got {margin}", ValueError)
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return _loss.reduce(_activation.relu(near - far + margin), reduction)


__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "fold",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "mish",
    "mse_loss",
    "multi_head_attention_forward",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "rrelu",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unfold",
    "upsample",
]
