"""The straight way of an operator's plain calls: what `dispatch.apply` does for them, written out for one signature.

`hot` serves one ufunc, `hot_primitive` a product; this serves every other operator with a kernel. The function is Python text
made from the operator's signature and rules when it has been called `OFTEN` times, so that a call pays for no loop over
arguments, no binding and no question whose answer the definition knows. It serves tensors in NumPy arrays while no mode is in
force, and gives None for everything else (numbers where tensors stand, wrappers, other spellings, errors): the general way
then does the whole call, and says what is wrong.

What a promotion does is learned: dtypes of inputs that it left as they were, reading no argument and no value, need not be asked
about again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.devices import CPU
from .._base.dtypes import from_numpy
from . import backend as backends
from . import dispatch, signature, state, tape
from .becoming import again, becoming, compiled, spelled
from .elementwise import ElementwiseRule
from .inference import makes_tensors
from .meta import Meta
from .numbers import number_array
from .operator import MISSING, Operator
from .promotion import AS_GIVEN
from .tape import Node, Rule
from .tensor import Box, Tensor, history, new, wrap

ndarray = np.ndarray
F32, F64, I64 = np.dtype("float32"), np.dtype("float64"), np.dtype("int64")
LARGE = 1 << 12  # elements from which a call is worth the straight way where a hot path gave way
NEVER = 1 << 62  # elements from which providers are asked, where there are none
USUAL = {
    "dtype": None,
    "alpha": 1,
}  # arguments that promotions read, at the values with which they do nothing


def serves(op: Operator) -> bool:
    """Whether an operator's calls can be written out."""
    return bool(op.arrays) and not (op.random or op.loose)


def make(op: Operator) -> Callable[..., Any]:
    """The public function of an operator with a kernel."""
    call = dispatch.call
    if not serves(op):
        return lambda *args, **kwargs: call(op, args, kwargs)
    return becoming(
        lambda args, kwargs: call(op, args, kwargs), lambda scope: compile_straight(op, scope)
    )


def large(op: Operator) -> Callable[..., Any]:
    """What a hot path gives way to: the straight way where its first array is too large for it or more is said, else the general one."""
    straight, call = make(op), dispatch.call

    def general(*args: Any, **kwargs: Any) -> Any:
        for x in args:  # a number may stand first
            a = getattr(x, "_array", None)
            if a is not None:
                if type(a) is ndarray and (kwargs or a.size >= LARGE):
                    return straight(*args, **kwargs)
                break
        return call(op, args, kwargs)

    return general


def picker(op: Operator) -> Callable[..., Any]:
    """`dispatch.choose` for NumPy arrays of some dtypes: an offer that took a call is not asked again about the same.

    The same dtypes, where the checker says by `by_kind` that these decide; the same dtypes, shapes and static arguments, where it
    says so by `holds` (`claims.lasting`). Both are functions: whether what it said is still true.
    """
    known: dict[Any, tuple] = {}
    choose, cpu = dispatch.choose, backends.of_device("cpu")

    def pick(kinds: Any, arrays: tuple, attrs: dict[str, Any]) -> Callable[..., Any]:
        key = kinds
        found = known.get(kinds)
        if found is None:
            values = tuple(attrs.values())
            try:
                shapes = [a._array.shape if isinstance(a, Tensor) else a for a in arrays]
                key = (kinds, *shapes, *values, *map(type, values))
                found = known.get(key)
            except TypeError:  # a list
                key = None
        if found is not None:
            among, count, kernel, holds = found
            if among is op.providers["cpu"] and len(among) == count and holds():
                return kernel
        kernel = choose(op, cpu, arrays, attrs)
        among = op.providers.get("cpu")
        if type(among) is list and among and among[0][1] is kernel:
            for key_of, said in ((kinds, "by_kind"), (key, "holds")):
                holds = getattr(among[0][0], said, None)
                if holds is not None and key_of is not None:
                    if len(known) >= dispatch.REMEMBERED:
                        known.clear()
                    known[key_of] = among, len(among), kernel, holds
                    break
        return kernel

    return pick


def compile_straight(op: Operator, scope: dict[str, Any]) -> Callable[..., Any]:
    """The function of `source`, with what it reads in `scope`."""
    call = dispatch.call
    scope.update(scope_of(op), _again=again(op, lambda args, kwargs: call(op, args, kwargs)))
    op.bound = scope
    makes_tensors(scope, "_new")
    return compiled(f"straight way of {op.name}", source(op), scope)


