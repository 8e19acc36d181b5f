"""A fused graph's steps as a GPU runs them: what is settled once, what gets a kernel, what stays out of CUDA graphs."""

from __future__ import annotations

from typing import Any

from .. import ir
from ..graph import Call, Graph, Value
from ..graph.passes import dead_code, from_constants
from ..runtime.dispatch import apply
from ..runtime.operator import find
from .fusion import FOLDS, Group, Step, fusible


def settled(graph: Graph) -> Graph:
    """The graph without the calls whose results are the same at every run, which are constants then.

    Such are tables that an operator makes on the CPU and moves to where its input is.
    """
    fixed = from_constants(graph)
    for call in fixed:
        op = find(call.op)
        inputs = tuple([v.tensor if isinstance(v, Value) else v for v in call.inputs])
        made = apply(op, inputs, call.attrs)
        for v, tensor in zip(call.outputs, made if call.several else (made,)):
            v.kind, v.tensor = "constant", tensor
            graph.constants.append(v)
    done = {id(c) for c in fixed}
    graph.calls = [c for c in graph.calls if id(c) not in done]
    return dead_code(graph)


def alone(step: Step) -> Step:
    """A single call as a group of its own where one kernel is better than CuPy's: of several operations, and reductions."""
    if isinstance(step, Group) or not fusible(step):
        return step
    op, source = find(step.op), step.inputs[0] if step.op in FOLDS else step.outputs[0]
    if step.op not in FOLDS and not _of_several(op, step):
        return step
    assert isinstance(source, Value)
    kind = next(v.meta.dtype.name for v in (source, *step.outputs) if v.meta.dtype.name != "bool")
    group = Group(tuple(source.meta.shape), kind, 0)
    group.take(step)
    group.outputs = list(step.outputs)
    return group


def _of_several(op: Any, call: Call) -> bool:
    expr: ir.Expr = op.vjp_rule.program(call.attrs).expr
    return sum(node.op not in ("var", "param", "const") for node in expr.walk()) > 1


def apart(step: Step) -> bool:
    """Whether a step is known not to be one for a graph: random numbers are the CPU's, and strangers' operators may do anything."""
    return not isinstance(step, Group) and (find(step.op).random or "::" in step.op)


def drawn_first(steps: list[Step]) -> list[Step]:
    """The steps with random numbers that depend on nothing moved to the front, or behind those that depend on something.

    They are drawn in the same order as before, and do not cut graphs in two.
    """
    front: list[Step] = []
    rest: list[Step] = []
    for s in steps:
        if apart(s) and isinstance(s, Call):
            if any(isinstance(v, Value) for v in s.inputs) or "::" in s.op:
                front, rest = [*front, *rest, s], []
            else:
                front.append(s)
        else:
            rest.append(s)
    return [*front, *rest]
