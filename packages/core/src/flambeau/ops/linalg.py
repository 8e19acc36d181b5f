"""Linear algebra: norms, determinants, inverses, solutions, and the decompositions whose gradients are simple."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._base.checks import broadcast_shapes, check, wrap_dim
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.promotion import SAME_REQUIRED
from ..runtime.tensor import Tensor
from .creation import eye, tril
from .exponential import log
from .matrix import matmul
from .reduction import amax, amin, norm, sum


def _square(name: str, x: Any) -> None:
    """Also in kernels, whose own errors name NumPy's functions."""
    shape = x.shape
    check(
        len(shape) >= 2,
        lambda: f"linalg.{name}: The input tensor A must have at least 2 dimensions.",
    )
    check(
        shape[-1] == shape[-2],
        lambda: (
            f"linalg.{name}: A must be batches of square matrices, but they are {shape[-2]} by {shape[-1]} matrices"
        ),
    )
    _floating(name, x)


def _floating(name: str, x: Any) -> None:
    kind = x.dtype
    check(
        kind.kind in "fc" if hasattr(kind, "kind") else kind.is_floating_point or kind.is_complex,
        lambda: (
            f"linalg.{name}: Expected a floating point or complex tensor as input. Got {kind.name}"
        ),
    )


def _h(x: Tensor) -> Tensor:
    return x.mT.conj()


