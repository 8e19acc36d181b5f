"""Tracing: what a program holds, how it prints, and that the printed text runs."""

from __future__ import annotations

import pytest

import flambeau
from flambeau.graph import Graph
from flambeau.graph.passes import simplify
from flambeau.runtime.dispatch import apply
from flambeau.runtime.operator import registry
from flambeau.testing import assert_close
from flambeau.transforms.trace import trace


class Operators:
    """`ops` in a printed program: tensors by position, static arguments by keyword, as rules take them."""

    def __getattr__(self, name):
        return lambda *arrays, **attrs: apply(registry[name], arrays, attrs)


def run_text(graph: Graph, *inputs):
    """What the printed program gives."""
    scope = {
        "ops": Operators(),
        "flambeau": flambeau,
        "inf": float("inf"),
        "nan": float("nan"),
        "device": flambeau.device,
    }
    exec(graph.text(), scope)
    given = [*inputs, *(v.tensor for v in graph.captured), *(v.tensor for v in graph.constants)]
    made = scope["program"](*given)
    return made if isinstance(made, tuple) else (made,)


MODEL = flambeau.nn.Sequential(
    flambeau.nn.Linear(3, 4), flambeau.nn.ReLU(), flambeau.nn.LayerNorm(4), flambeau.nn.Linear(4, 2)
)
PROGRAMS = {
    "arithmetic": lambda x: (x * 2 + 1) / (x.abs() + 1) ** 2,
    "reduction": lambda x: (x - x.mean(1, keepdim=True)).pow(2).sum() / x.numel(),
    "shapes": lambda x: flambeau.cat([x.t().reshape(-1), x.flatten()[2:5]]).unsqueeze(0),
    "indexing": lambda x: x[flambeau.tensor([1, 0])][:, flambeau.tensor([0, 2])],
    "several": lambda x: x.sort(1),
    "choice": lambda x: flambeau.where(x > 0, x, -0.5).softmax(-1),
    "network": MODEL,
    "infinite": lambda x: x.masked_fill(x < x.amax(1, keepdim=True), float("-inf")).softmax(1),
    "attention": lambda x: flambeau.nn.functional.scaled_dot_product_attention(x, x, x),
    "cast": lambda x: x.to(flambeau.float64).long().float() + flambeau.zeros_like(x),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_printed_programs_run(name):
    x = flambeau.linspace(-1, 1, 6).reshape(2, 3)
    function = PROGRAMS[name]
    with flambeau.no_grad():
        graph, made, tracer = trace(function, (x,))
        assert tracer.breaks == []
        other = x.flip(1) * 0.5
        expected = function(other)
        expected = [expected] if isinstance(expected, flambeau.Tensor) else list(expected)
        for program in (graph, simplify(graph) or graph):
            for m, e in zip(run_text(program, other), expected, strict=True):
                assert_close(m, e)


def test_text():
    graph, _, _ = trace(lambda x: (x + 1).sum(0), (flambeau.ones(2, 3),), ["x"])
    lines = graph.text().splitlines()
    assert lines[0] == "def program(x):"
    assert (
        lines[1].strip().startswith("v")
        and "ops.add(x, 1" in lines[1]
        and lines[1].endswith("# float32[2, 3]")
    )
    assert "ops.sum(" in lines[2] and lines[2].endswith("# float32[3]")
    assert lines[3].strip().startswith("return v")


def test_captured_tensors_are_read_anew():
    w = flambeau.ones(3)
    graph, _, _ = trace(lambda x: x * w, (flambeau.ones(3),))
    assert [v.tensor is w for v in graph.captured] == [True]
    w.fill_(5)
    assert run_text(graph, flambeau.ones(3))[0].tolist() == [5, 5, 5]


def test_writes_are_values():
    def f(x):
        y = x.clone()
        y[0] = 7.0
        y.add_(1)
        return y

    graph, made, _ = trace(f, (flambeau.zeros(3),))
    assert made.tolist() == [8, 1, 1]
    assert graph.writes == []  # nothing that outlives the call was written
    buffer = flambeau.zeros(2)
    graph, _, _ = trace(lambda x: buffer.add_(x), (flambeau.ones(2),))
    assert len(graph.writes) == 1 and graph.writes[0][0].tensor is buffer


def test_numbers_that_leave_are_noted():
    _, _, tracer = trace(lambda x: x * x.sum().item(), (flambeau.ones(2),))
    assert tracer.breaks == ["item()"]


def test_unused_calls_go():
    def f(x):
        x.exp()
        return x + 1

    graph, _, _ = trace(f, (flambeau.ones(2),))
    simple = simplify(graph) or graph
    assert [c.op for c in simple.calls] == ["add"]


def test_gradients_can_be_traced():
    def f(x):
        return flambeau.func.grad(lambda x: (x * x).sum())(x)

    graph, made, _ = trace(f, (flambeau.ones(3),))
    assert made.tolist() == [2, 2, 2]
    assert run_text(graph, flambeau.ones(3) * 3)[0].tolist() == [6, 6, 6]
