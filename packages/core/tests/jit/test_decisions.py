"""Decisions of compiled functions by what tensors hold: a program for each outcome, and nothing left of one that was departed from."""

from __future__ import annotations

import copy
import ctypes
import math
import threading
import warnings

import pytest

import flambeau
from flambeau import nn
from flambeau.backends import cpu

F = nn.functional


def early(x):
    y = x * 2
    if y.sum() > 4:
        return y
    return y - 1


def nothing(x):
    if not x.isfinite().all():
        return None
    return x.exp()


def several(x):
    y = x + 1 if x[0] > 0 else x - 1
    y = y * 2 if (y > 0).all() else y * 3
    assert not y.isnan().any()
    return y.sum() if bool(y.max() > 5) else y


def until(x):
    x, n = x * 1, 0
    while x.abs().max() > 1:
        x, n = x / 2, n + 1
    return x, n


def of_truth(x):
    return bool((x > 0).any()), (x > 0).all().item() is True, flambeau.equal(x, x.abs())


def in_words(x):
    return "much" if x.sum() > 3 else "little", x * (1 if x.isnan().any().item() else 2)


def with_numbers(x):
    n = x.sum().item()
    if x[0] > 0:
        return n, x.max().item()
    return x.min().item(), n


INPUTS = [
    [1.0, 2.0],
    [-1.0, 0.5],
    [3.0, 4.0],
    [float("inf"), 1.0],
    [0.5, 0.5],
    [-7.0, -9.0],
    [1.0, 2.0],
    [-1.0, 0.5],
    [3.0, 3.0],
]


@pytest.mark.parametrize("f", [early, nothing, several, until, of_truth, in_words, with_numbers])
def test_each_outcome_is_a_program(f):
    run = flambeau.compile(f, fullgraph=True)
    for _ in range(3):
        for values in INPUTS:
            x = flambeau.tensor(values)
            if f is until and not x.isfinite().all():
                continue
            assert alike(run(x), f(x))
    assert 1 < sum(map(len, run._plans.values())) < 10


def twins(make):
    """Two models from the same numbers, each with a step of its own: eager and compiled."""
    made = []
    for compiled in (False, True):
        flambeau.manual_seed(0)
        model, step = make()
        made.append((model, flambeau.compile(step, fullgraph=True) if compiled else step))
    return made


def trained(make, batches):
    """Results, states, gradients, and what is drawn next, of eager mode and compiled, step by step."""
    seen = []
    for model, step in twins(make):
        flambeau.manual_seed(1)
        rows = []
        for batch in batches:
            x = flambeau.tensor(batch)
            try:
                made = step(x)
            except ValueError as error:
                made = str(error)
            grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
            state = [v.clone() for v in model.state_dict().values()]
            rows.append((made, x, grads, state, flambeau.rand(2)))
        seen.append(rows)
    for expected, found in zip(*seen):
        assert alike(expected, found)


def alike(a, b):
    if isinstance(a, flambeau.Tensor):
        return flambeau.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-5) or a != a != b != b
    return type(a) is type(b) and a == b


BAD = float("nan")
BATCHES = [
    (flambeau.randn(6, 2, generator=flambeau.Generator().manual_seed(i)) * 0.3).tolist()
    for i in range(10)
]
for _i, _row in ((2, [BAD, 0.2]), (4, [9.0, 30.0]), (5, [0.3, BAD]), (8, [40.0, 0.5])):
    BATCHES[_i][1] = _row


def net():
    return nn.Sequential(
        nn.Linear(2, 4, bias=False), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.3), nn.Linear(4, 1)
    )


def skipping():
    model = net()
    optimizer = flambeau.optim.Adam(model.parameters(), 0.05)

    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        if not flambeau.isfinite(loss):
            return None
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def raising():
    model = net()
    optimizer = flambeau.optim.SGD(model.parameters(), 0.05, momentum=0.9)

    def step(x):
        noise = flambeau.randn(6, 2)
        loss = model(x + 0.1 * noise).square().mean()
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        if norm.isnan():
            raise ValueError("not a number")
        if norm > 0.3:
            x.mul_(0)
        optimizer.step()
        return loss.item(), norm

    return model, step


