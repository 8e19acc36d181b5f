"""All runs of a program but the first: the C calls that were recorded, one after another, on fixed memory.

An address among a call's arguments is an input, a captured tensor, or a place in a block of the arena. The calls of neighbouring
native steps are one C function (`stretches`). Other steps are run as in the recording, in Python, on arrays over the same
memory. Blocks that leave the program, as results, are new memory at every run.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy import empty

from ..backends.cpu import library
from ..backends.cpu.compiler import CompileError
from ..backends.cpu.kernel import is_loop
from ..backends.cpu.native import address
from ..runtime.operator import find
from .fusion import Group
from .recording import Recording, Step
from .sites import block_of
from .stretches import Text

GROWING = ("cat_open", "cat_more")


class Replay:
    """A recorded program. `replay(given)` runs it on arrays laid out as the recorded ones and gives the outputs."""

    def __init__(self, program: Any, given: Sequence[np.ndarray]) -> None:
        self._count = len(given)
        self._outputs, self._size = program.outputs, program.size
        self.strides = [a.strides for a in given[program.inputs :]]  # of what is captured
        self._busy = threading.Lock()
        recording = Recording(program, given)
        self.arena, self.steps, self.shown = recording.arena, recording.steps, recording.shown
        self.lasting, self.again = recording.lasting, recording.again
        self.first, self.first_writes = recording.results, recording.written
        self.writes = self._written_in_python(program.writes)
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

    def _written_in_python(self, writes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """The writes (target, source) that no memcpy at the end can do, which `self._copies` has."""
        native_made = {s for step in self.steps if step.calls is not None for s in step.makes}
        left, self._copies = [], []
        self._written: set[int] = set()  # what is given and written to in C
        for target, source in writes:
            to, come = self.shown[target], self.shown.get(source)
            if come is not None and source in native_made and to.dense and come.dense and to.dtype == come.dtype and to.shape == come.shape:  # fmt: skip
                self._copies.append((to.place, come.place, to.nbytes))
                self._written.add(target)
            else:
                left.append((target, source))
        return left

    # -- what will run --------------------------------------------------------------------------------------------------

    def _settle(self, program: Any) -> None:
        """Decides which blocks are new at every run and which arrays Python needs, and writes the C."""
        python = [s for s in self.steps if s.calls is None and not s.view]
        needed = {i for s in python for i in s.needs} | set(self._outputs)
        needed |= {i for pair in self.writes for i in pair}
        for step in reversed(self.steps):
            if step.view and needed.intersection(step.makes):
                needed.update(step.needs)
        made_in_python = {block_of(self.shown, i) for s in python for i in s.makes}
        outward = {block_of(self.shown, i) for i in self._outputs} - made_in_python
        moving = sorted(
            {b for b in (*made_in_python, *outward) if b is not None and b[0] == "arena"}
        )
        self._index: dict[Any, int] = {("given", i): 1 + i for i in range(self._count)}
        for block in (*moving, *[("lasting", at) for at in self.lasting]):
            self._index[block] = 1 + len(self._index)
        self._lay(needed, moving, program.steps)
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
                    place: Any = block_of(self.shown, slot)
                    if place in self._fresh:
                        self._fresh[place].append(slot)
                    else:
                        self._static[slot] = self._array(slot)
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

    def _lay(self, needed: set[int], moving: Sequence[Any], steps: Sequence[Any]) -> None:
        """Plans the arena for the blocks that the C uses in it, from how long each lived in the recording."""
        used: set[Any] = {p.block for to, come, _ in self._copies for p in (to, come)}
        for step in self.steps:
            for site in step.calls or ():
                for value, kind in zip(site.arguments, site.kinds):
                    if kind == "place" and value is not None:
                        used.add(value.block)
                    elif kind == "pointers":
                        used.update(p.block for p in value if p is not None)
            used.update(block_of(self.shown, i) for i in needed.intersection(step.makes))
        numbers = sorted(b[1] for b in used.difference(moving) if b and b[0] == "arena")
        self.least = self.arena.lay(numbers, self._over(set(numbers), steps))
        if "memory" in os.environ.get("FLAMBEAU_PRINT", "").split(","):
            fresh = sum(self.arena.block(b[1])[1] for b in moving)
            print(  # noqa: T201  (asked for)
                f"# memory: {self.arena.size} bytes for values, at most {self.least} in use at once; "
                f"{fresh} bytes are new at every run"
            )

    def _over(self, used: set[int], steps: Sequence[Any]) -> dict[int, int]:
        """Blocks of results that may lie over an operand's: one loop, of which each element is made of those in its place, is the last
        to read that, and makes nothing else."""
        last: dict[Any, Step | None] = {}
        for step in self.steps:
            last.update({block_of(self.shown, i): step for i in (*step.needs, *step.makes)})
        left = [*self._outputs, *(i for pair in self.writes for i in pair)]
        last.update({block_of(self.shown, i): None for i in left})
        last.update({come.block: None for _, come, _ in self._copies})
        over = {}
        for call, step in zip(steps, self.steps):
            calls = step.calls or ()
            if len(calls) != 1 or len(step.makes) != 1 or not is_loop(calls[0].function):
                continue
            if not isinstance(call, Group) and find(call.op).family != "elementwise":
                continue
            made = self.shown[step.makes[0]]
            (kind, number), blocks = made.place.block, [block_of(self.shown, i) for i in step.needs]
            if kind != "arena" or number not in used or not made.whole:
                continue
            for slot, block in zip(step.needs, blocks):
                if (
                    block is None
                    or block[0] != "arena"
                    or block[1] not in used
                    or last[block] is not step
                ):
                    continue
                come = self.shown[slot]
                alike = come.whole and come.shape == made.shape and come.dtype == made.dtype
                if alike and blocks.count(block) == 1 and not self.arena.held(block[1]):
                    over[number] = block[1]
                    break
        return over

    def _array(self, slot: int) -> np.ndarray:
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
        """The slots' arrays, outputs among them; None while another thread runs this program, or where C answers otherwise."""
        if not self._busy.acquire(blocking=False):
            return None
        try:
            env = self._static.copy()
            env[: self._count] = given
            table, last = self._table, self.last
            for i, a in enumerate(given):
                if a is not last[i]:
                    if i in self._written and not a.flags.writeable:
                        raise ValueError("assignment destination is read-only")
                    table[1 + i] = address(a)
                    last[i] = a
            for index, slot, shape, dtype in self._arrays:
                env[slot] = made = empty(shape, dtype)
                table[index] = address(made)
            for index, size, slots in self._places:
                self._place(env, index, size, slots)
            for item in self._run:
                if type(item) is Step:
                    item.run(env)
                    if not item.view:
                        self._settle_python(item, env)
                elif item():
                    return None
            return env
        finally:
            self._busy.release()

    def _place(self, env: list, index: int, size: int, slots: list[int]) -> None:
        """New memory for arrays that lie somewhere in a block."""
        memory = empty(size, np.uint8)
        self._table[index] = address(memory)
        for slot in slots:
            shown = self.shown[slot]
            env[slot] = np.ndarray(shown.shape, shown.dtype, memory, shown.place.offset, shown.strides)  # fmt: skip

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
