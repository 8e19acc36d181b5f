"""The bytecode of a function: instructions, where each goes on, how much is on the stack, what an instruction takes off it.

Of CPython 3.11 to 3.13. Functions that are generators, or may look at their own variables by name, are not understood.
"""

from __future__ import annotations

import dis
import functools
import inspect
import itertools
import sys
import types
from collections.abc import Callable
from typing import Any

# What is called lies below the NULL or `self` of a call, not above.
NEW = sys.version_info >= (3, 13)
SEEING = frozenset({"locals", "vars", "eval", "exec", "dir", "breakpoint", "set_trace", "_getframe", "currentframe", "stack"})  # fmt: skip
OTHERWISE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class Used(Exception):
    """The number is used, or may be."""


class Code:
    """The instructions of a function, where they go on, and how much is on the stack before each."""

    def __init__(self, code: types.CodeType) -> None:
        if code.co_flags & OTHERWISE or not SEEING.isdisjoint(code.co_names):
            raise Used
        self.steps: list[Any] = list(dis.get_instructions(code))
        self.place = {s.offset: i for i, s in enumerate(self.steps)}
        self.handlers: Any = getattr(dis.Bytecode(code), "exception_entries", ())
        self.depth: dict[int, int] = {}
        todo = [(0, 0)]
        while todo:
            i, depth = todo.pop()
            if self.depth.setdefault(i, depth) != depth:
                raise Used
            for j, after in (*self._next(i, depth), *((h, d) for h, d, _, _ in self.caught(i))):
                if j not in self.depth:
                    todo.append((j, after))

    def at(self, offset: int) -> int:
        """The instruction that a frame is at: of a call of Python, its caches may have been passed."""
        while offset not in self.place:
            offset -= 2
        return self.place[offset]

    def _next(self, i: int, depth: int) -> list[tuple[int, int]]:
        s = self.steps[i]
        made = []
        if falls(s):
            made.append((i + 1, depth + effect(s, False)))
        if jumps(s):
            made.append((self.place[s.argval], depth + effect(s, True)))
        return made

    def caught(self, i: int) -> list[tuple[int, int, int, bool]]:
        """Where an exception of an instruction goes: the place, the depth there and of what stays, whether the place of the raise is pushed."""
        at = self.steps[i].offset
        return [
            (self.place[e.target], e.depth + 1 + bool(e.lasti), e.depth, bool(e.lasti))
            for e in self.handlers
            if e.start <= at < e.end
        ][:1]


@functools.lru_cache(256)
def code_of(code: types.CodeType) -> Code:
    """The code, read; Used where it is not understood."""
    return Code(code)


@functools.lru_cache(1024)
def asks_types(code: types.CodeType) -> bool:
    """Whether it calls `type`, but of `self`: it may tell numbers that are open from others."""
    if "type" in code.co_names:
        steps = [
            s
            for s in dis.get_instructions(code)
            if s.opname not in ("PUSH_NULL", "CACHE", "PRECALL")
        ]
        for s, after in itertools.pairwise(steps):
            if (
                s.opname in ("LOAD_GLOBAL", "LOAD_NAME")
                and s.argval == "type"
                and after.argval not in ("self", "cls")
            ):
                return True
    return any(asks_types(c) for c in code.co_consts if isinstance(c, types.CodeType))


def compares_types(code: types.CodeType) -> bool:
    """Whether it may ask if something is of the type `int` or `float`."""
    return not {"int", "float"}.isdisjoint(code.co_names) and asks_types(code)


def effect(s: Any, jump: bool) -> int:
    """By how much an instruction changes the depth of the stack."""
    return dis.stack_effect(s.opcode, s.arg, jump=jump)


_ENDS = frozenset({"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"})
_JUMPS = frozenset({"JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"})
_JUMPING = frozenset([*dis.hasjrel, *dis.hasjabs])


def falls(s: Any) -> bool:
    """Whether the next instruction may come after this one."""
    return s.opname not in _ENDS and s.opname not in _JUMPS


def jumps(s: Any) -> bool:
    """Whether the place that it names may come after it."""
    return s.opcode in _JUMPING and s.opname not in ("SETUP_FINALLY", "SETUP_CLEANUP", "SETUP_WITH")


# What instructions take off the stack, of which nothing may be the number; what they put there follows from their effect.
_POPS: dict[str, int | Callable[[int], int]] = {
    **dict.fromkeys(
        ["NOP", "RESUME", "CACHE", "PUSH_NULL", "LOAD_CONST", "LOAD_GLOBAL", "LOAD_DEREF", "LOAD_CLOSURE", "LOAD_CLASSDEREF",
         "MAKE_CELL", "COPY_FREE_VARS", "KW_NAMES", "EXTENDED_ARG", "LOAD_ASSERTION_ERROR", "LOAD_BUILD_CLASS",
         "DELETE_DEREF", "DELETE_GLOBAL", "SETUP_ANNOTATIONS", "RETURN_CONST", *_JUMPS], 0
    ),
    **dict.fromkeys(
        ["LOAD_ATTR", "LOAD_METHOD", "STORE_GLOBAL", "STORE_DEREF", "UNARY_NEGATIVE", "UNARY_NOT", "UNARY_INVERT", "UNARY_POSITIVE",
         "GET_ITER", "BEFORE_WITH", "RAISE_VARARGS", "FOR_ITER", "DELETE_ATTR", "IMPORT_FROM", "TO_BOOL", "CONVERT_VALUE",
         "FORMAT_SIMPLE", "PUSH_EXC_INFO", "POP_EXCEPT", "RERAISE", "GET_LEN", "SET_ADD", "SET_UPDATE"], 1
    ),
    **dict.fromkeys(
        ["BINARY_OP", "BINARY_SUBSCR", "COMPARE_OP", "IS_OP", "CONTAINS_OP", "STORE_ATTR", "DELETE_SUBSCR", "IMPORT_NAME",
         "CHECK_EXC_MATCH", "FORMAT_WITH_SPEC"], 2
    ),
    "LOAD_SUPER_ATTR": 3, "STORE_SLICE": 4, "WITH_EXCEPT_START": 4, "BUILD_STRING": lambda n: n, "BUILD_SET": lambda n: n,
    "BUILD_SLICE": lambda n: n, "RAISE_VARARGS": lambda n: n, "UNPACK_EX": 1, "SET_FUNCTION_ATTRIBUTE": 2,
    "FORMAT_VALUE": lambda n: 1 + ((n & 4) == 4), "CALL": lambda n: n + 2, "CALL_KW": lambda n: n + 3, "CALL_FUNCTION_EX": lambda n: 3 + (n & 1),
    "MAKE_FUNCTION": lambda n: 1 + (0 if NEW else n.bit_count()), "END_FOR": 1 if NEW else 2,
}  # fmt: skip
_POPS["BINARY_SLICE"] = 3
if sys.version_info < (
    3,
    12,
):  # the arguments of a call count as taken by the instruction before it
    _POPS.update({"PRECALL": lambda n: n, "CALL": 2})


def taken_by(s: Any) -> int:
    """How many entries an instruction takes off the stack."""
    found = _POPS.get(s.opname)
    if found is None:
        if s.opname.startswith(("POP_JUMP_", "JUMP_IF_")):
            return 1
        raise Used
    return found(s.arg) if callable(found) else found
