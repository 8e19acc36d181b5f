"""The text for a composite's plain calls: what `families.composite` does for them, written out for one signature.

It serves calls while no mode is in force whose first argument is of a class that takes nothing over: flags are looked at, then the
body runs, or a backend's claim on the whole (`claims`). A claim that accepted dtypes, shapes and static arguments, and says
until when that holds, is not asked again about the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dispatch, names, overrides, signature, state
from .becoming import again, compiled, spelled
from .operator import MISSING, Operator
from .straight import Text
from .tape import Node
from .tensor import Tensor, history


def source(op: Operator) -> str:
    """Python text of a composite's plain calls.

    >>> from flambeau.runtime.operator import registry
    >>> print(source(registry["t"]).splitlines()[0])
    def straight(input=_MISSING, *_rest, **_kw):
    """
    text = CompositeText(op)
    return text.joined(text.lines())


class CompositeText(Text):
    """The text for one composite. `return None` in it stands for giving way, as in `Text`."""

    def gathers(self) -> bool:
        return False

    def lines(self) -> list[str]:
        op, first = self.op, self.op.params[0]
        away = ["_state.active", "_kw", *([] if op.loose else ["_rest"])]
        claimed = bool(op.providers) and not (op.variadic or op.loose) and bool(op.arrays)
        if not claimed:
            away.append("_providers")
        away.append(f"(type({first}) not in _plain and not _ordinary({first}))")
        lines = [f"def straight({self.head()}):", f"    if {' or '.join(away)}: return None"]
        lines += [
            f"    if {p} is _MISSING: return None"
            for p, d in list(zip(op.params, op.defaults))[1:]
            if d is MISSING
        ]
        lines += self.flags()
        lines += [*(self.key() if claimed else []), "    try:"]
        lines += self.claim() if claimed else [f"        _made = {self.body()}"]
        values, words = self.values()
        return [
            *lines,
            "    except _BLAMED as _error:",
            f"        return _failed(_error, *_spelled(_op, {values}, {words}, _rest, _kw))",
            *self.label(),
            "    return _made",
        ]

    def body(self) -> str:
        """The call of the composite's definition."""
        op = self.op
        given = [*op.params[: op.positional], *(["*_rest"] if op.loose else [])]
        given += [f"{p}={p}" for p in op.params[op.positional :]]
        return f"_body({', '.join(given)})"

    def key(self) -> list[str]:
        """What a claim's checker sees of the call, and the claim that took such a call before."""
        key: list[str] = []
        for k, free in enumerate(self.free):
            none = f"None if _a{k} is None else " if free else ""
            key += [f"{none}_a{k}.dtype", f"{none}_a{k}.shape"]
        for i, p in self.op.attrs:
            key += [p] if i in self.op.flags else [f"type({p})", p]
        return [
            *(line for k in range(self.count) for line in self.array(k)),
            f"    _key = ({', '.join(key)},)",
            "    try: _found = _accepted.get(_key)",
            "    except TypeError: return None",
        ]

    def claim(self) -> list[str]:
        """The call of a claim on the whole, or of the body where none accepts it."""
        nodes = [f"_n{k}" for k in range(self.count)]
        wants = f"({' or '.join(f'{n} is not None' for n in nodes)}) and _local.grad"
        lost = "_found is None or _found[1] is not _providers['cpu'] or len(_found[1]) != _found[2] or not _found[3]()"
        return [
            f"        if {lost}: _found = _ask(_key, {self.given}, {self.attrs})",
            f"        if _found is None: _made = {self.body()}",
            f"        else: _made = _found[0]({self.given}, [{self.raw}], {self.attrs}, ({', '.join(nodes)},), {wants})",
        ]

    def label(self) -> list[str]:
        """The name of the whole for the node of its result."""
        if names.of_composite(self.op.name) is None:
            return []
        op, first = self.op, self.op.params[0]
        args = f"({first},)"
        name = "_label.alone"
        if op.params[1:2] == ("dim",):
            args = f"({first},) if dim is _d1 else ({first}, dim)"
            name = "(_label.alone if dim is _d1 else _label.with_dim)"
        return [
            "    if type(_made) is _Tensor:",
            "        _node = _made._node",
            "        if _node is None: return _made",
            f"        if type(_node) is _Node and _node is not getattr({first}, '_node', None):",
            f"            _node.label = {name}",
            "            return _made",
            f"    _label(_made, {args}, _NO_ATTRS)",
        ]


def compile_composite(
    op: Operator,
    body: Callable[..., Any],
    general: Callable[[tuple, dict[str, Any]], Any],
    failed: Callable[..., Any],
    scope: dict[str, Any],
) -> Any:
    """The function of `source`, with what it reads in `scope`. `failed(error, args, kwargs)` says what is wrong with a call."""
    given: dict[str, Any] = {
        "BLAMED": signature.BLAMED, "MISSING": MISSING, "NO_ATTRS": {}, "Node": Node, "Tensor": Tensor, "accepted": {},
        "again": again(op, general), "body": body, "failed": failed, "history": history, "label": names.of_composite(op.name),
        "local": state.local, "ndarray": np.ndarray, "op": op, "ordinary": overrides.ordinary, "plain": overrides.plain,
        "providers": op.providers, "spelled": spelled, "state": state,
        **{f"d{i}": d for i, d in enumerate(op.defaults)},
    }  # fmt: skip
    given["ask"] = asker(op, given["accepted"])
    scope.update({f"_{name}": value for name, value in given.items()})
    return compiled(f"straight way of {op.name}", source(op), scope)


def asker(op: Operator, accepted: dict[tuple, tuple]) -> Callable[..., tuple | None]:
    """Gives the claim that takes a call, and until when it does; what lasts is kept in `accepted`."""

    def ask(key: tuple, arrays: tuple, attrs: dict[str, Any]) -> tuple | None:
        claim, holds = dispatch.claimed(op, arrays, attrs)
        if claim is None:
            return None
        among = op.providers["cpu"]
        found = (claim.plain, among, len(among), holds)
        if holds is not None:
            if len(accepted) >= dispatch.REMEMBERED:
                accepted.clear()
            accepted[key] = found
        return found

    return ask
