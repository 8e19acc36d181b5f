"""Orthogonal polynomials of any degree, element by element, by their recurrences.

All are one primitive. A `Family` says how a polynomial follows from the two before it, and what is known in closed form:
the values at the ends of the interval, and between them, for Chebyshev's, a quotient of waves. A recurrence takes as many
steps as the largest degree among the elements needs. As in PyTorch a negative degree gives 0, and there are no derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .._base.checks import check_room
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .doubles import aligned, as_double, common, in_double, pairwise


class Family:
    """`first(x)` has degree 1; `step(k, x, p, q)` gives degree k + 1 from q of degree k and p of degree k - 1.

    `ends(n)` are the values at x = 1 and x = -1, `wave(xp, n, angle)` the value at x = cos(angle) for degrees above `plain`.
    `limit` is the degree from which the values overflow, where PyTorch says NaN.
    """

    def __init__(
        self,
        first: Callable[[Any], Any],
        step: Callable[[Any, Any, Any, Any], Any],
        ends: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        wave: Callable[[Any, Any, Any], Any] | None = None,
        plain: int = 8,
        limit: float = math.inf,
    ) -> None:
        self.first, self.step, self.ends, self.wave = first, step, ends, wave
        self.plain, self.limit = plain, limit


def _chebyshev(k, x, p, q):
    return 2 * x * q - p


def _alternating(xp, n):
    return xp.where(n % 2 == 0, 1.0, -1.0)


FAMILIES = {
    "chebyshev_t": Family(
        lambda x: x, _chebyshev,
        lambda xp, n: (xp.ones_like(n), _alternating(xp, n)),
        lambda xp, n, angle: xp.cos(n * angle), 6,
    ),
    "chebyshev_u": Family(
        lambda x: 2 * x, _chebyshev,
        lambda xp, n: (n + 1, (n + 1) * _alternating(xp, n)),
        lambda xp, n, angle: xp.sin((n + 1) * angle) / xp.sin(angle),
    ),
    "chebyshev_v": Family(
        lambda x: 2 * x - 1, _chebyshev,
        lambda xp, n: (xp.ones_like(n), (2 * n + 1) * _alternating(xp, n)),
        lambda xp, n, angle: xp.cos((n + 0.5) * angle) / xp.cos(angle / 2),
    ),
    "chebyshev_w": Family(
        lambda x: 2 * x + 1, _chebyshev,
        lambda xp, n: (2 * n + 1, _alternating(xp, n)),
        lambda xp, n, angle: xp.sin((n + 0.5) * angle) / xp.sin(angle / 2),
    ),
    "hermite_h": Family(lambda x: 2 * x, lambda k, x, p, q: 2 * x * q - 2 * k * p, limit=512),
    "hermite_he": Family(lambda x: x, lambda k, x, p, q: x * q - k * p, limit=512),
    "laguerre": Family(
        lambda x: 1 - x, lambda k, x, p, q: ((2 * k + 1 - x) * q - k * p) / (k + 1)
    ),
    "legendre": Family(
        lambda x: x, lambda k, x, p, q: ((2 * k + 1) * x * q - k * p) / (k + 1),
        lambda xp, n: (xp.ones_like(n), _alternating(xp, n)),
    ),
}  # fmt: skip


@primitive(method=False, promote=in_double)
def _orthogonal(input: Meta, n: Meta, kind: str, shifted: bool):
    """The polynomial `kind` of degree `n` at `input`, or with `shifted` at 2 * input - 1, of doubles."""
    return pairwise(kind, input, n)


@_orthogonal.kernel
def _(xp, x, n, *, kind, shifted):
    family = FAMILIES[kind]
    x, n = xp.broadcast_arrays(x, n)
    odd = ~xp.isfinite(n)
    n = xp.where(odd, 0.0, xp.trunc(n))
    x = 2 * x - 1 if shifted else x
    waves = (n > family.plain) & (xp.abs(x) < 1) if family.wave else n != n
    edges = xp.abs(x) == 1 if family.ends else n != n
    out = _recurrence(xp, family, x, xp.where(waves | edges | (n > family.limit), 0.0, n))
    if family.wave and waves.any():
        out = xp.where(waves, family.wave(xp, n, xp.arccos(xp.where(waves, x, 0.5))), out)
    if family.ends:
        high, low = family.ends(xp, n)
        out = xp.where(edges, xp.where(x > 0, high, low), out)
    return xp.where(n < 0, 0.0, xp.where(odd | (n > family.limit), math.nan, out))


def _recurrence(xp, family, x, n):
    """Steps until each element has its degree, or all that are left are NaN."""
    out = xp.where(n == 0, 1.0, family.first(x))
    before, now = xp.ones_like(x), family.first(x)
    top = int(n.max()) if n.size else 0
    check_room(top)  # as many steps: days and more
    for k in range(1, top):
        before, now = now, family.step(float(k), x, before, now)
        out = xp.where(n == k + 1, now, out)
        going = (n > k + 1) & ~xp.isnan(now)
        if not going.any():
            return xp.where(n > k + 1, math.nan, out)
    return out


_orthogonal.no_vjp("PyTorch has no derivatives of orthogonal polynomials either")
_orthogonal.refuse("onnx", "a recurrence whose length depends on the values is no graph")


@_orthogonal.batch
def _(size, batched, x, n, *, kind, shifted):
    return _orthogonal(*aligned(batched, x, n), kind, shifted)


def _call(name: str, kind: str, shifted: bool, input, n) -> Tensor:
    dtype = common(name, input, n)
    like = input if isinstance(input, Tensor) else n
    return _orthogonal(as_double(input, like), as_double(n, like), kind, shifted).to(dtype)


@composite(method=False)
def special_chebyshev_polynomial_t(input: Tensor | float, n: Tensor | int):
    """Chebyshev polynomial of the first kind, cos(n arccos(x)).

    >>> import flambeau
    >>> flambeau.special.chebyshev_polynomial_t(flambeau.tensor([0.5, 2.0]), 3)
    tensor([-1., 26.])
    """
    return _call("chebyshev_polynomial_t", "chebyshev_t", False, input, n)


@composite(method=False)
def special_chebyshev_polynomial_u(input: Tensor | float, n: Tensor | int):
    """Chebyshev polynomial of the second kind, sin((n + 1) t) / sin(t) with t = arccos(x).

    >>> import flambeau
    >>> flambeau.special.chebyshev_polynomial_u(flambeau.tensor([0.5, 2.0]), 3)
    tensor([-1., 56.])
    """
    return _call("chebyshev_polynomial_u", "chebyshev_u", False, input, n)


@composite(method=False)
def special_chebyshev_polynomial_v(input: Tensor | float, n: Tensor | int):
    """Chebyshev polynomial of the third kind, cos((n + 1/2) t) / cos(t / 2) with t = arccos(x).

    >>> import flambeau
    >>> flambeau.special.chebyshev_polynomial_v(flambeau.tensor([0.5, 2.0]), 3)
    tensor([-1., 41.])
    """
    return _call("chebyshev_polynomial_v", "chebyshev_v", False, input, n)


@composite(method=False)
def special_chebyshev_polynomial_w(input: Tensor | float, n: Tensor | int):
    """Chebyshev polynomial of the fourth kind, sin((n + 1/2) t) / sin(t / 2) with t = arccos(x).

    >>> import flambeau
    >>> flambeau.special.chebyshev_polynomial_w(flambeau.tensor([0.5, 2.0]), 3)
    tensor([-1., 71.])
    """
    return _call("chebyshev_polynomial_w", "chebyshev_w", False, input, n)


@composite(method=False)
def special_shifted_chebyshev_polynomial_t(input: Tensor | float, n: Tensor | int):
    """Chebyshev polynomial of the first kind at 2 x - 1.

    >>> import flambeau
    >>> flambeau.special.shifted_chebyshev_polynomial_t(flambeau.tensor([0.75, 1.5]), 3)
    tensor([-1., 26.])
    """
    return _call("shifted_chebyshev_polynomial_t", "chebyshev_t", True, input, n)


@composite(method=False)
def special_shifted_chebyshev_polynomial_u(input: Tensor | float, n: Tensor | int):
    """Chebyshev polynomial of the second kind at 2 x - 1.

    >>> import flambeau
    >>> flambeau.special.shifted_chebyshev_polynomial_u(flambeau.tensor([0.75, 1.5]), 3)
    tensor([-1., 56.])
    """
    return _call("shifted_chebyshev_polynomial_u", "chebyshev_u", True, input, n)


@composite(method=False)
def special_shifted_chebyshev_polynomial_v(input: Tensor | float, n: Tensor | int):
    """Chebyshev polynomial of the third kind at 2 x - 1.

    >>> import flambeau
    >>> flambeau.special.shifted_chebyshev_polynomial_v(flambeau.tensor([0.75, 1.5]), 3)
    tensor([-1., 41.])
    """
    return _call("shifted_chebyshev_polynomial_v", "chebyshev_v", True, input, n)


@composite(method=False)
def special_shifted_chebyshev_polynomial_w(input: Tensor | float, n: Tensor | int):
    """Chebyshev polynomial of the fourth kind at 2 x - 1.

    >>> import flambeau
    >>> flambeau.special.shifted_chebyshev_polynomial_w(flambeau.tensor([0.75, 1.5]), 3)
    tensor([-1., 71.])
    """
    return _call("shifted_chebyshev_polynomial_w", "chebyshev_w", True, input, n)


@composite(method=False)
def special_hermite_polynomial_h(input: Tensor | float, n: Tensor | int):
    """Physicists' Hermite polynomial: H0 = 1, H1 = 2 x, H(n + 1) = 2 x H(n) - 2 n H(n - 1). NaN above n = 512.

    >>> import flambeau
    >>> flambeau.special.hermite_polynomial_h(flambeau.tensor([0.5, 2.0]), 3)
    tensor([-5., 40.])
    """
    return _call("hermite_polynomial_h", "hermite_h", False, input, n)


@composite(method=False)
def special_hermite_polynomial_he(input: Tensor | float, n: Tensor | int):
    """Probabilists' Hermite polynomial: He0 = 1, He1 = x, He(n + 1) = x He(n) - n He(n - 1). NaN above n = 512.

    >>> import flambeau
    >>> flambeau.special.hermite_polynomial_he(flambeau.tensor([0.0, 2.0]), 3)
    tensor([-0., 2.])
    """
    return _call("hermite_polynomial_he", "hermite_he", False, input, n)


@composite(method=False)
def special_laguerre_polynomial_l(input: Tensor | float, n: Tensor | int):
    """Laguerre polynomial: L0 = 1, L1 = 1 - x, (n + 1) L(n + 1) = (2 n + 1 - x) L(n) - n L(n - 1).

    >>> import flambeau
    >>> flambeau.special.laguerre_polynomial_l(flambeau.tensor([0.0, 2.0]), 2)
    tensor([ 1., -1.])
    """
    return _call("laguerre_polynomial_l", "laguerre", False, input, n)


@composite(method=False)
def special_legendre_polynomial_p(input: Tensor | float, n: Tensor | int):
    """Legendre polynomial: P0 = 1, P1 = x, (n + 1) P(n + 1) = (2 n + 1) x P(n) - n P(n - 1).

    >>> import flambeau
    >>> flambeau.special.legendre_polynomial_p(flambeau.tensor([0.0, 2.0]), 3)
    tensor([-0., 17.])
    """
    return _call("legendre_polynomial_p", "legendre", False, input, n)
