"""A program's first run on real arrays, recorded, and all later runs: C calls on fixed memory, one after another.

While a program runs for the first time its arrays lie in an arena (`backends.cpu.arena`), and every call of a compiled
kernel is noted with its arguments. An address among them is an input, a captured tensor, or a place in a block of the
arena. A step whose effect is just its C calls (made once more on poisoned memory they give the same bits) is replayed
by them; the calls of neighbouring steps become one C function. Other steps are run as before, in Python, on
arrays over the same memory. Blocks that leave the program, as results, are new memory at every run.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Sequence
from functools import partial
from operator import is_
from typing import Any

import numpy as np

from ..backends.cpu import library, native, threads
from ..backends.cpu import memory as kept
from ..backends.cpu.arena import Arena
from ..backends.cpu.compiler import CompileError
from ..backends.cpu.native import address
from ..runtime import hot, state
from . import proofs
from .lasting import digest
from .program import Changed

POISON = 0xA7
MOST_SPENT = 4 << 20
GROWING = ("cat_open", "cat_more")


class Unknown(Exception):
    """Why a step cannot be replayed by its C calls."""


class Place:
    """A place in memory: block "arena" number, "given" index (inputs, captured, constants); bytes from its start."""

    __slots__ = ("block", "offset")

    def __init__(self, block: tuple[str, int], offset: int) -> None:
        self.block, self.offset = block, offset


class CallSite:
    """One call of a C function: its prototype and arguments, `Place` for addresses."""

    __slots__ = ("arguments", "function", "kinds", "result", "returned")

    def __init__(
        self, function: Any, arguments: list, kinds: list[str], result: str, returned: Any
    ) -> None:
        self.function, self.arguments, self.kinds = function, arguments, kinds
        self.result, self.returned = result, returned


class Shown:
    """A value's array: where it lies, and how it is looked at; `whole`: it is all of an array's own memory, in order."""

    __slots__ = ("dtype", "place", "shape", "strides", "whole")

    def __init__(self, place: Place, array: np.ndarray) -> None:
        self.place, self.shape, self.strides, self.dtype = (
            place, array.shape, array.strides, array.dtype,
        )  # fmt: skip
        root = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        self.whole = root.base is None and root.nbytes == array.nbytes and array.flags.c_contiguous


_C = {
    ctypes.c_int64: "int64_t", ctypes.c_int: "int", ctypes.c_int32: "int", ctypes.c_float: "float",
    ctypes.c_double: "double", ctypes.c_uint64: "uint64_t", None: "void", ctypes.c_void_p: "void *",
}  # fmt: skip


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


class Memory:
    """Which block an address lies in, while a program is recorded."""

    def __init__(self, arena: Arena, given: Sequence[np.ndarray]) -> None:
        self.arena = arena
        self.given = [(*_extent(a), i) for i, a in enumerate(given)]
        self.lasting: dict[int, Any] = {}

    def place(self, at: int) -> Place:
        """Where an address is; Unknown."""
        found = self.arena.find(at)
        if found is not None:
            return Place(("arena", found[0]), at - found[1])
        for low, high, i in self.given:
            if low <= at < max(high, low + 1):
                return Place(("given", i), at - low)
        owner = native.lasting.get(at)
        if owner is None:  # a Python number among the operands
            owner = next((a for a in hot.numbers.values() if address(a) == at), None)
        if owner is not None:
            self.lasting[at] = owner
            return Place(("lasting", at), 0)
        raise Unknown("memory from elsewhere")

    def shown(self, array: np.ndarray) -> Shown:
        """An array's place; the first element may not be the lowest in memory."""
        return Shown(self.place(address(array)), array)


def _extent(a: np.ndarray) -> tuple[int, int]:
    """The range of addresses of an array."""
    low = high = address(a)
    for n, s in zip(a.shape, a.strides):
        if s < 0:
            low += (n - 1) * s
        else:
            high += max(n - 1, 0) * s
    return low, high + a.itemsize


# -- one call ------------------------------------------------------------------------------------------------------------


