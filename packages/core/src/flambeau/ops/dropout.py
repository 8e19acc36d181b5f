"""Zeroing random elements or channels while training, with the numbers PyTorch draws for a seed."""

from __future__ import annotations

from .._base.checks import check
from ..runtime.families import composite
from ..runtime.tensor import Tensor
from .random import _drawn, _drawn_like

_ALPHA = 1.7580993408473766  # minus the limit of SELU at minus infinity


def _check_probability(p: float) -> None:
    check(
        0 <= p <= 1,
        lambda: f"dropout probability has to be between 0 and 1, but got {p}",
        ValueError,
    )


def _noise(kind: str, input: Tensor, p: float, channels: bool) -> Tensor:
    """One draw for each element, or for each channel of (N, C, ...)."""
    if not channels:
        return _drawn_like(kind, input, input.dtype, input.device, None, args=(p,))
    shape = (*input.shape[:2], *[1] * (input.ndim - 2))
    return _drawn(kind, shape, input.dtype, input.device, None, args=(p,))


def _dropped(name: str, input: Tensor, p: float, training: bool, channels: bool) -> Tensor:
    _check_probability(p)
    check(
        not channels or input.ndim >= 2,
        lambda: f"{name}: Feature dropout requires at least 2 dimensions in the input",
    )
    if not training or p == 0 or not input.numel():
        return input
    if p == 1:
        return input * 0
    return input * _noise("dropout_mask", input, p, channels)


@composite(method=False)
def dropout(input: Tensor, p: float = 0.5, training: bool = True):
    """Zeroes each element with probability `p`; the others grow by 1 / (1 - p).

    >>> import flambeau
    >>> flambeau.ops.dropout.dropout(flambeau.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    return _dropped("dropout", input, p, training, channels=False)


@composite(method=False)
def feature_dropout(input: Tensor, p: float = 0.5, training: bool = True):
    """`dropout` of whole channels: the first two dimensions share one draw.

    >>> import flambeau
    >>> flambeau.ops.dropout.feature_dropout(flambeau.ones(1, 1, 2), 0.5, False)
    tensor([[[1., 1.]]])
    """
    return _dropped("feature_dropout", input, p, training, channels=True)


def _alpha_dropped(input: Tensor, p: float, training: bool, channels: bool) -> Tensor:
    _check_probability(p)
    if not training or p == 0 or not input.numel():
        return input
    if p == 1:
        return input * 0
    kept = _noise("bernoulli", input, 1 - p, channels)
    scale = 1 / ((_ALPHA**2 * p + 1) * (1 - p)) ** 0.5
    offset = (kept - 1) * (_ALPHA * scale) + _ALPHA * scale * p
    return input * (kept * scale) + offset


@composite(method=False)
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False):
    """Dropout that keeps mean and variance of SELU activations: what is dropped becomes -1.758.

    >>> import flambeau
    >>> flambeau.ops.dropout.alpha_dropout(flambeau.ones(2), 0.5)
    tensor([1., 1.])
    """
    return _alpha_dropped(input, p, training, channels=False)


@composite(method=False)
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False):
    """`alpha_dropout` of whole channels.

    >>> import flambeau
    >>> flambeau.ops.dropout.feature_alpha_dropout(flambeau.ones(1, 1, 2), 0.5)
    tensor([[[1., 1.]]])
    """
    return _alpha_dropped(input, p, training, channels=True)
