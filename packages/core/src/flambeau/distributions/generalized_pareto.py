"""The generalized Pareto distribution."""

from __future__ import annotations

import math
from typing import Any

from ..ops.comparison import where
from ..ops.creation import ones_like, zeros_like
from ..ops.random import rand
from ..runtime.tensor import Size, Tensor
from . import constraints
from .distribution import Distribution
from .utils import all_numbers, broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """What lies above a high threshold `loc`: (1 + concentration (x - loc) / scale)^(-1 / concentration) is beyond x.

    A concentration of 0 is the exponential distribution, a negative one has an upper end.

    >>> GeneralizedPareto(0.0, 1.0, 0.5).mean
    tensor(2.)
    """

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(
        self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None
    ) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        shape = Size() if all_numbers(loc, scale, concentration) else self.loc.size()
        super().__init__(shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> GeneralizedPareto:
        return self._expanded(
            GeneralizedPareto, batch_shape, _instance, loc=0, scale=0, concentration=0
        )

    def _z(self, x: Tensor) -> Tensor:
        return (x - self.loc) / self.scale

    def _exponential(self) -> tuple[Tensor, Tensor]:
        """Where the concentration is (nearly) 0, and concentrations to divide by."""
        zero = self.concentration.isclose(zeros_like(self.concentration))
        return zero, where(zero, ones_like(self.concentration), self.concentration)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        end = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, end.masked_fill(self.concentration >= 0, math.inf))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        return self.icdf(rand(shape, dtype=self.loc.dtype, device=self.loc.device))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        zero, safe = self._exponential()
        power = 1 / safe + 1
        beyond = where(power == 0, zeros_like(z), power * (safe * z).log1p())
        return -self.scale.log() - where(zero, z, beyond)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """Logarithm of the probability of more than `value`."""
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        zero, safe = self._exponential()
        return where(zero, -z, -(safe * z).log1p() / safe)

    def log_cdf(self, value: Tensor) -> Tensor:
        """Logarithm of `cdf`."""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        return self.log_cdf(value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        zero, safe = self._exponential()
        log_beyond = (-value).log1p()
        return self.loc + self.scale * where(zero, -log_beyond, (-safe * log_beyond).expm1() / safe)

    @property
    def mean(self) -> Tensor:
        finite = self.concentration < 1
        safe = where(finite, self.concentration, self.concentration.new_full((), 0.5))
        return (self.loc + self.scale / (1 - safe)).masked_fill(~finite, math.nan)

    @property
    def variance(self) -> Tensor:
        finite = self.concentration < 0.5
        safe = where(finite, self.concentration, self.concentration.new_full((), 0.25))
        spread = self.scale**2 / ((1 - safe) ** 2 * (1 - 2 * safe))
        return spread.masked_fill(~finite, math.nan)

    def entropy(self) -> Tensor:
        return (self.scale.log() + self.concentration + 1).expand(self._batch_shape)

    @property
    def mode(self) -> Tensor:
        return self.loc
