"""The recorded calls of neighbouring steps as C functions of a table of functions and a table of blocks."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from ..backends.cpu.arena import Arena
from .sites import CallSite, Place


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
        # A function that may be given up for want of memory returns something then, -1, and Python is told.
        asks = call.result == "void" and getattr(call.function, "asks", False)
        result = "int" if asks else call.result
        made = f"(({result} (*)({', '.join(types) or 'void'})){self.function(call.function)})({', '.join(words)})"
        if result != "void":
            made = f"if ({made} != {0 if asks else _number(call.returned)}) return {number + 1}"
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
