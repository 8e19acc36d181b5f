"""What runs when a captured call is made again: programs, gradients and effects in turn; forward and backward apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from sys import getrefcount
from typing import Any

import numpy as np

from .._base import pytree
from ..graph import Call, Graph, Value
from ..graph.passes import constants, dead_code, filled, simplify
from ..runtime import random, state, tape
from ..runtime.claims import End
from ..runtime.operator import registry
from ..runtime.tensor import Box, Tensor, history, new, own, wrap
from .again import as_then, draws, written
from .capture import Grads, Part, shares
from .decisions import Check, Decision, Departed, Guarded
from .fusion import fusible
from .numbers import READERS, Number, Numbers, Read, Reading
from .program import Program
from .tuning import Making, Tuned

local = state.local


class Stage:
    """Parts that run one after another on a table of arrays."""

    def __init__(
        self,
        parts: Sequence[Part],
        slots: dict[int, int],
        making: Making,
    ) -> None:
        self.parts = list(parts)
        self.steps: list[Any] = []
        done = 0  # calls
        for part in parts:
            if isinstance(part, Graph):
                done += len(part.calls)
                places = [slots.setdefault(id(v), len(slots)) for v in part.inputs]
                outs = [slots.setdefault(id(v), len(slots)) for v in part.outputs]
                self.steps.append((making(_lowered(part)), places, outs))
            elif isinstance(part, Grads):
                changes = [(t, None if v is None else slots[id(v)]) for t, v in part.changes]
                self.steps.append(changes)
            elif isinstance(part, Numbers):
                self.steps.append(Read(part, slots))
            elif isinstance(part, Decision):
                self.steps.append(Check(part, slots, done))
            else:
                given = [_argument(x, slots) for x in part.given]
                self.steps.append(_Again(part.call, given, part.spec))
        self.programs: list[Program | Tuned] = [s[0] for s in self.steps if type(s) is tuple]

    def fits(self) -> bool:
        """Whether captured tensors still have the shapes and dtypes that the programs were made for."""
        return all(p.fits() for p in self.programs)

    def reads(self, array: Any, table: list[Any]) -> bool:
        """Whether a run on this table may look at memory of `array`."""
        if type(array) is not np.ndarray or len(self.programs) < len(self.steps):
            return True
        seen = [table[i] for _, places, _ in self.steps for i in places]
        seen += [v.tensor._array for p in self.programs for v in p.graph.captured]
        return any(a is not None and np.may_share_memory(array, a) for a in seen)

    def run(self, table: list[Any], given: Sequence[Tensor]) -> None:
        """`given` are the arguments' tensors, which stand at the front of the table: programs may write into them."""
        for step in self.steps:
            if type(step) is tuple:
                program, places, outs = step
                owners = [given[i] if i < len(given) else wrap(table[i]) for i in places] if program.writes else ()  # fmt: skip
                made = program([table[i] for i in places], owners)
                for i, array in zip(outs, made):
                    table[i] = array
                made = array = None  # the table alone holds them
            elif type(step) is list:
                for tensor, i in step:
                    if i is None:
                        tensor.grad = None
                        continue
                    array = table[i]
                    g = wrap(array)
                    # In memory that nobody else holds, as it may be written into: a program gives one array for equal results,
                    # and its inputs and views. Held by the table, `array`, `g` and getrefcount's argument.
                    alone = array.base is None and getrefcount(array) <= 4
                    if alone and not state.active and array.shape == tensor._array.shape:
                        tensor._grad = g  # what assigning would look at is known
                    else:
                        tensor.grad = g if alone else own(g, tensor)
            else:
                step(table)


def _argument(x: Any, slots: dict[int, int]) -> Callable[[list[Any]], Any]:
    """What gives an effect's argument from a table of arrays."""
    if isinstance(x, Value):
        place = slots[id(x)]
        return lambda table: wrap(table[place])
    if isinstance(x, Reading):
        read, at = READERS[x.how], slots[id(x.value)]
        return lambda table: read(wrap(table[at]))
    return lambda table: x


