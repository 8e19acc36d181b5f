"""The negative binomial distribution."""

from __future__ import annotations

from typing import Any

from ..autograd.modes import no_grad
from ..ops.activation import logsigmoid
from ..ops.gamma import lgamma
from ..ops.random import poisson
from ..runtime.tensor import Tensor
from . import constraints
from ._parameters import Binary, one_of
from .distribution import Distribution
from .gamma import Gamma
from .utils import broadcast_all, lazy_property

__all__ = ["NegativeBinomial"]


class NegativeBinomial(Binary, Distribution):
    """The number of successes, each of probability `probs`, before `total_count` failures.

    >>> import flambeau
    >>> NegativeBinomial(3.0, flambeau.tensor(0.5)).mean
    tensor(3.)
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self,
        total_count: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        one_of(probs, logits)
        if probs is not None:
            self.total_count, self.probs = broadcast_all(total_count, probs)
        else:
            self.total_count, self.logits = broadcast_all(total_count, logits)
        self.total_count = self.total_count.to(self._param.dtype)
        super().__init__(self._param.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> NegativeBinomial:
        return self._expanded(
            NegativeBinomial, batch_shape, _instance, total_count=0, probs=0, logits=0
        )

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        return self.mean / (-self.logits).sigmoid()

    @lazy_property
    def _gamma(self) -> Gamma:
        # Without validation: a count of 0, which no gamma distribution has, gives no successes.
        return Gamma(self.total_count, (-self.logits).exp(), validate_args=False)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        n, logits = self.total_count, self.logits
        kernel = n * logsigmoid(-logits) + value * logsigmoid(logits)
        ways = lgamma(n + value) - lgamma(1.0 + value) - lgamma(n)
        return kernel + ways.masked_fill(n + value == 0, 0.0)
