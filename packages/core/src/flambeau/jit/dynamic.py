"""One program for many shapes: calls that differ only in the sizes of dimensions, and in numbers among the arguments.

    first shape     captured as ever, as a program of its own
    second shape    captured with the sizes that changed left open (`opening`, `symbols`)
    third shape     no Python of the user runs: where the guards hold, sizes are filled in

An open capture is believed when it, at the sizes of an earlier capture, is that capture: the same calls on the same numbers.
Its guards are what any decision in it, of the user's Python or of a shape rule, has assumed about sizes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence, Set
from types import CodeType
from typing import TYPE_CHECKING, Any

from .plan import Plan
from .program import Program
from .recipe import Recipe
from .scalars import fits, same

if TYPE_CHECKING:  # imported when a second size comes: most functions meet one only
    from .general import General
    from .opening import OpenCapture

Shapes = tuple[tuple[Any, ...], ...]  # of a call: its shapes, and then its numbers
KEPT = 64  # plans for sizes of one function that run step by step
WHOLE = 14  # those that have memory of their own, as programs of one shape have: with two of these as many as there may be of them
USES = 10  # calls of one size after which it is made so: recording takes as long as some ten runs
MOST = 1024
TRACES = 4  # captures that an open one is compared with
TRIES = 4  # open captures that may come to nothing before shapes are left apart
WAITING = 8  # those that may wait for a second one like them: of other branches, outcomes, gradients from before


class Family:
    """Calls that differ only in sizes, and in the numbers among their arguments that stand at `places`."""

    def __init__(self, places: Sequence[int] = ()) -> None:
        self.places = places
        self.shapes: list[Shapes] = []  # the numbers as last row
        self.traces: OrderedDict[Shapes, Recipe] = OrderedDict()
        self.general: list[General] = []
        self.failed = 0
        self.reason: str | None = None  # why shapes are apart
        self.asked: set[int] = set()  # places of numbers that a capture has asked for themselves
        self.needed: set[int] = set()  # of those that the function needs to know

    def opened(
        self, shapes: Shapes, codes: Collection[CodeType]
    ) -> tuple[OpenCapture, list[tuple]] | None:
        """A capture with the sizes and numbers open that have changed, and its dimensions; None where there is none to make.

        `codes`: what of the user's runs. Types cannot be asked of open numbers.
        """
        waiting = sum(not g.proved for g in self.general)
        if not self.shapes or self.failed >= TRIES or waiting >= WAITING:
            return None
        from .bytecode import asks_types, compares_types
        from .polynomials import LEAST

        if any(map(compares_types, codes)):
            self.failed, self.reason = TRIES, "it asks for the types of numbers"
        if any(map(asks_types, codes)):
            self.needed.update(self.places)
        if self.failed >= TRIES or self.needed:
            return None

        names: dict[tuple, str] = {}
        values: dict[str, Any] = {}
        rows = shapes[:-1] if self.places else shapes
        dims = []
        for i, shape in enumerate(rows):
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
        if self.places:
            dims.append(self._numbers(shapes[-1], values))
        if not values:
            return None
        from .opening import OpenCapture
        from .symbols import Sizes

        sizes = Sizes(values)
        symbols = {name: sizes.symbol(name) for name in values}
        given = [tuple(symbols.get(d, d) for d in row) for row in dims[: len(rows)]]
        numbers = {i: symbols[d] for i, d in self._names(dims).items()}
        return OpenCapture(sizes, given, numbers), dims

    def _names(self, dims: Sequence[tuple]) -> dict[int, str]:
        """The names of open numbers by their places."""
        return (
            {i: d for i, d in zip(self.places, dims[-1]) if isinstance(d, str)}
            if self.places
            else {}
        )

    def _numbers(self, row: Sequence[Any], values: dict[str, Any]) -> tuple:
        """The numbers, those by a name that have changed. Their values go to `values`."""
        dims: list[Any] = []
        for d, n in enumerate(row):
            if not fits(n) or all(same(s[-1][d], n) for s in self.shapes):
                dims.append(n)
            else:
                dims.append(f"n{d}")
                values[f"n{d}"] = n
        return tuple(dims)

    def learn(self, shapes: Shapes, recipe: Recipe, opened: tuple | None) -> None:
        """Takes in a capture of a call: with open sizes, or at fixed shapes."""
        self.shapes.append(shapes)
        made = None
        if opened is not None:
            from .general import General

            capture, dims = opened
            reason = capture.failed
            if reason is None:
                made = General(recipe, dims, self._names(dims), capture.sizes)
                reason = made.refuted(self.traces)
                self._asked(made.needed - self.inputs())
            if reason is not None:
                self.fail(reason, dims)
            if made is not None and (reason is not None or made.needed):
                made = None
            recipe = recipe.fixed()
        for g in self.general:
            if not g.proved:
                g.prove(shapes, recipe)
        if made is not None:
            self.general.append(made)
        self.traces[shapes] = recipe
        while len(self.traces) > TRACES:
            self.traces.popitem(last=False)

    def latest(self) -> General | None:
        """The capture with open sizes that was taken in last, if it is of use."""
        return self.general[-1] if self.general else None

    def proved(self) -> list[General]:
        """The captures with open sizes that are used."""
        return [g for g in self.general if g.proved]

    def fail(self, reason: str, dims: Sequence[tuple]) -> None:
        """A capture in which these were open is of no use: numbers are left to keys from now on."""
        self.failed, self.reason = self.failed + 1, reason
        self.needed.update(self._names(dims))

    def _asked(self, places: Set[int]) -> None:
        """A capture has asked for these numbers themselves. It may have met a special one, as 1 is to a product."""
        self.needed |= places & self.asked
        self.asked |= places

    def inputs(self) -> set[int]:
        """The places of numbers that programs take as inputs."""
        return {i for g in self.proved() for i in g.loose}

    def covering(self, shapes: Shapes) -> list[General]:
        """The open captures that may be used for calls of these shapes: one for each set of other assumptions."""
        return [g for g in self.proved() if g.sizes(shapes) is not None]


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
        kept = [p for p in self.plans.get(key, ()) if not isinstance(p, str)]  # another thread's
        others = [p for p in kept if p.general is not plan.general and p.forward.fits()]
        self.plans[key] = [plan, *others]
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

    def drop(self, key: Any) -> None:
        """The plan for this key is gone."""
        for table in (self.light, self.whole, self.uses):
            table.pop(key, None)
        self._due.discard(key)

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
