"""Rematerialisation: under a memory limit, values that are cheap to compute are computed again where they are needed late.

A training step keeps what its backward reads. Where what is alive at once exceeds the limit, values that only wait there are
dropped: elementwise results, normalised values and views of them are made again from values that wait anyway, just before the
first late call that reads them. The call is the same, so the bits are. Products and convolutions are never done twice.

    v7 = gelu(v6)                      v7 = gelu(v6)
    ...                                ...
    v40 = matmul_tn(v39, v7)           v90 = stop_gradient(v6)      # the same memory; keeps loops of early and late calls apart
                                       v91 = gelu(v90)
                                       v40 = matmul_tn(v39, v91)
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from ..graph import Call, Graph, Value
from ..graph.passes import EFFECTS, dead_code
from ..runtime.operator import find
from .fusion import Group, fuse, reads, writes

# Composites that the backend takes whole and whose time is that of reading and writing.
CHEAP = frozenset(
    {"layer_norm_on_cpu", "rms_norm_on_cpu", "normalize_channels_on_cpu", "group_norm_on_cpu", "softmax", "log_softmax"}
)  # fmt: skip
# Elementwise calls that take next to no time beside reading and writing.
PLAIN = frozenset(
    {"le", "lt", "ge", "gt", "eq", "ne", "where", "mul", "add", "sub", "neg", "logical_not"}
)
LIGHT = ("elementwise", "reduction")
SAME = "stop_gradient"  # the same memory under another name
ROUNDS = 100


class Lifetimes:
    """When each value is alive, in steps of the fused program, and how many bytes are at each step."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.makers = {id(v): c for c in graph.calls for v in c.outputs}
        steps = fuse(graph)
        self.at: dict[int, int] = {}  # by id of a call: its step
        self.born: dict[int, int] = {}  # by id of a value with memory of its own
        self.last: dict[int, int] = {}
        self.values: dict[int, Value] = {}
        self.readers: dict[int, list[Call]] = {}  # by id of such a value, through views too
        self.heavy = [0]  # by step: how many before it take long
        for i, step in enumerate(steps):
            light = isinstance(step, Group) or is_view(step) or step.op == "sum_to_size" or find(step.op).family in LIGHT  # fmt: skip
            self.heavy.append(self.heavy[-1] + (not light))
            for call in getattr(step, "calls", [step]):
                self.at[id(call)] = i
            for v in writes(step):
                root = self.root(v)
                if root is v:
                    self.born[id(v)], self.values[id(v)] = i, v
                self.last[id(root)] = i
            for v in reads(step):
                self.last[id(self.root(v))] = i
        for call in graph.calls:
            for key in {id(self.root(v)) for v in call.inputs if isinstance(v, Value)}:
                self.readers.setdefault(key, []).append(call)
        for v in (*graph.outputs, *(v for _, v in graph.writes)):
            self.last[id(self.root(v))] = len(steps)
        change = [0] * (len(steps) + 2)
        for key, v in self.values.items():
            change[self.born[key]] += size_of(v)
            change[self.last[key] + 1] -= size_of(v)
        self.bytes = list(accumulate(change))
        self.peak = max(self.bytes)
        self.when = self.bytes.index(self.peak)

    def root(self, v: Value) -> Value:
        """The value whose memory `v` looks at."""
        while id(v) in self.makers and is_view(self.makers[id(v)]):
            v = self.makers[id(v)].inputs[0]
        return v

    def alive(self, v: Value, when: int) -> bool:
        """Whether a value is in memory at a step."""
        root = self.root(v)
        key = id(root)
        if key not in self.born:  # inside a loop, or given
            return self.given(root)
        return self.born[key] <= when <= self.last[key]

    def given(self, v: Value) -> bool:
        """Whether a value comes from outside of the graph, where earlier graphs may have made it."""
        return id(v) not in self.makers


def memory_limit(options: dict[str, Any] | None) -> int | None:
    """The bytes that `compile(options={"memory_limit": ...})` allows; None where it says nothing."""
    limit = (options or {}).get("memory_limit")
    if limit is None:
        return None
    if type(limit) is not int:
        raise TypeError(
            f"compile(): memory_limit must be a number of bytes (int), but got {type(limit).__name__}"
        )
    if limit <= 0:
        raise ValueError(f"compile(): memory_limit must be positive, but got {limit}")
    return limit


