"""Layers against their definitions, written out: what gradient checks alone would not notice."""

from __future__ import annotations

import numpy as np

import flambeau
from flambeau.nn import functional as F


def test_batch_norm_by_what_it_remembers():
    x, mean, var = flambeau.randn(4, 3), flambeau.randn(3), flambeau.tensor([0.0, 1e-5, 2.0])
    made = F.batch_norm(x, mean, var, eps=1e-5)
    expected = (x.numpy() - mean.numpy()) / np.sqrt(var.numpy() + 1e-5)
    np.testing.assert_allclose(made.numpy(), expected, rtol=1e-4)


def test_attention_sees_what_it_may():
    q, k, v = (flambeau.randn(4, 8) for _ in range(3))
    scores = q.numpy() @ k.numpy().T / np.sqrt(8)

    def expected(allowed):
        weights = np.exp(scores) * allowed
        return weights / weights.sum(-1, keepdims=True) @ v.numpy()

    lower = np.tril(np.ones((4, 4), dtype=bool))
    causal = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    np.testing.assert_allclose(causal.numpy(), expected(lower), rtol=1e-4, atol=1e-5)
    masked = F.scaled_dot_product_attention(q, k, v, flambeau.from_numpy(lower))
    np.testing.assert_allclose(masked.numpy(), expected(lower), rtol=1e-4, atol=1e-5)


def test_a_query_that_may_look_at_nothing_gets_zeros():
    q = flambeau.randn(2, 4, requires_grad=True)
    mask = flambeau.tensor([[True, True], [False, False]])
    made = F.scaled_dot_product_attention(q, q, q, mask)
    made.sum().backward()
    assert made[1].tolist() == [0, 0, 0, 0]
    assert flambeau.isfinite(q.grad).all()


def test_a_gradient_is_not_shared_with_whoever_gave_it():
    x = flambeau.ones(3, requires_grad=True)
    y = flambeau.ones(3, requires_grad=True)
    given = flambeau.ones(3)
    (x + y).backward(given)
    x.grad.mul_(5)
    assert y.grad.tolist() == [1, 1, 1]
    assert given.tolist() == [1, 1, 1]
