"""A program's first run on real arrays: what each step does, as C calls with places in memory.

While a program runs for the first time its arrays lie in an arena (`backends.cpu.arena`), and every call of a compiled
kernel is noted with its arguments (`sites`). A step is native if its effect is just its C calls: made once more on poisoned memory they
give the same bits. What was proved so is kept (`proofs`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backends.cpu import memory as kept
from ..backends.cpu import native, threads
from ..backends.cpu.arena import Arena
from ..backends.cpu.copies import SIZES, dense
from ..runtime import hot, state
from . import proofs
from .lasting import digest
from .sites import PREPARED, CallSite, Fresh, Memory, Shown, Unknown, block_of, call_site

POISON = 0xA7
MOST_COPIED = 64 << 20  # bytes of an array beyond which the first run makes no further copies of it
MOST_SPENT = (
    1 << 20
)  # bytes of results made only to be forgotten, beyond which their memory is given back


# -- hearing of calls --------------------------------------------------------------------------------------------------


class _Ear:
    """The `errcheck` of all kernels while one program is recorded: told of each call when it is done, its arguments alive.

    There is one for ever: ctypes holds no reference to it during a call, and other threads are in calls when recording ends.
    """

    recorder: Recorder | None = None

    def __call__(self, result: Any, function: Any, arguments: tuple) -> Any:
        recorder = self.recorder
        return result if recorder is None else recorder(result, function, arguments)


_ear = _Ear()


class Recorder:
    """Notes the C calls of this thread. One at a time may be in force (`program._recording`)."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self._thread = threading.get_ident()
        self.paused = False
        self.begin(0)

    def begin(self, block: int) -> None:
        """A new step begins; the blocks that it makes have numbers from `block` on."""
        self.calls: list[tuple[Any, tuple, Any]] = []
        self.sites: list[CallSite] = []
        self.fresh = Fresh(block)
        self.reason: str | None = None

    def __call__(self, result: Any, function: Any, arguments: tuple) -> Any:
        if threading.get_ident() == self._thread and not self.paused:
            self.calls.append((function, arguments, result))
            try:
                self.sites.append(call_site(self.memory, self.fresh, function, arguments, result))
            except Unknown as reason:
                self.reason = str(reason)
        return result

    def __enter__(self) -> Recorder:
        threads.pool()
        _ear.recorder = self
        native.recorders.append(_ear)
        for f in native.every:
            f.errcheck = _ear
        return self

    def __exit__(self, *_: Any) -> None:
        native.recorders.remove(_ear)
        for f in native.every:
            del f.errcheck
        _ear.recorder = None


# -- the first run -----------------------------------------------------------------------------------------------------


class Step:
    """What becomes of one step of a program: its C calls, or a run in Python."""

    __slots__ = ("calls", "key", "makes", "needs", "run", "view", "why")

    def __init__(self, run: Any, needs: Sequence[int], makes: Sequence[int]) -> None:
        self.run, self.needs, self.makes = run, needs, makes
        self.why = "it computes in Python"  # and not by C calls alone
        self.calls: Sequence[CallSite] | None = None
        self.key: str | None = None  # what proofs of it are kept under
        self.view = False  # only looks at memory that is there