def scope_of(op: Operator) -> dict[str, Any]:
    """What the text reads."""
    cpu: Any = backends.of_device("cpu")
    counted: dict[Any, np.dtype] = {}
    given = {
        "BLAMED": signature.BLAMED, "MISSING": MISSING, "BOOL": np.dtype(bool), "Box": Box, "F32": np.dtype("float32"), "F64": np.dtype("float64"),
        "NO_ATTRS": {}, "Node": tape.Node, "Step": dispatch.Step, "Tensor": Tensor, "asarray": np.asarray,
        "choose": dispatch.choose, "cpu": cpu, "finish": dispatch.finish, "history": history, "kernels": op.kernels,
        "attach_all": attach_all(op), "keep_result": tape.keep_result, "LARGE": LARGE, "counted": counted, "learn": learner(op, counted), "local": state.local, "meta": meta,
        "most": op.least.get("cpu", NEVER), "generic": np.generic, "ndarray": ndarray, "new": new, "pick": picker(op), "numbers": (float, int), "op": op, "promote": op.promote, "quiet": state.quiet,
        "record": tape.record, "refused": refuser(op), "reset": state.error_state.reset, "same": {}, "set_quiet": state.error_state.set,
        "shares": dispatch.shares, "state": state, "tape": tape, "wide": dispatch.makes_large, "xp": cpu.xp,
        "several": several_of(op),
        **{f"d{i}": d for i, d in enumerate(op.defaults)},
    }  # fmt: skip
    rule = op.vjp_rule
    if op.family == "reduction":
        given["fold"] = op.tags["reduce"].ufunc.reduce
    if op.family == "elementwise":
        known: dict[tuple, bool] = {}
        given |= {"known": known, "number": number_array}
        given["with_numbers"] = (
            with_numbers(op, known) if op.promote is not None else lambda *_: None
        )
    if type(rule) is ElementwiseRule:
        given |= {"attach": attacher(op, rule), "small": small_of(rule)}
    return {f"_{name}": value for name, value in given.items()}


def several_of(op: Operator) -> Callable[[tuple], tuple]:
    """Makes the named tuple of tensors of several raw results."""
    named = op.tags.get("named")

    def several(made: tuple) -> tuple:
        return named(*[wrap(m if type(m) is ndarray else np.asarray(m)) for m in made])  # type: ignore[misc]

    return several


def refuser(op: Operator) -> Callable[..., None]:
    """Says of a call, as `spelled` is given it, that there was no memory for it."""
    kind = {"elementwise": "Meta", "reduction": "Tensor"}.get(op.family)

    def refused(
        error: MemoryError, values: tuple, words: dict[str, Any], rest: tuple, others: dict
    ) -> None:
        args, kwargs = spelled(op, values, words, rest, others)
        signature.raise_clearly(op.name, op.body, args, kwargs, error, kind)

    return refused


def usual_of(op: Operator) -> dict[str, Any]:
    """Arguments of an operator that promotions read, at the values with which they do nothing."""
    return {p: USUAL[p] for i, p in op.attrs if p in USUAL and type(op.defaults[i]) is not float}


def small_of(rule: ElementwiseRule) -> Callable[..., Any]:
    """What an expression is on small arrays (`Program.small`), for static arguments that are numbers or None."""
    found: Any = None
    others: dict[tuple, Any] = {}  # where some are None

    def small(attrs: dict[str, Any]) -> Callable[..., Any]:
        nonlocal found
        if None in attrs.values():
            key = tuple([v is None for v in attrs.values()])
            if key not in others:
                others[key] = rule.program(attrs).small
            return others[key]
        if found is None:
            found = rule.program(attrs).small
        return found

    return small


