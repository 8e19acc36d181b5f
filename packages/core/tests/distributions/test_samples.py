"""Samples follow their distributions; their derivatives are those of quantiles; vmap and forward mode; refusals."""

import math

import numpy as np
import pytest

import flambeau
from flambeau import distributions as D
from flambeau.func import grad, jvp, vmap
from flambeau.ops.samplers import _dirichlet_grad, _standard_gamma, _standard_gamma_grad


def doubles(*numbers):
    return flambeau.tensor(list(numbers), dtype=flambeau.float64)


CONTINUOUS = [
    D.Cauchy(doubles(1.0), doubles(2.0)),
    D.Chi2(doubles(2.5)),
    D.ContinuousBernoulli(doubles(0.2)),
    D.Exponential(doubles(1.5)),
    D.Gamma(doubles(0.3), doubles(2.0)),
    D.Gamma(doubles(4.0), doubles(2.0)),
    D.GeneralizedPareto(doubles(0.0), doubles(1.0), doubles(-0.3)),
    D.Gumbel(doubles(1.0), doubles(2.0)),
    D.HalfCauchy(doubles(1.5)),
    D.HalfNormal(doubles(1.5)),
    D.InverseGamma(doubles(3.0), doubles(2.0)),
    D.Kumaraswamy(doubles(2.0), doubles(3.0)),
    D.Laplace(doubles(1.0), doubles(2.0)),
    D.LogNormal(doubles(0.0), doubles(0.5)),
    D.Normal(doubles(1.0), doubles(2.0)),
    D.Pareto(doubles(1.0), doubles(3.0)),
    D.Uniform(doubles(-1.0), doubles(2.0)),
    D.Weibull(doubles(2.0), doubles(1.5)),
]


@pytest.mark.parametrize("d", CONTINUOUS, ids=lambda d: type(d).__name__)
def test_samples_follow_the_distribution_function(d):
    flambeau.manual_seed(13)
    x, _ = d.sample((2000,)).flatten().sort()
    empirical = np.arange(1, 2001) / 2000
    distance = np.abs(d.cdf(x).numpy() - empirical).max()
    assert distance < 1.95 / math.sqrt(
        2000
    )  # Kolmogorov and Smirnov: once in 1000 by chance, and the seed is fixed


@pytest.mark.parametrize("d", CONTINUOUS, ids=lambda d: type(d).__name__)
def test_the_density_is_the_slope_of_the_distribution_function(d):
    p = doubles(0.15, 0.5, 0.8)
    try:
        x = d.icdf(p)
    except NotImplementedError:
        x = d.mean * p + (1 if isinstance(d, D.Pareto) else 0.1)
    else:
        np.testing.assert_allclose(d.cdf(x), p, rtol=1e-9)
    step = 1e-6
    slope = (d.cdf(x + step) - d.cdf(x - step)) / (2 * step)
    np.testing.assert_allclose(slope, d.log_prob(x).exp(), rtol=2e-6)


@pytest.mark.parametrize(
    "d",
    [
        D.Beta(doubles(2.0), doubles(3.0)),
        D.FisherSnedecor(doubles(6.0), doubles(12.0)),
        D.StudentT(doubles(8.0), doubles(1.0), doubles(2.0)),
        D.Binomial(7, doubles(0.3)),
        D.Binomial(100, doubles(0.7)),
        D.NegativeBinomial(doubles(4.0), doubles(0.4)),
        D.Geometric(doubles(0.3)),
        D.Poisson(doubles(12.0)),
        D.Dirichlet(doubles(0.5, 2.0, 4.0)),
        D.Multinomial(6, doubles(0.2, 0.3, 0.5)),
        D.OneHotCategorical(doubles(0.2, 0.3, 0.5)),
        D.MultivariateNormal(doubles(1.0, 2.0), doubles(2.0, 0.5, 0.5, 1.0).reshape(2, 2)),
        D.LowRankMultivariateNormal(doubles(1.0, 2.0), doubles(1.0, 0.5).reshape(2, 1), doubles(1.0, 2.0)),
        D.Wishart(doubles(5.0)[0], doubles(2.0, 0.5, 0.5, 1.0).reshape(2, 2)),
        D.MixtureSameFamily(D.Categorical(doubles(0.3, 0.7)), D.Normal(doubles(-1.0, 2.0), doubles(1.0, 0.5))),
    ],
    ids=lambda d: type(d).__name__,
)  # fmt: skip
def test_moments_of_samples(d):
    flambeau.manual_seed(4)
    n = 4000
    x = d.sample((n,))
    error = (d.variance / n).sqrt()
    assert bool(((x.mean(0) - d.mean).abs() <= 4 * error).all())
    assert bool((x.var(0) / d.variance - 1).abs().max() < 0.3)


