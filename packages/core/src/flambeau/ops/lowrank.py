"""Approximate decompositions of large matrices: by random projections, and eigenpairs one asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._base.checks import check
from .._base.limits import finfo
from ..runtime import state
from ..runtime.families import composite
from ..runtime.tensor import Tensor
from .factorizations import linalg_cholesky, linalg_qr
from .joining import cat
from .matrices import adjoint_of, check_floating, check_matrix, check_square
from .matrix import matmul
from .random import randn
from .reduction import mean
from .solvers import solve_lower
from .spectra import linalg_eigh, svd_of


def _range_of(A: Tensor, q: int, niter: int, M: Tensor | None) -> Tensor:
    """Orthonormal columns that nearly span A's range (Halko, Martinsson and Tropp, 2009, algorithm 4.4)."""

    def times(x: Tensor) -> Tensor:
        return matmul(A, x) if M is None else matmul(A, x) - matmul(M, x)

    def back(x: Tensor) -> Tensor:
        made = matmul(adjoint_of(A), x)
        return made if M is None else made - matmul(adjoint_of(M), x)

    start = randn(A.shape[-1], q, dtype=A.dtype, device=A.device)
    Q = linalg_qr(times(start)).Q
    for _ in range(niter):
        Q = linalg_qr(back(Q)).Q
        Q = linalg_qr(times(Q)).Q
    return Q


@composite(method=False)
def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V) with U @ diag(S) @ V.mH near A (near A - M): the q largest singular values, by random projections.

    `niter` rounds of subspace iteration sharpen it (Halko, Martinsson and Tropp, 2009, algorithm 5.1).

    >>> import flambeau
    >>> U, S, V = flambeau.svd_lowrank(flambeau.ones(4, 3), q=1)
    >>> S
    tensor([3.4641])
    """
    check_matrix("svd_lowrank", A)
    check_floating("svd_lowrank", A, "geqrf_cpu")
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    if M is not None:
        M = M.expand(A.shape)
    if A.shape[-2] < A.shape[-1]:
        V, S, U = _tall(adjoint_of(A), q, niter, None if M is None else adjoint_of(M))
        return U, S, V
    return _tall(A, q, niter, M)


def _tall(A: Tensor, q: int, niter: int, M: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    Q = _range_of(A, q, niter, M)
    small = matmul(adjoint_of(Q), A if M is None else A - M)
    u, s, vh = svd_of(small, False)
    return matmul(Q, u), s, adjoint_of(vh)


@composite(method=False)
def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V): principal components V of A's rows, approximately; columns are centred unless told otherwise.

    >>> import flambeau
    >>> U, S, V = flambeau.pca_lowrank(flambeau.tensor([[0.0, 0.0], [2.0, 0.0]]), q=1)
    >>> S
    tensor([1.4142])
    """
    check_matrix("pca_lowrank", A)
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    check(
        0 <= q <= min(m, n),
        lambda: f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}",
        ValueError,
    )
    check(niter >= 0, lambda: f"niter(={niter}) must be non-negative integer", ValueError)
    check_floating("pca_lowrank", A, "geqrf_cpu")
    return svd_lowrank(A - mean(A, -2, True) if center else A, q, niter)


# -- eigenpairs of large symmetric matrices ---------------------------------------------------------------------------


class Iteration:
    """What `lobpcg` shows its tracker at each step: the eigenvalues E, vectors X and residuals R so far, and counts."""

    def __init__(
        self, E: Tensor, X: Tensor, R: Tensor, step: int, errors: Tensor, tol: float
    ) -> None:
        self.E, self.X, self.R = E, X, R
        self.ivars = {"istep": step, "converged_count": int((errors < tol).sum().min())}
        self.fvars: dict[str, float] = {"tol": tol}
        self.tvars = {"rerr": errors}
        self.bvars = {"force_stop": False}


