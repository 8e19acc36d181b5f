"""Every distribution, transform, constraint and divergence beside PyTorch: values, gradients, samples, forms, errors."""

from __future__ import annotations

import inspect
import itertools
import warnings

import numpy as np
import pytest
import torch
from torch.distributions import kl as torch_kl

import flambeau
from flambeau.distributions.kl import _KL_REGISTRY

warnings.filterwarnings("ignore", category=UserWarning)


def t(lib, values, **kind):
    return lib.tensor(values, **kind)


def pd(lib):
    return lib.tensor([[2.0, 0.3], [0.3, 1.5]], dtype=lib.float64)


def v(*numbers):
    return lambda lib: lib.tensor(list(numbers), dtype=lib.float64)


def num(number):
    return lambda lib: lib.tensor(number, dtype=lib.float64)


def f32(*numbers):
    return lambda lib: lib.tensor(list(numbers))  # PyTorch's GeneralizedPareto takes no float64


def of(function):
    return function


SIMPLEX = v(0.2, 0.5, 0.3)
# name: (constructor's arguments, values in the support)
CASES = {
    "Bernoulli": ({"probs": v(0.1, 0.5, 0.9)}, v(1.0, 0.0, 1.0)),
    "Bernoulli-logits": ({"logits": v(-2.0, 0.0, 1.0)}, v(1.0, 0.0, 1.0)),
    "Beta": ({"concentration1": v(0.5, 2.0, 5.0), "concentration0": v(1.5, 3.0, 0.7)}, v(0.1, 0.5, 0.9)),
    "Binomial": ({"total_count": num(5.0), "probs": v(0.2, 0.5, 0.9)}, v(1.0, 5.0, 0.0)),
    "Binomial-logits": ({"total_count": v(3.0, 5.0), "logits": v(-1.0, 2.0)}, v(1.0, 5.0)),
    "Categorical": ({"probs": SIMPLEX}, v(2.0)),
    "Categorical-logits": ({"logits": lambda lib: lib.tensor([[0.1, 2.0], [1.0, -1.0]], dtype=lib.float64)}, v(0.0, 1.0)),
    "Cauchy": ({"loc": v(0.0, 1.0), "scale": v(1.0, 2.5)}, v(-1.0, 4.0)),
    "Chi2": ({"df": v(1.0, 3.0, 7.5)}, v(0.3, 2.0, 9.0)),
    "ContinuousBernoulli": ({"probs": v(0.1, 0.5, 0.8)}, v(0.2, 0.5, 0.9)),
    "ContinuousBernoulli-logits": ({"logits": v(-1.0, 0.001, 2.0)}, v(0.2, 0.5, 0.9)),
    "Dirichlet": ({"concentration": v(0.5, 2.0, 3.0)}, SIMPLEX),
    "Dirichlet-corner": ({"concentration": v(0.5, 0.2, 0.3)}, SIMPLEX),
    "Exponential": ({"rate": v(0.5, 2.0)}, v(0.3, 2.0)),
    "FisherSnedecor": ({"df1": v(1.0, 3.0, 5.0), "df2": v(1.5, 4.0, 9.0)}, v(0.3, 2.0, 1.0)),
    "Gamma": ({"concentration": v(0.5, 2.0, 5.0), "rate": v(1.5, 3.0, 0.7)}, v(0.1, 0.5, 6.0)),
    "GeneralizedPareto": ({"loc": f32(0.0, 1.0, -1.0, 0.5), "scale": f32(1.0, 2.0, 0.5, 1.0), "concentration": f32(0.0, 0.3, -0.4, 1.2)}, f32(0.5, 2.0, -0.5, 3.0)),
    "Geometric": ({"probs": v(0.1, 0.5, 0.9)}, v(0.0, 3.0, 1.0)),
    "Geometric-logits": ({"logits": v(-1.0, 0.5)}, v(0.0, 3.0)),
    "Gumbel": ({"loc": v(0.0, 1.0), "scale": v(1.0, 2.5)}, v(-1.0, 4.0)),
    "HalfCauchy": ({"scale": v(1.0, 2.5)}, v(0.5, 4.0)),
    "HalfNormal": ({"scale": v(1.0, 2.5)}, v(0.5, 4.0)),
    "InverseGamma": ({"concentration": v(0.5, 1.5, 5.0), "rate": v(1.5, 3.0, 0.7)}, v(0.1, 0.5, 6.0)),
    "Kumaraswamy": ({"concentration1": v(0.5, 2.0, 5.0), "concentration0": v(1.5, 3.0, 0.7)}, v(0.1, 0.5, 0.9)),
    "LKJCholesky": ({"dim": of(lambda lib: 3), "concentration": v(0.5, 2.0)}, of(lambda lib: lib.tensor([[1.0, 0, 0], [0.6, 0.8, 0], [0.0, 0.8, 0.6]], dtype=lib.float64))),
    "Laplace": ({"loc": v(0.0, 1.0), "scale": v(1.0, 2.5)}, v(-1.0, 4.0)),
    "LogNormal": ({"loc": v(0.0, 1.0), "scale": v(1.0, 0.5)}, v(0.1, 4.0)),
    "LogisticNormal": ({"loc": v(0.0, 1.0), "scale": v(1.0, 0.5)}, SIMPLEX),
    "LowRankMultivariateNormal": ({"loc": v(0.0, 1.0), "cov_factor": of(lambda lib: lib.tensor([[1.0], [0.5]], dtype=lib.float64)), "cov_diag": v(0.5, 2.0)}, v(0.3, -0.4)),
    "Multinomial": ({"total_count": of(lambda lib: 4), "probs": SIMPLEX}, v(1.0, 2.0, 1.0)),
    "MultivariateNormal": ({"loc": v(0.0, 1.0), "covariance_matrix": pd}, v(0.3, -0.4)),
    "MultivariateNormal-precision": ({"loc": v(0.0, 1.0), "precision_matrix": pd}, v(0.3, -0.4)),
    "MultivariateNormal-tril": ({"loc": of(lambda lib: lib.zeros(3, 2, dtype=lib.float64)), "scale_tril": of(lambda lib: pd(lib).tril())}, v(0.3, -0.4)),
    "NegativeBinomial": ({"total_count": v(3.0, 0.5), "probs": v(0.2, 0.7)}, v(0.0, 4.0)),
    "NegativeBinomial-logits": ({"total_count": v(3.0, 0.5), "logits": v(-0.2, 0.7)}, v(0.0, 4.0)),
    "Normal": ({"loc": v(0.0, 1.0), "scale": v(1.0, 2.5)}, v(-1.0, 4.0)),
    "OneHotCategorical": ({"probs": SIMPLEX}, v(0.0, 1.0, 0.0)),
    "OneHotCategoricalStraightThrough": ({"logits": SIMPLEX}, v(0.0, 1.0, 0.0)),
    "Pareto": ({"scale": v(1.0, 0.5), "alpha": v(0.8, 3.5)}, v(1.5, 4.0)),
    "Poisson": ({"rate": v(0.5, 7.0)}, v(0.0, 5.0)),
    "RelaxedBernoulli": ({"temperature": num(0.7), "probs": v(0.2, 0.7)}, v(0.3, 0.8)),
    "RelaxedOneHotCategorical": ({"temperature": num(0.7), "probs": SIMPLEX}, v(0.3, 0.6, 0.1)),
    "StudentT": ({"df": v(0.5, 1.5, 6.0), "loc": v(0.0, 1.0, 2.0), "scale": v(1.0, 2.0, 0.5)}, v(-1.0, 4.0, 2.2)),
    "Uniform": ({"low": v(0.0, -1.0), "high": v(1.0, 2.5)}, v(0.3, 2.0)),
    "VonMises": ({"loc": v(0.0, 1.0), "concentration": v(0.5, 12.0)}, v(-1.0, 1.5)),
    "Weibull": ({"scale": v(1.0, 0.5), "concentration": v(1.8, 3.5)}, v(1.5, 0.4)),
    "Wishart": ({"df": num(4.0), "covariance_matrix": pd}, of(lambda lib: pd(lib) * 2)),
    "Wishart-precision": ({"df": v(3.0, 4.5), "precision_matrix": pd}, of(lambda lib: pd(lib) * 2)),
}  # fmt: skip
DISCRETE = [n for n in CASES if getattr(torch.distributions, n.split("-")[0]).support.__class__ is not None and n.split("-")[0] in ("Bernoulli", "Binomial", "Categorical", "Geometric", "Multinomial", "NegativeBinomial", "OneHotCategorical", "OneHotCategoricalStraightThrough", "Poisson")]  # fmt: skip


