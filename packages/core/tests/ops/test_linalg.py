"""Linear algebra: decompositions multiply back, and their gradients are right where they are unique."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau import linalg
from flambeau.autograd import gradcheck, gradgradcheck
from flambeau.func import jvp, vmap
from flambeau.testing import assert_close

DRAW = np.random.default_rng(0)
X = flambeau.tensor(DRAW.standard_normal((2, 3, 3)))
TALL = flambeau.tensor(DRAW.standard_normal((2, 4, 3)))
WIDE = TALL.mT.contiguous()
Z = flambeau.tensor(DRAW.standard_normal((2, 3, 3)) + 1j * DRAW.standard_normal((2, 3, 3)))
ZTALL = flambeau.tensor(DRAW.standard_normal((4, 3)) + 1j * DRAW.standard_normal((4, 3)))
REAL_AND_COMPLEX = pytest.mark.parametrize("x", [X, Z], ids=["real", "complex"])
RECTANGLES = pytest.mark.parametrize(
    "x", [X, TALL, WIDE, Z, ZTALL, ZTALL.mH.contiguous()],
    ids=["square", "tall", "wide", "complex", "complex tall", "complex wide"],
)  # fmt: skip


def positive(x):
    return x @ x.mH + flambeau.eye(3, dtype=x.dtype)


def hermitian(x):
    return x + x.mH


def leaf(x):
    return x.clone().requires_grad_()


def unit(x, n):
    return flambeau.eye(n, dtype=x.dtype).expand(*x.shape[:-2], n, n)


def smooth(f, x):
    """First and second derivatives are those of finite differences."""
    one = x[0] if x.ndim == 3 else x
    return gradcheck(f, (leaf(x),)) and gradgradcheck(f, (leaf(one),))


@REAL_AND_COMPLEX
@pytest.mark.parametrize("upper", [False, True])
def test_cholesky(x, upper):
    a = positive(x)
    low = linalg.cholesky(a, upper=upper)
    assert_close(low.mH @ low if upper else low @ low.mH, a)
    assert smooth(lambda x: linalg.cholesky(positive(x), upper=upper), x)


def test_cholesky_reads_one_triangle():
    a = positive(X)
    assert_close(linalg.cholesky(a.tril()), linalg.cholesky(a))
    assert_close(linalg.cholesky(a.triu(), upper=True), linalg.cholesky(a, upper=True))


@REAL_AND_COMPLEX
def test_eigenvalues_and_projections_of_hermitian_matrices(x):
    values, vectors = linalg.eigh(hermitian(x))
    assert_close(vectors * values.unsqueeze(-2) @ vectors.mH, hermitian(x))
    assert_close(linalg.eigvalsh(hermitian(x)), values)
    assert smooth(lambda x: linalg.eigh(hermitian(x)).eigenvalues, x)
    assert smooth(lambda x: linalg.eigvalsh(hermitian(x)), x)

    def projection(x):  # of the eigenvector, whose phase is free, what does not depend on it
        first = linalg.eigh(hermitian(x)).eigenvectors[..., :1]
        return first @ first.mH

    assert smooth(projection, x)


@REAL_AND_COMPLEX
def test_eigenvalues_and_projections(x):
    values, vectors = linalg.eig(x)
    assert_close(x.to(values.dtype) @ vectors, vectors * values.unsqueeze(-2))
    assert_close(linalg.norm(vectors, dim=-2), flambeau.ones(2, 3, dtype=flambeau.float64))
    assert smooth(lambda x: linalg.eig(x).eigenvalues, x)
    assert smooth(linalg.eigvals, x)

    def lengths(x):
        return linalg.eig(x).eigenvectors.abs()

    assert smooth(lengths, x)


@RECTANGLES
def test_svd(x):
    u, s, vh = linalg.svd(x, False)
    assert_close(u * s.unsqueeze(-2) @ vh, x)
    assert smooth(lambda x: linalg.svd(x, False).S, x)
    assert smooth(linalg.svdvals, x)

    def halves(x):
        u, s, vh = linalg.svd(x, False)
        return (u * s.sqrt().unsqueeze(-2).to(u.dtype)) @ vh

    assert smooth(halves, x)

    def left(x):
        u = linalg.svd(x, False).U[..., :1]
        return u @ u.mH

    assert smooth(left, x)


def test_svd_of_equal_values_has_gradients_of_values():
    x = flambeau.eye(3, dtype=flambeau.float64).requires_grad_()
    linalg.svd(x).S.sum().backward()
    assert_close(x.grad, flambeau.eye(3, dtype=flambeau.float64))


@RECTANGLES
def test_qr(x):
    for mode in ("reduced", "complete"):
        q, r = linalg.qr(x, mode)
        assert_close(q @ r, x)
        assert_close(q.mH @ q, unit(q, q.shape[-1]))
        if mode == "reduced" or x.shape[-2] <= x.shape[-1]:
            assert smooth(lambda x, mode=mode: tuple(linalg.qr(x, mode)), x)
    assert_close(linalg.qr(x, "r").R, linalg.qr(x).R)


@RECTANGLES
def test_lu(x):
    p, low, up = linalg.lu(x)
    assert_close(p @ low @ up, x)
    packed, pivots = linalg.lu_factor(x)
    assert_close(flambeau.lu_unpack(packed, pivots).L, low)
    assert smooth(lambda x: linalg.lu_factor(x).LU, x)
    assert gradcheck(lambda x: tuple(linalg.lu(x))[1:], (leaf(x),))


@RECTANGLES
def test_reflectors(x):
    a, tau = flambeau.geqrf(x)
    q, r = linalg.qr(x)
    k = q.shape[-1]
    assert_close(a[..., :k, :].triu(), r)
    if x.shape[-2] >= x.shape[-1]:
        assert_close(linalg.householder_product(a, tau), q)
    whole = linalg.qr(x, "complete").Q
    assert_close(flambeau.ormqr(a, tau, x), whole @ x)
    assert_close(flambeau.ormqr(a, tau, x, transpose=True), whole.mH @ x)
    assert_close(flambeau.ormqr(a, tau, x.mT, left=False), x.mT @ whole)
    assert_close(flambeau.ormqr(a, tau, x.mT, False, True), x.mT @ whole.mH)


@REAL_AND_COMPLEX
def test_ldl(x):
    for hermitian_too in (False, True):
        a = hermitian(x) if hermitian_too else x + x.mT
        factors = linalg.ldl_factor(a, hermitian=hermitian_too)
        assert_close(a @ linalg.ldl_solve(*factors, x, hermitian=hermitian_too), x)


def test_inverse_solution_and_determinant_agree():
    a = positive(X)
    assert_close(linalg.inv(a) @ a, unit(a, 3))
    assert_close(linalg.solve(a, WIDE), linalg.inv(a) @ WIDE)
    assert_close(linalg.solve(a, TALL, left=False), TALL @ linalg.inv(a))
    sign, size = linalg.slogdet(a)
    assert_close(sign * size.exp(), linalg.det(a))
    assert_close(linalg.pinv(TALL) @ TALL, unit(a, 3))
    assert_close(linalg.matrix_power(a, -2), linalg.inv(a @ a))


@REAL_AND_COMPLEX
def test_solutions_by_factors(x):
    a = positive(x)
    low, expected = linalg.cholesky(a), linalg.solve(a, x)
    assert_close(flambeau.cholesky_solve(x, low), expected)
    assert_close(flambeau.cholesky_solve(x, low.mH, upper=True), expected)
    assert_close(flambeau.cholesky_inverse(low), linalg.inv(a))
    assert_close(flambeau.cholesky_inverse(low.mH, upper=True), linalg.inv(a))
    packed, pivots = linalg.lu_factor(a)
    assert_close(linalg.lu_solve(packed, pivots, x), expected)
    assert_close(linalg.lu_solve(packed, pivots, x, left=False), x @ linalg.inv(a))
    assert_close(linalg.lu_solve(packed, pivots, x, adjoint=True), linalg.inv(a.mH) @ x)
    both = linalg.lu_solve(packed, pivots, x, left=False, adjoint=True)
    assert_close(both, x @ linalg.inv(a.mH))


def test_gradients_through_factors_are_those_of_the_solution():
    def by_factor(x):
        return flambeau.cholesky_solve(WIDE, linalg.cholesky(positive(x)))

    def inverse(x):
        return flambeau.cholesky_inverse(linalg.cholesky(positive(x), upper=True), upper=True)

    assert smooth(by_factor, X)
    assert smooth(inverse, X)
    assert smooth(lambda x: linalg.lu_solve(*linalg.lu_factor(x), WIDE, adjoint=True), X)


@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss"])
@RECTANGLES
def test_least_squares(x, driver):
    b = x[..., :2] * 2 - 1
    made = linalg.lstsq(x, b, driver=driver)
    assert_close(made.solution, linalg.pinv(x) @ b)
    if driver != "gels":
        assert made.rank.tolist() == linalg.matrix_rank(x).tolist()
    if x.shape[-2] > x.shape[-1] and driver != "gelsy":
        off = x @ made.solution - b
        assert_close(made.residuals, (off.abs() ** 2).sum(-2))
    else:
        assert made.residuals.numel() == 0
    assert_close(
        made.singular_values,
        linalg.svdvals(x) if driver in ("gelsd", "gelss") else made.singular_values.new_zeros(0),
    )


@pytest.mark.parametrize("driver", ["gelsy", "gelsd"])
def test_least_squares_of_deficient_rank_are_the_shortest(driver):
    x = flambeau.cat([TALL[0], TALL[0] @ X[0]], 1)
    made = linalg.lstsq(x, TALL[0], driver=driver)
    assert int(made.rank) == 3
    assert_close(made.solution, linalg.pinv(x) @ TALL[0])


def test_determinants_of_singular_matrices_have_gradients():
    rank_two = np.array([[1.0, 2, 3], [2, 4, 7], [1, 2, 5]])
    rank_one = np.outer([1.0, 2, 3], [1, -1, 2])
    for a in (rank_two, rank_one, np.zeros((3, 3))):
        x = leaf(flambeau.tensor(a))
        flambeau.det(x).backward()
        cofactor = [
            [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(3)]
            for i in range(3)
        ]
        assert_close(x.grad, flambeau.tensor(cofactor), atol=1e-12, rtol=1e-9)
    assert flambeau.logdet(flambeau.zeros(2, 2)) == -float("inf")


def test_exponential():
    turn = flambeau.tensor([[0.0, -np.pi / 3], [np.pi / 3, 0.0]], dtype=flambeau.float64)
    c, s = np.cos(np.pi / 3), np.sin(np.pi / 3)
    assert_close(flambeau.matrix_exp(turn), flambeau.tensor([[c, -s], [s, c]]))
    sizes = flambeau.tensor([1e-4, 0.1, 0.9, 2.0, 5.0, 50.0], dtype=flambeau.float64)
    diagonal = flambeau.stack([sizes, -sizes], -1)
    exact = diagonal.exp().diag_embed()
    assert_close(flambeau.matrix_exp(diagonal.diag_embed()), exact, rtol=1e-12, atol=1e-12)
    single = flambeau.matrix_exp(diagonal[:5].float().diag_embed())
    assert_close(single, exact[:5].float(), rtol=1e-5, atol=1e-6)
    assert flambeau.matrix_exp(X * float("nan")).isnan().all()


def test_pinv_of_hermitian_matrices_and_tolerances():
    a = hermitian(X)
    assert_close(linalg.pinv(a, hermitian=True), linalg.inv(a))
    s = flambeau.tensor([4.0, 2.0, 1.0])
    assert_close(linalg.pinv(s.diag(), atol=1.5).diagonal(), flambeau.tensor([0.25, 0.5, 0.0]))
    assert_close(linalg.pinv(s.diag(), rtol=0.5).diagonal(), flambeau.tensor([0.25, 0.0, 0.0]))
    both = s.diag().expand(2, 3, 3)
    assert linalg.matrix_rank(both, atol=flambeau.tensor([0.5, 3.0])).tolist() == [3, 1]
    assert linalg.matrix_rank(both, rtol=flambeau.tensor([0.3, 0.5])).tolist() == [2, 1]
    assert linalg.matrix_rank(-s.diag(), hermitian=True) == 3


def test_condition_numbers():
    a = flambeau.tensor([[2.0, 0.0], [0.0, 0.5]])
    assert [float(linalg.cond(a, p)) for p in (None, 2, -2, 1, "nuc")] == [4, 4, 0.25, 4, 6.25]
    assert linalg.cond(flambeau.zeros(2, 2), 1) == float("inf")


def test_information_instead_of_errors():
    mixed = flambeau.stack([flambeau.eye(2), flambeau.zeros(2, 2)])
    assert linalg.inv_ex(mixed).info.tolist() == [0, 1]
    assert_close(linalg.inv_ex(mixed).inverse[0], flambeau.eye(2))
    made = linalg.solve_ex(mixed, flambeau.ones(2, 2, 1))
    assert made.info.tolist() == [0, 1] and made.result[0].tolist() == [[1], [1]]
    made = linalg.cholesky_ex(flambeau.tensor([[1.0, 2.0], [2.0, 1.0]]))
    assert int(made.info) == 2 and made.L.tolist() == [[1.0, 0.0], [2.0, -3.0]]
    assert linalg.lu_factor_ex(mixed).info.tolist() == [0, 1]
    assert linalg.ldl_factor_ex(mixed).info.tolist() == [0, 1]


SINGULAR = flambeau.tensor([[1.0, 2.0], [2.0, 4.0]])
SECOND = flambeau.stack([flambeau.eye(2), SINGULAR])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: linalg.inv(SINGULAR),
            "linalg.inv: The diagonal element 2 is zero, the inversion could not be completed because the input matrix "
            "is singular.",
        ),
        (lambda: flambeau.inverse(SECOND), "linalg.inv: (Batch element 1): The diagonal element 2"),
        (
            lambda: linalg.solve(SECOND, flambeau.ones(2, 2)),
            "(Batch element 1): The solver failed because the input matrix is singular.",
        ),
        (
            lambda: linalg.cholesky(-positive(X)),
            "linalg.cholesky: (Batch element 0): The factorization could not be completed because the input is not "
            "positive-definite (the leading minor of order 1 is not positive-definite).",
        ),
        (
            lambda: linalg.eigh(X * float("nan")),
            "linalg.eigh: (Batch element 0): The algorithm failed to converge because",
        ),
        (
            lambda: linalg.svd(flambeau.full((2, 2), float("nan"))),
            "linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values.",
        ),
        (lambda: linalg.ldl_factor(flambeau.zeros(2, 2)), "D[1,1] is zero"),
        (
            lambda: flambeau.cholesky_inverse(flambeau.zeros(2, 2)),
            "cholesky_inverse: The diagonal element 1 is zero",
        ),
    ],
)
def test_what_cannot_be_done_is_a_linalg_error(call, text):
    with pytest.raises(linalg.LinAlgError) as caught:
        call()
    assert text in str(caught.value)
    assert isinstance(caught.value, RuntimeError)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: linalg.inv(TALL),
            "linalg.inv: A must be batches of square matrices, but they are 4 by 3 matrices",
        ),
        (
            lambda: linalg.det(X[0, 0]),
            "linalg.det: The input tensor A must have at least 2 dimensions",
        ),
        (lambda: linalg.solve(X, TALL), "Incompatible shapes of A and B for the equation AX = B"),
        (lambda: linalg.solve(X, WIDE, left=False), "for the equation XA = B"),
        (lambda: linalg.norm(X, 2), "must be 1D or 2D"),
        (lambda: linalg.matrix_norm(X, 7), "Order 7 not supported"),
        (lambda: linalg.multi_dot([X[0]]), "at least 2 tensors but got 1"),
        (lambda: linalg.inv(flambeau.eye(2).long()), "Expected a floating point or complex tensor"),
        (lambda: linalg.inv(flambeau.eye(2).bfloat16()), "Low precision dtypes not supported"),
        (lambda: linalg.qr(X, "x"), "qr received unrecognized mode 'x'"),
        (lambda: linalg.lu_factor(flambeau.zeros(2, 2)), "U[1,1] is zero"),
        (lambda: linalg.lu(X, pivot=False), "LU without pivoting is not implemented on the CPU"),
        (lambda: linalg.svd(X, driver="gesvd"), "only supported on CUDA"),
        (lambda: linalg.lstsq(X, X, driver="x"), "should be one of (gels, gelsy, gelsd, gelss)"),
        (lambda: linalg.eig(X * float("inf")), "should not contain infs or NaNs"),
        (lambda: linalg.tensorinv(X, 1), "prod(self.shape[ind:])"),
        (lambda: flambeau.lobpcg(X[0], 2), "is smaller than 3 x"),
        (lambda: flambeau.pca_lowrank(X, 4), "not greater than min(m, n)"),
        (lambda: linalg.vector_norm(flambeau.zeros(0), -1), "does not have an identity"),
        (lambda: linalg.vector_norm(X, dtype=flambeau.float32), "without narrowing"),
        (lambda: X[0, 0].H, "tensor.H is only supported on matrices"),
        (lambda: flambeau.lu_unpack(X[0], flambeau.tensor([5, 1, 1]).int()), "must be between 1 and"),
    ],
)  # fmt: skip
def test_wrong_calls(call, text):
    with pytest.raises((RuntimeError, ValueError)) as caught:
        call()
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "loss",
    [
        lambda z: linalg.eig(z).eigenvectors.imag.sum(),
        lambda z: linalg.eigh(hermitian(z)).eigenvectors.imag.sum(),
        lambda z: linalg.svd(z).U.imag.sum(),
    ],
    ids=["eig", "eigh", "svd"],
)
def test_a_loss_of_the_free_phase_is_refused(loss):
    with pytest.raises(RuntimeError, match="ill-defined"):
        loss(leaf(Z)).backward()


@pytest.mark.parametrize(("mode", "text"), [("r", "depends on Q"), ("complete", "nrows > ncols")])
def test_qr_without_gradient_says_why(mode, text):
    with pytest.raises(RuntimeError, match=text):
        linalg.qr(leaf(TALL), mode).R.sum().backward()


def test_batches_and_strides_do_not_matter():
    a = positive(X)
    turned = a.mT.contiguous().mT
    for f in (linalg.inv, linalg.cholesky, linalg.eigvalsh, flambeau.matrix_exp, linalg.svdvals):
        assert_close(f(turned), f(a))
        assert_close(flambeau.stack([f(m) for m in a]), f(a))
        assert_close(vmap(f)(a), f(a))
        step = flambeau.ones_like(a)
        assert_close(
            jvp(f, (a,), (step,))[1], vmap(lambda m, t, f=f: jvp(f, (m,), (t,))[1])(a, step)
        )


@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (2, 0, 0)])
def test_nothing_is_decomposed_too(shape):
    x = flambeau.zeros(shape, dtype=flambeau.float64)
    for f in (
        linalg.inv, linalg.det, linalg.slogdet, linalg.cholesky, linalg.eig, linalg.eigh, linalg.eigvals, linalg.svd, linalg.qr,
        linalg.lu, linalg.lu_factor, linalg.ldl_factor, linalg.pinv, linalg.matrix_rank, linalg.cond, flambeau.matrix_exp,
        linalg.svdvals, flambeau.geqrf,
    ):  # fmt: skip
        made = f(x)
        first = made if isinstance(made, flambeau.Tensor) else made[0]
        assert tuple(first.shape[: len(shape) - 2]) == shape[:-2]
    assert linalg.solve(x, x).shape == x.shape
    assert linalg.lstsq(x, x).solution.shape == x.shape


def test_low_rank():
    flambeau.manual_seed(0)
    thin = flambeau.randn(3, 20, 4, dtype=flambeau.float64)
    x = thin @ flambeau.randn(3, 4, 12, dtype=flambeau.float64)
    for a in (x, x.mT):
        u, s, v = flambeau.svd_lowrank(a, q=5)
        assert_close(u * s.unsqueeze(-2) @ v.mT, a)
        assert_close(s[..., :4], linalg.svdvals(a)[..., :4])
    u, s, v = flambeau.pca_lowrank(x, q=5)
    assert_close(u * s.unsqueeze(-2) @ v.mT, x - x.mean(-2, True))
    moved = flambeau.svd_lowrank(x, 5, M=x.mean(-2, True))
    assert_close(moved[1], s)
    assert gradcheck(lambda x: flambeau.svd_lowrank(x, 4)[1], (leaf(x[0, :6, :5]),))


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("generalized", [False, True])
def test_lobpcg(largest, generalized):
    flambeau.manual_seed(0)
    draw = flambeau.randn(2, 40, 40, dtype=flambeau.float64)
    a = draw @ draw.mT
    b = (
        flambeau.diag_embed(flambeau.rand(2, 40, dtype=flambeau.float64) + 1)
        if generalized
        else None
    )
    seen = []
    values, vectors = flambeau.lobpcg(a, k=3, B=b, largest=largest, tracker=seen.append, tol=1e-9)
    assert_close(a @ vectors, (vectors if b is None else b @ vectors) * values.unsqueeze(-2),
                 rtol=1e-4, atol=1e-4)  # fmt: skip
    full = linalg.eigvals(a if b is None else linalg.solve(b, a)).real.sort(-1, descending=largest)
    assert_close(values, full.values[..., :3], rtol=1e-6, atol=1e-6)
    assert seen and seen[-1].ivars["istep"] == len(seen)
    wanted = leaf(a)
    dense = flambeau.lobpcg(wanted, k=3, B=b, largest=largest)
    assert_close(dense[0].detach(), values, rtol=1e-6, atol=1e-6)
    dense[0].sum().backward()
    assert wanted.grad.isfinite().all()


def test_out():
    a = positive(X)
    out = flambeau.empty(0, dtype=a.dtype)
    assert linalg.inv(a, out=out) is out
    assert_close(out, linalg.inv(a))
    values, vectors = flambeau.empty(0, dtype=a.dtype), flambeau.empty(0, dtype=a.dtype)
    linalg.eigh(a, out=(values, vectors))
    assert_close(values, linalg.eigvalsh(a))
    assert_close(linalg.norm(a, out=flambeau.empty((), dtype=a.dtype)), linalg.norm(a))
    norm = flambeau.empty(0, dtype=a.dtype)
    assert flambeau.norm(a, out=norm) is norm and norm > 0
