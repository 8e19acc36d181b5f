"""Where a number goes that the Python of a captured call reads off a tensor: by the bytecode of the frames that it is given to.

A number that goes into the call's result and nowhere else can be read anew at every call of the program. `to_result` says whether
that is so: from the reading on, all paths through the reader's code may only store the number in local variables, move it, put
it into tuples, lists and values of dicts that are made there, unpack these, and return it; then the same from the place on where the caller goes on.
Whatever else is done with it, and whatever is not understood here, means that it is used.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from .bytecode import Used, code_of, effect, falls, jumps, taken_by
from .callees import check_called

CLEAN, NUMBER, BOX = None, "number", "box"  # a tuple of these stands for a tuple that was made here
Kind = Any
TO_TUPLE = 6  # the intrinsic function that makes a list a tuple
MOST = 4000  # states that are looked at


def to_result(frame: Any, reader: str | types.CodeType, last: types.CodeType | None) -> bool:
    """Whether the number that `frame` is given by the call that it is at ends in the result of `last`, or nowhere.

    `reader` is what that call runs: the code of a method of tensors, or the name of a builtin that runs one.
    """
    value: Kind = NUMBER
    called: Any = reader
    try:
        while True:
            check_called(frame, called)
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


@functools.lru_cache(1024)
def _after(code: types.CodeType, at: int, value: Kind) -> Kind:
    """What a frame returns that goes on after the instruction at `at` with `value` on its stack; Used where that is used."""
    known = code_of(code)
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
            count = taken_by(s)
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
