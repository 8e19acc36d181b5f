"""Functions that become their texts: who calls them sees no difference, whatever the call says."""

from __future__ import annotations

import subprocess
import sys

import pytest

import flambeau
from flambeau import ones, tensor
from flambeau.runtime.becoming import FIRST
from flambeau.runtime.operator import OFTEN, registry


def often(call):
    for _ in range(OFTEN + 2):
        made = call()
    return made


def test_a_function_that_is_called_often_is_another_in_the_same_object():
    public = registry["tril"].public
    assert flambeau.tril is flambeau.Tensor.tril is public
    often(lambda: flambeau.tril(ones(2, 2)))
    assert public.__code__ is not FIRST
    assert public.__name__ == "tril" and flambeau.tril is public


def test_overriding_classes_are_told_how_calls_were_spelled():
    seen = []

    class Mine(flambeau.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append((func.__name__, len(args), kwargs or {}))
            return super().__torch_function__(func, types, args, kwargs or {})

    x = ones(2, 3)
    calls = [lambda x: x.squeeze(dim=0), lambda x: x.transpose(dim0=0, dim1=1), lambda x: x.mean(0)]
    for call in calls:
        often(lambda call=call: call(x))
    mine = x.as_subclass(Mine)
    assert registry["squeeze"].public.__code__ is FIRST
    assert [type(call(mine)) for call in calls] == [Mine] * 3
    told = [("squeeze", 1, {"dim": 0}), ("transpose", 1, {"dim0": 0, "dim1": 1}), ("mean", 2, {})]
    assert seen == told
    del mine
    often(lambda: x.squeeze(0))
    assert registry["squeeze"].public.__code__ is not FIRST


WRONG = [
    lambda x: flambeau.unsqueeze(x),
    lambda x: x.unsqueeze(),
    lambda x: x.unsqueeze(0, 1),
    lambda x: x.unsqueeze(0, dim=1),
    lambda x: x.unsqueeze(place=1),
    lambda x: flambeau.matmul(x),
    lambda x: flambeau.matmul(x, x, x),
    lambda x: x.matmul(3),
    lambda x: x.transpose(0),
    lambda x: x.transpose(0, 5),
    lambda x: x.transpose("a", 1),
    lambda x: x.flatten(1, 0),
    lambda x: x.view(7),
    lambda x: x.t().view(6),
    lambda x: x[None].t(),
    lambda x: x.expand(3, 3),
    lambda x: x.mean(4),
    lambda x: x.mean(keepdim="yes"),
    lambda x: flambeau.stack([x, x[0]]),
    lambda x: flambeau.stack(x, x),
    lambda x: x.masked_fill(x, 0),
    lambda x: flambeau.addmm(x, x, x),
    lambda x: x.long().mean(),
    lambda x: flambeau.nn.functional.nll_loss(x, tensor([0, 3])),
    lambda x: flambeau.nn.functional.layer_norm(x, (2,)),
    lambda x: flambeau.nn.functional.max_pool2d(x[None], 5),
    lambda x: flambeau.nn.functional.conv1d(x[None], ones(1, 3, 1)),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_wrong_calls_end_in_the_same_errors(number):
    x, call = ones(2, 3), WRONG[number]

    def error():
        with pytest.raises((TypeError, ValueError, IndexError, RuntimeError)) as caught:
            call(x)
        return caught.type, str(caught.value)

    from flambeau.runtime import becoming

    becoming.go_back()
    before = error()
    w, b, image = ones(3), ones(3, 2), ones(1, 2, 2)
    F = flambeau.nn.functional
    for _ in range(OFTEN + 2):
        (
            x.unsqueeze(0),
            x.matmul(b),
            x.transpose(0, 1),
            x.flatten(),
            x.view(6),
            x.t(),
            x.expand(2, 3),
            x.mean(),
        )
        flambeau.stack([x, x]), x.masked_fill(x > 0, 0), flambeau.addmm(x[:, :2], x, b)
        F.nll_loss(x, tensor([0, 1])), F.layer_norm(x, (3,), w), F.max_pool2d(image, 2), F.conv1d(x[None], ones(1, 2, 1))  # fmt: skip
    assert error() == before


def test_names_and_other_spellings_still_bind():
    x = ones(2, 3)
    often(lambda: (x.transpose(0, 1), x.mean(1), x.unsqueeze(0), x.sum(0), flambeau.stack([x, x])))
    assert x.transpose(dim1=1, dim0=0).shape == x.swapaxes(axis0=0, axis1=1).shape == (3, 2)
    assert x.mean(axis=1, keepdims=True).shape == (2, 1)
    assert flambeau.unsqueeze(dim=0, input=x).shape == (1, 2, 3)
    assert flambeau.stack(tensors=[x, x], dim=2).shape == (2, 3, 2)
    out = ones(3)
    assert flambeau.sum(x, 0, out=out) is out and out.tolist() == [2.0, 2.0, 2.0]
    assert flambeau.mean(x, 0, out=out) is out and out.tolist() == [1.0, 1.0, 1.0]


VIEWS = [
    lambda x: x.transpose(0, -1),
    lambda x: x.t(),
    lambda x: x.T,
    lambda x: x.flatten(),
    lambda x: x.view(-1),
    lambda x: x.view((3, 2)),
    lambda x: x.squeeze(0),
    lambda x: x.unbind(1)[1],
    lambda x: x.split(1)[0],
    lambda x: x.chunk(2, 1)[1],
]


@pytest.mark.parametrize("number", range(len(VIEWS)))
def test_views_are_those_of_the_general_way(number):
    from flambeau.runtime import becoming

    view, leaf = VIEWS[number], tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)

    def facts():
        y = leaf * 1
        v = view(y)
        name, shape, base, same = v.grad_fn.name(), v.shape, v._base is y, v._version
        if "Unbind" not in name and "Split" not in name:
            y.mul_(3)  # the view's history is remade
        grad = flambeau.autograd.grad((v * v).sum(), leaf)[0]
        return name, shape, v.stride(), base, same, v.tolist(), grad.tolist()

    becoming.go_back()
    before = facts()
    often(lambda: view(ones(2, 3)))
    assert facts() == before and before[3]


def test_a_first_call_before_the_backend_is_loaded():
    """Loading it brings providers, which functions forget their texts for, that of the call under way included."""
    code = """
import numpy
from flambeau import matmul
from flambeau.runtime.backend import _by_device
from flambeau.runtime.tensor import wrap
a = wrap(numpy.ones((2, 2), "float32"))
assert not _by_device
for _ in range(40):
    made = matmul(a, a)
assert made.tolist() == [[2, 2], [2, 2]]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
