"""Exponential families, whose entropy follows from their log normalizer."""

from __future__ import annotations

from typing import Any

from ..autograd import grad
from ..autograd.modes import enable_grad
from ..runtime.tensor import Tensor
from .distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Distributions with density exp(<t(x), theta> - F(theta) + k(x)): natural parameters theta, log normalizer F.

    Subclasses give `_natural_params`, `_log_normalizer(*params)` and, if k is constant, `_mean_carrier_measure`; the
    entropy then is F(theta) - <theta, grad F(theta)> - E[k(x)], a Bregman divergence of F (Nielsen and Nock, Entropies
    and cross-entropies of exponential families, 2010), and kl_divergence of two of the family needs nothing else.
    """

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Any) -> Tensor:
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> Any:
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The entropy by the derivative of the log normalizer."""
        params = [p.detach().requires_grad_() for p in self._natural_params]
        with enable_grad():
            normalizer = self._log_normalizer(*params)
            slopes: tuple[Any, ...] = grad(normalizer.sum(), params, create_graph=True)
        result = -self._mean_carrier_measure + normalizer
        for param, slope in zip(params, slopes):
            weighted = -param * slope
            result = result + weighted.reshape((*self._batch_shape, -1)).sum(-1)
        return result
