"""A captured call whose sizes are open: for which sizes it is, what it is at given ones, and whether that can be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..graph import Graph, Value
from ..graph.passes import simplify
from ..runtime import dispatch
from ..runtime.backend import of_device
from ..runtime.operator import find, registry
from .decisions import Tally
from .dynamic import Shapes
from .plan import Plan
from .polynomials import LEAST, Reading, holding
from .recipe import Different, Recipe, compare
from .scalars import Taken, fixed_names, same
from .symbols import Sizes

_MOVES = tuple(lambda n, a=a, b=b: a * n // 4 + b for a in (2, 4, 8, 12, 16) for b in (-4, -1, 0, 1, 2, 8) if (a, b) != (4, 0))  # fmt: skip
_STEPS = tuple(lambda x, a=a, b=b: x * a + b for a in (-1, 0, 1, 2, 10) for b in (-2, -1, 0, 1, 2))  # fmt: skip


class General:
    """A captured call whose sizes are open. `dims` has, for each argument, ints and names of sizes (`s0`); its last row the numbers among
    the arguments; `numbers` has the names (`n0`) of those that are open, by their places.
    """

    def __init__(
        self, recipe: Recipe, dims: Sequence[tuple], numbers: dict[int, str], sizes: Sizes
    ) -> None:
        self.recipe, self.dims, self.numbers = recipe, dims, numbers
        self.first = dict(sizes.values)
        self.names = tuple(sizes.values)
        self.guards = list(sizes.guards)
        self.holds = holding(self.guards, self.names)
        self.reading = Reading(self.names)
        self.plain = recipe.plain_parts()
        self.proved = False
        self.assumes = recipe.assumes()
        self.tally: Tally | None = None  # of its plans, where they decide
        fixed, written = fixed_names(recipe) if self.numbers else (set(), set())
        self.loose = {
            i: n for i, n in self.numbers.items() if n not in fixed
        }  # inputs of the program
        self.needed = {
            i for i, n in self.numbers.items()
            if n in written or (n in fixed and type(self.first[n]) is float) or self._alone(n)
        }  # fmt: skip

    def sizes(self, shapes: Shapes) -> dict[str, Any] | None:
        """What the open sizes are for arguments of these shapes; None where it is not for them."""
        found: dict[str, Any] = {}
        for shape, dims in zip(shapes, self.dims):
            for n, d in zip(shape, dims):
                if not isinstance(d, str):
                    if not same(n, d):
                        return None
                elif found.setdefault(d, n) != n or (d[0] == "s" and n < LEAST):
                    return None
        return found if self.holds(*[found[n] for n in self.names]) else None

    def begins(self) -> bool:
        """Whether gradients are there, and are not, as in the call that was captured, and its programs are worth it."""
        if self.tally is not None and self.tally.is_wasteful():
            return False
        return all((t._grad is not None) is had for t, had in self.recipe.relies)

    def at(self, sizes: dict[str, Any], arrays: bool = False, taken: Taken | None = None) -> Recipe:
        """The call at sizes."""
        return self.recipe.copied(self.reading.at(sizes), self.plain, arrays, taken)

    def prove(self, shapes: Shapes, recipe: Recipe) -> str | None:
        """Compares it with a capture at fixed shapes; why it is not the same, None where it is or is not for these shapes."""
        sizes = self.sizes(shapes)
        if sizes is None or recipe.assumes() != self.assumes:
            return None
        try:
            compare(recipe, self.at(sizes))
        except Different as error:
            return str(error)
        self.proved = True
        return None

    def alone(self) -> bool:
        """Whether no other sizes than its own seem to pass the guards."""
        now = {k: n for k, n in self.first.items() if k[0] == "s"}
        moved = [{**now, k: f(now[k])} for k in now for f in _MOVES]
        moved += [{k: f(n) for k, n in now.items()} for f in _MOVES]
        return bool(now) and not any(
            m != now and min(m.values()) >= LEAST and self._holds(m) for m in moved
        )

    def _alone(self, name: str) -> bool:
        """Whether no other number of this name seems to pass the guards."""
        value = self.first[name]
        moved = {f(value) for f in _STEPS} - {value}
        return not any(self._holds({name: n}) for n in moved)

    def _holds(self, moved: dict[str, Any]) -> bool:
        """Whether the guards hold for the call that was captured, but for these."""
        return self.holds(*[moved.get(n, self.first[n]) for n in self.names])

    def refuted(self, traces: Mapping[Shapes, Recipe]) -> str | None:
        """Why it is of no use, or not what the captures were that it is compared with; None where neither is so."""
        if self.alone():
            return f"it needs the numbers themselves ({shortened(self.guards)})"
        for shapes, recipe in traces.items():
            reason = self.prove(shapes, recipe)
            if reason is not None:
                return f"at {shown(shapes)} {reason}"
        return None

    def plan(self, shapes: Shapes, whole: bool, numbers: Mapping[int, Any]) -> Plan | None:
        """The plan for shapes, if it is for them: one to be recorded, or to run step by step, packing no weights.

        `numbers`: of the call, by place, those that the plan takes from each call, or else is for alone.
        """
        sizes = self.sizes(shapes)
        if sizes is None:
            return None
        loose = {i: n for i, n in self.loose.items() if i in numbers}
        others = {k: n for k, n in sizes.items() if k not in loose.values()}
        taken = Taken(loose, others, self.guards)
        try:
            recipe = self.at(sizes, True, taken)
        except (ArithmeticError, ValueError):  # the function itself may catch it
            return None
        if not claimed(recipe):
            return None
        if not whole and recipe.making is not None:
            recipe.making = replace(recipe.making, members=frozenset())
        made = recipe.plan()
        made.general = self
        if made.guarded is not None:  # calls of all sizes count together
            self.tally = made.guarded.tally = self.tally or made.guarded.tally
        if numbers:
            made.scalars = taken.reader({i: n for i, n in numbers.items() if i not in loose})
        return made

    @property
    def once(self) -> bool:
        """Whether one plan does for all calls: what is open are its inputs."""
        return len(self.names) == len(self.loose)

    def program(self) -> str:
        """The calls, sizes as expressions."""
        parts = self.recipe.copied().parts
        return "\n".join(str(simplify(p) if isinstance(p, Graph) else p).rstrip() for p in parts)

    def text(self) -> str:
        """For which sizes it is."""
        sizes = ", ".join(n for n in self.names if n[0] == "s")
        numbers = ", ".join(f"{n} = leaf {i}" for i, n in self.numbers.items())
        return "; ".join(
            [
                *([f"{sizes} >= {LEAST}"] if sizes else []),
                *([numbers] if numbers else []),
                *self.guards,
            ]
        )


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
