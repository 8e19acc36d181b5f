"""Linear algebra: decompositions multiply back, and their gradients are right where they are unique."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau import linalg
from flambeau.autograd import gradcheck
from flambeau.testing import assert_close

X = flambeau.tensor(np.random.default_rng(0).standard_normal((2, 3, 3)))
TALL = flambeau.tensor(np.random.default_rng(1).standard_normal((2, 4, 3)))


def positive(x):
    return x @ x.mT + flambeau.eye(3, dtype=x.dtype)


def symmetric(x):
    return x + x.mT


def leaf(x):
    return x.clone().requires_grad_()


@pytest.mark.parametrize("upper", [False, True])
def test_cholesky(upper):
    a = positive(X)
    low = linalg.cholesky(a, upper=upper)
    assert_close(low.mT @ low if upper else low @ low.mT, a)
    assert gradcheck(lambda x: linalg.cholesky(positive(x), upper=upper), (leaf(X),))


def test_eigenvalues_and_projections():
    values, vectors = linalg.eigh(symmetric(X))
    assert_close(vectors @ values.diag_embed() @ vectors.mT, symmetric(X))
    assert gradcheck(lambda x: linalg.eigh(symmetric(x)).eigenvalues, (leaf(X),))

    def projection(x):  # of the eigenvector, whose sign is free, what does not depend on the sign
        first = linalg.eigh(symmetric(x)).eigenvectors[..., :1]
        return first @ first.mT

    assert gradcheck(projection, (leaf(X),))


@pytest.mark.parametrize("x", [X, TALL, TALL.mT.contiguous()], ids=["square", "tall", "wide"])
def test_svd(x):
    u, s, vh = linalg.svd(x, False)
    assert_close(u @ s.diag_embed() @ vh, x)
    assert gradcheck(lambda x: linalg.svd(x, False).S, (leaf(x),))

    def halves(x):
        u, s, vh = linalg.svd(x, False)
        return (u * s.sqrt().unsqueeze(-2)) @ vh

    assert gradcheck(halves, (leaf(x),))


def test_inverse_solution_and_determinant_agree():
    a = positive(X)
    assert_close(linalg.inv(a) @ a, flambeau.eye(3, dtype=a.dtype).expand(2, 3, 3))
    assert_close(linalg.solve(a, TALL.mT[:, :, :3]), linalg.inv(a) @ TALL.mT[:, :, :3])
    sign, size = linalg.slogdet(a)
    assert_close(sign * size.exp(), linalg.det(a))
    assert_close(linalg.pinv(TALL) @ TALL, flambeau.eye(3, dtype=a.dtype).expand(2, 3, 3))
    assert_close(linalg.matrix_power(a, -2), linalg.inv(a @ a))


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
        (lambda: linalg.solve(X, TALL), "Incompatible shapes"),
        (lambda: linalg.cholesky(-positive(X)), "linalg_cholesky"),
        (lambda: linalg.inv(flambeau.zeros(2, 2)), "linalg_inv"),
        (lambda: linalg.norm(X, 2), "must be 1D or 2D"),
        (lambda: linalg.matrix_norm(X, 7), "Order 7 not supported"),
        (lambda: linalg.multi_dot([X[0]]), "at least 2 tensors"),
        (lambda: linalg.inv(flambeau.eye(2).long()), "floating point"),
    ],
)
def test_wrong_calls(call, text):
    with pytest.raises((RuntimeError, np.linalg.LinAlgError), match=text):
        call()
