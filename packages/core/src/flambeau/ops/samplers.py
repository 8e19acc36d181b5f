"""Gamma, Dirichlet and binomial numbers, and the derivatives of samples by the parameters they were drawn with.

The numbers are those of PyTorch's CPU generator for the same seed; `runtime/sampling.py` draws them. A sample x of a
distribution function F(x; a) moves by dx/da = -(dF/da) / (dF/dx) when a moves and its quantile stays (Figurnov, Mohamed and
Mnih, Implicit reparameterization gradients, 2018). The quotient is one integral of a positive function over a tail,
computed to 10 digits or more by quadrature; PyTorch approximates it to three.
"""

from __future__ import annotations

import math
from typing import Any

from .._base.checks import check
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .doubles import aligned, in_double
from .gamma import digamma
from .random import _drawn_by

# Substituting y = exp(t - exp(-t)) for y in (0, inf) makes the trapezoidal rule converge exponentially (Takahasi and
# Mori, Double exponential formulas for numerical integration, 1974): 1e-11 with these nodes.
STEP, NODES = 0.125, range(-29, 39)
BLOCK = 1 << 12  # elements at a time, which stay in the cache


def _integrate(xp, scale, integrand):
    """The integral of `integrand(y)` over y > 0, for each element; `scale` is about where it fades."""
    total = xp.zeros_like(scale)
    for i in NODES:
        t = STEP * i
        y = math.exp(t - math.exp(-t))
        total += integrand(scale * y) * (STEP * y * (1 + math.exp(-t)))
    return total * scale


def _fading(xp, rate, spread):
    """Where exp(-rate y - y^2 / (2 spread)) fades; a negative rate counts as 0."""
    return 1 / (xp.maximum(rate, 0) + 1 / xp.sqrt(xp.maximum(spread, 1)))


def _gamma_slope_of(xp, a, x, psi):
    """dx/da of gamma numbers: -(dP/da) / (dP/dx).

    From the tail on x's side of exp(E log t), where the integrand has one sign; for a < 1 from the left up to 1, as the
    right one spans too many scales.
    """
    left = (xp.log(x) <= psi) | ((a < 1) & (x <= 1))
    return _by_side(xp, left, _gamma_below, _gamma_above, a, x, psi)


def _gamma_below(xp, a, x, psi):
    off = psi - xp.log(x)
    scale = _fading(xp, 1 - x / a, a)
    whole = _integrate(xp, scale, lambda y: (off + y / a) * xp.exp(-x * xp.expm1(-y / a) - y))
    return whole * x / a


def _gamma_above(xp, a, x, psi):
    scale = _fading(xp, 1 - xp.maximum(a - 1, 0) / x, xp.maximum(a, x))
    return _integrate(
        xp, scale, lambda y: (xp.log(x + y) - psi) * xp.exp((a - 1) * xp.log1p(y / x) - y)
    )


def _beta_slope_of(xp, x, a, b, mean_log):
    """dx/da / (1 - x) of beta numbers, in the same way; `mean_log` is E log t."""
    left = (xp.log(x) <= mean_log) | ((a < 1) & (x * xp.maximum(b, 2) <= 1))
    return _by_side(xp, left, _beta_below, _beta_above, x, a, b, mean_log)


def _beta_below(xp, x, a, b, mean_log):
    off, rest = mean_log - xp.log(x), xp.log1p(-x)
    scale = _fading(xp, 1 - xp.maximum(b - 1, 0) / a * x / (1 - x), a)

    def integrand(y):
        rise = xp.log1p(-x * xp.exp(-y / a)) - rest
        return (off + y / a) * xp.exp((b - 1) * rise - y)

    return _integrate(xp, scale, integrand) * x / (a * (1 - x))


