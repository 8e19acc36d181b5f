"""Which calls of a program run as one loop nest: elementwise calls over one shape, and reductions that end them.

A group holds calls that read each other's results; it is written as one expression per result that leaves it. A call
joins the group of one of its inputs if nothing between the two depends on the group (that would be a cycle).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from .. import ir
from .._base.checks import wrap_dims
from ..graph import Call, Graph, Value
from ..graph.passes import EFFECTS
from ..runtime.operator import Operator, find, registry

DTYPES = ("float32", "float64")
FOLDS = {"sum": "sum", "prod_dims": "prod", "amax": "max", "amin": "min"}
MOST = 40  # calls in a group: longer functions compile slowly and spill registers


class Group:
    """Calls that become one kernel. `shape` is what the loops run over, `reduced` the dimensions its folds reduce."""

    def __init__(self, shape: tuple[int, ...], dtype: str, number: int) -> None:
        self.shape, self.dtype = shape, dtype
        self.mask = 1 << number  # a bit for itself, and one for each group that was merged into it
        self.calls: list[Call] = []
        self.outputs: list[Value] = []
        self.reduced: tuple[int, ...] | None = None
        self.keepdim = False
        self.merged_into: Group | None = None

    def take(self, call: Call) -> None:
        """Takes a call in."""
        self.calls.append(call)
        if call.op in FOLDS:
            self.reduced = wrap_dims(call.attrs["dim"], len(self.shape))
            self.keepdim = bool(call.attrs["keepdim"])

    def fits(self, call: Call, shape: tuple[int, ...], dtype: str) -> bool:
        """Whether a call over `shape` can be in the same loops."""
        if self.shape != shape or self.dtype != dtype or len(self.calls) >= MOST:
            return False
        if call.op not in FOLDS or self.reduced is None:
            return True
        return (self.reduced, self.keepdim) == (
            wrap_dims(call.attrs["dim"], len(shape)),
            bool(call.attrs["keepdim"]),
        )

    def expressions(
        self,
    ) -> tuple[dict[int, ir.Expr], dict[int, tuple[Value, str]], dict[int, str]]:
        """By id of a value: its expression; the values read from outside with their names; the folds."""
        made: dict[int, ir.Expr] = {}
        inputs: dict[int, tuple[Value, str]] = {}
        folds: dict[int, str] = {}

        def operand(v: Any) -> ir.Expr:
            if not isinstance(v, Value):
                return ir.const(v)
            if id(v) in made:
                return made[id(v)]
            if id(v) not in inputs:
                inputs[id(v)] = (v, f"x{len(inputs)}")
            return ir.var(inputs[id(v)][1])

        for call in self.calls:
            out = id(call.outputs[0])
            if call.op in FOLDS:
                made[out], folds[out] = operand(call.inputs[0]), FOLDS[call.op]
                continue
            op = find(call.op)
            program = op.vjp_rule.program(_given(op, call))
            values = dict(zip(program.arrays, map(operand, call.inputs)))
            values |= {p: ir.const(call.attrs[p]) for p in program.params}
            made[out] = ir.evaluate(program.expr, values, lambda name, args: ir.apply(name, *args))
        return made, inputs, folds


def _given(op: Operator, call: Call) -> dict[str, Any]:
    """The call's static arguments; none where all are the defaults, for which the expression is simplest."""
    defaults = {n: op.defaults[i] for i, n in op.attrs}
    return {} if call.attrs == defaults else call.attrs


def fusible(call: Call) -> bool:
    """Whether a call can be part of a loop nest: one of the two float types, and C has a spelling for it."""
    op = find(call.op)
    values = [v for v in call.inputs if isinstance(v, Value)]
    kinds = {v.meta.dtype.name for v in (*values, *call.outputs)} - {"bool"}
    if (
        len(kinds) != 1
        or not kinds <= set(DTYPES)
        or any(v.meta.device.type not in ("cpu", "cuda") for v in values)
    ):
        return False
    if op.family == "elementwise":
        return bool(values)
    if op.family != "reduction" or call.op not in FOLDS or call.inputs[0].meta.numel == 0:
        return False
    return bool(call.inputs[0].meta.shape)


Step = Call | Group


def fuse(graph: Graph) -> list[Step]:
    """The program's calls in an order that can run, chains of fusible ones as groups of two or more."""
    home: dict[
        int, Group
    ] = {}  # by id of a value: the group that makes it, reductions' results left out
    below: dict[
        int, int
    ] = {}  # by id of a value: the bits of the groups it depends on, its own included
    count = 0
    steps: list[Step] = []
    for call in graph.calls:
        values = [v for v in call.inputs if isinstance(v, Value)]
        group = _group_for(call, values, home, below, count) if fusible(call) else None
        if group is None:
            steps.append(call)
        else:
            if not group.calls:
                steps.append(group)
                count += 1
            group.take(call)
            if call.op not in FOLDS:
                home[id(call.outputs[0])] = group
        needs = 0 if group is None else group.mask
        for v in values:
            needs |= below.get(id(v), 0)
        for v in call.outputs:
            below[id(v)] = needs
    steps = [s for s in steps if not (isinstance(s, Group) and s.merged_into)]
    steps = [s.calls[0] if isinstance(s, Group) and _lone(s) else s for s in steps]
    while True:
        _find_outputs(graph, steps)
        ordered = _ordered(graph, steps)
        if not isinstance(ordered, Group):
            return ordered
        at = steps.index(ordered)
        steps[at : at + 1] = ordered.calls  # one by one


