"""Schedulers: the rates they set, the closed forms, resuming, and the warnings."""

from __future__ import annotations

import math

import pytest

import flambeau
from flambeau import optim
from flambeau.optim import lr_scheduler as schedulers
from flambeau.optim.swa_utils import SWALR

BUILDERS = {
    "LambdaLR": lambda o: schedulers.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]),
    "MultiplicativeLR": lambda o: schedulers.MultiplicativeLR(o, lambda e: 0.9),
    "StepLR": lambda o: schedulers.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda o: schedulers.MultiStepLR(o, [2, 5, 5], 0.5),
    "ConstantLR": lambda o: schedulers.ConstantLR(o, 0.5, 4),
    "LinearLR": lambda o: schedulers.LinearLR(o, 0.25, 0.75, 4),
    "ExponentialLR": lambda o: schedulers.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: schedulers.PolynomialLR(o, 6, 2.0),
    "CosineAnnealingLR": lambda o: schedulers.CosineAnnealingLR(o, 4, 0.01),
    "CosineAnnealingWarmRestarts": lambda o: schedulers.CosineAnnealingWarmRestarts(o, 2, 2),
    "CyclicLR": lambda o: schedulers.CyclicLR(o, 0.01, 0.1, 2, 3, mode="triangular2"),
    "OneCycleLR": lambda o: schedulers.OneCycleLR(o, [0.1, 0.2], total_steps=20),
    "SequentialLR": lambda o: schedulers.SequentialLR(
        o, [schedulers.ConstantLR(o, 0.5, 3), schedulers.ExponentialLR(o, 0.9)], [4]
    ),
    "ChainedScheduler": lambda o: schedulers.ChainedScheduler(
        [schedulers.ConstantLR(o, 0.5, 3), schedulers.ExponentialLR(o, 0.9)]
    ),
    "SWALR": lambda o: SWALR(o, 0.02, 5),
}


def optimizer_of(lrs=(0.1, 0.2), cls=optim.SGD, **options):
    if cls is optim.SGD:
        options.setdefault("momentum", 0.9)
    groups = [{"params": [flambeau.zeros(1, requires_grad=True)], "lr": lr} for lr in lrs]
    return cls(groups, **options)


def path(optimizer, scheduler, epochs):
    rates = []
    for _ in range(epochs):
        optimizer.step()
        scheduler.step()
        rates.append([group["lr"] for group in optimizer.param_groups])
        assert scheduler.get_last_lr() == rates[-1]
    return rates


@pytest.mark.parametrize("name", BUILDERS)
def test_schedules_resume_exactly(name):
    optimizer = optimizer_of()
    whole = path(optimizer, BUILDERS[name](optimizer), 12)
    first = optimizer_of()
    scheduler = BUILDERS[name](first)
    path(first, scheduler, 5)
    saved = first.state_dict(), scheduler.state_dict()
    second = optimizer_of()
    resumed = BUILDERS[name](second)
    second.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    assert path(second, resumed, 7) == whole[5:]


@pytest.mark.parametrize("name", BUILDERS)
def test_a_state_dict_holds_no_optimizer(name):
    optimizer = optimizer_of()
    assert "optimizer" not in BUILDERS[name](optimizer).state_dict()


@pytest.mark.parametrize(
    "name",
    [
        "StepLR",
        "MultiStepLR",
        "ConstantLR",
        "LinearLR",
        "ExponentialLR",
        "PolynomialLR",
        "CosineAnnealingLR",
    ],
)
def test_steps_reach_the_closed_form(name):
    optimizer = optimizer_of()
    scheduler = BUILDERS[name](optimizer)
    epochs = (
        4 if name == "CosineAnnealingLR" else 6
    )  # after T_max the steps go up again by another rule
    rates = path(optimizer, scheduler, epochs)[-1]
    assert scheduler._get_closed_form_lr() == pytest.approx(rates, abs=1e-12)


def test_values_by_hand():
    optimizer = optimizer_of((1.0,))
    assert path(optimizer, schedulers.StepLR(optimizer, 2, 0.1), 4) == [
        [1.0],
        [pytest.approx(0.1)],
        [pytest.approx(0.1)],
        [pytest.approx(0.01)],
    ]
    optimizer = optimizer_of((1.0,))
    cosine = path(optimizer, schedulers.CosineAnnealingLR(optimizer, 4), 4)
    assert cosine == [
        [pytest.approx((1 + math.cos(math.pi * e / 4)) / 2, abs=1e-12)] for e in (1, 2, 3, 4)
    ]
    optimizer = optimizer_of((1.0,))
    linear = path(optimizer, schedulers.LinearLR(optimizer, 0.5, 1.0, 2), 3)
    assert linear == [[0.75], [1.0], [1.0]]


