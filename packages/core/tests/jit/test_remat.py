"""Rematerialisation: values that are cheap are computed again where a memory limit asks for it."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.backends import cpu
from flambeau.graph import Graph
from flambeau.jit.remat import Lifetimes, delayed, is_cheap, rematerialised
from flambeau.nn import functional as F
from flambeau.runtime.meta import Meta
from flambeau.runtime.operator import registry
from flambeau.testing import assert_close

needs_compiler = pytest.mark.skipif(not cpu.available(), reason="no C compiler on this machine")


def deep(layers=8, width=64):
    flambeau.manual_seed(0)
    parts = [
        m for _ in range(layers) for m in (nn.Linear(width, width), nn.LayerNorm(width), nn.GELU())
    ]
    return nn.Sequential(*parts, nn.Linear(width, 4)), flambeau.randn(512, width)  # fmt: skip


def small_transformer():
    flambeau.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 128, 0.1, "gelu", batch_first=True, norm_first=True)
    net = nn.Sequential(
        nn.TransformerEncoder(layer, 3, enable_nested_tensor=False),
        nn.Flatten(1),
        nn.Linear(512, 4),
    )
    return net, flambeau.randn(32, 16, 32)  # fmt: skip


def trained(made, limit, steps=4):
    """Losses, gradients and the program of a compiled training step."""
    net, x = made()
    y = flambeau.randint(0, 4, (x.shape[0],))
    optimizer = flambeau.optim.SGD(net.parameters(), lr=0.05)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    options = None if limit is None else {"memory_limit": limit}
    f = flambeau.compile(step, fullgraph=True, options=options)
    losses = [f().item() for _ in range(steps)]
    ((plan,),) = f._plans.values()
    return losses, [p.grad for p in net.parameters()], plan.forward.programs[0]


@needs_compiler
@pytest.mark.parametrize("made", [deep, small_transformer])
def test_a_step_in_less_memory_gives_the_same(made):
    losses, grads, program = trained(made, None)
    most = Lifetimes(program.graph).peak
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again, others, less = trained(made, int(most * 0.8))
    assert losses == again and all(map(flambeau.equal, grads, others))
    assert less.replay.arena.size < 0.85 * program.replay.arena.size
    assert Lifetimes(less.graph).peak <= 0.8 * most < most


@needs_compiler
def test_a_limit_that_is_not_reached_changes_nothing():
    _, _, program = trained(deep, None)
    _, _, same = trained(deep, 1 << 40)
    assert len(same.graph.calls) == len(program.graph.calls)
    assert " after 0 calls made again" in same.remat


@needs_compiler
def test_a_limit_that_cannot_be_kept_is_said_with_both_figures():
    losses, _, program = trained(deep, None)
    most = Lifetimes(program.graph).peak
    with pytest.warns(
        UserWarning, match=f"memory_limit is 1000 bytes, but .* take \\d+ at once, .*{most} without"
    ):
        again, _, less = trained(deep, 1000)  # fmt: skip
    assert losses == again and Lifetimes(less.graph).peak < 0.8 * most


@needs_compiler
def test_the_stage_prints(capsys, monkeypatch):
    monkeypatch.setenv("FLAMBEAU_PRINT", "remat")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained(deep, 1000, steps=1)
    said = capsys.readouterr().out
    found = re.search(
        r"remat\n(\d+) bytes at once, (\d+) after (\d+) calls made again \(limit 1000\)", said
    )
    assert found and int(found[2]) < int(found[1]) and said.count("gelu(") > 5


@pytest.mark.parametrize(
    ("limit", "error"),
    [(0, ValueError), (-5, ValueError), (1.5, TypeError), ("1 GB", TypeError), (True, TypeError)],
)
def test_nonsense_limits_are_refused(limit, error):  # fmt: skip
    with pytest.raises(error, match=r"compile\(\): memory_limit must be"):
        flambeau.compile(lambda x: x, options={"memory_limit": limit})


# -- the pass alone ------------------------------------------------------------------------------------------------------


def chained(seed, length=14):
    """A random program in which early values are read late, and its inputs."""
    draw = np.random.default_rng(seed)
    graph, meta = Graph(), Meta((8, 8), flambeau.float32)
    from flambeau.graph import Value

    graph.inputs = [Value("x", meta, "input"), Value("w", meta, "input")]
    values = list(graph.inputs)
    for _ in range(length):
        kind = draw.integers(5)
        a, b = (values[draw.integers(max(0, len(values) - 4), len(values))] for _ in range(2))
        if kind == 0:
            made = graph.add("matmul", (a, b), {}, (meta,))
        elif kind == 1:
            made = graph.add("permute", (a,), {"dims": (1, 0)}, (meta,))
        elif kind == 2:
            made = graph.add("add", (a, b), {"alpha": 1}, (meta,))
        else:
            made = graph.add(["tanh", "sin"][kind - 3], (a,), {}, (meta,))
        values.append(made[0])
    total = values[-1]
    for v in values[2:-1][::-1]:
        total = graph.add("matmul", (total, v), {}, (meta,))[0]
        total = graph.add("tanh", (total,), {}, (meta,))[0]
    graph.outputs = [total]
    return graph


def run(graph, inputs):
    return graph.run(lambda op, args, attrs: registry[op].public(*args, **attrs), *inputs)


@pytest.mark.parametrize("seed", range(25))
def test_random_programs_keep_their_meaning(seed):
    graph = chained(seed)
    inputs = [flambeau.randn(8, 8) * 0.4, flambeau.randn(8, 8) * 0.4]
    before, (expected,) = Lifetimes(graph).peak, run(graph, inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made, text = rematerialised(graph, before // 3)
    assert Lifetimes(made).peak <= before and str(before) in text
    seen = {id(v) for v in made.inputs}
    for call in made.calls:  # every value is made before it is read
        assert all(id(v) in seen for v in call.inputs if isinstance(v, type(made.inputs[0])))
        seen.update(map(id, call.outputs))
    (found,) = run(made, inputs)
    assert_close(found, expected, rtol=0, atol=0)


def test_products_and_drawn_numbers_are_never_made_again():
    graph, meta = Graph(), Meta((2, 2), flambeau.float32)
    for op, cheap in (
        ("matmul", False),
        ("gelu", True),
        ("draw", False),
        ("permute", True),
        ("convolution", False),
    ):
        graph.add(op, (), {}, (meta,))
        assert is_cheap(graph.calls[-1]) is cheap  # fmt: skip


@needs_compiler
def test_masks_of_early_loops_are_made_where_they_are_read():
    """The gradient of a relu reads the relu's result, which waits anyway, and not a mask that was kept beside it."""
    flambeau.manual_seed(0)
    parts = [m for _ in range(5) for m in (nn.Linear(64, 64), nn.ReLU())]

    def made():
        return nn.Sequential(*parts, nn.Linear(64, 4)), flambeau.randn(512, 64)

    _, _, program = trained(made, None)
    lives = Lifetimes(program.graph)
    waiting = [v for k, v in lives.values.items() if tuple(v.meta.shape) == (512, 64) and lives.last[k] - lives.born[k] > 8]  # fmt: skip
    assert {lives.makers[id(v)].op for v in waiting} == {"relu"}
    assert all(s.calls is not None or s.view for s in program.replay.steps)


