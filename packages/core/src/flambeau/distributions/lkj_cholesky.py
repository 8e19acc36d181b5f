"""The LKJ distribution of correlation matrices, as their Cholesky factors."""

from __future__ import annotations

import math
from typing import Any

from .._base.limits import finfo
from ..ops.creation import arange
from ..ops.gamma import lgamma, mvlgamma
from ..ops.joining import cat
from ..runtime.tensor import Size, Tensor
from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import _standard_normal, broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Cholesky factors of `dim` x `dim` correlation matrices with density proportional to det^(concentration - 1).

    At 1 all correlation matrices are equally likely; above, those near the identity are likelier. PyTorch's samples of
    3 x 3 and larger matrices do not follow this density (its correlations are too large); these do. Drawn by the onion
    method (Lewandowski, Kurowicka and Joe, Generating random correlation matrices based on vines and extended onion
    method, 2009).

    >>> import flambeau
    >>> d = LKJCholesky(3, 0.5)
    >>> L = d.sample(); bool(d.support.check(L))
    True
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(
        self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        batch_shape = self.concentration.size()
        like = self.concentration
        # Row i + 1 of the factor has i + 1 numbers left of the diagonal: their length is beta distributed.
        steps = arange(dim - 1, dtype=like.dtype, device=like.device)
        steps = cat([steps.new_zeros((1,)), steps])
        other = (like + 0.5 * (dim - 2)).unsqueeze(-1) - 0.5 * steps
        self._beta = Beta(0.5 * steps + 0.5, other)
        super().__init__(batch_shape, Size((dim, dim)), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> LKJCholesky:
        new = self._expanded(LKJCholesky, batch_shape, _instance, concentration=0)
        new.dim = self.dim
        new._beta = self._beta.expand((*new._batch_shape, self.dim))
        return new

    def sample(self, sample_shape: Any = ()) -> Tensor:
        length = self._beta.sample(sample_shape).unsqueeze(-1)
        like = self.concentration
        shape = self._extended_shape(sample_shape)
        directions = _standard_normal(shape, like.dtype, like.device).tril(-1)
        rows = directions / directions.square().sum(-1, keepdim=True).sqrt()
        rows[..., 0, :].fill_(0.0)  # nothing is left of the first diagonal element
        rows = length.sqrt() * rows
        left = (1 - rows.square().sum(-1)).clamp(min=finfo(rows.dtype).tiny)
        return rows + left.sqrt().diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = arange(2, self.dim + 1, device=self.concentration.device)
        power = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        density = (power * diagonal.log()).sum(-1)
        n = self.dim - 1
        alpha = self.concentration + 0.5 * n
        normalizer = 0.5 * n * math.log(math.pi) + mvlgamma(alpha - 0.5, n) - lgamma(alpha) * n
        return density - normalizer