class _Again:
    """An effect made again, on this call's tensors and numbers."""

    def __init__(self, call: Any, given: list[Callable[[list[Any]], Any]], spec: Any) -> None:
        self.call, self.given, self.spec = call, given, spec

    def __call__(self, table: list[Any]) -> None:
        if not self.given:
            self.call()
            return
        args, kwargs = pytree.unflatten([argument(table) for argument in self.given], self.spec)
        self.call(*args, **kwargs)


def _made(call: Call) -> Tensor:
    return registry[call.op].public(**{**call.attrs, "dtype": call.outputs[0].meta.dtype})


def _lowered(graph: Graph) -> Graph:
    """All passes, for a program on the CPU."""
    graph = dead_code(constants(simplify(graph), fusible))
    return filled(graph, _made, lambda call: shares(call.op))


class Plan:
    """A captured call, ready to be made again with other arrays of the same shapes."""

    def __init__(
        self,
        body: Any,
        parts: list[Part],
        cut: int,
        given: Sequence[Value],
        outputs: Sequence[Value],
        result: tuple,
        back: Back | None,
        spent: Sequence[bool],
        relies: Sequence[tuple[Tensor, bool]] = (),
        making: Making | None = None,
    ) -> None:
        making = making or Making()
        self.body, self.relies = body, tuple(relies)
        slots = {id(v): i for i, v in enumerate(given)}
        self.count = len(given)
        if back is not None:
            for v in back.seeds:
                slots.setdefault(id(v), len(slots))
        step = replace(making, members=frozenset())
        numbers = [p for p in parts if isinstance(p, Numbers)]
        graphs = [p for p in parts if isinstance(p, Graph)]
        others = sum(not isinstance(p, (Graph, Numbers, Decision)) for p in parts)
        written_to = {id(t.tensor) for g in graphs for t, _ in g.writes if len(graphs) > 1}
        prediction = back is None and not others and written_to.isdisjoint(making.members)  # its weights stay  # fmt: skip
        self.forward = Stage(parts[:cut], slots, making if prediction else step)
        self.backward = Stage(parts[cut:], slots, step)
        self.kind = next((p.kind for p in self.forward.programs), np.ndarray)  # of arrays
        self.outputs = [slots[id(v)] for v in outputs]
        template, spec = result
        readings = [_argument(x, slots) if isinstance(x, Reading) else x for x in template]
        self.result, self.spent, self.back = (readings, spec), spent, back
        forward = [part for part in parts[:cut] if isinstance(part, Graph)]
        self.draws = back is not None and draws(forward)
        self.written = [] if back is None else written(forward)
        if back is not None:
            back.place(slots)
        self.size = len(slots) + sum(len(p.readings) for p in numbers)
        self._dropped: list[Tensor] = []
        self.scalars: Callable[[Sequence[Any]], Sequence[Tensor] | None] | None = (
            None  # of each call's leaves: `scalars`
        )
        self.general: Any = None  # the open capture that it was made of
        self.guarded: Guarded | None = None  # where the call decides by what tensors hold
        self._writing = [p for p in self.forward.programs if p.writes]
        self._alone = result[0] == [None] and result[1] == pytree.LEAF  # the result is one tensor
        # A function of its arguments that is one program and has no gradients: there is no table to keep.
        whole = len(self.forward.steps) == 1 and self._alone and back is None and not any(spent)
        self._only: Any = None
        if whole and type(self.forward.steps[0]) is tuple:
            self._only = self.forward.steps[0]

    def drop(self, dropped: dict[int, Tensor], olds: dict[int, Tensor]) -> None:
        """Says whose gradients the call drops: their memory is free before new ones are made, unless a program reads them.

        `olds` has, by id of a captured value that is a gradient, whose.
        """
        programs = (*self.forward.programs, *self.backward.programs)
        read = {id(olds[id(v)]) for p in programs for v in p.graph.captured if id(v) in olds}
        self._dropped = [t for i, t in dropped.items() if i not in read]
        if any(type(s) is Check for s in self.forward.steps):
            stage = self.forward
            self.guarded = Guarded(stage.parts, stage.steps, self.count, self._dropped)

    def fits(self) -> bool:
        """Whether the programs can run on what they captured, as it is now."""
        for t, had in self.relies:
            if (t._grad is not None) is not had:
                return False
        return self.forward.fits()

    def shared(self, tensors: Sequence[Tensor]) -> bool:
        """Whether what a program writes may be seen through another of its tensors: it does not know of that."""
        return bool(self._writing) and any(p.shared(tensors) for p in self._writing)

    def __call__(self, tensors: Sequence[Tensor], args: tuple, kwargs: dict[str, Any]) -> Any:
        """The result for arguments whose tensors are `tensors`, and then the numbers that are arrays."""
        if self._only is not None and not self._dropped:
            return self._by_program(tensors)
        before = None if self.guarded is None else self.guarded.before(tensors)
        for t in self._dropped:
            t._grad = None
        table: list[Any] = [None] * self.size
        for i, t in enumerate(tensors):
            table[i] = t._array
        dice = random.get_rng_state() if self.draws and local.grad else None
        if before is None:
            self.forward.run(table, tensors)
        else:
            assert self.guarded is not None
            try:
                self.forward.run(table, tensors)
            except Departed as error:
                return self.guarded.departed(before, error)
            del before
        made = [wrap(table[i]) for i in self.outputs]
        if self.back is not None and local.grad:
            self.back.attach(self, made, table, tensors, args, kwargs, dice)
        for t, s in zip(made, self.spent):
            if s:
                t._node = _spent()
        if self._alone:
            return made[0]
        template, spec = self.result
        results = iter(made)
        leaves = [
            next(results)
            if x is None
            else x[0]
            if type(x) is tuple
            else table[-1 - x.index]
            if type(x) is Number
            else x(table)
            for x in template
        ]
        return leaves[0] if spec is pytree.LEAF else pytree.unflatten(leaves, spec)

    def _by_program(self, tensors: Sequence[Tensor]) -> Tensor:
        """The result that the only program gives."""
        program, places, outs = self._only
        owners = [tensors[i] for i in places] if program.writes else ()
        made = program([tensors[i]._array for i in places], owners)
        return wrap(made[outs.index(self.outputs[0])])

    def text(self) -> str:
        """The parts, programs after fusion."""
        lines = []
        for name, part in (("", self.forward), ("backward:", self.backward)):
            if part.steps and name:
                lines.append(name)
            for step, what in zip(part.steps, part.parts):
                lines.append(step[0].fused_text() if type(step) is tuple else str(what))
        return "\n".join(x for x in lines if x)


