"""LAPACK through ctypes and the same with NumPy alone: one answer, whichever is there."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends import factorizing
from flambeau.backends.numpy import lapack

KINDS = ["f4", "f8", "c8", "c16"]
DRAW = np.random.default_rng(0)


def draw(kind, *shape):
    x = DRAW.standard_normal(shape)
    return (x + 1j * DRAW.standard_normal(shape) if kind[0] == "c" else x).astype(kind)


def near(a, b, kind):
    np.testing.assert_allclose(a, b, **({"rtol": 1e-3, "atol": 1e-3} if kind in ("f4", "c8") else {"rtol": 1e-9}))  # fmt: skip


@pytest.fixture(params=["library", "numpy alone"])
def way(request, monkeypatch):
    """The library's routines, or none of them."""
    if request.param == "numpy alone":
        monkeypatch.setattr(lapack, "_routine", lambda name, kind: None)
    elif lapack.library() is None:
        pytest.skip("this NumPy shows no LAPACK")
    return request.param


def test_numpys_wheel_has_lapack():
    found = lapack.library()
    assert found is None or found.routine("dgetrf") is not None
    assert "lapack" in flambeau.show_config()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(4, 4), (2, 5, 3), (2, 3, 5), (100, 3, 3), (0, 2)])
def test_lu(way, kind, shape):
    a = draw(kind, *shape)
    packed, pivots, info = lapack.lu(a)
    k = min(shape[-2:])
    low = np.tril(packed[..., :k], -1) + np.eye(shape[-2], k)
    made = low @ np.triu(packed[..., :k, :])
    for at in np.ndindex(*shape[:-2]):
        for i in reversed(range(k)):
            j = pivots[at][i] - 1
            made[at][[i, j]] = made[at][[j, i]]
    near(made, a, kind)
    assert not info.any() and pivots.dtype == info.dtype == np.int32


def test_lu_names_the_first_zero_pivot(way):
    a = np.array([[[1.0, 2], [2, 4]], [[0, 0], [0, 1]], [[1, 0], [0, 1]]])
    assert lapack.lu(a)[2].tolist() == [2, 1, 0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("order", ["rows", "columns", "stepped"])
def test_triangular(way, kind, upper, unit, order):
    a = draw(kind, 2, 8, 8)[:, ::2, ::2] + 4 * np.eye(4)
    a = a.astype(kind)
    if order == "rows":
        a = np.ascontiguousarray(a)
    elif order == "columns":
        a = np.swapaxes(np.ascontiguousarray(a), -1, -2)
    b = draw(kind, 3, 1, 4, 5)
    whole = np.triu(a) if upper else np.tril(a)
    if unit:
        whole[..., range(4), range(4)] = 1
    made = lapack.triangular(a, b, upper, unit)
    assert made.shape == (3, 2, 4, 5) and made.dtype == b.dtype
    near(whole @ made, np.broadcast_to(b, made.shape), kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 5, 9])
@pytest.mark.parametrize("hermitian", [False, True])
def test_ldl(way, kind, n, hermitian):
    a, b = draw(kind, 2, n, n), draw(kind, 2, n, 3)
    turned = np.swapaxes(a, -1, -2)
    a = a + (turned.conj() if hermitian else turned)
    if n == 2:  # a diagonal of zeros wants a block of two
        a[..., [0, 1], [0, 1]] = 0
    packed, pivots, info = lapack.ldl(a, hermitian)
    assert not info.any()
    near(a @ lapack.ldl_solve(packed, pivots, b, hermitian), b, kind)
    plain = factorizing.ldl(np, a, hermitian)
    near(np.tril(packed), np.tril(plain[0]), kind)
    assert (pivots == plain[1]).all() and (n != 2 or (pivots == -2).all())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss"])
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 5), (3, 3)])
def test_lstsq(way, kind, driver, shape):
    a = draw(kind, *shape)
    b = draw(kind, *shape[:-1], 2)
    made, rank, _ = lapack.lstsq(a, b, 1e-6, driver)
    near(made, np.linalg.pinv(a) @ b, kind)
    assert driver == "gels" or (rank == 3).all()


def test_cholesky_stops_where_lapack_does(way):
    a = np.array([[[4.0, 2, 0], [2, 1, 0], [0, 0, 1]], np.eye(3), -np.eye(3)])
    low, info = lapack.cholesky(a)
    assert info.tolist() == [2, 0, 1]
    assert low[0, :2].tolist() == [[2, 0, 0], [1, 0, 0]] and low[1].tolist() == np.eye(3).tolist()


def test_singular_ones_among_regular_ones(way):
    a = np.array([np.eye(2), np.ones((2, 2))])
    for made, info in (lapack.inverse(a), lapack.solve(a, np.eye(2))):
        assert info.tolist() == [0, 2]
        assert made[0].tolist() == np.eye(2).tolist() and np.isnan(made[1]).all()


def test_portable_inverse_and_solve_find_singular_matrices():
    a = np.array([np.eye(2), [[2.0, 1.0], [1.0, 1.0]]])
    on = factorizing.On(np)
    near(on.inverse(a)[0] @ a, np.broadcast_to(np.eye(2), (2, 2, 2)), "f8")
    near(a @ on.solve(a, np.ones((2, 1)))[0], np.ones((2, 2, 1)), "f8")


def test_operators_agree_without_the_library(way):
    x = flambeau.tensor(draw("f8", 3, 3)).requires_grad_()
    lu = flambeau.linalg.lu(x)
    (
        lu.L.sum() + (lu.U * 2).sum() + flambeau.linalg.solve_triangular(x, x * 2, upper=True).sum()
    ).backward()
    assert x.grad.isfinite().all()
