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
from .plan import Plan
from .polynomials import LEAST, Reading, holding
from .recipe import Different, Recipe, compare
from .symbols import Sizes

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

    def refuted(self, traces: Mapping[Shapes, Recipe]) -> str | None:
        """Why it is of no use, or not what the captures were that it is compared with; None where neither is so."""
        if self.alone():
            return f"it needs the numbers themselves ({shortened(self.guards)})"
        for shapes, recipe in traces.items():
            reason = self.prove(shapes, recipe)
            if reason is not None:
                return f"at {shown(shapes)} {reason}"
        return None

    def plan(self, shapes: Shapes, whole: bool) -> Plan | None:
        """The plan for shapes, if it is for them: one to be recorded, or to run step by step, packing no weights."""
        sizes = self.sizes(shapes)
        if sizes is None:
            return None
        recipe = self.at(sizes, arrays=True)
        if not claimed(recipe):
            return None
        if not whole and recipe.making is not None:
            recipe.making = replace(recipe.making, members=frozenset())
        return recipe.plan()

    def program(self) -> str:
        """The calls, sizes as expressions."""
        parts = self.recipe.copied().parts
        return "\n".join(str(simplify(p) if isinstance(p, Graph) else p).rstrip() for p in parts)

    def text(self) -> str:
        """For which sizes it is."""
        least = f"{', '.join(self.names)} >= {LEAST}"
        return "; ".join([least, *self.guards])


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