class Back:
    """The backward of a captured call whose results have gradients."""

    def __init__(
        self,
        shown: Sequence[int],
        seeds: Sequence[Value],
        inputs: Sequence[int],
        leaves: Sequence[Tensor],
        grads: Sequence[Value | None],
    ) -> None:
        self.shown = shown  # which results have gradients
        self.seeds = seeds  # the values of the gradients that arrive
        self.inputs, self.leaves = inputs, leaves  # places of arguments, and captured tensors
        self.grads = grads  # of the arguments, then of the captured tensors

    def place(self, slots: dict[int, int]) -> None:
        """Remembers where values stand in the table."""
        self.seed_slots = [slots[id(v)] for v in self.seeds]
        self.grad_slots = [None if v is None else slots[id(v)] for v in self.grads]

    def attach(
        self,
        plan: Plan,
        made: list[Tensor],
        table: list[Any],
        tensors: Sequence[Tensor],
        args: tuple,
        kwargs: dict[str, Any],
        dice: Any,
    ) -> None:
        """Ties results to the arguments and to what was captured, by one node."""
        given = [tensors[i] for i in self.inputs]
        node = new(tape.Node)
        node.op = _Operator(plan, args, kwargs, dice)
        node.edges = tuple(
            [history(t) if isinstance(t, Tensor) else None for t in (*given, *self.leaves)]
        )
        watched = [
            v.tensor for p in plan.backward.programs for v in p.graph.captured if v.source is None
        ]
        kept = (
            *given,
            *self.leaves,
            *tensors,
            *watched,
        )  # written to since: noticed by their versions
        node.saved = (_Kept(table), *kept)
        node.versions = (0, *[tape.version_of(t) for t in kept])
        node.outputs, node.simple = tuple([made[i]._meta for i in self.shown]), False
        for place, i in enumerate(self.shown):
            made[i]._node = tape.Output(node, place)
        for t in kept:
            if t._box is None:
                t._box = Box()


