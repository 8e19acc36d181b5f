"""The geometric distribution."""

from __future__ import annotations

from typing import Any

from .._base.limits import finfo
from ..autograd.modes import no_grad
from ..ops.loss import binary_cross_entropy_with_logits
from ..runtime.tensor import Size, Tensor
from . import constraints
from ._parameters import Binary, one_of
from .distribution import Distribution
from .utils import all_numbers, broadcast_all

__all__ = ["Geometric"]


class Geometric(Binary, Distribution):
    """The number of failures before the first success, which has probability `probs` each time.

    >>> import flambeau
    >>> Geometric(0.25).mean
    tensor(3.)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        one_of(probs, logits)
        if probs is not None:
            (self.probs,) = broadcast_all(probs)
        else:
            (self.logits,) = broadcast_all(logits)
        scalar = all_numbers(logits if probs is None else probs)
        super().__init__(Size() if scalar else self._param.size(), validate_args=validate_args)
        if self._validate_args and probs is not None and not (self.probs > 0).all():
            raise ValueError(
                f"Expected parameter probs ({type(self.probs).__name__} of shape {tuple(self.probs.shape)}) of "
                f"distribution {self!r} to be positive but found invalid values:\n{self.probs}"
            )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Geometric:
        return self._expanded(Geometric, batch_shape, _instance, probs=0, logits=0)

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        return self.probs.new_zeros(tuple(self.probs.shape))

    @property
    def variance(self) -> Tensor:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            unit = self.probs.new_empty(tuple(self._extended_shape(sample_shape)))
            unit.uniform_(finfo(self.probs.dtype).tiny, 1)
            return (unit.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        # 0 failures at probability 1: 0 * log(0) is to be 0.
        failing = probs.masked_fill((probs == 1) & (value == 0), 0)
        return value * (-failing).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        yes_or_no = binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
        return yes_or_no / self.probs