def size_of(v: Value) -> int:
    """Bytes of a value."""
    return v.meta.numel * v.meta.dtype.numpy.itemsize


def is_view(call: Call) -> bool:
    """Whether a call's result looks at the memory of what it reads."""
    return call.op == SAME or find(call.op).family == "view" or call.op == "reshape"


def is_cheap(call: Call) -> bool:
    """Whether a call may be made twice: the same result, in the time of reading and writing."""
    op = find(call.op)
    if call.op in EFFECTS or op.random:
        return False
    return op.family == "elementwise" or call.op in CHEAP or is_view(call)


class Again:
    """One value that could be dropped at the peak: who reads it late, what it is made of again, and what that saves."""

    def __init__(self, lives: Lifetimes, value: Value) -> None:
        self.value, self.lives = value, lives
        when = lives.when
        self.late = {id(c): c for c in lives.readers.get(id(value), ()) if lives.at[id(c)] > when}
        self.bases: dict[int, Value] = {}  # what it is made of
        self.gain = 0
        if self.late and self._follow(value, set()):
            news = {id(r): r for b in self.bases.values() if not lives.alive(b, when) and not lives.given(r := lives.root(b))}  # fmt: skip
            self.gain = size_of(value) - sum(map(size_of, news.values()))

    def _follow(self, value: Value, seen: set[int]) -> bool:
        """Whether `value` can be made again; `bases` has from what."""
        if id(value) in seen:
            return True
        seen.add(id(value))
        call = self.lives.makers.get(id(value))
        if call is None or not is_cheap(call):
            return False
        for v in call.inputs:
            if not isinstance(v, Value) or id(v) in seen or self.lives.given(v):
                continue
            root = self.lives.root(v)
            waits = root is not self.value and self.lives.alive(v, self.lives.when)
            if waits or not self._follow(v, seen):
                if root is self.value:
                    return False
                self.bases[id(v)] = v
        return True


class Later:
    """A value that its loop makes long before anybody reads it, and what it is made of: a mask of what is positive."""

    def __init__(self, lives: Lifetimes, value: Value) -> None:
        self.value, self.lives, self.begun = value, lives, lives.born[id(value)]
        self.late = {id(c): c for c in lives.readers.get(id(value), ())}
        self.bases: dict[int, Value] = {}
        needed = min((lives.at[key] for key in self.late), default=self.begun)
        self.pays = lives.heavy[needed] > lives.heavy[self.begun + 1] and self._follow(value)
        if self.pays:
            longer = {id(r): r for b in self.bases.values() if not lives.given(r := lives.root(b))}
            cost = sum(max(0, needed - lives.last[key]) * size_of(r) for key, r in longer.items())
            self.pays = cost < (needed - self.begun) * size_of(value)

    def _follow(self, value: Value) -> bool:
        call = self.lives.makers[id(value)]
        if call.op not in PLAIN or self.lives.at[id(call)] != self.begun:
            return False
        for v in call.inputs:
            if not isinstance(v, Value) or self.lives.given(v):
                continue
            root = self.lives.root(v)
            if id(root) in self.lives.born or self.lives.given(root):
                self.bases[id(v)] = v
            elif not self._follow(v):
                return False
        return True


def delayed(graph: Graph) -> Graph:
    """The graph in which cheap values are made where they are needed: in a late loop, not in the early one that has what they read.

    A loop takes in all that can be computed from what it has at hand, so that the gradient of a relu would wait as an array
    of zeros and ones, as large as the relu's result, which waits anyway.
    """
    lives = Lifetimes(graph)
    kept = {id(lives.root(v)) for v in (*graph.outputs, *(v for _, v in graph.writes))}
    found = [Later(lives, v) for key, v in lives.values.items() if key not in kept and lives.makers[key].op in PLAIN]  # fmt: skip
    chosen = [x for x in found if x.pays]
    dropped = {id(x.value) for x in chosen}
    chosen = [x for x in chosen if not any(id(lives.root(b)) in dropped for b in x.bases.values())]
    if not chosen:
        return graph
    made = dead_code(_with(lives, chosen)[0])
    return made if Lifetimes(made).peak <= lives.peak else graph


