"""Samples of orthogonal polynomials: degrees from -1 to 12 inside, at and outside the interval."""

from __future__ import annotations

from collections.abc import Iterator

from ...ops.creation import tensor
from . import Make, Sample


def _any(make: Make) -> Iterator[Sample]:
    degrees = make.ints(2, 4, above=-1, below=13).double()
    yield Sample(make(2, 4, grad=False), degrees, onnx=False)
    yield Sample(make(2, 1, low=-0.9, high=0.9, grad=False), degrees[0], onnx=False)
    yield Sample(tensor([-1.0, 0.0, 1.0]).double(), 9, onnx=False)
    yield Sample(0.3, degrees, onnx=False)
    yield Sample(make(0, 2, grad=False), 3, onnx=False)


def _orthogonal(make: Make) -> Iterator[Sample]:
    """A family with waves and one without."""
    degrees = make.ints(2, 4, above=-1, below=13).double()
    yield Sample(make(2, 4, grad=False), degrees, "chebyshev_u", False)
    yield Sample(make(2, 4, grad=False), degrees[0], "hermite_h", False)
    yield Sample(make(2, 1, grad=False), degrees, "legendre", True)


special_chebyshev_polynomial_t = special_chebyshev_polynomial_u = special_chebyshev_polynomial_v = (
    _any
)
special_chebyshev_polynomial_w = special_shifted_chebyshev_polynomial_t = _any
special_shifted_chebyshev_polynomial_u = special_shifted_chebyshev_polynomial_v = _any
special_shifted_chebyshev_polynomial_w = special_hermite_polynomial_h = _any
special_hermite_polynomial_he = special_laguerre_polynomial_l = special_legendre_polynomial_p = _any
