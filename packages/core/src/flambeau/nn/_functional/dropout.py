"""Dropout in all its forms."""

from __future__ import annotations

import warnings

from flambeau.ops import dropout as _dropout
from flambeau.runtime.tensor import Tensor

from .placing import placed

# -- dropout -------------------------------------------------------------------------------------------


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes each element with probability `p`; the others grow by 1 / (1 - p).

    >>> import flambeau
    >>> dropout(flambeau.ones(2), training=False)
    tensor([1., 1.])
    """
    return placed(_dropout.dropout(input, p, training), input, inplace and training)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps mean and variance of SELU activations."""
    return placed(_dropout.alpha_dropout(input, p, training), input, inplace and training)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels."""
    return placed(_dropout.feature_alpha_dropout(input, p, training), input, inplace and training)


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
    return placed(made, input, inplace and training)


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