@primitive(method=False)
def linalg_inv(A: Meta):
    """The inverse of square matrices.

    >>> import flambeau
    >>> flambeau.linalg.inv(flambeau.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    _square("inv", A)
    return A


@linalg_inv.kernel
def _(xp, a):
    _square("inv", a)
    return xp.linalg.inv(a)


@linalg_inv.vjp
def _(g, out, _a):
    return -(_h(out) @ g @ _h(out))


@linalg_inv.batch
def _(size, batched, a):
    return linalg_inv(a)


linalg_inv.refuse("onnx", "ONNX has no inverse of matrices")


@primitive(method=False, promote=SAME_REQUIRED)
def solve_matrices(A: Meta, B: Meta):
    """X with A @ X = B for square matrices A and matrices B, both in batches that broadcast."""
    _square("solve", A)
    check(
        B.ndim >= 2 and B.shape[-2] == A.shape[-1],
        lambda: (
            f"linalg.solve: Incompatible shapes of A and B for the equation AX = B ({A.shape[-2]}x{A.shape[-1]} and "
            f"{'x'.join(map(str, B.shape[-2:]))})"
        ),
    )
    return B.like((*broadcast_shapes(A.shape[:-2], B.shape[:-2]), *B.shape[-2:]))


@solve_matrices.kernel
def _(xp, a, b):
    _square("solve", a)
    return xp.linalg.solve(a, b)


@solve_matrices.vjp
def _(g, out, a, b: Meta):
    to_b = solve_matrices(_h(a), g)
    return lambda: (-(to_b @ _h(out))).sum_to_size(a.shape), lambda: to_b.sum_to_size(b.shape)


@solve_matrices.batch
def _(size, batched, a, b):
    rank = max(a.ndim - batched[0], b.ndim - batched[1])
    a, b = (
        x.reshape(size, *[1] * (rank - x.ndim + 1), *x.shape[1:]) if has else x
        for x, has in zip((a, b), batched)
    )
    return solve_matrices(a, b)


solve_matrices.refuse("onnx", "ONNX solves no systems of equations")


@composite(method=False)
def linalg_solve(A: Tensor, B: Tensor, *, left: bool = True):
    """X with A @ X = B (X @ A = B unless `left`); B holds vectors or matrices.

    >>> import flambeau
    >>> flambeau.linalg.solve(flambeau.eye(2) * 2, flambeau.tensor([2.0, 4.0]))
    tensor([1., 2.])
    """
    _square("solve", A)
    if not left:
        return linalg_solve(A.mT, B.mT).mT
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))
    return solve_matrices(A, B.unsqueeze(-1)).squeeze(-1) if vector else solve_matrices(A, B)


@primitive(method=False)
def linalg_det(A: Meta):
    """The determinant of square matrices.

    >>> import flambeau
    >>> flambeau.linalg.det(flambeau.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(-2.)
    """
    _square("det", A)
    return A.like(A.shape[:-2])


@linalg_det.kernel
def _(xp, a):
    _square("det", a)
    return xp.linalg.det(a)


@linalg_det.vjp
def _(g, out, a):
    return (g * out.conj()).unsqueeze(-1).unsqueeze(-1) * _h(linalg_inv(a))


@linalg_det.batch
def _(size, batched, a):
    return linalg_det(a)


@linalg_det.onnx
def _(builder, a):
    return builder.node("Det", [a])


@primitive(method=False, outputs=("sign", "logabsdet"))
def linalg_slogdet(A: Meta):
    """(sign, log of the size) of the determinant, which itself may over- or underflow.

    >>> import flambeau
    >>> flambeau.linalg.slogdet(flambeau.eye(2)).sign
    tensor(1.)
    """
    _square("slogdet", A)
    return A.like(A.shape[:-2]), A.like(
        A.shape[:-2], A.dtype.to_real() if A.dtype.is_complex else None
    )


@linalg_slogdet.kernel
def _(xp, a):
    _square("slogdet", a)
    sign, size = xp.linalg.slogdet(a)
    return xp.asarray(sign), xp.asarray(size)


@linalg_slogdet.vjp
def _(g, _out, a):
    check(
        not a.dtype.is_complex,
        lambda: "linalg.slogdet: gradients of complex matrices are not supported",
    )
    return g[1].unsqueeze(-1).unsqueeze(-1) * linalg_inv(a).mT


@linalg_slogdet.jvp
def _(tangents, out, a):
    moved = (linalg_inv(a) @ tangents[0]).diagonal(0, -2, -1).sum(-1)
    return out[0] * 0, moved


@linalg_slogdet.batch
def _(size, batched, a):
    return linalg_slogdet(a)


linalg_slogdet.refuse("onnx", "ONNX has the determinant only; export det")


@composite
def logdet(input: Tensor):
    """log of the determinant; NaN where that is negative.

    >>> import flambeau
    >>> flambeau.logdet(flambeau.eye(2))
    tensor(0.)
    """
    sign, size = linalg_slogdet(input)
    return log(sign) + size


@primitive(method=False)
def linalg_cholesky(A: Meta, *, upper: bool = False):
    """L lower triangular with L @ L.mH = A, for symmetric positive-definite matrices; its transpose with `upper`.

    >>> import flambeau
    >>> flambeau.linalg.cholesky(flambeau.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    _square("cholesky", A)
    return A


@linalg_cholesky.kernel
def _(xp, a, *, upper):
    _square("cholesky", a)
    out = xp.linalg.cholesky(a)
    return xp.conj(xp.swapaxes(out, -1, -2)) if upper else out


@linalg_cholesky.vjp
def _(g, out, _a, *, upper):
    low, gl = (_h(out), _h(g)) if upper else (out, g)
    # With P = tril(L^H gL), its diagonal halved: the gradient is the symmetric part of L^-H P L^-1.
    p = tril(_h(low) @ tril(gl))
    p = p - 0.5 * p * eye(p.shape[-1], dtype=p.dtype, device=p.device)
    inverse = linalg_inv(low)
    s = _h(inverse) @ p @ inverse
    return 0.5 * (s + _h(s))


@linalg_cholesky.batch
def _(size, batched, a, *, upper):
    return linalg_cholesky(a, upper=upper)


linalg_cholesky.refuse("onnx", "ONNX has no decompositions")


@primitive(method=False, outputs=("eigenvalues", "eigenvectors"))
def linalg_eigh(A: Meta, UPLO: str = "L"):
    """(eigenvalues, eigenvectors) of symmetric (Hermitian) matrices, rising; only one triangle of A is read.

    >>> import flambeau
    >>> flambeau.linalg.eigh(flambeau.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    _square("eigh", A)
    check(
        UPLO in ("L", "U", "l", "u"),
        lambda: f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}",
    )
    return A.like(A.shape[:-1], A.dtype.to_real() if A.dtype.is_complex else None), A


@linalg_eigh.kernel
def _(xp, a, *, UPLO):
    _square("eigh", a)
    values, vectors = xp.linalg.eigh(a, UPLO)
    return values, vectors


@linalg_eigh.vjp
def _(g, out, _a):
    (gv, gq), (v, q) = g, out
    n = v.shape[-1]
    unit = eye(n, dtype=v.dtype, device=v.device)
    apart = v.unsqueeze(-2) - v.unsqueeze(-1) + unit
    inner = (_h(q) @ gq) * ((1 - unit) / apart).to(q.dtype)
    inner = inner + gv.unsqueeze(-1) * unit.to(q.dtype)
    out = q @ inner @ _h(q)
    return 0.5 * (out + _h(out))


@linalg_eigh.batch
def _(size, batched, a, *, UPLO):
    return linalg_eigh(a, UPLO)


linalg_eigh.refuse("onnx", "ONNX has no decompositions")


@composite(method=False)
def linalg_eigvalsh(A: Tensor, UPLO: str = "L"):
    """The eigenvalues of symmetric (Hermitian) matrices, rising.

    >>> import flambeau
    >>> flambeau.linalg.eigvalsh(flambeau.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([1., 2.])
    """
    return linalg_eigh(A, UPLO).eigenvalues


@composite(method=False)
def linalg_vector_norm(
    x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
):
    """p-norm of all elements or over `dim`, as of one vector.

    >>> import flambeau
    >>> flambeau.linalg.vector_norm(flambeau.tensor([[3.0], [4.0]]))
    tensor(5.)
    """
    _floating("vector_norm", x)
    return norm(x, float(ord), dim, keepdim, dtype=dtype)


@composite(method=False)
def linalg_matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
):
    """Norm of matrices: "fro", "nuc", inf, -inf, 1, -1, 2, -2.

    >>> import flambeau
    >>> flambeau.linalg.matrix_norm(flambeau.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    _floating("matrix_norm", A)
    check(
        A.ndim >= 2,
        lambda: (
            f"linalg.matrix_norm: The input tensor A must have at least 2 dimensions. Got {A.ndim}"
        ),
    )
    check(len(dim) == 2, lambda: f"linalg.matrix_norm: dim must be a 2-tuple. Got {list(dim)}")
    A = A if dtype is None else A.to(dtype)
    a, b = wrap_dim(dim[0], A.ndim), wrap_dim(dim[1], A.ndim)
    check(a != b, lambda: f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if ord == "fro":
        return norm(A, 2, (a, b), keepdim)
    if ord in ("nuc", 2, -2):
        values = _singular_values(A.movedim((a, b), (-2, -1)))
        out = (
            sum(values, -1) if ord == "nuc" else amax(values, -1) if ord == 2 else amin(values, -1)
        )
        if keepdim:
            for d in sorted((a, b)):
                out = out.unsqueeze(d)
        return out
    check(
        ord in (1, -1, float("inf"), float("-inf")),
        lambda: f"linalg.matrix_norm: Order {ord} not supported.",
    )
    first, second = (a, b) if abs(ord) == 1 else (b, a)
    sizes = sum(A.abs(), first, True)
    out = (amax if ord > 0 else amin)(sizes, second, True)
    if not keepdim:
        for d in sorted((a, b), reverse=True):
            out = out.squeeze(d)
    return out


@primitive(method=False, outputs=("U", "S", "Vh"))
def linalg_svd(A: Meta, full_matrices: bool = True):
    """(U, S, Vh) with A = U @ diag(S) @ Vh; S falls.

    >>> import flambeau
    >>> flambeau.linalg.svd(flambeau.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    check(
        A.ndim >= 2,
        lambda: f"linalg.svd: The input tensor A must have at least 2 dimensions. Got {A.ndim}",
    )
    _floating("svd", A)
    *outer, m, n = A.shape
    k = min(m, n)
    u, v = ((m, m), (n, n)) if full_matrices else ((m, k), (k, n))
    real = A.dtype.to_real() if A.dtype.is_complex else None
    return A.like((*outer, *u)), A.like((*outer, k), real), A.like((*outer, *v))


@linalg_svd.kernel
def _(xp, a, *, full_matrices):
    _floating("svd", a)
    u, s, v = xp.linalg.svd(a, full_matrices=full_matrices)
    return u, s, v


@linalg_svd.vjp
def _(g, out, a: Meta, *, full_matrices):
    (gu, gs, gv), (u, s, vh) = g, out
    check(
        not full_matrices or a.shape[-1] == a.shape[-2],
        lambda: "linalg.svd: the gradient needs full_matrices=False, the full bases are not unique",
    )
    k = s.shape[-1]
    unit = eye(k, dtype=s.dtype, device=s.device)
    gap = s.unsqueeze(-2) ** 2 - s.unsqueeze(-1) ** 2 + unit
    f = ((1 - unit) / gap).to(u.dtype)
    along = s.unsqueeze(-2).to(u.dtype)
    left = _h(u) @ gu
    right = vh @ _h(gv)
    inner = (f * (left - _h(left))) * along + along.mT * (f * (right - _h(right)))
    core = inner + gs.unsqueeze(-1) * unit.to(u.dtype)
    out = u @ core @ vh
    if a.shape[-2] > k:
        out = out + (gu - u @ left) / along @ vh
    if a.shape[-1] > k:
        out = out + u / along @ (gv - _h(right) @ vh)
    return out


@linalg_svd.batch
def _(size, batched, a, *, full_matrices):
    return linalg_svd(a, full_matrices)


linalg_svd.refuse("onnx", "ONNX has no decompositions")


def _singular_values(A: Tensor) -> Tensor:
    return linalg_svd(A, False).S


@composite(method=False)
def linalg_svdvals(A: Tensor):
    """The singular values, falling.

    >>> import flambeau
    >>> flambeau.linalg.svdvals(flambeau.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor([4., 3.])
    """
    return _singular_values(A)


@composite(method=False)
def linalg_norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
):
    """Vector norm over one dimension (or of everything, where neither `ord` nor `dim` says otherwise), matrix norm over two.

    >>> import flambeau
    >>> flambeau.linalg.norm(flambeau.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if dim is not None:
        dims = (dim,) if isinstance(dim, int) else tuple(dim)
        if len(dims) == 2 and ord is not None:
            return linalg_matrix_norm(A, ord, dims, keepdim, dtype=dtype)
        return linalg_vector_norm(A, 2 if ord is None else ord, dims, keepdim, dtype=dtype)
    if ord is None:
        return linalg_vector_norm(A, 2, None, keepdim, dtype=dtype)
    check(
        A.ndim in (1, 2),
        lambda: (
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        ),
    )
    if A.ndim == 2:
        return linalg_matrix_norm(A, ord, keepdim=keepdim, dtype=dtype)
    return linalg_vector_norm(A, ord, None, keepdim, dtype=dtype)


@composite
def matrix_power(input: Tensor, n: int):
    """A square matrix times itself n times; of its inverse for n < 0.

    >>> import flambeau
    >>> flambeau.matrix_power(flambeau.eye(2) * 2, 3).tolist()
    [[8.0, 0.0], [0.0, 8.0]]
    """
    _square("matrix_power", input)
    if n < 0:
        return matrix_power(linalg_inv(input), -n)
    out, square = None, input
    while n:
        if n & 1:
            out = square if out is None else out @ square
        n >>= 1
        square = square @ square if n else square
    if out is None:
        return (
            eye(input.shape[-1], dtype=input.dtype, device=input.device).expand(input.shape).clone()
        )
    return out.clone() if out is input else out


@composite(method=False)
def linalg_multi_dot(tensors: Sequence[Tensor]):
    """Product of several matrices, in the order that costs least; the first and last may be vectors.

    >>> import flambeau
    >>> flambeau.linalg.multi_dot([flambeau.ones(2, 3), flambeau.ones(3, 4), flambeau.ones(4)]).shape
    flambeau.Size([2])
    """
    check(len(tensors) >= 2, lambda: "multi_dot(): expected at least 2 tensors")
    first, last = tensors[0].ndim == 1, tensors[-1].ndim == 1
    parts = [*tensors]
    parts[0] = parts[0].unsqueeze(0) if first else parts[0]
    parts[-1] = parts[-1].unsqueeze(1) if last else parts[-1]
    sizes = [p.shape[0] for p in parts] + [parts[-1].shape[1]]
    out = _chain(parts, sizes, 0, len(parts) - 1, {})[1]
    out = out.squeeze(0) if first else out
    return out.squeeze(-1) if last else out


def _chain(parts: list, sizes: list[int], i: int, j: int, known: dict) -> tuple[int, Any]:
    order = _best(sizes, i, j, known)[1]
    if i == j:
        return 0, parts[i]
    return 0, matmul(
        _chain(parts, sizes, i, order, known)[1], _chain(parts, sizes, order + 1, j, known)[1]
    )


def _best(sizes: list[int], i: int, j: int, known: dict) -> tuple[int, int]:
    """(cost, where to split last) of the product of parts i to j."""
    if i == j:
        return 0, i
    if (i, j) not in known:
        known[i, j] = min(
            (
                _best(sizes, i, k, known)[0]
                + _best(sizes, k + 1, j, known)[0]
                + sizes[i] * sizes[k + 1] * sizes[j + 1],
                k,
            )
            for k in range(i, j)
        )
    return known[i, j]


@composite(method=False)
def linalg_pinv(
    A: Tensor, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False
):
    """The pseudo-inverse, by singular values above max(atol, rtol * the largest).

    >>> import flambeau
    >>> flambeau.linalg.pinv(flambeau.tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    if not A.numel():
        return A.new_zeros((*A.shape[:-2], A.shape[-1], A.shape[-2]))
    if rtol is None:
        eps = {4: 1.1920929e-07, 8: 2.220446049250313e-16}[A.abs().dtype.itemsize]
        rtol = 0.0 if atol else max(A.shape[-2:]) * eps
    u, s, vh = linalg_svd(A, False)
    keep = (
        s > amax(s, -1, True) * rtol if not atol else s > (amax(s, -1, True) * rtol).clamp(min=atol)
    )
    inverse = (1 / s.masked_fill(~keep, 1.0)).masked_fill(~keep, 0.0)
    return (_h(vh) * inverse.unsqueeze(-2).to(A.dtype)) @ _h(u)


@composite(method=False)
def linalg_matrix_rank(
    A: Tensor, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False
):
    """How many singular values are above max(atol, rtol * the largest).

    >>> import flambeau
    >>> flambeau.linalg.matrix_rank(flambeau.tensor([[1.0, 1.0], [1.0, 1.0]]))
    tensor(1)
    """
    if not A.numel():
        return sum(A.abs() > 1, (-2, -1))
    s = _singular_values(A.detach())
    if rtol is None:
        eps = {4: 1.1920929e-07, 8: 2.220446049250313e-16}[s.dtype.itemsize]
        rtol = 0.0 if atol else max(A.shape[-2:]) * eps
    bound = amax(s, -1, True) * rtol
    return sum(s > (bound if not atol else bound.clamp(min=atol)), -1)
