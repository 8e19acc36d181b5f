"""Mixtures of distributions of one family."""

from __future__ import annotations

from typing import Any

from ..autograd.modes import no_grad
from ..runtime.tensor import Size, Tensor
from . import constraints
from .categorical import Categorical
from .constraints import MixtureSameFamilyConstraint
from .distribution import Distribution
from .utils import size

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """A component is chosen by `mixture_distribution`, then drawn from: components lie along the last batch dimension.

    >>> import flambeau
    >>> from flambeau.distributions import Categorical, Normal
    >>> weights = Categorical(flambeau.tensor([0.5, 0.5]))
    >>> MixtureSameFamily(weights, Normal(flambeau.tensor([-1.0, 1.0]), 1.0)).variance
    tensor(2.)
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    has_rsample = False

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        mixture, component = mixture_distribution, component_distribution
        if not isinstance(mixture, Categorical):
            raise ValueError(
                " The Mixture distribution needs to be an  instance of torch.distributions.Categorical"
            )
        if not isinstance(component, Distribution):
            raise ValueError(
                "The Component distribution need to be an instance of torch.distributions.Distribution"
            )
        self._mixture_distribution, self._component_distribution = mixture, component
        for n, m in zip(reversed(mixture.batch_shape), reversed(component.batch_shape[:-1])):
            if n != 1 and m != 1 and n != m:
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({mixture.batch_shape}) is not compatible with "
                    f"`component_distribution.batch_shape`({component.batch_shape})"
                )
        count, components = mixture.logits.shape[-1], component.batch_shape[-1]
        if count is not None and components is not None and count != components:
            raise ValueError(
                f"`mixture_distribution component` ({count}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({components})"
            )
        self._num_component = components
        event_shape = component.event_shape
        self._event_ndims = len(event_shape)
        super().__init__(Size(component.batch_shape[:-1]), event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> MixtureSameFamily:
        new = self._expanded(MixtureSameFamily, batch_shape, _instance)
        shape = size(batch_shape)
        new._component_distribution = self._component_distribution.expand(
            Size((*shape, self._num_component))
        )
        new._mixture_distribution = self._mixture_distribution.expand(shape)
        new._num_component, new._event_ndims = self._num_component, self._event_ndims
        return new

    @constraints.dependent_property
    def support(self) -> Any:
        return MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Categorical:
        """How components are chosen."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The components."""
        return self._component_distribution

    @property
    def mean(self) -> Tensor:
        weights = self._pad_mixture_dimensions(self.mixture_distribution.probs)
        return (weights * self.component_distribution.mean).sum(-1 - self._event_ndims)

    @property
    def variance(self) -> Tensor:
        # The law of total variance: within components, and between them.
        weights = self._pad_mixture_dimensions(self.mixture_distribution.probs)
        dim = -1 - self._event_ndims
        within = (weights * self.component_distribution.variance).sum(dim)
        off = self.component_distribution.mean - self._pad(self.mean)
        return within + (weights * off.pow(2.0)).sum(dim)

    def cdf(self, x: Tensor) -> Tensor:
        of_each = self.component_distribution.cdf(self._pad(x))
        return (of_each * self.mixture_distribution.probs).sum(-1)

    def log_prob(self, x: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(x)
        of_each = self.component_distribution.log_prob(self._pad(x))
        weights = self.mixture_distribution.logits.log_softmax(-1)
        return (of_each + weights).logsumexp(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            chosen = self.mixture_distribution.sample(sample_shape)
            drawn = self.component_distribution.sample(sample_shape)
            dim = len(size(sample_shape)) + len(self._batch_shape)
            index = chosen.reshape((*chosen.shape, *[1] * (self._event_ndims + 1)))
            index = index.expand((*drawn.shape[:dim], 1, *self._event_shape))
            return drawn.gather(dim, index).squeeze(dim)

    def _pad(self, x: Tensor) -> Tensor:
        """With a dimension of size 1 where the components are."""
        return x.unsqueeze(-1 - self._event_ndims)

    def _pad_mixture_dimensions(self, x: Tensor) -> Tensor:
        """Weights, in shape to be multiplied with what components have for each number of an outcome."""
        batch = len(self.batch_shape) - len(self.mixture_distribution.batch_shape)
        shape = tuple(x.shape)
        return x.reshape((*shape[:-1], *[1] * batch, shape[-1], *[1] * self._event_ndims))

    def __repr__(self) -> str:
        return (
            f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
        )
