"""Rewrites of a program that keep its meaning. Each is a function Graph -> Graph, in place, and readable on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .graph import Call, Graph, Value

EFFECTS = frozenset({"draw"})  # calls that must run even if nobody reads the result, once each


def dead_code(graph: Graph) -> Graph:
    """Drops calls whose results nobody reads."""
    live = {id(v) for v in graph.outputs} | {id(v) for _, v in graph.writes}
    kept: list[Call] = []
    for call in reversed(graph.calls):
        if call.op in EFFECTS or any(id(v) in live for v in call.outputs):
            kept.append(call)
            live.update(id(v) for v in call.inputs if isinstance(v, Value))
    graph.calls = kept[::-1]
    graph.captured = [
        v for v in graph.captured if id(v) in live or any(t is v for t, _ in graph.writes)
    ]
    graph.constants = [v for v in graph.constants if id(v) in live]
    return graph


def common_subexpressions(graph: Graph) -> Graph:
    """Computes equal calls once."""
    seen: dict[Any, Call] = {}
    renamed: dict[int, Value] = {}
    kept: list[Call] = []
    for call in graph.calls:
        call.inputs = tuple(
            renamed.get(id(v), v) if isinstance(v, Value) else v for v in call.inputs
        )
        key = None if call.op in EFFECTS else _key(call)
        before = seen.get(key) if key is not None else None
        if before is None:
            kept.append(call)
            if key is not None:
                seen[key] = call
        else:
            renamed.update((id(v), w) for v, w in zip(call.outputs, before.outputs))
    graph.calls = kept
    graph.outputs = [renamed.get(id(v), v) for v in graph.outputs]
    graph.writes = [(t, renamed.get(id(v), v)) for t, v in graph.writes]
    return graph


def _key(call: Call) -> Any:
    inputs = tuple(
        ("v", id(v)) if isinstance(v, Value) else ("c", type(v).__name__, repr(v))
        for v in call.inputs
    )
    return (call.op, inputs, repr(sorted(call.attrs.items(), key=lambda kv: kv[0])))


def forward_copies(graph: Graph) -> Graph:
    """Reads through calls that change nothing (detach)."""
    renamed: dict[int, Value] = {}
    kept = []
    for call in graph.calls:
        call.inputs = tuple(
            renamed.get(id(v), v) if isinstance(v, Value) else v for v in call.inputs
        )
        if call.op == "stop_gradient" and isinstance(call.inputs[0], Value):
            renamed[id(call.outputs[0])] = call.inputs[0]
        else:
            kept.append(call)
    graph.calls = kept
    graph.outputs = [renamed.get(id(v), v) for v in graph.outputs]
    graph.writes = [(t, renamed.get(id(v), v)) for t, v in graph.writes]
    return graph


PASSES: tuple[Callable[[Graph], Graph], ...] = (forward_copies, common_subexpressions, dead_code)


def simplify(graph: Graph) -> Graph:
    """All passes, in order."""
    for rewrite in PASSES:
        graph = rewrite(graph)
    return graph
