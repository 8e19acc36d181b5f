"""Eigenvalues and singular values, and what is made of them: pseudo-inverse, rank, condition."""

from __future__ import annotations

from typing import Any

from .._base.checks import check, fail
from .._base.errors import LinAlgError
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .matrices import (
    NO_ONNX,
    adjoint_of,
    batched,
    check_floating,
    check_matrix,
    check_square,
    check_supported,
    has_values,
    scaled_columns,
    unit_like,
)
from .solvers import linalg_solve


def _real_of(x: Meta) -> Any:
    return x.dtype.to_real() if x.dtype.is_complex else None


def _complex_of(x: Meta) -> Any:
    return x.dtype if x.dtype.is_complex else x.dtype.to_complex()


def no_convergence(caller: str, what: str, xp: Any, a: Any, solve: Any) -> None:
    """LinAlgError that names the first matrix that `solve` fails for."""
    at = ""
    for i, matrix in enumerate(a.reshape(-1, *a.shape[-2:])):
        try:
            solve(matrix)
        except ValueError:  # NumPy's LinAlgError is one
            at = f"(Batch element {i}): " if a.ndim > 2 else ""
            finite = bool(xp.isfinite(matrix).all())
            reason = (
                f"is ill-conditioned or has too many repeated {what} (error code: {a.shape[-1] - 1})"
                if finite
                else "contained non-finite values"
            )
            break
    raise LinAlgError(
        f"{caller}: {at}The algorithm failed to converge because the input matrix {reason}."
    )


def _same_phase(off: Tensor, what: str) -> None:
    """Refuses a loss that depends on the phase of complex vectors, which is nobody's: `off` is then not zero."""
    if has_values(off) and off.numel():
        size = float(off.detach().abs().max())
        check(not size > 1e-2, lambda: what)


# -- eigenvalues of Hermitian matrices --------------------------------------------------------------------------------


def _check_eigh(caller: str, x: Any, UPLO: str) -> None:
    check_square(caller, x)
    check_supported(x, "linalg_eigh_cpu")
    check(
        isinstance(UPLO, str),
        lambda: f"linalg_eigh(): argument 'UPLO' must be str, not {type(UPLO).__name__}",
        TypeError,
    )
    check(
        UPLO.upper() in ("L", "U"),
        lambda: f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}",
    )


