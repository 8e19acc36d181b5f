"""The categorical distribution: one of n numbered outcomes."""

from __future__ import annotations

from typing import Any

from .._base.limits import finfo
from ..autograd.modes import no_grad
from ..ops.joining import broadcast_tensors
from ..ops.random import multinomial
from ..runtime.tensor import Size, Tensor
from . import constraints
from ._parameters import one_of
from .distribution import Distribution
from .utils import lazy_property, logits_to_probs, probs_to_logits, size

__all__ = ["Categorical"]


class Categorical(Distribution):
    """An index below n, with the probabilities along the last dimension of `probs` (made to add up to 1) or of
    `logits` (unnormalized log-probabilities).

    >>> import flambeau
    >>> Categorical(flambeau.tensor([1.0, 3.0])).log_prob(flambeau.tensor(1)).exp()
    tensor(0.7500)
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        one_of(probs, logits)
        name, given = ("probs", probs) if logits is None else ("logits", logits)
        if given.dim() < 1:
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = logits - logits.logsumexp(-1, keepdim=True)
        self._num_events = int(given.shape[-1])
        super().__init__(Size(given.shape[:-1]), validate_args=validate_args)

    @property
    def _param(self) -> Tensor:
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.size()

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._param.new(*args, **kwargs)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Categorical:
        new = self._expanded(Categorical, batch_shape, _instance, probs=1, logits=1)
        new._num_events = self._num_events
        return new

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    @lazy_property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits)

    def _undefined(self) -> Tensor:
        shape, like = tuple(self._extended_shape()), self._param
        return like.new_full(shape, float("nan"))

    @property
    def mean(self) -> Tensor:
        return self._undefined()

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(-1)

    @property
    def variance(self) -> Tensor:
        return self._undefined()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        sample_shape = size(sample_shape)
        rows = self.probs.detach().reshape(-1, self._num_events)
        with no_grad():
            drawn = multinomial(rows, sample_shape.numel(), True).T
            return drawn.reshape(tuple(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        index, logits = broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, index[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        # An impossible outcome adds nothing: -inf * 0 would be NaN.
        logits = self.logits.clamp(min=finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        from ..ops.creation import arange

        values = arange(self._num_events, device=self._param.device)
        values = values.reshape((-1, *[1] * len(self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values
