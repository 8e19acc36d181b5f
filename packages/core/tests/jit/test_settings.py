"""Settings of optimizers and schedulers, which these change at every call: a function that looks at them is no one program."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import nn
from flambeau.optim.lr_scheduler import StepLR


def decayed(model, optimizer, scheduler):
    for group in optimizer.param_groups:
        group["lr"] *= 0.5


def shown(model, optimizer, scheduler):
    return optimizer.param_groups[0]["lr"]


def last(model, optimizer, scheduler):
    return scheduler.get_last_lr()[0]


def epoch(model, optimizer, scheduler):
    return scheduler.last_epoch


def set_back(model, optimizer, scheduler):
    scheduler.last_epoch = 0


def by_hand(model, optimizer, scheduler):
    with flambeau.no_grad():
        for p in model.parameters():
            p -= p.grad * optimizer.param_groups[0]["lr"]


def one_more(model, optimizer, scheduler):
    if len(optimizer.param_groups) < 3:
        optimizer.add_param_group({"params": [nn.Parameter(flambeau.ones(2))]})


@pytest.mark.parametrize("look", [decayed, shown, last, epoch, set_back, by_hand, one_more])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_looking_at_settings_gives_this_calls(look):
    results = []
    for compiled in (False, True):
        flambeau.manual_seed(0)
        model = nn.Linear(4, 2)
        optimizer = flambeau.optim.SGD(model.parameters(), 1.0)
        scheduler = StepLR(optimizer, 2)

        def step(x, model=model, optimizer=optimizer, scheduler=scheduler):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            found = look(model, optimizer, scheduler)
            optimizer.step()
            scheduler.step()
            return model.weight.detach().clone(), found

        step = flambeau.compile(step) if compiled else step
        made = [step(flambeau.arange(4.0) * 0.1) for _ in range(6)]
        results.append([(w.tolist(), found) for w, found in made])
    assert results[0] == results[1]


def test_the_reason_names_what_was_looked_at():
    optimizer = flambeau.optim.SGD([flambeau.ones(2, requires_grad=True)], 1.0)
    with pytest.raises(flambeau.jit.Broken, match=r"reading Optimizer\.param_groups"):
        flambeau.compile(lambda x: x * len(optimizer.param_groups[0]), fullgraph=True)(
            flambeau.ones(2)
        )
    scheduler = StepLR(optimizer, 2)
    with pytest.raises(flambeau.jit.Broken, match=r"reading LRScheduler\.last_epoch"):
        flambeau.compile(lambda x: x * scheduler.last_epoch, fullgraph=True)(flambeau.ones(2))
