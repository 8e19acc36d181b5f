"""KL divergences between two distributions of one family."""

from __future__ import annotations

import math
from typing import Any

from ...autograd import grad
from ...autograd.modes import enable_grad
from ...linalg import solve_triangular
from ...ops.activation import softplus
from ...ops.gamma import digamma, lgamma
from ...runtime.tensor import Tensor
from ..bernoulli import Bernoulli
from ..beta import Beta
from ..binomial import Binomial
from ..categorical import Categorical
from ..cauchy import Cauchy
from ..continuous_bernoulli import ContinuousBernoulli
from ..dirichlet import Dirichlet
from ..exp_family import ExponentialFamily
from ..exponential import Exponential
from ..gamma import Gamma
from ..geometric import Geometric
from ..gumbel import Gumbel
from ..half_normal import HalfNormal
from ..independent import Independent
from ..laplace import Laplace
from ..lowrank_multivariate_normal import (
    LowRankMultivariateNormal,
    _batch_lowrank_logdet,
    _batch_lowrank_mahalanobis,
)
from ..multivariate_normal import MultivariateNormal, _batch_mahalanobis, log_determinant
from ..normal import Normal
from ..one_hot_categorical import OneHotCategorical
from ..pareto import Pareto
from ..poisson import Poisson
from ..transformed_distribution import TransformedDistribution
from ..uniform import Uniform
from ..utils import _sum_rightmost, euler_constant
from .registry import kl_divergence, register_kl


def everywhere(tensor: Tensor, number: float) -> Tensor:
    """A number in a tensor's shape."""
    return tensor.new_full(tuple(tensor.shape), number)


@register_kl(Bernoulli, Bernoulli)
def _(p: Any, q: Any) -> Tensor:
    yes = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    no = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    yes = yes.masked_fill(q.probs == 0, math.inf).masked_fill(p.probs == 0, 0)
    return yes + no.masked_fill(q.probs == 1, math.inf).masked_fill(p.probs == 1, 0)


@register_kl(Beta, Beta)
def _(p: Any, q: Any) -> Tensor:
    total_p = p.concentration1 + p.concentration0
    total_q = q.concentration1 + q.concentration0
    norms = (lgamma(q.concentration1) + lgamma(q.concentration0) + lgamma(total_p)) - (
        lgamma(p.concentration1) + lgamma(p.concentration0) + lgamma(total_q)
    )
    return (
        norms
        + (p.concentration1 - q.concentration1) * digamma(p.concentration1)
        + (p.concentration0 - q.concentration0) * digamma(p.concentration0)
        + (total_q - total_p) * digamma(total_p)
    )


@register_kl(Binomial, Binomial)
def _(p: Any, q: Any) -> Tensor:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    kl = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return kl.masked_fill(p.total_count > q.total_count, math.inf)


@register_kl(Categorical, Categorical)
def _(p: Any, q: Any) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    impossible = (q.probs == 0).expand(terms.shape)
    return (
        terms.masked_fill(impossible, math.inf)
        .masked_fill((p.probs == 0).expand(terms.shape), 0)
        .sum(-1)
    )


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _(p: Any, q: Any) -> Tensor:
    slope = p.mean * (p.logits - q.logits)
    norms = p._cont_bern_log_norm() - q._cont_bern_log_norm()
    return slope + norms + (-p.probs).log1p() - (-q.probs).log1p()


@register_kl(Dirichlet, Dirichlet)
def _(p: Any, q: Any) -> Tensor:
    total = p.concentration.sum(-1)
    norms = lgamma(total) - lgamma(q.concentration.sum(-1))
    norms = norms - (lgamma(p.concentration) - lgamma(q.concentration)).sum(-1)
    mean_logs = digamma(p.concentration) - digamma(total).unsqueeze(-1)
    return norms + ((p.concentration - q.concentration) * mean_logs).sum(-1)


