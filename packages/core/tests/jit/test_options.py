"""Steps that set options of their optimizer, or look through its groups: one program, and the same losses."""

from __future__ import annotations

import warnings

import pytest

import flambeau
from flambeau import nn

F = nn.functional
optim = flambeau.optim
_drawn = flambeau.Generator().manual_seed(0)
x = flambeau.randn(16, 12, dtype=flambeau.float64, generator=_drawn)
y = flambeau.randint(0, 4, (16,), generator=_drawn)


def built(kind):
    flambeau.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 4)).double()
    groups = [
        {"params": list(model[0].parameters()), "lr": 0.1},
        {"params": list(model[2].parameters()), "weight_decay": 0.1},
    ]
    made = {
        "adamw": lambda: optim.AdamW(groups, lr=0.05),
        "momentum": lambda: optim.SGD(groups, lr=0.05, momentum=0.9),
        "rmsprop": lambda: optim.RMSprop(groups, lr=0.05),
    }
    return model, made[kind]()


def trained(model, optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def warmed_up(model, optimizer):
    def step(it):
        lr = 0.1 * (it + 1) / 5 if it < 5 else 0.1 * (20 - it) / 15
        for i, group in enumerate(optimizer.param_groups):
            group["lr"] = lr if i == 0 else lr / 2
        return trained(model, optimizer, F.cross_entropy(model(x), y)), lr

    return step


def all_options(model, optimizer):
    def step(it):
        for group in optimizer.param_groups:
            group["lr"], group["weight_decay"] = (it + 1) / 100, 0.01 * it
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], 0.5)
        optimizer.step()
        return loss, optimizer.param_groups[0]["params"][0].sum()

    return step


def with_a_scheduler(model, optimizer):
    scheduler = optim.lr_scheduler.StepLR(optimizer, 3, 0.5)

    def step(it):
        if it % 4 == 1:
            optimizer.param_groups[0]["lr"] = 0.2
        loss = trained(model, optimizer, F.cross_entropy(model(x), y))
        scheduler.step()
        return loss

    return step


def read_again(model, optimizer):
    def step(it):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * (it + 1)
            rate = group["lr"]
        return trained(model, optimizer, F.cross_entropy(model(x), y) * (1 + rate)), rate, it * 2

    return step


def decayed(model, optimizer):
    def step(it):
        for group in optimizer.param_groups:
            group["lr"] *= 0.95
        return trained(model, optimizer, F.cross_entropy(model(x), y))

    return step


def computed_with(model, optimizer):
    def step(it):
        rate, decay = optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["weight_decay"]
        loss = F.cross_entropy(model(x), y) * (1 + rate) + decay * model[0].weight.square().sum()
        return trained(model, optimizer, loss), optimizer.param_groups[0]["lr"]

    def around(step, it):
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + it)
        return step(it)

    step.around = around
    return step


def branching(model, optimizer):
    def step(it):
        if (
            optimizer.param_groups[0]["lr"] > 0.05
            and optimizer.param_groups[0]["maximize"] is False
        ):
            optimizer.param_groups[0]["lr"] -= 0.01
        return trained(model, optimizer, F.cross_entropy(model(x), y))

    return step


STEPS = (decayed, computed_with, branching, warmed_up, all_options, with_a_scheduler, read_again)


@pytest.mark.parametrize("kind", ["adamw", "momentum", "rmsprop"])
@pytest.mark.parametrize("make", STEPS, ids=lambda f: f.__name__)
def test_options_that_a_step_sets_are_set_at_every_call(make, kind):
    outcomes = []
    for compiled in (False, True):
        model, optimizer = built(kind)
        step = made = make(model, optimizer)
        if compiled:
            step = flambeau.compile(made, fullgraph=True)
        call = getattr(made, "around", lambda f, it: f(it))
        found = [[float(v) for v in flat(call(step, it))] for it in range(20)]
        outcomes.append([*found, [g["lr"] for g in optimizer.param_groups]])
        assert all(type(g["lr"]) is float for g in optimizer.param_groups)
    for ours, eager in zip(*outcomes, strict=True):
        assert ours == pytest.approx(eager, rel=1e-9)
    assert sum(map(len, step._plans.values())) <= 3


def flat(result):
    return result if isinstance(result, tuple) else (result,)


def tuples(group):
    return F.relu(x).sum() * group["betas"][0]


def listed(group):
    return x.sum() * len(dict(group))


def asked(group):
    return x.sum() * (2 if "lr" in group else 3)


def taken_out(group):
    group.setdefault("mark", 1)
    group["mark"] += 1
    return x.sum() * group.get("mark")


@pytest.mark.parametrize("use", [tuples, listed, asked, taken_out], ids=lambda f: f.__name__)
def test_what_a_program_cannot_know_of_a_group_leaves_it(use):
    _, optimizer = built("adamw")
    compiled = flambeau.compile(lambda: use(optimizer.param_groups[0]))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = []
        for i in range(3):
            optimizer.param_groups[0]["lr"] = 0.5 + i
            found.append(float(compiled()))
    _, optimizer = built("adamw")
    expected = []
    for i in range(3):
        optimizer.param_groups[0]["lr"] = 0.5 + i
        expected.append(float(use(optimizer.param_groups[0])))
    assert found == pytest.approx(expected)
    assert "reading Optimizer.param_groups" in str(said[0].message)


def test_an_option_that_a_scheduler_may_have_set_leaves_the_program():
    model, optimizer = built("momentum")
    scheduler = optim.lr_scheduler.StepLR(optimizer, 2, 0.5)

    def step():
        loss = trained(model, optimizer, F.cross_entropy(model(x), y))
        scheduler.step()
        return loss.detach() * 0 + optimizer.param_groups[0]["lr"]

    compiled = flambeau.compile(step)
    with pytest.warns(UserWarning, match="reading Optimizer.param_groups"):
        found = [compiled().item() for _ in range(6)]
    assert found == pytest.approx([0.1, 0.05, 0.05, 0.025, 0.025, 0.0125])


def test_groups_that_are_replaced_are_read_anew():
    _, optimizer = built("momentum")
    compiled = flambeau.compile(lambda: x * optimizer.param_groups[1]["lr"])
    for rate in (0.5, 0.25, 0.125):
        saved = optimizer.state_dict()
        saved["param_groups"][1]["lr"] = rate
        optimizer.load_state_dict(saved)
        assert compiled().equal(x * rate)
    del optimizer.param_groups[1]["lr"]
    with pytest.raises(KeyError):
        compiled()


def test_groups_that_are_replaced_are_set_anew():
    rates = []
    for compiled in (False, True):
        model, optimizer = built("momentum")

        def step(rate, model=model, optimizer=optimizer):
            for group in optimizer.param_groups:
                group["lr"] = rate
            return trained(model, optimizer, F.cross_entropy(model(x), y))

        run = flambeau.compile(step, fullgraph=True) if compiled else step
        found = []
        for rate in (0.5, 0.5, 0.25, 0.5, 0.125, 0.5):
            found += [float(run(rate)), optimizer.param_groups[1]["lr"]]
            optimizer.load_state_dict(optimizer.state_dict())
        rates.append(found)
    assert rates[1] == pytest.approx(rates[0])


def test_another_parameter_in_a_group_is_noticed():
    model, optimizer = built("momentum")

    def step():
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad.mul_(0.0)
        optimizer.step()
        return loss

    compiled = flambeau.compile(step)
    for _ in range(3):
        compiled()
    optimizer.param_groups[0]["params"][0] = nn.Parameter(flambeau.ones(3))
    with pytest.raises(AttributeError):  # the new one has no gradient: as eagerly
        compiled()
