"""Distributions given by probabilities or by logits: one of them is kept, the other computed when asked for."""

from __future__ import annotations

from typing import Any

from ..ops.creation import arange
from ..runtime.tensor import Size, Tensor
from .utils import lazy_property, logits_to_probs, probs_to_logits


def one_of(probs: Any, logits: Any) -> None:
    """ValueError unless exactly one is given."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


class Binary:
    """`probs` and `logits` of yes or no, each element by itself."""

    __dict__: dict[str, Any]

    @lazy_property
    def logits(self) -> Tensor:
        """The log-odds of success."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        """The probability of success."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def _param(self) -> Tensor:
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.size()

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._param.new(*args, **kwargs)


def counted(dist: Any, n: int, like: Tensor, expand: bool) -> Tensor:
    """0 ... n - 1 along a new first dimension, with or without the batch behind."""
    values = arange(n, dtype=like.dtype, device=like.device)
    values = values.reshape((-1, *[1] * len(dist.batch_shape)))
    return values.expand((-1, *dist.batch_shape)) if expand else values
