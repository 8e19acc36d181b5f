"""`flambeau.special`: special functions under PyTorch's names.

What they mean is in `ops/gamma.py`, `ops/bessel.py`, `ops/error_functions.py` and their neighbours.
"""

from __future__ import annotations

from .ops.activation import sigmoid as expit
from .ops.bessel import i0
from .ops.bessel import special_airy_ai as airy_ai
from .ops.bessel import special_bessel_j0 as bessel_j0
from .ops.bessel import special_bessel_j1 as bessel_j1
from .ops.bessel import special_bessel_y0 as bessel_y0
from .ops.bessel import special_bessel_y1 as bessel_y1
from .ops.bessel import special_i0e as i0e
from .ops.bessel import special_i1 as i1
from .ops.bessel import special_i1e as i1e
from .ops.bessel import special_modified_bessel_i0 as modified_bessel_i0
from .ops.bessel import special_modified_bessel_i1 as modified_bessel_i1
from .ops.bessel import special_modified_bessel_k0 as modified_bessel_k0
from .ops.bessel import special_modified_bessel_k1 as modified_bessel_k1
from .ops.bessel import special_scaled_modified_bessel_k0 as scaled_modified_bessel_k0
from .ops.bessel import special_scaled_modified_bessel_k1 as scaled_modified_bessel_k1
from .ops.bessel import special_spherical_bessel_j0 as spherical_bessel_j0
from .ops.elementary import sinc
from .ops.error_functions import erfinv
from .ops.error_functions import special_entr as entr
from .ops.error_functions import special_erfcx as erfcx
from .ops.error_functions import special_log_ndtr as log_ndtr
from .ops.error_functions import special_ndtr as ndtr
from .ops.error_functions import special_ndtri as ndtri
from .ops.error_functions import special_xlog1py as xlog1py
from .ops.exponential import erf, erfc, exp2, expm1, log1p, logit
from .ops.gamma import digamma
from .ops.gamma import digamma as psi
from .ops.gamma import lgamma as gammaln
from .ops.gamma import mvlgamma as multigammaln
from .ops.incomplete_gamma import igamma as gammainc
from .ops.incomplete_gamma import igammac as gammaincc
from .ops.pointwise import xlogy
from .ops.polynomials import special_chebyshev_polynomial_t as chebyshev_polynomial_t
from .ops.polynomials import special_chebyshev_polynomial_u as chebyshev_polynomial_u
from .ops.polynomials import special_chebyshev_polynomial_v as chebyshev_polynomial_v
from .ops.polynomials import special_chebyshev_polynomial_w as chebyshev_polynomial_w
from .ops.polynomials import special_hermite_polynomial_h as hermite_polynomial_h
from .ops.polynomials import special_hermite_polynomial_he as hermite_polynomial_he
from .ops.polynomials import special_laguerre_polynomial_l as laguerre_polynomial_l
from .ops.polynomials import special_legendre_polynomial_p as legendre_polynomial_p
from .ops.polynomials import (
    special_shifted_chebyshev_polynomial_t as shifted_chebyshev_polynomial_t,
)
from .ops.polynomials import (
    special_shifted_chebyshev_polynomial_u as shifted_chebyshev_polynomial_u,
)
from .ops.polynomials import (
    special_shifted_chebyshev_polynomial_v as shifted_chebyshev_polynomial_v,
)
from .ops.polynomials import (
    special_shifted_chebyshev_polynomial_w as shifted_chebyshev_polynomial_w,
)
from .ops.reduction import logsumexp
from .ops.rounding import round
from .ops.softmax import log_softmax, softmax
from .ops.zeta import polygamma
from .ops.zeta import special_zeta as zeta

__all__ = [
    "airy_ai",
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "chebyshev_polynomial_t",
    "chebyshev_polynomial_u",
    "chebyshev_polynomial_v",
    "chebyshev_polynomial_w",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammainc",
    "gammaincc",
    "gammaln",
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "modified_bessel_i0",
    "modified_bessel_i1",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
    "sinc",
    "softmax",
    "spherical_bessel_j0",
    "xlog1py",
    "xlogy",
    "zeta",
]