def accumulating():
    model = net()

    def step(x):
        loss = model(x).mean()
        loss.backward()
        x.add_(1)
        model[1].running_mean.mul_(0.5)
        if x.max() > 5:
            for p in model.parameters():
                p.grad = None
            return "dropped"
        if x.isnan().any():
            with flambeau.no_grad():
                model[1].running_mean.zero_()
                model[1].running_var.fill_(1)
                for p in model.parameters():
                    p.grad.zero_()
        return loss

    return model, step


def parting():
    model = nn.ModuleList([net(), net()])
    optimizer = flambeau.optim.SGD(model.parameters(), 0.05)

    def step(x):
        optimizer.zero_grad()
        part = model[0] if x.sum() > 1 else model[1]
        loss = part(x.nan_to_num()).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def own_generator():
    model = net()
    generator = flambeau.Generator().manual_seed(3)

    def step(x):
        kept = flambeau.rand(6, 2, generator=generator)
        if (kept * x.nan_to_num()).sum() > 0.4:
            return kept * 2, flambeau.rand(1, generator=generator)
        return kept, flambeau.rand(1)

    return model, step


@pytest.mark.parametrize("make", [skipping, raising, accumulating, parting, own_generator])
def test_nothing_is_left_of_a_program_that_was_departed_from(make):
    trained(make, BATCHES)


def test_gradients_of_results_after_a_decision():
    model = nn.Linear(2, 2)
    other = copy.deepcopy(model)

    def of(model):
        def f(x):
            y = model(x)
            return y.sum() if y[0, 0] > 0 else (y * y).sum()

        return f

    run = flambeau.compile(of(other), fullgraph=True)
    for i, batch in enumerate(
        [*BATCHES[:2], [[-3.0, 2.0], [1.0, 1.0]], [[3.0, -2.0], [1.0, 1.0]]] * 2
    ):
        x, twin = (
            flambeau.tensor(batch, requires_grad=i % 2 == 0),
            flambeau.tensor(batch, requires_grad=i % 2 == 0),
        )
        of(model)(x).backward()
        run(twin).backward()
        assert alike(model.weight.grad, other.weight.grad) and alike(
            model.bias.grad, other.bias.grad
        )
        if i % 2 == 0:
            assert alike(x.grad, twin.grad)


def test_after_an_optimizers_step_the_call_is_not_made_again():
    model = nn.Linear(2, 1)
    optimizer = flambeau.optim.SGD(model.parameters(), 0.1)

    def step(x):
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return 1 if loss > 0 else 2

    with pytest.raises(flambeau.jit.Broken, match=r"item\(\)"):
        flambeau.compile(step, fullgraph=True)(flambeau.ones(1, 2))


def test_numbers_that_are_compared_in_python_stay_eager():
    with pytest.raises(flambeau.jit.Broken, match=r"item\(\)"):
        flambeau.compile(lambda x: 1 if x.sum().item() > 0 else 2, fullgraph=True)(flambeau.ones(2))


def test_what_must_be_kept_is_bounded():
    large = flambeau.zeros(5 << 20)

    def f(x):
        large.add_(1)
        return 1 if x.sum() > 0 else 2

    with pytest.raises(flambeau.jit.Broken, match=r"item\(\)"):
        flambeau.compile(f, fullgraph=True)(flambeau.ones(2))


