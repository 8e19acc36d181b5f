"""Random programs compiled = eager: values, gradients, what is written in place; or the same error.

A program is a list of instructions on a growing list of tensors. Which operands fit is decided from shapes while it runs,
so that every list of instructions is a program, with branches and loops over shapes in it.
"""

from __future__ import annotations

import math
import os
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flambeau
from flambeau import Tensor
from flambeau.jit.plan import Plan
from flambeau.nn import functional as F
from flambeau.testing import assert_close

EXAMPLES = int(
    os.environ.get("FLAMBEAU_EXAMPLES", "25")
)  # a fifth of a second each: most compile C of their own
CALLS = 3  # captured, recorded, one native call

UNARY = {
    "tanh": flambeau.tanh,
    "sigmoid": flambeau.sigmoid,
    "exp": lambda x: x.clamp(-2, 2).exp(),
    "relu": flambeau.relu,
    "square": lambda x: x.square().clamp(max=4),
    "neg": flambeau.neg,
    "softplus": F.softplus,
    "gelu": F.gelu,
    "scale": lambda x: x * 0.5 + 1,
    "other_dtype": lambda x: x.double() if x.dtype is flambeau.float32 else x.float(),
}
BINARY = {
    "add": flambeau.add,
    "sub": flambeau.sub,
    "mul": lambda a, b: (a * b).tanh(),
    "div": lambda a, b: a / (b.abs() + 1),
    "maximum": flambeau.maximum,
    "where": lambda a, b: flambeau.where(a > b, a, b * 0.5),
    "lerp": lambda a, b: flambeau.lerp(a, b, 0.3),
}
VIEWS = {
    "transpose": lambda x: x.transpose(0, -1) if x.ndim > 1 else x,
    "flat": lambda x: x.reshape(-1),
    "tail": lambda x: x[1:] if x.ndim and x.shape[0] > 1 else x,
    "every_second": lambda x: x[..., ::2] if x.ndim else x,
    "first": lambda x: x[0] if x.ndim > 1 else x,
    "unsqueeze": lambda x: x.unsqueeze(0) if x.ndim < 3 else x.squeeze(),
    "expand": lambda x: x.expand(2, *x.shape) if x.ndim < 2 else x,
    "flip": lambda x: x.flip(0) if x.ndim else x,
    "diagonal": lambda x: x.diagonal() if x.ndim == 2 else x,
}
REDUCTIONS = {
    "sum": lambda x, d, k: x.sum(d, keepdim=k),
    "mean": lambda x, d, k: x.mean(d, keepdim=k),
    "amax": lambda x, d, k: x.amax(d, keepdim=k),
    "var": lambda x, d, k: x.var(d, correction=0, keepdim=k),
    "logsumexp": lambda x, d, k: x.logsumexp(d, keepdim=k),
    "softmax": lambda x, d, k: x.softmax(d),
    "cumsum": lambda x, d, k: x.cumsum(d) * 0.25,
    "norm": lambda x, d, k: (x.square().sum(d, keepdim=k) + 1).sqrt(),
    "sorted": lambda x, d, k: x.sort(d)[0],
}
WRITES = {
    "add_": lambda y, x: y.add_(x),
    "mul_": lambda y, x: y.mul_(0.5),
    "copy_": lambda y, x: y.copy_(x),
    "clamp_": lambda y, x: y.clamp_(-1, 1),
    "item": lambda y, x: y.__setitem__(0, 0.5) if y.ndim else y.fill_(0.5),
    "slice": lambda y, x: y[..., ::2].mul_(2) if y.ndim else y.neg_(),
    "transposed": lambda y, x: y.transpose(0, -1).add_(1) if y.ndim > 1 else y.add_(1),
    "masked": lambda y, x: y.masked_fill_(y > 0.5, 0.25),
}

