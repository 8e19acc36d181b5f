"""Special functions against values known to the last digit, at their edges, and in every dtype."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

import flambeau
from flambeau import special
from flambeau.autograd import gradcheck
from flambeau.runtime.operator import registry

sys.path.insert(0, str(Path(__file__).parent))
from special_values import ONE, TWO

INF, NAN = math.inf, math.nan
# Functions with zeros: beside one, an error of a unit of their usual size is all that can be asked.
CROSSING = (
    "lgamma",
    "digamma",
    "bessel",
    "airy",
    "sinc",
    "polynomial",
    "multigammaln",
    "polygamma",
)


def function(name):
    return flambeau.lgamma if name == "lgamma" else getattr(special, name)


def close(name, got, expected, rtol=4e-15):
    crossing = any(part in name for part in CROSSING)
    atol = (
        2e-15 * (max(1.0, abs(expected).max()) if "polynomial" in name else 1.0) if crossing else 0
    )
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", ONE)
def test_values(name):
    x, expected = np.array(ONE[name]).T
    close(name, function(name)(flambeau.tensor(x)).numpy(), expected)


@pytest.mark.parametrize("name", ONE)
def test_large_arrays_have_the_same_values(name):
    """They run compiled, or in blocks where there is no compiler."""
    x, expected = np.array(ONE[name]).T
    close(
        name,
        function(name)(flambeau.tensor(np.tile(x, 1100 // len(x) + 1))).numpy()[-len(x) :],
        expected,
    )


def test_numpy_in_blocks_equals_one_piece():
    from flambeau.backends.numpy import xp

    assert flambeau.lgamma  # imports its file
    rule = registry["_lgamma"]
    x = np.linspace(-5.3, 40, 3001).reshape(1, 3001)[:, ::2]
    with np.errstate(all="ignore"):
        whole = rule.kernels[None](xp, x)
        parts = [rule.kernels[None](xp, x[:, i : i + 500]) for i in range(0, 1501, 500)]
    assert whole.shape == x.shape
    np.testing.assert_array_equal(whole, np.concatenate(parts, 1))


@pytest.mark.parametrize("name", TWO)
def test_values_of_two_arguments(name):
    a, b, expected = np.array(TWO[name]).T
    f = getattr(special, name)
    if name == "multigammaln":
        got = [f(flambeau.tensor(x, dtype=flambeau.float64), int(p)).item() for x, p in zip(a, b)]
    elif name == "polygamma":
        got = [f(int(n), flambeau.tensor(x, dtype=flambeau.float64)).item() for n, x in zip(a, b)]
    else:
        got = f(flambeau.tensor(a), flambeau.tensor(b)).numpy()
    # exp(-x^2 / 2) and the like cost as many digits as their argument has before the point
    close(name, got, expected, rtol=2e-13 if name.startswith("gammainc") else 1e-14)


@pytest.mark.parametrize("name", [*ONE, "gammainc", "zeta", "chebyshev_polynomial_t"])
@pytest.mark.parametrize("dtype", [flambeau.float32, flambeau.bfloat16, flambeau.float16])
def test_narrow_dtypes_are_the_double_rounded_once(name, dtype):
    if name in ("entr", "sinc"):
        pytest.skip("evaluated in its own dtype")
    table = [*zip(*(TWO if name in TWO else ONE)[name])][:-1]
    inputs = [flambeau.tensor(np.array(column, dtype=float)).to(dtype) for column in table]
    got = function(name)(*inputs)
    assert got.dtype is dtype
    expected = function(name)(*(x.double() for x in inputs)).to(dtype)
    np.testing.assert_array_equal(got.float().numpy(), expected.float().numpy())


EDGES = {
    "lgamma": [(0.0, INF), (-0.0, INF), (-1.0, INF), (-50.0, INF), (INF, INF), (-INF, INF), (1.0, 0.0), (2.0, 0.0)],
    "digamma": [(0.0, -INF), (-0.0, INF), (-1.0, NAN), (-50.0, NAN), (INF, INF), (-INF, NAN)],
    "erfcx": [(INF, 0.0), (-INF, INF), (-27.0, INF), (0.0, 1.0)],
    "erfinv": [(1.0, INF), (-1.0, -INF), (1.5, NAN), (-1.5, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, NAN)],
    "ndtri": [(0.0, -INF), (1.0, INF), (-0.1, NAN), (1.1, NAN), (0.5, 0.0), (5e-324, -38.467405617144344)],
    "ndtr": [(INF, 1.0), (-INF, 0.0), (0.0, 0.5), (-40.0, 0.0), (40.0, 1.0)],
    "log_ndtr": [(INF, 0.0), (-INF, -INF), (0.0, -math.log(2))],
    "entr": [(0.0, 0.0), (-1.0, -INF), (INF, -INF), (1.0, 0.0)],
    "i0": [(INF, INF), (-INF, INF), (0.0, 1.0), (714.0, INF)],
    "i0e": [(INF, 0.0), (-INF, 0.0), (0.0, 1.0)],
    "i1": [(INF, INF), (-INF, -INF), (0.0, 0.0), (-0.0, -0.0)],
    "i1e": [(INF, 0.0), (-INF, -0.0), (0.0, 0.0), (-0.0, -0.0)],
    "modified_bessel_i0": [(INF, INF)], "modified_bessel_i1": [(-INF, -INF)],
    "modified_bessel_k0": [(0.0, INF), (INF, 0.0), (-1.0, NAN), (800.0, 0.0)],
    "modified_bessel_k1": [(0.0, INF), (INF, 0.0), (-1.0, NAN), (800.0, 0.0), (5e-324, INF)],
    "scaled_modified_bessel_k0": [(0.0, INF), (INF, 0.0), (-1.0, NAN)],
    "scaled_modified_bessel_k1": [(0.0, INF), (INF, 0.0), (-1.0, NAN)],
    "bessel_j0": [(0.0, 1.0), (INF, 0.0), (-INF, 0.0)],
    "bessel_j1": [(0.0, 0.0), (-0.0, -0.0), (INF, 0.0), (1e-300, 5e-301)],
    "bessel_y0": [(0.0, -INF), (-1.0, NAN), (INF, 0.0)],
    "bessel_y1": [(0.0, -INF), (-1.0, NAN), (-9.0, NAN), (INF, 0.0)],
    "spherical_bessel_j0": [(0.0, 1.0), (INF, 0.0), (-INF, 0.0), (5e-324, 1.0)],
    "airy_ai": [(INF, 0.0), (200.0, 0.0), (-INF, 0.0)],
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
def test_edges(name):
    f = function(name)
    arguments, values = zip(*EDGES[name], (NAN, NAN))
    x, expected = flambeau.tensor(arguments, dtype=flambeau.float64), np.array(values)
    got = f(x).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-15, atol=1e-300)
    signed = expected == 0
    if name not in ("lgamma", "entr", "log_ndtr", "bessel_j0", "bessel_j1", "ndtri"):
        np.testing.assert_array_equal(np.signbit(got[signed]), np.signbit(expected[signed]))


def double(*values):
    return flambeau.tensor(values, dtype=flambeau.float64)


def test_edges_of_the_zeta_function():
    got = special.zeta(
        double(2, 1, 0.5, 2, 2.5, 2, INF, NAN, 2), double(0, 3, 1, -3, -0.5, INF, 2, 1, NAN)
    )
    np.testing.assert_array_equal(got.numpy(), [INF, INF, NAN, INF, NAN, 0, 0, NAN, NAN])
    assert flambeau.polygamma(1, double(-1.0)).item() == INF
    assert flambeau.polygamma(2, double(0.0)).item() == -INF


def test_edges_of_the_incomplete_gamma_function():
    a = double(0, 0, 1, 1, INF, INF, -1, 1, NAN, 1)
    x = double(0, 1, 0, INF, 1, INF, 1, -1, 1, NAN)
    expected = np.array([NAN, 1, 0, 1, 0, NAN, NAN, NAN, NAN, NAN])
    np.testing.assert_array_equal(flambeau.igamma(a, x).numpy(), expected)
    np.testing.assert_array_equal(flambeau.igammac(a, x).numpy(), 1 - expected)


def test_slopes_at_zero():
    for name, slope in (("i0", 0.0), ("i0e", 0.0), ("i1", 0.5), ("i1e", 0.5)):
        x = double(0.0, -0.0).requires_grad_()
        getattr(special, name)(x).sum().backward()
        assert x.grad.tolist() == [slope, slope], name
    x = double(0.0, -1.0, 0.5).requires_grad_()
    special.entr(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [INF, NAN, math.log(2) - 1])
    x, y = double(0.0, 0.0).requires_grad_(), double(-1.0, -2.0)
    special.xlog1py(x, y).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]
    assert special.xlog1py(0.0, double(NAN, INF, -1.0)).tolist()[1:] == [0.0, 0.0]


def test_slopes_of_narrow_inputs_keep_their_dtype():
    x = flambeau.tensor([0.5, 3.0], requires_grad=True)
    flambeau.lgamma(x).sum().backward()
    assert x.grad.dtype is flambeau.float32
    np.testing.assert_allclose(x.grad.numpy(), [-1.9635100, 0.9227843], rtol=1e-6)


def test_no_derivative_is_said_or_follows_pytorch():
    x = double(1.5).requires_grad_()
    assert not special.bessel_j0(x).requires_grad
    assert not special.legendre_polynomial_p(x, 3).requires_grad
    for made in (
        special.zeta(x + 1, 2.0),
        flambeau.igamma(x, double(1.0)),
        flambeau.igammac(x, double(1.0)),
    ):
        with pytest.raises(NotImplementedError, match="derivative for"):
            made.backward()
    assert gradcheck(lambda y: flambeau.igamma(double(1.5), y), (double(0.7).requires_grad_(),))


def test_dtypes_and_wrong_arguments():
    assert flambeau.lgamma(flambeau.tensor([3, 4])).dtype is flambeau.float32
    assert special.bessel_j0(flambeau.tensor([True])).dtype is flambeau.float32
    assert special.zeta(flambeau.tensor([2]), 3).dtype is flambeau.float32
    assert special.hermite_polynomial_h(flambeau.tensor([2]).double(), 3).dtype is flambeau.float64
    with pytest.raises(NotImplementedError, match="complex64"):
        flambeau.digamma(flambeau.tensor([1j]))
    with pytest.raises(NotImplementedError, match="int64"):
        flambeau.igamma(flambeau.tensor([1]), flambeau.tensor([1]))
    for call in (
        lambda: flambeau.lgamma(2.0),
        lambda: special.zeta(2.0, 3.0),
        lambda: special.legendre_polynomial_p(2.0, 3),
        lambda: flambeau.igamma(double(1.0), 2.0),
        lambda: flambeau.gcd(flambeau.tensor([1]), 2),
        lambda: flambeau.polygamma(1.5, double(1.0)),
    ):
        with pytest.raises(TypeError, match="argument|expected"):
            call()
    with pytest.raises(RuntimeError, match="negative n"):
        flambeau.polygamma(-1, double(1.0))
    with pytest.raises(RuntimeError, match="greater than or equal to 1"):
        flambeau.mvlgamma(double(1.0), 0)
    with pytest.raises(RuntimeError, match="size of tensor a"):
        special.zeta(flambeau.ones(2), flambeau.ones(3))


def test_out_in_place_views_and_shapes():
    x = flambeau.arange(1.0, 7.0, dtype=flambeau.float64).reshape(2, 3)
    expected = flambeau.lgamma(x)
    out = flambeau.empty(0, dtype=flambeau.float64)
    assert flambeau.lgamma(x, out=out) is out
    np.testing.assert_array_equal(out.numpy(), expected.numpy())
    np.testing.assert_array_equal(flambeau.lgamma(x.T).numpy(), expected.numpy().T)
    row = x.clone()
    row[1].lgamma_()
    np.testing.assert_array_equal(row.numpy(), [[1, 2, 3], expected[1].tolist()])
    out = flambeau.empty(2, 3, dtype=flambeau.float64)
    for made in (
        special.zeta(x + 1, 2.0, out=out), flambeau.polygamma(1, x, out=out), flambeau.igamma(x, x, out=out),
        special.bessel_y0(x, out=out), special.chebyshev_polynomial_t(x, 3, out=out), flambeau.mvlgamma(x, 1, out=out),
    ):  # fmt: skip
        assert made is out
    y = x.clone()
    assert y.polygamma_(2) is y
    np.testing.assert_array_equal(y.numpy(), x.polygamma(2).numpy())
    assert x.clone().igamma_(x).shape == (2, 3)
    assert x.clone().mvlgamma_(1).tolist() == expected.tolist()
    assert flambeau.digamma(flambeau.empty(0, 3)).shape == (0, 3)
    assert special.airy_ai(flambeau.tensor(0.0)).shape == ()
    assert special.laguerre_polynomial_l(flambeau.ones(2, 1), flambeau.ones(3)).shape == (2, 3)


def test_gradients_through_in_place_forms():
    x = double(1.5, 2.5).requires_grad_()
    (x * 1).lgamma_().sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), flambeau.digamma(x.detach()).numpy())


def test_polynomials_of_degrees_that_are_not_natural_numbers():
    x = double(-1.0, 0.3, 1.0, 2.0)
    for name in [n for n in special.__all__ if "polynomial" in n]:
        f = getattr(special, name)
        assert f(x, -1).tolist() == [0.0] * 4, name
        assert f(x, 0).tolist() == [1.0] * 4, name
        np.testing.assert_array_equal(f(x, 2.9).numpy(), f(x, 2).numpy(), err_msg=name)
        assert math.isnan(f(double(NAN), 3).item()), name
        assert np.isnan(f(0.5, double(NAN, INF, -INF)).numpy()).all(), name
    assert math.isnan(special.hermite_polynomial_h(x[:1], 513).item())
    assert special.chebyshev_polynomial_u(double(1.0, -1.0), 7).tolist() == [8.0, -8.0]
    assert special.legendre_polynomial_p(0.5, flambeau.arange(3)).tolist() == [1.0, 0.5, -0.125]


def test_divisors():
    a, b = flambeau.tensor([12, -12, 0, 0, 7]), flambeau.tensor([18, 8, 5, 0, 3])
    assert flambeau.gcd(a, b).tolist() == [6, 4, 5, 0, 1]
    assert flambeau.lcm(a, b).tolist() == [36, 24, 0, 0, 21]
    assert flambeau.gcd(a.to(flambeau.int8), b.to(flambeau.int32)).dtype is flambeau.int32
    assert a.clone().gcd_(b).tolist() == [6, 4, 5, 0, 1]
    for dtype in (flambeau.float32, flambeau.bool):
        with pytest.raises(NotImplementedError, match="integers"):
            flambeau.gcd(a.to(dtype), b.to(dtype))


def test_parts_and_neighbours_of_floats():
    x = double(10.0, -0.3, 0.0, -0.0, INF, NAN, 5e-324)
    mantissa, exponent = flambeau.frexp(x)
    np.testing.assert_array_equal(mantissa.numpy(), [0.625, -0.6, 0.0, -0.0, INF, NAN, 0.5])
    assert exponent.tolist() == [4, -1, 0, 0, 0, 0, -1073]
    assert exponent.dtype is flambeau.int32
    x = double(10.0).requires_grad_()
    flambeau.frexp(x).mantissa.backward()
    assert x.grad.item() == 1 / 16
    one, two = flambeau.tensor([1.0]), flambeau.tensor([2.0])
    assert (flambeau.nextafter(one, two) - one).item() == 2.0**-23
    assert (flambeau.nextafter(one.bfloat16(), two.bfloat16()) - one.bfloat16()).item() == 2.0**-7
    assert flambeau.nextafter(one, one).item() == 1.0
    with pytest.raises(NotImplementedError, match="floating"):
        flambeau.nextafter(flambeau.tensor([1]), flambeau.tensor([2]))


def test_every_name_of_the_namespace():
    assert len(special.__all__) == len(set(special.__all__)) == 56
    assert all(callable(getattr(special, name)) for name in special.__all__)
    assert special.psi is special.digamma is flambeau.digamma
    assert special.gammaln is flambeau.lgamma and special.gammainc is flambeau.igamma