def test_correlations_are_spread_evenly():
    flambeau.manual_seed(2)
    d = D.LKJCholesky(3, doubles(1.0)[0])
    factor = d.sample((4000,))
    assert bool(d.support.check(factor).all())
    # At concentration 1 each correlation of three is (beta(3/2, 3/2) + 1) / 2: variance 1/4.
    off = (factor @ factor.mT)[:, 0, 2]
    assert abs(float(off.mean())) < 0.04
    assert abs(float(off.var()) - 0.25) < 0.02


def test_angles():
    flambeau.manual_seed(1)
    d = D.VonMises(doubles(0.5)[0], doubles(3.0)[0])
    x = d.sample((4000,))
    assert bool((x.abs() <= math.pi).all())
    assert abs(float((x - 0.5).cos().mean()) - float(1 - d.variance)) < 0.02
    grid = flambeau.linspace(-math.pi, math.pi, 2001, dtype=flambeau.float64)
    assert abs(float(d.log_prob(grid).exp().mean()) * 2 * math.pi - 1) < 1e-3


# dx/da at given x, from mpmath: -(dP/da) / (dP/dx) at 30 digits.
GAMMA_SLOPES = [(0.1, 0.0005933911044602284, 0.041597742364844606), (1.0, 2.0, 1.6316914623)]


@pytest.mark.parametrize(("a", "x", "expected"), GAMMA_SLOPES)
def test_the_gamma_slope_at_recorded_points(a, x, expected):
    got = _standard_gamma_grad(doubles(a), doubles(x))
    np.testing.assert_allclose(got, [expected], rtol=1e-9)


@pytest.mark.parametrize("a", [0.05, 0.4, 1.0, 2.5, 30.0, 4000.0])
def test_the_gamma_slope_keeps_the_quantile(a):
    x = doubles(*[a * s for s in (0.9, 0.99, 1.0, 1.01, 1.2)])
    slope = _standard_gamma_grad(doubles(a).expand(5), x)
    h = 1e-5 * a
    P = flambeau.special.gammainc
    moved = [P(doubles(a + s * h).expand(5), x + s * h * slope) for s in (-1, 1)]
    np.testing.assert_allclose(moved[0], moved[1], rtol=1e-7, atol=1e-12)


def test_the_beta_slope_of_a_plain_case():
    # Beta(a, 1): F = x^a, so that dx/da = -x log(x) / a.
    a, x = doubles(0.02, 0.5, 1.0, 7.0, 300.0), doubles(0.3, 0.2, 0.5, 0.9, 0.999)
    got = _dirichlet_grad(x, a, a + 1) * (1 - x)
    np.testing.assert_allclose(got, -x * x.log() / a, rtol=1e-10)
    # Beta(1, b): 1 - F = (1 - x)^b, by the derivative of the other number.
    b, y = doubles(0.02, 0.5, 7.0, 300.0), doubles(0.3, 0.2, 0.1, 0.001)
    got = _dirichlet_grad(1 - y, b, b + 1) * y
    np.testing.assert_allclose(got, -(1 - y) * (-y).log1p() / b, rtol=1e-9)


def test_gradients_of_expectations():
    flambeau.manual_seed(0)
    a = doubles(0.7, 3.0).requires_grad_()
    x = D.Gamma(a.expand(4000, 2), 2.0).rsample()
    x.mean(0).sum().backward()
    np.testing.assert_allclose(a.grad, [0.5, 0.5], atol=0.03)  # d(a / 2)/da
    c = doubles(1.0, 2.0, 3.0).requires_grad_()
    D.Dirichlet(c).rsample((4000,))[:, 0].mean().backward()
    np.testing.assert_allclose(c.grad, [5 / 36, -1 / 36, -1 / 36], atol=0.01)


