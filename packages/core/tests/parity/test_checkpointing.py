"""utils.checkpoint beside PyTorch: results, how often what runs, errors, and selective checkpointing."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from agreement import agree


def module(lib):
    return importlib.import_module(f"{lib.__name__}.utils.checkpoint")


def setting(lib):
    x = lib.tensor([0.5, -1.0, 2.0], requires_grad=True)
    return module(lib), x, []


def counting(calls):
    def f(a, k=1.0):
        calls.append("run")
        return (a.sin() * k).exp()

    return f


def run_twice(lib, reentrant):
    c, x, calls = setting(lib)
    y = c.checkpoint(counting(calls), x, use_reentrant=reentrant)
    y.sum().backward(retain_graph=True)
    first = x.grad.clone()
    y.sum().backward()
    return calls, first, x.grad


def freed(lib, reentrant):
    c, x, calls = setting(lib)
    y = c.checkpoint(counting(calls), x, use_reentrant=reentrant)
    y.sum().backward()
    y.sum().backward()


def grad_through(lib, reentrant):
    c, x, calls = setting(lib)
    return lib.autograd.grad(c.checkpoint(counting(calls), x, use_reentrant=reentrant).sum(), x)


def second_derivative(lib):
    c, x, calls = setting(lib)
    y = c.checkpoint(counting(calls), x, use_reentrant=False)
    (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    return lib.autograd.grad(g.sum(), x)


def nested(lib):
    c, x, calls = setting(lib)
    f = counting(calls)
    inner = lambda a: c.checkpoint(f, a * 2, use_reentrant=False) * a  # noqa: E731
    y = c.checkpoint(inner, x, use_reentrant=False)
    return lib.autograd.grad(y.sum(), x), calls


def other_operators(lib, first, again):
    c, x, calls = setting(lib)
    which = [first]

    def f(a):
        r = a.sin()
        return (r.cos() if which[0] else r).exp()

    y = c.checkpoint(f, x, use_reentrant=False)
    which[0] = again
    y.sum().backward()


def other_shapes(lib):
    c, x, calls = setting(lib)
    length = [3]
    y = c.checkpoint(lambda a: a[: length[0]].sin().exp().cos(), x, use_reentrant=False)
    length[0] = 2
    y.sum().backward()


def stopped_early(lib):
    c, x, calls = setting(lib)

    def f(a):
        r = a.exp()
        calls.append("after the last that is saved")
        return r * 2 + 1

    for options in ({}, {"early_stop": False}):
        c.checkpoint(f, x, use_reentrant=False, **options).sum().backward()
        calls.append("-")
    with c.set_checkpoint_early_stop(False):
        y = c.checkpoint(f, x, use_reentrant=False)
    y.sum().backward()
    return calls


def containers(lib):
    c, x, calls = setting(lib)
    y = c.checkpoint(
        lambda d, l, k: {"a": d["q"].sin() * l[0] * k, "b": 3},
        {"q": x},
        [x],
        k=x,
        use_reentrant=False,
    )
    y["a"].sum().backward()
    return y, x.grad


def several_outputs(lib, reentrant):
    c, x, calls = setting(lib)
    a, b, n = c.checkpoint(lambda a: (a * 2, a.exp(), 3), x, use_reentrant=reentrant)
    (a * b).sum().backward()
    return a, b, n, x.grad


def parameters_only(lib, reentrant):
    c, x, calls = setting(lib)
    y = c.checkpoint(lambda a: (a * x).sin(), lib.ones(3), use_reentrant=reentrant)
    return y.requires_grad


def random_numbers(lib, reentrant):
    c, x, calls = setting(lib)
    drop = lib.nn.functional.dropout
    y = c.checkpoint(lambda a: drop(a, 0.5) * a, x, use_reentrant=reentrant)
    after = lib.rand(2)
    y.sum().backward()
    return y, x.grad, after, lib.rand(2)


def no_outputs_require_grad(lib):
    c, x, calls = setting(lib)
    y = c.checkpoint(lambda a: a.detach(), x, use_reentrant=True)
    y.sum().backward()


def sequential(lib, reentrant):
    c, x, calls = setting(lib)
    steps = [
        lambda a: a.sin(),
        lambda a: a * 2,
        lambda a: a.exp(),
        lambda a: a.tanh(),
        lambda a: a + 1,
    ]
    y = c.checkpoint_sequential(steps, 2, x, use_reentrant=reentrant)
    y.sum().backward()
    return y, x.grad


def keep(c, name):
    def policy(ctx, op, *args, **kwargs):
        found = name in str(op)
        return c.CheckpointPolicy.MUST_SAVE if found else c.CheckpointPolicy.PREFER_RECOMPUTE

    return policy


def selective(lib, function=lambda a: a.sin().exp().cos(), walks=1, **options):
    c, x, calls = setting(lib)

    def contexts():
        return c.create_selective_checkpoint_contexts(keep(c, "sin"), **options)

    y = c.checkpoint(function, x, use_reentrant=False, context_fn=contexts)
    for i in range(walks):
        y.sum().backward(retain_graph=i + 1 < walks)
    return x.grad


def overwritten(a):
    s = a.sin()
    e = s.exp()
    s.add_(1)
    return s.cos() * e


def group(lib, overlap):
    c, x, calls = setting(lib)
    y = c.checkpoint(
        lambda a: [calls.append("run"), a.sin().exp(), a.cos().exp()][1:], x, use_reentrant=False
    )
    with c.GraphExecGroup():
        y[0].sum().backward(retain_graph=True)
        y[0 if overlap else 1].sum().backward()
    return calls, x.grad


def warned(lib, *args, **kwargs):
    c, x, calls = setting(lib)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        c.checkpoint(counting(calls), x.detach() if kwargs else x, **kwargs)
    return [str(w.message).split(". ")[0] for w in caught]


CASES = {
    **{f"{f.__name__}, {how}": (lambda lib, f=f, how=how: f(lib, how)) for how in (True, False)
       for f in (run_twice, freed, grad_through, several_outputs, parameters_only, random_numbers, sequential)},
    "second derivative": second_derivative,
    "nested": nested,
    "less the second time": lambda lib: other_operators(lib, True, False),
    "more the second time": lambda lib: other_operators(lib, False, True),
    "other shapes": other_shapes,
    "stopped early": stopped_early,
    "containers": containers,
    "no outputs require grad": no_outputs_require_grad,
    "selective": selective,
    "selective twice": lambda lib: selective(lib, walks=2),
    "selective and overwritten": lambda lib: selective(lib, overwritten),
    "selective by nothing": lambda lib: module(lib).create_selective_checkpoint_contexts(3),
    "selective by numbers": lambda lib: module(lib).create_selective_checkpoint_contexts([3]),
    "group": lambda lib: group(lib, False),
    "group that overlaps": lambda lib: group(lib, True),
    "which way": lambda lib: warned(lib),
    "no input requires grad": lambda lib: warned(lib, use_reentrant=True),
    "keywords": lambda lib: module(lib).checkpoint(abs, lib.ones(1), use_reentrant=True, k=2),
    "reentrant and debug": lambda lib: module(lib).checkpoint(abs, lib.ones(1), use_reentrant=True, debug=True),
    "unknown check": lambda lib: module(lib).checkpoint(abs, lib.ones(1), use_reentrant=False, determinism_check="x"),
    "detach_variable": lambda lib: module(lib).detach_variable((lib.ones(1), 3)),
    "detach_variable of a tensor": lambda lib: module(lib).detach_variable(lib.ones(1)),
    "policies": lambda lib: [p.name for p in module(lib).CheckpointPolicy],
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_checkpoint(name):
    agree(CASES[name], text="overlaps" not in name)