@primitive(method=False, outputs=("eigenvalues", "eigenvectors"), fills=False)
def linalg_eigh(input: Meta, UPLO: str = "L"):
    """(eigenvalues, eigenvectors) of symmetric (Hermitian) matrices, rising; only one triangle of input is read.

    >>> import flambeau
    >>> flambeau.linalg.eigh(flambeau.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    _check_eigh("linalg.eigh", input, UPLO)
    return input.like(input.shape[:-1], _real_of(input)), input


@linalg_eigh.kernel
def _(xp, a, *, UPLO):
    _check_eigh("linalg.eigh", a, UPLO)
    try:
        values, vectors = xp.linalg.eigh(a, UPLO.upper())
    except ValueError:
        no_convergence("linalg.eigh", "eigenvalues", xp, a, xp.linalg.eigh)
    return values, vectors


@linalg_eigh.vjp
def _(g, out, _a):
    """V (diag(gL) + skew(V^H gV) / E) V^H, with E[i, j] = L[j] - L[i] and skew(X) = (X - X^H) / 2: a Hermitian matrix."""
    (gl, gv), (values, v) = g, out
    if gv is None:
        return scaled_columns(v, gl) @ adjoint_of(v)
    inner = adjoint_of(v) @ gv
    if v.is_complex():
        _same_phase(
            inner.diagonal(0, -2, -1).imag,
            "linalg_eigh_backward: The eigenvectors in the complex case are specified up to multiplication by "
            "e^{i phi}. The specified loss function depends on this quantity, so it is ill-defined.",
        )
    inner = 0.5 * (inner - adjoint_of(inner)) * _over_gaps(values).to(v.dtype)
    if gl is not None:
        inner = inner + gl.diag_embed().to(v.dtype)
    return v @ inner @ adjoint_of(v)


def _over_gaps(x: Tensor) -> Tensor:
    """1 / (x[j] - x[i]), zero on the diagonal."""
    unit = unit_like(x)
    return (1 - unit) / (x.unsqueeze(-2) - x.unsqueeze(-1) + unit)


batched(linalg_eigh)
linalg_eigh.refuse("onnx", NO_ONNX)


@primitive(method=False)
def linalg_eigvalsh(input: Meta, UPLO: str = "L"):
    """The eigenvalues of symmetric (Hermitian) matrices, rising.

    >>> import flambeau
    >>> flambeau.linalg.eigvalsh(flambeau.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([1., 2.])
    """
    _check_eigh("linalg.eigh", input, UPLO)
    return input.like(input.shape[:-1], _real_of(input))


@linalg_eigvalsh.kernel
def _(xp, a, *, UPLO):
    _check_eigh("linalg.eigh", a, UPLO)
    try:
        return xp.linalg.eigvalsh(a, UPLO.upper())
    except ValueError:
        no_convergence("linalg.eigvalsh", "eigenvalues", xp, a, xp.linalg.eigvalsh)


@linalg_eigvalsh.vjp
def _(g, _out, a, *, UPLO):
    v = linalg_eigh(a, UPLO)[1]
    return scaled_columns(v, g) @ adjoint_of(v)


batched(linalg_eigvalsh)
linalg_eigvalsh.refuse("onnx", NO_ONNX)


# -- eigenvalues of any matrices --------------------------------------------------------------------------------------


def _check_eig(caller: str, x: Any) -> None:
    check_square(f"linalg.{caller}", x)
    check_floating(f"linalg.{caller}", x, "linalg_eig_out_cpu")


def _check_finite(caller: str, xp: Any, a: Any) -> None:
    check(
        xp.isfinite(a).all(),
        lambda: f"torch.linalg.{caller}: input tensor should not contain infs or NaNs.",
    )


def _general(xp: Any, name: str) -> Any:
    found = getattr(xp.linalg, name, None)
    check(
        found is not None,
        lambda: (
            f"linalg.{name}: this CuPy has no eigenvalues of general matrices; CuPy 14 has, and so has the CPU: "
            f"linalg.{name}(A.cpu())"
        ),
        NotImplementedError,
    )
    return found


def _complex(xp: Any, x: Any) -> Any:
    if x.dtype.kind == "c":
        return x
    return x.astype("complex64" if x.dtype.itemsize == 4 else "complex128")


@primitive(method=False, outputs=("eigenvalues", "eigenvectors"), fills=False)
def linalg_eig(input: Meta):
    """(eigenvalues, eigenvectors) of square matrices: complex, in no particular order, the vectors of length one.

    >>> import flambeau
    >>> flambeau.linalg.eig(flambeau.tensor([[0.0, 2.0], [2.0, 0.0]])).eigenvalues
    tensor([ 2.+0.j, -2.+0.j])
    """
    _check_eig("eig", input)
    kind = _complex_of(input)
    return input.like(input.shape[:-1], kind), input.like(None, kind)


@linalg_eig.kernel
def _(xp, a):
    _check_eig("eig", a)
    _check_finite("eig", xp, a)
    try:
        values, vectors = _general(xp, "eig")(a)
    except ValueError:
        no_convergence("linalg.eig", "eigenvalues", xp, a, xp.linalg.eig)
    return _complex(xp, values), _complex(xp, vectors)


@linalg_eig.vjp
def _(g, out, a: Meta):
    """V^-H (diag(gL) + (V^H gV - V^H V diag(Re(V^H gV))) / conj(E)) V^H, with E[i, j] = L[j] - L[i].

    The middle term keeps the vectors' length at one.
    """
    (gl, gv), (values, v) = g, out
    back = adjoint_of(v)
    if gv is None:
        made = linalg_solve(back, gl.unsqueeze(-1) * back)
    else:
        inner = back @ gv
        along = inner.diagonal(0, -2, -1)
        _same_phase(
            along.imag,
            "linalg_eig_backward: The eigenvectors in the complex case are specified up to multiplication by "
            "e^{i phi}. The specified loss function depends on this quantity, so it is ill-defined.",
        )
        inner = inner - scaled_columns(back @ v, along.real)
        inner = inner * _over_gaps(values).conj()
        if gl is not None:
            inner = inner + gl.diag_embed()
        made = linalg_solve(back, inner @ back)
    return made if a.dtype.is_complex else made.real


batched(linalg_eig)
linalg_eig.refuse("onnx", NO_ONNX)


@primitive(method=False)
def linalg_eigvals(input: Meta):
    """The eigenvalues of square matrices, complex and in no particular order.

    >>> import flambeau
    >>> flambeau.linalg.eigvals(flambeau.tensor([[0.0, 2.0], [2.0, 0.0]]))
    tensor([ 2.+0.j, -2.+0.j])
    """
    _check_eig("eigvals", input)
    return input.like(input.shape[:-1], _complex_of(input))


@linalg_eigvals.kernel
def _(xp, a):
    _check_eig("eigvals", a)
    _check_finite("eig", xp, a)
    try:
        return _complex(xp, _general(xp, "eigvals")(a))
    except ValueError:
        no_convergence("linalg.eigvals", "eigenvalues", xp, a, xp.linalg.eigvals)


@linalg_eigvals.vjp
def _(g, _out, a):
    back = adjoint_of(linalg_eig(a)[1])
    made = linalg_solve(back, g.unsqueeze(-1) * back)
    return made if a.is_complex() else made.real


batched(linalg_eigvals)
linalg_eigvals.refuse("onnx", NO_ONNX)


# -- singular values --------------------------------------------------------------------------------------------------


def _check_svd(caller: str, x: Any) -> None:
    check_matrix(caller, x)
    check_floating(caller, x, "svd_cpu")


@primitive(method=False, outputs=("U", "S", "Vh"), fills=False)
def svd_of(A: Meta, full_matrices: bool):
    """(U, S, Vh) with A = U @ diag(S) @ Vh; S falls. Gradients are those of the first columns of U and rows of Vh."""
    _check_svd("linalg.svd", A)
    *outer, m, n = A.shape
    k = min(m, n)
    u, v = ((m, m), (n, n)) if full_matrices else ((m, k), (k, n))
    return A.like((*outer, *u)), A.like((*outer, k), _real_of(A)), A.like((*outer, *v))


@svd_of.kernel
def _(xp, a, *, full_matrices):
    _check_svd("linalg.svd", a)
    if not a.size:
        *outer, m, n = a.shape
        empty = xp.zeros((*outer, min(m, n)), dtype=a.real.dtype)
        left, right = (m, n) if full_matrices else (min(m, n), min(m, n))
        return (
            xp.broadcast_to(xp.eye(m, left, dtype=a.dtype), (*outer, m, left)).copy(),
            empty,
            xp.broadcast_to(xp.eye(right, n, dtype=a.dtype), (*outer, right, n)).copy(),
        )
    try:
        u, s, v = xp.linalg.svd(a, full_matrices=full_matrices)
    except ValueError:
        no_convergence("linalg.svd", "singular values", xp, a, xp.linalg.svd)
    return u, s, v


@svd_of.vjp
def _(g, out, a: Meta):
    """U ((skew(U^H gU) / E) S + S (skew(V^H gV) / E) + diag(gS)) Vh and what leaves the spaces of U and V,

    with E[i, j] = S[j]^2 - S[i]^2 and skew(X) = X - X^H. For complex matrices the diagonal of the first, over 2 S, is added:
    the phase that U and V share is free, and a loss that depends on it is refused.
    """
    (gu, gs, gv), (u, s, vh) = g, out
    k = s.shape[-1]
    m, n = a.shape[-2:]
    u, vh = u[..., :, :k], vh[..., :k, :]
    if gu is None and gv is None:
        return scaled_columns(u, gs) @ vh
    gu = None if gu is None else gu[..., :, :k]
    gv = None if gv is None else gv[..., :k, :]
    kind = u.dtype
    left = None if gu is None else adjoint_of(u) @ gu
    right = None if gv is None else vh @ adjoint_of(gv)
    over = ((1 - unit_like(s)) * _over_squares(s)).to(kind)
    along = s.unsqueeze(-2).to(kind)
    inner: Any = None
    if left is not None:
        inner = (over * (left - adjoint_of(left))) * along
    if right is not None:
        part = along.mT * (over * (right - adjoint_of(right)))
        inner = part if inner is None else inner + part
    if u.is_complex():
        phases = [x.diagonal(0, -2, -1).imag for x in (left, right) if x is not None]
        total = phases[0] if len(phases) == 1 else phases[0] + phases[1]
        _same_phase(
            total,
            "svd_backward: The singular vectors in the complex case are specified up to multiplication by e^{i phi}. "
            "The specified loss function depends on this phase term, making it ill-defined.",
        )
        if left is not None:
            skew = (left - adjoint_of(left)).diagonal(0, -2, -1) / (2 * s).to(kind)
            inner = inner + skew.diag_embed()
    if gs is not None:
        inner = inner + gs.diag_embed().to(kind)
    made = u @ inner @ vh
    if m > k and left is not None:
        made = made + ((gu - u @ left) / along) @ vh
    if n > k and right is not None:
        made = made + (u / along) @ (gv - adjoint_of(right) @ vh)
    return made


def _over_squares(s: Tensor) -> Tensor:
    """1 / (s[j]^2 - s[i]^2), by the product of sum and difference, which keeps what a difference of squares loses."""
    unit = unit_like(s)
    row, column = s.unsqueeze(-2), s.unsqueeze(-1)
    return 1 / ((row - column) * (row + column) + unit)


@svd_of.batch
def _(size, flags, a, *, full_matrices):
    return svd_of(a, full_matrices)


svd_of.refuse("onnx", NO_ONNX)


@composite(method=False, outputs=("U", "S", "Vh"))
def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """(U, S, Vh) with A = U @ diag(S) @ Vh; S falls. `driver` is CUDA's choice of an algorithm, and refused elsewhere.

    >>> import flambeau
    >>> flambeau.linalg.svd(flambeau.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    _check_driver(A, driver)
    return linalg_svd.op.tags["named"](*svd_of(A, full_matrices))


def _check_driver(A: Tensor, driver: str | None) -> None:
    if driver is not None and A.device.type != "cuda":
        fail(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        )


@primitive(method=False)
def singular_values(A: Meta):
    """The singular values, falling."""
    _check_svd("linalg.svd", A)
    return A.like((*A.shape[:-2], min(A.shape[-2:])), _real_of(A))


@singular_values.kernel
def _(xp, a):
    _check_svd("linalg.svd", a)
    if not a.size:
        return xp.zeros((*a.shape[:-2], min(a.shape[-2:])), dtype=a.real.dtype)
    try:
        return xp.linalg.svd(a, compute_uv=False)
    except ValueError:
        no_convergence("linalg.svdvals", "singular values", xp, a, xp.linalg.svd)


@singular_values.vjp
def _(g, _out, a):
    u, _, vh = svd_of(a, False)
    return scaled_columns(u, g) @ vh


batched(singular_values)
singular_values.refuse("onnx", NO_ONNX)


@composite(method=False)
def linalg_svdvals(A: Tensor, *, driver: str | None = None):
    """The singular values, falling.

    >>> import flambeau
    >>> flambeau.linalg.svdvals(flambeau.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor([4., 3.])
    """
    _check_driver(A, driver)
    return singular_values(A)


@composite(outputs=("U", "S", "V"))
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """(U, S, V) with input = U @ diag(S) @ V.mH; with `some` reduced. Without `compute_uv` U and V are zeros.

    >>> import flambeau
    >>> flambeau.svd(flambeau.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    check(input.ndim >= 2, lambda: "linalg.svd: input should have at least 2 dimensions")
    if compute_uv:
        u, s, vh = svd_of(input, not some)
        return svd.op.tags["named"](u, s, adjoint_of(vh))
    m, n = input.shape[-2:]
    outer = tuple(input.shape[:-2])
    zeros = input.new_zeros
    return svd.op.tags["named"](
        zeros((*outer, m, m)), singular_values(input), zeros((*outer, n, n))
    )
