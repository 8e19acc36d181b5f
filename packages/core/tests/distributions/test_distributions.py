"""What holds of distributions by definition: densities, modes, divergences, transforms, registries, pickles."""

import copy
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest

import flambeau
from flambeau import distributions as D
from flambeau.distributions import constraints, transforms
from flambeau.func import grad, vmap


def doubles(*numbers):
    return flambeau.tensor(list(numbers), dtype=flambeau.float64)


def test_importing_flambeau_leaves_distributions_alone():
    code = "import flambeau, sys; print([m for m in sys.modules if m.startswith('flambeau.distributions')])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_kumaraswamys_mode_is_the_densitys_maximum():
    d = D.Kumaraswamy(doubles(2.0, 5.0), doubles(3.0, 1.5))
    grid = flambeau.linspace(0.001, 0.999, 9999, dtype=flambeau.float64).unsqueeze(-1)
    best = grid[d.log_prob(grid).argmax(0), 0]
    np.testing.assert_allclose(d.mode, best, atol=2e-4)
    assert math.isnan(float(D.Kumaraswamy(0.5, 2.0).mode))


def test_uniform_and_continuous_bernoulli_on_the_whole_interval():
    # PyTorch says infinity where the interval's ends are equal; the integral is finite.
    c, u = D.ContinuousBernoulli(doubles(0.3)), D.Uniform(doubles(0.0), doubles(1.0))
    np.testing.assert_allclose(D.kl_divergence(c, u), -c.entropy())
    grid = (flambeau.arange(20000, dtype=flambeau.float64) + 0.5) / 20000
    np.testing.assert_allclose(D.kl_divergence(u, c), [-float(c.log_prob(grid).mean())], rtol=1e-7)


PAIRS = [
    (D.Normal(doubles(0.3), doubles(1.2)), D.Laplace(doubles(0.0), doubles(1.0))),
    (D.Normal(doubles(0.3), doubles(1.2)), D.Gumbel(doubles(0.0), doubles(2.0))),
    (D.Gumbel(doubles(0.3), doubles(1.2)), D.Gumbel(doubles(0.0), doubles(2.0))),
    (D.Beta(doubles(2.0), doubles(3.0)), D.Gamma(doubles(1.5), doubles(2.0))),
    (D.Uniform(doubles(0.1), doubles(0.8)), D.Beta(doubles(2.0), doubles(3.0))),
    (D.Uniform(doubles(1.1), doubles(1.8)), D.Pareto(doubles(1.0), doubles(3.0))),
    (D.Gamma(doubles(2.0), doubles(3.0)), D.Gumbel(doubles(0.5), doubles(2.0))),
    (D.Pareto(doubles(1.0), doubles(5.0)), D.Gamma(doubles(1.5), doubles(2.0))),
]


@pytest.mark.parametrize(("p", "q"), PAIRS, ids=lambda d: type(d).__name__)
def test_divergences_are_means_of_log_ratios(p, q):
    flambeau.manual_seed(0)
    x = p.sample((20000,))
    ratio = p.log_prob(x) - q.log_prob(x)
    error = float(ratio.std() / math.sqrt(20000))
    assert abs(float(ratio.mean() - D.kl_divergence(p, q))) < 4.5 * error


def test_the_nearest_registered_class_wins_and_ties_are_told(monkeypatch):
    from flambeau.distributions.kl import registry

    monkeypatch.setattr(registry, "_KL_REGISTRY", dict(registry._KL_REGISTRY))
    monkeypatch.setattr(registry, "_KL_MEMOIZE", {})

    class P(D.Normal):
        pass

    class Q(D.Normal):
        pass

    D.register_kl(P, D.Normal)(lambda p, q: "P")
    assert D.kl_divergence(P(0.0, 1.0), Q(0.0, 1.0)) == "P"
    D.register_kl(D.Normal, Q)(lambda p, q: "Q")
    with pytest.warns(RuntimeWarning, match="Ambiguous kl_divergence"):
        D.kl_divergence(P(0.0, 1.0), Q(0.0, 1.0))
    with pytest.raises(TypeError, match="Distribution subclass"):
        D.register_kl(3, D.Normal)


def test_subclasses_have_to_bring_expand():
    class Mine(D.Normal):
        def __init__(self, x):
            super().__init__(x, 1.0)

    with pytest.raises(NotImplementedError, match="custom .expand"):
        Mine(doubles(0.0)).expand((2, 1))


def test_expanding_shares_memory():
    loc = doubles(0.0, 1.0)
    wide = D.Normal(loc, 1.0).expand((3, 2))
    loc[0] = 5.0
    assert float(wide.mean[2, 0]) == 5.0


def test_validation_can_be_switched_off():
    D.Distribution.set_default_validate_args(False)
    try:
        assert math.isnan(float(D.Normal(0.0, -1.0).log_prob(flambeau.tensor(0.0))))
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match=r"Normal\(loc: 0.0, scale: -1.0\)"):
        D.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match="True or False"):
        D.Distribution.set_default_validate_args(3)
    with pytest.raises(ValueError, match="Number, Tensor"):
        D.Normal("0", 1.0)


