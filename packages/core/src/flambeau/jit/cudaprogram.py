"""Programs on a GPU: fused groups as generated kernels, the rest by CuPy, all of it recorded once as CUDA graphs.

The first run goes step by step, and shows which steps copy from the CPU. The second records: arguments get fixed places,
whose addresses the graphs know; parameters are read where they lie. From then on a run copies the arguments into their places, launches,
and copies the results out. A step that cannot be recorded (it waits for a number, copies from the CPU, draws random numbers, or is
a stranger's) runs between two graphs, on the same places.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..graph import Call, Graph, Value
from ..runtime.backend import of_device
from ..runtime.dispatch import offers
from ..runtime.operator import find
from ..runtime.tensor import Tensor, wrap
from . import program as common
from .cudakernels import Copies, Kernels
from .cudasteps import alone, apart, drawn_first, settled
from .fusion import Group, fuse, reads, writes

Run = Callable[[list], None]
MOVES = 2  # how often a captured tensor may have new memory before it is copied into a place, too


class Program(common.Program):
    """A program whose tensors are on one GPU."""

    def __init__(self, graph: Graph, backend: Any = None) -> None:
        graph = settled(graph)
        self.graph, self.backend, self.own, self.prepared = graph, backend, None, None
        self.machine = of_device("cuda").machine  # type: ignore[attr-defined]
        self.kind = self.machine.kind
        self.inputs = len(graph.inputs)
        self._slots: dict[int, int] = {}
        for v in (*graph.inputs, *graph.captured, *graph.constants):
            self._slot(v)
        self.given = len(self._slots)
        self.fixed = self.given - len(graph.constants)  # the first of the constants
        self.steps = drawn_first([alone(s) for s in fuse(graph)])
        self.groups = [Kernels(s, self.machine) for s in self.steps if isinstance(s, Group)]
        kernels = iter(self.groups)
        self._runs = [
            self._grouped(s, next(kernels)) if isinstance(s, Group) else self._call(s)
            for s in self.steps
        ]
        self.outputs = [self._slot(v) for v in graph.outputs]
        self.writes = [(self._slot(t), self._slot(v)) for t, v in graph.writes]
        self._apart = {i for i, s in enumerate(self.steps) if apart(s)}
        self._forget = self._last_reads()
        self._captured = [
            (i, v.source or partial(_itself, v.tensor), tuple(v.meta.shape), v.meta.dtype.numpy)
            for i, v in enumerate(graph.captured, self.inputs)
        ]
        self._constants = [
            a if type(a) is self.kind else self.machine.upload(a)
            for a in (v.tensor._array for v in graph.constants)
        ]
        self._seen: list[Any] = [None] * len(self._captured)
        # Gradients are other arrays at every call.
        self._moves = [MOVES if v.source is not None else 0 for v in graph.captured]
        self._lock = threading.Lock()
        self._runs_done = 0
        self._order = self.machine.Order()
        self.recorded: Recorded | None = None
        self.refused = ""  # why nothing is recorded

    # -- the program's protocol ---------------------------------------------------------------------------------------

    def fits(self) -> bool:
        """Whether the captured tensors still have the shapes and dtypes the program was made for."""
        for i, (_, source, shape, dtype) in enumerate(self._captured):
            array: Any = getattr(source(), "_array", None)
            if array is not self._seen[i] and (
                type(array) is not self.kind or array.shape != shape or array.dtype != dtype
            ):
                return False
        return True

    def shared(self, inputs: Sequence[Tensor]) -> bool:
        """Whether what the program writes may be seen through another of its tensors: it does not know of that."""
        if not self.writes:
            return False
        owners = [
            self.machine.owner(t._array) for t in (*inputs, *(s() for _, s, _, _ in self._captured))
        ]
        return len(set(owners)) < len(owners)

    def __call__(self, inputs: Sequence[Any], owners: Sequence[Tensor | None]) -> list:
        """The outputs for input arrays; writes go to the memory of the tensors they belong to, `owners` among inputs."""
        tensors = [source() for _, source, _, _ in self._captured]
        given = [*inputs, *[t._array for t in tensors], *self._constants]
        owned: list[Any] = [*owners, *tensors]
        with self._lock:
            results = self._done(given, owned)
        for target, _ in self.writes:
            owned[target]._bump()
        return results

    def _done(self, given: list, owned: list) -> list:
        if self.backend is not None:
            table = self._by_backend([wrap(a) for a in given])
            self._write(self.writes, table, owned)
            return [table[i] for i in self.outputs]
        if not given:
            return self._once(given, owned)
        with self.machine.on(given[0]):
            return self._once(given, owned)

    def _once(self, given: list, owned: list) -> list:
        self._look(given)
        self._runs_done += 1
        if self.recorded is None and self._runs_done > 1 and not self.refused:
            self._record(given)
        if self.recorded is not None:
            with self._order:
                return self.recorded(given, owned)
        # As they will lie in their places, so that no kernel is compiled while work is recorded.
        brought = [a if a.flags.c_contiguous else self._placed(a) for a in given[: self.inputs]]
        env = [*brought, *given[self.inputs :], *[None] * (self.size - len(given))]
        for i, (run, done) in enumerate(zip(self._runs, self._forget)):
            before = self.machine.uploads()
            run(env)
            if self.machine.uploads() != before:
                self._apart.add(i)
            for slot in done:
                env[slot] = None
        self._write(self.writes, env, owned)
        kept = {self.machine.owner(a) for a in self._constants}  # not for the caller to write into
        results = [env[i] for i in self.outputs]
        return [self.machine.copied(a) if self.machine.owner(a) in kept else a for a in results]

    def _placed(self, array: Any) -> Any:
        place = self.machine.place_for(array)
        place[...] = array
        return place

    def _write(self, pairs: Sequence[tuple[int, int]], table: Any, owned: list) -> None:
        for target, source in pairs:
            owned[target]._array[...] = table[source]

    def _look(self, given: list) -> None:
        """A captured tensor that has new memory is not where the graphs read: they are recorded anew."""
        for i, array in enumerate(given[self.inputs : self.inputs + len(self._captured)]):
            if array is not self._seen[i]:
                if self.recorded is not None and i not in self.recorded.moving:
                    self.recorded = None
                    self._moves[i] += 1
                self._seen[i] = array

    def _record(self, given: list) -> None:
        """Records the steps; each that fails is left to run between the graphs from then on."""
        while True:
            made: Recorded | None = None
            moving = {i for i, n in enumerate(self._moves) if n >= MOVES}
            try:
                made = Recorded(self, given, moving)
                made.record()
            except Exception as error:
                if made is None or made.at is None:
                    self.refused = str(error).strip().partition("\n")[0] or type(error).__name__
                    return
                self._apart.add(made.at)
            else:
                self.recorded = made
                return

    def stretches(self) -> list[tuple[bool, list[int]]]:
        """The steps as they are recorded: (whether in a graph, their numbers)."""
        found: list[tuple[bool, list[int]]] = []
        for i in range(len(self.steps)):
            inside = i not in self._apart
            if not found or found[-1][0] is not inside:
                found.append((inside, []))
            found[-1][1].append(i)
        return found

    # -- steps ----------------------------------------------------------------------------------------------------------

    def _call(self, call: Call) -> Run:
        op, backend, attrs = find(call.op), of_device("cuda"), call.attrs
        places = [(self._slot(v), None) if isinstance(v, Value) else (None, v) for v in call.inputs]
        outs = [self._slot(v) for v in call.outputs]
        metas = [v.meta if isinstance(v, Value) else v for v in call.inputs]
        offered = () if op.family == "composite" else offers(op, backend)
        numbers = any(type(v) in (int, float, bool) for v in call.inputs)
        accepted = None if numbers else next((k for ok, k in offered if ok(metas, attrs)), None)
        kernel, xp = accepted or op.kernels[None], backend.xp
        dtypes = [v.meta.dtype.numpy for v in call.outputs]

        def run(env: list) -> None:
            made = kernel(
                xp, *[value if slot is None else env[slot] for slot, value in places], **attrs
            )
            for o, m, dtype in zip(outs, made if call.several else (made,), dtypes):
                # Numbers that stand for arrays have no dtype of their own.
                env[o] = m.astype(dtype, copy=False) if numbers else m

        return run

    def _grouped(self, group: Group, kernels: Kernels) -> Run:
        """The group's kernel; its calls one by one where it has no text, or arrays are of other shapes than were captured."""
        inputs = [(self._slot(v), tuple(v.meta.shape)) for v, _ in kernels.inputs]
        outs = [self._slot(v) for v in group.outputs]
        loop: list[Run] = []

        def run(env: list) -> None:
            arrays = [env[slot] for slot, _ in inputs]
            if not all(a.shape == shape for a, (_, shape) in zip(arrays, inputs)) or not (
                made := kernels(arrays)
            ):
                loop[:] = loop or [self._call(c) for c in group.calls]
                for r in loop:
                    r(env)
                return
            for slot, m in zip(outs, made):
                env[slot] = m

        for c in group.calls:  # before anybody asks how large the table is
            for v in c.outputs:
                self._slot(v)
        return run

    # -- shown ----------------------------------------------------------------------------------------------------------

    def fused_text(self) -> str:
        """The steps after fusion, and how they are launched."""
        lines = [super().fused_text()]
        if self.recorded is not None:
            graphs = sum(inside for inside, _ in self.stretches())
            apart = [str(self.steps[i]) for i in sorted(self._apart)]
            lines.append(f"launched as {graphs} CUDA graph{'s' * (graphs != 1)}")
            lines += [f"    between them: {text}" for text in apart]
        elif self.refused:
            lines.append(f"launched one by one: {self.refused}")
        return "\n".join(lines)

    def c_text(self) -> str:
        """The kernels of the fused groups, for arrays laid out as the program's values are."""
        return "\n".join(k.dense_text() for k in self.groups)


