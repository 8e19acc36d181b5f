"""What a compiled function looks at besides its arguments is seen to change, wherever it stands."""

from __future__ import annotations

import collections
import dataclasses
import functools
import types

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.jit.guards import surroundings
from flambeau.testing import assert_close

SCALE, TABLE = 1, {"scale": 1}


class Config:
    scale = 1


class Slotted:
    __slots__ = ("__hidden", "scale")

    def set(self, i):
        self.scale = self.__hidden = i

    def get(self):
        return self.scale + self.__hidden


class Helping:
    factor = 1

    def helper(self, x):
        return x * TABLE["scale"]

    def step(self, x):
        return self.helper(x)

    @property
    def scale(self):
        return SCALE

    def __call__(self, x):
        return x * self.factor


class Module(nn.Module):
    factor = 1

    def __init__(self, function=None):
        super().__init__()
        self.function = function

    def helper(self, x):
        return x * SCALE

    def forward(self, x):
        x = self.helper(x) * self.factor
        return x if self.function is None else self.function(x)


@dataclasses.dataclass
class Record:
    parts: list = dataclasses.field(default_factory=lambda: [0])


def set_global(i):
    global SCALE
    SCALE = i


def class_attribute():
    return lambda x: x * Config.scale, lambda i: setattr(Config, "scale", i)


def class_attribute_of_self():
    return Helping().__call__, lambda i: setattr(Helping, "factor", i)


def class_attribute_of_a_module():
    module = Module()
    return lambda x: module(x), lambda i: setattr(Module, "factor", i)


def global_in_a_helper():
    return Helping().step, lambda i: TABLE.update(scale=i)


def global_in_a_helper_of_a_module():
    module = Module()
    return lambda x: module(x), set_global


def global_in_a_property():
    thing = Helping()
    return lambda x: x * thing.scale, set_global


def slots():
    thing = Slotted()
    thing.set(0)
    return lambda x: x * thing.get(), thing.set


def queue():
    numbers = collections.deque([1], 3)
    return lambda x: x * numbers[-1], numbers.append


def members_of_a_set():
    members = set()
    return lambda x: x * len(members), members.add


def far_down():
    tree = {"a": [{"b": ({"c": [{"d": 1}]},)}]}
    return lambda x: x * tree["a"][0]["b"][0]["c"][0]["d"], lambda i: tree["a"][0]["b"][0]["c"][0].update(d=i)  # fmt: skip


def circle():
    a, b = types.SimpleNamespace(k=1), types.SimpleNamespace(k=1)
    a.other, b.other = b, a
    return lambda x: x * a.other.other.other.k, lambda i: setattr(b, "k", i)


def numpy_array():
    array = np.ones(3, "f")
    return lambda x: x * flambeau.tensor(array) + float(array[0]), lambda i: array.fill(i)


def partial_function():
    numbers = [1]
    double = functools.partial(lambda x: x * numbers[0])
    return lambda x: double(x), lambda i: numbers.__setitem__(0, i)


def function_in_a_dict():
    numbers = [1]
    table = {"f": lambda x: x * numbers[0]}
    return lambda x: table["f"](x), lambda i: numbers.__setitem__(0, i)


def function_in_a_module():
    numbers = [1]
    module = Module(lambda x: x * numbers[0])
    return lambda x: module(x), lambda i: numbers.__setitem__(0, i)


def method_in_an_attribute():
    holder = types.SimpleNamespace(f=Helping().step)
    return lambda x: holder.f(x), lambda i: TABLE.update(scale=i)


def function_of_another_file():
    other = types.ModuleType("other")
    other.scale = 1
    exec("def f(x): return x * scale", other.__dict__)
    return lambda x: other.f(x), lambda i: setattr(other, "scale", i)


def dataclass():
    record = Record()
    return lambda x: x * sum(record.parts), record.parts.append


def method_replaced():
    module = Module()

    def change(i):
        Module.helper = lambda self, x: x * (i + 1)

    return lambda x: module(x), change


@pytest.mark.parametrize(
    "make",
    [
        class_attribute, class_attribute_of_self, class_attribute_of_a_module, global_in_a_helper, global_in_a_helper_of_a_module,
        global_in_a_property, slots, queue, members_of_a_set, far_down, circle, numpy_array, partial_function, function_in_a_dict,
        function_in_a_module, method_in_an_attribute, function_of_another_file, dataclass, method_replaced,
    ],
)  # fmt: skip
def test_a_change_is_seen(make, monkeypatch):
    monkeypatch.setattr(Config, "scale", 1)
    monkeypatch.setattr(Helping, "factor", 1)
    monkeypatch.setattr(Module, "factor", 1)
    monkeypatch.setattr(Module, "helper", Module.helper)
    monkeypatch.setitem(TABLE, "scale", 1)
    set_global(1)
    function, change = make()
    compiled = flambeau.compile(function)
    x = flambeau.arange(3.0)
    for i in (2, 3, 3, 5, 2):
        change(i)
        assert compiled(x).tolist() == function(x).tolist()
    assert flambeau.jit.explain(compiled).count("eager, because") == 0


def test_attributes_that_nobody_names_are_not_looked_at():
    thing = types.SimpleNamespace(scale=2.0, other=0)
    compiled = flambeau.compile(lambda x: x * thing.scale)
    named = flambeau.compile(lambda x: x * getattr(thing, "sca" + "le"))
    for i in range(3):
        thing.other, thing.scale = i, float(i // 2 + 2)
        for f in (compiled, named):
            assert f(flambeau.ones(1)).item() == thing.scale
    assert len(compiled._plans) == 2 and len(named._plans) == 3


def test_functions_that_bear_the_names_of_others():
    """`functools.wraps` gives a function the module of another: whose it is, is where it was written."""
    kept = [2.0]

    @functools.wraps(nn.functional.relu)
    def scaled(x):
        return nn.functional.relu(x) * kept[0]

    class Wrapping:
        def __init__(self, function):
            functools.update_wrapper(self, function)
            self.function, self.factor = function, 3.0

        def __call__(self, x):
            return self.function(x) * self.factor

    wrapping, x = Wrapping(scaled), flambeau.ones(3)
    for step in (lambda x: scaled(x) + 1, lambda x: wrapping(x) + 1):
        compiled, kept[0] = flambeau.compile(step), 2.0
        for value in (2.0, 2.0, 5.0, 1.0):
            kept[0] = value
            assert_close(compiled(x), step(x))
    for value in (4.0, 6.0):
        wrapping.factor = value
        assert_close(compiled(x), step(x))


def test_an_assert_is_not_the_business_of_what_rewrote_it():
    """pytest puts its own functions into asserts: its settings, which change while it runs, are none of a program's."""

    def step(x):
        assert x.shape[0] < 40, "too long"
        return x * 2

    assert surroundings(step) == []