def with_numbers(op: Operator, known: dict[tuple, bool]) -> Callable[..., Any]:
    """The call of an elementwise operator that has Python numbers among its tensors; None where it is not so simple.

    `known` learns by the dtypes, None for a number, whether tensors stay as they are and small numbers become floats; `whole`, by
    the same, whether they do and small whole numbers stay as well.
    """
    whole: dict[tuple, bool] = {}
    strict = tuple(op.arrays.index(i) for i in op.strict)
    refused, by_value = "vjp" in op.refusals, getattr(op.promote, "by_value", False)
    pick = picker(op)
    xp = backends.of_device("cpu").xp
    quiet, unquiet, reset = state.quiet, state.error_state.set, state.error_state.reset
    at_rest = [{}, usual_of(op)]
    attach = attacher(op, op.vjp_rule)
    plain = not op.attrs and type(op.vjp_rule) is ElementwiseRule and not callable(op.result)
    expected = np.dtype(bool) if op.result == "bool" else None
    small: Any = None

    def call(arrays: tuple, attrs: dict[str, Any]) -> Any:
        nonlocal small
        recorded, large, most = False, False, op.least.get("cpu", NEVER)
        kinds: list[Any] = []  # dtypes; None for a number
        raw: list[Any] = []
        edges: list[Any] = []
        usual = not attrs or (attrs in at_rest and type(attrs.get("alpha")) is not bool)
        small_ints = usual  # which every dtype of whole numbers holds
        for k, x in enumerate(arrays):
            if type(x) is float or type(x) is int:
                if k in strict:
                    return None
                usual = usual and -6e4 < x < 6e4  # every float dtype holds it
                small_ints = small_ints and type(x) is int and 0 <= x < 128
                kinds.append(None)
                raw.append(x)
                edges.append(None)
                continue
            a = getattr(x, "_array", None)
            if type(a) is not ndarray:
                return None
            if a.size >= most:
                large = True
            kinds.append(a.dtype)
            raw.append(a)
            edge = x._node if x._base is None else history(x)
            edges.append(edge)
            if edge is not None:
                recorded = True
        if not any(
            kind is not None for kind in kinds
        ):  # numbers alone (NumPy's float64 equals None)
            return None
        try:
            key = tuple(kinds)
            if usual and known.get(key):
                d = next(kind for kind in reversed(kinds) if kind is not None)
                if plain and not large and (d is F32 or d is F64):
                    if small is None:
                        small = op.vjp_rule.program({}).small
                    for k, kind in enumerate(kinds):
                        if kind is None:
                            raw[k] = number_array(raw[k], d)
                    token = unquiet(quiet)
                    try:
                        result = small(*raw)
                    finally:
                        reset(token)
                    if type(result) is not ndarray or result.dtype is not (expected or d):
                        result = np.asarray(result, expected or d)
                    out = new(Tensor)
                    out._array = result
                    if recorded and state.local.grad and not refused:
                        return attach(out, arrays, attrs, tuple(edges))
                    return out
                made = tuple([x if kind else float(x) for x, kind in zip(arrays, kinds)])
            elif small_ints and whole.get(key):
                made = arrays
            else:
                made = op.promote(op, arrays, attrs)
                for x, m, kind in zip(arrays, made, kinds):
                    if kind is not None and m is not x:
                        return None  # cast: the general way records that
                if small_ints and not by_value:
                    whole[key] = all(kind or type(m) is int for m, kind in zip(made, kinds))
                if usual and not by_value:
                    known[key] = all(kind or type(m) is float for m, kind in zip(made, kinds))
            raw = [getattr(m, "_array", m) for m in made]
            token = unquiet(quiet)
            try:
                kernel = pick(key, made, attrs) if large else op.kernels[None]
                result = kernel(xp, *raw, **attrs)
            finally:
                reset(token)
        except signature.BLAMED:
            return None
        out = dispatch.finish(op, result, made, raw, attrs)
        if recorded and state.local.grad and not refused:
            return tape.record(op, out, made, attrs)
        return out

    return call


def attacher(op: Operator, rule: ElementwiseRule) -> Callable[..., Tensor]:
    """Recording for a call of an expression: what `tape.record` does, with the histories known. Numbers are floats."""

    flags: dict[
        Any, tuple
    ] = {}  # by program and need: which inputs are read, and whether the result is
    alike = len(numbers_of(op)) == len(
        op.attrs
    )  # static arguments that are numbers: one program for all
    single = len(op.arrays) == 1

    def attach(out: Tensor, arrays: tuple, attrs: dict[str, Any], edges: tuple) -> Tensor:
        made = out._array
        if tape.anomaly or (made.dtype is not F32 and made.dtype is not F64):
            return tape.record(op, out, arrays, attrs)
        if not alike:
            key: Any = (rule.program(attrs), *[e is None for e in edges])
        elif single and None not in attrs.values():
            key = True
        else:
            key = tuple([e is None for e in (*edges, *attrs.values())])
        found = flags.get(key)
        if found is None:
            reads = rule.program(attrs).reads_where(tuple([e is not None for e in edges]))
            found = flags[key] = (tuple([n in reads for n in rule.names]), "out" in reads)
        node = new(Node)
        node.op, node.edges = op, edges
        if attrs:
            node.attrs = attrs
        if single:
            x = arrays[0]
            if found[0][0]:
                node.saved = arrays
                if x._box is not None:
                    node.versions = (x._box.version,)
            else:
                node.saved = (None,)
        else:
            shape, versions = made.shape, None
            saved: list[Any] = []
            for x in arrays:
                if type(x) is not float and type(x) is not int and x._array.shape != shape:
                    node.same = False
            for read, x in zip(found[0], arrays):
                if type(x) is float or type(x) is int:
                    saved.append(x)
                elif read:
                    saved.append(x)
                    if x._box is not None:
                        versions = True
                else:
                    saved.append(None if node.same else meta(x._array))
            node.saved = tuple(saved)
            if versions:
                node.versions = tuple([
                    x._box.version if read and type(x) is not float and type(x) is not int and x._box is not None else 0
                    for read, x in zip(found[0], arrays)
                ])  # fmt: skip
        if found[1]:  # `tape.keep_result` of a new tensor
            kept = new(Tensor)
            kept._array = made
            kept._box = out._box = Box()
            node.out = ((kept,), (0,), False)
        out._node = node
        return out

    return attach


