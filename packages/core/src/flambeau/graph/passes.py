"""Rewrites of a program that keep its meaning. Each is a function Graph -> Graph, in place, and readable on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .graph import Call, Graph, Value

EFFECTS = {"draw"}  # calls that must run even if nobody reads the result, once each


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


def from_constants(graph: Graph) -> list[Call]:
    """The calls that read constants alone, and results of such: their results are the same at every run."""
    known = {id(v) for v in graph.constants}
    found = []
    for call in graph.calls:
        values = [v for v in call.inputs if isinstance(v, Value)]
        if values and call.op not in EFFECTS and all(id(v) in known for v in values):
            found.append(call)
            known.update(id(v) for v in call.outputs)
    return found


CONSTANTS = frozenset({"fill_new"})  # calls whose result is one number everywhere
RESHAPING = frozenset({"expand", "reshape", "unsqueeze", "squeeze", "permute", "transpose"})


def constants(graph: Graph, accepts: Callable[[Call], bool]) -> Graph:
    """Puts numbers in the place of arrays that hold one number everywhere, in the calls that `accepts` names.

    One operand stays an array of the result's whole shape: a loop runs over it.
    """
    number: dict[int, Any] = {}
    for call in graph.calls:
        if call.op in CONSTANTS:
            number[id(call.outputs[0])] = call.attrs["value"]
        elif call.op in RESHAPING and id(call.inputs[0]) in number:
            number[id(call.outputs[0])] = number[id(call.inputs[0])]
        elif any(id(v) in number for v in call.inputs) and accepts(call):
            whole = tuple(call.outputs[0].meta.shape)
            rest = [v for v in call.inputs if isinstance(v, Value) and id(v) not in number]
            if any(tuple(v.meta.shape) == whole for v in rest):
                call.inputs = tuple(number.get(id(v), v) for v in call.inputs)
    return graph


def filled(graph: Graph, make: Callable[[Call], Any], shares: Callable[[Call], bool]) -> Graph:
    """Arrays of one number that stay are made once, by `make(call)`, and not at every run; results are the caller's own.

    `shares`: whether a call's result may lie in the memory of its first operand, which is then the caller's too.
    """
    own = {id(v) for v in graph.outputs} | {id(v) for _, v in graph.writes}
    for call in reversed(graph.calls):
        if shares(call) and any(id(v) in own for v in call.outputs):
            own.add(id(call.inputs[0]))
    kept = []
    for call in graph.calls:
        if (
            call.op in CONSTANTS
            and id(call.outputs[0]) not in own
            and call.outputs[0].meta.numel <= MOST_FILLED
        ):
            value = call.outputs[0]
            value.kind, value.tensor = "constant", make(call)
            graph.constants.append(value)
        else:
            kept.append(call)
    graph.calls = kept
    return graph


MOST_FILLED = 1 << 22  # elements


def joined_windows(graph: Graph) -> Graph:
    """Gradients of windows that lie side by side, added up: one `cat`, where each would be an array of zeros.

    What `chunk` and `split` leave behind in a backward.
    """
    users = graph.users()
    parts: dict[int, list[Call]] = {}  # by id of a sum: the windows it adds up
    for call in graph.calls:
        if call.op == "window_grad" and call.attrs["step"] == 1:
            parts[id(call.outputs[0])] = [call]
        elif call.op == "add" and call.attrs.get("alpha", 1) == 1:
            lists = [parts.get(id(v)) for v in call.inputs]
            if None in lists or any(users[id(v)] != 1 for v in call.inputs):
                continue
            found = [c for part in lists for c in part]  # type: ignore[union-attr]
            if len({_frame(c) for c in found}) == 1:
                parts[id(call.outputs[0])] = found
    for call in graph.calls:
        found = parts.get(id(call.outputs[0]), [])
        if len(found) > 1 and (ordered := _side_by_side(found)):
            call.op = "cat"
            call.inputs = tuple(c.inputs[0] for c in ordered)
            call.attrs = {"dim": ordered[0].attrs["dim"]}
    return dead_code(graph)


def _frame(call: Call) -> tuple:
    return tuple(call.attrs["shape"]), call.attrs["dim"] % len(call.attrs["shape"])


def _side_by_side(calls: list[Call]) -> list[Call] | None:
    """The windows in order if they fill their dimension without a gap."""
    shape, dim = _frame(calls[0])
    ordered = sorted(calls, key=lambda c: c.attrs["start"])
    at = 0
    for c in ordered:
        if c.attrs["start"] != at:
            return None
        at += c.inputs[0].meta.shape[dim]
    return ordered if at == shape[dim] else None


PASSES: tuple[Callable[[Graph], Graph], ...] = (
    forward_copies,
    common_subexpressions,
    dead_code,
    joined_windows,
)


def simplify(graph: Graph) -> Graph:
    """All passes, in order."""
    for rewrite in PASSES:
        graph = rewrite(graph)
    return graph