class Recorded:
    """A program's CUDA graphs, and the arrays that they read and write. `at` is the step that was being recorded."""

    def __init__(self, program: Program, given: list, moving: set[int]) -> None:
        self.program, self.machine = program, program.machine
        self.moving = moving
        self.at: int | None = None
        self.pool, self.copies = self.machine.pool(), Copies(self.machine)
        self.stages: list[Any] = []  # what is launched, and the numbers of the steps between
        first = program.inputs
        self.copied = [*range(first), *(first + i for i in sorted(moving))]
        self.table: list[Any] = [*given, *[None] * (program.size - len(given))]
        with self.machine.within(self.pool):
            for i in self.copied:
                self.table[i] = self.machine.place_for(given[i])
        between = [program.steps[i] for i in program._apart]
        self.needed = {program._slot(v) for s in between for v in (*reads(s), *writes(s))}
        inside = [t for t, _ in program.writes if t >= first and t not in self.copied]
        self.inner = [pair for pair in program.writes if pair[0] in inside]
        self.outer = [pair for pair in program.writes if pair[0] not in inside]

    def record(self) -> None:
        """Records all stretches. What lies between two graphs is not run either: what it makes gets its places."""
        stretches = self.program.stretches()
        if self.inner and (not stretches or not stretches[-1][0]):
            stretches.append((True, []))
        for n, (inside, steps) in enumerate(stretches):
            if inside:
                recording = self.machine.Recording(self.pool)
                with recording:
                    self._recorded(recording, steps, n == len(stretches) - 1)
                self.stages.append(recording)
            else:
                with self.machine.within(self.pool):
                    for v in (v for i in steps for v in writes(self.program.steps[i])):
                        place = self.machine.empty(v.meta.shape, v.meta.dtype.numpy)
                        self.table[self.program._slot(v)] = place
                self.stages.append(steps)
        own = {
            self.machine.owner(self.table[i])
            for i in range(self.program.fixed)
            if i not in self.copied
        }
        # What looks at a parameter's memory is given out as it is, everything else as a copy.
        self.views = {s for s in self.program.outputs if self.machine.owner(self.table[s]) in own}

    def _recorded(self, recording: Any, steps: list[int], last: bool) -> None:
        for i in steps:
            self.at = i
            recording.do(self.program._runs[i], self.table)
            for slot in self.program._forget[i]:
                if slot not in self.needed:
                    self.table[slot] = None  # its memory is free for later steps
        self.at = None
        if last:
            for target, source in self.inner:
                recording.do(partial(_written, target, source), self.table, makes=False)

    def _between(self, i: int) -> None:
        """A step outside of the graphs: what it makes goes into places that the next graph knows."""
        table = list(self.table)
        self.program._runs[i](table)
        for v in writes(self.program.steps[i]):
            slot = self.program._slot(v)
            place, made = self.table[slot], table[slot]
            if made.shape != place.shape:
                raise RuntimeError(
                    f"flambeau.compile: {self.program.steps[i]} made a result of shape {list(made.shape)}, and of shape "
                    f"{list(place.shape)} when the function was captured"
                )
            place[...] = made

    def _bring(self, given: list) -> None:
        for i in self.copied:
            self.table[i][...] = given[i]

    def __call__(self, given: list, owned: list) -> list:
        """The outputs, and all that is written, for these arrays."""
        self._bring(given)
        for stage in self.stages:
            if type(stage) is list:
                for i in stage:
                    self._between(i)
            else:
                stage.launch()
        outputs, first = self.program.outputs, self.program.fixed
        results = [given[s] if s < first else self.table[s] for s in outputs]
        new = [n for n, s in enumerate(outputs) if s >= first and s not in self.views]
        for n, array in zip(new, self.copies([results[n] for n in new])):
            results[n] = array
        self.program._write(self.outer, self.table, owned)
        return results


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def _written(target: int, source: int, env: list) -> None:
    env[target][...] = env[source]
