"""Decisions of a captured call by what a tensor holds (`if not loss.isfinite(): ...`): its program is for one outcome of each.

A program computes the value, and goes on while outcomes are those of its capture. Where one is another, everything that it has
written is put back, and the call is made again from its start, by the program of other outcomes, or captured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph import Graph, Value
from ..runtime import random, state
from ..runtime.operator import find
from ..runtime.tensor import Tensor, wrap

MOST = 16  # decisions of one call
ROOM = 16 << 20  # bytes that may have to be put back
OUTCOMES = 8  # programs of one key
CALLS = 16  # after which is asked what departures cost
WASTED = 0.25  # of the work of all calls, that may be done for nothing
CHANGING = "what it decides by the elements of tensors keeps changing"
DEPARTED: Any = type("Departed", (), {"__repr__": lambda self: "departed"})()


class Departed(Exception):
    """A decision's outcome is another than in the capture. `at`: which decision."""


class Decision:
    """A part of a call: it goes on as captured where the truth of the value is `outcome`."""

    def __init__(self, value: Value, outcome: bool) -> None:
        self.value, self.outcome = value, outcome

    def __str__(self) -> str:
        return f"as long as bool({self.value}) is {self.outcome}"


class Check:
    """A decision made again, on a table of arrays."""

    def __init__(self, part: Decision, slots: dict[int, int], done: int) -> None:
        self.slot, self.outcome, self.done = slots[id(part.value)], part.outcome, done

    def __call__(self, table: list[Any]) -> None:
        if bool(wrap(table[self.slot])) is not self.outcome:
            raise Departed(self.done)


class Tally:
    """How the calls with one key went: shared by its programs."""

    def __init__(self) -> None:
        self.calls = self.captures = 0
        self.wasted = 0.0  # calls' worth of work

    def is_wasteful(self) -> bool:
        """Whether departures cost more than programs bring."""
        return self.calls >= CALLS and self.wasted > WASTED * self.calls


class Guarded:
    """What the decisions of a plan need: what is written before the last one, and how much work is done by then."""

    def __init__(self, parts: Sequence[Any], steps: Sequence[Any], count: int, dropped: Sequence[Tensor]) -> None:  # fmt: skip
        last = max(i for i, s in enumerate(steps) if type(s) is Check)
        before, graphs = parts[:last], [p for p in parts if isinstance(p, Graph)]
        self.total = max(1, sum(len(g.calls) for g in graphs))
        self.programs = [(s[0], s[1]) for s in steps[:last] if type(s) is tuple and s[0].writes]
        self.count = count  # arguments, which stand at the front of a table
        changes = (p.changes for p in before if hasattr(p, "changes"))
        self.tensors = [*dropped, *(t for c in changes for t, _ in c)]  # whose gradients change
        self.options = [o for p in before if hasattr(p, "call") and (o := _setting(p))]
        calls = [c for p in before if isinstance(p, Graph) for c in p.calls if find(c.op).random]
        generators = [c.attrs.get("generator") or random.default_generator for c in calls]
        self.generators = list({id(g): g for g in generators}.values())
        self.tally = Tally()

    def before(self, given: Sequence[Tensor]) -> Before:
        """What is to be put back if a decision's outcome is another."""
        self.tally.calls += 1
        return Before(self, given)

    def departed(self, before: Before, error: Departed) -> Any:
        """Puts everything back; says that nothing was done."""
        before.put_back()
        self.tally.wasted += error.args[0] / self.total
        return DEPARTED


class Before:
    """The state of what a plan writes before its last decision."""

    def __init__(self, plan: Guarded, given: Sequence[Tensor]) -> None:
        self.grads = [(t, t._grad) for t in plan.tensors]
        self.states = [(g, g._get_bytes()) for g in plan.generators]
        groups = [(state.groups_of(o)[i], name) for o, i, name in plan.options]
        self.options = [(group, name, group[name]) for group, name in groups if name in group]
        self.arrays = []
        for program, places in plan.programs:
            sources = [source for _, source, _, _ in program._captured]
            for target, _ in program.writes:
                if target >= len(places):
                    array = sources[target - len(places)]()._array
                elif places[target] < plan.count:
                    array = given[places[target]]._array
                else:
                    continue
                self.arrays.append((array, array.copy()))

    def put_back(self) -> None:
        for array, content in reversed(self.arrays):
            array[...] = content
        for generator, content in self.states:
            generator._set_bytes(content)
        for group, name, value in reversed(self.options):
            group[name] = value
        for tensor, grad in self.grads:
            tensor._grad = grad


def _setting(effect: Any) -> Any:
    from .options import setting  # here: most steps leave options alone

    return setting(effect)


def can_be_put_back(graphs: Sequence[Graph]) -> bool:
    """Whether what these graphs write is little."""
    targets = {id(t): t.meta for g in graphs for t, _ in g.writes}
    return sum(m.numel * m.dtype.itemsize for m in targets.values()) <= ROOM


def preferred(plans: dict[Any, list], key: Any, plan: Any) -> None:
    """The next call with this key tries this plan first."""
    plans[key] = [plan, *(p for p in plans.get(key, ()) if p is not plan)]


def joined(kept: Sequence[Any], plan: Any) -> None:
    """The plans of one key count together."""
    others = [p.guarded for p in kept if getattr(p, "guarded", None) is not None]
    if others and plan.guarded is not None:
        plan.guarded.tally = others[0].tally


def hopeless(plan: Any) -> bool:
    """Whether outcomes differ so often that no other program is to be made; asked before a capture."""
    tally = plan.guarded.tally
    tally.captures += 1
    return tally.captures > OUTCOMES or tally.is_wasteful()


def wasteful(plan: Any) -> bool:
    """Whether too much of the work with this key is done for nothing."""
    return plan.guarded is not None and plan.guarded.tally.is_wasteful()