def made(lib, case, grad=False, **options):
    arguments = {k: f(lib) for k, f in CASES[case][0].items()}
    if grad:
        for x in arguments.values():
            if hasattr(x, "requires_grad_"):
                x.requires_grad_()
    return getattr(lib.distributions, case.split("-")[0])(**arguments, **options), arguments


def same(got, expected, rtol=1e-9, atol=1e-12):
    assert str(got.dtype).split(".")[1] == str(expected.dtype).split(".")[1]
    assert tuple(got.shape) == tuple(expected.shape)
    got, expected = (x.detach().numpy() for x in (got, expected))
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


def both(case_of, rtol=1e-9, atol=1e-12):
    """The result in both, or the same class of refusal."""
    try:
        expected = case_of(torch)
    except Exception as error:
        with pytest.raises(type(error)):
            case_of(flambeau)
        return None
    got = case_of(flambeau)
    same(got, expected, rtol, atol)
    return got


def text(x):
    return str(x).replace("torch.Size", "flambeau.Size").replace("torch.", "flambeau.")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("asked", ["mean", "mode", "variance", "stddev", "entropy", "perplexity", "enumerate_support"])  # fmt: skip
def test_properties(case, asked):
    if (case, asked) == ("Kumaraswamy", "mode"):
        pytest.skip(
            "PyTorch's is NaN for parameters that have a mode; ours is tested beside the density"
        )

    def ask(lib):
        found = getattr(made(lib, case)[0], asked)
        return found() if callable(found) else found

    rtol = 2e-6 if case == "VonMises" else 1e-9  # PyTorch's Bessel functions have 7 digits
    if "ContinuousBernoulli" in case or case == "GeneralizedPareto":
        rtol = 1e-6  # cancellation near 1/2, in both
    both(ask, rtol)


