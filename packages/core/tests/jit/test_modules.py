"""Compiled methods and compiled modules: whose programs they are, and what copies, files and other modules see of them."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import pytest

import flambeau
from flambeau import nn
from flambeau.testing import assert_close


class Scale:
    factor = 3.0

    def __init__(self, k):
        self.k = k

    @flambeau.compile
    def __call__(self, x):
        return x * self.k

    @flambeau.compile(fullgraph=True)
    def shifted(self, x, by=1.0):
        """Scaled, and then some."""
        return x * self.k + by

    @classmethod
    @flambeau.compile
    def of_class(cls, x):
        return x * cls.factor

    @staticmethod
    @flambeau.compile
    def plain(x):
        return x + 1


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    @flambeau.compile(fullgraph=True)
    def forward(self, x):
        return self.layer(x).relu() if self.training else self.layer(x)


class Slots:
    __slots__ = ("k",)

    @flambeau.compile
    def scaled(self, x):
        return x * self.k


@flambeau.compile
def known(x):
    return x + 1


def pickled(x):
    return pickle.loads(pickle.dumps(x))


def test_objects_have_programs_of_their_own():
    a, b, x = Scale(2.0), Scale(5.0), flambeau.ones(2)
    for _ in range(2):
        assert a.shifted(x).tolist() == [3, 3] and b.shifted(x, by=0.0).tolist() == [5, 5]
        assert a(x).tolist() == [2, 2]
    assert "1 programs" in repr(a.shifted) and "0 programs" in repr(Scale.shifted)
    assert a.shifted.__doc__ == "Scaled, and then some." and a.shifted is a.shifted
    a.k = 7.0
    assert a.shifted(x).tolist() == [8, 8] and "2 programs" in repr(a.shifted)
    assert Scale.shifted(b, x).tolist() == [6, 6]
    assert Scale.of_class(x).tolist() == a.of_class(x).tolist() == [3, 3]
    assert Scale.plain(x).tolist() == a.plain(x).tolist() == [2, 2]


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickled])
def test_copies_of_objects_are_others(way):
    a, x = Scale(2.0), flambeau.ones(2)
    a.shifted(x)
    b = way(a)
    b.k = 9.0
    assert b.shifted(x).tolist() == [10, 10] and a.shifted(x).tolist() == [3, 3]


def test_programs_of_an_object_go_with_it():
    a = Scale(2.0)
    a.shifted(flambeau.ones(2))
    gone = weakref.ref(a)
    del a
    gc.collect()
    assert gone() is None


def test_a_compiled_forward():
    net, x = Net(), flambeau.ones(1, 2)
    for _ in range(2):
        assert_close(net(x), net.layer(x).relu())
    other = copy.deepcopy(net)
    with flambeau.no_grad():
        other.layer.weight.zero_()
    assert_close(other.eval()(x), other.layer.bias[None])
    assert_close(net.eval()(x), net.layer(x))
    assert list(net.state_dict()) == ["layer.weight", "layer.bias"]


def test_objects_without_a_dict_run_eagerly():
    s, x = Slots(), flambeau.ones(2)
    s.k = 2.0
    with pytest.warns(UserWarning, match="a Slots has no __dict__"):
        assert s.scaled(x).tolist() == [2, 2]
    s.k = 3.0
    assert s.scaled(x).tolist() == [3, 3]


def test_compiling_a_module_in_place():
    net, x = nn.Sequential(nn.Linear(2, 2), nn.Tanh()), flambeau.ones(1, 2)
    wanted = net(x)
    net.compile(fullgraph=True)
    for _ in range(2):
        assert_close(net(x), wanted)
    assert "1 programs" in repr(net._compiled_call_impl)
    assert_close(copy.deepcopy(net)(x), wanted)


def test_functions_are_copied_by_name_or_without_programs():
    assert copy.deepcopy(known) is known and pickled(known) is known
    f = flambeau.compile(lambda x: x * 2, recompile_limit=3, fullgraph=True)
    f(flambeau.ones(2))
    g = copy.deepcopy(f)
    assert "0 programs" in repr(g) and g._limit == 3 and g._fullgraph
    assert g(flambeau.ones(2)).tolist() == [2, 2]


class Doubled(nn.Module):
    """Overrides what a compiled module passes on."""

    def __init__(self):
        super().__init__()
        self.inner, self.modes = nn.Linear(2, 1), []
        self.register_buffer("count", flambeau.zeros(1))

    def forward(self, x):
        return self.inner(x) * 2

    def train(self, mode=True):
        self.modes = [*self.modes, mode]
        return super().train(mode)

    def helper(self):
        return "helped"


def test_a_compiled_module_is_a_module():
    model, x = Doubled(), flambeau.ones(1, 2)
    compiled = flambeau.compile(model)
    assert isinstance(compiled, nn.Module) and compiled._orig_mod is model
    for _ in range(2):
        assert_close(compiled(x), model(x))
        assert_close(compiled.forward(x), model(x))
    assert list(compiled.state_dict()) == ["count", "inner.weight", "inner.bias"]
    assert [*map(id, compiled.parameters())] == [*map(id, model.parameters())]
    assert compiled.eval() is compiled and model.modes == [False] and not model.training
    assert compiled.helper() == "helped" and "helper" in dir(compiled)
    compiled.extra = 3
    assert model.extra == 3 and compiled.extra == 3
    del compiled.extra
    assert not hasattr(model, "extra")
    assert (
        compiled.to(flambeau.float64) is compiled and model.inner.weight.dtype is flambeau.float64
    )
    compiled.load_state_dict(Doubled().double().state_dict())
    assert_close(compiled(x.double()), model(x.double()))
    assert "(_orig_mod): Doubled" in repr(compiled)
    assert flambeau.compile(compiled)._orig_mod is model
    assert flambeau.compiler.disable(compiled) is model
    with pytest.raises(AttributeError, match="'Doubled' object has no attribute 'nothing'"):
        _ = compiled.nothing


def test_a_compiled_module_is_a_part_of_others():
    part = flambeau.compile(Doubled())
    whole, x = nn.Sequential(nn.Linear(2, 2), part), flambeau.ones(1, 2)
    assert [n for n, _ in whole.named_parameters()][2:] == ["1.inner.weight", "1.inner.bias"]
    assert list(whole.state_dict())[2:] == ["1.count", "1.inner.weight", "1.inner.bias"]
    whole(x).sum().backward()
    assert part._orig_mod.inner.weight.grad is not None
    whole.eval()
    assert not part.training and part.modes == [False]
    again = nn.Sequential(nn.Linear(2, 2), flambeau.compile(Doubled()))
    again.load_state_dict(whole.state_dict())
    assert_close(again(x), whole(x))
    both = flambeau.compile(whole, fullgraph=True)
    assert_close(both(x), whole(x))
    with flambeau.no_grad():
        part.inner.bias.add_(1)
    assert_close(both(x), whole(x))
    whole.double()
    assert part._orig_mod.count.dtype is flambeau.float64


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickled])
def test_copies_of_compiled_modules(way):
    compiled, x = flambeau.compile(Doubled(), fullgraph=True), flambeau.ones(1, 2)
    wanted = compiled(x)
    again = way(compiled)
    assert isinstance(again, type(compiled)) and again._fullgraph
    assert bool(again._plans) is (way is copy.copy)
    assert (again._orig_mod is compiled._orig_mod) is (way is copy.copy)
    assert_close(again(x), wanted)
    whole = way(nn.Sequential(compiled))
    assert_close(whole(x), wanted)
    if way is not copy.copy:
        with flambeau.no_grad():
            again.inner.weight.zero_()
        assert_close(compiled(x), wanted)


def test_exports_and_scripts_take_what_was_compiled():
    compiled, x = flambeau.compile(Doubled().eval()), flambeau.ones(1, 2)
    program = flambeau.export.export(compiled, (x,))
    assert program.graph_signature.user_inputs == ("x",)
    for made in (program.module(), flambeau.jit.trace(compiled, x), flambeau.jit.script(compiled)):
        assert_close(made(x), compiled(x))