@pytest.mark.parametrize(
    "d",
    [D.Gamma(doubles(2.0), doubles(1.0)), D.LogNormal(doubles(0.0), doubles(1.0)), D.Beta(doubles(2.0), doubles(3.0)),
     D.Categorical(doubles(0.2, 0.8)), D.MultivariateNormal(doubles(0.0, 0.0), flambeau.eye(2, dtype=flambeau.float64)),
     D.RelaxedBernoulli(doubles(0.5), doubles(0.3)), D.Gumbel(doubles(0.0), doubles(1.0))],
    ids=lambda d: type(d).__name__,
)  # fmt: skip
def test_copies_are_equal(d):
    flambeau.manual_seed(0)
    x = d.sample()
    for twin in (pickle.loads(pickle.dumps(d)), copy.deepcopy(d)):
        assert flambeau.equal(twin.log_prob(x), d.log_prob(x))


def test_under_vmap_and_grad():
    def score(a):
        return D.Gamma(a, 2.0, validate_args=False).log_prob(doubles(1.5)[0])

    a = doubles(0.5, 2.0)
    np.testing.assert_allclose(vmap(grad(score))(a), [float(grad(score)(x)) for x in a])


def numeric_log_det(t, x):
    """log |det| of the Jacobian, by the library's own derivatives."""
    jacobian = flambeau.func.jacrev(t)(x)
    return flambeau.linalg.slogdet(jacobian).logabsdet


@pytest.mark.parametrize(
    "t",
    [transforms.ExpTransform(), transforms.SigmoidTransform(), transforms.TanhTransform(), transforms.SoftplusTransform(),
     transforms.AffineTransform(1.0, -2.0), transforms.ComposeTransform([transforms.TanhTransform(), transforms.ExpTransform()])],
    ids=repr,
)  # fmt: skip
def test_jacobians(t):
    x = doubles(0.3, -1.2)
    got = t.log_abs_det_jacobian(x, t(x)).sum()
    np.testing.assert_allclose(got, numeric_log_det(t, x), rtol=1e-9)


def test_jacobians_of_simplex_and_correlations():
    t, x = transforms.StickBreakingTransform(), doubles(0.3, -1.2, 0.5)
    np.testing.assert_allclose(
        t.log_abs_det_jacobian(x, t(x)), numeric_log_det(lambda x: t(x)[:-1], x), rtol=1e-9
    )
    t = transforms.CorrCholeskyTransform()
    rows, columns = flambeau.tril_indices(3, 3, -1)
    np.testing.assert_allclose(
        t.log_abs_det_jacobian(x, t(x)), numeric_log_det(lambda x: t(x)[rows, columns], x), rtol=1e-9
    )  # fmt: skip


def test_caches_hold_what_was_last_asked():
    t = transforms.TanhTransform(cache_size=1)
    far = doubles(40.0)
    assert t.inv(t(far)) is far  # without a cache: infinity
    assert t(doubles(1.0)) is not t(doubles(1.0))
    assert math.isinf(float(transforms.TanhTransform().inv(t(far))))
    with pytest.raises(ValueError, match="0 or 1"):
        transforms.ExpTransform(cache_size=2)
    twin = pickle.loads(pickle.dumps(transforms.ComposeTransform([t, transforms.ExpTransform()])))
    assert twin(doubles(0.5)).item() == pytest.approx(math.exp(math.tanh(0.5)))


def test_registries_take_new_constraints():
    class Even(constraints.Constraint):
        def check(self, value):
            return value % 2 == 0

    registry = D.biject_to
    with pytest.raises(NotImplementedError, match="Even"):
        registry(Even())
    registry.register(Even, lambda c: transforms.AffineTransform(0, 2))
    assert isinstance(registry(Even()), transforms.AffineTransform)
    with pytest.raises(TypeError, match="Constraint subclass"):
        registry.register(int, lambda c: c)


@pytest.mark.parametrize("constraint", [
    constraints.positive, constraints.simplex, constraints.corr_cholesky, constraints.interval(-1.0, 2.0), constraints.less_than(3.0),
    constraints.lower_cholesky, constraints.positive_definite,
], ids=repr)  # fmt: skip
def test_transforms_lead_into_their_constraint(constraint):
    flambeau.manual_seed(0)
    t = D.transform_to(constraint)
    x = flambeau.randn(4, 3, 3, dtype=flambeau.float64)
    y = t(x)
    assert bool(constraint.check(y).all())
    np.testing.assert_allclose(t(t.inv(y)), y, rtol=1e-7, atol=1e-12)


def test_entropies_by_bregman_divergences():
    for d in (D.Normal(doubles(0.3), doubles(2.0)), D.Gamma(doubles(0.7), doubles(2.0)), D.Exponential(doubles(3.0)),
              D.Bernoulli(doubles(0.3)), D.Wishart(doubles(4.0)[0], flambeau.eye(2, dtype=flambeau.float64))):  # fmt: skip
        np.testing.assert_allclose(D.ExponentialFamily.entropy(d).detach(), d.entropy(), rtol=1e-9)


def test_mixtures_of_vectors():
    component = D.Independent(D.Normal(doubles(0.0, 1.0, 2.0, 3.0, 4.0, 5.0).reshape(3, 2), 1.0), 1)
    d = D.MixtureSameFamily(D.Categorical(doubles(0.2, 0.3, 0.5)), component)
    x = doubles(1.0, 2.0)
    wanted = sum(w * component.log_prob(x)[i].exp() for i, w in enumerate((0.2, 0.3, 0.5)))
    np.testing.assert_allclose(d.log_prob(x).exp(), wanted)
    with pytest.raises(ValueError, match="Categorical"):
        D.MixtureSameFamily(D.Bernoulli(0.5), component)
    with pytest.raises(ValueError, match="does not equal"):
        D.MixtureSameFamily(D.Categorical(doubles(0.5, 0.5)), component)