@pytest.mark.parametrize("case", CASES)
def test_log_prob_cdf_icdf_and_gradients(case):
    rtol = 1e-6 if case == "VonMises" or "ContinuousBernoulli" in case else 1e-8
    rtol = 1e-5 if case == "GeneralizedPareto" else rtol

    def gradients(lib, asked, x):
        d, arguments = made(lib, case, grad=True)
        x = x.clone().requires_grad_() if x.dtype == lib.float64 and case not in DISCRETE else x
        out = getattr(d, asked)(x)
        leaves = [a for a in (*arguments.values(), x) if getattr(a, "requires_grad", False)]
        grads = torch.autograd.grad if lib is torch else flambeau.autograd.grad
        found = grads(out.sum(), leaves, allow_unused=True)
        return out, list(found)

    for asked in ("log_prob", "cdf", "icdf"):
        x = CASES[case][1]
        if asked == "icdf":
            shape = tuple(made(torch, case)[0].batch_shape)
            kind = "float32" if case == "GeneralizedPareto" else "float64"

            def x(lib, shape=shape, kind=kind):
                n = max(1, int(np.prod(shape)))
                return lib.linspace(0.1, 0.85, n, dtype=getattr(lib, kind)).reshape(shape)

        try:
            expected, theirs = gradients(torch, asked, x(torch))
        except NotImplementedError as error:
            if "igamma" in str(error):  # the function is there, its derivative is not
                same(
                    getattr(made(flambeau, case)[0], asked)(x(flambeau)),
                    getattr(made(torch, case)[0], asked)(x(torch)),
                )
                continue
            with pytest.raises(NotImplementedError):
                getattr(made(flambeau, case)[0], asked)(x(flambeau))
            continue
        got, ours = gradients(flambeau, asked, x(flambeau))
        same(got, expected, rtol)
        for a, b in zip(ours, theirs):
            assert (a is None) == (b is None)
            if a is not None:
                same(a, b, rtol * 10, 1e-7)