def attach_all(op: Operator) -> Callable[..., Tensor]:
    """Recording for a call of a sequence of tensors, given with their arrays and histories: `tape.record`, if its rule reads shapes only."""
    rule = op.vjp_rule
    shapes = type(rule) is Rule and not rule.keep_out and "tensor" not in (*rule.keeps, rule.keeps_all)  # fmt: skip

    def attach(out: Tensor, arrays: tuple, raw: list, nodes: list, attrs: dict[str, Any]) -> Tensor:
        kind = raw[0].dtype
        if (
            type(out) is not Tensor
            or not shapes
            or tape.anomaly
            or (kind is not F32 and kind is not F64)
            or out._array.dtype is not kind
        ):
            return tape.record(op, out, arrays, attrs)
        node = new(Node)
        node.op, node.attrs, node.edges = op, attrs, tuple(nodes)
        node.saved = tuple([meta(a) for a in raw])
        out._node = node
        return out

    return attach


def numbers_of(op: Operator) -> list[str]:
    """The static arguments that are numbers."""
    notes = op.body.__annotations__
    return [p for _, p in op.attrs if str(notes.get(p)) in ("float", "float | None")]


def meta(array: ndarray) -> Meta:
    """What is kept of an input of which only shape and dtype are read."""
    made = new(Meta)
    made.shape, made.dtype, made.device = array.shape, from_numpy(array.dtype), CPU
    return made


class Watched(dict):
    """Static arguments that know whether somebody read one of which not every usual value does the same."""

    read = False
    alike: frozenset[str] = (
        frozenset()
    )  # names of numbers of which small ones are all alike to a promotion of floats

    def __getitem__(self, name: str) -> Any:
        self.read = self.read or name not in self.alike
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read = self.read or name not in self.alike
        return super().get(name, default)

    def __setitem__(self, name: str, value: Any) -> None:
        self.read = True
        super().__setitem__(name, value)

    def items(self) -> Any:
        self.read = self.read or not self.alike.issuperset(self)
        return super().items()

    def values(self) -> Any:
        self.read = self.read or not self.alike.issuperset(self)
        return super().values()


def learner(op: Operator, counted: dict[Any, np.dtype]) -> Callable[..., bool]:
    """Gives whether the promotion leaves inputs of some dtypes alone, whatever else the call says.

    `counted` learns of which dtypes a single input becomes int64, as truth values do that are summed.
    """

    alike = frozenset((*USUAL, *numbers_of(op)))

    def learn(same: dict[Any, bool], key: Any, arrays: tuple, attrs: dict[str, Any]) -> bool:
        watched = Watched(attrs)
        watched.alike = alike
        made = op.promote(op, arrays, watched)
        alone = not watched.read and all(m is a for m, a in zip(made, arrays))
        fixed = not getattr(op.promote, "by_value", False)
        same[key] = alone and fixed
        if fixed and len(made) == 1 and not (alone or watched.read):
            wide = getattr(getattr(made[0], "_array", None), "dtype", None)
            if wide is I64:
                counted[key] = wide
        return same[key]

    return learn


# -- the text ----------------------------------------------------------------------------------------------------------
# Names of ours begin with an underscore, so that no parameter hides one.