class Recording:
    """One run of a program on `given`: its `steps`, where values lie (`shown`, by slot), `results`, and values to be `written`."""

    def __init__(self, program: Any, given: Sequence[np.ndarray]) -> None:
        self.arena = Arena()
        self.steps: list[Step] = []
        self.lasting: dict[int, Any] = {}
        self.shown: dict[int, Shown] = {}
        self.again = False  # whether the next call must be recorded in the place of this one
        self._spent = 0  # bytes of results that were made only to be forgotten
        self.results, self.written = self._record(program, given)

    def _record(self, program: Any, given: Sequence[np.ndarray]) -> tuple[list, dict[int, Any]]:
        env: list[Any] = [None] * program.size
        env[: len(given)] = given
        memory = Memory(self.arena, given)
        self.lasting = memory.lasting
        for i, a in enumerate(given):
            self.shown[i] = memory.shown(a)
        steps = list(program.described())
        self._trusts = program.trusts
        self._proofs = proofs.Proofs([getattr(run, "text", None) for run, *_ in steps])
        kept.release()  # what importing this and reading the proofs has left
        token = state.error_state.set(state.quiet)
        try:
            with self.arena, Recorder(memory) as recorder:
                for run, done, needs, makes, pure, ours in steps:
                    step = Step(run, needs, makes)
                    step.key = self._key(step, env) if pure and ours else None
                    if self._believed(step, env, memory, recorder):
                        if pure and ours:
                            self._on_copies(step, env, memory, recorder)
                        self.steps.append(step)
                        for slot in done:
                            env[slot] = None
                        continue
                    held = self._digests(recorder, env, needs) if pure and ours else None
                    if pure:  # tables that kernels keep are made outside of the arena
                        pure = self._outside(run, env, needs, makes, ours)
                    held = held or (self._digests(recorder, env, needs) if pure else None)
                    recorder.begin(self.arena.count)
                    run(env)
                    pure = pure and held == self._digests(recorder, env, needs)
                    self._note(step, env, memory, recorder, pure)
                    if pure and ours:
                        self._on_copies(step, env, memory, recorder)
                    self.steps.append(step)
                    for slot in done:
                        env[slot] = None
        finally:
            state.error_state.reset(token)
        self._proofs.save()
        return self._left(program, env)

    def _key(self, step: Step, env: list) -> str | None:
        """Under which name the next process finds what is proved here about a step."""
        text = getattr(step.run, "text", None)
        return None if text is None else proofs.key(text, [env[i] for i in step.needs])

    def _believed(self, step: Step, env: list, memory: Memory, recorder: Recorder) -> bool:
        """Runs a step of which an earlier process proved what it does; False, and nothing done, where that is not known or not the same."""
        verdict = self._proofs[step.key] if self._trusts and step.key else None
        if verdict is None:
            return False
        self._prepare(step, env)
        recorder.begin(self.arena.count)
        step.run(env)
        self._note(step, env, memory, recorder, True, verdict)
        results = [block_of(self.shown, slot) for slot in step.makes]
        if self._kept(range(recorder.fresh.first, self.arena.count), results):
            # A table that the kernel has only just made: the program's other steps would write over it.
            self.again = True
            return True
        if step.calls is not None or step.view or verdict.startswith("p"):
            return True
        self._undo(step, env)
        return False

    def _on_copies(self, step: Step, env: list, memory: Memory, recorder: Recorder) -> None:
        """Makes a step native whose kernel wants dense arrays, which Python copied for it: C copies them, and is part of the step.

        One array is tried after another, then all of them: what a kernel takes as it lies need not be copied.
        """
        if not step.why.startswith(PREPARED):
            return
        loose = [i for i in dict.fromkeys(step.needs) if not env[i].flags.c_contiguous]
        loose = [i for i in loose if env[i].itemsize in SIZES and env[i].nbytes <= MOST_COPIED]
        loose = sorted([i for i in loose if i in self.shown], key=lambda i: env[i].nbytes)
        why, key = step.why, step.key
        for slots in [*([i] for i in loose), *([loose] if len(loose) > 1 else ())]:
            self._undo(step, env)
            step.key = key
            if self._copied(step, env, memory, recorder, slots):
                return
        if loose:
            self._undo(step, env)
            recorder.begin(self.arena.count)
            step.run(env)
            step.key = None
            self._note(step, env, memory, recorder, True, f"p {why}")

    def _copied(
        self, step: Step, env: list, memory: Memory, recorder: Recorder, slots: Sequence[int]
    ) -> bool:
        """Runs a step on dense copies of what is in these slots; whether it is native so."""
        given = {i: (env[i], self.shown[i]) for i in slots}
        copies: list[CallSite] = []
        for i in slots:
            self.arena.__exit__()  # the plan of a copy is kept
            dense(env[i])
            self.arena.__enter__()
            recorder.begin(self.arena.count)
            env[i] = dense(env[i])
            self.shown[i] = memory.shown(env[i])
            copies += recorder.sites
        step.key = self._key(step, env) if step.key else None
        if recorder.reason is None and self._outside(step.run, env, step.needs, step.makes, True):
            proved = (self._proofs[step.key] if self._trusts and step.key else None) or ""
            recorder.begin(self.arena.count)
            step.run(env)
            verdict = proved if proved.startswith("c") else ""
            self._note(step, env, memory, recorder, True, verdict)
        for i, (array, shown) in given.items():
            env[i], self.shown[i] = array, shown
        if step.calls is None:
            return False
        step.calls = (*copies, *step.calls)
        return True

    def _undo(self, step: Step, env: list) -> None:
        """Forgets the results of a step that will run again."""
        for slot in step.makes:
            env[slot] = None
            self.shown.pop(slot, None)

    def _prepare(self, step: Step, env: list) -> None:
        """Makes, outside of the arena, the arrays that kernels keep of a call's numbers."""
        numbers = getattr(step.run, "numbers", ())
        if numbers:
            self.arena.__exit__()
            for d in {env[i].dtype for i in step.needs}:
                for x in numbers:
                    if d.kind == "f" or (d.kind == "i" and type(x) is int and abs(x) < 128):
                        hot.number_array(x, d)
            self.arena.__enter__()

    def _calls(self, step: Step, recorder: Recorder) -> str | None:
        """A digest of the calls that a step has made."""
        blocks: dict[Any, tuple[int, int]] = {}
        for which, slot in enumerate(step.needs):
            shown = self.shown.get(slot)
            if shown is not None:
                blocks.setdefault(shown.place.block, (which, shown.place.offset))
        return proofs.calls(recorder.sites, blocks, recorder.fresh.first)

    def _left(self, program: Any, env: list) -> tuple[list, dict[int, Any]]:
        """Results and written values of the first run, out of the arena: a block is given back when all of it is copied."""
        left = [*program.outputs, *(s for _, s in program.writes)]
        waiting = [block_of(self.shown, i) for i in left]
        made: dict[int, np.ndarray] = {}
        self.arena.trim()
        for i, block in zip(left, waiting.copy()):
            if i not in made:
                made[i] = self._moved(i, env[i], waiting.count(block) == 1)
            env[i] = None
            waiting.remove(block)
            if block is not None and block[0] == "arena" and block not in waiting:
                self.arena.drop(block[1])
        return [made[i] for i in program.outputs], {s: made[s] for _, s in program.writes}

    def _moved(self, slot: int, array: np.ndarray, alone: bool) -> np.ndarray:
        """A copy of an array; one that is alone in its block of the arena leaves it piece by piece."""
        shown = self.shown.get(slot)
        if shown is None or not alone or shown.place.block[0] != "arena":
            return _alike(array)
        if shown.place.offset or not shown.dense:
            return _alike(array)
        made = np.empty(shown.shape, shown.dtype)
        self.arena.move(shown.place.block[1], made)
        return made

    def _outside(
        self, run: Any, env: list, needs: Sequence[int], makes: Sequence[int], ours: bool
    ) -> bool:
        """Runs a step with NumPy's own memory and forgets the results; whether it left what it reads as it was.

        Operators of others may write to what they read, unsaid: it is put back.
        """
        held = [] if ours else [env[i].tobytes() for i in needs]
        self.arena.trim()  # the results are there twice
        self.arena.__exit__()
        try:
            run(env)
            self._spent += sum(env[slot].nbytes for slot in makes)
        finally:
            for slot in makes:
                env[slot] = None
            if self._spent >= MOST_SPENT:  # kept for arrays of the same size, which do not come
                self._spent = 0
                kept.release()
            self.arena.__enter__()
        return ours or _restored(env, needs, held)

    def _digests(self, recorder: Recorder, env: list, slots: Sequence[int]) -> list[int]:
        """A number for the content of each array."""
        recorder.paused = True
        self.arena.__exit__()
        try:
            return [digest(env[i]) for i in slots]
        finally:
            self.arena.__enter__()
            recorder.paused = False

    def _note(
        self,
        step: Step,
        env: list,
        memory: Memory,
        recorder: Recorder,
        pure: bool,
        verdict: str = "",
    ) -> None:
        """Finds out what the step was, and where its results are. `verdict`: what is known of it."""
        calls, fresh = recorder.calls, range(recorder.fresh.first, self.arena.count)
        try:
            shown = {slot: memory.shown(env[slot]) for slot in step.makes}
        except Unknown as reason:
            step.why = str(reason)
            return
        self.shown.update(shown)
        made = self._calls(step, recorder) if step.key and recorder.reason is None else None
        if verdict.startswith("p "):
            step.why = verdict[2:]
        elif not pure:
            step.why = "it does more than compute"
        elif not calls:
            blocks = [s.place.block for s in shown.values()]
            step.view = not any(kind == "arena" and number in fresh for kind, number in blocks)
            step.view = step.view and verdict in ("", f"c {made}")
        elif recorder.reason is not None:
            step.why = recorder.reason
        elif self._kept(fresh, [s.place.block for s in shown.values()]):
            step.why = "a kernel keeps memory of its run"
            return  # the next process may find it made
        else:
            try:
                recorder.fresh.check([s.place for s in shown.values()])
            except Unknown as reason:
                step.why = str(reason)
            else:
                sites = tuple(recorder.sites)
                if verdict == f"c {made}" or (
                    not verdict and self._repeats(step, env, calls, fresh, recorder)
                ):
                    step.calls = sites
                else:
                    step.why = "Python computes beside the C calls"
        if step.key and not verdict:
            native_or_view = step.calls is not None or step.view
            if not native_or_view:
                self._proofs[step.key] = f"p {step.why}"
            elif made is not None:
                self._proofs[step.key] = f"c {made}"

    def _kept(self, fresh: range, results: list) -> bool:
        """Whether somebody holds memory that the step made and that is none of its results: a table for later calls."""
        for number in fresh:
            start, _ = self.arena.block(number)
            found = self.arena.find(self.arena.base + start)
            if found is not None and found[0] == number and ("arena", number) not in results:
                return True
        return False

    def _repeats(
        self, step: Step, env: list, calls: list, fresh: range, recorder: Recorder
    ) -> bool:
        """Whether the calls alone, on memory that holds nothing of use, make the same results."""
        expected = self._digests(recorder, env, step.makes)
        for number in fresh:
            self.arena.bytes(number)[:] = POISON
        # A list of its own: the recorder adds these calls to its lists.
        same = all(f(*arguments) == result for f, arguments, result in tuple(calls))
        if same and self._digests(recorder, env, step.makes) == expected:
            return True
        recorder.paused = True
        again = env.copy()
        step.run(again)
        for s in step.makes:  # as it was, for the steps that follow
            env[s][...] = again[s]
        recorder.paused = False
        return False


def _alike(array: np.ndarray) -> np.ndarray:
    """A copy that lies as the array does, also where elements share memory: what reads it is recorded for these strides."""
    made = np.array(array, copy=True)
    if made.strides == array.strides or not array.size:
        return made
    steps = [(n - 1) * s for n, s in zip(array.shape, array.strides)]
    first = -sum(s for s in steps if s < 0)
    held = np.empty(first + sum(s for s in steps if s > 0) + array.itemsize, np.uint8)
    made = np.ndarray(array.shape, array.dtype, held, first, array.strides)
    made[...] = array
    return made


def _restored(env: list, slots: Sequence[int], held: list[bytes]) -> bool:
    """Whether a step left what it reads as it was; if not, it is so again."""
    same = True
    for i, data in zip(slots, held):
        if env[i].tobytes() != data:
            env[i][...] = np.frombuffer(data, env[i].dtype).reshape(env[i].shape)
            same = False
    return same
