"""The Wishart distribution of positive definite matrices."""

from __future__ import annotations

import math
import warnings
from numbers import Number
from typing import Any

from .._base.checks import broadcast_shapes
from .._base.limits import finfo
from ..linalg import slogdet
from ..ops.arranging import tril_indices
from ..ops.creation import arange, tensor
from ..ops.factored import cholesky_inverse, cholesky_solve
from ..ops.gamma import digamma, mvlgamma
from ..runtime.tensor import Size, Tensor
from . import constraints
from .chi2 import Chi2
from .exp_family import ExponentialFamily
from .multivariate_normal import factor_of, log_determinant, only_matrix
from .utils import _standard_normal, lazy_property, size

__all__ = ["Wishart"]


def _mvdigamma(x: Tensor, p: int) -> Tensor:
    """The derivative of the logarithm of the multivariate gamma function of dimension p."""
    halves = arange(p, dtype=x.dtype, device=x.device) / 2
    return digamma(x.unsqueeze(-1) - halves).sum(-1)


class Wishart(ExponentialFamily):
    """X X^T of p x df matrices X whose columns are normal with the given covariance (or its inverse or its factor).

    Drawn by Bartlett's decomposition: a triangle of normal numbers with chi numbers on the diagonal.

    >>> import flambeau
    >>> Wishart(flambeau.tensor(3.0), flambeau.eye(2)).mean
    tensor([[3., 0.],
            [0., 3.]])
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        given = [m for m in (covariance_matrix, precision_matrix, scale_tril) if m is not None]
        if len(given) != 1:
            raise AssertionError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        name, matrix = only_matrix(covariance_matrix, precision_matrix, scale_tril)
        event_shape = Size(matrix.shape[-2:])
        if isinstance(df, Number):
            batch_shape = tuple(matrix.shape[:-2])
            self.df = tensor(df, dtype=matrix.dtype, device=matrix.device).expand(batch_shape)
        else:
            batch_shape = broadcast_shapes(tuple(matrix.shape[:-2]), tuple(df.shape))
            self.df = df.expand(batch_shape)
        if (self.df <= event_shape[-1] - 1).any():
            raise ValueError(
                f"Value of df={df} expected to be greater than ndim - 1 = {event_shape[-1] - 1}."
            )
        setattr(self, name, matrix.expand((*batch_shape, -1, -1)))
        super().__init__(Size(batch_shape), event_shape, validate_args=validate_args)
        if (self.df <= event_shape[-1]).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        self._unbroadcasted_scale_tril = factor_of(name, matrix)
        p = event_shape[-1]
        steps = arange(p, dtype=self.df.dtype, device=self.df.device)
        self._dist_chi2 = Chi2(self.df.unsqueeze(-1) - steps.expand((*batch_shape, -1)))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Wishart:
        new = self._expanded(
            Wishart,
            batch_shape,
            _instance,
            df=0,
            covariance_matrix=2,
            precision_matrix=2,
            scale_tril=2,
        )
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        new._dist_chi2 = self._dist_chi2.expand((*new._batch_shape, self._event_shape[-1]))
        return new

    def _of_batch(self, matrix: Tensor) -> Tensor:
        return matrix.expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the columns' covariance."""
        return self._of_batch(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The columns' covariance."""
        factor = self._unbroadcasted_scale_tril
        return self._of_batch(factor @ factor.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the columns' covariance."""
        return self._of_batch(cholesky_inverse(self._unbroadcasted_scale_tril))

    def _df_of_matrices(self) -> Tensor:
        return self.df.reshape((*self._batch_shape, 1, 1))

    @property
    def mean(self) -> Tensor:
        return self._df_of_matrices() * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        factor = factor.masked_fill(factor <= 0, math.nan)
        return factor.reshape((*self._batch_shape, 1, 1)) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        covariance = self.covariance_matrix
        diagonal = covariance.diagonal(dim1=-2, dim2=-1)
        outer = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self._df_of_matrices() * (covariance.pow(2) + outer)

    def _bartlett_sampling(self, sample_shape: Any = ()) -> Tensor:
        p = self._event_shape[-1]
        noise = self._dist_chi2.rsample(sample_shape)
        noise = noise.clamp(min=finfo(noise.dtype).tiny).sqrt().diag_embed()
        rows, columns = tril_indices(p, p, -1, device=noise.device)
        shape = (*size(sample_shape), *self._batch_shape, p * (p - 1) // 2)
        noise[..., rows, columns] = _standard_normal(shape, noise.dtype, noise.device)
        factor = self._unbroadcasted_scale_tril @ noise
        return factor @ factor.mT

    def rsample(self, sample_shape: Any = (), max_try_correction: int | None = None) -> Tensor:
        """Positive definite matrices. One that rounding made singular is drawn anew, `max_try_correction` times."""
        if max_try_correction is None:
            max_try_correction = 10
        sample_shape = size(sample_shape)
        sample = self._bartlett_sampling(sample_shape)
        singular = ~self.support.check(sample.detach())
        for _ in range(max_try_correction):
            if not singular.any():
                return sample
            again = self._bartlett_sampling(sample_shape)
            sample = again.where(singular.unsqueeze(-1).unsqueeze(-1), sample)
            singular = ~self.support.check(sample.detach())
        if singular.any():
            warnings.warn("Singular sample detected.", stacklevel=2)
        return sample

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        df, p, factor = self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        solved = cholesky_solve(value, factor.expand(value.shape))
        trace = solved.diagonal(dim1=-2, dim2=-1).sum(-1)
        return (
            -df * (p * math.log(2) / 2 + log_determinant(factor))
            - mvlgamma(df / 2, p)
            + (df - p - 1) / 2 * slogdet(value).logabsdet
            - trace / 2
        )

    def entropy(self) -> Tensor:
        df, p, factor = self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        return (
            (p + 1) * (p * math.log(2) / 2 + log_determinant(factor))
            + mvlgamma(df / 2, p)
            - (df - p - 1) / 2 * _mvdigamma(df / 2, p)
            + df * p / 2
        )

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        p = self._event_shape[-1]
        return -self.precision_matrix / 2, (self.df - p - 1) / 2

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:
        p = self._event_shape[-1]
        shape = y + (p + 1) / 2
        return shape * (p * math.log(2) - slogdet(-2 * x).logabsdet) + mvlgamma(shape, p)
