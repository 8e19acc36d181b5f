"""A captured call before a plan is made of it: it can be copied, with other numbers for its open sizes, and compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import numpy as np

from .._base.dtypes import dtype, float64, int64
from ..graph import Call, Graph, Value
from ..runtime import dispatch
from ..runtime.meta import Meta
from ..runtime.operator import find
from ..runtime.tensor import Size, Tensor, wrap
from .capture import Effect, Grads, Part
from .decisions import Decision
from .numbers import Numbers, Reading
from .plan import Back, Plan
from .scalars import Taken
from .tuning import Making


@dataclass
class Recipe:
    """What `Plan` is made of. Its graphs are rewritten by that, so that who wants to keep them makes a copy first."""

    body: Any
    parts: list[Part]
    cut: int
    given: list[Value]
    outputs: list[Value]
    result: tuple
    back: Back | None
    spent: list[bool]
    relies: Any
    making: Making | None
    dropped: dict[int, Tensor]
    olds: dict[int, Tensor]

    def assumes(self) -> tuple:
        """What it has met besides its arguments, which other calls of its function may not meet: the outcomes of decisions, and
        which tensors had gradients when it began."""
        outcomes = tuple([p.outcome for p in self.parts if isinstance(p, Decision)])
        return outcomes, frozenset([(id(t), had) for t, had in self.relies])

    def plan(self) -> Plan:
        made = Plan(
            self.body, self.parts, self.cut, self.given, self.outputs, self.result, self.back, self.spent, self.relies, self.making
        )  # fmt: skip
        made.drop(self.dropped, self.olds)
        return made

    def copied(
        self,
        number: Callable[[Any], Any] | None = None,
        plain: set[int] | None = None,
        arrays: bool = False,
        taken: Taken | None = None,
    ) -> Recipe:
        """The same with values of its own, open numbers replaced by what `number` says.

        `plain`: the ids of values and calls without such numbers, from `plain_parts`. `arrays`: those that elementwise calls are
        given become arrays of no dimensions, so that they do not stand in the C text. `taken`: which of these come with each call.
        """
        return _Copy(number, plain or set(), arrays, taken).of(self)

    def fixed(self, arrays: bool = False) -> Recipe:
        """A copy with each open number as it was when the call was captured."""
        return self.copied(attrgetter("value"), arrays=arrays)

    def plain_parts(self) -> set[int]:
        """The ids of the calls and values in which no number is open."""
        from .opening import has_open
        from .symbols import is_open

        calls = [c for p in self.parts if isinstance(p, Graph) for c in p.calls]
        inputs = [
            v for p in self.parts if isinstance(p, Graph) for v in (*p.captured, *p.constants)
        ]
        found = {id(c) for c in calls if not has_open(c.attrs) and not any(map(is_open, c.inputs))}
        values = [*inputs, *(v for c in calls for v in c.outputs)]
        return found | {id(v) for v in values if not has_open(v.meta)}


class _Copy:
    def __init__(self, number: Callable[[Any], Any] | None, plain: set[int], arrays: bool, taken: Taken | None) -> None:  # fmt: skip
        self.number, self.plain, self.arrays, self.taken = number, plain, arrays, taken
        self.values: dict[int, Value] = {}

    def of(self, r: Recipe) -> Recipe:
        given = [self.value(v) for v in r.given]
        parts = [self.part(p) for p in r.parts]
        back = None
        if r.back is not None:
            b = r.back
            grads = [None if v is None else self.value(v) for v in b.grads]
            back = Back(b.shown, [self.value(v) for v in b.seeds], b.inputs, b.leaves, grads)
        olds = {id(self.values[i]): t for i, t in r.olds.items() if i in self.values}
        template, spec = r.result
        result = [self.returned(x) for x in template], spec
        given += self.taken.values.values() if self.taken is not None else ()
        return replace(
            r, given=given, parts=parts, back=back, olds=olds, outputs=[self.value(v) for v in r.outputs], result=result,
        )  # fmt: skip

    def changed(self, x: Any) -> Any:
        if self.number is None:
            return x
        from .opening import changed  # here: a call of one size needs none of it

        return changed(x, self.number)

    def value(self, v: Value) -> Value:
        made = self.values.get(id(v))
        if made is None:
            made = self.values[id(v)] = Value(v.name, v.meta, v.kind, v.tensor)
            made.source = v.source
            if id(v) not in self.plain:
                made.meta = self.changed(v.meta)
        return made

    def given(self, x: Any) -> Any:
        return self.value(x) if isinstance(x, Value) else self.changed(x)

    def returned(self, x: Any) -> Any:
        """A part of the result that is no tensor."""
        made = self.handed(x[0]) if type(x) is tuple else None
        return made if isinstance(made, Reading) else self.changed(x)

    def handed(self, x: Any) -> Any:
        """An argument of an effect, which gets numbers as they are."""
        from .symbols import is_open

        if self.taken is None or not is_open(x) or not self.taken.has(x):
            return self.given(x)
        kind = int64 if isinstance(x, int) else float64
        return Reading(self.taken.value(x, self.changed(x), kind), "item")

    def placed(self, call: Call, graph: Graph) -> tuple[str, tuple, dict[str, Any]]:
        """A call of which numbers that were open are arrays, if it can have such."""
        from .operands import array_kind, is_read

        inputs, attrs = tuple(map(self.given, call.inputs)), self.changed(call.attrs)
        kind = array_kind(call)
        if kind is not None:
            return self.as_arrays(call, inputs, attrs, kind, graph)
        if self.taken is not None and is_read(call):
            return self.as_read(call, inputs, attrs, graph)
        return call.op, inputs, attrs

    def as_arrays(
        self, call: Call, inputs: tuple, attrs: dict[str, Any], kind: dtype, graph: Graph
    ) -> tuple[str, tuple, dict[str, Any]]:
        """An elementwise call with an array for each open number, those among its options too."""
        from .operands import extended
        from .symbols import is_open

        pairs = zip(call.inputs, inputs)
        made = [self.array(x, v, kind, graph) if is_open(x) else v for x, v in pairs]
        names = [k for k, x in call.attrs.items() if is_open(x)]
        if not names:
            return call.op, tuple(made), attrs
        made += [self.array(call.attrs[k], attrs[k], kind, graph) for k in names]
        left = {k: v for k, v in attrs.items() if k not in names}
        return extended(find(call.op), names).name, tuple(made), left

    def array(self, x: Any, number: Any, kind: dtype, graph: Graph) -> Value:
        """What stands for an open number in a graph: an input, or a constant of this plan."""
        if self.taken is not None and self.taken.has(x):
            return self.input(x, number, kind, graph)
        array = wrap(np.array(number, kind.numpy))
        v = Value(graph.name("c"), array._meta, "constant", array)
        graph.constants.append(v)
        return v

    def input(self, x: Any, number: Any, kind: dtype, graph: Graph) -> Value:
        """The array that comes with each call for an open number."""
        assert self.taken is not None
        v = self.taken.value(x, number, kind)
        if not any(v is known for known in graph.inputs):
            graph.inputs.append(v)
        return v

    def as_read(
        self, call: Call, inputs: tuple, attrs: dict[str, Any], graph: Graph
    ) -> tuple[str, tuple, dict[str, Any]]:
        """A call that reads its open numbers off arrays."""
        from .opening import changed
        from .operands import READ, Given, reading

        found: list[Value] = []
        taken, number = self.taken, self.number
        assert taken is not None and number is not None

        def given(x: Any) -> Any:
            if not taken.has(x):
                return number(x)
            found.append(self.input(x, number(x), int64 if isinstance(x, int) else float64, graph))
            return Given(len(found) - 1)

        if call.op in READ:
            attrs = {**attrs, READ[call.op]: changed(call.attrs[READ[call.op]], given)}
        else:
            inputs = tuple([v if isinstance(v, Value) else changed(x, given) for x, v in zip(call.inputs, inputs)])  # fmt: skip
            attrs = changed(call.attrs, given)
        if not found:
            return call.op, inputs, attrs
        return reading(find(call.op), len(found)).name, (*inputs, *found), attrs

    def part(self, p: Part) -> Part:
        if isinstance(p, Grads):
            return Grads([(t, None if v is None else self.value(v)) for t, v in p.changes])
        if isinstance(p, Decision):
            return Decision(self.value(p.value), p.outcome)
        if isinstance(p, Numbers):
            return Numbers(p.first, [Reading(self.value(r.value), r.how) for r in p.readings])
        if isinstance(p, Effect):
            return Effect(p.call, p.name, [self.handed(x) for x in p.given], p.spec)
        made = Graph()
        made._names = p._names
        made.inputs = [self.value(v) for v in p.inputs]
        made.captured = [self.value(v) for v in p.captured]
        made.constants = [self.value(v) for v in p.constants]
        for c in p.calls:
            outs = tuple([self.value(v) for v in c.outputs])
            if id(c) in self.plain:
                given = c.op, tuple([self.given(x) for x in c.inputs]), c.attrs
            elif self.arrays:
                given = self.placed(c, made)
            else:
                given = c.op, tuple([self.given(x) for x in c.inputs]), self.changed(c.attrs)
            made.calls.append(Call(*given, outs, c.several))
        made.outputs = [self.value(v) for v in p.outputs]
        made.writes = [(self.value(a), self.value(b)) for a, b in p.writes]
        return made


class Different(Exception):
    """Why two captured calls are not the same."""


def compare(a: Recipe, b: Recipe) -> None:
    """Raises Different unless both are the same calls of the same operators, in order, on the same numbers."""
    _Comparison().of(a, b)


class _Comparison:
    def __init__(self) -> None:
        self.twins: dict[int, Value] = {}

    def of(self, a: Recipe, b: Recipe) -> None:
        self.values(a.given, b.given)
        if [type(p) for p in a.parts] != [type(p) for p in b.parts] or a.cut != b.cut:
            raise Different("it has other stretches")
        for p, q in zip(a.parts, b.parts):
            if isinstance(p, Grads):
                if [id(t) for t, _ in p.changes] != [id(t) for t, _ in q.changes]:  # type: ignore[union-attr]
                    raise Different("it sets other gradients")
                self.values([v for _, v in p.changes], [v for _, v in q.changes])  # type: ignore[union-attr]
            elif isinstance(p, Decision):
                self.value(p.value, q.value)  # type: ignore[union-attr]
                if p.outcome is not q.outcome:  # type: ignore[union-attr]
                    raise Different("it decides otherwise")
            elif isinstance(p, Numbers):
                self.values(p.values(), q.values())  # type: ignore[union-attr]
                if [r.how for r in p.readings] != [r.how for r in q.readings]:  # type: ignore[union-attr]
                    raise Different("it reads other numbers")
            elif isinstance(p, Effect):
                if p.name != q.name or len(p.given) != len(q.given):  # type: ignore[union-attr]
                    raise Different(f"it calls {q}")
                for x, y in zip(p.given, q.given):  # type: ignore[union-attr]
                    self.argument(x, y, p.name)
            else:
                self.graph(p, q)  # type: ignore[arg-type]
        self.values(a.outputs, b.outputs)
        if not alike(a.result, b.result) or a.spent != b.spent:
            raise Different("it returns something else")
        if (a.back is None) is not (b.back is None):
            raise Different("its results have other gradients")
        if a.back is not None and b.back is not None:
            one, two = a.back, b.back
            if one.shown != two.shown or one.inputs != two.inputs or list(map(id, one.leaves)) != list(map(id, two.leaves)):  # fmt: skip
                raise Different("its results have other gradients")
            self.values(one.grads, two.grads)

    def values(self, xs: Any, ys: Any) -> None:
        if len(xs) != len(ys):
            raise Different("it has more or fewer values")
        for x, y in zip(xs, ys):
            if (x is None) is not (y is None):
                raise Different("one of its values is none")
            if x is not None:
                self.value(x, y)

    def value(self, x: Value, y: Value) -> None:
        twin = self.twins.setdefault(id(x), y)
        if twin is not y:
            raise Different(f"{y} stands where {twin} should")
        if twin.kind != x.kind:
            raise Different(f"{y} is {y.kind}, not {x.kind}")
        if x.kind == "captured" and x.source is None and x.tensor is not y.tensor:
            raise Different("it reads another tensor")
        if x.kind == "constant" and not alike(x.tensor, y.tensor):
            raise Different("a tensor that it makes from plain numbers depends on them")

    def argument(self, x: Any, y: Any, name: str) -> None:
        if isinstance(x, Value) and isinstance(y, Value):
            self.value(x, y)
        elif not alike(x, y):
            raise Different(f"{name} is given {y!r}, which does not follow from the sizes")

    def graph(self, p: Graph, q: Graph) -> None:
        for c, d in zip(p.calls, q.calls):
            if c.op != d.op or len(c.inputs) != len(d.inputs) or len(c.outputs) != len(d.outputs):
                raise Different(f"it calls {d.op} where it called {c.op}")
            for x, y in zip(c.inputs, d.inputs):
                self.argument(x, y, c.op)
            for k, x in c.attrs.items():
                y = d.attrs.get(k)
                if k == "key" and c.op in ("basic_index", "basic_index_grad"):
                    x, y = spelled_out(c, x), spelled_out(d, y)
                if not alike(x, y):
                    raise Different(f"{k} of {c.op} does not follow from the sizes")
            self.values(c.outputs, d.outputs)
            if find(c.op).family != "claim" and not alike([v.meta for v in c.outputs], [v.meta for v in d.outputs]):  # fmt: skip
                raise Different(f"the shape that {c.op} gives does not follow from the sizes")
        if len(p.calls) != len(q.calls):
            raise Different("it makes more or fewer calls")
        self.values([v for pair in p.writes for v in pair], [v for pair in q.writes for v in pair])


def spelled_out(call: Call, key: Any) -> tuple:
    """A key of basic indexing without `...` and without what is taken whole at its end."""
    rank = len(call.attrs["shape"]) if "shape" in call.attrs else call.inputs[0].meta.ndim
    made: list[Any] = []
    for k in key:
        if k is Ellipsis:
            others = sum(1 for x in key if x is not None and x is not Ellipsis)
            made += [slice(None)] * (rank - others)
        else:
            made.append(k)
    while made and made[-1] == slice(None):
        made.pop()
    return tuple(made)


def alike(x: Any, y: Any) -> bool:
    """Whether two arguments of a call are the same: numbers of the same kind and value, tensors that hold the same."""
    if x is y:
        return True
    kind = type(x)
    if kind is not type(y):
        return kind in (tuple, Size) and type(y) in (tuple, Size) and alike(tuple(x), tuple(y))
    if kind in (tuple, list):
        return len(x) == len(y) and all(map(alike, x, y))
    if kind is dict:
        return list(x) == list(y) and all(alike(v, y[k]) for k, v in x.items())
    if kind is slice:
        return alike((x.start, x.stop, x.step), (y.start, y.stop, y.step))
    if kind is float:
        return x.hex() == y.hex()
    if kind is Meta:
        return bool(x == y)
    if isinstance(x, Tensor):
        a, b = getattr(x, "_array", None), getattr(y, "_array", None)
        if type(a) is not np.ndarray or type(b) is not np.ndarray:
            return False
        return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(x, dispatch.Step):
        return x.op is y.op and x.index == y.index and alike((x.rest, x.attrs), (y.rest, y.attrs))
    try:
        return bool(x == y)
    except Exception:
        return False