def rematerialised(graph: Graph, limit: int) -> tuple[Graph, str]:
    """The graph with values made again so that at most `limit` bytes of its values are alive at once, if that can be;
    and a text of what was done. A limit that cannot be kept is said in a warning."""
    lives = Lifetimes(graph)
    before, done = lives.peak, []
    for _ in range(ROUNDS):
        if lives.peak <= limit:
            break
        chosen = _chosen(lives, limit)
        if not chosen:
            break
        tried, made = _with(lives, chosen)
        after = Lifetimes(tried)
        if after.peak >= lives.peak:
            tried, made = _with(lives, chosen[:1])
            after = Lifetimes(tried)
            if after.peak > lives.peak or (after.peak == lives.peak and after.bytes >= lives.bytes):
                break
        lives = after
        done += made
    if lives.peak > limit:
        warnings.warn(
            f"flambeau.compile: memory_limit is {limit} bytes, but the values of a program take {lives.peak} at once, with "
            f"what is cheap computed again ({before} without)",
            stacklevel=2,
        )
    lines = [
        f"{before} bytes at once, {lives.peak} after {len(done)} calls made again (limit {limit})"
    ]
    return lives.graph, "\n".join([*lines, *(f"    {c}" for c in done)])


def _chosen(lives: Lifetimes, limit: int) -> list[Again]:
    """Which values to drop at the peak: those that save most, as many as are needed."""
    kept = {id(lives.root(v)) for v in (*lives.graph.outputs, *(v for _, v in lives.graph.writes))}
    found = [
        Again(lives, v)
        for key, v in lives.values.items()
        if key not in kept and lives.born[key] < lives.when < lives.last[key]
    ]
    chosen: list[Again] = []
    needed = lives.peak - limit
    dropped: set[int] = set()
    pinned: set[int] = set()
    for again in sorted(found, key=lambda a: -a.gain):
        if again.gain <= 0 or needed <= 0:
            break
        bases = {id(lives.root(b)) for b in again.bases.values()}
        if bases & dropped or id(again.value) in pinned:
            continue
        chosen.append(again)
        dropped.add(id(again.value))
        pinned |= bases
        needed -= again.gain
    return chosen


def _with(lives: Lifetimes, chosen: Sequence[Again | Later]) -> tuple[Graph, list[Call]]:
    """A graph in which the chosen values are made again, and the calls that were added."""
    old = lives.graph
    graph = Graph()
    graph.inputs, graph.captured, graph.constants = old.inputs, old.captured, old.constants
    graph.outputs, graph.writes, graph._names = old.outputs, old.writes, old._names
    late: dict[int, list[Again | Later]] = {}
    for again in chosen:
        for key in again.late:
            late.setdefault(key, []).append(again)
    made: dict[int, dict[int, Value]] = {id(a): {} for a in chosen}
    added: list[Call] = []

    def copied(again: Again | Later, v: Any) -> Any:
        """A value as it is made again."""
        known = made[id(again)]
        if not isinstance(v, Value):
            return v
        if lives.given(v):
            return v
        if id(v) in known:
            return known[id(v)]
        if id(v) in again.bases:
            call = Call(SAME, (v,), {}, (Value(graph.name(), v.meta),), False)
            known[id(v)] = call.outputs[0]
        else:
            of = lives.makers[id(v)]
            inputs = tuple([copied(again, x) for x in of.inputs])
            outputs = tuple([Value(graph.name(), o.meta) for o in of.outputs])
            call = Call(of.op, inputs, of.attrs, outputs, of.several)
            known.update((id(o), n) for o, n in zip(of.outputs, outputs))
        graph.calls.append(call)
        added.append(call)
        return known[id(v)]

    for call in old.calls:
        inputs = list(call.inputs)
        for again in late.get(id(call), ()):
            for i, v in enumerate(call.inputs):
                # Late views are views of the new value: what they make stays as it is.
                if isinstance(v, Value) and lives.root(v) is again.value and id(lives.makers[id(v)]) not in again.late:  # fmt: skip
                    inputs[i] = copied(again, v)
        graph.calls.append(Call(call.op, tuple(inputs), call.attrs, call.outputs, call.several))
    return graph, added
