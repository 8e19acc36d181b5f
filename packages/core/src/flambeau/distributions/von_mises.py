"""The von Mises distribution on the circle."""

from __future__ import annotations

import math
from typing import Any

from .._base import dtypes
from ..autograd.modes import no_grad
from ..ops.bessel import special_i0e, special_i1e
from ..ops.comparison import where
from ..ops.random import rand
from ..runtime.tensor import Tensor
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, lazy_property

__all__ = ["VonMises"]


class VonMises(Distribution):
    """Angles in [-pi, pi) with density proportional to exp(concentration cos(x - loc)).

    Drawn in double precision by rejection (Best and Fisher, Efficient simulation of the von Mises distribution, 1979).

    >>> import flambeau
    >>> VonMises(flambeau.tensor(0.0), flambeau.tensor(1.0)).variance
    tensor(0.5536)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> VonMises:
        return self._expanded(VonMises, batch_shape, _instance, loc=0, concentration=0)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        kappa = self.concentration
        # log I0(kappa), by the scaled function: I0 itself overflows beyond 90.
        return (
            kappa * (value - self.loc).cos()
            - math.log(2 * math.pi)
            - special_i0e(kappa).log()
            - kappa
        )

    @lazy_property
    def _proposal_r(self) -> Tensor:
        kappa = self.concentration.double()
        tau = 1 + (1 + 4 * kappa**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
        # For small kappa the first terms of the series, as rho loses its digits.
        return where(kappa < 1e-5, 1 / kappa + kappa, (1 + rho**2) / (2 * rho))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Angles; the proposal is a wrapped Cauchy distribution, drawn for all until every one is accepted."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            loc, kappa = self.loc.double(), self.concentration.double()
            r = self._proposal_r
            angle = loc.new_zeros(tuple(shape))
            done = angle != angle
            while not done.all():
                u1, u2, u3 = rand(3, *shape, dtype=dtypes.float64, device=loc.device).unbind()
                z = (math.pi * u1).cos()
                f = (1 + r * z) / (r + z)
                c = kappa * (r - f)
                accept = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
                angle = where(accept, (u3 - 0.5).sign() * f.acos(), angle)
                done = done | accept
            return ((angle + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The circular variance, 1 - I1(concentration) / I0(concentration)."""
        return 1 - special_i1e(self.concentration) / special_i0e(self.concentration)
