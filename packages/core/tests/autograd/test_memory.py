"""Graphs are freed at once, however deep, and walked from several threads at once."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

import flambeau
from flambeau import tensor
from flambeau.autograd import Function
from flambeau.utils.checkpoint import checkpoint


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is freed inside is freed by reference counts alone."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Doubled(Function):
    """Saves its input and its output, which is where a cycle could be."""

    @staticmethod
    def forward(ctx, x):
        y = x * 2
        ctx.save_for_backward(x, y)
        ctx.y_shape = y.shape
        return y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * 2 + 0 * x * y


def hooked(x):
    y = x.sin()
    y.register_hook(lambda g: g * 2)
    y.grad_fn.register_hook(lambda ins, outs: None)
    y.retain_grad()
    return y * 3


def written(x):
    y = x * 1
    y[1:].mul_(2)
    y.view(-1)[0] = x[1]
    return y.exp()


def packed(x):
    with flambeau.autograd.graph.saved_tensors_hooks(lambda t: [t], lambda p: p[0]):
        return x.exp() * x


GRAPHS = {
    "operators": lambda x: (x.sin() * x.exp()).tanh() / x,
    "several results": lambda x: x.sort()[0] * x.max(0)[0] + x.split(1)[0],
    "a function": lambda x: Doubled.apply(x).exp(),
    "hooks": hooked,
    "writes": written,
    "saved hooks": packed,
    "checkpoint": lambda x: checkpoint(lambda t: (t.exp() * t).sin(), x, use_reentrant=False),
    "reentrant checkpoint": lambda x: checkpoint(lambda t: t.exp() * t, x, use_reentrant=True),
    "matrix products": lambda x: (x.reshape(1, -1) @ x.reshape(-1, 1)).softmax(0),
    "a loss": lambda x: flambeau.nn.functional.mse_loss(x, x.detach() * 2),
}


def watched(graph, x):
    """The result, and weak references to its nodes and to the arrays that they keep."""
    out = graph(x)
    found, stack = [], [out.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or hasattr(node, "variable"):
            continue
        found.append(weakref.ref(node))
        found += [
            weakref.ref(t) for t in node.saved if isinstance(t, flambeau.Tensor) and t is not x
        ]
        stack += [n for n, _ in node.next_functions]
    return out, found


@pytest.mark.parametrize("name", GRAPHS)
def test_a_dropped_graph_is_freed_at_once(name, no_collector):
    x = tensor([0.5, 1.0, 2.0], requires_grad=True)
    out, found = watched(GRAPHS[name], x)
    assert found
    del out
    assert not [r for r in found if r() is not None]


@pytest.mark.parametrize("name", GRAPHS)
def test_a_walked_graph_drops_what_it_kept(name, no_collector):
    x = tensor([0.5, 1.0, 2.0], requires_grad=True)
    out = GRAPHS[name](x)
    big = weakref.ref(out)
    out.sum().backward()
    del out
    assert big() is None
    gradient = weakref.ref(x.grad)
    x.grad = None
    assert gradient() is None


def test_what_a_function_saved_goes_while_its_result_lives(no_collector):
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    out = Doubled.apply(y)
    kept = weakref.ref(y)
    del y
    assert kept() is not None
    out.sum().backward()
    assert kept() is None and out.grad_fn.y_shape == (2,)


def test_transforms_leave_nothing_behind(no_collector):
    from flambeau.func import grad, hessian, jacrev, linearize, vmap

    x = tensor([0.5, 1.0])
    seen = []

    def f(t):
        y = (t.sin() * t).sum()
        seen.append(weakref.ref(y))
        return y

    grad(f)(x), hessian(f)(x), jacrev(f)(x), vmap(grad(f))(flambeau.stack([x, x]))
    out, push = linearize(f, x)
    push(x)
    del out, push
    assert not [r for r in seen if r() is not None]


@pytest.mark.slow
def test_deep_graphs_are_built_walked_and_freed(no_collector):
    x = tensor(1.0, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 0.0
    y.backward(retain_graph=True)
    assert x.grad.item() == 1
    first = weakref.ref(x.grad)
    node = weakref.ref(y.grad_fn)
    del y
    assert node() is None and first() is not None


@pytest.mark.slow
def test_deep_graphs_of_functions_and_views():
    x = flambeau.ones(2, requires_grad=True)
    y = x * 1
    for _ in range(5_000):
        y = Doubled.apply(y.view(2) * 0.5)
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_backward_from_several_threads_adds_up():
    x = flambeau.ones(8, requires_grad=True)
    shared = x * 2
    errors = []

    def work(factor):
        try:
            for _ in range(25):
                (shared * factor).sum().backward(retain_graph=True)
                (x * factor).sum().backward()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(float(i),)) for i in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    assert x.grad.tolist() == [25.0 * 10 * 3] * 8


def test_modes_and_hooks_are_each_threads_own():
    seen = {}

    def work():
        seen["grad"] = flambeau.is_grad_enabled()
        y = flambeau.ones(1, requires_grad=True).exp()
        seen["packed"] = type(y.grad_fn.out[0][0]).__name__

    with flambeau.no_grad(), flambeau.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == {"grad": True, "packed": "Tensor"}


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_part_run_again_is_under_autocast_as_at_first(reentrant):
    """The loss scaler's recipe: the forward inside of autocast, the backward outside."""
    flambeau.manual_seed(0)
    part = flambeau.nn.Sequential(flambeau.nn.Conv2d(2, 2, 3), flambeau.nn.GroupNorm(1, 2))
    gradients = []
    for run in (part, lambda x: checkpoint(part, x, use_reentrant=reentrant)):
        x = flambeau.linspace(0, 1, 50).view(1, 2, 5, 5).requires_grad_()
        with flambeau.autocast("cpu", flambeau.bfloat16):
            out = run(x)
        assert not flambeau.is_autocast_enabled("cpu")
        out.float().pow(2).sum().backward()
        assert not flambeau.is_autocast_enabled("cpu")
        gradients.append(x.grad)
    assert flambeau.equal(*gradients)
