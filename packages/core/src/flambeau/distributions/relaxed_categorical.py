"""A one-hot categorical distribution made continuous, so that its samples have gradients."""

from __future__ import annotations

from typing import Any

from ..ops.creation import full_like
from ..ops.gamma import lgamma
from ..ops.random import rand
from ..runtime.tensor import Size, Tensor
from . import constraints
from .categorical import Categorical
from .distribution import Distribution
from .transformed_distribution import TransformedDistribution
from .transforms import ExpTransform
from .utils import broadcast_all, clamp_probs

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]


class ExpRelaxedCategorical(Distribution):
    """The logarithm of `RelaxedOneHotCategorical`, which keeps its digits.

    Maddison, Mnih and Teh, The concrete distribution (2016); Jang, Gu and Poole, Categorical reparameterization with
    Gumbel-softmax (2017).

    >>> import flambeau
    >>> ExpRelaxedCategorical(flambeau.tensor(1.0), flambeau.ones(2)).event_shape
    flambeau.Size([2])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.real_vector  # the image is a part of it
    has_rsample = True

    def __init__(
        self,
        temperature: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self._categorical = Categorical(probs, logits)
        self.temperature = temperature
        whole = self._categorical.param_shape
        super().__init__(Size(whole[:-1]), Size(whole[-1:]), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> ExpRelaxedCategorical:
        new = self._expanded(ExpRelaxedCategorical, batch_shape, _instance)
        new.temperature = self.temperature
        new._categorical = self._categorical.expand(batch_shape)
        return new

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._categorical._new(*args, **kwargs)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._categorical.param_shape

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape, logits = self._extended_shape(sample_shape), self.logits
        unit = clamp_probs(rand(tuple(shape), dtype=logits.dtype, device=logits.device))
        gumbel = -(-unit.log()).log()
        return ((logits + gumbel) / self.temperature).log_softmax(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        n = self._event_shape[0]
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        norm = lgamma(full_like(self.temperature, float(n))) + self.temperature.log() * (n - 1)
        score = (logits - value.mul(self.temperature)).log_softmax(-1).sum(-1)
        return score + norm


class RelaxedOneHotCategorical(TransformedDistribution):
    """Vectors that add up to 1 and come near one-hot ones as `temperature` goes to 0.

    >>> import flambeau
    >>> RelaxedOneHotCategorical(flambeau.tensor(0.5), flambeau.ones(3)).sample().shape
    flambeau.Size([3])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex
    has_rsample = True
    base_dist: ExpRelaxedCategorical

    def __init__(
        self,
        temperature: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> RelaxedOneHotCategorical:
        return super().expand(
            batch_shape, self._get_checked_instance(RelaxedOneHotCategorical, _instance)
        )

    @property
    def temperature(self) -> Tensor:
        """How soft: 0 is the discrete distribution."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Tensor:
        """The logits of the discrete distribution."""
        return self.base_dist.logits

    @property
    def probs(self) -> Tensor:
        """The probabilities of the discrete distribution."""
        return self.base_dist.probs
