"""One program for many shapes: calls that differ in the sizes of dimensions only.

    first shape     captured as ever, as a program of its own
    second shape    captured with the sizes that changed left open (`opening`, `symbols`)
    third shape     no Python of the user runs: where the guards hold, sizes are filled in

An open capture is believed when it, at the sizes of an earlier capture, is that capture: the same calls on the same numbers.
Its guards are what any decision in it, of the user's Python or of a shape rule, has assumed about sizes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..graph import Graph, Value
from ..graph.passes import simplify
from ..runtime import dispatch
from ..runtime.backend import of_device
from ..runtime.operator import find, registry
from .opening import OpenCapture
from .plan import Plan
from .polynomials import LEAST, Reading, holding
from .program import Program
from .recipe import Different, Recipe, compare
from .symbols import Open, Sizes

KEPT = 64  # plans for sizes of one function that run step by step
WHOLE = 14  # those that have memory of their own, as programs of one shape have: with two of these as many as there may be of them
USES = 10  # calls of one size after which it is made so: recording takes as long as some ten runs
MOST = 1024
TRACES = 4  # captures that an open one is compared with
TRIES = 4  # open captures that may come to nothing before shapes are left apart
_MOVES = tuple(lambda n, a=a, b=b: a * n // 4 + b for a in (2, 4, 8, 12, 16) for b in (-4, -1, 0, 1, 2, 8) if (a, b) != (4, 0))  # fmt: skip
Shapes = tuple[tuple[int, ...], ...]


class General:
    """A captured call whose sizes are open. `dims` has, for each argument, ints and names of sizes."""

    def __init__(self, recipe: Recipe, dims: Sequence[tuple], sizes: Sizes) -> None:
        self.recipe, self.dims = recipe, dims
        self.first = dict(sizes.values)
        self.names = tuple(sizes.values)
        self.guards = list(sizes.guards)
        self.holds = holding(self.guards, self.names)
        self.reading = Reading(self.names)
        self.plain = recipe.plain_parts()
        self.proved = False

    def sizes(self, shapes: Shapes) -> dict[str, int] | None:
        """What the open sizes are for arguments of these shapes; None where it is not for them."""
        found: dict[str, int] = {}
        for shape, dims in zip(shapes, self.dims):
            for n, d in zip(shape, dims):
                if type(d) is int:
                    if n != d:
                        return None
                elif n < LEAST or found.setdefault(d, n) != n:
                    return None
        return found if self.holds(*[found[n] for n in self.names]) else None

    def at(self, sizes: dict[str, int], arrays: bool = False) -> Recipe:
        """The call at sizes."""
        return self.recipe.copied(self.reading.at(sizes), self.plain, arrays)

    def prove(self, shapes: Shapes, recipe: Recipe) -> str | None:
        """Compares it with a capture at fixed shapes; why it is not the same, None where it is or is not for these shapes."""
        sizes = self.sizes(shapes)
        if sizes is None:
            return None
        try:
            compare(recipe, self.at(sizes))
        except Different as error:
            return str(error)
        self.proved = True
        return None

    def alone(self) -> bool:
        """Whether no other sizes than its own seem to pass the guards."""
        now = self.first
        moved = [{**now, k: f(now[k])} for k in now for f in _MOVES]
        moved += [{k: f(n) for k, n in now.items()} for f in _MOVES]
        return not any(
            m != now and min(m.values()) >= LEAST and self.holds(*[m[n] for n in self.names])
            for m in moved
        )

    def program(self) -> str:
        """The calls, sizes as expressions."""
        parts = self.recipe.copied().parts
        return "\n".join(str(simplify(p) if isinstance(p, Graph) else p).rstrip() for p in parts)

    def text(self) -> str:
        """For which sizes it is."""
        least = f"{', '.join(self.names)} >= {LEAST}"
        return "; ".join([least, *self.guards])


class Family:
    """Calls that differ in sizes only."""

    def __init__(self) -> None:
        self.shapes: list[Shapes] = []
        self.traces: OrderedDict[Shapes, Recipe] = OrderedDict()
        self.general: list[General] = []
        self.failed = 0
        self.reason: str | None = None  # why shapes are apart

    def opened(self, shapes: Shapes) -> tuple[OpenCapture, list[tuple]] | None:
        """A capture with the sizes open that have changed, and its dimensions; None where there is none to make."""
        if not self.shapes or self.failed + sum(not g.proved for g in self.general) >= TRIES:
            return None
        names: dict[tuple, str] = {}
        values: dict[str, int] = {}
        dims = []
        for i, shape in enumerate(shapes):
            row: list[Any] = []
            for d, n in enumerate(shape):
                seen = (*[s[i][d] for s in self.shapes], n)
                if n < LEAST or len({x for x in seen if x >= LEAST}) < 2:
                    row.append(n)
                else:
                    name = names.setdefault(seen, f"s{len(names)}")
                    values[name] = n
                    row.append(name)
            dims.append(tuple(row))
        if not values:
            return None
        sizes = Sizes(values)
        symbols = {name: sizes.symbol(name) for name in values}
        given = [tuple(symbols.get(d, d) for d in row) for row in dims]
        return OpenCapture(sizes, given), dims

    def learn(self, shapes: Shapes, recipe: Recipe, opened: tuple | None) -> None:
        """Takes in a capture of a call: with open sizes, or at fixed shapes."""
        self.shapes.append(shapes)
        made = None
        if opened is not None:
            capture, dims = opened
            if capture.failed is not None:
                self.fail(capture.failed)
            else:
                made = self._generalised(General(recipe, dims, capture.sizes))
            recipe = recipe.copied(_value)
        for g in self.general:
            if not g.proved:
                g.prove(shapes, recipe)
        if made is not None:
            self.general.append(made)
        self.traces[shapes] = recipe
        while len(self.traces) > TRACES:
            self.traces.popitem(last=False)

    def _generalised(self, made: General) -> General | None:
        """An open capture that is of use, compared with those before."""
        if made.alone():
            self.fail(f"it needs the numbers themselves ({shortened(made.guards)})")
            return None
        for shapes, recipe in self.traces.items():
            reason = made.prove(shapes, recipe)
            if reason is not None:
                self.fail(f"at {shown(shapes)} {reason}")
                return None
        return made

    def latest(self) -> General | None:
        """The capture with open sizes that was taken in last, if it is of use."""
        return self.general[-1] if self.general else None

    def proved(self) -> list[General]:
        """The captures with open sizes that are used."""
        return [g for g in self.general if g.proved]

    def fail(self, reason: str) -> None:
        self.failed, self.reason = self.failed + 1, reason

    def plan(self, shapes: Shapes, whole: bool) -> Plan | None:
        """The plan for shapes that an open capture covers: one to be recorded, or to run step by step, packing no weights."""
        for g in self.proved():
            sizes = g.sizes(shapes)
            if sizes is None:
                continue
            recipe = g.at(sizes, arrays=True)
            if claimed(recipe):
                if not whole and recipe.making is not None:
                    recipe.making = replace(recipe.making, members=frozenset())
                return recipe.plan()
        return None


def _value(x: Open) -> Any:
    return x.value


def shortened(guards: Sequence[str]) -> str:
    """Guards for a message: those that ask for one number first."""
    ordered = sorted(guards, key=lambda g: " == " not in g)
    return "; ".join([*ordered[:3], *(["..."] if len(ordered) > 3 else [])])


def shown(shapes: Shapes) -> str:
    """The shapes of a call's arguments, for messages."""
    return ", ".join(str(list(s)) for s in shapes)