NUMBERS = {
    "times": lambda x, k, n: x * k,
    "from": lambda x, k, n: (k - 1) ** 2 - x / (n * n + 1),
    "over": lambda x, k, n: 1 / (x.abs() + k * k + 0.5),
    "compared": lambda x, k, n: flambeau.where(x > k, x * n, x + n // 2),
    "branch": lambda x, k, n: x * k if k > 0.5 else x - n,
    "every": lambda x, k, n: x + 1 if n % 3 == 0 else x * k,
    "rows": lambda x, k, n: x[: max(n, 1)] if x.ndim else x,
    "rolled": lambda x, k, n: x.roll(n) if x.ndim else x,
    "turns": lambda x, k, n: x * len(range(n)),
    "bounds": lambda x, k, n: x.clamp(-abs(k), abs(k)),
    "filled": lambda x, k, n: x + flambeau.full((), k) + flambeau.tensor(n),
    "power": lambda x, k, n: (x.abs() + 0.5) ** min(k, 3.0),
    "mixed": lambda x, k, n: flambeau.lerp(x, x.tanh(), k) * (n + k) + x.double().mean() * n,
    "written": lambda x, k, n: (x * 1).mul_(k).add_(n),
    "larger": lambda x, k, n: x * max(k, n, 0.25) + min(k, n),
    "mean": lambda x, k, n: x.sum() * k / x.numel() + n / (x.numel() + 1),
    "slope": lambda x, k, n: F.leaky_relu(x, k) + F.elu(x, k * k + 0.5),
    "averaged": lambda x, k, n: (x * 1).mul_(k).add_(x.tanh(), alpha=1 - k),
    "lower": lambda x, k, n: x.clamp(min=k - n),
    "annealed": lambda x, k, n: x * (1 + math.cos(math.pi * n / 10)) + 0.9**n + math.exp(-k * k),
    "drawn": lambda x, k, n: x + flambeau.zeros(3).uniform_(-abs(k), abs(k)).mean(),
    "narrow": lambda x, k, n: (x.half() * k).to(x.dtype),
    "decided": lambda x, k, n: x * k if (x.sum() * k) > n else x.tanh() + k,
    "made": lambda x, k, n: x * 2 if (flambeau.ones(3) * k).sum() > n else x - 1,
}


def broadcasts(a: Any, b: Any) -> bool:
    return all(m in (n, 1) or n == 1 for m, n in zip(reversed(a), reversed(b)))


def fits_into(small: Any, large: Any) -> bool:
    return len(small) <= len(large) and all(m in (n, 1) for m, n in zip(reversed(small), reversed(large)))  # fmt: skip


def step(values: list[Tensor], kind: str, name: str, i: int, j: int, dim: int, keep: bool) -> None:
    """One instruction: what it makes is appended."""
    a, b = values[i % len(values)], values[j % len(values)]
    if kind == "unary":
        made = UNARY[name](a)
    elif kind == "binary":
        made = BINARY[name](a, b if broadcasts(a.shape, b.shape) else b.mean())
    elif kind == "view":
        made = VIEWS[name](a)
    elif kind == "reduction":
        d = dim % a.ndim if a.ndim else 0
        made = REDUCTIONS[name](a, d, keep) if a.ndim else a * 2
    elif kind == "write":
        # Of arguments only into those without gradients, of which views may be in use as of all others.
        root = a if a._base is None else a._base
        made = a * 1 if any(root is x and x.requires_grad for x in values[:3]) else a
        WRITES[name](made, b if fits_into(b.shape, made.shape) else b.mean())
    elif kind == "product":
        rows = a.reshape(-1, a.shape[-1]) if a.ndim else a.reshape(1, 1)
        made = (rows @ rows.t()).tanh() if name == "gram" else F.linear(rows, rows[:2])
    elif kind == "loop":
        made = a.sum() * 0
        for part in (
            a.unbind(0) if a.ndim else [a]
        ):  # as many turns as the shape says  # fmt: skip
            made = made + (part.mean() if part.ndim else part).tanh()
    elif a.shape == b.shape:
        made = flambeau.cat([a, b]) if name == "cat" and a.ndim else flambeau.stack([a, b])
    else:
        made = a + b.sum() * 0.1
    if made.numel() <= 200:
        values.append(made)


NAMES = {
    "unary": tuple(UNARY), "binary": tuple(BINARY), "view": tuple(VIEWS), "reduction": tuple(REDUCTIONS),
    "write": tuple(WRITES), "product": ("gram", "linear"), "loop": ("loop",), "join": ("cat", "stack"),
}  # fmt: skip
INSTRUCTIONS = st.sampled_from(tuple(NAMES)).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        st.sampled_from(NAMES[kind]),
        st.integers(0, 9),
        st.integers(0, 9),
        st.integers(0, 2),
        st.booleans(),
    )
)
SHAPES = st.sampled_from([(3, 4), (4,), (3, 1), (), (2, 3, 4), (1, 5), (4, 4)])


