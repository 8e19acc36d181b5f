"""Samples of Bessel functions, on both sides of the seams at 1, 4 and 8, and of Airy's function."""

from __future__ import annotations

from .doubles import domain

i0 = _i0 = special_i0e = _special_i0e = domain((0.2, 7.0), (-12.0, -9.0))
special_i1 = _special_i1 = special_i1e = _special_i1e = i0

_both = domain((-7.0, 7.0), (9.0, 20.0), grad=False)
_positive = domain((0.1, 0.9), (1.1, 3.9), (4.1, 20.0), grad=False)

special_modified_bessel_i0 = _special_modified_bessel_i0 = _both
special_modified_bessel_i1 = _special_modified_bessel_i1 = _both
special_bessel_j0 = _special_bessel_j0 = special_bessel_j1 = _special_bessel_j1 = _both
special_spherical_bessel_j0 = _special_spherical_bessel_j0 = _both
special_airy_ai = _special_airy_ai = _both
special_bessel_y0 = _special_bessel_y0 = special_bessel_y1 = _special_bessel_y1 = _positive
special_modified_bessel_k0 = _special_modified_bessel_k0 = _positive
special_modified_bessel_k1 = _special_modified_bessel_k1 = _positive
special_scaled_modified_bessel_k0 = _special_scaled_modified_bessel_k0 = _positive
special_scaled_modified_bessel_k1 = _special_scaled_modified_bessel_k1 = _positive
