"""Where a number goes that the Python of a captured call reads off a tensor: by the bytecode of the frames that it is given to.

A number that goes into the call's result and nowhere else can be read anew at every call of the program. `to_result` says whether
that is so: from the reading on, all paths through the reader's code may only store the number in local variables, move it, put
it into tuples, lists and values of dicts that are made there, unpack these, and return it; then the same from the place on where the caller goes on.
Whatever else is done with it, and whatever is not understood here, means that it is used.
"""

from __future__ import annotations

import builtins
import dis
import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any

CLEAN, NUMBER, BOX = None, "number", "box"  # a tuple of these stands for a tuple that was made here
Kind = Any
NEW = sys.version_info >= (
    3,
    13,
)  # what is called lies below the NULL or `self` of a call, not above
SEEING = frozenset({"locals", "vars", "eval", "exec", "dir", "breakpoint", "set_trace", "_getframe", "currentframe", "stack"})  # fmt: skip
OTHERWISE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
TO_TUPLE = 6  # the intrinsic function that makes a list a tuple
MOST = 4000  # states that are looked at
_UNKNOWN: Any = object()


class Used(Exception):
    """The number is used, or may be."""


def to_result(frame: Any, reader: str | types.CodeType, last: types.CodeType | None) -> bool:
    """Whether the number that `frame` is given by the call that it is at ends in the result of `last`, or nowhere.

    `reader` is what that call runs: the code of a method of tensors, or the name of a builtin that runs one.
    """
    value: Kind = NUMBER
    called: Any = reader
    try:
        while True:
            _is_called(frame, called)
            code = frame.f_code
            if code is last:
                return True
            value = _after(code, frame.f_lasti, value)
            if value is CLEAN:
                return True
            called, frame = code, frame.f_back
            if frame is None:
                return False
    except Used:
        return False


# -- forward: what becomes of it in one frame ------------------------------------------------------------------------------


class _Code:
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
def _code(code: types.CodeType) -> _Code:
    return _Code(code)


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


def _taken(s: Any) -> int:
    """How many entries an instruction takes off the stack."""
    found = _POPS.get(s.opname)
    if found is None:
        if s.opname.startswith(("POP_JUMP_", "JUMP_IF_")):
            return 1
        raise Used
    return found(s.arg) if callable(found) else found


@functools.lru_cache(1024)
def _after(code: types.CodeType, at: int, value: Kind) -> Kind:
    """What a frame returns that goes on after the instruction at `at` with `value` on its stack; Used where that is used."""
    known = _code(code)
    i = known.at(at)
    depth = known.depth[i] + effect(known.steps[i], False)
    start = (i + 1, (*[CLEAN] * (depth - 1), value), ())
    todo, seen, returned = [start], {start}, CLEAN
    while todo:
        i, stack, names = todo.pop()
        s = known.steps[i]
        if len(stack) != known.depth[i] or len(seen) > MOST:
            raise Used
        found: list[tuple] = [
            (h, (*stack[:kept], *[CLEAN] * (1 + pushed)), names) for h, _, kept, pushed in known.caught(i)
        ]  # fmt: skip
        if s.opname == "RETURN_VALUE":
            returned = _joined(returned, stack[-1])
        elif s.opname in _MOVES:
            work: list[Kind] = list(stack)
            local: dict[str, Kind] = dict(names)
            _MOVES[s.opname](s, work, local)
            found.append((i + 1, tuple(work), tuple(sorted((k, v) for k, v in local.items() if v is not CLEAN))))  # fmt: skip
        else:
            count = _taken(s)
            left, taken = stack[: len(stack) - count], stack[len(stack) - count :]
            if any(x is not CLEAN for x in taken):
                raise Used
            for jump, there in ((False, falls(s)), (True, jumps(s))):
                if there:
                    j = known.place[s.argval] if jump else i + 1
                    made = count + effect(s, jump)
                    if made < 0:
                        raise Used
                    found.append((j, (*left, *[CLEAN] * made), names))
        for state in found:
            if state not in seen:
                seen.add(state)
                todo.append(state)
    return returned


