"""Numbers among the arguments: those that change are inputs of one program, and results are those of eager calls for all values."""

from __future__ import annotations

import ctypes
import math
import threading
import warnings

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.testing import assert_close

F = nn.functional
_drawn = flambeau.Generator().manual_seed(0)
x, y = flambeau.randn(6, 8, generator=_drawn), flambeau.randn(6, 8, generator=_drawn)
whole = flambeau.randint(0, 9, (6, 8), generator=_drawn)
FRACTIONS = [0.1 + 0.07 * i for i in range(20)]
SPECIAL = [
    0.3,
    0.5,
    0.0,
    -0.0,
    1.0,
    2.0,
    math.inf,
    -math.inf,
    math.nan,
    1e300,
    5e-324,
    -1.0,
    0.7,
    0.8,
]
WHOLE = [3, 4, 5, 1, 0, -1, -3, 2, 6, 100, 7]


def same(a, b):
    if isinstance(a, flambeau.Tensor):
        assert a.dtype == b.dtype
        largest = b.detach().double().abs().nan_to_num(0.0, 0.0).amax().item() if b.numel() else 0.0
        atol = 1e-6 * max(1.0, largest)  # sums that come to little, of large parts
        assert_close(a.detach(), b.detach(), rtol=1e-5, atol=atol, equal_nan=True)
    elif isinstance(a, (tuple, list)):
        for one, two in zip(a, b, strict=True):
            same(one, two)
    else:
        assert type(a) is type(b) and a == pytest.approx(b, rel=1e-5, nan_ok=True)


def tried(function, calls, **options):
    """Compares compiled and eager results, or what they raise; how often the function's Python ran, and the compiled function."""
    runs = (ctypes.c_int64 * 1)()  # what guards do not look into

    def counted(*args, **kwargs):
        runs[0] += 1
        return function(*args, **kwargs)

    compiled = flambeau.compile(function, **options)
    compiled._function = counted
    for i, args in enumerate(calls):
        try:
            flambeau.manual_seed(i)
            wanted = function(*args)
        except (ArithmeticError, RuntimeError, IndexError, ValueError) as error:
            with pytest.raises(type(error)):
                compiled(*args)
            continue
        flambeau.manual_seed(i)
        same(compiled(*args), wanted)
    return runs[0], compiled


OPERANDS = {
    "product": lambda k: x * k,
    "from": lambda k: k - x,
    "quotient": lambda k: k / x,
    "power": lambda k: x.abs() ** min(k, 9),
    "compared": lambda k: x > k,
    "chosen": lambda k: flambeau.where(x > 0, x, k),
    "mixed": lambda k: flambeau.lerp(x, y, k),
    "temperature": lambda k: (x / k).softmax(-1),
    "python": lambda k: x * (1 - k) ** 2 + math.pi / (k + 3),
    "larger": lambda k: x * max(k, 0.01),
    "double": lambda k: x.double() * k,
    "written": lambda k: x.clone().mul_(k),
    "after": lambda k: (x @ y.T) * k + k,
    "kept": lambda k: (x * k).sum().item(),
    "noise": lambda k: x + k * flambeau.randn(6, 8),
}


# Options of operators, halves, random draws, and what Python computes.
OPTIONS = {
    "bounds": lambda k: x.clamp(-k, k) if k >= 0 else x,
    "lower": lambda k: (x * 2).clamp(min=k).sum(),
    "slope": lambda k: F.leaky_relu(x, k),
    "elu": lambda k: F.elu(x, k) + 1,
    "celu": lambda k: F.celu(x, k),
    "softplus": lambda k: F.softplus(x, k, 5 * k),
    "shrunk": lambda k: F.hardshrink(x, k) + F.softshrink(y, abs(k)),
    "threshold": lambda k: F.threshold(x, k, -k),
    "added": lambda k: flambeau.add(x, y.tanh(), alpha=k),
    "products": lambda k: flambeau.addcmul(x, x, y, value=k),
    "average": lambda k: x.clone().mul_(k).add_(y, alpha=1 - k),
    "double": lambda k: x.double().clamp(max=k),
    "half": lambda k: x.half() * k + 1,
    "bfloat16": lambda k: (x.bfloat16() / (k + 3)).softmax(-1),
    "whole": lambda k: whole > 10 * k,
    "full": lambda k: x + flambeau.full((8,), k),
    "dropout": lambda k: F.dropout(x, abs(k) % 1) * 2,
    "drawn": lambda k: flambeau.empty(3).normal_(0, abs(k)) + flambeau.empty(3).uniform_(-abs(k), abs(k)),
    "cosine": lambda k: x * 0.5 * (1 + math.cos(math.pi * k)),
    "numpy": lambda k: x * (1 + np.cos(np.pi * k)) + np.exp(-k * k),
    "decayed": lambda k: x * 0.95**k + 2.0 ** -abs(k),
    "root": lambda k: x * math.sqrt(abs(k)) + math.log1p(abs(k)) + round(k, 2),
    "powers": lambda k: x * (-k) ** 2 + (1 + abs(k)) ** k,
    "quotients": lambda k: x / (2 * k + 3) + 1 / (2 * (k + 7) * (k + 8)),
}  # fmt: skip