def sequence_source(op: Operator) -> str:
    """The same for an operator of a sequence of tensors, such as cat: with a loop, and recorded by `tape.record`."""
    call = Text(op)
    tensors = call.names[0]
    words = "".join(f", {p}={p}" for _, p in op.attrs)
    lines = [
        f"def straight({call.head()}):",
        f"    if type({tensors}) is not list and type({tensors}) is not tuple: return None",
        *call.checks(),
        "    _raw, _nodes, _recorded, _large, _kind, _mixed = [], [], False, False, None, False",
        f"    for _x in {tensors}:",
        "        try: _a = _x._array",
        "        except AttributeError: return None",
        "        if type(_a) is not _ndarray: return None",
        "        _raw.append(_a)",
        "        if _a.dtype is not _kind: _kind, _mixed = _a.dtype, _kind is not None",
        "        if _a.size >= _most: _large = True",
        "        _node = _x._node if _x._base is None else _history(_x)",
        "        _nodes.append(_node)",
        "        if _node is not None: _recorded = True",
        "    if not _raw: return None",
    ]
    given = f"tuple({tensors})"
    if op.promote is not None and op.promote is not AS_GIVEN:
        lines += [
            "    if _mixed or not _same.get(_kind):",
            "        _key = tuple([_a.dtype for _a in _raw]) if _mixed else _kind",
            "        try:",
            f"            if not _same.get(_key) and (_key in _same or not _learn(_same, _key, {given}, {call.attrs})): return None",
            "        except _BLAMED: return None",
        ]
    lines += [
        "    _token = _set_quiet(_quiet)",
        "    try:",
        f"        _kernel = _pick(tuple([_a.dtype for _a in _raw]), {given}, {call.attrs}) if _large else _kernels[None]",
        f"        _made = _kernel(_xp, *_raw{words})",
        call.refused(),
        "    except _BLAMED: _made = None",
        "    finally: _reset(_token)",
        "    if _made is None: return None",
        "    if type(_made) is _ndarray:",
        "        _out = _new(_Tensor)",
        "        _out._array = _made",
        f"    else: _out = _finish(_op, _made, {given}, _raw, {call.attrs})",
    ]
    if "vjp" not in op.refusals:
        lines.append(
            f"    if _recorded and _local.grad: return _attach_all(_out, {given}, _raw, _nodes, {call.attrs})"
        )
    return call.joined([*lines, "    return _out"])


def source(op: Operator) -> str:
    """Python text of the straight way.

    >>> from flambeau.runtime.operator import registry
    >>> print(source(registry["squeeze"]).splitlines()[0])
    def straight(input=_MISSING, dim=_d1, *_rest, **_kw):
    """
    if op.variadic:
        return sequence_source(op)
    call = Text(op)
    return call.joined(call.lines())