def _joined(a: Kind, b: Kind) -> Kind:
    if a is CLEAN or a == b:
        return b
    return a if b is CLEAN else NUMBER


def _move(*names: str) -> Callable[[Any], Any]:
    def put(f: Any) -> Any:
        _MOVES.update(dict.fromkeys(names, f))
        return f

    return put


_MOVES: dict[str, Callable[[Any, list, dict], None]] = {}


@_move("POP_TOP")
def _(s: Any, stack: list, names: dict) -> None:
    stack.pop()


@_move("SWAP")
def _(s: Any, stack: list, names: dict) -> None:
    stack[-1], stack[-s.arg] = stack[-s.arg], stack[-1]


@_move("COPY")
def _(s: Any, stack: list, names: dict) -> None:
    stack.append(stack[-s.arg])


@_move("LOAD_FAST", "LOAD_FAST_CHECK")
def _(s: Any, stack: list, names: dict) -> None:
    stack.append(names.get(s.argval))


@_move("LOAD_FAST_AND_CLEAR")
def _(s: Any, stack: list, names: dict) -> None:
    stack.append(names.pop(s.argval, CLEAN))


@_move("LOAD_FAST_LOAD_FAST")
def _(s: Any, stack: list, names: dict) -> None:
    stack.extend(names.get(n) for n in s.argval)


@_move("STORE_FAST")
def _(s: Any, stack: list, names: dict) -> None:
    names[s.argval] = stack.pop()


@_move("STORE_FAST_STORE_FAST")
def _(s: Any, stack: list, names: dict) -> None:
    for n in s.argval:
        names[n] = stack.pop()


@_move("STORE_FAST_LOAD_FAST")
def _(s: Any, stack: list, names: dict) -> None:
    names[s.argval[0]] = stack.pop()
    stack.append(names.get(s.argval[1]))


@_move("DELETE_FAST")
def _(s: Any, stack: list, names: dict) -> None:
    names.pop(s.argval, None)


def _cut(stack: list, count: int) -> list:
    taken = stack[len(stack) - count :]
    del stack[len(stack) - count :]
    return taken


@_move("BUILD_TUPLE")
def _(s: Any, stack: list, names: dict) -> None:
    taken = tuple(_cut(stack, s.arg))
    stack.append(CLEAN if all(x is CLEAN for x in taken) else taken)


@_move("BUILD_LIST")
def _(s: Any, stack: list, names: dict) -> None:
    stack.append(CLEAN if all(x is CLEAN for x in _cut(stack, s.arg)) else BOX)


@_move("BUILD_MAP")
def _(s: Any, stack: list, names: dict) -> None:
    _dict(stack, *(lambda taken: (taken[::2], taken[1::2]))(_cut(stack, 2 * s.arg)))


@_move("BUILD_CONST_KEY_MAP")
def _(s: Any, stack: list, names: dict) -> None:
    keys = stack.pop()
    _dict(stack, [keys], _cut(stack, s.arg))


def _dict(stack: list, keys: list, values: list) -> None:
    if any(k is not CLEAN for k in keys):
        raise Used
    stack.append(CLEAN if all(v is CLEAN for v in values) else BOX)


@_move("LIST_APPEND")
def _(s: Any, stack: list, names: dict) -> None:
    if stack.pop() is not CLEAN:
        stack[-s.arg] = BOX


@_move("MAP_ADD")
def _(s: Any, stack: list, names: dict) -> None:
    value, key = stack.pop(), stack.pop()
    if key is not CLEAN:
        raise Used
    if value is not CLEAN:
        stack[-s.arg] = BOX


@_move("LIST_EXTEND", "DICT_UPDATE", "DICT_MERGE")
def _(s: Any, stack: list, names: dict) -> None:
    more = stack.pop()
    if more == NUMBER:
        raise Used
    if more is not CLEAN:
        stack[-s.arg] = BOX