def test_one_cycle_goes_up_and_down_with_momentum_against_it():
    optimizer = optimizer_of((1.0,))
    scheduler = schedulers.OneCycleLR(optimizer, 1.0, total_steps=10, pct_start=0.5)
    momenta = [optimizer.param_groups[0]["momentum"]]
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(9):
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
    assert rates[0] == pytest.approx(0.04)
    assert max(rates) == rates[4] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.04 / 1e4)
    assert momenta[0] == 0.95
    assert momenta[4] == pytest.approx(0.85)
    scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 11 times"):
        scheduler.step()


def test_cyclic_momentum_of_adam_is_its_first_beta():
    optimizer = optimizer_of((1.0,), optim.Adam)
    scheduler = schedulers.CyclicLR(optimizer, 0.1, 1.0, 2)
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)
    path(optimizer, scheduler, 2)
    assert optimizer.param_groups[0]["betas"] == (pytest.approx(0.8), 0.999)
    with pytest.raises(ValueError, match="optimizer must support momentum or beta1"):
        schedulers.CyclicLR(optimizer_of((1.0,), optim.Adagrad), 0.1, 1.0)


def test_warm_restarts_within_an_epoch():
    optimizer = optimizer_of((1.0,))
    scheduler = schedulers.CosineAnnealingWarmRestarts(optimizer, 2, 2)
    scheduler.step(0.5)
    assert scheduler.get_last_lr() == [pytest.approx((1 + math.cos(math.pi / 4)) / 2)]
    scheduler.step(3)
    assert scheduler.get_last_lr() == [pytest.approx((1 + math.cos(math.pi / 4)) / 2)]
    with pytest.raises(ValueError, match="Expected non-negative epoch"):
        scheduler.step(-1)


def test_plateau_waits_cools_down_and_stops_at_the_least():
    optimizer = optimizer_of()
    scheduler = schedulers.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=1, cooldown=1, min_lr=[0.06, 0.0]
    )
    rates = []
    for loss in (1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5):
        scheduler.step(flambeau.tensor(loss))
        rates.append([group["lr"] for group in optimizer.param_groups])
    assert rates[2] == [0.1, 0.2]
    assert rates[3] == [0.06, 0.1]
    assert rates[5] == [0.06, 0.1]
    assert rates[6] == [0.06, 0.05]
    saved = scheduler.state_dict()
    again = schedulers.ReduceLROnPlateau(optimizer_of(), mode="max")
    again.load_state_dict(saved)
    assert again.best == 0.5
    assert again._is_better(0.4, 0.5)


@pytest.mark.parametrize(
    "mode, threshold_mode, better, worse",
    [
        ("min", "rel", 0.89, 0.91),
        ("min", "abs", 0.89, 0.91),
        ("max", "rel", 1.11, 1.09),
        ("max", "abs", 1.11, 1.09),
    ],
)
def test_what_is_better(mode, threshold_mode, better, worse):
    scheduler = schedulers.ReduceLROnPlateau(
        optimizer_of(), mode=mode, threshold=0.1, threshold_mode=threshold_mode
    )
    assert scheduler._is_better(better, 1.0)
    assert not scheduler._is_better(worse, 1.0)


def test_a_learning_rate_that_is_a_tensor_is_changed_in_place():
    lr = flambeau.tensor(1.0)
    optimizer = optim.SGD([flambeau.zeros(1, requires_grad=True)], lr=lr)
    scheduler = schedulers.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is lr
    assert lr.item() == 0.5


def test_stepping_before_the_optimizer_is_warned_of():
    scheduler = schedulers.StepLR(optimizer_of(), 2)
    with pytest.warns(UserWarning, match="Detected call of `lr_scheduler.step\\(\\)` before"):
        scheduler.step()


def test_naming_the_epoch_is_deprecated():
    optimizer = optimizer_of((1.0,))
    scheduler = schedulers.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    with pytest.warns(UserWarning, match="The epoch parameter in `scheduler.step"):
        scheduler.step(3)
    assert scheduler.get_last_lr() == [0.125]