def _lone(group: Group) -> bool:
    """Whether a group is one call, of an operator that has kernels of its own."""
    return len(group.calls) == 1 and group.calls[0].op in registry


def root(group: Group) -> Group:
    """The group that a merged group is part of now."""
    while group.merged_into is not None:
        group = group.merged_into
    return group


def _group_for(
    call: Call, values: list[Value], home: dict[int, Group], below: dict[int, int], count: int
) -> Group | None:
    """The group that `call` joins, a new one for an elementwise call that joins none, None for a lone reduction."""
    reduction = call.op in FOLDS
    shape = tuple((call.inputs[0] if reduction else call.outputs[0]).meta.shape)
    kind = next(v.meta.dtype.name for v in (*values, *call.outputs) if v.meta.dtype.name != "bool")
    found: Group | None = None
    for v in values:
        group = root(home[id(v)]) if id(v) in home else None
        if group is None or group is found or not group.fits(call, shape, kind):
            continue
        others = [w for w in values if id(w) not in home or root(home[id(w)]) is not group]
        others = [
            w
            for w in others
            if found is None or id(w) not in home or root(home[id(w)]) is not found
        ]
        if _depend(others, group, below) or (found is not None and _depend(others, found, below)):
            continue
        if found is None:
            found = group
        elif _mergeable(found, group, below):
            _merge(found, group)
    if found is not None or reduction:
        return found
    return Group(shape, kind, count)


def _depend(values: Iterable[Value], group: Group, below: dict[int, int]) -> bool:
    """Whether one of `values`, made outside the group, depends on it."""
    return any(below.get(id(v), 0) & group.mask for v in values)


def _mergeable(a: Group, b: Group, below: dict[int, int]) -> bool:
    """Whether two groups can be one: no way leads from one to the other through other calls."""
    if len(a.calls) + len(b.calls) > MOST or (
        a.reduced is not None and b.reduced is not None and a.reduced != b.reduced
    ):
        return False
    made_a, made_b = ({id(v) for c in g.calls for v in c.outputs} for g in (a, b))
    into_a = [v for v in _outside(a) if id(v) not in made_b]
    into_b = [v for v in _outside(b) if id(v) not in made_a]
    return not _depend(into_a, b, below) and not _depend(into_b, a, below)


def _outside(group: Group) -> list[Value]:
    made = {id(v) for c in group.calls for v in c.outputs}
    return [v for c in group.calls for v in c.inputs if isinstance(v, Value) and id(v) not in made]


def _merge(into: Group, other: Group) -> None:
    """`other` becomes part of `into`, its calls in an order in which each follows what it reads."""
    calls = into.calls + other.calls
    made: set[int] = set()
    every = {id(v) for c in calls for v in c.outputs}
    into.calls = []
    while calls:
        ready = [
            c
            for c in calls
            if all(
                not isinstance(v, Value) or id(v) not in every or id(v) in made for v in c.inputs
            )
        ]
        into.calls += ready
        made.update(id(v) for c in ready for v in c.outputs)
        calls = [c for c in calls if c not in ready]
    if other.reduced is not None:
        into.reduced, into.keepdim = other.reduced, other.keepdim
    other.merged_into = into
    into.mask |= other.mask


def _find_outputs(graph: Graph, steps: list[Step]) -> None:
    """Which values of each group are read outside it."""
    outside: set[int] = {id(v) for v in graph.outputs} | {id(v) for _, v in graph.writes}
    for s in steps:
        outside.update(id(v) for v in reads(s))
    for s in steps:
        if isinstance(s, Group):
            s.outputs = [v for c in s.calls for v in c.outputs if id(v) in outside]


def reads(step: Step) -> Iterable[Value]:
    """The values a step needs."""
    if isinstance(step, Group):
        return _outside(step)
    return [v for v in step.inputs if isinstance(v, Value)]


def writes(step: Step) -> Iterable[Value]:
    """The values a step makes."""
    return step.outputs


def _ordered(graph: Graph, steps: list[Step]) -> list[Step] | Group:
    """The steps, each after those that make what it reads; otherwise in the program's order. A group that must run both
    before and after another step instead, if there is one: a call that joined it late may have needed what reads it."""
    maker = {id(v): i for i, s in enumerate(steps) for v in writes(s)}
    before = [
        sorted({maker[id(v)] for v in reads(s) if id(v) in maker} - {i})
        for i, s in enumerate(steps)
    ]
    effects = [i for i, s in enumerate(steps) if isinstance(s, Call) and (s.op in EFFECTS or find(s.op).random)]  # fmt: skip
    for first, then in pairwise(effects):  # numbers are drawn in the program's order
        before[then].append(first)
    begun: set[int] = set()
    done: set[int] = set()
    out: list[Step] = []
    for start in range(len(steps)):
        stack = [start]
        while stack:
            i = stack[-1]
            if i in done:
                stack.pop()
            elif i not in begun:
                begun.add(i)
                for j in before[i]:
                    if j in begun and j not in done:
                        around = [steps[k] for k in stack[stack.index(j) :] if k in begun]
                        return next(s for s in around if isinstance(s, Group))
                stack.extend(j for j in before[i] if j not in done)
            else:
                done.add(i)
                out.append(steps[i])
                stack.pop()
    return out
