"""The text for a composite's plain calls: what `families.composite` does for them, written out for one signature.

It serves calls while no mode is in force whose first argument is of a class that takes nothing over: flags are looked at, then the
body runs, or a backend's claim on the whole (`claims`). A claim that accepted dtypes, shapes and static arguments, and says
until when that holds, is not asked again about the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import backend as backends
from . import dispatch, names, overrides, signature, state, tape
from .becoming import again, compiled, spelled
from .inference import makes_tensors
from .operator import MISSING, Operator
from .straight import F32, F64, Text, attach_all, meta, scope_of
from .tape import Node
from .tensor import Box, Tensor, history, new

ndarray = np.ndarray


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

    def __init__(self, op: Operator) -> None:
        super().__init__(op)
        # Also what is always given, but may be None, such as a recurrent layer's first state.
        notes = getattr(op.body, "__annotations__", {})
        self.free = [f or notes.get(p) == "Tensor | None" for p, f in zip(self.names, self.free)]

    def gathers(self) -> bool:
        return False

    def lines(self) -> list[str]:
        op, first = self.op, self.op.params[0]
        away = ["_state.active", "_kw", *([] if op.loose else ["_rest"])]
        claimed = bool(op.providers) and not (op.variadic or op.loose) and bool(op.arrays)
        if not claimed:
            away.append("_providers")
        away.append(f"(type({first}) not in _plain and not _ordinary({first}))")
        lines = [f"def straight({self.head()}):"]
        if op.small is not None and not (op.variadic or op.loose) and op.arrays:
            lines += self.quick()
        lines.append(f"    if {' or '.join(away)}: return None")
        lines += [
            f"    if {p} is _MISSING: return None"
            for p, d in list(zip(op.params, op.defaults))[1:]
            if d is MISSING
        ]
        lines += self.flags()
        small = self.small() if op.small is not None else []
        if op.turned is not None:
            lines += self.turned(*op.turned)
        lines += small
        lines += ["    if _made is None:"] * bool(small)
        body = self.key() if claimed else []
        body += ["    try:", *(self.claim() if claimed else [f"        _made = {self.body()}"])]
        values, words = self.values()
        body += [
            "    except _BLAMED as _error:",
            f"        return _failed(_error, *_spelled(_op, {values}, {words}, _rest, _kw))",
        ]
        lines += ["    " + line if small else line for line in body]
        return [*lines, *self.label(), "    return _made"]

    def quick(self) -> list[str]:
        """The call of `small` that records nothing; on to the next line for any other."""
        op, arrays, fits, free = self.op, [], [], []
        for k, (i, p) in enumerate(zip(op.arrays, self.names)):
            fit = f"type(_a{k}) is _ndarray and _a{k}.size <= _SMALL"
            none = f"({p}._node if {p}._base is None else _history({p})) is None"
            if self.free[k] or i not in op.plain:
                arrays.append(f"_a{k} = {p} if type({p}) in _scalars else {p}._array")
                fit, none = f"(_a{k} is {p} or {fit})", f"(_a{k} is {p} or {none})"
            else:
                arrays.append(f"_a{k} = {p}._array")
            fits.append(fit)
            free.append(none)
        usual = ["not (_state.active or _kw or _rest)"]
        usual += [f"{op.params[i]} is not _MISSING" for i, _ in op.attrs if op.defaults[i] is MISSING]  # fmt: skip
        for i in op.flags:
            p = op.params[i]
            none = f"{p} is None or " if op.defaults[i] is None else ""
            usual.append(f"({none}{p} is True or {p} is False)")
        usual += [f"type({op.params[i]}) is int" for i in op.ints]
        words = "".join(f", {p}={p}" for _, p in op.attrs)
        return [
            f"    if {' and '.join(usual)}:",
            "        try:",
            *["            " + line for line in arrays],
            f"            _fits = {' and '.join(fits)} and (not _local.grad or {' and '.join(free)})",
            "        except AttributeError: _fits = False",
            "        if _fits:",
            "            _token = _set_quiet(_quiet)",
            f"            try: _made = _small(_xp, {self.raw}{words})",
            "            except _BLAMED: _made = _NotImplemented",
            "            finally: _reset(_token)",
            "            if type(_made) is _ndarray:",
            "                _out = _new(_Tensor)",
            "                _out._array = _made",
            "                return _out",
            "            if _made is not _NotImplemented: return _wrapped(_made)",
        ]

    def turned(self, target: Operator, rule: Callable[..., Any]) -> list[str]:
        """The call of a view operator in the composite's place."""
        view = Text(target)
        attrs = ", ".join(attr for _, attr in target.attrs)
        several = len(target.attrs) > 1
        found = [f"_found[{k}]" if several else "_found" for k in range(len(target.attrs))]
        words = ", ".join(f"{attr}={one}" for (_, attr), one in zip(target.attrs, found))
        first = self.op.params[0]
        given = [*self.op.params[1 : self.op.positional], *(["*_rest"] if self.op.loose else [])]
        given += [f"{p}={p}" for p in self.op.params[self.op.positional :]]
        lines = [*view.link(), "    if _n0 is not None and _local.grad:", *view.record()]
        name = self.named()
        if name:
            lines.append(f"        _node.label = {name}")
        lines = [line.replace("= _op", "= _target").replace("(_op,", "(_target,") for line in lines]
        return [
            f"    _a0 = getattr({first}, '_array', None)",
            "    if type(_a0) is _ndarray and not _tape.anomaly:",
            f"        _n0 = {first}._node if {first}._base is None else _history({first})",
            "        try:",
            f"            _found = _turn({', '.join(['_a0', *given])})",
            f"            _made = None if _found is None else _kernels[None](_xp, _a0, {words})",
            "        except _BLAMED: _made = None",
            "        if _made is not None and (_n0 is None or _a0.dtype is _F32 or _a0.dtype is _F64):",
            f"            {attrs} = _found",
            "            _out = _new(_Tensor)",
            "            _out._array = _made",
            *["        " + line for line in lines],
            "            return _out",
        ]

    def named(self) -> str:
        """What gives the name of the whole; empty where the node keeps its own."""
        if names.of_composite(self.op.name) is None:
            return ""
        if self.op.params[1:2] == ("dim",):
            return "(_label.alone if dim is _d1 else _label.with_dim)"
        return "_label.alone"

    def small(self) -> list[str]:
        """The call of `small`; `_made` is None where that does not take it."""
        op, noted = self.op, self.op.noted
        words = "".join(f", {p}={p}" for _, p in op.attrs)
        if op.variadic:
            given = self.names[0]
            lines = [
                f"    _raw, _nodes, _recorded, _fits = [], [], None, type({given}) is list or type({given}) is tuple",
                f"    for _x in {given} if _fits else ():",
                "        _a = getattr(_x, '_array', None)",
                "        if type(_a) is not _ndarray or _a.size > _SMALL:",
                "            _fits = False",
                "            break",
                "        _raw.append(_a)",
                "        _node = _x._node if _x._base is None else _history(_x)",
                "        _nodes.append(_node)",
                "        if _node is not None: _recorded = True",
            ]
            fits, raw, recorded = "_fits", "*_raw", "_recorded is not None"
            given = f"tuple({given})"
        else:
            lines, fitting = [], []
            for k, (i, p) in enumerate(zip(op.arrays, self.names)):
                optional = self.free[k] or i not in op.plain
                plain = f"type({p}) in _scalars" if optional else "False"
                lines += (
                    [
                        f"    if {plain}: _a{k}, _n{k} = {p}, None",
                        "    else:",
                        f"        _a{k} = getattr({p}, '_array', None)",
                        f"        _n{k} = None if _a{k} is None else {p}._node if {p}._base is None else _history({p})",
                    ]
                    if optional
                    else [
                        f"    _a{k} = getattr({p}, '_array', None)",
                        f"    _n{k} = None if _a{k} is None else {p}._node if {p}._base is None else _history({p})",
                    ]
                )
                fit = f"type(_a{k}) is _ndarray and _a{k}.size <= _SMALL"
                fitting.append(f"({plain} or {fit})" if optional else fit)
            fits, raw, given = " and ".join(fitting), self.raw, self.given
            recorded = " or ".join(f"_n{k} is not None" for k in range(self.count))
        lines.append("    _made = None")
        records = noted is not None or "small_record" in op.tags
        if not records:
            fits = f"{fits} and not (({recorded}) and _local.grad)"
        lines += [
            f"    if {fits}:",
            "        _token = _set_quiet(_quiet)",
            "        try:",
            f"            _made = _small(_xp, {raw}{words})",
            "        except _BLAMED: _made = None",
            "        finally: _reset(_token)",
            "        if _made is _NotImplemented: _made = None",
            "        if _made is not None:",
            "            if isinstance(_made, _generic): _made = _asarray(_made)",
            "            _out = _wrapped(_made)",
        ]
        if records:
            lines.append(f"            if ({recorded}) and _local.grad:")
            lines += ["                " + line for line in self.noting(given)]
        return [*lines, "            _made = _out"]

    def noting(self, given: str) -> list[str]:
        """The record of a call that `small` computed, by its own rule."""
        if self.op.variadic:
            return [f"_attach_all(_out, {given}, _raw, _nodes, {self.attrs})"]
        if self.op.noted is None:  # by an operator that does the same
            words = "".join(f", {p}={p}" for _, p in self.op.attrs)
            return [f"_recorded(_out, {', '.join(self.names)}{words})"]
        record = f"_record(_noted, _out, {given}, {self.attrs})"
        optional = [k for k, i in enumerate(self.op.arrays) if i not in self.op.plain]
        if any(not self.free[k] for k in optional):
            return [record]  # numbers may be among the arrays
        noted: Any = self.op.noted
        node = Text(noted).node("_noted")
        if node is None:
            return [record]
        return [
            "if type(_made) is not _ndarray or _tape.anomaly or _made.dtype is not _F32 and _made.dtype is not _F64:",
            f"    {record}",
            "else:",
            *["    " + line for line in node],
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
        args = (
            f"({first},) if dim is _d1 else ({first}, dim)"
            if op.params[1:2] == ("dim",)
            else f"({first},)"
        )
        return [
            "    if type(_made) is _Tensor:",
            "        _node = _made._node",
            "        if _node is None: return _made",
            f"        if type(_node) is _Node and _node is not getattr({first}, '_node', None):",
            f"            _node.label = {self.named()}",
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
    if op.small is not None:
        given |= {
            "Box": Box, "F32": F32, "F64": F64, "NotImplemented": NotImplemented, "asarray": np.asarray, "generic": np.generic, "keep_result": tape.keep_result, "meta": meta, "tape": tape, "attach_all": None if op.noted is None else attach_all(op.noted), "SMALL": op.tags.get("small_most", SMALL), "noted": op.noted, "quiet": state.quiet, "record": tape.record, "recorded": op.tags.get("small_record"),
            "reset": state.error_state.reset, "scalars": frozenset((int, float, bool, type(None))), "set_quiet": state.error_state.set,
            "new": new, "small": op.small, "wrapped": wrapper(op), "xp": backends.of_device("cpu").xp,
        }  # fmt: skip
    if op.turned is not None:
        target, given["turn"] = op.turned
        given |= {k.removeprefix("_"): v for k, v in scope_of(target).items() if k[1:] not in given}
        given["target"] = target
    if op.small is not None or op.turned is not None:
        makes_tensors(scope, "_new")
    given["ask"] = asker(op, given["accepted"])
    scope.update({f"_{name}": value for name, value in given.items()})
    return compiled(f"straight way of {op.name}", source(op), scope)


def wrapper(op: Operator) -> Callable[[Any], Any]:
    """Makes tensors of what `small` computed."""
    named = op.tags.get("named")

    def one(made: Any) -> Tensor:
        t = new(Tensor)
        t._array = made if type(made) is ndarray else np.asarray(made)
        return t

    several = named or (lambda *parts: parts)
    return lambda made: several(*map(one, made)) if type(made) is tuple else one(made)


SMALL = (
    1 << 12
)  # elements up to which a composite's `small` is asked, unless its `small_most` says otherwise


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


makes_tensors(globals())