def test_get_lr_is_not_for_users():
    scheduler = schedulers.ExponentialLR(optimizer_of(), 0.5)
    with pytest.warns(UserWarning, match="please use `get_last_lr\\(\\)`"):
        scheduler.get_lr()


class Factor:
    def __init__(self, base):
        self.base = base

    def __call__(self, epoch):
        return self.base**epoch


def test_callable_objects_are_saved_by_their_attributes():
    saved = schedulers.LambdaLR(optimizer_of(), [Factor(0.5), lambda e: 1]).state_dict()
    assert saved["lr_lambdas"] == [{"base": 0.5}, None]
    other = Factor(0.1)
    schedulers.LambdaLR(optimizer_of(), [other, lambda e: 1]).load_state_dict(saved)
    assert other.base == 0.5


@pytest.mark.parametrize(
    "build, error, text",
    [
        (lambda o: schedulers.StepLR(3, 2), TypeError, "int is not an Optimizer"),
        (
            lambda o: schedulers.StepLR(o, 2, last_epoch=4),
            KeyError,
            "'initial_lr' is not specified in param_groups\\[0\\]",
        ),
        (lambda o: schedulers.LambdaLR(o, [abs]), ValueError, "Expected 2 lr_lambdas, but got 1"),
        (
            lambda o: schedulers.MultiplicativeLR(o, 3),
            TypeError,
            "lr_lambda should be a function, but got int",
        ),
        (lambda o: schedulers.ConstantLR(o, 2.0), ValueError, "expected to be between 0 and 1"),
        (lambda o: schedulers.LinearLR(o, 0.0), ValueError, "Starting multiplicative factor"),
        (lambda o: schedulers.LinearLR(o, 1.0, 2.0), ValueError, "Ending multiplicative factor"),
        (
            lambda o: schedulers.CosineAnnealingWarmRestarts(o, 0),
            ValueError,
            "Expected positive integer T_0",
        ),
        (
            lambda o: schedulers.CosineAnnealingWarmRestarts(o, 1, 0),
            ValueError,
            "Expected integer T_mult >= 1",
        ),
        (lambda o: schedulers.CyclicLR(o, 0.1, 1.0, mode="square"), ValueError, "mode is invalid"),
        (
            lambda o: schedulers.CyclicLR(o, [0.1], 1.0),
            ValueError,
            "base_lr must have the same length",
        ),
        (lambda o: schedulers.OneCycleLR(o, 1.0), ValueError, "You must define either total_steps"),
        (
            lambda o: schedulers.OneCycleLR(o, 1.0, 0),
            ValueError,
            "Expected positive integer total_steps",
        ),
        (
            lambda o: schedulers.OneCycleLR(o, 1.0, 5, pct_start=2),
            ValueError,
            "Expected float between 0 and 1",
        ),
        (
            lambda o: schedulers.OneCycleLR(o, 1.0, 5, anneal_strategy="x"),
            ValueError,
            "must be one of 'cos' or",
        ),
        (
            lambda o: schedulers.ReduceLROnPlateau(o, factor=1.0),
            ValueError,
            "Factor should be < 1.0",
        ),
        (lambda o: schedulers.ReduceLROnPlateau(o, mode="mid"), ValueError, "mode mid is unknown"),
        (
            lambda o: schedulers.ReduceLROnPlateau(o, min_lr=[0.1]),
            ValueError,
            "expected 2 min_lrs, got 1",
        ),
        (
            lambda o: schedulers.SequentialLR(o, [], []),
            ValueError,
            "expects at least one scheduler",
        ),
        (lambda o: schedulers.ChainedScheduler([]), ValueError, "expects at least one scheduler"),
        (
            lambda o: schedulers.SequentialLR(o, [schedulers.StepLR(o, 1)], [3]),
            ValueError,
            "one more than the number of milestone points",
        ),
        (
            lambda o: schedulers.ChainedScheduler(
                [schedulers.StepLR(o, 1), schedulers.StepLR(optimizer_of(), 1)]
            ),
            ValueError,
            "expects all schedulers to belong to the same optimizer",
        ),
        (
            lambda o: schedulers.ChainedScheduler([schedulers.ReduceLROnPlateau(o)]),
            ValueError,
            "does not support `ReduceLROnPlateau`",
        ),
        (lambda o: SWALR(o, 0.1, -1), ValueError, "anneal_epochs must be equal or greater than 0"),
    ],
)
def test_arguments_that_make_no_schedule(build, error, text):
    with pytest.raises(error, match=text):
        build(optimizer_of())