def claimed(recipe: Recipe) -> bool:
    """Whether each composite that is done whole may be, at these sizes."""
    for part in recipe.parts:
        if not isinstance(part, Graph):
            continue
        for call in part.calls:
            if find(call.op).family == "claim" and "needs" not in call.attrs and not _accepted(call):  # fmt: skip
                return False
    return True


def _accepted(call: Any) -> bool:
    op = find(call.op)
    whole = registry.get(call.op.removesuffix("_on_cpu"))
    if whole is None:
        return False
    metas = [v.meta if isinstance(v, Value) else dispatch.meta_of(v) for v in call.inputs]
    attrs = {k: v for k, v in call.attrs.items() if k in op.index}
    for checker, kernel in dispatch.offers(whole, of_device("cpu")):
        if checker(metas, attrs):
            return getattr(getattr(kernel, "forward", None), "name", None) == call.op
    return False


class Kept:
    """The plans of a function that were made by filling sizes in. One runs step by step at first; when its sizes have come again, it
    is made as the plan of a fixed shape is, with memory and weights of its own. Those used last stay.
    """

    def __init__(self, plans: dict[Any, list]) -> None:
        self.plans = plans  # of the function, all of them
        self.light: OrderedDict[Any, None] = OrderedDict()
        self.whole: OrderedDict[Any, None] = OrderedDict()
        self.uses: dict[Any, int] = {}  # by key: after how many it is to be made whole, if not USES
        self._due: set[Any] = set()

    def __len__(self) -> int:
        return len(self.light) + len(self.whole)

    def __contains__(self, key: Any) -> bool:
        return key in self.light or key in self.whole

    def due(self, key: Any) -> bool:
        """Whether the plan for this key has run step by step for long enough."""
        return key in self._due

    def add(self, key: Any, plan: Plan) -> None:
        self.plans[key] = [plan]
        if key not in self._due:
            for p in _programs(plan):
                p.replay = False
            self._count(key, plan)
            self.light[key] = None
            self._trim(self.light, KEPT)
            return
        self._due.discard(key)
        self.light.pop(key, None)
        self.whole[key] = None
        for old in self._trim(self.whole, WHOLE):  # too many for all to stay: it takes longer
            if len(self.uses) >= MOST:
                self.uses.clear()
            self.uses[old] = 4 * self.uses.get(old, USES)

    def clear(self) -> None:
        for table in (self.light, self.whole, self.uses, self._due):
            table.clear()

    def _trim(self, table: OrderedDict, most: int) -> list:
        gone = []
        while len(table) > most:
            old, _ = table.popitem(last=False)
            self.plans.pop(old, None)
            gone.append(old)
        return gone

    def _count(self, key: Any, plan: Plan) -> None:
        """At its last use, the plan does not fit: another is made in its place."""
        left = self.uses.get(key, USES) - 1

        def fits() -> bool:
            nonlocal left
            left -= 1
            if left < 0:
                self._due.add(key)
                return False
            return Plan.fits(plan)

        plan.fits = fits  # type: ignore[method-assign]


def _programs(plan: Plan) -> list[Program]:
    return [p for p in (*plan.forward.programs, *plan.backward.programs) if type(p) is Program]
