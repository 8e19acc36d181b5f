"""A fused graph as a list of steps on raw arrays: what a call of a compiled function runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from copy import copy
from functools import partial
from operator import is_
from typing import Any

import numpy as np

from ..graph import Call, Graph, Value
from ..graph.passes import EFFECTS
from ..ir.text import NoText
from ..runtime import state
from ..runtime.backend import of_device
from ..runtime.dispatch import offers
from ..runtime.operator import find
from ..runtime.tensor import Tensor, wrap
from .fusion import Group, Step, fuse, reads, writes

Run = Callable[[list], Any]


_recording = threading.Lock()  # a recorder sees the calls of all kernels


class Program:
    """The executable form of a graph. `kernels` are the fused groups, for printing.

    `members`: the ids of modules' tensors. What depends only on them is computed once, until one of them is written.
    `last`: whether convolutions may have their channels last.
    """

    kind: Any = np.ndarray  # the class of its arrays

    def __init__(
        self,
        graph: Graph,
        backend: Any = None,
        members: Collection[int] = (),
        last: bool = True,
    ) -> None:
        self.backend, self.own = backend, None  # a user's backend, and the function it made
        self.prepared: Any = None
        if members and backend is None:
            graph, self.prepared = _prepared(graph, members, last)
        self.graph = graph
        self.inputs = len(graph.inputs)
        self.steps = fuse(graph)
        self.replay: Any = None  # how later runs go; False: as the first
        self.remat = ""  # what is computed again under a memory limit
        self.trusts = True  # whether a recording believes what earlier processes have proved
        self.kernels: list[tuple[Group, Any]] = []
        self.texts: list[str] = []  # the C of the groups
        self._slots: dict[int, int] = {}
        ready = self.prepared.values if self.prepared else []
        for v in (*graph.inputs, *graph.captured, *graph.constants, *ready):
            self._slot(v)
        self._runs = [self._compiled(s) for s in self.steps]
        if len(self.texts) > 1:
            from ..backends.cpu import library

            library.soon((text, ()) for text in self.texts[1:])
        self.outputs = [self._slot(v) for v in graph.outputs]
        self.writes = [(self._slot(t), self._slot(v)) for t, v in graph.writes]
        self._forget = self._last_reads()
        self._captured = [
            (
                self._slot(v),
                v.source or partial(_itself, v.tensor),
                tuple(v.meta.shape),
                v.meta.dtype.numpy,
            )
            for v in graph.captured
        ]
        fixed = all(v.source is None for v in graph.captured)
        self._fixed = [v.tensor for v in graph.captured] if fixed else None
        self._seen: list[Any] = [None] * len(self._captured)  # their arrays when last looked at
        self._constants = [v.tensor._array for v in graph.constants]
        if self.prepared is not None:
            self.prepared.reader = self

    def _slot(self, v: Value) -> int:
        return self._slots.setdefault(id(v), len(self._slots))

    def _owned(self) -> list[Any]:
        """The captured tensors. A gradient may be gone."""
        if self._fixed is not None:
            return self._fixed
        return [source() for _, source, _, _ in self._captured]

    def fits(self) -> bool:
        """Whether the captured tensors still have the shapes and dtypes the program was made for."""
        if self.prepared is not None and not self.prepared.fits():
            return False
        fixed = self._fixed
        if fixed is not None and (
            not fixed or all(map(is_, [t._array for t in fixed], self._seen))
        ):
            return True
        for i, (_, source, shape, dtype) in enumerate(self._captured):
            array = getattr(source(), "_array", None)
            if array is not self._seen[i]:
                if type(array) is not np.ndarray or array.shape != shape or array.dtype != dtype:
                    return False
                if self.replay and array.strides != self.replay.strides[i]:
                    self.replay = None  # to be recorded anew
                self._seen[i] = array
        return True

    def holds(self, array: np.ndarray) -> int:
        """How many references to a captured array are kept from the last run."""
        kept = [*self._seen, *(self.replay.last if self.replay else ())]
        return sum(a is array for a in kept)

    def forget(self) -> None:
        """Lets go of the arrays of the last run."""
        self._seen = [None] * len(self._captured)
        if self.replay:
            self.replay.forget()

    def shared(self, inputs: Sequence[Tensor]) -> bool:
        """Whether what the program writes may be seen through another of its tensors: it does not know of that."""
        if not self.writes:
            return False
        tensors = (*inputs, *self._owned())
        roots = [_root(t._array) for t in tensors if t is not None]
        return len(set(roots)) < len(roots)

    def __call__(
        self, inputs: Sequence[np.ndarray], owners: Sequence[Tensor | None]
    ) -> list[np.ndarray]:
        """The outputs for input arrays; writes go to the memory of the tensors they belong to, `owners` among inputs."""
        ready = () if self.prepared is None else self.prepared()
        tensors = self._owned()
        given = [*inputs, *[t._array for t in tensors], *self._constants, *ready]
        replay = self.replay
        env = replay(given) if replay else None
        if env is None:
            env, writes = self._run(given)
        else:
            writes = replay.writes
        results = [env[i] for i in self.outputs]
        if self.writes:
            owned: list[Any] = [*owners, *tensors]
            for target, source in writes:
                owned[target]._array[...] = env[source]
            for target, _ in self.writes:
                owned[target]._bump()
        return results

    def _run(self, given: list[np.ndarray]) -> tuple[Any, list[tuple[int, int]]]:
        """The table of arrays after a run, and the writes that are still to be done."""
        if self.backend is not None:
            return self._by_backend([wrap(a) for a in given]), list(self.writes)
        if self.replay is None and _recording.acquire(
            blocking=False
        ):  # else another thread is at it: step by step for once
            try:
                replay = self.replay = self._recorded(given)
            finally:
                _recording.release()
            if replay:
                table = dict(zip(self.outputs, replay.first))
                self.replay = replay if replay.usable else None if replay.again else False
                self.trusts = not replay.again
                replay.first = None
                return table | replay.first_writes, list(self.writes)
        env: list[Any] = [None] * self.size
        env[: len(given)] = given
        token = state.error_state.set(state.quiet)
        try:
            for run, done in zip(self._runs, self._forget):
                run(env)
                for slot in done:
                    env[slot] = None
        finally:
            state.error_state.reset(token)
        return env, list(self.writes)

    def _by_backend(self, given: list[Tensor]) -> dict[int, np.ndarray]:
        """Outputs and written values by the function that a user's backend makes of the graph."""
        if self.own is None:
            self.own = self.backend(self.graph, given)
            if not callable(self.own):
                raise TypeError(
                    f"compile(): the backend must return a function, but gave {type(self.own).__name__}"
                )
        places = [*self.outputs, *(s for _, s in self.writes)]
        made = self.own(*given)
        made = [made] if isinstance(made, Tensor) else list(made)
        if len(made) != len(places):
            raise RuntimeError(
                f"compile(): the backend's function gave {len(made)} tensors for {len(places)} results"
            )
        return {i: t._array for i, t in zip(places, made)}

    def _recorded(self, given: list[np.ndarray]) -> Any:
        """This run and what later ones replay; False where there is no compiler, or memory that cannot be followed."""
        from ..backends import cpu

        if not self._runs or not cpu.available() or any(s < 0 for a in given for s in a.strides):
            return False
        from ..backends.cpu import memory

        memory.release()  # what the eager call before has left: the program has memory of its own
        from ..backends.cpu.compiler import CompileError
        from .replay import Replay

        try:
            return Replay(self, given)
        except (CompileError, MemoryError):
            return False
        finally:
            memory.release()

    @property
    def size(self) -> int:
        """Places in the table of arrays."""
        return len(self._slots)

    def described(self) -> Iterator[tuple[Run, list[int], list[int], list[int], bool, bool]]:
        """Each step: its run, the slots not read after it, those it reads and makes, whether it only computes, and whether it
        is flambeau's own."""
        for step, run, done in zip(self.steps, self._runs, self._forget):
            needs = [self._slot(v) for v in dict.fromkeys(reads(step))]
            makes = [self._slot(v) for v in writes(step)]
            if isinstance(step, Group):
                yield run, done, needs, makes, True, True
            else:
                op = find(step.op)
                pure = not (step.op in EFFECTS or op.random or "reads" in op.tags)
                yield run, done, needs, makes, pure, "::" not in step.op

    def _last_reads(self) -> list[list[int]]:
        """After each step, the slots that nobody reads any more."""
        kept = {*self.outputs, *(s for pair in self.writes for s in pair)}
        kept |= {
            self._slot(v) for v in (*self.graph.inputs, *self.graph.captured, *self.graph.constants)
        }
        kept |= {self._slot(v) for v in (self.prepared.values if self.prepared else ())}
        last: dict[int, int] = {}
        for i, s in enumerate(self.steps):
            for v in (*reads(s), *writes(s)):
                last[self._slot(v)] = i
        found: list[list[int]] = [[] for _ in self.steps]
        for slot, i in last.items():
            if slot not in kept:
                found[i].append(slot)
        return found

    # -- steps ----------------------------------------------------------------------------------------------------------

    def _compiled(self, step: Step) -> Run:
        if isinstance(step, Group):
            return self._fused(step)
        return self._call(step)

    def _call(self, call: Call) -> Run:
        op = find(call.op)
        backend = of_device("cpu")
        attrs = call.attrs
        places = [(self._slot(v), None) if isinstance(v, Value) else (None, v) for v in call.inputs]
        outs = [self._slot(v) for v in call.outputs]
        if op.name == "where" and not any(isinstance(v, Value) for v in call.inputs[1:]):
            # No operand has the dtype of the result: kernels would take the condition's.
            dtype = call.outputs[0].meta.dtype.numpy
            places[1:] = [(None, np.asarray(v, dtype)) for v in call.inputs[1:]]
        metas = [v.meta if isinstance(v, Value) else v for v in call.inputs]
        offered = () if op.family == "composite" else offers(op, backend)
        kernel = next((k for accepts, k in offered if accepts(metas, attrs)), op.kernels[None])
        xp = backend.xp
        several = call.several
        if op.name == "reshape":
            kernel = _Reshape(op.kernels[None])
        if any(v is not None and not isinstance(v, Value) for v in call.inputs) and not several:
            kernel = partial(_as, kernel, call.outputs[0].meta.dtype.numpy)

        def run(env: list) -> None:
            made = kernel(
                xp, *[value if slot is None else env[slot] for slot, value in places], **attrs
            )
            if several:
                for o, m in zip(outs, made):  # NumPy gives scalars for arrays without dimensions
                    env[o] = m if isinstance(m, np.ndarray) else np.asarray(m)
            else:
                env[outs[0]] = made if isinstance(made, np.ndarray) else np.asarray(made)

        numbers = [x for x in call.inputs if type(x) in (int, float)]
        run.text, run.numbers = _spelled(call, kernel), numbers  # type: ignore[attr-defined]
        return run

    def _fused(self, group: Group) -> Run:
        """One kernel for a group; without a compiler its calls one by one."""
        kernel = self._kernel(group)
        if kernel is None:
            runs = [self._call(c) for c in group.calls]

            def loop(env: list) -> None:
                for r in runs:
                    r(env)

            return loop
        inputs = [self._slot(v) for v, _ in group.expressions()[1].values()]
        outs = [(self._slot(v), tuple(v.meta.shape)) for v in group.outputs]
        self.kernels.append((group, kernel))

        def run(env: list) -> None:
            made = kernel(*[env[i] for i in inputs])
            for (slot, shape), m in zip(outs, made):
                env[slot] = m if m.shape == shape else m.reshape(shape)

        run.text = f"{self.texts[-1]}\n{[shape for _, shape in outs]}"  # type: ignore[attr-defined]
        return run

    def _kernel(self, group: Group) -> Any:
        """The group's kernel; None where there is no compiler, or no input of the whole shape to run over."""
        from ..backends import cpu

        made, inputs, folds = group.expressions()
        shapes = [tuple(v.meta.shape) for v, _ in inputs.values()]
        if group.shape not in shapes or not cpu.available():
            return None
        from ..backends.cpu.kernel import Kernel, Output, source_of

        kinds = {name: v.meta.dtype.name for v, name in inputs.values()}
        outputs = [
            Output(f"y{i}", made[id(v)], v.meta.dtype.name, folds.get(id(v)))
            for i, v in enumerate(group.outputs)
        ]
        kernel = Kernel(outputs, kinds, (), group.reduced or (), group.keepdim)
        try:
            nest = kernel.nest([np.empty(s, d) for s, d in zip(shapes, kinds.values())])
            self.texts.append(source_of(nest))
        except NoText:  # a function that C has no spelling for
            return None
        return kernel

    # -- shown ----------------------------------------------------------------------------------------------------------

    def fused_text(self) -> str:
        """The steps after fusion."""
        lines = []
        if self.prepared is not None:
            lines.append("once, until a tensor is written:")
            lines += ["    " + x for x in self.prepared.program.fused_text().splitlines()]
        for s in self.steps:
            if isinstance(s, Group):
                lines.append(f"fused {tuple(s.shape)} -> {', '.join(v.name for v in s.outputs)}")
                lines.extend(f"    {c}" for c in s.calls)
            else:
                lines.append(str(s))
        return "\n".join(lines)

    def c_text(self) -> str:
        """The C functions of the fused groups, for arrays laid out as the program's values are."""
        texts = []
        for group, kernel in self.kernels:
            values = group.expressions()[1].values()
            arrays = [np.empty(tuple(v.meta.shape), v.meta.dtype.numpy) for v, _ in values]
            texts.append(kernel.nest(arrays).text)
        return "\n".join(texts)