def test_a_decision_that_keeps_changing_ends_the_programs():
    def f(x):
        y = (x @ x).exp().log() @ x
        return y * 2 if y.sum() > 0 else y

    run = flambeau.compile(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(60):
            x = flambeau.full((4, 4), 0.5 if i % 2 else -0.5)
            assert alike(run(x), f(x))
    assert "keeps changing" in flambeau.jit.explain(run)


def test_a_cheap_decision_may_change():
    def f(x):
        if x[0, 0] > 0:
            return ((x @ x).exp().log() @ x).sum(0).tanh().cumsum(0).square().mean()
        return ((x @ x).exp().log() @ x).sum(1).sinh().cumsum(0).square().mean()

    run = flambeau.compile(f, fullgraph=True)
    for i in range(60):
        x = flambeau.full((4, 4), 0.5 if i % 2 else -0.5)
        assert alike(run(x), f(x))
    assert repr(run).endswith(".f, 2 programs>")


def test_errors_of_one_outcome_again_and_again():
    def f(x):
        if x.isnan().any():
            raise ValueError("not a number")
        return x * 2

    run = flambeau.compile(f)
    for i in range(40):
        if i % 3 == 2:
            with pytest.raises(ValueError, match="not a number"):
                run(flambeau.tensor([BAD, 1.0]))
        else:
            assert run(flambeau.ones(2)).tolist() == [2, 2]


def test_sizes_that_change_beside_decisions():
    run = flambeau.compile(early, fullgraph=True, dynamic=True)
    for n in (2, 3, 4, 5, 3, 2, 7):
        for scale in (1.0, -1.0):
            x = flambeau.full((n,), scale)
            assert alike(run(x), early(x))


def counting():
    model = net()
    optimizer = flambeau.optim.Adam(model.parameters(), 0.05)
    average = flambeau.zeros(())

    def step(x, count, weight):
        average.mul_(0.9).add_(x.nan_to_num().mean(), alpha=0.1 * weight)
        loss = model(x).square().mean() * (1 + 0.1 * count) + weight * average
        if not flambeau.isfinite(loss):
            return None, average * 1
        if average > 1.0:
            average.zero_()
            loss = F.leaky_relu(loss, weight)
        loss.backward()
        if (count + 1) % 2 == 0:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0 + weight)
            optimizer.step()
            optimizer.zero_grad()
        return loss, average * 1

    return model, step


@pytest.mark.parametrize("sizes", [(6,), (6, 4, 7, 5)], ids=["one", "many"])
def test_numbers_that_change_beside_decisions(sizes):
    seen = []
    for model, step in twins(counting):
        flambeau.manual_seed(1)
        rows = []
        for i in range(40):
            x = flambeau.tensor(BATCHES[i % 10] if i % 7 == 2 else BATCHES[0])[
                : sizes[i % len(sizes)]
            ]
            made = step(x, i, 0.1 + i / 50)
            grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
            rows.append(
                (made, grads, [v.clone() for v in model.state_dict().values()], flambeau.rand(2))
            )
        seen.append(rows)
    assert alike(*seen)
    assert sum(map(len, step._plans.values())) - len(step._sized) <= 16