@register_kl(Exponential, Exponential)
def _(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(ExponentialFamily, ExponentialFamily)
def _(p: Any, q: Any) -> Tensor:
    """The Bregman divergence of the log normalizer."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using Bregman divergences"
        )
    ours = [x.detach().requires_grad_() for x in p._natural_params]
    theirs = q._natural_params
    with enable_grad():
        normalizer = p._log_normalizer(*ours)
        slopes = grad(normalizer.sum(), ours, create_graph=True)
    result = q._log_normalizer(*theirs) - normalizer
    for a, b, slope in zip(ours, theirs, slopes):
        term = (b - a) * slope
        result = result - _sum_rightmost(term, len(q.event_shape))
    return result


@register_kl(Gamma, Gamma)
def _(p: Any, q: Any) -> Tensor:
    return (
        q.concentration * (p.rate / q.rate).log()
        + lgamma(q.concentration)
        - lgamma(p.concentration)
        + (p.concentration - q.concentration) * digamma(p.concentration)
        + (q.rate - p.rate) * (p.concentration / p.rate)
    )


@register_kl(Gumbel, Gumbel)
def _(p: Any, q: Any) -> Tensor:
    ratio, off = p.scale / q.scale, p.loc / q.scale - q.loc / q.scale
    growth = (-off + lgamma(1 + ratio)).exp()
    return -ratio.log() + off + euler_constant * ratio + growth - (1 + euler_constant)


@register_kl(Geometric, Geometric)
def _(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(HalfNormal, HalfNormal)
def _(p: Any, q: Any) -> Tensor:
    return _kl_normal_normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _(p: Any, q: Any) -> Tensor:
    ratio, off = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + ratio * (-off / p.scale).exp() + off / q.scale - 1


@register_kl(Normal, Normal)
def _kl_normal_normal(p: Any, q: Any) -> Tensor:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(OneHotCategorical, OneHotCategorical)
def _(p: Any, q: Any) -> Tensor:
    return kl_divergence(p._categorical, q._categorical)


@register_kl(Pareto, Pareto)
def _(p: Any, q: Any) -> Tensor:
    ratio = q.alpha / p.alpha
    kl = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return kl.masked_fill(p.support.lower_bound < q.support.lower_bound, math.inf)


@register_kl(Poisson, Poisson)
def _(p: Any, q: Any) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(TransformedDistribution, TransformedDistribution)
def _(p: Any, q: Any) -> Tensor:
    """What goes through the same transforms keeps its divergence."""
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError(
            "KL of transformed distributions is known only for equal transforms and event shapes"
        )
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Uniform, Uniform)
def _(p: Any, q: Any) -> Tensor:
    kl = ((q.high - q.low) / (p.high - p.low)).log()
    return kl.masked_fill((q.low > p.low) | (q.high < p.high), math.inf)


@register_kl(Independent, Independent)
def _(p: Any, q: Any) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL of Independents with different reinterpreted_batch_ndims")
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(Cauchy, Cauchy)
def _(p: Any, q: Any) -> Tensor:
    """Chyzak and Nielsen, A closed-form formula for the Kullback-Leibler divergence between Cauchy distributions (2019)."""
    distance = (p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)
    return distance.log() - (4 * p.scale * q.scale).log()


def _same_events(p: Any, q: Any) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"KL-divergence between two multivariate normals with different event shapes cannot be computed: "
            f"{p.event_shape} and {q.event_shape}"
        )


def _squared(factor: Tensor, matrix: Tensor) -> Tensor:
    """tr((L L^T)^-1 M M^T) of a factor L and any M."""
    return solve_triangular(factor, matrix, upper=False).pow(2).sum((-2, -1))


@register_kl(MultivariateNormal, MultivariateNormal)
def _(p: Any, q: Any) -> Tensor:
    _same_events(p, q)
    ours, theirs = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    determinants = log_determinant(theirs) - log_determinant(ours)
    trace = _squared(theirs, ours)
    distance = _batch_mahalanobis(theirs, q.loc - p.loc)
    return determinants + 0.5 * (trace + distance - p.event_shape[0])


def _lowrank_logdet(d: Any) -> Tensor:
    return _batch_lowrank_logdet(
        d._unbroadcasted_cov_factor, d._unbroadcasted_cov_diag, d._capacitance_tril
    )


def _lowrank_distance(p: Any, q: Any) -> Tensor:
    return _batch_lowrank_mahalanobis(
        q._unbroadcasted_cov_factor,
        q._unbroadcasted_cov_diag,
        q.loc - p.loc,
        q._capacitance_tril,
    )


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _(p: Any, q: Any) -> Tensor:
    _same_events(p, q)
    # tr((W W^T + D)^-1 (V V^T + E)), by the Woodbury identity for q's side, W and D.
    diagonal, own = q._unbroadcasted_cov_diag, p._unbroadcasted_cov_diag
    scaled = q._unbroadcasted_cov_factor.mT / diagonal.unsqueeze(-2)
    half = solve_triangular(q._capacitance_tril, scaled, upper=False)
    trace = (
        (own / diagonal).sum(-1)
        + (p._unbroadcasted_cov_factor / diagonal.sqrt().unsqueeze(-1)).pow(2).sum((-2, -1))
        - (half * own.sqrt().unsqueeze(-2)).pow(2).sum((-2, -1))
        - (half @ p._unbroadcasted_cov_factor).pow(2).sum((-2, -1))
    )
    determinants = _lowrank_logdet(q) - _lowrank_logdet(p)
    return 0.5 * (determinants + trace + _lowrank_distance(p, q) - p.event_shape[0])


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _(p: Any, q: Any) -> Tensor:
    _same_events(p, q)
    diagonal, own = q._unbroadcasted_cov_diag, p._unbroadcasted_scale_tril
    scaled = q._unbroadcasted_cov_factor.mT / diagonal.unsqueeze(-2)
    half = solve_triangular(q._capacitance_tril, scaled, upper=False)
    trace = (own.pow(2) / diagonal.unsqueeze(-1)).sum((-2, -1)) - (half @ own).pow(2).sum((-2, -1))
    determinants = _lowrank_logdet(q) - 2 * log_determinant(own)
    return 0.5 * (determinants + trace + _lowrank_distance(p, q) - p.event_shape[0])


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _(p: Any, q: Any) -> Tensor:
    _same_events(p, q)
    factor = q._unbroadcasted_scale_tril
    trace = _squared(factor, p._unbroadcasted_cov_factor)
    trace = trace + _squared(factor, p._unbroadcasted_cov_diag.sqrt().diag_embed())
    determinants = 2 * log_determinant(factor) - _lowrank_logdet(p)
    distance = _batch_mahalanobis(factor, q.loc - p.loc)
    return 0.5 * (determinants + trace + distance - p.event_shape[0])
