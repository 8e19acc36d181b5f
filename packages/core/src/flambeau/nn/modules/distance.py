"""Distances between vectors as modules."""

from __future__ import annotations

from flambeau.runtime.tensor import Tensor

from .. import functional as F
from .module import Module


class PairwiseDistance(Module):
    """The p-norm of the difference of two tensors along their last dimension.

    >>> import flambeau
    >>> flambeau.nn.PairwiseDistance()(flambeau.zeros(2, 3), flambeau.ones(2, 3)).shape
    flambeau.Size([2])
    """

    __constants__ = ["norm", "eps", "keepdim"]

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """The cosine of the angle between two tensors along a dimension.

    >>> import flambeau
    >>> flambeau.nn.CosineSimilarity()(flambeau.eye(2), flambeau.eye(2))
    tensor([1., 1.])
    """

    __constants__ = ["dim", "eps"]

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
