"""KL divergences between distributions of different families; infinite where p has what q excludes.

Each is minus p's entropy minus the mean of log q over p.
"""

from __future__ import annotations

import math
from typing import Any

from ...ops.gamma import digamma, lgamma
from ...runtime.tensor import Tensor
from ..bernoulli import Bernoulli
from ..beta import Beta
from ..binomial import Binomial
from ..continuous_bernoulli import ContinuousBernoulli
from ..exponential import Exponential
from ..gamma import Gamma
from ..gumbel import Gumbel
from ..laplace import Laplace
from ..normal import Normal
from ..pareto import Pareto
from ..poisson import Poisson
from ..uniform import Uniform
from ..utils import euler_constant
from .registry import register_kl

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)

# p's support is not within q's, whatever the parameters.
_INFINITE: dict[type, tuple[type, ...]] = {
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Laplace: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Normal: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    Poisson: (Bernoulli, Binomial),
}


def _mean_of(p: Any) -> Tensor:
    return p.rate if isinstance(p, (Exponential, Gamma, Poisson)) else p.mean


def _infinite(p: Any, q: Any) -> Tensor:
    like = _mean_of(p)
    return like.new_full(tuple(like.shape), math.inf)


for _p, _qs in _INFINITE.items():
    for _q in _qs:
        register_kl(_p, _q)(_infinite)


def _normal_misfit(second_moment: Tensor, mean: Tensor, q: Any) -> Tensor:
    """Minus the mean of a normal log density, from two moments of p."""
    squared = second_moment - 2 * mean * q.loc + q.loc.pow(2)
    return q.scale.log() + _HALF_LOG_TWO_PI + 0.5 * squared / q.scale.pow(2)


@register_kl(Bernoulli, Poisson)
def _(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Beta, ContinuousBernoulli)
def _(p: Any, q: Any) -> Tensor:
    likelihood = p.mean * q.logits + (-q.probs).log1p() + q._cont_bern_log_norm()
    return -p.entropy() - likelihood


@register_kl(Beta, Exponential)
def _(p: Any, q: Any) -> Tensor:
    return -p.entropy() - q.rate.log() + q.rate * p.mean


@register_kl(Beta, Gamma)
def _(p: Any, q: Any) -> Tensor:
    mean_log = digamma(p.concentration1) - digamma(p.concentration1 + p.concentration0)
    norm = lgamma(q.concentration) - q.concentration * q.rate.log()
    return -p.entropy() + norm - (q.concentration - 1) * mean_log + q.rate * p.mean


@register_kl(Beta, Normal)
@register_kl(ContinuousBernoulli, Normal)
@register_kl(Exponential, Normal)
@register_kl(Gamma, Normal)
@register_kl(Gumbel, Normal)
@register_kl(Laplace, Normal)
@register_kl(Uniform, Normal)
def _(p: Any, q: Any) -> Tensor:
    mean = p.mean
    return -p.entropy() + _normal_misfit(p.variance + mean.pow(2), mean, q)


@register_kl(Pareto, Normal)
def _(p: Any, q: Any) -> Tensor:
    mean = p.mean
    kl = -p.entropy() + _normal_misfit(p.variance + mean.pow(2), mean, q)
    return kl.masked_fill(p.alpha <= 2, math.inf)


@register_kl(Beta, Uniform)
@register_kl(ContinuousBernoulli, Uniform)
def _(p: Any, q: Any) -> Tensor:
    kl = -p.entropy() + (q.high - q.low).log()
    return kl.masked_fill((q.low > 0) | (q.high < 1), math.inf)


@register_kl(ContinuousBernoulli, Exponential)
def _(p: Any, q: Any) -> Tensor:
    return -p.entropy() - q.rate.log() + q.rate * p.mean


