"""Hooks: on leaves, on results, after accumulation; their order, their handles, their say."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import tensor


def test_hook_sees_and_replaces_the_gradient():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()) or g * 10)
    y.sum().backward()
    assert seen == [[1, 1]]
    assert x.grad.tolist() == [30, 30]


def test_hook_on_a_leaf_sees_the_whole_gradient_once():
    x = tensor([1.0], requires_grad=True)
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * 2 + x * 3).sum().backward()
    assert seen == [5]


def test_hooks_run_in_order_and_can_be_removed():
    x = tensor([1.0], requires_grad=True)
    first = x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 10)
    (x * 1).sum().backward()
    assert x.grad.item() == 20
    first.remove()
    x.grad = None
    (x * 1).sum().backward()
    assert x.grad.item() == 10


def test_handle_is_a_context_manager():
    x = tensor([1.0], requires_grad=True)
    with x.register_hook(lambda g: g * 0):
        (x * 1).sum().backward()
    assert x.grad.item() == 0
    (x * 1).sum().backward()
    assert x.grad.item() == 1


def test_after_accumulation():
    x = tensor([1.0], requires_grad=True)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.item()))
    for _ in range(2):
        (x * 2).sum().backward()
    assert seen == [2, 4]
    with pytest.raises(RuntimeError, match="non-leaf"):
        (x * 2).register_post_accumulate_grad_hook(print)


def test_optimizer_step_in_a_hook_frees_the_gradient():
    x = tensor([1.0], requires_grad=True)

    def step(t):
        with flambeau.no_grad():
            t -= 0.5 * t.grad
        t.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * 2).sum().backward()
    assert x.item() == 0 and x.grad is None


def test_retain_grad():
    x = tensor([1.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    assert y.retains_grad
    (y * 3).sum().backward()
    assert y.grad.item() == 3
    with pytest.raises(RuntimeError, match="requires_grad=False"):
        tensor([1.0]).retain_grad()


def test_no_hook_without_a_gradient():
    with pytest.raises(RuntimeError, match="doesn't require grad"):
        tensor([1.0]).register_hook(print)


def test_an_error_in_a_hook_reaches_the_caller():
    x = tensor([1.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        y.sum().backward()


def test_a_node_hook_that_returns_another_number_of_gradients_is_refused():
    x = flambeau.ones(2, requires_grad=True)
    y = flambeau.ones(2) * x  # the second input is the one with a gradient
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[1],))
    with pytest.raises(RuntimeError, match="MulBackward0 returned 1 gradients, expected 2"):
        y.sum().backward()