@pytest.mark.parametrize("seed", range(25))
def test_delayed_programs_keep_their_meaning(seed):
    graph, draw = chained(seed), np.random.default_rng(seed)
    values = [c.outputs[0] for c in graph.calls]
    total, rest = graph.outputs[0], len(graph.calls)
    masks = []
    for v in values[: rest // 2]:  # made early, read late
        if draw.random() < 0.5:
            positive = graph.add("gt", (v, 0.0), {}, (Meta((8, 8), flambeau.bool),))[0]
            masks.append(graph.add("where", (positive, v, 0.5), {}, (v.meta,))[0])
    early, graph.calls = graph.calls[rest:], graph.calls[:rest]
    graph.calls[rest // 2 : rest // 2] = early
    for m in masks:
        total = graph.add("matmul", (total, m), {}, (m.meta,))[0]
        total = graph.add("tanh", (total,), {}, (m.meta,))[0]
    graph.outputs = [total]
    inputs = [flambeau.randn(8, 8) * 0.4, flambeau.randn(8, 8) * 0.4]
    (expected,), before = run(graph, inputs), Lifetimes(graph).peak
    made = delayed(graph)
    assert Lifetimes(made).peak <= before
    assert_close(run(made, inputs)[0], expected, rtol=0, atol=0)
