"""Tensors that a compiled function makes itself and then writes into, before and after an optimizer's step: as eagerly, call after call."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import nn, optim
from flambeau.testing import assert_close

MADE = {
    "full": lambda x: flambeau.full((5,), 1.0),
    "a row of full": lambda x: flambeau.full((1, 5), 1.0)[0],
    "empty, filled": lambda x: flambeau.empty(5).fill_(0.0),
    "a column of filled": lambda x: flambeau.ones(5, 2).fill_(3.0)[:, 0],
    "numbers": lambda x: flambeau.tensor([1.0, 0.0, 1.0, 1.0, 2.0]),
    "a row of numbers": lambda x: flambeau.tensor([[1.0, 0.0, 1.0, 1.0, 2.0]])[0],
    "expanded": lambda x: flambeau.ones(1).expand(5).clone(),
    "a row of the argument": lambda x: x[0].detach().clone(),
}


def element(t):
    t[2] = 5.0


def view(t):
    part = t[1:3]
    part.mul_(2.0).add_(1.0)


def twice(t):
    t.fill_(1.0)
    t[0] = 3.0
    t.fill_(2.0)


def add(t):
    t += 1


def same_as_eagerly(make):
    results = []
    for way in (lambda f: f, flambeau.compile):
        flambeau.manual_seed(0)
        step = way(make())
        calls = [step(flambeau.randn(5, 5)) for _ in range(5)]
        results.append([[t.detach().clone() for t in call] for call in calls])
    assert_close(results[1], results[0])


@pytest.mark.parametrize("write", [element, view, twice, add])
@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_written_after_an_optimizers_step(made, write):
    def make():
        model = nn.Linear(5, 1)
        optimizer = optim.SGD(model.parameters(), 0.1)

        def trained(x, label):
            loss = (model(x).view(-1) - label).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        def step(x):
            label = made(x)
            first = trained(x, label)
            write(label)
            return first, trained(x, label), label.sum()

        return step

    same_as_eagerly(make)


@pytest.mark.parametrize("write", [element, view, twice, add])
@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_written_in_one_stretch(made, write):
    def make():
        def step(x):
            label = made(x)
            first = x * label
            write(label)
            return first, x + label

        return step

    same_as_eagerly(make)


@pytest.mark.parametrize(
    "look", [lambda t: t, lambda t: t.unsqueeze(0), lambda t: t.view(5, 1).t()]
)
def test_a_filled_result_is_the_callers_own(look):
    step = flambeau.compile(lambda x: (x + 1, look(flambeau.full((5,), 1.0))))
    for _ in range(5):
        _, filled = step(flambeau.ones(2))
        assert_close(filled, look(flambeau.ones(5)))
        filled.fill_(7.0)


@pytest.mark.parametrize("dtype", [flambeau.float32, flambeau.float64, flambeau.int64])
@pytest.mark.parametrize("numbers", [(-1e9, 0.0), (5, 0), (1, 0), (0, 1), (2.5, 0.5)])
def test_a_choice_between_two_numbers(numbers, dtype):
    if not dtype.is_floating_point:
        numbers = tuple(map(int, numbers))

    def choose(mask):
        a, b = (flambeau.tensor(n, dtype=dtype) for n in numbers)
        return flambeau.where(mask, a, b), flambeau.where(mask, *numbers)

    compiled = flambeau.compile(choose)
    for i in range(4):
        mask = flambeau.arange(12).view(3, 4) % (i + 2) == 0
        assert_close(compiled(mask), choose(mask))


def test_a_choice_of_minus_infinity():
    compiled = flambeau.compile(
        lambda mask: flambeau.where(mask, -flambeau.inf, flambeau.zeros(()))
    )
    for _ in range(4):
        mask = flambeau.rand(3, 4) > 0.5
        expected = flambeau.zeros(3, 4).masked_fill_(mask, -flambeau.inf)
        assert_close(compiled(mask), expected)