class _Kept:
    """The arrays of a forward that its backward reads."""

    def __init__(self, table: list[Any]) -> None:
        self.table = table


class _Operator:
    """What the node of a captured call shows, and its rule."""

    name = "compiled_function"

    def __init__(self, plan: Plan, args: tuple, kwargs: dict[str, Any], dice: Any) -> None:
        self.plan, self.args, self.kwargs = plan, args, kwargs
        self.dice = dice  # the random generator's state when the call began

    @property
    def vjp_rule(self) -> _Operator:
        return self

    def fast(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        if any(x._level or type(x._array) is not self.plan.kind for x in g):
            return self._eagerly(node, g, needs)
        (kept, *_) = tape.unpack(node, self._written)
        plan, back = self.plan, self.plan.back
        assert back is not None
        table = list(kept.table)
        for i, x in zip(back.seed_slots, g):
            a = x._array
            table[i] = a if a.flags.c_contiguous else a.copy()  # programs are made for a layout
        plan.backward.run(table, ())
        found = [None if i is None else wrap(table[i]) for i in back.grad_slots]
        return [x if n else None for x, n in zip(found, needs)]

    def _written(self, tensor: Tensor, version: int, node: Any) -> Tensor:
        """Refuses a tensor that was written since the forward, unless the backward does not read it."""
        if self.plan.backward.reads(tensor._array, node.saved[0].table):
            tape.modified(tensor, version, node)
        return tensor

    def pullback(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        return self._eagerly(node, g, needs) if local.grad else self.fast(node, g, needs)

    def _eagerly(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        """The gradient of the function itself, run again: for a graph of the backward, and under transforms."""
        tape.unpack(node)
        back = self.plan.back
        assert back is not None
        leaves, spec = pytree.flatten((self.args, self.kwargs))
        places = [i for i, x in enumerate(leaves) if isinstance(x, Tensor)]
        ends = []
        for i in back.inputs:
            end = End(leaves[places[i]])
            leaves[places[i]] = end.tensor
            ends.append(end)
        before, local.grad = local.grad, True
        try:
            args, kwargs = pytree.unflatten(leaves, spec)
            with as_then(self.dice, self.plan.written):
                outs = pytree.flatten(self.plan.body(*args, **kwargs))[0]
        finally:
            local.grad = before
        outs = [x for x in outs if isinstance(x, Tensor)]
        roots = [history(outs[i]) for i in back.shown]
        wanted = [*[e.node for e in ends], *[history(t) for t in back.leaves]]
        found = tape.backward(roots, list(g), wanted, True, before, fill_leaves=False)
        for end, edge in zip(ends, node.edges):
            if edge is not None:
                end.node.edges = (edge,)
        return [x if n else None for x, n in zip(found, needs)]


def _spent() -> Any:
    """The node of a result whose graph was walked inside the call: a second backward is refused as everywhere."""
    node = new(tape.Node)
    node.op, node.saved, node.edges = _SPENT, tape.FREED, (None,)
    return node


class _Spent:
    name = "compiled_function"

    @property
    def vjp_rule(self) -> _Spent:
        return self

    def pullback(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        tape.unpack(node)
        return ()

    fast = pullback


_SPENT = _Spent()