@_move("LIST_TO_TUPLE")
def _(s: Any, stack: list, names: dict) -> None:
    if stack[-1] == NUMBER:
        raise Used


@_move("CALL_INTRINSIC_1")
def _(s: Any, stack: list, names: dict) -> None:
    if stack[-1] == NUMBER or (stack[-1] is not CLEAN and s.arg != TO_TUPLE):
        raise Used


@_move("UNPACK_SEQUENCE")
def _(s: Any, stack: list, names: dict) -> None:
    box = stack.pop()
    if box == NUMBER or (type(box) is tuple and len(box) != s.arg):
        raise Used
    parts = box if type(box) is tuple else (NUMBER if box == BOX else CLEAN,) * s.arg
    stack.extend(reversed(parts))


@_move("STORE_SUBSCR")
def _(s: Any, stack: list, names: dict) -> None:
    key, box, value = stack.pop(), stack.pop(), stack.pop()
    if key is not CLEAN or (value is not CLEAN and box != BOX) or box == NUMBER:
        raise Used


# -- backward: what a frame calls ------------------------------------------------------------------------------------------


def _is_called(frame: Any, wanted: Any) -> None:
    """Raises Used unless the call that a frame is at runs just this code, or builtin, and gives what it gives."""
    known = _code(frame.f_code)
    i = known.at(frame.f_lasti)
    s = known.steps[i]
    if s.opname == "CALL":
        i = i - 1 if known.steps[i - 1].opname == "PRECALL" else i
        found = _callee(known, i, s.arg, frame)
    elif s.opname == "CALL_KW":
        found = _callee(known, i, s.arg + 1, frame)
    elif s.opname == "CALL_FUNCTION_EX":
        found = _object(known, *_producer(known, i, 1 + (s.arg & 1) + NEW), frame)
    else:
        raise Used
    if isinstance(wanted, str):
        if found is not getattr(builtins, wanted) or (s.opname, s.arg) != ("CALL", 1):
            raise Used
    elif found is _UNKNOWN:
        # A method of this name, of something that is not known: without arguments, as tensors have it.
        j, _ = _producer(known, i, s.arg + 1)
        named = known.steps[j].opname in ("LOAD_METHOD", "LOAD_ATTR") and known.steps[j].argval
        if named != wanted.co_name or named not in ("item", "tolist") or (s.opname, s.arg) != ("CALL", 0):  # fmt: skip
            raise Used
    elif not _runs(found, wanted):
        raise Used


def _producer(known: _Code, i: int, want: int) -> tuple[int, int]:
    """Which instruction put the entry there that is `want` below the top before instruction `i`; which of those it put, from the top."""
    while True:
        if known.steps[i].is_jump_target:
            raise Used
        i -= 1
        s = known.steps[i]
        if i < 0 or not falls(s) or jumps(s):
            raise Used
        if s.opname in ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_LOAD_FAST"):
            taken = 0
        elif s.opname == "STORE_FAST_LOAD_FAST":
            taken = 1
        elif s.opname in ("BUILD_TUPLE", "BUILD_LIST"):
            taken = s.arg
        elif s.opname == "BUILD_MAP":
            taken = 2 * s.arg
        elif s.opname == "BUILD_CONST_KEY_MAP":
            taken = 1 + s.arg
        elif s.opname in (
            "LIST_EXTEND",
            "DICT_MERGE",
            "DICT_UPDATE",
            "LIST_TO_TUPLE",
            "CALL_INTRINSIC_1",
        ):
            taken = 1
        else:
            taken = _taken(s)
        put = taken + effect(s, False)
        if want < put:
            return i, want
        want += taken - put


def _callee(known: _Code, i: int, count: int, frame: Any) -> Any:
    """What a call with so many entries of arguments before instruction `i` calls."""
    j, place = _producer(known, i, count + 1)
    if not NEW and (known.steps[j].opname == "PUSH_NULL" or (known.steps[j].opname == "LOAD_GLOBAL" and place == 1)):  # fmt: skip
        j, place = _producer(known, i, count)
    return _object(known, j, place, frame)


