"""Optimizers and schedulers beside PyTorch's: the same path, and state_dicts that go both ways."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch

import flambeau

OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"betas": (0.3, 0.5), "eps": 1e-3}),
    ("AdamW", {"lr": 0.1, "maximize": True}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "initial_accumulator_value": 0.3}),
    ("Adadelta", {"weight_decay": 0.1}),
    ("Adafactor", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adamax", {"lr": 0.1, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.5, "centered": True, "weight_decay": 0.1}),
    ("Rprop", {"lr": 0.1}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "t0": 3, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1}),
    ("LBFGS", {"lr": 0.5, "max_iter": 4, "line_search_fn": "strong_wolfe"}),
    ("LBFGS", {"lr": 0.1, "max_iter": 3, "history_size": 2}),
]
NAMES = [f"{name}-{'-'.join(options)}" for name, options in OPTIMIZERS]
rng = np.random.default_rng(0)
START = [rng.standard_normal((4, 3)), rng.standard_normal(5)]
TARGET = [rng.standard_normal((4, 3)), rng.standard_normal(5)]


class Training:
    """A small problem of least squares with weights, in either framework."""

    def __init__(self, module, name: str, options: dict, start=START) -> None:
        self.module = module
        self.params = [
            module.nn.Parameter(module.tensor(x.tolist(), dtype=module.float64)) for x in start
        ]
        groups = [{"params": self.params[:1]}, {"params": self.params[1:], "lr": 0.05}]
        if name == "LBFGS":
            groups = self.params
        self.optimizer = getattr(module.optim, name)(groups, **options)

    def loss(self):
        self.optimizer.zero_grad()
        total = 0
        for p, target in zip(self.params, TARGET):
            difference = p - self.module.tensor(target.tolist(), dtype=self.module.float64)
            total = total + (difference * difference * difference.cos()).sum()
        total.backward()
        return total

    def run(self, steps: int) -> list[np.ndarray]:
        for _ in range(steps):
            self.optimizer.step(self.loss)
        return self.values()

    def values(self) -> list[np.ndarray]:
        return [p.detach().numpy().copy() for p in self.params]


def converted(value, module):
    """A state_dict with its tensors remade in another framework."""
    if isinstance(value, dict):
        return {key: converted(v, module) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(converted(v, module) for v in value)
    if isinstance(value, (torch.Tensor, flambeau.Tensor)):
        return module.from_numpy(np.array(value.detach().numpy()))
    return value


def close(made, expected):
    for a, b in zip(made, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name, options", OPTIMIZERS, ids=NAMES)
def test_the_path_is_the_same(name, options):
    ours, theirs = Training(flambeau, name, options), Training(torch, name, options)
    for _ in range(8):
        close(ours.run(1), theirs.run(1))


@pytest.mark.parametrize("name, options", OPTIMIZERS, ids=NAMES)
@pytest.mark.parametrize("source", [flambeau, torch], ids=["from-ours", "from-theirs"])
def test_state_dicts_go_both_ways(name, options, source):
    target = torch if source is flambeau else flambeau
    first = Training(source, name, options)
    middle = first.run(4)
    saved = copy.deepcopy(first.optimizer.state_dict())
    second = Training(target, name, options, start=middle)
    second.optimizer.load_state_dict(converted(saved, target))
    close(second.run(4), first.run(4))


@pytest.mark.parametrize("name, options", OPTIMIZERS, ids=NAMES)
def test_state_dicts_have_the_same_form(name, options):
    ours, theirs = Training(flambeau, name, options), Training(torch, name, options)
    ours.run(2)
    theirs.run(2)
    a, b = ours.optimizer.state_dict(), theirs.optimizer.state_dict()
    assert [sorted(group) for group in a["param_groups"]] == [sorted(g) for g in b["param_groups"]]
    assert [g["params"] for g in a["param_groups"]] == [g["params"] for g in b["param_groups"]]
    assert sorted(a["state"]) == sorted(b["state"])
    for number, state in b["state"].items():
        assert sorted(a["state"][number]) == sorted(state)
        for key, value in state.items():
            if isinstance(value, torch.Tensor):
                mine = a["state"][number][key]
                assert str(mine.dtype).split(".")[1] == str(value.dtype).split(".")[1], key
                assert tuple(mine.shape) == tuple(value.shape)


@pytest.mark.parametrize(
    "name", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop", "Adamax", "NAdam", "RAdam"]
)
def test_complex_parameters(name):
    start = rng.standard_normal((3, 2)) + 1j * rng.standard_normal((3, 2))

    def path(module):
        p = module.nn.Parameter(module.from_numpy(start.copy()))
        optimizer = getattr(module.optim, name)([p], lr=0.1, weight_decay=0.1)
        for step in range(5):
            p.grad = module.from_numpy(start * (step - 2) + 0.1)
            optimizer.step()
        return p.detach().numpy()

    np.testing.assert_allclose(path(flambeau), path(torch), rtol=1e-9)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop"])
def test_the_gradient_through_differentiable_steps(name):
    def gradient(module):
        start = module.tensor([1.0, -2.0], dtype=module.float64, requires_grad=True)
        p = start.clone()
        optimizer = getattr(module.optim, name)([p], lr=0.1, differentiable=True)
        for _ in range(3):
            p.grad = 2 * p + p.clone().cos()
            optimizer.step()
        (p * p).sum().backward()
        return start.grad.numpy()

    np.testing.assert_allclose(gradient(flambeau), gradient(torch), rtol=2e-4)


SCHEDULERS = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda e: 0.9**e),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.9 + 0.01 * e),
    "StepLR": lambda s, o: s.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 5, 5], 0.5),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.5, 4),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.25, 0.75, 4),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 6, 2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 4, 0.01),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 2, 3),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 2, 3, mode="exp_range", gamma=0.9),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, [0.1, 0.2], total_steps=30, three_phase=True),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.5, 3), s.CosineAnnealingLR(o, 4), s.ExponentialLR(o, 0.9)], [4, 9]
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.5, 3), s.ExponentialLR(o, 0.9)]
    ),
    "ReduceLROnPlateau": lambda s, o: s.ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=1),
}
LOSSES = [3, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.9, 0.9]


def rates(module, name, saved=None, epochs=20):
    params = [module.nn.Parameter(module.zeros(2)) for _ in range(2)]
    optimizer = module.optim.SGD(
        [{"params": params[:1]}, {"params": params[1:], "lr": 0.2}], lr=0.1, momentum=0.9
    )
    scheduler = SCHEDULERS[name](module.optim.lr_scheduler, optimizer)
    if saved is not None:
        optimizer.load_state_dict(saved[0])
        scheduler.load_state_dict(saved[1])
    found = []
    for epoch in range(epochs):
        optimizer.step()
        scheduler.step(*[LOSSES[epoch]] * (name == "ReduceLROnPlateau"))
        found.append([(g["lr"], g["momentum"]) for g in optimizer.param_groups])
    return np.array(found), optimizer.state_dict(), scheduler.state_dict()


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_rates_are_the_same(name):
    np.testing.assert_allclose(rates(flambeau, name)[0], rates(torch, name)[0], rtol=1e-12)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_scheduler_state_goes_both_ways(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, *theirs = rates(torch, name, epochs=7)
        _, *ours = rates(flambeau, name, epochs=7)
        assert set(theirs[1]) <= {*ours[1], "_scale_fn_ref"}
        expected = rates(torch, name, copy.deepcopy(theirs), 9)[0]
        np.testing.assert_allclose(
            rates(flambeau, name, copy.deepcopy(theirs), 9)[0], expected, rtol=1e-12
        )
        np.testing.assert_allclose(
            rates(torch, name, copy.deepcopy(ours), 9)[0], expected, rtol=1e-12
        )


def met_before(i: int, j: int, n: int) -> int:
    """How many of `n` places PyTorch's product adds before places `i` and `j` meet: they are lost beside a large number."""
    x = torch.ones(n, dtype=torch.float64)
    x[i], x[j] = 2.0**80, -(2.0**80)
    return n - int(x.dot(torch.ones(n, dtype=torch.float64)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_vectors_of_lbfgs_are_added_in_pytorchs_order(dtype):
    from flambeau.backends.cpu import available
    from flambeau.optim import inner

    if not available():
        pytest.skip("no C compiler on this machine")
    if (met_before(0, 8, 24), met_before(0, 2, 24), met_before(0, 1, 24)) != (2, 6, 24):
        pytest.skip("PyTorch's library adds in another order on this processor")
    for n in [*range(1, 70), 255, 1000, 2048]:
        x, y = rng.standard_normal(n).astype(dtype), rng.standard_normal(n).astype(dtype)
        ours, theirs = flambeau.from_numpy(x.copy()), torch.from_numpy(x.copy())
        assert inner.dot(ours, flambeau.from_numpy(y)).item() == theirs.dot(torch.from_numpy(y)).item()  # fmt: skip
        assert inner.sizes(ours).item() == theirs.abs().sum().item()
        inner.add_scaled(ours, flambeau.from_numpy(y), 0.3)
        np.testing.assert_array_equal(ours.numpy(), theirs.add_(torch.from_numpy(y), alpha=0.3))
