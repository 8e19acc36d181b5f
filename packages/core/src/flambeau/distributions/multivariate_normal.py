"""The multivariate normal distribution."""

from __future__ import annotations

import math
from typing import Any

from .._base.checks import broadcast_shapes
from ..linalg import cholesky, solve_triangular
from ..ops.creation import eye
from ..ops.factored import cholesky_inverse
from ..runtime.tensor import Size, Tensor
from . import constraints
from .distribution import Distribution
from .utils import _standard_normal, lazy_property, size

__all__ = ["MultivariateNormal"]


def _batch_mv(bmat: Tensor, bvec: Tensor) -> Tensor:
    """Matrices times vectors, of batches that broadcast."""
    return (bmat @ bvec.unsqueeze(-1)).squeeze(-1)


def _batch_mahalanobis(bL: Tensor, bx: Tensor) -> Tensor:
    """x^T (L L^T)^-1 x, of batches that broadcast."""
    if bL.dim() == 2 and bx.dim() > 1:  # one factor for all: a single solve with many columns
        columns = bx.reshape(-1, bx.shape[-1]).mT
        return solve_triangular(bL, columns, upper=False).pow(2).sum(0).reshape(bx.shape[:-1])
    return solve_triangular(bL, bx.unsqueeze(-1), upper=False).pow(2).sum((-2, -1))


def _precision_to_scale_tril(P: Tensor) -> Tensor:
    """The lower Cholesky factor of P^-1: that of P turned around, inverted."""
    turned = cholesky(P.flip((-2, -1))).flip((-2, -1)).mT
    identity = eye(P.shape[-1], dtype=P.dtype, device=P.device)
    return solve_triangular(turned, identity.expand(turned.shape), upper=False)


def log_determinant(factor: Tensor) -> Tensor:
    """The logarithm of a triangular matrix's determinant."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


class MultivariateNormal(Distribution):
    """Normal vectors of mean `loc`, with a covariance matrix, its inverse, or its lower Cholesky factor.

    `scale_tril` is what is computed with; the other two cost a decomposition.

    >>> import flambeau
    >>> d = MultivariateNormal(flambeau.zeros(2), flambeau.eye(2))
    >>> d.log_prob(flambeau.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        name, matrix = only_matrix(covariance_matrix, precision_matrix, scale_tril)
        batch_shape = broadcast_shapes(tuple(matrix.shape[:-2]), tuple(loc.shape[:-1]))
        setattr(self, name, matrix.expand((*batch_shape, -1, -1)))
        self.loc = loc.expand((*batch_shape, -1))
        event_shape = Size(self.loc.shape[-1:])
        super().__init__(Size(batch_shape), event_shape, validate_args=validate_args)
        self._unbroadcasted_scale_tril = factor_of(name, matrix)

    def expand(self, batch_shape: Any, _instance: Any = None) -> MultivariateNormal:
        new = self._expanded(
            MultivariateNormal,
            batch_shape,
            _instance,
            loc=1,
            covariance_matrix=2,
            precision_matrix=2,
            scale_tril=2,
        )
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        return new

    def _of_batch(self, matrix: Tensor) -> Tensor:
        return matrix.expand((*self._batch_shape, *self._event_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The covariance's lower Cholesky factor."""
        return self._of_batch(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        factor = self._unbroadcasted_scale_tril
        return self._of_batch(factor @ factor.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The covariance's inverse."""
        return self._of_batch(cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self._unbroadcasted_scale_tril.pow(2).sum(-1).expand(size(self._extended_shape()))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        drawn = _standard_normal(shape, self.loc.dtype, self.loc.device)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, drawn)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        factor = self._unbroadcasted_scale_tril
        distance = _batch_mahalanobis(factor, value - self.loc)
        n = self._event_shape[0]
        return -0.5 * (n * math.log(2 * math.pi) + distance) - log_determinant(factor)

    def entropy(self) -> Tensor:
        n = self._event_shape[0]
        half = log_determinant(self._unbroadcasted_scale_tril)
        return (0.5 * n * (1.0 + math.log(2 * math.pi)) + half).expand(self._batch_shape)


def only_matrix(covariance: Any, precision: Any, scale_tril: Any) -> tuple[str, Tensor]:
    """The one matrix that is given, and its name; ValueError for none, several, or one that is no matrix."""
    given = {
        "scale_tril": scale_tril,
        "covariance_matrix": covariance,
        "precision_matrix": precision,
    }
    given = {name: matrix for name, matrix in given.items() if matrix is not None}
    if len(given) != 1:
        raise ValueError(
            "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
        )
    ((name, matrix),) = given.items()
    if matrix.dim() < 2:
        raise ValueError(
            f"{name} must be at least two-dimensional, with optional leading batch dimensions"
        )
    return name, matrix


def factor_of(name: str, matrix: Tensor) -> Tensor:
    """The covariance's lower Cholesky factor, of whichever matrix is given."""
    if name == "scale_tril":
        return matrix
    return cholesky(matrix) if name == "covariance_matrix" else _precision_to_scale_tril(matrix)
