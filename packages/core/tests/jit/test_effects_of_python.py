"""What a compiled function does besides computing is done at every call: such a function is no one program."""

from __future__ import annotations

import collections
import itertools
import logging
import os
import random
import time
import types

import numpy as np
import pytest

import flambeau
from flambeau import nn

LOG = logging.getLogger("flambeau.tests")
TOTAL = 0


class Remembering(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.last = nn.Linear(3, 3), None

    def forward(self, x):
        self.last = self.layer(x)
        return self.last * 2


class Slotted:
    __slots__ = ("__hidden", "calls")

    def count(self):
        self.__hidden = getattr(self, "_Slotted__hidden", 0) + 1
        return self.__hidden


class Counting:
    calls = 0


def numbers():
    yield from range(1, 100)


def of_iterator(make):
    def made():
        it = make()
        return lambda x: x * next(it)

    return made


def batches():
    loader = flambeau.utils.data.DataLoader(flambeau.arange(30.0).view(10, 3), batch_size=1)
    it = iter(loader)
    return lambda x: x + next(it)[0]


def list_outside():
    seen = []

    def f(x):
        seen.append(x.sum() * 1)
        return x * len(seen)

    return f


def dict_outside():
    seen = {}

    def f(x):
        seen[len(seen)] = x
        return x * len(seen)

    return f


def slot():
    thing = Slotted()
    thing.calls = 0

    def f(x):
        thing.calls += 1
        return x * thing.calls

    return f


def private_slot():
    thing = Slotted()
    return lambda x: x * thing.count()


def class_attribute():
    Counting.calls = 0

    def f(x):
        Counting.calls += 1
        return x * Counting.calls

    return f


def a_global():
    global TOTAL
    TOTAL = 0

    def f(x):
        global TOTAL
        TOTAL += 1
        return x * TOTAL

    return f


def variable_around():
    total = 0

    def f(x):
        nonlocal total
        total += 1
        return x * total

    return f


def queue():
    waiting = collections.deque([1, 2, 3, 4])

    def f(x):
        waiting.rotate(1)
        return x * waiting[0]

    return f


def state_of_a_cell():
    state = types.SimpleNamespace(h=flambeau.zeros(3))

    def f(x):
        state.h = state.h * 0.5 + x
        return state.h * 1

    return f


def own_dice():
    dice = random.Random(1)
    return lambda x: x * dice.random()


def numpys_dice():
    dice = np.random.default_rng(1)
    return lambda x: x * dice.random()


def list_given():
    kept = []

    def f(x, y=kept):
        y.append(1)
        return x * len(y)

    return f


@pytest.mark.parametrize(
    "make",
    [
        of_iterator(numbers), of_iterator(itertools.count), of_iterator(lambda: iter(list(range(20)))), batches, list_outside,
        dict_outside, slot, private_slot, class_attribute, a_global, variable_around, queue, state_of_a_cell, own_dice, numpys_dice, list_given,
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:flambeau.compile")
def test_it_is_done_at_every_call(make):
    x = flambeau.arange(3.0) + 1
    function = make()
    expected = [function(x).tolist() for _ in range(6)]
    compiled = flambeau.compile(make())
    assert [compiled(x).tolist() for _ in range(6)] == expected


@pytest.mark.filterwarnings("ignore:flambeau.compile")
def test_what_a_module_remembers_is_this_calls():
    module = Remembering()
    compiled = flambeau.compile(module)
    for i in range(5):
        x = flambeau.full((2, 3), float(i))
        compiled(x)
        assert flambeau.allclose(module.last, module.layer(x))


@pytest.mark.filterwarnings("ignore:flambeau.compile")
def test_lists_and_dicts_among_the_arguments_are_the_callers():
    def f(x, cache, names):
        cache["k"] = flambeau.cat([cache["k"], x]) if "k" in cache else x * 1
        cache["inner"].append(len(cache["inner"]))
        names += ["n"]
        return cache["k"].sum() * len(names)

    for requires_grad in (False, True):
        made = []
        for g in (f, flambeau.compile(f)):
            cache, names = {"inner": []}, []
            x = flambeau.ones(3, requires_grad=requires_grad)
            made.append([g(x, cache, names).item() for _ in range(5)])
            made[-1] += [len(cache["k"]), cache["inner"], names, cache["k"].requires_grad]
        assert made[0] == made[1]


@pytest.mark.parametrize(
    "speak",
    [
        lambda x: print("x"), lambda x: LOG.warning("x"), lambda x: time.perf_counter(), lambda x: os.environ.get("HOME"),
        lambda x: open(os.devnull).close(), lambda x: os.getpid(), lambda x: np.random.default_rng().random(),
    ],
)  # fmt: skip
def test_output_clocks_and_files_are_no_part_of_programs(speak, capsys, caplog):
    def f(x):
        speak(x)
        return x * 2

    with pytest.raises(flambeau.jit.Broken, match=r"does more than compute: a call of .*\(.*test_effects_of_python"):  # fmt: skip
        flambeau.compile(f, fullgraph=True)(flambeau.ones(2))


def test_what_is_made_at_the_first_call_is_kept_without_a_word():
    class Cached(nn.Module):
        table = None

        def forward(self, x):
            if self.table is None:
                self.table = flambeau.arange(3.0)
            return x * self.table

    compiled = flambeau.compile(Cached(), fullgraph=True)
    for _ in range(4):
        assert compiled(flambeau.ones(3)).tolist() == [0, 1, 2]


@pytest.mark.filterwarnings("ignore:flambeau.compile")
def test_an_object_of_the_users_is_made_anew_at_every_call():
    class Output:
        def __init__(self, y):
            self.y = y

    compiled = flambeau.compile(lambda x: Output(x * 2))
    first, second = compiled(flambeau.ones(1)), compiled(flambeau.zeros(1))
    assert first is not second and (first.y.item(), second.y.item()) == (2, 0)
