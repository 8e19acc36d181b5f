"""Programs depend on all code that a call has run, however it was found, and on which objects they were given."""

from __future__ import annotations

import dataclasses
import functools
import types

import numpy as np
import pytest

import flambeau
from flambeau import nn

SCALE = 2.0


class Act:
    def __init__(self):
        self.scale = SCALE

    def __call__(self, x):
        return x * self.scale

    @classmethod
    def make(cls):
        return cls()


class Derived(Act):
    pass


class Holder:
    act = Act


class Meta(type):
    def __call__(cls, *args):
        made = super().__call__(*args)
        made.scale = SCALE
        return made


class Made(metaclass=Meta):
    pass


@dataclasses.dataclass
class Config:
    n: int = 1

    def __post_init__(self):
        self.scale = SCALE * self.n


TABLE = {"act": Act}
CONFIG, DERIVED, HOLDER, PARTIAL = Config(), Derived(), Holder(), functools.partial(Act)
WAYS = {
    "by name": lambda x: Act()(x),
    "out of a table": lambda x: TABLE["act"]()(x),
    "by a class method": lambda x: DERIVED.make()(x),
    "of an object": lambda x: type(DERIVED)()(x),
    "by __class__": lambda x: DERIVED.__class__()(x),
    "replaced": lambda x: x * dataclasses.replace(CONFIG, n=2).scale,
    "partial": lambda x: PARTIAL()(x),
    "in an object's class": lambda x: HOLDER.act()(x),
    "in a class": lambda x: Holder.act()(x),
    "metaclass": lambda x: x * Made().scale,
    "default": lambda x, acts=(Act,): acts[0]()(x),
    "of a base": lambda x: Derived.make()(x),
    "in a comprehension": lambda x: sum(act()(x) for act in TABLE.values()),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_global_behind_a_class(way, monkeypatch):
    step, x = WAYS[way], flambeau.ones(2)
    compiled = flambeau.compile(step)
    for value in (2.0, 2.0, 5.0, 5.0, 2.0):
        monkeypatch.setitem(globals(), "SCALE", value)
        assert compiled(x).tolist() == step(x).tolist()


class Net(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, x):
        return x * self.k


class Times:
    def __init__(self, k):
        self.k = k

    def __call__(self, x):
        return x * self.k


class Plus(Times):
    def __call__(self, x):
        return x + self.k


def closure(k):
    return lambda x: x * k


# Each is made for one call and gone after it: the next may lie at its place in memory.
GIVEN = {
    "function": lambda k: eval(f"lambda x: x * {k}"),
    "closure": closure,
    "default": lambda k: lambda x, k=k: x * k,
    "module": Net,
    "object": Times,
    "class": lambda k: (Times, Plus)[k % 2](3),
    "partial": lambda k: functools.partial(lambda x, k: x * k, k=k),
    "function in a list": lambda k: [eval(f"lambda x: x * {k}")],
    "bound": lambda k: Times(k).__call__,
    "array": lambda k: np.full(5000, float(k)),
    "long list": lambda k: [k] * 3000,
    "zero of either sign": lambda k: (0.0, -0.0)[k % 2],
}


def called(x, given):
    if isinstance(given, float):
        return x / flambeau.tensor(given)
    if isinstance(given, np.ndarray):
        return x * float(given.max())
    if isinstance(given, list):
        return given[0](x) if callable(given[0]) else x * given[0]
    return given(x) + 1


@pytest.mark.parametrize("make", GIVEN.values(), ids=GIVEN)
def test_what_is_given_anew_at_each_call(make):
    compiled, x = flambeau.compile(called), flambeau.ones(2)
    for k in range(6):
        assert compiled(x, make(k)).tolist() == called(x, make(k)).tolist()


def test_functions_that_hold_on_to_the_same_are_one():
    compiled, x = flambeau.compile(called, fullgraph=True), flambeau.ones(2)
    for _ in range(40):  # more than there may be programs
        assert compiled(x, lambda x: x * 3).tolist() == [4, 4]
        assert compiled(x, closure(5)).tolist() == [6, 6]
    assert len(compiled._plans) == 2


class Patched:
    act = None

    def method(self, x):
        return x


PATCHED, SETTINGS = Patched(), types.ModuleType("settings_of_the_test")
SETTINGS.table, SETTINGS.object, SETTINGS.reference = {"k": 1}, Times(1), flambeau.zeros(1)


def patch_static(k):
    Patched.act = staticmethod(eval(f"lambda x: x * {k}"))


def patch_method(k):
    Patched.method = eval(f"lambda self, x: x * {k}")


def set_table(k):
    SETTINGS.table["k"] = k


def set_object(k):
    SETTINGS.object.k = k


def set_reference(k):
    SETTINGS.reference = None  # its place in memory is free
    SETTINGS.reference = flambeau.zeros(k + 1)


def set_builtin(k):
    SETTINGS.function = (min, max, sum)[k % 3]


@pytest.mark.parametrize(
    "set_to, step",
    [
        (patch_static, lambda x: Patched.act(x)),
        (patch_method, lambda x: PATCHED.method(x)),
        (set_table, lambda x: x * SETTINGS.table["k"]),
        (set_object, lambda x: SETTINGS.object(x)),
        (set_reference, lambda x: x * SETTINGS.reference.shape[0]),
        (set_builtin, lambda x: x * SETTINGS.function((1, 2, 3))),
    ],
)
def test_what_is_set_from_outside(set_to, step):
    compiled, x = flambeau.compile(step), flambeau.ones(2)
    for k in (0, 1, 1, 2, 3, 4, 5, 1):
        set_to(k)
        assert compiled(x).tolist() == step(x).tolist()


def test_what_is_defined_after_the_compiled_function():
    scope = {"flambeau": flambeau}
    exec("def step(x): return helper(x) * LATER", scope)
    compiled, x = flambeau.compile(scope["step"]), flambeau.ones(2)
    exec("INNER = 1\ndef helper(x): return x + INNER", scope)
    for value in (2.0, 3.0, 3.0):
        scope["LATER"] = value
        assert compiled(x).tolist() == scope["step"](x).tolist()
        scope["INNER"] = value
        assert compiled(x).tolist() == scope["step"](x).tolist()
    scope["helper"] = given = Times(2)
    for value in (2, 3):
        given.k = value
        assert compiled(x).tolist() == scope["step"](x).tolist()


def test_of_many_functions_with_one_code_those_that_ran_are_looked_into():
    """A factory has made thousands; the step calls one of them, through a table that is filled later."""
    others, table, kept = [closure([k]) for k in range(3000)], {}, [2.0]

    def factory(held):
        return lambda x: x * held[0]

    many, x = [factory([k]) for k in range(3000)], flambeau.ones(2)
    compiled = flambeau.compile(lambda x: table["act"](x))
    table["act"] = factory(kept)
    for value in (2.0, 2.0, 3.0, 3.0):
        kept[0] = value
        assert compiled(x).tolist() == [value] * 2
    assert len(compiled._surroundings) < 10 and len(others) == len(many)


def test_a_function_whose_attributes_lead_back_to_it():
    def act(x):
        return x * act.k

    act.itself, act.k, act.table = act, 1.0, {"act": act}
    x = flambeau.ones(2)
    steps = (lambda x: act(x), lambda x, given=(act,): given[0](x), act)
    for step in steps:
        compiled = flambeau.compile(step)
        for act.k in (1.0, 1.0, 3.0):
            assert compiled(x).tolist() == [act.k] * 2