def test_samples_are_never_zero_and_gradients_finite():
    a = flambeau.full((200,), 1e-3, requires_grad=True)
    x = D.Gamma(a, 1.0).rsample()
    assert bool((x > 0).all())
    x.sum().backward()
    assert bool(a.grad.isfinite().all())
    b = flambeau.full((200, 2), 1e-3, requires_grad=True)
    y = D.Dirichlet(b).rsample()
    assert bool(((y > 0) & (y < 1)).all())
    y[:, 0].sum().backward()
    assert bool(b.grad.isfinite().all())


def test_forward_mode_agrees_with_reverse():
    def draw(a):
        flambeau.manual_seed(8)
        g = D.Gamma(a, 1.0, validate_args=False).rsample()
        return (g * D.Dirichlet(a, validate_args=False).rsample()).sum()

    a, t = doubles(0.5, 2.0, 7.0), doubles(1.0, -2.0, 0.5)
    _, forward = jvp(draw, (a,), (t,))
    np.testing.assert_allclose(forward, (grad(draw)(a) * t).sum(), rtol=1e-10)


def test_under_vmap():
    def draw(a):
        return D.Gamma(a, 1.0, validate_args=False).rsample((5,))

    a = doubles(1.0, 2.0)
    assert vmap(draw, randomness="different")(a).shape == (2, 5)
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(draw)(a)
    with pytest.raises(RuntimeError, match="randomness='different'"):
        vmap(draw, randomness="same")(a)
    one = vmap(lambda s: s * _standard_gamma(doubles(3.0)), randomness="same")(a)
    assert float(one[1]) == 2 * float(one[0])
    many = vmap(lambda s: s * 0 + _standard_gamma(doubles(3.0)), randomness="different")(a)
    assert float(many[1]) != float(many[0])


def test_second_derivatives_are_refused_not_wrong():
    for make in (lambda a: D.Gamma(a, 1.0), D.Dirichlet):
        a = doubles(1.0, 2.0).requires_grad_()
        (first,) = flambeau.autograd.grad(make(a).rsample()[0], a, create_graph=True)
        with pytest.raises(NotImplementedError, match="as in PyTorch"):
            first.sum().backward()


def test_draws_in_half_precision_and_empty():
    for kind in (flambeau.float16, flambeau.bfloat16):
        assert (
            D.Beta(flambeau.ones(3, dtype=kind), flambeau.ones(3, dtype=kind)).sample().dtype
            == kind
        )
    assert D.Gamma(flambeau.ones(0, 2), 1.0).rsample((3,)).shape == (3, 0, 2)
    assert D.Normal(flambeau.zeros(2), 1.0).sample((0,)).shape == (0, 2)
    with pytest.raises(NotImplementedError):
        _standard_gamma(flambeau.ones(2, dtype=flambeau.int64))
    with pytest.raises(RuntimeError, match="expected the same"):
        flambeau.binomial(flambeau.ones(2), doubles(0.5, 0.5))


def test_generators_of_their_own():
    generator = flambeau.Generator().manual_seed(3)
    state = flambeau.get_rng_state()
    first = flambeau.binomial(
        flambeau.full((5,), 40.0), flambeau.full((5,), 0.4), generator=generator
    )
    assert flambeau.equal(state, flambeau.get_rng_state())
    generator.manual_seed(3)
    again = flambeau.binomial(
        flambeau.full((5,), 40.0), flambeau.full((5,), 0.4), generator=generator
    )
    assert flambeau.equal(first, again)


@pytest.mark.parametrize(
    "make",
    [lambda a: D.Poisson(a, validate_args=False), lambda a: D.Binomial(9, a / 9, validate_args=False),
     lambda a: D.Dirichlet(a.expand(3), validate_args=False), lambda a: D.Normal(a, 1.0, validate_args=False)],
    ids=["Poisson", "Binomial", "Dirichlet", "Normal"],
)  # fmt: skip
def test_batches_are_drawn_as_one(make):
    a = doubles(2.0, 5.0, 7.0)
    flambeau.manual_seed(0)
    mapped = vmap(lambda x: make(x).sample((4,)), randomness="different")(a)
    assert mapped.shape[:2] == (3, 4)
    assert not flambeau.equal(mapped[0], mapped[1])
