"""Claims on composites: taken with their own gradient, opened where a graph of the backward or wrappers are asked for."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau import func
from flambeau.autograd import gradcheck, gradgradcheck
from flambeau.runtime.claims import Declined, claim, lasting
from flambeau.runtime.families import composite
from flambeau.runtime.operator import OFTEN, internal, registry
from flambeau.runtime.tensor import Tensor

calls: list[str] = []


@composite(method=False)
def _scaled_square(input: Tensor, weight: Tensor | None = None, power: float = 2.0):
    """input ** power * weight."""
    made = input**power
    return made if weight is None else made * weight


def forward(x, w, *, power, wants):
    calls.append(f"forward {wants}")
    root = x ** (power - 1)
    return root * x * (1 if w is None else w), (root,) if wants else ()


def backward(g, result, kept, needs, x, w, *, power):
    calls.append("backward")
    (root,) = kept
    gx = g * power * root * (1 if w is None else w)
    return gx, g * root * x if needs[1] else None


@pytest.fixture(autouse=True)
def claimed():
    op = registry["_scaled_square"]
    claim(op, "cpu", lambda metas, attrs: metas[0].dtype is flambeau.float64, forward, backward)
    calls.clear()
    yield
    op.providers.clear()
    op.least.clear()
    for name in [n for n in internal if n.startswith("_scaled_square")]:
        del internal[name]


def teardown_module():
    del registry["_scaled_square"]


def pair():
    flambeau.manual_seed(0)
    x = flambeau.rand(3, 4, dtype=flambeau.float64, requires_grad=True)
    return x, flambeau.rand(4, dtype=flambeau.float64, requires_grad=True).expand(3, 4)


def test_forward_and_backward_are_the_backends():
    x, _ = pair()
    w = flambeau.rand(3, 4, dtype=flambeau.float64, requires_grad=True)
    out = _scaled_square(x, w, power=3.0)
    assert calls == ["forward True"] and out.requires_grad
    out.sum().backward()
    assert calls == ["forward True", "backward"]
    flambeau.testing.assert_close(x.grad, (3 * x**2 * w).detach())
    flambeau.testing.assert_close(w.grad, (x**3).detach())
    assert "ScaledSquare" in out.grad_fn.name()


def test_nothing_is_kept_without_gradients():
    x, w = pair()
    with flambeau.no_grad():
        _scaled_square(x, w)
    _scaled_square(x.detach())
    assert calls == ["forward False", "forward False"]


def test_calls_that_are_not_accepted_are_opened():
    out = _scaled_square(flambeau.full((2,), 3.0), None, power=2.0)
    assert not calls and out.tolist() == [9.0, 9.0]


def test_a_backend_that_cannot_after_all(monkeypatch):
    def fails(*_, **__):
        raise Declined("no compiler")

    claim(registry["_scaled_square"], "cpu", lambda metas, attrs: True, fails, backward)
    x, w = pair()
    out = _scaled_square(x, w)
    flambeau.testing.assert_close(out, x**2 * w)
    out.sum().backward()


def test_inputs_that_were_written_are_noticed():
    x, w = pair()
    y = x * 1
    out = _scaled_square(y, w)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_a_graph_of_the_backward_goes_through_the_body():
    x, _ = pair()
    w = flambeau.rand(3, 4, dtype=flambeau.float64, requires_grad=True)
    assert gradcheck(lambda x, w: _scaled_square(x, w, power=3.0), (x, w))
    assert gradgradcheck(lambda x, w: _scaled_square(x, w, power=3.0), (x, w))
    assert gradgradcheck(lambda x: _scaled_square(x.sin() * w.detach(), None, power=3.0), (x,))


def test_one_input_in_both_places():
    x, _ = pair()
    y = x.exp()
    (first,) = flambeau.autograd.grad(_scaled_square(y, y).sum(), x, create_graph=True)
    flambeau.testing.assert_close(first, 3 * y**3)
    (second,) = flambeau.autograd.grad(first.sum(), x)
    flambeau.testing.assert_close(second, 9 * y.detach() ** 3)


def test_transforms_see_the_body():
    x, w = pair()
    x, w = x.detach(), w.detach()
    whole = _scaled_square(x, w)
    flambeau.testing.assert_close(func.vmap(_scaled_square)(x, w), whole)
    calls.clear()
    _, tangent = func.jvp(lambda x: _scaled_square(x, w), (x,), (flambeau.ones_like(x),))
    flambeau.testing.assert_close(tangent, 2 * x * w)
    per_row = func.vmap(func.grad(lambda x, w: _scaled_square(x, w).sum()))(x, w)
    flambeau.testing.assert_close(per_row, 2 * x * w)


def test_a_backward_that_is_batched():
    x, _ = pair()
    w = flambeau.rand(3, 4, dtype=flambeau.float64)
    out = _scaled_square(x, w).sum(1)
    rows = flambeau.autograd.grad(
        out, x, grad_outputs=flambeau.eye(3, dtype=flambeau.float64), is_grads_batched=True
    )[0]
    assert rows.shape == (3, 3, 4)
    np.testing.assert_allclose(rows.sum(0).numpy(), (2 * x * w).detach().numpy())


def test_gradients_of_primitives_by_a_backend_leave_wrappers_alone():
    w = flambeau.randn(200, 100)

    def loss(w, x):
        return (flambeau.nn.functional.linear(x, w) ** 2).sum()

    x = flambeau.randn(5, 40, 100)
    each = func.vmap(func.grad(loss), in_dims=(None, 0))(w, x)
    for g, row in zip(each, x):
        flambeau.testing.assert_close(g, 2 * (row @ w.T).T @ row, rtol=1e-3, atol=1e-2)


def test_a_yes_is_asked_for_once_as_long_as_it_holds():
    op, asked, answer = registry["_scaled_square"], [], [True]

    def accepts(metas, attrs):
        asked.append([m if m is None else m.shape for m in metas])
        return metas[0].dtype is flambeau.float64

    claim(op, "cpu", lambda metas, attrs: False, forward, backward)
    x, w = pair()
    for _ in range(OFTEN + 2):  # then its calls go straight
        _scaled_square(x, w)
    op.providers["cpu"][:] = []
    claim(op, "cpu", lasting(accepts, lambda: answer[0]), forward, backward)
    for _ in range(OFTEN + 2):
        _scaled_square(x.detach().float(), w.detach().float())
    asked.clear()
    calls.clear()
    for _ in range(3):
        _scaled_square(x, w)
    assert asked == [[(3, 4), (3, 4)]] and calls == ["forward True"] * 3
    _scaled_square(x)  # other arrays, attributes, kinds of number and dtypes are asked about
    _scaled_square(x, w, 3.0)
    _scaled_square(x, w, 3)
    assert len(asked) == 4
    for _ in range(2):
        _scaled_square(x.float())  # and a no is asked for again
    assert len(asked) == 6
    answer[0] = False
    _scaled_square(x, w)
    assert len(asked) == 7
    answer[0] = True
    claim(op, "cpu", lambda metas, attrs: False, forward, backward)  # in front: asked first
    _scaled_square(x, w)
    assert len(asked) == 8