def function_of(instructions: list, last: int, inside: bool = False) -> Any:
    """The program's last results; `inside`: and their gradients, computed in the program."""

    def f(*inputs: Tensor) -> Any:
        values = list(inputs)
        for one in instructions:
            step(values, *one)
        made = values[len(inputs) :][-last:]
        # Results of their own: those that share memory run eagerly, and would show nothing.
        results = tuple(x * 1 for x in made) or (inputs[0] * 1,)
        shown = [x for x in results if x.requires_grad]
        if not inside or not shown:
            return results
        wanted = [x for x in inputs if x.requires_grad]
        loss = sum((x * x.cos()).sum() for x in shown)
        grads = flambeau.autograd.grad(loss, wanted, allow_unused=True)
        return *(x.detach() * 1 for x in results), *(g for g in grads if g is not None)

    return f


def outcome(f: Any, arrays: list, grads: list[bool]) -> Any:
    """Results, gradients and the inputs afterwards; or the class of the error."""
    inputs = [flambeau.tensor(a).requires_grad_(g) for a, g in zip(arrays, grads, strict=True)]
    try:
        made = f(*inputs)
        shown = [x for x in made if x.requires_grad]
        if shown:
            flambeau.autograd.backward([(x * x.detach().cos()).sum() for x in shown])
    except (RuntimeError, ValueError, IndexError) as error:
        return type(error)
    return [
        [x.detach() for x in made],
        [x.grad for x in inputs],
        [x.detach() for x in inputs],
    ]


def same(found: list, expected: list) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert (a is None) == (b is None)
            if b is not None:
                assert_close(a, b, rtol=2e-4, atol=2e-5, equal_nan=True)


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(INSTRUCTIONS, min_size=1, max_size=9),
    st.integers(1, 3),
    st.tuples(SHAPES, SHAPES, SHAPES),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_a_random_program_compiled_is_eager(instructions, last, shapes, grads, inside, seed):
    f = function_of(instructions, last, inside)
    compiled = flambeau.compile(f)
    flambeau.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(CALLS):
            arrays = [flambeau.randn(shape).tolist() for shape in shapes]
            expected = outcome(f, arrays, grads)
            found = outcome(compiled, arrays, grads)
            assert isinstance(found, type) == isinstance(expected, type), (expected, found)
            if isinstance(expected, type):
                assert found is expected
                return
            same(found, expected)
    [[plan]] = compiled._plans.values()
    assert isinstance(plan, Plan), plan


@pytest.mark.parametrize("kind", NAMES)
def test_every_instruction_is_reached(kind):
    # Also those that the random programs of a run leave out.
    once = [(kind, name, i, 1, i, True) for i, name in enumerate(NAMES[kind])]
    f = function_of([("unary", "scale", 0, 0, 0, False), *once], 3)
    compiled = flambeau.compile(f, fullgraph=True)
    for _ in range(CALLS):
        arrays = [flambeau.randn(shape).tolist() for shape in ((3, 4), (4,), (3, 1))]
        expected = outcome(f, arrays, [True, True, False])
        assert isinstance(expected, list), expected
        same(outcome(compiled, arrays, [True, True, False]), expected)


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.one_of(INSTRUCTIONS, st.sampled_from(tuple(NUMBERS))), min_size=1, max_size=7),
    st.lists(st.tuples(st.floats(-2, 2), st.integers(-2, 6)), min_size=4, max_size=8),
    st.lists(st.tuples(SHAPES, SHAPES), min_size=1, max_size=2),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_a_random_program_whose_numbers_change_is_eager(
    instructions, numbers, shapes, inside, seed
):
    def with_numbers(k, n, *inputs):
        values = list(inputs)
        for one in instructions:
            if isinstance(one, str):
                values.append(NUMBERS[one](values[-1], k, n))
            else:
                step(values, *one)
        made = values[-1] * 1
        if not inside or not made.requires_grad:
            return (made,)
        return made.detach() * 1, *flambeau.autograd.grad((made * made.cos()).sum(), inputs[:1])

    compiled = flambeau.compile(with_numbers)
    flambeau.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i, (k, n) in enumerate(numbers):
            arrays = [flambeau.randn(shape).tolist() for shape in shapes[i % len(shapes)]]
            state = flambeau.get_rng_state()
            expected = outcome(lambda *x, k=k, n=n: with_numbers(k, n, *x), arrays, [True, False])
            flambeau.set_rng_state(state)
            found = outcome(lambda *x, k=k, n=n: compiled(k, n, *x), arrays, [True, False])
            assert isinstance(found, type) == isinstance(expected, type), (expected, found)
            if isinstance(expected, type):
                assert found is expected
            else:
                same(found, expected)
