"""In-place calls of expressions on few elements: the ufunc of the expression writes over its first operand.

`overwriting(op)` is Python text made from the operator's signature, as `straight` makes it for calls that give a new tensor. It
serves NumPy arrays of one float dtype of which nothing is recorded, and says whether it did; the general way does everything
else, and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import state
from .becoming import compiled
from .elementwise import ElementwiseRule
from .hot import CHAINS, F32, F64, free
from .numbers import number_array
from .operator import MISSING, Operator
from .signature import BLAMED
from .straight import Text, numbers_of
from .tensor import Box


def overwriting(op: Operator, outer: Operator) -> Callable[..., bool] | None:
    """`f(tensor, ...)` for the operator's expression; None where it has other static arguments than numbers.

    It takes its arguments as `outer` does, a composite that calls the operator, or the operator itself.
    """
    if type(op.vjp_rule) is not ElementwiseRule or op.result is not None or not op.takes("float"):
        return None
    text = Text(op)
    others = len(op.attrs) - len(numbers_of(op))
    if others or any(text.free) or op.variadic or op.loose or op.tags.get("series"):
        return None
    made: Any = None

    def first(*args: Any, **kwargs: Any) -> bool:
        nonlocal made
        if made is None:
            made = compiled(f"in-place way of {outer.name}", source(op, outer), scope_of(op, outer))
        return made(*args, **kwargs)

    return first


def source(op: Operator, outer: Operator) -> str:
    """Python text of the call.

    >>> from flambeau.runtime.operator import registry
    >>> print(source(registry["lerp"], registry["lerp"]).splitlines()[0])
    def overwrite(input=_MISSING, end=_MISSING, weight=_MISSING, *_rest, **_kw):
    """
    text, x = Text(op), op.params[0]
    attrs = {p: p if p in outer.index else repr(op.defaults[i]) for i, p in op.attrs}
    lines = [
        f"def overwrite({Text(outer).head()}):",
        "    if _state.active or _rest or _kw: return False",
        f"    try: _a0 = {x}._array",
        "    except AttributeError: return False",
        "    _d = _a0.dtype",
        "    if type(_a0) is not _ndarray or _d is not _F32 and _d is not _F64: return False",
        "    if _a0.size >= _CHAINS or 0 in _a0.strides: return False",
        f"    if _local.grad and ({x}._node is not None or {x}._base is not None) and not _free({x}): return False",
    ]
    for k, p in enumerate(text.names[1:], 1):
        lines += operand(k, p, op.arrays[k] not in op.strict)
    optional = text.optional()
    for p in attrs:
        if p in outer.index:
            none = f"{p} is not None and " if p in optional else ""
            lines.append(f"    if {none}(type({p}) not in _numbers or not -6e4 < {p} < 6e4): return False")  # fmt: skip
    if optional:  # without any the operator has something to say
        lines.append(f"    if {' and '.join(f'{v} is None' for v in attrs.values())}: return False")
    given = f"{{{', '.join(f'{p!r}: {v}' for p, v in attrs.items())}}}"
    pattern = f"({''.join(f'{v} is None, ' for v in attrs.values())})" if optional else "()"
    params = "".join(f"_number({v}, _F64), " for v in attrs.values())
    if optional:
        params = f"*[_number(_p, _F64) for _p in ({''.join(f'{v}, ' for v in attrs.values())}) if _p is not None], "
    lines += [
        f"    if not _stay.get(_d) and not _ask(_d, ({', '.join(text.names)},), {given}): return False",
        f"    _into = _programs.get({pattern})",
        f"    if _into is None: _into = _programs[{pattern}] = _rule.program({given}).into",
        f"    _box = {x}._box",
        f"    if _box is None: _box = {x}._box = _Box()",
        "    _box.written += 1",
        "    _token = _set_quiet(_quiet)",
        f"    try: _into({text.raw}, {params}_a0)",
        "    except _BLAMED:",
        "        _box.written -= 1",
        "        return False",
        "    finally: _reset(_token)",
        "    return True",
    ]
    return "\n".join(lines) + "\n"


def operand(k: int, p: str, number: bool) -> list[str]:
    """What reads one of the other operands; `number` says whether it may be a Python number."""
    lines = [
        f"try: _a{k} = {p}._array",
        "except AttributeError: return False",
        f"if type(_a{k}) is not _ndarray or _a{k}.dtype is not _d or _a{k}.ndim > _a0.ndim: return False",
        f"if _local.grad and ({p}._node is not None or {p}._base is not None) and not _free({p}): return False",
    ]
    if not number:
        return ["    " + line for line in lines]
    return [
        f"    if type({p}) in _numbers:",
        f"        if not -6e4 < {p} < 6e4: return False",
        f"        _a{k} = _number({p}, _d)",
        "    else:",
        *["        " + line for line in lines],
    ]


def scope_of(op: Operator, outer: Operator) -> dict[str, Any]:
    """What the text reads."""
    stay: dict[np.dtype, bool] = {}

    def ask(d: np.dtype, arrays: tuple, attrs: dict[str, Any]) -> bool:
        """Whether the promotion leaves tensors of a dtype as they are."""
        try:
            made = arrays if op.promote is None else op.promote(op, arrays, dict(attrs))
        except BLAMED:
            return False
        alike = all(m is a for m, a in zip(made, arrays) if type(a) not in (int, float))
        stay[d] = alike and not getattr(op.promote, "by_value", False)
        return stay[d]

    given = {
        "BLAMED": BLAMED, "Box": Box, "CHAINS": CHAINS, "F32": F32, "F64": F64, "MISSING": MISSING, "ask": ask, "free": free,
        "programs": {}, "rule": op.vjp_rule, "local": state.local, "ndarray": np.ndarray, "number": number_array, "numbers": (float, int),
        "quiet": state.quiet, "reset": state.error_state.reset, "set_quiet": state.error_state.set, "state": state, "stay": stay,
        **{f"d{i}": d for i, d in enumerate(outer.defaults)},
    }  # fmt: skip
    return {f"_{name}": value for name, value in given.items()}


__all__ = ["overwriting", "source"]
