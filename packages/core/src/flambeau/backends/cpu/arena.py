"""The memory of one compiled program (`headers/fb_arena.c`): while it is in force, NumPy's arrays of this context lie in it.

    arena = Arena()
    with arena:
        y = np.exp(x)                 # in the arena
    arena.find(address(y))            # (number of its block, where the block starts)
    arena.seal()                      # from then on only a range of memory

Arrays that were made inside and are still somewhere when the `Arena` is collected (in a table that some kernel keeps) keep
its memory.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from . import library, memory

RESERVED = 1 << 36  # bytes of addresses; memory is taken as it is touched


@cache
def _functions() -> Any:
    lib = library.load(library.header("fb_arena.c"))
    place, number = ctypes.c_void_p, ctypes.c_int64
    for name, result, arguments in (
        ("new", place, [number]), ("base", place, [place]), ("top", number, [place]), ("count", number, [place]),
        ("lives", number, [place]),
        ("find", number, [place, place, place]), ("block", None, [place, number, place]), ("seal", None, [place]),
        ("lay", number, [place, number, place, place]), ("held", number, [place, number]), ("trim", None, [place]), ("move", None, [place, number, place, number]), ("drop", None, [place, number]), ("delete", None, [place]),
    ):  # fmt: skip
        function = getattr(lib, f"fb_arena_{name}")
        function.restype, function.argtypes = result, arguments
    return lib


class Arena:
    """One range of memory; `memory` is all of it as bytes."""

    def __init__(self) -> None:
        self._lib = _functions()
        self._self = self._lib.fb_arena_new(RESERVED) or self._lib.fb_arena_new(RESERVED >> 3)
        if not self._self:
            raise MemoryError("no range of addresses for a compiled program's memory")
        self.base: int = self._lib.fb_arena_base(self._self)
        self._handler = memory.capsule(self._self)
        self._before: Any = None

    def __enter__(self) -> Arena:
        self._before = memory.interface()[2](self._handler)
        return self

    def __exit__(self, *_: Any) -> None:
        memory.interface()[2](self._before)
        self._before = None

    def __del__(self) -> None:
        if getattr(self, "_self", None) and not self._lib.fb_arena_lives(self._self):
            self._lib.fb_arena_delete(self._self)

    @property
    def count(self) -> int:
        """Blocks there have been so far."""
        return self._lib.fb_arena_count(self._self)

    def find(self, address: int) -> tuple[int, int] | None:
        """The number of the block in use that holds an address, and its first address; None where there is none."""
        start = ctypes.c_int64()
        number = self._lib.fb_arena_find(self._self, address, ctypes.byref(start))
        return None if number < 0 else (number, self.base + start.value)

    def block(self, number: int) -> tuple[int, int]:
        """Where a block starts in the arena, and its bytes."""
        out = (ctypes.c_int64 * 2)()
        self._lib.fb_arena_block(self._self, number, out)
        return out[0], out[1]

    def bytes(self, number: int) -> np.ndarray:
        """The memory of a block, byte by byte."""
        start, size = self.block(number)
        held: Any = (ctypes.c_uint8 * size).from_address(self.base + start)
        return np.frombuffer(held, np.uint8)

    def seal(self) -> None:
        """Nothing more is handed out."""
        self._lib.fb_arena_seal(self._self)

    def held(self, number: int) -> bool:
        """Whether a block was never given back."""
        return bool(self._lib.fb_arena_held(self._self, number))

    def lay(self, numbers: Sequence[int], over: Mapping[int, int] | None = None) -> int:
        """Lays blocks out anew, for runs in which only these need memory, in order; what was in it is lost.

        Two of them share memory if one was given back before the other was made, or if one ends as the other begins: it is made `over`
        it. The most bytes that are in use at once.
        """
        given = (ctypes.c_int64 * max(1, len(numbers)))(*numbers)
        under = (ctypes.c_int64 * max(1, len(numbers)))(*[(over or {}).get(n, -1) for n in numbers])
        least = self._lib.fb_arena_lay(self._self, len(numbers), given, under)
        if least < 0:
            raise MemoryError("no memory for a plan of memory")
        return least

    def trim(self) -> None:
        """Gives back the pages that no block in use lies on."""
        self._lib.fb_arena_trim(self._self)

    def move(self, number: int, to: np.ndarray) -> None:
        """The bytes of a block into `to`, which is dense; they are given back piece by piece."""
        self._lib.fb_arena_move(self._self, number, to.ctypes.data, to.nbytes)

    def drop(self, number: int) -> None:
        """Gives a block's pages back to the system; what was in it is lost."""
        self._lib.fb_arena_drop(self._self, number)

    @property
    def size(self) -> int:
        """Bytes, up to the last that was ever used."""
        return self._lib.fb_arena_top(self._self)