@pytest.mark.parametrize("name", [*OPERANDS, *OPTIONS])
def test_a_number_that_changes_is_an_input(name):
    runs, compiled = tried((OPERANDS | OPTIONS)[name], [(k,) for k in FRACTIONS])
    assert runs <= 3 + (name in ("average", "dropout")) and len(compiled._plans) == 1


def test_the_gradient_of_an_option_that_changes():
    def function(k, x):
        return (F.leaky_relu(x, k) * F.softplus(x, 1 + k).clamp(k, 1)).sum()

    compiled = flambeau.compile(function)
    for k in FRACTIONS:
        found = []
        for f in (compiled, function):
            given = x.clone().requires_grad_()
            f(k, given).backward()
            found.append(given.grad)
        same(*found)
    assert len(compiled._plans) == 1


def test_a_lone_call_with_an_option_that_changes_is_native():
    compiled = flambeau.compile(lambda k: F.leaky_relu(x, k))
    for k in (0.1, 0.2, 0.3, 0.4):
        compiled(k)
    text = flambeau.jit.explain(compiled)
    assert "leaky_relu[negative_slope](p0, k0)" in text and "fused (6, 8)" in text


def test_a_decision_by_what_a_number_has_made_is_for_that_number():
    def function(k):
        return x * 2 if (flambeau.ones(3) * k).sum() > 2 else x * 3

    tried(function, [(k,) for k in FRACTIONS[:12]])
    runs, _ = tried(
        lambda k: x * (flambeau.ones(3) * k).sum().item(), [(k,) for k in FRACTIONS[:9]]
    )
    assert runs >= 9


@pytest.mark.parametrize("name", [*OPERANDS, *OPTIONS])
@pytest.mark.parametrize(
    "numbers", [SPECIAL, WHOLE, [*WHOLE, *SPECIAL]], ids=["special", "whole", "both"]
)
def test_special_numbers_are_as_eager(name, numbers):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # more than 16 programs
        tried((OPERANDS | OPTIONS)[name], [(k,) for k in [*numbers, *reversed(numbers)]])


NEEDED = {
    "repeated": lambda k: sum(x + i for i in range(k)),
    "row": lambda k: x[k],
    "rows": lambda k: x[:k].sum(0),
    "rolled": lambda k: x.roll(k, 0) * 2,
    "shape": lambda k: x.view(k, -1).sum(1),
    "made": lambda k: flambeau.ones(k, 8) * 3,
    "whole": lambda k: whole + k,
    "rest": lambda k: whole % k + whole // k,
    "bits": lambda k: whole << k,
    "text": lambda k: x * len(f"{k:d}"),
    "list": lambda k: [x * 2, k, k + 1],
    "constant": lambda k: flambeau.tensor([k, 1]) + whole[:, :2],
    "compared": lambda k: whole > k - 0.5,
    "small": lambda k: whole.to(flambeau.int8) + k,
    "narrow": lambda k: F.huber_loss(x, y, delta=abs(k) + 1),
    "kind": lambda k: x * 2 if type(k) is int else x,
}