@register_kl(Exponential, Gamma)
def _(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    return (
        -q.concentration * ratio.log()
        + ratio
        + lgamma(q.concentration)
        + q.concentration * euler_constant
        - (1 + euler_constant)
    )


@register_kl(Exponential, Gumbel)
def _(p: Any, q: Any) -> Tensor:
    product = p.rate * q.scale
    shift = q.loc / q.scale
    growth = (shift + product.log() - (product + 1).log()).exp()
    return product.log() - 1 + product.reciprocal() - shift + growth


@register_kl(Gamma, Exponential)
def _(p: Any, q: Any) -> Tensor:
    return -p.entropy() - q.rate.log() + q.rate * p.concentration / p.rate


@register_kl(Gamma, Gumbel)
def _(p: Any, q: Any) -> Tensor:
    product = p.rate * q.scale
    shift = q.loc / q.scale
    growth = (shift - p.concentration * product.reciprocal().log1p()).exp()
    return -p.entropy() + q.scale.log() + p.concentration / product - shift + growth


@register_kl(Normal, Gumbel)
def _(p: Any, q: Any) -> Tensor:
    mean_ratio, spread = p.loc / q.scale, (p.scale / q.scale).pow(2) * 0.5
    shift = q.loc / q.scale
    growth = (-mean_ratio + spread + shift).exp()
    return -p.entropy() + q.scale.log() + mean_ratio - shift + growth


@register_kl(Normal, Laplace)
def _(p: Any, q: Any) -> Tensor:
    off = p.loc - q.loc
    z = off / p.scale
    # The mean of |x - q.loc|: a folded normal number's.
    folded = math.sqrt(2 / math.pi) * p.scale * (-0.5 * z.pow(2)).exp()
    folded = folded + off * (math.sqrt(0.5) * z).erf()
    return -p.entropy() + (2 * q.scale).log() + folded / q.scale


@register_kl(Pareto, Exponential)
def _(p: Any, q: Any) -> Tensor:
    kl = -p.entropy() - q.rate.log() + q.rate * p.mean
    return kl.masked_fill(p.alpha <= 1, math.inf)


@register_kl(Pareto, Gamma)
def _(p: Any, q: Any) -> Tensor:
    mean_log = p.alpha.reciprocal() + p.scale.log()
    norm = lgamma(q.concentration) - q.concentration * q.rate.log()
    kl = -p.entropy() + norm + (1 - q.concentration) * mean_log + q.rate * p.mean
    return kl.masked_fill(p.alpha <= 1, math.inf)


def _x_log_x(x: Tensor) -> Tensor:
    return x.xlogy(x)


@register_kl(Uniform, Beta)
def _(p: Any, q: Any) -> Tensor:
    width = p.high - p.low
    log_low = (_x_log_x(p.high) - _x_log_x(p.low) - width) / width
    log_high = (_x_log_x(1 - p.low) - _x_log_x(1 - p.high) - width) / width
    norm = lgamma(q.concentration1) + lgamma(q.concentration0)
    norm = norm - lgamma(q.concentration1 + q.concentration0)
    kl = -p.entropy() + norm - (q.concentration1 - 1) * log_low - (q.concentration0 - 1) * log_high
    return kl.masked_fill((p.high > 1) | (p.low < 0), math.inf)


@register_kl(Uniform, ContinuousBernoulli)
def _(p: Any, q: Any) -> Tensor:
    likelihood = p.mean * q.logits + (-q.probs).log1p() + q._cont_bern_log_norm()
    return (-p.entropy() - likelihood).masked_fill((p.high > 1) | (p.low < 0), math.inf)


@register_kl(Uniform, Exponential)
def _(p: Any, q: Any) -> Tensor:
    kl = q.rate * (p.high + p.low) / 2 - ((p.high - p.low) * q.rate).log()
    return kl.masked_fill(p.low < 0, math.inf)


@register_kl(Uniform, Gamma)
def _(p: Any, q: Any) -> Tensor:
    width = p.high - p.low
    mean_log = (_x_log_x(p.high) - _x_log_x(p.low) - width) / width
    norm = lgamma(q.concentration) - q.concentration * q.rate.log()
    kl = -p.entropy() + norm + (1 - q.concentration) * mean_log + q.rate * p.mean
    return kl.masked_fill(p.low < 0, math.inf)


@register_kl(Uniform, Gumbel)
def _(p: Any, q: Any) -> Tensor:
    width = p.high - p.low
    low, high = (q.loc - p.low) / q.scale, (q.loc - p.high) / q.scale
    growth = q.scale * (low.exp() - high.exp()) / width
    return -p.entropy() + q.scale.log() + (p.mean - q.loc) / q.scale + growth


@register_kl(Uniform, Pareto)
def _(p: Any, q: Any) -> Tensor:
    width = p.high - p.low
    mean_log = (_x_log_x(p.high) - _x_log_x(p.low) - width) / width
    kl = -p.entropy() - q.alpha.log() - q.alpha * q.scale.log() + (q.alpha + 1) * mean_log
    return kl.masked_fill(p.low < q.support.lower_bound, math.inf)
