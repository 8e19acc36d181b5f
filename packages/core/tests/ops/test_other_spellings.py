"""Keyword names that PyTorch's overloads have, and results that are overwritten before backward."""

from __future__ import annotations

import pytest

import flambeau
from flambeau.nn import functional as F


def test_sizes_by_name():
    for make in (flambeau.zeros, flambeau.ones, flambeau.empty, flambeau.rand, flambeau.randn):
        assert make(size=(2, 3)).shape == (2, 3)
        with pytest.raises(TypeError):
            make(2, size=(3,))
    assert flambeau.arange(end=3).tolist() == [0, 1, 2]
    with pytest.raises(TypeError, match="end"):
        flambeau.arange()


def test_dimensions_and_operands_by_pytorchs_names():
    x = flambeau.arange(6.0).view(size=(1, 6))
    assert x.view(dtype=flambeau.int32).dtype is flambeau.int32
    assert x.expand(size=(2, 6)).shape == (2, 6) == x.repeat(repeats=(2, 1)).shape
    assert x.tile(dims=(2,)).shape == (1, 12)
    assert x.mean(axis=1, keepdims=True).shape == (1, 1) and x.argmax(axis=1).item() == 5
    assert flambeau.pow(x, exponent=2)[0, 2] == 4 == x.max(other=x * 2)[0, 2]
    assert x.swapaxes(axis0=0, axis1=1).shape == (6, 1)
    assert [len(p[0]) for p in x.tensor_split(indices=(2,), dim=1)] == [2, 4]
    with pytest.raises(TypeError, match="unexpected keyword argument 'foo'"):
        x.mean(foo=1)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x / x.detach().add(3),
        lambda x: x / (x * x + 1),
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.adaptive_max_pool2d(x, 2),
        lambda x: x.sort(-1)[0],
        lambda x: x.topk(2)[0],
        lambda x: x.kthvalue(2)[0],
        lambda x: F.normalize(x),
        lambda x: F.softsign(x),
        lambda x: x[..., :1].repeat_interleave(3, -1),
    ],
)
def test_a_result_may_be_overwritten_before_backward(function):
    x = flambeau.randn(1, 2, 4, 4, dtype=flambeau.float64, requires_grad=True)
    (expected,) = flambeau.autograd.grad((function(x) * 2 + 1).sum(), x)
    out = function(x)
    out.mul_(2).add_(1)
    (found,) = flambeau.autograd.grad(out.sum(), x)
    assert flambeau.allclose(found, expected)


def test_a_part_of_a_storage_is_that_part():
    storage = flambeau.UntypedStorage([1, 2, 3, 4])
    part = storage[1:3]
    part[0] = 9
    assert (len(part), part.tolist(), storage.tolist()) == (2, [9, 3], [1, 9, 3, 4])
    assert flambeau.asarray(part, dtype=flambeau.uint8).tolist() == [9, 3]