def _beta_above(xp, x, a, b, mean_log):
    off, odds = xp.log(x) - mean_log, (1 - x) / x
    scale = _fading(xp, 1 - xp.maximum(a - 1, 0) / b * odds, b)

    def integrand(y):
        rise = xp.log1p(-odds * xp.expm1(-y / b))  # log t - log x
        return (off + rise) * xp.exp((a - 1) * rise - y)

    return _integrate(xp, scale, integrand) / b


def _by_side(xp, left, below, above, *arrays):
    out = xp.full(left.shape, math.nan)
    inside = xp.isfinite(sum(arrays))  # NaN stays NaN
    for chosen, way in ((left & inside, below), (~left & inside, above)):
        if chosen.any():
            out[chosen] = way(xp, *[x[chosen] for x in arrays])
    return out


def _in_blocks(xp, way, *arrays):
    flat = [x.ravel() for x in xp.broadcast_arrays(*arrays)]
    out = xp.empty_like(flat[0])
    for i in range(0, out.size, BLOCK):
        out[i : i + BLOCK] = way(xp, *[x[i : i + BLOCK] for x in flat])
    return out


@primitive(method=False, promote=in_double)
def _gamma_slope(concentration: Meta, sample: Meta, psi: Meta):
    """The derivative of gamma-distributed `sample` by `concentration`, whose digamma is `psi`."""
    return sample


@_gamma_slope.kernel
def _(xp, a, x, psi):
    return _in_blocks(xp, _gamma_slope_of, a, x, psi).reshape(x.shape)


@primitive(method=False, promote=in_double)
def _beta_slope(sample: Meta, concentration: Meta, other: Meta, mean_log: Meta):
    """The derivative of beta-distributed `sample` by `concentration`, over 1 - sample."""
    return sample


@_beta_slope.kernel
def _(xp, x, a, b, mean_log):
    return _in_blocks(xp, _beta_slope_of, x, a, b, mean_log).reshape(x.shape)


@_gamma_slope.batch
def _(size, batched, *arrays):
    return _gamma_slope(*_all_batched(size, batched, arrays))


@_beta_slope.batch
def _(size, batched, *arrays):
    return _beta_slope(*_all_batched(size, batched, arrays))


def _all_batched(size, batched, arrays):
    """Every array with the batch in front, so that all keep one shape."""
    return [x if b else x.expand((size, *x.shape)) for x, b in zip(arrays, batched)]


def _refuse(*_: Any) -> Any:
    raise NotImplementedError(
        "the derivative of a gamma or Dirichlet number's derivative by its parameters is not implemented, as in PyTorch"
    )


@_gamma_slope.vjp
def _(g, _out, _concentration, _sample, _psi):
    return _refuse, _refuse, _refuse


@_beta_slope.vjp
def _(g, _out, _sample, _concentration, _other, _mean_log):
    return _refuse, _refuse, _refuse, _refuse


for _slope in (_gamma_slope, _beta_slope):
    _slope.jvp(_refuse)
    _slope.refuse("onnx", "a quadrature for gradients, which exported graphs have none of")


def _standard_gamma_grad(self: Tensor, output: Tensor) -> Tensor:
    """The derivative of standard gamma numbers `output` by their concentrations.

    >>> import flambeau
    >>> _standard_gamma_grad(flambeau.tensor([1.0]), flambeau.tensor([2.0]))
    tensor([1.6317])
    """
    a, x = self.double().expand(output.shape), output.double()
    return _gamma_slope(a, x, digamma(a)).to(output.dtype)


def _dirichlet_grad(x: Tensor, alpha: Tensor, total: Tensor) -> Tensor:
    """The derivative of each Dirichlet number x by its own concentration, over 1 - x.

    It is that of a beta number: `alpha` against the others, which make `total` with it. A move of x by d takes
    d / (1 - x) of each other number, in proportion.
    """
    x, a = x.double(), alpha.double()
    total = total.double().expand(x.shape)
    tiny = 2.0**-1000
    return _beta_slope(
        x.clamp(min=tiny, max=1 - 2.0**-53),
        a,
        total - a,
        digamma(a) - digamma(total),
    ).to(alpha.dtype)


