"""`einsum` where nothing is summed between two operands: a product element by element, in the result's order, dtypes promoted."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.testing import assert_close

SIZES = {"a": 3, "b": 4, "c": 5, "d": 2, "i": 1}
EQUATIONS = [
    "abc,cd->abcd", "abc,dc->abdc", "ab,ab->ba", "a,b->ba", "ab,cb->acb", "abc,abd,abc->abcd", "aab,b->ab", "ab,c->b",
    "ab,c->", "i,a->ia", "ai,bi->abi", "abc,b,c->cab", "abc,bd,d->abd", "a,a->",
]  # fmt: skip


@pytest.mark.parametrize("equation", EQUATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_equals_numpys(equation, dtype):
    rng = np.random.default_rng(0)
    given = [
        rng.integers(1, 5, [SIZES[n] for n in names]).astype(dtype)
        for names in equation.split("->")[0].split(",")
    ]
    tensors = [flambeau.from_numpy(a) for a in given]
    if dtype != "int64":
        tensors = [t.requires_grad_() for t in tensors]  # else few terms are NumPy's
    made = flambeau.einsum(equation, *tensors)
    np.testing.assert_array_equal(made.detach().numpy(), np.einsum(equation, *given))
    if dtype == "float64":
        assert flambeau.autograd.gradcheck(
            lambda *t: flambeau.einsum(equation, *t), [t.detach().requires_grad_() for t in tensors]
        )


def test_dtypes_are_promoted():
    made = flambeau.einsum("a,b->ab", flambeau.ones(2), flambeau.ones(3, dtype=flambeau.float64))
    assert made.dtype is flambeau.float64
    made = flambeau.einsum("a,b->ab", flambeau.tensor([True, False]), flambeau.tensor([True]))
    assert made.tolist() == [[True], [False]]


def test_sizes_of_one_are_repeated():
    made = flambeau.einsum("ab,b->ab", flambeau.ones(2, 1), flambeau.arange(3.0))
    assert_close(made, flambeau.arange(3.0).expand(2, 3))