def _prepared(graph: Graph, members: Collection[int], last: bool) -> tuple[Graph, Any]:
    """The graph of what depends on the inputs, and what it is given by that of the rest; None where nothing is."""
    from ..backends import cpu

    if not cpu.available():
        return graph, None
    from .epilogues import epilogues
    from .lasting import Prepared, lasting, split
    from .layout import channels_last

    graph = epilogues(copy(graph), lasting(graph, members), last)
    parts = split(channels_last(graph, lasting(graph, members)), members)
    if parts is None:
        return graph, None
    before, rest = parts
    return rest, Prepared(Program(before), before.outputs)


def _as(kernel: Callable[..., Any], dtype: Any, xp: Any, *given: Any, **attrs: Any) -> np.ndarray:
    """A kernel's result in the dtype of the program: numbers that stand for arrays have none of their own."""
    return np.asarray(kernel(xp, *given, **attrs)).astype(dtype, copy=False)


class _Reshape:
    """`reshape`; where it is no view, the copy is made on all cores."""

    def __init__(self, kernel: Callable[..., np.ndarray]) -> None:
        self.kernel, self.copies = kernel, False

    def __call__(self, xp: Any, x: np.ndarray, *, shape: Any) -> np.ndarray:
        from ..backends.cpu import copies, library

        if self.copies:
            return copies.dense(x).reshape(shape)
        made = self.kernel(xp, x, shape=shape)
        self.copies = (
            not np.may_share_memory(made, x)
            and x.itemsize in (1, 2, 4, 8, 16)
            and library.available()
        )
        return self(xp, x, shape=shape) if self.copies else made  # the first run as all others


def _spelled(call: Call, kernel: Any) -> str | None:
    """What a call is, whatever process makes it; None where that cannot be said."""
    from .proofs import owner, spelled

    given = ["array" if isinstance(v, Value) else v for v in call.inputs]
    try:
        return f"{call.op} {owner(kernel)} {spelled(given)} {spelled(call.attrs)} {[v.meta for v in call.outputs]}"
    except (ValueError, TypeError):
        return None


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def _root(array: np.ndarray) -> int:
    """Whose memory an array looks at."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return id(array)