@composite(method=False)
def lobpcg(
    A: Tensor,
    k: int | None = None,
    B: Tensor | None = None,
    X: Tensor | None = None,
    n: int | None = None,
    iK: Tensor | None = None,
    niter: int | None = None,
    tol: float | None = None,
    largest: bool | None = None,
    method: str | None = None,
    tracker: Callable[[Any], None] | None = None,
    ortho_iparams: dict | None = None,
    ortho_fparams: dict | None = None,
    ortho_bparams: dict | None = None,
) -> tuple[Tensor, Tensor]:
    """(E, X): the k largest (or smallest) solutions of A x = e B x for symmetric A and positive-definite B.

    By the locally optimal block preconditioned conjugate gradient method (Knyazev, 2001), from the start X (or n random
    columns), with the preconditioner iK, until residuals are below tol or niter steps are done. Where gradients are wanted
    all eigenpairs are computed, densely. "basic" and "ortho" are one method here, the one that keeps its basis orthonormal;
    the parameters of PyTorch's orthogonalisation are accepted and not needed.

    >>> import flambeau
    >>> flambeau.lobpcg(flambeau.diag(flambeau.arange(1.0, 10.0)), k=1)[0]
    tensor([9.0000])
    """
    check_square("lobpcg", A)
    check_floating("lobpcg", A, "geqrf_cpu")
    check(
        method in (None, "basic", "ortho"),
        lambda: f"lobpcg: method must be 'basic' or 'ortho', but got {method!r}",
    )
    size = A.shape[-1]
    k = (1 if X is None else X.shape[-1]) if k is None else k
    check(
        size >= 3 * k,
        lambda: (
            f"LPBPCG algorithm is not applicable when the number of A rows (={size})"
            f" is smaller than 3 x the number of requested eigenpairs (={k})"
        ),
        ValueError,
    )
    largest = True if largest is None else largest
    if state.local.grad and (A.requires_grad or (B is not None and B.requires_grad)):
        return _dense_pairs(A, B, k, largest)
    n = (k if n is None else n) if X is None else X.shape[-1]
    start = randn(*A.shape[:-2], size, n, dtype=A.dtype, device=A.device) if X is None else X
    if tol is None:
        tol = finfo(A.dtype).eps ** 0.5
    return _iterate(A, B, start, iK, 1000 if niter is None else niter, tol, largest, tracker, k)


def _dense_pairs(A: Tensor, B: Tensor | None, k: int, largest: bool) -> tuple[Tensor, Tensor]:
    """All eigenpairs by `eigh`, of L^-1 A L^-H for B = L L^H; the k asked for."""
    if B is None:
        values, vectors = linalg_eigh(A)
    else:
        low = linalg_cholesky(B)
        half = solve_lower(low, A, False, False)
        values, vectors = linalg_eigh(solve_lower(low, adjoint_of(half), False, False))
        vectors = solve_lower(adjoint_of(low), vectors, True, False)
    if not largest:
        return values[..., :k], vectors[..., :, :k]
    return values[..., -k:].flip(-1), vectors[..., :, -k:].flip(-1)


def _iterate(
    A: Tensor, B: Tensor | None, X: Tensor, iK: Tensor | None, niter: int, tol: float,
    largest: bool, tracker: Callable[[Any], None] | None, k: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    def metric(x: Tensor) -> Tensor:
        return x if B is None else matmul(B, x)

    size = A.norm(dim=(-2, -1), keepdim=True).squeeze(-1)
    E, X = _ritz(A, metric, X, X.shape[-1], largest)
    P: Tensor | None = None
    for step in range(1, niter + 1):
        R = matmul(A, X) - metric(X) * E.unsqueeze(-2)
        errors = R.norm(dim=-2) / (X.norm(dim=-2) * (size + E.abs()))
        if tracker is not None:
            shown = Iteration(E, X, R, step, errors, tol)
            tracker(shown)
            if shown.bvars["force_stop"]:
                break
        if bool((errors[..., :k] < tol).all()):
            break
        W = R if iK is None else matmul(iK, R)
        basis = cat([X, W] if P is None else [X, W, P], -1)
        before = X
        E, X = _ritz(A, metric, basis, X.shape[-1], largest)
        # The direction of the last step: what is new in X.
        P = X - matmul(before, matmul(adjoint_of(before), metric(X)))
    return E[..., :k], X[..., :, :k]


def _ritz(
    A: Tensor, metric: Callable[[Tensor], Tensor], S: Tensor, count: int, largest: bool
) -> tuple[Tensor, Tensor]:
    """The `count` best pairs in the space that S spans; directions that add nothing to it are left out."""
    S = linalg_qr(S / S.norm(dim=-2, keepdim=True).clamp(min=1e-30)).Q
    values, turn = linalg_eigh(matmul(adjoint_of(S), metric(S)))
    S = matmul(S, turn * values.clamp(min=1e-30).rsqrt().unsqueeze(-2))
    E, Z = linalg_eigh(matmul(adjoint_of(S), matmul(A, S)))
    if largest:
        return E[..., -count:].flip(-1), matmul(S, Z[..., :, -count:].flip(-1))
    return E[..., :count], matmul(S, Z[..., :, :count])


for _random in (svd_lowrank, pca_lowrank, lobpcg):
    _random.refuse("onnx", "starts from random numbers")
