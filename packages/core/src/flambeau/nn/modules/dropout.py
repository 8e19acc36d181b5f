"""Modules that zero random elements or channels while training."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from flambeau.runtime.tensor import Tensor

from .. import functional as F
from .module import Module


class _DropoutNd(Module):
    __constants__ = ["p", "inplace"]
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Zeroes each element with probability `p` while training; the others grow by 1/(1-p).

    >>> import flambeau
    >>> flambeau.nn.Dropout(0.2).eval()(flambeau.ones(2))
    tensor([1., 1.])
    """

    _function = staticmethod(F.dropout)


class Dropout1d(_DropoutNd):
    """Zeroes whole channels of a (N, C, L) input with probability `p` while training.

    >>> import flambeau
    >>> flambeau.nn.Dropout1d()(flambeau.ones(2, 3, 4)).shape
    flambeau.Size([2, 3, 4])
    """

    _function = staticmethod(F.dropout1d)


class Dropout2d(_DropoutNd):
    """Zeroes whole channels of a (N, C, H, W) input with probability `p` while training.

    >>> import flambeau
    >>> flambeau.nn.Dropout2d()(flambeau.ones(2, 3, 4, 4)).shape
    flambeau.Size([2, 3, 4, 4])
    """

    _function = staticmethod(F.dropout2d)


class Dropout3d(_DropoutNd):
    """Zeroes whole channels of a (N, C, D, H, W) input with probability `p` while training.

    >>> import flambeau
    >>> flambeau.nn.Dropout3d()(flambeau.ones(2, 3, 4, 4, 4)).shape
    flambeau.Size([2, 3, 4, 4, 4])
    """

    _function = staticmethod(F.dropout3d)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean and variance of SELU activations: dropped ones become -1.758.

    >>> import flambeau
    >>> flambeau.nn.AlphaDropout()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    _function = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels.

    >>> import flambeau
    >>> flambeau.nn.FeatureAlphaDropout()(flambeau.ones(2, 3, 4)).shape
    flambeau.Size([2, 3, 4])
    """

    _function = staticmethod(F.feature_alpha_dropout)
