"""Composites on small arrays: what `small` computes, and its gradient, are what the body says."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau import tensor
from flambeau.runtime import backend
from flambeau.runtime.operator import OFTEN, registry
from flambeau.testing.samples import samples_of

flambeau.ops.load_all()
SMALL = sorted(name for name, op in registry.items() if op.small is not None)
XP = backend.of_device("cpu").xp


def raw(value):
    return value._array if isinstance(value, flambeau.Tensor) else value


def results(made):
    return made if isinstance(made, tuple) else (made,)


def called(op, sample, small):
    """What `small` gives for a sample, and what the body does; None where that is left to the body."""
    try:
        arrays, attrs = op.bind(tuple(sample.args), dict(sample.kwargs))
        made = small(XP, *map(raw, arrays), **attrs)
    except (TypeError, ValueError, IndexError, RuntimeError):
        return None
    if made is NotImplemented:
        return None
    return results(made), [t.detach() for t in results(op.call_body(arrays, attrs))]


@pytest.mark.parametrize("name", SMALL)
def test_small_gives_what_the_body_gives(name):
    op, seen = registry[name], 0
    for sample in samples_of(op):
        for kind in (None, flambeau.float64):
            args = [
                a.to(kind)
                if kind and isinstance(a, flambeau.Tensor) and a.is_floating_point()
                else a
                for a in sample.args
            ]
            found = called(op, type(sample)(*args, **sample.kwargs), op.small)
            if found is None:
                continue
            seen += 1
            for made, want in zip(*found, strict=True):
                assert np.shape(made) == tuple(want.shape) and made.dtype == want.numpy().dtype
                np.testing.assert_allclose(made, want.numpy(), 1e-5, 1e-6)
                assert not any(np.shares_memory(made, raw(a)) for a in args if isinstance(a, flambeau.Tensor))  # fmt: skip
    assert seen


@pytest.mark.parametrize("name", SMALL)
def test_public_calls_give_what_the_body_gives(name):
    op = registry[name]
    for sample in samples_of(op):
        arrays, attrs = op.bind(tuple(sample.args), dict(sample.kwargs))
        wanted = results(op.call_body(arrays, attrs))
        for _ in range(OFTEN + 2):
            found = op.public(*sample.args, **sample.kwargs)
        for made, want in zip(results(found), wanted, strict=True):
            assert made.shape == want.shape and made.dtype is want.dtype
            assert made.requires_grad == want.requires_grad
            assert flambeau.allclose(made, want, 1e-5, 1e-6, equal_nan=True)


X = tensor([[1.0, -2.0, 3.0, 0.5], [0.0, 4.0, -1.0, 2.0], [1.0, 1.0, 1.0, 1.0]], dtype=flambeau.float64)  # fmt: skip
SQUARE = flambeau.arange(16.0, dtype=flambeau.float64).reshape(4, 4).sin()
CLASSES = tensor([0, 3, 1])
GRADIENTS = {
    "mean": [lambda x: x.mean(), lambda x: x.mean(0), lambda x: x.mean((0, -1), keepdim=True)],
    "var": [lambda x: x.var(), lambda x: x.var(1, keepdim=True), lambda x: x.var(-1, correction=0)],
    "std": [lambda x: x.std(), lambda x: x.std(1), lambda x: x.std(0, keepdim=True)],
    "max": [lambda x: x.max(), lambda x: x.max(0)[0], lambda x: x.max(1, keepdim=True).values],
    "min": [lambda x: x.min(), lambda x: x.min(-1).values],
    "pad": [
        lambda x: flambeau.nn.functional.pad(x, (1, 2)),
        lambda x: flambeau.nn.functional.pad(x[None], (0, 1, 2, 0), value=0),
    ],
    "roll": [lambda x: x.roll(1, 0), lambda x: x.roll(-2, -1)],
    "stack": [lambda x: flambeau.stack([x, x.sin()], -1), lambda x: flambeau.stack((x, x))],
    "masked_fill": [lambda x: x.masked_fill(x > 0, 7.0), lambda x: x[0].masked_fill(X > 0, 1)],
    "mm": [lambda x: x.mm(SQUARE)],
    "bmm": [lambda x: x[None].bmm(SQUARE[None])],
    "addmm": [lambda x: flambeau.addmm(x[0], x, SQUARE), lambda x: flambeau.addmm(x, x, SQUARE)],
    "baddbmm": [lambda x: flambeau.baddbmm(x[0], x[None], SQUARE[None])],
    "nll_loss": [
        lambda x: flambeau.nn.functional.nll_loss(x, CLASSES),
        lambda x: flambeau.nn.functional.nll_loss(x, CLASSES, reduction="sum"),
        lambda x: flambeau.nn.functional.nll_loss(x, CLASSES, reduction="none"),
        lambda x: flambeau.nn.functional.nll_loss(x, CLASSES, X[0].abs()),
        lambda x: flambeau.nn.functional.nll_loss(X, CLASSES, x[1].abs(), reduction="none"),
    ],
    "index_add": [
        lambda x: x.index_add(0, CLASSES % 3, x * x),
        lambda x: X.index_add(1, CLASSES, x[:, :3]),
    ],
    "index_fill": [
        lambda x: x.index_fill(0, CLASSES % 3, 2.0),
        lambda x: x.index_fill(-1, CLASSES, 1),
    ],
    "index_select": [
        lambda x: x.index_select(0, CLASSES % 3),
        lambda x: x.index_select(-1, CLASSES.repeat(20)),
    ],
    "masked_select": [lambda x: x.masked_select(X > 0), lambda x: x[0].masked_select(X[0] != 9)],
    "trace": [lambda x: x.trace(), lambda x: x.t().trace()],
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_those_of_the_body(name, monkeypatch):
    op = registry[name]

    def grads(call):
        x = X.clone().requires_grad_()
        out = call(x)
        first = flambeau.autograd.grad((out * out).sum(), x, create_graph=True)[0]
        return out.grad_fn.name(), first, flambeau.autograd.grad((first * first).sum(), x)[0]

    for call in GRADIENTS[name]:
        for _ in range(OFTEN + 2):
            call(X)
        node, first, second = grads(call)
        with monkeypatch.context() as patch:
            seen = op.public.__globals__
            patch.setitem(seen, "_small", lambda *a, **k: NotImplemented)
            want_node, want_first, want_second = grads(call)
        assert node == want_node
        assert flambeau.allclose(first, want_first) and flambeau.allclose(second, want_second)


def test_every_gradient_is_tried():
    assert sorted(GRADIENTS) == [name for name in SMALL if registry[name].noted is not None]


@pytest.mark.parametrize("dtype", [flambeau.float32, flambeau.float64])
@pytest.mark.parametrize(
    "name", ["masked_fill", "masked_fill_", "add", "add_", "mul_", "div_", "clamp"]
)
def test_numbers_beyond_64_bits_are_refused_however_often_a_call_was_made(name, dtype):
    for size in (1, 200):  # of which the second is not small
        y = X.to(dtype).repeat(size, size)
        y + 2.0**64  # equal to the int, but another number
        others = (y > 0,) if "masked" in name else ()
        for _ in range(OFTEN + 2):
            getattr(y, name)(*others, 1)
        for number in (2**64, -(2**63) - 1, 2**70):
            kept = y.clone()
            with pytest.raises(OverflowError):
                getattr(y, name)(*others, number)
            assert flambeau.equal(y, kept)
        getattr(y, name)(*others, 2**64 - 1)