@pytest.mark.parametrize("case", CASES)
def test_form_shapes_and_expand(case):
    ours, theirs = made(flambeau, case)[0], made(torch, case)[0]
    assert repr(ours) == text(repr(theirs))
    for d, e in (
        (ours, theirs),
        (ours.expand((2, *ours.batch_shape)), theirs.expand((2, *theirs.batch_shape))),
    ):
        assert tuple(d.batch_shape) == tuple(e.batch_shape)
        assert tuple(d.event_shape) == tuple(e.event_shape)
        assert d.has_rsample == e.has_rsample
        assert d.has_enumerate_support == e.has_enumerate_support
        assert d.support.event_dim == e.support.event_dim
        assert d.support.is_discrete == e.support.is_discrete
        assert text(d.support) == text(e.support)
        same(d.log_prob(CASES[case][1](flambeau)), e.log_prob(CASES[case][1](torch)), 1e-6)
        assert {k: text(c) for k, c in d.arg_constraints.items()} == {
            k: text(c) for k, c in e.arg_constraints.items()
        }
    assert type(ours).has_rsample == type(theirs).has_rsample or "property" in str(
        type(theirs).has_rsample
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", [(), (4,), (2, 9)])
def test_same_seed_same_samples(case, shape):
    if case == "LKJCholesky":
        pytest.skip(
            "PyTorch's do not follow its density; ours are tested beside theirs in two dimensions"
        )

    def draw(lib):
        lib.manual_seed(3)
        d = made(lib, case)[0]
        # PyTorch draws every Wishart matrix that is not singular a second time; compared is the first.
        first = d._bartlett_sampling(shape) if "Wishart" in case else d.sample(shape)
        return first, lib.rand(2)

    (got, after), (expected, theirs) = draw(flambeau), draw(torch)
    same(got, expected, 2e-6, 1e-9)
    same(after, theirs)  # the generators are still in step


@pytest.mark.parametrize("case", [n for n in CASES if made(torch, n)[0].has_rsample])
def test_gradients_of_samples(case):
    def draw(lib):
        lib.manual_seed(5)
        d, arguments = made(lib, case, grad=True)
        leaves = [a for a in arguments.values() if getattr(a, "requires_grad", False)]
        x = d._bartlett_sampling((3,)) if "Wishart" in case else d.rsample((3,))
        weights = lib.arange(x.numel(), dtype=x.dtype).reshape(tuple(x.shape)).cos()
        grads = torch.autograd.grad if lib is torch else flambeau.autograd.grad
        return grads((x * weights).sum(), leaves, allow_unused=True)

    # PyTorch approximates the derivatives of gamma and Dirichlet numbers to three digits; ours are tested exactly.
    rough = any(
        w in case for w in ("Gamma", "Beta", "Dirichlet", "Chi2", "Student", "Fisher", "Wishart")
    )
    for a, b in zip(draw(flambeau), draw(torch)):
        assert (a is None) == (b is None)
        if a is not None:
            same(a, b, 2e-2 if rough else 1e-6, 1e-2 if rough else 1e-9)


BAD = {
    "Normal": [{"loc": [float("nan")], "scale": [1.0]}, {"loc": [0.0], "scale": [-1.0]}],
    "Bernoulli": [{"probs": [1.5]}, {}, {"probs": [0.5], "logits": [0.0]}],
    "Uniform": [{"low": [1.0], "high": [0.0]}],
    "Gamma": [{"concentration": [0.0], "rate": [1.0]}],
    "Geometric": [{"probs": [0.0]}],
    "Categorical": [{"probs": [-1.0, 0.5]}, {"probs": 1.0}],
    "MultivariateNormal": [{"loc": [0.0, 0.0], "covariance_matrix": [[1.0, 2.0], [2.0, 1.0]]}, {"loc": [0.0, 0.0]}, {"loc": 0.0, "scale_tril": [[1.0]]}],
    "Dirichlet": [{"concentration": 1.0}, {"concentration": [-1.0, 2.0]}],
    "LKJCholesky": [{"dim": 1}],
    "Binomial": [{"total_count": [-1.0], "probs": [0.5]}],
    "Wishart": [{"df": [0.5], "covariance_matrix": [[1.0, 0.0], [0.0, 1.0]]}, {"df": [3.0]}],
    "VonMises": [{"loc": [0.0], "concentration": [-1.0]}],
    "ContinuousBernoulli": [{"probs": [2.0], "validate_args": True}],
    "Multinomial": [{"total_count": [3.0], "probs": [0.5, 0.5]}],
    "LowRankMultivariateNormal": [{"loc": [0.0], "cov_factor": [1.0], "cov_diag": [1.0]}],
}  # fmt: skip


@pytest.mark.parametrize(("name", "bad"), [(n, b) for n, bs in BAD.items() for b in bs])
def test_wrong_parameters(name, bad):
    def make(lib):
        arguments = {
            k: x if k in ("dim", "validate_args") else lib.tensor(x) for k, x in bad.items()
        }
        return getattr(lib.distributions, name)(**arguments)

    with pytest.raises(Exception) as theirs:  # noqa: PT011 - PyTorch says which
        make(torch)
    with pytest.raises(theirs.type) as ours:
        make(flambeau)
    if "Expected parameter" in str(theirs.value):
        assert str(ours.value) == text(theirs.value)


@pytest.mark.parametrize(("name", "arguments", "value"), [
    ("Normal", (0.0, 1.0), float("nan")), ("Bernoulli", (0.5,), 0.5), ("Exponential", (1.0,), -1.0),
    ("Uniform", (0.0, 1.0), 2.0), ("Beta", (1.0, 1.0), 1.5), ("Poisson", (1.0,), 1.5),
])  # fmt: skip
def test_values_outside_the_support(name, arguments, value):
    messages = []
    for lib in (torch, flambeau):
        d = getattr(lib.distributions, name)(*arguments)
        with pytest.raises(ValueError, match="within the support") as caught:
            d.log_prob(lib.tensor(value))
        messages.append(text(caught.value))
        with pytest.raises(ValueError, match="must be a Tensor"):
            d.log_prob(value)
        getattr(lib.distributions, name)(*arguments, validate_args=False).log_prob(
            lib.tensor(value)
        )
    assert messages[0] == messages[1]


@pytest.mark.parametrize(("shape", "value"), [((7, 3), (7, 4)), ((3,), (2,))])
def test_shapes_that_do_not_fit(shape, value):
    for lib in (torch, flambeau):
        d = lib.distributions.Normal(lib.zeros(shape), 1.0)
        with pytest.raises(ValueError, match="not broadcastable"):
            d.log_prob(lib.zeros(value))
        with pytest.raises(ValueError, match="right-most"):
            lib.distributions.Dirichlet(lib.ones(3)).log_prob(lib.zeros(2))


KL_PAIRS = sorted({(p.__name__, q.__name__) for p, q in torch_kl._KL_REGISTRY})
SPECIAL = {"ExponentialFamily", "TransformedDistribution", "Independent"}


def test_every_pair_is_registered():
    assert sorted((p.__name__, q.__name__) for p, q in _KL_REGISTRY) == KL_PAIRS


def second(lib, name):
    """Another distribution of the class, as q."""
    d = lib.distributions
    f = lambda *x: lib.tensor(list(x), dtype=lib.float64)  # noqa: E731
    made_of = {
        "Bernoulli": lambda: d.Bernoulli(f(0.3, 0.6, 1.0)),
        "Beta": lambda: d.Beta(f(1.5, 2.0), f(0.5, 4.0)),
        "Binomial": lambda: d.Binomial(5, f(0.3, 0.5, 0.6)),
        "Categorical": lambda: d.Categorical(f(0.4, 0.0, 0.6)),
        "ContinuousBernoulli": lambda: d.ContinuousBernoulli(f(0.3, 0.9)),
        "Dirichlet": lambda: d.Dirichlet(f(1.5, 0.7, 2.0)),
        "Exponential": lambda: d.Exponential(f(1.5, 0.7)),
        "Gamma": lambda: d.Gamma(f(1.5, 0.7), f(2.0, 0.5)),
        "Geometric": lambda: d.Geometric(f(0.3, 0.6, 0.5)),
        "Gumbel": lambda: d.Gumbel(f(0.5, -1.0), f(2.0, 1.5)),
        "HalfNormal": lambda: d.HalfNormal(f(2.0, 1.5)),
        "Laplace": lambda: d.Laplace(f(0.5, -1.0), f(2.0, 1.5)),
        "LowRankMultivariateNormal": lambda: d.LowRankMultivariateNormal(f(0.5, 0.1), f(0.3, 0.2).reshape(2, 1), f(1.0, 0.7)),
        "MultivariateNormal": lambda: d.MultivariateNormal(f(0.5, 0.1), pd(lib) * 1.7),
        "Normal": lambda: d.Normal(f(0.5, -1.0), f(2.0, 1.5)),
        "OneHotCategorical": lambda: d.OneHotCategorical(f(0.4, 0.1, 0.6)),
        "Pareto": lambda: d.Pareto(f(0.5, 0.2), f(2.5, 1.5)),
        "Poisson": lambda: d.Poisson(f(1.5, 3.0)),
        "Uniform": lambda: d.Uniform(f(-0.5, 0.2), f(1.5, 0.9)),
        "Cauchy": lambda: d.Cauchy(f(0.5, -1.0), f(2.0, 1.5)),
    }  # fmt: skip
    return made_of[name]()


def first(lib, name):
    if name == "Uniform":
        return lib.distributions.Uniform(v(0.1, 0.2)(lib), v(0.8, 0.7)(lib))
    if name == "Poisson":
        return lib.distributions.Poisson(lib.tensor([0.5, 2.0], dtype=lib.float64))
    if name in ("Beta", "Gamma", "ContinuousBernoulli"):
        a, b = lib.tensor([2.0, 0.5], dtype=lib.float64), lib.tensor([1.0, 3.0], dtype=lib.float64)
        return getattr(lib.distributions, name)(*((a / 4,) if name.startswith("C") else (a, b)))
    return made(lib, name)[0]


@pytest.mark.parametrize(("p", "q"), [x for x in KL_PAIRS if not SPECIAL & set(x)])
def test_divergences(p, q):
    def ask(lib):
        a, b = first(lib, p), second(lib, q)
        if (p, q) == ("Bernoulli", "Poisson"):
            b = lib.distributions.Poisson(lib.tensor([1.0, 2.0, 3.0], dtype=lib.float64))
        if (p, q) in {("Poisson", "Bernoulli"), ("Poisson", "Binomial")}:
            a = lib.distributions.Poisson(lib.tensor([1.0, 2.0, 3.0], dtype=lib.float64))
        return lib.distributions.kl_divergence(a, b)

    assert both(ask, 1e-6) is not None


def test_divergences_of_made_up_distributions():
    def families(lib):
        p, q = made(lib, "Wishart")[0], lib.distributions.Wishart(num(5.0)(lib), pd(lib) * 1.5)
        return lib.distributions.kl_divergence(p, q)

    def independent(lib):
        d = lib.distributions
        p = d.Independent(d.Normal(lib.zeros(2, 3), 1.0), 1)
        return d.kl_divergence(p, d.Independent(d.Normal(lib.ones(3), 2.0), 1))

    def transformed(lib):
        return lib.distributions.kl_divergence(made(lib, "LogNormal")[0], lib.distributions.LogNormal(v(1.0, 0.0)(lib), v(0.3, 2.0)(lib)))  # fmt: skip

    def unknown(lib):
        return lib.distributions.kl_divergence(made(lib, "Normal")[0], made(lib, "Poisson")[0])

    def ranks(lib):
        d = lib.distributions
        p = d.Independent(d.Normal(lib.zeros(2, 3), 1.0), 1)
        return d.kl_divergence(p, d.Independent(d.Normal(lib.ones(2, 3), 2.0), 2))

    def counts(lib):
        d = lib.distributions
        return d.kl_divergence(d.Binomial(3, lib.tensor([0.5])), d.Binomial(4, lib.tensor([0.5])))

    for case in (families, independent, transformed, unknown, ranks, counts):
        both(case, 1e-6)
    edges = [0.0, 0.5, 1.0]
    for a, b in itertools.product(edges, edges):
        both(lambda lib: lib.distributions.kl_divergence(lib.distributions.Bernoulli(lib.tensor([a])), lib.distributions.Bernoulli(lib.tensor([b]))), 1e-5)  # fmt: skip


def matrix(lib):
    return lib.tensor([[0.5, 0.3], [-0.7, 1.5]], dtype=lib.float64)


# Transforms with an input each.
TRANSFORMS = {
    "AbsTransform": (lambda lib, T: T.AbsTransform(), v(-1.0, 2.0)),
    "AffineTransform": (lambda lib, T: T.AffineTransform(v(1.0, -2.0)(lib), v(2.0, -0.5)(lib)), v(-1.0, 2.0)),
    "AffineTransform-event": (lambda lib, T: T.AffineTransform(1.0, -3.0, event_dim=1), v(-1.0, 2.0)),
    "CatTransform": (lambda lib, T: T.CatTransform([T.ExpTransform(), T.AffineTransform(1.0, 2.0)], dim=0, lengths=[1, 2]), v(0.3, 1.0, 2.0)),
    "ComposeTransform": (lambda lib, T: T.ComposeTransform([T.TanhTransform(), T.AffineTransform(1.0, 2.0), T.ExpTransform()]), v(0.3, -1.0)),
    "ComposeTransform-mixed": (lambda lib, T: T.ComposeTransform([T.ExpTransform(), T.StickBreakingTransform()]), v(0.3, -1.0)),
    "ComposeTransform-empty": (lambda lib, T: T.identity_transform, v(0.3, -1.0)),
    "CorrCholeskyTransform": (lambda lib, T: T.CorrCholeskyTransform(), v(0.3, -1.0, 0.5, 0.2, -0.3, 1.1)),
    "CumulativeDistributionTransform": (lambda lib, T: T.CumulativeDistributionTransform(lib.distributions.Normal(0.0, 2.0)), v(0.3, -1.0)),
    "ExpTransform": (lambda lib, T: T.ExpTransform(), v(0.3, -1.0)),
    "ExpTransform-inv": (lambda lib, T: T.ExpTransform().inv, v(0.3, 1.0)),
    "IndependentTransform": (lambda lib, T: T.IndependentTransform(T.ExpTransform(), 1), matrix),
    "LowerCholeskyTransform": (lambda lib, T: T.LowerCholeskyTransform(), matrix),
    "PositiveDefiniteTransform": (lambda lib, T: T.PositiveDefiniteTransform(), matrix),
    "PowerTransform": (lambda lib, T: T.PowerTransform(v(2.0, -0.5)(lib)), v(0.3, 1.5)),
    "ReshapeTransform": (lambda lib, T: T.ReshapeTransform((2, 2), (4,)), matrix),
    "SigmoidTransform": (lambda lib, T: T.SigmoidTransform(), v(0.3, -1.0, 800.0)),
    "SoftplusTransform": (lambda lib, T: T.SoftplusTransform(), v(0.3, -1.0)),
    "TanhTransform": (lambda lib, T: T.TanhTransform(), v(0.3, -1.0)),
    "SoftmaxTransform": (lambda lib, T: T.SoftmaxTransform(), v(0.3, -1.0, 2.0)),
    "StackTransform": (lambda lib, T: T.StackTransform([T.ExpTransform(), T.TanhTransform()], dim=1), matrix),
    "StickBreakingTransform": (lambda lib, T: T.StickBreakingTransform(), v(0.3, -1.0, 2.0)),
}  # fmt: skip


@pytest.mark.parametrize("case", TRANSFORMS)
def test_transforms(case):
    make, x = TRANSFORMS[case]

    def of(lib):
        return make(lib, lib.distributions.transforms), x(lib)

    both(lambda lib: of(lib)[0](of(lib)[1]))
    both(lambda lib: of(lib)[0].inv(of(lib)[0](of(lib)[1])))
    both(lambda lib: of(lib)[0].log_abs_det_jacobian(of(lib)[1], of(lib)[0](of(lib)[1])))
    both(lambda lib: of(lib)[0].inv.log_abs_det_jacobian(of(lib)[0](of(lib)[1]), of(lib)[1]))
    (ours, a), (theirs, b) = of(flambeau), of(torch)
    assert repr(ours) == repr(theirs)
    assert repr(ours.inv) == repr(theirs.inv)
    assert ours.bijective == theirs.bijective
    assert tuple(ours.forward_shape(a.shape)) == tuple(theirs.forward_shape(b.shape))
    assert tuple(ours.inverse_shape(ours(a).shape)) == tuple(theirs.inverse_shape(theirs(b).shape))
    for asked in ("event_dim", "sign", "domain", "codomain"):
        try:
            expected = getattr(theirs, asked)
        except Exception as error:
            with pytest.raises(type(error)):
                getattr(ours, asked)
            continue
        got = getattr(ours, asked)
        if asked in ("domain", "codomain"):
            assert repr(got) == repr(expected)
        elif hasattr(expected, "shape"):
            same(got, expected)
        else:
            assert got == expected
    assert ours.inv.inv is ours or ours.inv.inv == ours
    assert (ours == of(flambeau)[0]) == (theirs == of(torch)[0])
    try:
        cached = theirs.with_cache(1)
    except NotImplementedError:
        return
    cached, mine = theirs.with_cache(1), ours.with_cache(1)
    y, z = cached(b), mine(a)
    assert (cached.inv(y) is b) == (mine.inv(z) is a)


CONSTRAINED = [
    "real", "positive", "nonnegative", "unit_interval", "simplex", "corr_cholesky", "lower_cholesky",
    "positive_definite", "positive_semidefinite", "real_vector", "boolean", "one_hot", "nonnegative_integer",
    "positive_integer", "lower_triangular", "square", "symmetric", "dependent",
]  # fmt: skip
MADE = {
    "greater_than": (1.0,), "greater_than_eq": (0.0,), "less_than": (-1.0,), "interval": (-1.0, 2.0),
    "half_open_interval": (0.0, 3.0), "integer_interval": (0, 2), "multinomial": (2,),
}  # fmt: skip
PROBES = [
    v(-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, float("nan"), float("inf")),
    of(lambda lib: lib.tensor([[0.2, 0.8], [1.0, 0.0], [0.5, 0.6], [1.0, 1.0], [-0.5, 1.5]])),
    of(lambda lib: lib.tensor([[[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.5], [0.5, 1.0]], [[1.0, 2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]], [[-1.0, 0.0], [1.0, 1.0]]])),
    of(lambda lib: lib.zeros(2, 2, 3)),
]  # fmt: skip


@pytest.mark.parametrize("name", [*CONSTRAINED, *MADE, "stack", "cat", "independent", "mixture"])
def test_constraints(name):
    def of(lib):
        c = lib.distributions.constraints
        if name == "stack":
            return c.stack([c.real, c.positive], dim=-1)
        if name == "cat":
            return c.cat([c.real, c.positive], dim=0, lengths=[3, 2])
        if name == "independent":
            return c.independent(c.positive, 1)
        if name == "mixture":
            return c.MixtureSameFamilyConstraint(c.positive)
        return getattr(c, name)(*MADE[name]) if name in MADE else getattr(c, name)

    assert repr(of(flambeau)) == repr(of(torch))
    for asked in ("is_discrete", "event_dim"):
        try:
            expected = getattr(of(torch), asked)
        except NotImplementedError:
            with pytest.raises(NotImplementedError):
                getattr(of(flambeau), asked)
        else:
            assert getattr(of(flambeau), asked) == expected
    for probe in PROBES:
        if probe is PROBES[0] and of(torch).__class__.__name__ in (
            "_LowerTriangular",
            "_Square",
            "_LowerCholesky",
        ):
            continue
        if name in ("lower_triangular", "lower_cholesky", "corr_cholesky", "square", "symmetric", "positive_definite", "positive_semidefinite") and probe in PROBES[:2]:  # fmt: skip
            continue
        try:
            expected = of(torch).check(probe(torch))
        except Exception as error:
            with pytest.raises(next(c for c in type(error).__mro__ if c.__module__ == "builtins")):
                of(flambeau).check(probe(flambeau))
            continue
        same(of(flambeau).check(probe(flambeau)), expected)


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
@pytest.mark.parametrize("name", [*CONSTRAINED, *MADE, "stack", "cat", "independent", "zero_one"])
def test_registries(registry, name):
    def of(lib):
        c = lib.distributions.constraints
        made_of = {
            "stack": lambda: c.stack([c.real, c.positive], dim=-1),
            "cat": lambda: c.cat([c.real, c.positive], dim=0, lengths=[1, 2]),
            "independent": lambda: c.independent(c.interval(1.0, 3.0), 1),
            "zero_one": lambda: c.interval(0, 1),
        }
        constraint = made_of[name]() if name in made_of else getattr(c, name)(*MADE[name]) if name in MADE else getattr(c, name)  # fmt: skip
        return getattr(lib.distributions, registry)(constraint)

    try:
        theirs = of(torch)
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            of(flambeau)
        return
    assert repr(of(flambeau)) == repr(theirs)


def test_compound_distributions():
    def mixture(lib):
        d = lib.distributions
        return d.MixtureSameFamily(
            d.Categorical(v(0.3, 0.7)(lib)), d.Normal(v(-1.0, 2.0)(lib), v(0.5, 1.5)(lib))
        )

    def vectors(lib):
        d = lib.distributions
        inner = d.Independent(d.Normal(lib.arange(12.0).reshape(2, 3, 2), 1.5), 1)
        return d.MixtureSameFamily(
            d.Categorical(lib.tensor([[0.3, 0.2, 0.5], [0.1, 0.8, 0.1]])), inner
        )

    def transformed(lib):
        d, T = lib.distributions, lib.distributions.transforms
        return d.TransformedDistribution(
            d.Normal(v(0.0, 1.0)(lib), 2.0), [T.SigmoidTransform(), T.AffineTransform(1.0, -2.0)]
        )

    def shaped(lib):
        d, T = lib.distributions, lib.distributions.transforms
        return d.TransformedDistribution(
            d.Normal(lib.zeros(3, 4), 1.0), [T.ReshapeTransform((4,), (2, 2)), T.ExpTransform()]
        )

    def broadcast(lib):
        d, T = lib.distributions, lib.distributions.transforms
        return d.TransformedDistribution(d.Normal(0.0, 1.0), T.AffineTransform(lib.zeros(3), 2.0))

    def independent(lib):
        d = lib.distributions
        return d.Independent(d.Gamma(lib.ones(2, 3), 2.0), 2)

    def draw(d, lib):
        lib.manual_seed(1)
        return d.sample((4,))

    for make in (mixture, vectors, transformed, shaped, broadcast, independent):
        ours, theirs = make(flambeau), make(torch)
        assert repr(ours) == text(repr(theirs))
        assert tuple(ours.batch_shape) == tuple(theirs.batch_shape)
        assert tuple(ours.event_shape) == tuple(theirs.event_shape)
        assert repr(ours.support) == repr(theirs.support)
        a, b = draw(ours, flambeau), draw(theirs, torch)
        same(a, b, 1e-5)
        same(ours.log_prob(a), theirs.log_prob(b), 1e-4, 1e-5)
        same(
            ours.expand((5, *ours.batch_shape)).log_prob(a[0]),
            theirs.expand((5, *theirs.batch_shape)).log_prob(b[0]),
            1e-4,
            1e-5,
        )
        for asked in ("mean", "variance", "mode"):
            both(lambda lib: getattr(make(lib), asked), 1e-5)
        for asked in ("cdf", "entropy"):
            both(
                lambda lib: getattr(make(lib), asked)(
                    *([] if asked == "entropy" else [(a if lib is flambeau else b)])
                ),
                1e-4,
                1e-6,
            )


def test_numbers_for_parameters():
    for name, args in [("Normal", (0.0, 1.0)), ("Uniform", (0.0, 2.0)), ("Gamma", (2.0, 3.0)), ("Beta", (2.0, 3.0)), ("Poisson", (2.0,)), ("Exponential", (2.0,)), ("Laplace", (0, 1)), ("Bernoulli", (0.3,)), ("StudentT", (3.0,)), ("Gumbel", (0.0, 1.0)), ("Pareto", (1.0, 2.0)), ("Weibull", (1.0, 2.0)), ("HalfNormal", (2.0,)), ("LogNormal", (0.0, 1.0)), ("Chi2", (3.0,)), ("FisherSnedecor", (3.0, 4.0)), ("Kumaraswamy", (2.0, 3.0)), ("VonMises", (0.0, 1.0)), ("LKJCholesky", (3,)), ("Geometric", (0.3,))]:  # fmt: skip
        ours, theirs = (getattr(lib.distributions, name)(*args) for lib in (flambeau, torch))
        assert repr(ours) == text(repr(theirs))
        if name == "LKJCholesky":
            continue
        flambeau.manual_seed(0), torch.manual_seed(0)
        same(ours.sample((3,)), theirs.sample((3,)), 1e-5)


def test_correlation_matrices_of_two_dimensions():
    for lib in (flambeau, torch):
        lib.manual_seed(0)
    ours, theirs = (lib.distributions.LKJCholesky(2, 1.5).sample((5,)) for lib in (flambeau, torch))
    same(ours, theirs, 1e-6)


def test_signatures():
    for module in (
        "distributions",
        "distributions.transforms",
        "distributions.constraints",
        "distributions.kl",
    ):
        for name in __import__(f"torch.{module}", fromlist=["x"]).__all__:
            theirs = getattr(__import__(f"torch.{module}", fromlist=["x"]), name)
            ours = getattr(__import__(f"flambeau.{module}", fromlist=["x"]), name)
            if not inspect.isclass(theirs):
                continue
            want = list(inspect.signature(theirs).parameters)
            assert list(inspect.signature(ours).parameters)[: len(want)] == want, name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_draws_bit_by_bit(dtype):
    def draw(lib):
        kind = getattr(lib, dtype)
        lib.manual_seed(1)
        a = lib.tensor([0.05, 0.7, 1.0, 3.5, 80.0, 2000.0]).to(kind).expand(500, 6)
        n = lib.tensor([5.0, 40.0, 20.0, 100.0, 1000.0, 1e6]).to(kind).expand(500, 6)
        p = lib.tensor([0.3, 0.2, 0.7, 0.7, 0.99, 0.4]).to(kind).expand(500, 6)
        return lib._standard_gamma(a), lib._sample_dirichlet(a), lib.binomial(n, p), lib.randn(3)

    for i, (got, expected) in enumerate(zip(draw(flambeau), draw(torch))):
        if i == 1:  # the sum that Dirichlet numbers are divided by is added up in another order
            np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-15)
        else:
            np.testing.assert_array_equal(got.numpy(), expected.numpy())


def test_draws_of_tiny_concentrations():
    def draw(lib):
        lib.manual_seed(1)
        a = lib.full((300, 2), 1e-3)
        return lib._standard_gamma(a), lib._sample_dirichlet(a)

    for got, expected in zip(draw(flambeau), draw(torch)):
        np.testing.assert_array_equal(got.numpy(), expected.numpy())