@primitive(method=False, random=True)
def _gamma_path(concentration: Meta, sample: Meta):
    """`sample`, as a differentiable function of the concentrations it was drawn with."""
    return sample


@_gamma_path.kernel
def _(xp, concentration, sample):
    return sample.copy()


@_gamma_path.vjp
def _(g, out, concentration, _sample):
    return lambda: g * _standard_gamma_grad(concentration, out), None


@_gamma_path.jvp
def _(tangents, out, concentration, sample):
    if tangents[0] is None:
        return out * 0
    return tangents[0] * _standard_gamma_grad(concentration, out)


@_gamma_path.batch
def _(size, batched, concentration, sample):
    return _gamma_path(*aligned(batched, concentration, sample))


@primitive(method=False, random=True)
def _dirichlet_path(concentration: Meta, sample: Meta):
    """`sample`, as a differentiable function of the concentrations it was drawn with, along the last dimension."""
    return sample


@_dirichlet_path.kernel
def _(xp, concentration, sample):
    return sample.copy()


def _dirichlet_slope(concentration, out):
    return _dirichlet_grad(out, concentration, concentration.sum(-1, True))


@_dirichlet_path.vjp
def _(g, out, concentration, _sample):
    def by_concentration():
        return _dirichlet_slope(concentration, out) * (g - (out * g).sum(-1, True))

    return by_concentration, None


@_dirichlet_path.jvp
def _(tangents, out, concentration, sample):
    if tangents[0] is None:
        return out * 0
    moved = tangents[0] * _dirichlet_slope(concentration, out)
    return moved - out * moved.sum(-1, True)


@_dirichlet_path.batch
def _(size, batched, concentration, sample):
    return _dirichlet_path(*aligned(batched, concentration, sample))


for _path in (_gamma_path, _dirichlet_path):
    _path.refuse("onnx", "an exported graph draws no numbers; export in eval mode")


def _floating(name: str, x: Tensor) -> None:
    check(
        x.dtype.is_floating_point,
        lambda: f"{name}: not implemented for {x.dtype}; expected floating point",
        NotImplementedError,
    )


def _standard_gamma(self: Tensor, generator: Any = None) -> Tensor:
    """Gamma-distributed numbers of rate 1, one for each concentration; differentiable by these.

    Marsaglia and Tsang, A simple method for generating gamma variables (2000).

    >>> import flambeau
    >>> _standard_gamma(flambeau.ones(2)).shape
    flambeau.Size([2])
    """
    _floating("_standard_gamma", self)
    drawn = _drawn_by("standard_gamma", generator, self.detach())
    return _gamma_path(self, drawn)


def _sample_dirichlet(self: Tensor, generator: Any = None) -> Tensor:
    """Vectors that add up to 1, Dirichlet-distributed with the concentrations along the last dimension.

    >>> import flambeau
    >>> _sample_dirichlet(flambeau.ones(3)).sum()
    tensor(1.)
    """
    _floating("_sample_dirichlet", self)
    drawn = _drawn_by("dirichlet", generator, self.detach())
    return _dirichlet_path(self, drawn)


@composite(method=False)
def binomial(count: Tensor, prob: Tensor, generator: Any = None):
    """The number of successes in `count` trials that each succeed with probability `prob`; floats of one dtype.

    >>> import flambeau
    >>> flambeau.binomial(flambeau.tensor([5.0]), flambeau.tensor([1.0]))
    tensor([5.])
    """
    _floating("binomial", count)
    check(
        count.dtype is prob.dtype,
        lambda: (
            f"binomial: found dtype {count.dtype} of count but {prob.dtype} of prob; expected the same"
        ),
    )
    from .joining import broadcast_tensors

    count, prob = broadcast_tensors(count, prob)
    return _drawn_by("binomial", generator, count.detach(), prob.detach())


__all__ = ["binomial"]
