"""Compiled functions and what Python does beside their tensors: seeds, hooks, writes into leaves, gradients of arguments."""

from __future__ import annotations

import warnings

import pytest

import flambeau
from flambeau import nn
from flambeau.testing import assert_close


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.add_(1),
        lambda x: x[1:].mul_(2),
        lambda x: x.__setitem__(0, 5.0),
        lambda x: x.normal_(),
        lambda x: x.t_(),
    ],
)
def test_writing_into_a_leaf_is_refused_as_eagerly(write):
    def f(x):
        write(x)
        return x.sum() * 2

    compiled, free = flambeau.compile(f), flambeau.zeros(2, requires_grad=True)
    with pytest.warns(UserWarning, match="an argument that"):
        compiled(flambeau.ones(2, requires_grad=True) * 1)  # no leaf
    for g in (f, compiled, compiled):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            g(free)
    assert free.tolist() == [0, 0]
    with flambeau.no_grad():
        compiled(free)  # a program that writes


def test_a_write_into_a_computed_argument_is_in_its_history():
    def f(y):
        y.mul_(3)
        return y.sum() * 2

    def grads(g, part):
        w = flambeau.ones(3, requires_grad=True)
        whole = w * 2
        y = whole[1:] if part else whole
        (g(y) + (whole * y.sum()).sum()).backward()
        return w.grad

    for part in (False, True):
        compiled, wanted = flambeau.compile(f), grads(f, part)
        with pytest.warns(UserWarning, match="a write into an argument that was computed"):
            assert_close(grads(compiled, part), wanted)
        assert_close(grads(compiled, part), wanted)


@pytest.mark.parametrize("grad", [False, True])
def test_an_argument_that_is_reshaped_is_so_at_every_call(grad):
    compiled = flambeau.compile(lambda y: (y.t_(), y.sum())[1])
    for turn in range(3):
        y = flambeau.ones(2, 3, requires_grad=grad) * 1
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            compiled(y)
        assert tuple(y.shape) == (3, 2) and len(said) == (turn == 0)


@pytest.mark.parametrize("view", [lambda w: w[1:], lambda w: (w * 2).unbind(0)[0]])
def test_writing_into_views_is_refused_as_eagerly(view):
    def f(y):
        return y.add_(1).sum()

    for g in (f, flambeau.compile(f)):
        w = flambeau.ones(3, 2, requires_grad=True)
        with pytest.raises(RuntimeError, match="is a view|view of a leaf"):
            g(view(w))
        assert w.sum() == 6
    hooked = flambeau.ones(3, requires_grad=True)
    hooked.register_hook(lambda g: g)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        flambeau.compile(f)(hooked)


def test_a_leaf_argument_is_a_leaf_and_is_given_gradients():
    f = flambeau.compile(lambda x: (x * x).sum() if x.is_leaf else x.sum(), fullgraph=True)
    assert f(flambeau.ones(2, requires_grad=True) * 3) == 6
    for _ in range(3):
        x = flambeau.full((2,), 3.0, requires_grad=True)
        f(x).backward()
        assert x.grad.tolist() == [6, 6]
    for g in (f, flambeau.compile(lambda x: (x * x).sum())):
        hooked = flambeau.full((2,), 3.0, requires_grad=True)
        hooked.register_hook(lambda g: g * 10)
        g(hooked).backward()
        assert hooked.grad.tolist() == [60, 60]


def test_a_backward_into_an_argument_reaches_each_one():
    def f(x):
        (x * x).sum().backward()
        return x.detach() * 2

    compiled = flambeau.compile(f)
    with pytest.warns(UserWarning, match="backward\\(\\) into an argument's .grad"):
        compiled(flambeau.ones(2, requires_grad=True))
    x = flambeau.ones(2, requires_grad=True)
    compiled(x)
    assert x.grad.tolist() == [2, 2]


def test_a_seed_is_set_at_every_call():
    def f(x, seed):
        before = flambeau.rand(2)
        flambeau.manual_seed(seed)
        return before, x + flambeau.rand(2), flambeau.randn(2)

    compiled, x = flambeau.compile(f, fullgraph=True), flambeau.ones(2)
    flambeau.manual_seed(0)
    wanted = [f(x, s) for s in (3, 3, 4, 3)]
    flambeau.manual_seed(0)
    assert_close([compiled(x, s) for s in (3, 3, 4, 3)], wanted)
    assert "Generator.manual_seed()" in flambeau.jit.explain(compiled)


def test_a_seeded_function_has_gradients():
    def f(x):
        y = x * 2
        flambeau.manual_seed(1)
        return (y * flambeau.rand(3)).sum()

    compiled = flambeau.compile(f, fullgraph=True)
    for _ in range(3):
        a, b = (flambeau.ones(3, requires_grad=True) for _ in range(2))
        assert compiled(a) == f(b)
        compiled(a).backward()
        f(b).backward()
        assert_close(a.grad, b.grad)


def forked(x):
    with flambeau.random.fork_rng():
        return x + flambeau.rand(2)


def put_back(x, state=None):
    flambeau.random.set_rng_state(flambeau.random.get_rng_state())
    return x + flambeau.rand(2)


def own_seed(x):
    return x + flambeau.seed() % 1 + flambeau.rand(2) * 0


@pytest.mark.parametrize(
    ("f", "reason"),
    [
        (forked, "state of a random generator"),
        (put_back, "setting the state"),
        (own_seed, "a new random seed"),
    ],
)
def test_states_of_generators_are_handled_eagerly(f, reason):
    compiled, x = flambeau.compile(f), flambeau.ones(2)
    with pytest.warns(UserWarning, match=reason):
        compiled(x)
    flambeau.manual_seed(5)
    wanted = [f(x) for _ in range(3)]
    flambeau.manual_seed(5)
    assert_close([compiled(x) for _ in range(3)], wanted)


@pytest.mark.parametrize("kind", ["register_forward_hook", "register_forward_pre_hook"])
def test_python_hooks_run_at_every_call(kind):
    seen = []
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh())

    def note(module, args, *out):
        seen.append(len(args))

    handle = getattr(model[0], kind)(note)
    compiled, x = flambeau.compile(model), flambeau.ones(1, 2)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(3):
            compiled(x)
    assert len(seen) == 3 and len(said) == 1
    assert "Sequential runs eagerly: it leaves the program by the forward hook" in str(
        said[0].message
    )
    assert "note of Linear" in str(said[0].message) and said[0].filename == __file__
    with pytest.raises(flambeau.jit.Broken, match="forward hook"):
        flambeau.compile(model, fullgraph=True)(x)
    handle.remove()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_close(compiled(x), compiled(x))
    assert len(seen) == 4


def test_hooks_of_weight_norm_are_part_of_the_program():
    layer = nn.utils.weight_norm(nn.Linear(2, 3))
    compiled, x = flambeau.compile(layer, fullgraph=True), flambeau.ones(1, 2)
    compiled(x)
    with flambeau.no_grad():
        layer.weight_g.mul_(2)
    assert_close(compiled(x), layer(x))
