"""Containers behave as Python's lists and dictionaries, and number their members."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import flambeau
from flambeau import nn


def test_sequential_as_a_list() -> None:
    a, b, c = nn.ReLU(), nn.Tanh(), nn.Sigmoid()
    net = nn.Sequential(a, b)
    net.append(c)
    assert list(net) == [a, b, c] and net[-1] is c and list(net[1:]) == [b, c]
    net.insert(0, c)
    assert list(net) == [c, a, b, c] and [n for n, _ in net.named_children()][:2] == ["0", "1"]
    assert net.pop(0) is c and len(net) == 3
    del net[1]
    assert list(net._modules) == ["0", "1"] and list(net) == [a, c]
    net[0] = b
    assert list(net + nn.Sequential(a)) == [b, c, a]
    assert len(net * 3) == 6
    with pytest.raises(IndexError, match="index 5 is out of range"):
        net[5]
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        nn.Sequential(1)


def test_sequential_by_name() -> None:
    net = nn.Sequential(OrderedDict(first=nn.Linear(1, 1), act=nn.ReLU()))
    assert list(net.state_dict()) == ["first.weight", "first.bias"]
    assert isinstance(net.act, nn.ReLU) and list(net[:1]._modules) == ["first"]


def test_module_list_and_dict() -> None:
    layers = nn.ModuleList([nn.ReLU()])
    layers += [nn.Tanh(), nn.Linear(1, 1)]
    layers.insert(1, nn.Sigmoid())
    assert [type(m).__name__ for m in layers] == ["ReLU", "Sigmoid", "Tanh", "Linear"]
    del layers[0:2]
    assert list(layers.state_dict()) == ["1.weight", "1.bias"]
    named = nn.ModuleDict([("a", nn.ReLU())])
    named.update({"b": nn.Linear(1, 1)})
    assert list(named) == ["a", "b"] and "b" in named and named.pop("a") and len(named) == 1
    with pytest.raises(NotImplementedError):
        layers(1)


def test_parameter_list_and_dict() -> None:
    many = nn.ParameterList([flambeau.ones(2), nn.Parameter(flambeau.zeros(1))])
    many.append("text")
    assert many[0].requires_grad and many[2] == "text" and len(list(many.parameters())) == 2
    assert list(many.state_dict()) == ["0", "1"]
    named = nn.ParameterDict({"a": flambeau.ones(1)})
    named["b"] = nn.Parameter(flambeau.ones(2))
    merged = named | nn.ParameterDict({"c": flambeau.ones(3)})
    assert list(merged) == ["a", "b", "c"] and merged.get("z") is None
    assert named.popitem()[0] == "b" and list(named.state_dict()) == ["a"]
    with pytest.raises(RuntimeError, match="should not be called"):
        many()
