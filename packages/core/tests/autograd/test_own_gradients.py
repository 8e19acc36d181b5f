"""A leaf's gradient is in memory of its own, laid out densely: it may be written into, as clipping and zero_grad do."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.overrides import TorchFunctionMode


class _Nothing(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


class _Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(flambeau.ones(3)) for _ in range(3))

    def forward(self, x):
        return (self.a + self.b + self.c * x).sum()


def check(model, x):
    """Equal gradients of a and b, the input as that of c: none of them shares memory."""
    arrays = [model.a.grad._array, model.b.grad._array, model.c.grad._array, x._array]
    for i, array in enumerate(arrays):
        assert array.strides == (4,)
        assert not any(np.shares_memory(array, other) for other in arrays[:i])
    flambeau.nn.utils.clip_grad_norm_([model.a, model.b], 0.5)
    for p in (model.a, model.b):
        np.testing.assert_allclose(p.grad.norm().item(), 0.125**0.5, rtol=1e-4)
    assert model.c.grad.tolist() == x.tolist() == [2.0] * 3


@pytest.mark.parametrize(
    "context",
    [
        contextlib.nullcontext,
        lambda: flambeau.autocast("cpu"),
        flambeau.profiler.profile,
        flambeau.autograd.graph.save_on_cpu,
        _Nothing,
    ],
)
def test_gradients_taken_under_a_mode_share_nothing(context):
    model, x = _Sum(), flambeau.full((3,), 2.0)
    with context():
        model(x).backward()
    check(model, x)


def test_gradients_of_compiled_steps_share_nothing():
    model, x = _Sum(), flambeau.full((3,), 2.0)

    @flambeau.compile
    def step(x):
        model.zero_grad()
        model(x).backward()

    for _ in range(4):  # seen, compiled, and with the memory of the last one
        step(x)
        check(model, x)


def test_gradients_of_arguments_of_compiled_functions_share_nothing():
    a, b = (flambeau.ones(3, requires_grad=True) for _ in range(2))
    step = flambeau.compile(lambda a, b: (a + b).sum().backward())
    for told in (True, False):
        a.grad = b.grad = None
        with (
            pytest.warns(UserWarning, match="argument's .grad")
            if told
            else contextlib.nullcontext()
        ):
            step(a, b)
        a.grad.zero_()
        assert b.grad.tolist() == [1.0] * 3


def test_clipping_behind_a_compiled_step_scales_each_gradient_once():
    norms = {}
    for compiled in (False, True):
        flambeau.manual_seed(0)
        cell, x = nn.RNNCell(3, 4), flambeau.ones(2, 3)  # whose two biases have one gradient

        def step(cell=cell, x=x):
            cell.zero_grad()
            cell(x).sum().backward()

        run = flambeau.compile(step) if compiled else step
        for _ in range(3):
            run()
            nn.utils.clip_grad_norm_(cell.parameters(), 0.1)
        norms[compiled] = [p.grad.norm().item() for p in cell.parameters()]
    np.testing.assert_allclose(norms[True], norms[False], rtol=1e-5)
    assert norms[True][2] > 0.04