def test_options_that_were_set_are_put_back():
    def warmed():
        model = net()
        optimizer = flambeau.optim.SGD(model.parameters(), 0.05, momentum=0.9)

        def step(x, count):
            group = optimizer.param_groups[0]
            group["lr"] *= 0.9
            group["weight_decay"] = 0.01 * (1 + math.cos(count / 9))
            loss = model(x).square().mean()
            if not flambeau.isfinite(loss):
                return group["lr"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        model.optimizer = optimizer
        return model, step

    seen = []
    for model, step in twins(warmed):
        flambeau.manual_seed(1)
        rows = []
        for i in range(30):
            made = step(flambeau.tensor(BATCHES[2 if i % 7 == 3 else 0]), i)
            group = model.optimizer.param_groups[0]
            rows.append(
                (float(made), group["lr"], group["weight_decay"], [*model.state_dict().values()])
            )
        seen.append(rows)
    assert alike(*seen)
    assert sum(map(len, step._plans.values())) <= 6


def test_a_count_beside_a_decision_makes_no_program_of_its_own():
    def f(x, count):
        y = (x * count).exp()
        return None if not y.isfinite().all() else y * 2 if count > 100 else y + count

    run = flambeau.compile(f, fullgraph=True)
    for i in range(40):
        x = flambeau.full((3,), BAD if i % 13 == 5 else 0.01)
        assert alike(run(x, i + 2), f(x, i + 2))
    [plans] = run._plans.values()
    assert len(plans) <= 4


def test_departures_from_open_programs_are_bounded():
    def f(x, k):
        y = ((x @ x) * k).exp().log() @ x
        return y * 2 if y.sum() > 0 else y

    runs = (ctypes.c_int64 * 1)()

    def counted(x, k):
        runs[0] += 1
        return f(x, k)

    run = flambeau.compile(f)
    run._function = counted
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(120):
            x = flambeau.full((4, 4), 0.5 if i % 2 else -0.5)
            assert alike(run(x, i / 7 + 0.1), f(x, i / 7 + 0.1))
    assert runs[0] >= 60  # as Python


def test_decisions_are_each_threads_own():
    w = flambeau.arange(16.0).reshape(4, 4)

    def f(x):
        y = x @ w
        return (y.sum(), "more") if y.sum() > 100 else (y.mean(), "less")

    run = flambeau.compile(f, fullgraph=True)
    for k in (0.0, 9.0):
        run(flambeau.full((4, 4), k))
    wrong = []

    def work(k):
        x = flambeau.full((4, 4), float(k))
        expected = f(x)
        wrong.extend(i for i in range(40) if not alike(run(x), expected))

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1, 8, 9)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.skipif(not cpu.available(), reason="no C compiler on this machine")
def test_predictions_that_end_early_keep_packed_weights():
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU()).eval()

    def f(x):
        y = model(x)
        return y.mean() if y.max() > 0.5 else model(x * 2).sum()

    run = flambeau.compile(f, fullgraph=True)
    with flambeau.no_grad():
        for k in (1, 0, 1, 2, 0):
            x = flambeau.ones(1, 3, 8, 8) * k
            assert alike(run(x), f(x))
            model[0].weight.data.mul_(1.01)
    assert "once, until a tensor is written" in flambeau.jit.explain(run)


# -- stretches, between which Python runs -----------------------------------------------------------------------------------


def stepping_first():
    model = nn.Linear(2, 1)
    optimizer = flambeau.optim.SGD(model.parameters(), 0.05)

    def step(x):
        optimizer.step()
        loss = model(x.nan_to_num()).square().mean()
        loss.backward()
        return loss

    return model, step


def written_on_both_sides():
    model = nn.Linear(2, 1)
    optimizer = flambeau.optim.SGD(model.parameters(), 0.05)

    def step(x):
        x.mul_(0.5)
        optimizer.step()
        y = x * 2
        x.add_(y)
        x.sub_(1)
        return y, x * 1

    return model, step


def written_around_decisions():
    model = nn.Linear(2, 1)

    def step(x):
        y = x.nan_to_num()
        x.copy_(y)
        if y.sum() > 0:
            x.mul_(2)
        if x.max() > 1:
            x.add_(y)
        return y, x * 1

    return model, step


@pytest.mark.parametrize("make", [stepping_first, written_around_decisions])
def test_what_one_stretch_writes_is_read_by_the_next(make):
    trained(make, BATCHES)


def test_an_argument_is_written_on_both_sides_of_an_optimizers_step():
    for compiled in (False, True):
        model, step = written_on_both_sides()
        run = flambeau.compile(step, fullgraph=True) if compiled else step
        for i in range(4):
            x = flambeau.full((2, 2), float(i))
            y, last = run(x)
            assert alike(y, flambeau.full((2, 2), float(i))) and alike(x, last)
            assert alike(x, flambeau.full((2, 2), 1.5 * i - 1))