class Text:
    """The text for one operator, part by part. `return None` in it stands for giving way."""

    def __init__(self, op: Operator) -> None:
        self.op = op
        self.names = [op.params[i] for i in op.arrays]
        notes = op.body.__annotations__
        self.free = [  # which may be None
            op.defaults[i] is None or str(notes.get(op.params[i])).endswith("| None")
            for i in op.arrays
        ]
        self.count = len(self.names)
        self.attrs = (
            "{" + ", ".join(f"{p!r}: {p}" for _, p in op.attrs) + "}" if op.attrs else "_NO_ATTRS"
        )
        self.given = f"({', '.join(self.names)},)"
        self.raw = ", ".join(f"_a{k}" for k in range(self.count))
        self.plain_record = f"_record(_op, _out, {self.given}, {self.attrs})"

    def joined(self, lines: list[str]) -> str:
        """The lines as one text."""
        return "\n".join(lines).replace("return None", f"return {self.way_out()}") + "\n"

    def values(self) -> tuple[str, str]:
        """The values of the positional parameters, and of the others by name."""
        params = self.op.params
        most = self.op.star if self.gathers() else self.op.positional
        words = ", ".join(f"{p!r}: {p}" for p in params[self.op.positional :])
        return f"({''.join(f'{p}, ' for p in params[:most])})", f"{{{words}}}"

    def refused(self) -> str:
        """What a kernel without memory ends in: it is not called again, which would ask for the same."""
        values, words = self.values()
        return f"    except MemoryError as _error: _refused(_error, {values}, {words}, _rest, _kw)"

    def way_out(self) -> str:
        """The call of what the text gives way to."""
        values, words = self.values()
        return f"_again({values}, {words}, _rest, _kw)"

    def lines(self) -> list[str]:
        op = self.op
        lines = [f"def straight({self.head()}):", *self.checks()]
        for k in range(self.count):
            lines += self.array(k)
        if op.promote is not None and op.promote is not AS_GIVEN:
            lines += self.promotion()
        recorded = " or ".join(f"_n{k} is not None" for k in range(self.count))
        recorded = f"if ({recorded}) and _local.grad:"
        refused = "vjp" in op.refusals
        lines += [
            *self.kernel(),
            *(
                ["    if isinstance(_made, _generic): _made = _asarray(_made)"]
                if op.family != "view"
                else []
            ),
            "    if type(_made) is not _ndarray:",
            f"        _out = {self.several()}",
            *([] if refused else [f"        {recorded} return {self.plain_record}"]),
            "        return _out",
            "    _out = _new(_Tensor)",
            "    _out._array = _made",
        ]
        if op.family == "view":
            lines += self.link()
        if not refused:
            lines += [f"    {recorded}", *self.record()]
        return [*lines, "    return _out"]

    def several(self) -> str:
        """Tensors of what is no array."""
        finish = f"_finish(_op, _made, {self.given}, [{self.raw}], {self.attrs})"
        if not self.op.outputs or self.op.family == "view":
            return finish
        return f"_several(_made) if type(_made) is tuple else {finish}"

    def head(self) -> str:
        """All parameters with defaults, so that Python has nothing to say of a call that is bound."""
        op, words = self.op, []
        for i, p in enumerate(op.params):
            if i == op.positional:
                words.append("*_rest")
            if not (self.gathers() and i == op.star):
                words.append(f"{p}={'_MISSING' if op.defaults[i] is MISSING else f'_d{i}'}")
            else:
                words.append("*_rest")
        return ", ".join([*words, *([] if "*_rest" in words else ["*_rest"]), "**_kw"])

    def gathers(self) -> bool:
        """Whether loose ints after the last tensor are one argument."""
        return self.op.star is not None and self.op.positional == self.op.star + 1

    def checks(self) -> list[str]:
        """Leaves other spellings to the general way; gathers loose ints."""
        op, given = self.op, "not _rest" if self.gathers() else "_rest"
        lines = [f"    if _state.active or {given} or _kw: return None"]
        if self.gathers():
            p = op.params[op.star]  # type: ignore[index]
            lines += [
                f"    {p} = _rest",
                f"    if type({p}[0]) is not int:",
                f"        if len({p}) > 1: return None",
                f"        {p}, = {p}",
            ]
        for i, p in op.attrs:
            if op.defaults[i] is MISSING and not (self.gathers() and i == op.star):
                lines.append(f"    if {p} is _MISSING: return None")
        return [*lines, *self.flags()]

    def flags(self) -> list[str]:
        """Leaves what is no bool or no int to the general way."""
        op, lines = self.op, []
        for i in op.flags:
            p = op.params[i]
            none = f"{p} is not None and " if op.defaults[i] is None else ""
            lines.append(f"    if {none}{p} is not True and {p} is not False: return None")
        for i in op.ints:
            lines.append(f"    if type({op.params[i]}) is not int: return None")
        return lines

    def array(self, k: int) -> list[str]:
        p, pad = self.names[k], "        " if self.free[k] else "    "
        lines = [f"    if {p} is None: _a{k} = _n{k} = None", "    else:"] if self.free[k] else []
        missing = [f"{pad}    return None"]
        if self.op.family == "elementwise" and self.count > 1:
            missing = [
                *self.last_number(k),
                f"{pad}    _out = _with_numbers({self.given}, {self.attrs})",
                f"{pad}    if _out is None: return None",
                f"{pad}    return _out",
            ]
        return [
            *lines,
            f"{pad}try: _a{k} = {p}._array",
            f"{pad}except AttributeError:",
            *missing,
            f"{pad}if type(_a{k}) is not _ndarray: return None",
            f"{pad}_n{k} = {p}._node if {p}._base is None else _history({p})",
        ]

    def last_number(self, k: int) -> list[str]:
        """The call on small floats whose last operand is a Python number; on to the next line for any other."""
        op, p = self.op, self.names[k]
        if k + 1 < self.count or op.attrs or any(self.free) or callable(op.result):
            return []
        if type(op.vjp_rule) is not ElementwiseRule or not op.takes("float"):
            return []
        raw = "".join(f"_a{i}, " for i in range(k))
        kinds = "".join(f"_a{i}.dtype, " for i in range(k))
        sizes = " and ".join(f"_a{i}.size < _most" for i in range(k))
        recorded = " or ".join(f"_n{i} is not None" for i in range(k))
        edges = "".join(f"_n{i}, " for i in range(k))
        result = "_BOOL" if op.result == "bool" else "_d"
        refused = "vjp" in op.refusals
        lines = [
            f"if type({p}) in _numbers and -6e4 < {p} < 6e4 and _known.get(({kinds}None)) and {sizes}:",
            f"    _d = _a{k - 1}.dtype",
            "    if _d is _F32 or _d is _F64:",
            "        _token = _set_quiet(_quiet)",
            f"        try: _made = _small(_NO_ATTRS)({raw}_number({p}, _d))",
            "        except _BLAMED: _made = None",
            "        finally: _reset(_token)",
            "        if _made is not None:",
            f"            if type(_made) is not _ndarray or _made.dtype is not {result}: _made = _asarray(_made, {result})",
            "            _out = _new(_Tensor)",
            "            _out._array = _made",
            *([] if refused else [f"            if ({recorded}) and _local.grad: return _attach(_out, {self.given}, _NO_ATTRS, ({edges}None))"]),
            "            return _out",
        ]  # fmt: skip
        return ["        " + line for line in lines]

    def kinds(self) -> str:
        """The dtypes of the arrays, as a key."""
        keys = [
            f"(_a{k} is None or _a{k}.dtype)" if free else f"_a{k}.dtype"
            for k, free in enumerate(self.free)
        ]
        return keys[0] if len(keys) == 1 else f"({', '.join(keys)})"

    def promotion(self) -> list[str]:
        """Nothing where the dtypes are known to stay; else the promotion is asked, and must leave the tensors as they are."""
        key, at_usual = self.kinds(), usual_of(self.op)
        # Numbers that every float dtype holds need not be asked about, if floats meet them.
        floats = f"(_a{self.count - 1}.dtype is _F32 or _a{self.count - 1}.dtype is _F64)"
        held = {p: f"type({p}) in _numbers and -6e4 < {p} < 6e4" for p in self.numbers()}
        small = [f"({p} is None or {fits})" for p, fits in held.items() if p not in at_usual]
        if small:
            small.append(floats)
        at_rest = small + [
            f"{p} is None"
            if value is None
            else f"(type({p}) is int and {p} == 1 or {held[p]} and {floats})"
            for p, value in at_usual.items()
        ]
        usual = " and ".join(at_rest) or "True"
        moved = " or ".join(f"_made[{k}] is not {p}" for k, p in enumerate(self.names))
        asked = [
            f"_attrs = {self.attrs}",
            "try:",
            f"    if _key in _same or not (_usual and _learn(_same, _key, {self.given}, _attrs)):",
            f"        _made = _promote(_op, {self.given}, _attrs)",
            f"        if {moved}: return None",
            "except _BLAMED: return None",
            *[f"{p} = _attrs[{p!r}]" for _, p in self.op.attrs],
        ]
        if self.count == 1 and not self.free[0]:
            (x,) = self.names
            asked = [
                "_wide = _counted.get(_key) if _usual and _n0 is None and _a0.size < _LARGE else None",
                "if _wide is not None:",
                f"    {x} = _new(_Tensor)",
                f"    {x}._array = _a0 = _a0.astype(_wide)",
                "else:",
                *["    " + line for line in asked],
            ]
        return [
            f"    _key, _usual = {key}, {usual}",
            "    if not (_usual and _same.get(_key)):",
            *["        " + line for line in asked],
        ]

    def kernel(self) -> list[str]:
        op = self.op
        words = "".join(f", {p}={p}" for _, p in self.op.attrs)
        sizes = " or ".join(f"_a{k}.size >= _most" for k in range(self.count) if not self.free[k])
        if self.op.family == "elementwise" and self.count == 2 and not any(self.free):
            sizes += " or _a0.size * _a1.size >= _most and (_a0.size != _a1.size or _a0.ndim != _a1.ndim) and _wide(_a0, _a1, _most)"
        general = f"_kernels[None](_xp, {self.raw}{words})"
        kinds = self.kinds()
        small = self.expression() if type(self.op.vjp_rule) is ElementwiseRule else None
        run = [f"        else: _made = {general}"]
        if self.folds():
            run = [
                "        elif (dim is None or type(dim) is int) and (_a0.dtype is _F32 or _a0.dtype is _F64) and _a0.size:",
                "            _made = _fold(_a0, dim, None, None, keepdim)",
                *run,
            ]
        if small is not None:
            optional = self.optional()
            numbers = "".join(
                f" and ({p} is None or type({p}) in _numbers)"
                if p in optional
                else f" and type({p}) in _numbers"
                for p in self.numbers()
            )
            run = [
                f"        elif (_d is _F32 or _d is _F64){numbers}: {small}",
                f"        else: _made = {general}",
            ]
        computes = op.family != "view"  # a view raises no floating-point warnings
        return [
            *([f"    _d = _a{self.count - 1}.dtype"] if small is not None else []),
            *(["    _token = _set_quiet(_quiet)"] if computes else []),
            "    try:",
            f"        if {sizes}: _made = _pick({kinds}, {self.given}, {self.attrs})(_xp, {self.raw}{words})",
            *run,
            self.refused(),
            "    except _BLAMED: _made = None",
            *(["    finally: _reset(_token)"] if computes else []),
            "    if _made is None: return None",
            *(
                [
                    f"    if _made.dtype is not {'_BOOL' if self.op.result == 'bool' else '_d'}: _made = _asarray(_made, {'_BOOL' if self.op.result == 'bool' else '_d'})"
                ]
                if small is not None
                else []
            ),
        ]

    def numbers(self) -> list[str]:
        return numbers_of(self.op)

    def optional(self) -> list[str]:
        """Those of them that may be None."""
        notes = self.op.body.__annotations__
        return [p for p in self.numbers() if str(notes[p]) == "float | None"]

    def folds(self) -> bool:
        """Whether a reduction's kernel ends in one call of a ufunc for floats and one dimension or all."""
        op = self.op
        return op.family == "reduction" and op.kernels[None] is op.tags["reduce"]

    def expression(self) -> str | None:
        """The call of an elementwise operator's expression on floats, past `ElementwiseRule.kernel`."""
        op = self.op
        if callable(op.result) or not op.takes("float") or any(self.free):
            return None
        if len(self.numbers()) < len(op.attrs):
            return None
        numbers = "".join(f", {p}" for p in self.numbers())
        if self.optional():
            numbers = f", *[_p for _p in ({', '.join(self.numbers())},) if _p is not None]"
        return f"_made = _small({self.attrs})({self.raw}{numbers})"

    def link(self) -> list[str]:
        """`dispatch.link_view`, unrolled."""
        x = self.names[0]
        rest = ", ".join(self.names[1:]) + "," if self.count > 1 else ""
        return [
            "    _base = _made.base",
            "    if _made is _a0 or _base is _a0 or (_base is not None and (_base is _a0.base or _shares(_made, _a0))):",
            f"        _box = {x}._box",
            f"        if _box is None: _box = {x}._box = _Box()",
            "        _out._box = _box",
            "        if _box.generation: _out._generation = _box.generation",
            "        _step = _new(_Step)",
            f"        _step.op, _step.rest, _step.attrs, _step.index = _op, ({rest}), {self.attrs}, None",
            f"        if {x}._base is None:",
            f"            _out._base = {x}",
            "            _out._replay = (_step,)",
            "        else:",
            f"            _out._base = {x}._base",
            f"            _out._replay = (*{x}._replay, _step)",
        ]

    def record(self) -> list[str]:
        """`tape.record`, unrolled for a rule that was written by hand."""
        if type(self.op.vjp_rule) is ElementwiseRule:
            return [f"        return _attach(_out, {self.given}, {self.attrs}, ({self.edges()}))"]
        node = self.node("_op")
        if node is None:
            return [f"        return {self.plain_record}"]
        return [
            "        if _tape.anomaly or _made.dtype is not _F32 and _made.dtype is not _F64:",
            f"            return {self.plain_record}",
            *["        " + line for line in node],
        ]

    def edges(self) -> str:
        """The histories of the arrays."""
        return "".join(f"_n{k}, " for k in range(self.count))

    def node(self, op: str) -> list[str] | None:
        """What gives `_out` its node, of the operator that the text calls `op`; None for a rule that was not written by hand."""
        rule = self.op.vjp_rule
        if type(rule) is not Rule or len(rule.keeps) < self.count:
            return None
        kept, versions = [], []
        for k, (p, kind) in enumerate(zip(self.names, rule.keeps)):
            none = f"None if {p} is None else " if self.free[k] else ""
            if kind == "tensor":
                kept.append(p)
                none = f"{p} is None or " if self.free[k] else ""
                versions.append(f"0 if {none}{p}._box is None else {p}._box.version")
            else:
                kept.append(f"{none}_meta(_a{k})" if kind else "None")
                versions.append("0")
        lines = [
            "_node = _new(_Node)",
            f"_node.op = {op}",
            f"_node.edges = ({self.edges()})",
            f"_node.saved = ({', '.join(kept)},)",
        ]
        if self.op.attrs:
            lines.append(f"_node.attrs = {self.attrs}")
        if "tensor" in rule.keeps:
            lines.append(f"_node.versions = ({', '.join(versions)},)")
        if (
            rule.keep_out == "tensor" and self.op.family != "view"
        ):  # `tape.keep_result` of a new tensor
            lines += [
                "_kept = _new(_Tensor)",
                "_kept._array = _made",
                "_kept._box = _out._box = _Box()",
                "_node.out = ((_kept,), (0,), False)",
            ]
        elif rule.keep_out:
            lines.append(f"_keep_result(_node, _out, {rule.keep_out!r})")
        return [*lines, "_out._node = _node"]


__all__ = ["make", "serves", "source"]