def call_site(
    memory: Memory, fresh: Fresh, function: Any, arguments: tuple, result: Any
) -> CallSite:
    """A recorded call with its addresses understood; Unknown where one is not."""
    types = function.argtypes or [None] * len(arguments)
    declared = getattr(function, "declared", None) or [""] * len(arguments)
    made, kinds = [], []
    for argument, kind, spelling in zip(arguments, types, declared):
        try:
            value, spelled = _argument(memory, argument, kind)
        except Unknown as reason:
            raise Unknown(f"{reason}: {spelling or function.__name__}") from None
        if spelled == "place" and value is not None:
            fresh.look(value, spelling)
        made.append(value)
        kinds.append(spelled)
    restype = function.restype
    returned = "void" if restype is None else _C.get(restype)
    if returned is None or returned == "void *":
        raise Unknown("a function that returns an address")
    return CallSite(function, made, kinds, returned, result)


class Fresh:
    """The blocks that one step made. What its C reads there must be what its C wrote there, not NumPy's work.

    Numbers that may be used as places in memory are let through only as results: the check of a recording fills memory
    with nonsense.
    """

    def __init__(self, first: int) -> None:
        self.first = first
        self.written: set[int] = set()
        self.numbers: dict[int, str] = {}  # blocks with what may be places in memory

    def look(self, place: Place, declared: str) -> None:
        """A call was given this place as an argument declared so."""
        kind, number = place.block
        if kind != "arena" or number < self.first:
            return
        if declared.startswith("const"):
            if number not in self.written:
                raise Unknown(f"C reads what Python prepared: {declared}")
            return
        if not declared.startswith(_HARMLESS):
            self.numbers[number] = declared
        self.written.add(number)

    def check(self, results: Sequence[Place]) -> None:
        """Unknown where numbers that are no results were written on the way."""
        for number, declared in self.numbers.items():
            if ("arena", number) not in [p.block for p in results]:
                raise Unknown(f"numbers on the way: {declared}")


_HARMLESS = ("T ", "T*", "float ", "double ", "void ", "uint16_t ", "uint8_t ", "char ")


def _argument(memory: Memory, x: Any, kind: Any) -> tuple[Any, str]:
    if isinstance(x, ctypes.Array):
        if x._type_ is ctypes.c_void_p:
            return [memory.place(v) if v else None for v in x], "pointers"
        if x._type_ in (ctypes.c_int64, ctypes.c_double, ctypes.c_int32):
            return list(x), _C[x._type_] + " array"
        raise Unknown(f"an argument {x}")
    if isinstance(x, ctypes.c_void_p):  # a function
        return x, "function"
    if isinstance(x, ctypes._SimpleCData):
        kind, x = type(x), x.value
    if kind is ctypes.c_void_p:
        return (memory.place(x) if x else None), "place"
    if kind in _C:
        return x, _C[kind]
    raise Unknown(f"an argument {x!r}")


# -- the text ------------------------------------------------------------------------------------------------------------


class Text:
    """The C functions of a program's stretches; addresses are in tables, so that the text is the same in every process."""

    def __init__(self) -> None:
        self.functions: list[Any] = []  # what f[] points at
        self.lines: list[str] = []
        self.stretches = 0
        self._known: dict[int, int] = {}

    def function(self, f: Any) -> str:
        at = ctypes.cast(f, ctypes.c_void_p).value
        assert at is not None
        if at not in self._known:
            self._known[at] = len(self.functions)
            self.functions.append(f)
        return f"f[{self._known[at]}]"

    def stretch(
        self, calls: Sequence[CallSite], index: dict[tuple[str, int], int], arena: Any
    ) -> str:
        """A function of several calls; its name."""
        name = f"stretch{self.stretches}"
        self.stretches += 1
        body = [f"EXPORT int {name}(void *const *f, char *const *b) {{", "  (void)f, (void)b;"]
        for number, call in enumerate(calls):
            if isinstance(call, tuple):
                to, come, size = call
                body.append(f"  memcpy({_spelled(to, index, arena)}, {_spelled(come, index, arena)}, {size});")  # fmt: skip
            else:
                body += ["  " + line for line in self._call(call, index, arena, number)]
        self.lines += [*body, "  return 0;", "}"]
        return name

    def _call(
        self, call: CallSite, index: dict[tuple[str, int], int], arena: Any, number: int
    ) -> list[str]:
        words: list[str] = []
        types: list[str] = []
        before: list[str] = []

        def place(p: Place | None) -> str:
            return "0" if p is None else _spelled(p, index, arena)

        for value, kind in zip(call.arguments, call.kinds):
            name = f"t{len(before)}"
            if kind == "pointers":
                inside = ", ".join(place(p) for p in value) or "0"
                before.append(f"void *const {name}[] = {{{inside}}};")
                words.append(name)
                types.append("const void *")
            elif kind.endswith(" array"):
                inside = ", ".join(map(_number, value)) or "0"
                before.append(f"static const {kind[:-6]} {name}[] = {{{inside}}};")
                words.append(name)
                types.append("const void *")
            elif kind == "place":
                words.append(place(value))
                types.append("void *")
            elif kind == "function":
                words.append(self.function(value))
                types.append("void *")
            else:
                words.append(_number(value))
                types.append(kind)
        made = f"(({call.result} (*)({', '.join(types) or 'void'})){self.function(call.function)})({', '.join(words)})"
        if call.result != "void":
            made = f"if ({made} != {_number(call.returned)}) return {number + 1}"
        return ["{", *("  " + line for line in before), f"  {made};", "}"]

    def source(self) -> str:
        head = '#include <math.h>\n#include <stdint.h>\n#include <string.h>\n#define EXPORT __attribute__((visibility("default")))\n'
        return head + "\n".join(self.lines) + "\n"


