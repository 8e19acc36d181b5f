"""What a recording notes of one C call: its function and arguments, and where in memory each address among them lies.

An address is a place in a block: of the arena, of an array that the program is given, or of a table that lasts.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backends.cpu import native
from ..backends.cpu.arena import Arena
from ..backends.cpu.native import address
from ..runtime import hot

PREPARED = "C reads what Python prepared"


class Unknown(Exception):
    """Why a step cannot be replayed by its C calls."""


class Place:
    """A place in memory: block "arena" number, "given" index (inputs, captured, constants); bytes from its start."""

    __slots__ = ("block", "offset")

    def __init__(self, block: tuple[str, int], offset: int) -> None:
        self.block, self.offset = block, offset


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

    @property
    def dense(self) -> bool:
        """Whether it fills its memory in order, without gaps."""
        step = self.dtype.itemsize
        for n, s in zip(reversed(self.shape), reversed(self.strides)):
            if n != 1 and s != step:
                return False
            step *= n
        return True

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


def block_of(shown: dict[int, Shown], slot: int) -> tuple[str, int] | None:
    """The block in which the value of a slot lies."""
    return shown[slot].place.block if slot in shown else None


# -- memory ------------------------------------------------------------------------------------------------------------


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


_C = {
    ctypes.c_int64: "int64_t", ctypes.c_int: "int", ctypes.c_int32: "int", ctypes.c_float: "float",
    ctypes.c_double: "double", ctypes.c_uint64: "uint64_t", None: "void", ctypes.c_void_p: "void *",
}  # fmt: skip


class CallSite:
    """One call of a C function: its prototype and arguments, `Place` for addresses."""

    __slots__ = ("arguments", "function", "kinds", "result", "returned")

    def __init__(
        self, function: Any, arguments: list, kinds: list[str], result: str, returned: Any
    ) -> None:
        self.function, self.arguments, self.kinds = function, arguments, kinds
        self.result, self.returned = result, returned


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


_HARMLESS = ("T ", "T*", "float ", "double ", "void ", "uint16_t ", "uint8_t ", "char ")
# Memory for one call's own use, by this name: it reads there what it has written there, whatever the memory held.
_OWN = "*work"


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
                raise Unknown(f"{PREPARED}: {declared}")
            return
        if not declared.startswith(_HARMLESS) and not declared.endswith(_OWN):
            self.numbers[number] = declared
        self.written.add(number)

    def check(self, results: Sequence[Place]) -> None:
        """Unknown where numbers that are no results were written on the way."""
        for number, declared in self.numbers.items():
            if ("arena", number) not in [p.block for p in results]:
                raise Unknown(f"numbers on the way: {declared}")