@pytest.mark.parametrize("name", NEEDED)
def test_a_number_that_is_needed_itself_is_one(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # more than 16 programs
        tried(NEEDED[name], [(k,) for k in [*WHOLE, *WHOLE]])


@pytest.mark.parametrize("name", ["product", "compared", "whole", "text", "kept"])
def test_numbers_beyond_what_arrays_hold(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tried(
            (OPERANDS | NEEDED)[name],
            [(k,) for k in (3, 4, 5, 2**40, 2**62, 2**63, 2**64, -(2**70), 6)],
        )


def test_branches_are_programs_of_their_own():
    def function(x, k):
        return x * k if k > 0.5 else x + k if k < 0 else x - 1 / k

    calls = [(x, k) for k in (0.1, 0.9, 0.2, -1.0, 0.7, 0.3, -2.0, 0.8, 0.25, -0.5, 0.0, 0.5)]
    before, _ = tried(function, calls[:9])
    runs, compiled = tried(function, [*calls, *calls, *calls])
    assert runs <= 14 and before <= runs  # and 1 / 0.0 is Python's


def test_numbers_and_sizes_change_together():
    def function(x, k, j):
        return (x * k).cumsum(0)[: x.shape[0] // 2] / x.shape[0] + x.shape[1] * k + j

    data = [flambeau.randn(n, 8) for n in (4, 6, 9, 13, 5, 7)]
    calls = [(data[i % 6], 0.1 * i + 0.05, i // 7) for i in range(60)]
    runs, _ = tried(function, calls)
    assert runs <= 8


def test_numbers_inside_of_containers_and_by_name():
    def function(batch, *, weights, scale=1.0):
        return (batch["x"] * weights[0] + batch["b"] * weights[1]) * scale

    compiled = flambeau.compile(function)
    for i in range(12):
        given = {"x": x, "b": 0.3 * i}
        weights = (i + 0.5, 1 - 0.1 * i)
        same(
            compiled(given, weights=weights, scale=i / 7),
            function(given, weights=weights, scale=i / 7),
        )
    assert len(compiled._plans) <= 2


def test_kinds_of_numbers_are_apart():
    _, compiled = tried(
        lambda x, k: x + k, [(whole, k) for k in (1, 2, 3, 1.0, 2.5, True, False, 4, 0.5)]
    )
    assert sum(map(len, compiled._plans.values())) == 5


def test_a_step_whose_weights_change():
    def trained(compiled):
        flambeau.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 3))
        optimizer = flambeau.optim.Adam(model.parameters(), lr=0.01)
        target = flambeau.tensor([0, 1, 2, 0, 1, 2])

        def step(x, beta, step):
            optimizer.zero_grad()
            out = model(x)
            loss = (1 - beta) * F.cross_entropy(out, target) + beta * out.square().mean() / (
                1 + step
            )
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0 + beta)
            optimizer.step()
            return loss

        run = flambeau.compile(step, fullgraph=True) if compiled else step
        losses = [run(x, i / 40, i).item() for i in range(40)]
        if compiled:
            assert len(run._plans) == 1 and sum(map(len, run._plans.values())) <= 3
        return losses

    assert trained(True) == pytest.approx(trained(False), rel=1e-5)


def test_gradients_through_the_result():
    weight = nn.Parameter(flambeau.randn(8))

    def function(x, k):
        return ((x * weight) ** 2 * k).sum(1) / (1 + k)

    compiled = flambeau.compile(function)
    for i in range(10):
        found = []
        for f in (function, compiled):
            a = x.clone().requires_grad_()
            out = f(a, 0.3 + i)
            found.append(flambeau.autograd.grad(out.sum(), (a, weight)))
        same(*found)
    a = x.clone().requires_grad_()
    first = flambeau.autograd.grad(compiled(a, 2.5).sum(), a, create_graph=True)[0]
    same(
        flambeau.autograd.grad(first.sum(), a)[0],
        2 * 2.5 / 3.5 * weight.detach() ** 2 * flambeau.ones(6, 8),
    )


def test_one_program_serves_threads_with_numbers_of_their_own():
    compiled = flambeau.compile(lambda x, k: (x * k).tanh() + k)
    for k in (0.1, 0.2, 0.3):
        compiled(x, k)
    wrong = []

    def run(k):
        wanted = (x * k).tanh() + k
        wrong.extend(
            k for _ in range(300) if not compiled(x, k).allclose(wanted, rtol=1e-5, atol=1e-6)
        )

    threads = [threading.Thread(target=run, args=(1.7 * i,)) for i in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and sum(map(len, compiled._plans.values())) == 1


def test_what_is_said():
    compiled = flambeau.compile(lambda x, k: x * (k + 1))
    for k in (0.25, 0.5, 0.75):
        compiled(x, k)
    text = flambeau.jit.explain(compiled)
    assert "mul(x0, k0)" in text and "n0 = leaf 1" in text and "program 1, for sizes" in text


def test_one_program_for_each_number_where_sizes_are_fixed():
    _, compiled = tried(lambda k: x * k, [(0.1,), (0.2,), (0.3,)], dynamic=False)
    assert len(compiled._plans) == 3


def test_modules_learn_of_numbers_too():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(8, 8)

        def forward(self, x, k):
            out = self.inner(x) * k
            return out.relu() if self.training else out

    model = Scaled()
    compiled = flambeau.compile(model)
    for i in range(24):
        model.train(i % 3 == 0)
        same(compiled(x, 0.5 + i), model(x, 0.5 + i))
    assert len(compiled._compiled._plans) <= 2


def test_types_of_sizes_are_asked_of_fixed_ones():
    def function(x):
        n = x.shape[0]
        return x * n if type(n) is int else x

    tried(function, [(flambeau.randn(n, 2),) for n in (4, 5, 6, 7)])


def test_errors_of_numbers_may_be_caught():
    def function(x, k):
        try:
            return x / (1 / k)
        except ZeroDivisionError:
            return x * 2

    tried(function, [(x, k) for k in (0.5, 0.25, 0.75, 0.0, 2.0, 0.0, -0.0, 3.0)])


def test_unfit_numbers_are_told_by_operators():
    compiled = flambeau.compile(lambda x, k: x / k + 1 / k)
    for k in (1.5, 2.5, 3.5):
        compiled(x, k)
    with pytest.raises(ZeroDivisionError):
        compiled(x, 0.0)
    same(compiled(x, 4.0), x / 4.0 + 0.25)