def _spelled(p: Place, index: dict[Any, int], arena: Arena) -> str:
    """A place as C: relative to the block that moves, or to the arena."""
    if p.block in index:
        return f"b[{index[p.block]}] + {p.offset}"
    return f"b[0] + {arena.block(p.block[1])[0] + p.offset}"


def _number(x: Any) -> str:
    if isinstance(x, float):
        if x != x:
            return "NAN"
        if x in (float("inf"), float("-inf")):
            return "INFINITY" if x > 0 else "-INFINITY"
        return x.hex()
    return f"INT64_C({int(x)})" if abs(int(x)) < 1 << 63 else f"UINT64_C({int(x)})"


# -- a program -----------------------------------------------------------------------------------------------------------


class Step:
    """What becomes of one step of a program: its C calls, or a run in Python."""

    __slots__ = ("calls", "key", "makes", "needs", "run", "view", "why")

    def __init__(self, run: Any, needs: Sequence[int], makes: Sequence[int]) -> None:
        self.run, self.needs, self.makes = run, needs, makes
        self.why = "it computes in Python"  # and not by C calls alone
        self.calls: Sequence[CallSite] | None = None
        self.key: str | None = None  # what proofs of it are kept under
        self.view = False  # only looks at memory that is there


class Replay:
    """A recorded program. `replay(given)` runs it on arrays laid out as the recorded ones and gives the outputs."""

    def __init__(self, program: Any, given: Sequence[np.ndarray]) -> None:
        self.arena = Arena()
        self.steps: list[Step] = []
        self.lasting: dict[int, Any] = {}
        self.shown: dict[int, Shown] = {}  # by slot of a value
        self._count = len(given)
        self._outputs, self._size = program.outputs, program.size
        self.strides = [a.strides for a in given[program.inputs :]]  # of what is captured
        self._busy = threading.Lock()
        self._spent = 0  # bytes of results that were made only to be forgotten
        self.again = False  # whether the next call must be recorded in the place of this one
        self.first, written = self._record(program, given)
        self.writes = self._written_in_python(program.writes)
        self.first_writes = written
        self.usable = not self.again and self._grows_in_c(program)
        try:
            if self.usable:
                self._settle(program)
        except CompileError:
            self.usable = False
        if not self.usable:  # this run is done all the same
            self.arena.seal()

    def _grows_in_c(self, program: Any) -> bool:
        """Whether C writes all of the memory that several steps share (`growing`): in Python it would be another's."""
        grown = (getattr(call, "op", "") in GROWING for call in program.steps)
        return all(step.calls is not None for step, grows in zip(self.steps, grown) if grows)

    # -- the first run --------------------------------------------------------------------------------------------------

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
        token = state.error_state.set(state.quiet)
        try:
            with self.arena, Recorder(memory) as recorder:
                for run, done, needs, makes, pure, ours in steps:
                    step = Step(run, needs, makes)
                    step.key = self._key(step, env) if pure and ours else None
                    if self._believed(step, env, memory, recorder):
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
        results = [self._block(slot) for slot in step.makes]
        if self._kept(range(recorder.fresh.first, self.arena.count), results):
            # A table that the kernel has only just made: the program's other steps would write over it.
            self.again = True
            return True
        if step.calls is not None or step.view or verdict.startswith("p"):
            return True
        for slot in step.makes:
            env[slot] = None
            self.shown.pop(slot, None)
        return False

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
        waiting = [self._block(i) for i in left]
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
            return np.array(array, copy=True)
        if shown.place.offset or not _dense(shown):
            return np.array(array, copy=True)
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
        self.arena.__exit__()
        try:
            run(env)
            self._spent += sum(env[slot].nbytes for slot in makes)
        finally:
            for slot in makes:
                env[slot] = None
            if self._spent > MOST_SPENT:  # kept for arrays of the same size, which do not come
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

    # -- what will run --------------------------------------------------------------------------------------------------

    def _block(self, slot: int) -> tuple[str, int] | None:
        shown = self.shown.get(slot)
        return None if shown is None else shown.place.block

    def _written_in_python(self, writes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """The writes (target, source) that no memcpy at the end can do, which `self._copies` has."""
        native_made = {s for step in self.steps if step.calls is not None for s in step.makes}
        left, self._copies = [], []
        for target, source in writes:
            to, come = self.shown[target], self.shown.get(source)
            if come is not None and source in native_made and _dense(to) and _dense(come) and to.dtype == come.dtype and to.shape == come.shape:  # fmt: skip
                self._copies.append((to.place, come.place, _bytes(to)))
            else:
                left.append((target, source))
        return left

    def _settle(self, program: Any) -> None:
        """Decides which blocks are new at every run and which arrays Python needs, and writes the C."""
        python = [s for s in self.steps if s.calls is None and not s.view]
        needed = {i for s in python for i in s.needs} | set(self._outputs)
        needed |= {i for pair in self.writes for i in pair}
        for step in reversed(self.steps):
            if step.view and needed.intersection(step.makes):
                needed.update(step.needs)
        made_in_python = {self._block(i) for s in python for i in s.makes}
        outward = {self._block(i) for i in self._outputs} - made_in_python
        moving = sorted(
            {b for b in (*made_in_python, *outward) if b is not None and b[0] == "arena"}
        )
        self._index: dict[Any, int] = {("given", i): 1 + i for i in range(self._count)}
        for block in (*moving, *[("lasting", at) for at in self.lasting]):
            self._index[block] = 1 + len(self._index)
        self._lay(needed, moving)
        self._static: list[Any] = [None] * self._size
        self._fresh: dict[Any, list[int]] = {b: [] for b in moving if b in outward}
        text = Text()
        waiting: list[Any] = []
        self._plan: list[Any] = []

        def write() -> None:
            if waiting:
                self._plan.append(text.stretch(waiting, self._index, self.arena))
                waiting.clear()

        for step in self.steps:
            if step.calls is not None:
                waiting.extend(step.calls)
                for slot in needed.intersection(step.makes):
                    place: Any = self._block(slot)
                    if place in self._fresh:
                        self._fresh[place].append(slot)
                    else:
                        self._static[slot] = self._over(slot)
            elif not step.view:
                write()
                self._plan.append(step)
            elif needed.intersection(step.makes):
                if all(self._static[i] is not None for i in step.needs):
                    step.run(self._static)
                else:
                    self._plan.append(step)
        waiting.extend(self._copies)
        write()
        self._load(text)
        self.arena.seal()

    def _lay(self, needed: set[int], moving: Sequence[Any]) -> None:
        """Plans the arena for the blocks that the C uses in it, from how long each lived in the recording."""
        used: set[Any] = {p.block for to, come, _ in self._copies for p in (to, come)}
        for step in self.steps:
            for site in step.calls or ():
                for value, kind in zip(site.arguments, site.kinds):
                    if kind == "place" and value is not None:
                        used.add(value.block)
                    elif kind == "pointers":
                        used.update(p.block for p in value if p is not None)
            used.update(self._block(i) for i in needed.intersection(step.makes))
        numbers = sorted(b[1] for b in used.difference(moving) if b and b[0] == "arena")
        self.least = self.arena.lay(numbers)
        if "memory" in os.environ.get("FLAMBEAU_PRINT", "").split(","):
            fresh = sum(self.arena.block(b[1])[1] for b in moving)
            print(  # noqa: T201  (asked for)
                f"# memory: {self.arena.size} bytes for values, at most {self.least} in use at once; "
                f"{fresh} bytes are new at every run"
            )

    def _over(self, slot: int) -> np.ndarray:
        """The array of a value that always lies at the same place of the arena."""
        shown = self.shown[slot]
        number = shown.place.block[1]
        return np.ndarray(shown.shape, shown.dtype, self.arena.bytes(number), shown.place.offset, shown.strides)  # fmt: skip

    def _load(self, text: Text) -> None:
        self.text = text
        self._table = (ctypes.c_void_p * (1 + len(self._index)))()
        self._table[0] = self.arena.base
        for at in self.lasting:
            self._table[self._index["lasting", at]] = at
        self._run: list[Any] = []
        if text.stretches:
            lib = library.load(text.source(), ("-O1",))
            self._functions = (ctypes.c_void_p * max(1, len(text.functions)))(
                *[ctypes.cast(f, ctypes.c_void_p).value for f in text.functions]
            )
            for item in self._plan:
                if isinstance(item, str):
                    function = getattr(lib, item)
                    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
                    tables = ctypes.addressof(self._functions), ctypes.addressof(self._table)
                    item = partial(function, *tables)
                self._run.append(item)
        else:
            self._run = list(self._plan)
        # New memory of every run: arrays that are their blocks, and arrays somewhere in a block.
        self._arrays: list[tuple[int, int, tuple[int, ...], np.dtype]] = []
        self._places: list[tuple[int, int, list[int]]] = []
        for block, slots in self._fresh.items():
            index, shown = self._index[block], self.shown[slots[0]] if len(slots) == 1 else None
            if shown is not None and shown.whole:
                self._arrays.append((index, slots[0], shown.shape, shown.dtype))
            else:
                self._places.append((index, self.arena.block(block[1])[1], slots))
        self.last: list[Any] = [None] * self._count

    # -- later runs -----------------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Lets go of the arrays that were given last."""
        self.last = [None] * self._count

    def __call__(self, given: Sequence[np.ndarray]) -> list[Any] | None:
        """The slots' arrays, outputs among them; None while another thread runs this program."""
        if not self._busy.acquire(blocking=False):
            return None
        try:
            return self._again(given)
        finally:
            self._busy.release()

    def _again(self, given: Sequence[np.ndarray]) -> list[Any]:
        env = self._static.copy()
        env[: self._count] = given
        table, last = self._table, self.last
        if not all(map(is_, given, last)):
            for i, a in enumerate(given):
                if a is not last[i]:
                    table[1 + i] = address(a)
                    last[i] = a
        for index, slot, shape, dtype in self._arrays:
            env[slot] = made = np.empty(shape, dtype)
            table[index] = address(made)
        for index, size, slots in self._places:
            memory = np.empty(size, np.uint8)
            table[index] = address(memory)
            for slot in slots:
                shown = self.shown[slot]
                env[slot] = np.ndarray(shown.shape, shown.dtype, memory, shown.place.offset, shown.strides)  # fmt: skip
        for item in self._run:
            if type(item) is Step:
                item.run(env)
                if not item.view:
                    self._settle_python(item, env)
            elif item():
                raise Changed
        return env

    def _settle_python(self, step: Step, env: list) -> None:
        """Tells the C where the results of a Python step are now."""
        for slot in step.makes:
            shown = self.shown.get(slot)
            if shown is None:
                continue
            index = self._index.get(shown.place.block)
            if index is None:
                continue
            array = env[slot]
            if array.strides != shown.strides:  # laid out otherwise this time
                memory = np.empty(self.arena.block(shown.place.block[1])[1], np.uint8)
                laid = np.ndarray(shown.shape, shown.dtype, memory, shown.place.offset, shown.strides)  # fmt: skip
                laid[...] = array
                env[slot] = array = laid
            self._table[index] = address(array) - shown.place.offset


def _restored(env: list, slots: Sequence[int], held: list[bytes]) -> bool:
    """Whether a step left what it reads as it was; if not, it is so again."""
    same = True
    for i, data in zip(slots, held):
        if env[i].tobytes() != data:
            env[i][...] = np.frombuffer(data, env[i].dtype).reshape(env[i].shape)
            same = False
    return same


def _dense(shown: Shown) -> bool:
    step = shown.dtype.itemsize
    for n, s in zip(reversed(shown.shape), reversed(shown.strides)):
        if n != 1 and s != step:
            return False
        step *= n
    return True


def _bytes(shown: Shown) -> int:
    return int(np.prod(shown.shape, dtype=np.int64)) * shown.dtype.itemsize


__all__ = ["Changed", "CompileError", "Replay"]
