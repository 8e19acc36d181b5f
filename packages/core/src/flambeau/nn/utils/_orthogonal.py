"""Matrices with orthonormal columns as a parametrization: `parametrizations.orthogonal`."""

from __future__ import annotations

from typing import Any

from flambeau.autograd.modes import no_grad
from flambeau.ops.comparison import where
from flambeau.ops.creation import eye, zeros_like
from flambeau.ops.joining import cat
from flambeau.ops.matrix import matmul
from flambeau.ops.random import randn
from flambeau.runtime.tensor import Tensor

from ..modules.module import Module

MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    """From any matrix to one with orthonormal columns (or rows, where it is wide), by one of three maps.

    With `use_trivialization` the result is multiplied by a fixed orthogonal `base`, which makes every matrix reachable
    from near zero: M. Lezcano-Casado, Trivializations for Gradient-Based Optimization on Manifolds (2019).
    """

    base: Any

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.size(-2) < X.size(-1)
        X = X.mT if wide else X
        Q = self._reflected(X) if self.orthogonal_map == "householder" else self._rotated(X)
        if "base" in self._buffers:
            Q = matmul(self.base, Q)
        return Q.mT if wide else Q

    def _rotated(self, X: Tensor) -> Tensor:
        """The exponential or the Cayley map of the skew matrix whose lower half is X."""
        from flambeau import linalg

        n, k = X.shape[-2:]
        X = X.tril()
        if n != k:
            X = cat([X, X.new_zeros(*X.shape[:-2], n, n - k)], -1)
        A = X - X.mT.conj() if X.is_complex() else X - X.mT
        if self.orthogonal_map == "matrix_exp":
            Q = linalg.matrix_exp(A)
        else:
            one = eye(n, dtype=A.dtype, device=A.device)
            Q = linalg.solve(one - A * 0.5, one + A * 0.5)
        return Q if n == k else Q[..., :k]

    def _reflected(self, X: Tensor) -> Tensor:
        """The product of reflections along the columns below the diagonal, signed by the diagonal."""
        from flambeau import linalg

        A = X.tril(-1)
        tau = 2.0 / (1.0 + (A * A).sum(-2))
        signs = X.diagonal(dim1=-2, dim2=-1).detach().int().to(X.dtype)
        return linalg.householder_product(A, tau) * signs.unsqueeze(-2)

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        """What gives `Q`, or the orthogonal matrix nearest to what a QR decomposition of it gives."""
        if tuple(Q.shape) != tuple(self.shape):
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape "
                f"{Q.shape}."
            )
        wide = Q.size(-2) < Q.size(-1)
        tall = Q.mT if wide else Q
        if "base" not in self._buffers:
            return self._reflections(tall, wide)
        n, k = tall.shape[-2:]
        if n == k:
            self.base = tall.clone() if _is_orthogonal(tall) else _made_orthogonal(tall)
        else:
            rest = randn(*tall.shape[:-2], n, n - k, dtype=Q.dtype, device=Q.device)
            self.base = _made_orthogonal(cat([tall, rest], -1))
        # Minus the identity: its diagonal signs the reflections, so that zeros give the base itself.
        return -eye(*Q.shape[-2:], dtype=Q.dtype, device=Q.device) + zeros_like(Q)

    def _reflections(self, tall: Tensor, wide: bool) -> Tensor:
        from flambeau import geqrf

        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley parametrizations "
                "when use_trivialization=False."
            )
        A, tau = geqrf(tall)
        signs = A.diagonal(dim1=-2, dim2=-1).sign()
        # A reflection that LAPACK leaves out changes no sign.
        A = _with_diagonal(A, where(tau == 0, -signs, signs))
        return A.mT if wide else A


def _with_diagonal(A: Tensor, values: Tensor) -> Tensor:
    """`A` with other numbers on its diagonal."""
    made = A.clone()
    made.diagonal(dim1=-2, dim2=-1).copy_(values)
    return made


def _is_orthogonal(Q: Tensor) -> bool:
    n, k = Q.shape[-2:]
    one = eye(k, dtype=Q.dtype, device=Q.device)
    eps = 10.0 * n * _epsilon(Q)
    gram = matmul(Q.mT.conj() if Q.is_complex() else Q.mT, Q)
    return bool(((gram - one).abs() <= eps).all())


def _epsilon(x: Tensor) -> float:
    from flambeau import finfo

    return finfo(x.dtype).eps


def _made_orthogonal(A: Tensor) -> Tensor:
    """The orthogonal part of A = Q R with a positive diagonal of R."""
    from flambeau import linalg

    Q, R = linalg.qr(A)
    return Q * R.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)