def _object(known: _Code, j: int, place: int, frame: Any) -> Any:
    """What an instruction put on the stack; _UNKNOWN where that cannot be known without running it again."""
    s = known.steps[j]
    if s.opname == "LOAD_GLOBAL":
        scope = frame.f_globals
        return scope[s.argval] if s.argval in scope else frame.f_builtins.get(s.argval, _UNKNOWN)
    if s.opname in ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF"):
        return frame.f_locals.get(s.argval, _UNKNOWN)
    if s.opname == "LOAD_FAST_LOAD_FAST":
        return frame.f_locals.get(s.argval[1 - place], _UNKNOWN)
    if s.opname == "STORE_FAST_LOAD_FAST":
        return frame.f_locals.get(s.argval[1], _UNKNOWN)
    if s.opname == "MAKE_FUNCTION" and known.steps[j - 1].opname == "LOAD_CONST":
        return known.steps[j - 1].argval
    if s.opname in ("LOAD_ATTR", "LOAD_METHOD"):
        k, below = _producer(known, j, 0)
        owner = _object(known, k, below, frame)
        if owner is _UNKNOWN and known.steps[k].opname == "CALL":
            return _of_super(known, k, s.argval, frame)
        return _UNKNOWN if owner is _UNKNOWN else _attribute(owner, s.argval)
    if s.opname == "LOAD_SUPER_ATTR":
        return _inherited(s.argval, frame)
    return _UNKNOWN


def _of_super(known: _Code, k: int, name: str, frame: Any) -> Any:
    """`super().name`."""
    i = k - 1 if known.steps[k - 1].opname == "PRECALL" else k
    is_plain = known.steps[k].arg == 0 and _callee(known, i, 0, frame) is super
    return _inherited(name, frame) if is_plain else _UNKNOWN


def _inherited(name: str, frame: Any) -> Any:
    """What `super().name` is in a method; a wrong guess does not run the code that is looked for."""
    kind, names = frame.f_locals.get("__class__"), frame.f_code.co_varnames
    own = frame.f_locals.get(names[0]) if names else None
    order = (own if isinstance(own, type) else type(own)).__mro__
    for base in order[order.index(kind) + 1 :] if kind in order else ():
        if name in base.__dict__:
            found = base.__dict__[name]
            return found if isinstance(found, types.FunctionType) else _UNKNOWN
    return _UNKNOWN


def _attribute(owner: Any, name: str) -> Any:
    """An attribute, found without running anything."""
    if isinstance(owner, types.ModuleType):
        return owner.__dict__.get(name, _UNKNOWN)
    is_class = isinstance(owner, type)
    for kind in (owner if is_class else type(owner)).__mro__:
        if name in kind.__dict__:
            found = kind.__dict__[name]
            if isinstance(found, (staticmethod, classmethod)):
                return found.__func__
            if is_class or isinstance(found, types.FunctionType):
                break
            return _UNKNOWN
    else:
        found = _UNKNOWN
    own = {} if is_class else getattr(owner, "__dict__", {})
    if name in own:
        return own[name]
    parts = own.get("_modules")
    if found is _UNKNOWN and isinstance(parts, dict):
        return parts.get(name, _UNKNOWN)
    return found


def _runs(found: Any, wanted: types.CodeType) -> bool:
    """Whether calling it runs this code, and what that returns is the result."""
    while True:
        if isinstance(found, functools.partial):
            found = found.func
        elif isinstance(found, types.MethodType):
            found = found.__func__
        elif isinstance(found, types.CodeType):
            return found is wanted
        elif isinstance(found, types.FunctionType):
            return found.__code__ is wanted
        else:
            call = next((k.__dict__["__call__"] for k in type(found).__mro__ if "__call__" in k.__dict__), None)  # fmt: skip
            if isinstance(found, type) or not isinstance(call, types.FunctionType):
                return False
            found = call
