"""What a frame calls: whether the call that it is at runs some code, and gives what that gives, with no C between."""

from __future__ import annotations

import builtins
import functools
import types
from typing import Any

from .bytecode import NEW, Code, Used, code_of, effect, falls, jumps, taken_by

UNKNOWN: Any = object()


def check_called(frame: Any, wanted: Any) -> None:
    """Raises Used unless the call that a frame is at runs just this code, or builtin, and gives what it gives."""
    known = code_of(frame.f_code)
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
    elif found is UNKNOWN:
        # A method of this name, of something that is not known: without arguments, as tensors have it.
        j, _ = _producer(known, i, s.arg + 1)
        named = known.steps[j].opname in ("LOAD_METHOD", "LOAD_ATTR") and known.steps[j].argval
        if named != wanted.co_name or named not in ("item", "tolist") or (s.opname, s.arg) != ("CALL", 0):  # fmt: skip
            raise Used
    elif not _runs(found, wanted):
        raise Used


def _producer(known: Code, i: int, want: int) -> tuple[int, int]:
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
            taken = taken_by(s)
        put = taken + effect(s, False)
        if want < put:
            return i, want
        want += taken - put


def _callee(known: Code, i: int, count: int, frame: Any) -> Any:
    """What a call with so many entries of arguments before instruction `i` calls."""
    j, place = _producer(known, i, count + 1)
    if not NEW and (known.steps[j].opname == "PUSH_NULL" or (known.steps[j].opname == "LOAD_GLOBAL" and place == 1)):  # fmt: skip
        j, place = _producer(known, i, count)
    return _object(known, j, place, frame)


def _object(known: Code, j: int, place: int, frame: Any) -> Any:
    """What an instruction put on the stack; UNKNOWN where that cannot be known without running it again."""
    s = known.steps[j]
    if s.opname == "LOAD_GLOBAL":
        scope = frame.f_globals
        return scope[s.argval] if s.argval in scope else frame.f_builtins.get(s.argval, UNKNOWN)
    if s.opname in ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF"):
        return frame.f_locals.get(s.argval, UNKNOWN)
    if s.opname == "LOAD_FAST_LOAD_FAST":
        return frame.f_locals.get(s.argval[1 - place], UNKNOWN)
    if s.opname == "STORE_FAST_LOAD_FAST":
        return frame.f_locals.get(s.argval[1], UNKNOWN)
    if s.opname == "MAKE_FUNCTION" and known.steps[j - 1].opname == "LOAD_CONST":
        return known.steps[j - 1].argval
    if s.opname in ("LOAD_ATTR", "LOAD_METHOD"):
        k, below = _producer(known, j, 0)
        owner = _object(known, k, below, frame)
        if owner is UNKNOWN and known.steps[k].opname == "CALL":
            return _of_super(known, k, s.argval, frame)
        return UNKNOWN if owner is UNKNOWN else _attribute(owner, s.argval)
    if s.opname == "LOAD_SUPER_ATTR":
        return _inherited(s.argval, frame)
    return UNKNOWN


def _of_super(known: Code, k: int, name: str, frame: Any) -> Any:
    """`super().name`."""
    i = k - 1 if known.steps[k - 1].opname == "PRECALL" else k
    is_plain = known.steps[k].arg == 0 and _callee(known, i, 0, frame) is super
    return _inherited(name, frame) if is_plain else UNKNOWN


def _inherited(name: str, frame: Any) -> Any:
    """What `super().name` is in a method; a wrong guess does not run the code that is looked for."""
    kind, names = frame.f_locals.get("__class__"), frame.f_code.co_varnames
    own = frame.f_locals.get(names[0]) if names else None
    order = (own if isinstance(own, type) else type(own)).__mro__
    for base in order[order.index(kind) + 1 :] if kind in order else ():
        if name in base.__dict__:
            found = base.__dict__[name]
            return found if isinstance(found, types.FunctionType) else UNKNOWN
    return UNKNOWN


def _attribute(owner: Any, name: str) -> Any:
    """An attribute, found without running anything."""
    if isinstance(owner, types.ModuleType):
        return owner.__dict__.get(name, UNKNOWN)
    is_class = isinstance(owner, type)
    for kind in (owner if is_class else type(owner)).__mro__:
        if name in kind.__dict__:
            found = kind.__dict__[name]
            if isinstance(found, (staticmethod, classmethod)):
                return found.__func__
            if is_class or isinstance(found, types.FunctionType):
                break
            return UNKNOWN
    else:
        found = UNKNOWN
    own = {} if is_class else getattr(owner, "__dict__", {})
    if name in own:
        return own[name]
    parts = own.get("_modules")
    if found is UNKNOWN and isinstance(parts, dict):
        return parts.get(name, UNKNOWN)
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
