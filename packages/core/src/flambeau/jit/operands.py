"""Numbers that change, as operands of calls that had them as options.

    leaky_relu(x, negative_slope=n0)       leaky_relu[negative_slope](x, k0): one expression, of one array more
    draw(options={"args": (n0,)}, ...)     draw[1](k0, ...): read off the array in Python, at every call

The first is for elementwise calls that loops can take in, the second where only the number itself will do: Python draws
random numbers, and halves are multiplied by numbers that are no halves.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._base.dtypes import BOOL, FLOAT, bool_, dtype, float32, float64, int64
from ..graph import Call, Value
from ..graph.passes import EFFECTS
from ..runtime import dispatch
from ..runtime.backend import of_device
from ..runtime.elementwise import ElementwiseRule
from ..runtime.operator import MISSING, Operator, find, internal
from ..runtime.tensor import wrap
from .symbols import is_open

READ = {
    "draw": "options",
    "fill_new": "value",
}  # by operator: the option that may be read at every call
_HALF = 2  # bytes


def array_kind(call: Call) -> dtype | None:
    """The dtype of arrays that a call may be given for its numbers with the same result; None where that cannot be."""
    if find(call.op).family != "elementwise":
        return None
    kinds = {v.meta.dtype for v in call.inputs if isinstance(v, Value)} - {bool_}
    outs = {v.meta.dtype for v in call.outputs} - {bool_}
    if len(kinds) != 1 or not outs <= kinds:
        return None
    (kind,) = kinds
    if kind is int64:
        whole = all(isinstance(x, (Value, int)) for x in call.inputs)
        return kind if whole and not any(isinstance(x, float) for x in call.attrs.values()) else None  # fmt: skip
    return kind if kind in (float32, float64) else None


def is_read(call: Call) -> bool:
    """Whether a call that can have no arrays for its numbers may read them at every call."""
    if call.op in READ:
        return True
    if find(call.op).family != "elementwise" or array_kind(call) is not None:
        return False
    values = [v for v in call.inputs if isinstance(v, Value)]
    if not values or any(v.meta.dtype.category > FLOAT for v in (*values, *call.outputs)):
        return False
    halves = all(_is_half(v.meta.dtype) for v in values if v.meta.dtype.category > BOOL)
    return halves or not any(is_open(x) and isinstance(x, int) for x in numbers_of(call))


def _is_half(kind: dtype) -> bool:
    return kind.category == FLOAT and kind.numpy.itemsize == _HALF


def numbers_of(call: Call) -> list[Any]:
    """The inputs and options of an elementwise call that may be open numbers."""
    return [*call.inputs, *call.attrs.values()]


class Given:
    """In the place of a number: which of the numbers that the call reads."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        self.at = at

    def __repr__(self) -> str:
        return f"<{self.at}>"


def extended(op: Operator, names: Sequence[str]) -> Operator:
    """An elementwise operator of which these options are arrays, behind its own."""
    name = f"{op.name}[{', '.join(names)}]"
    if name not in internal:
        internal[name] = _extended(op, name, names)
    return internal[name]


def _extended(op: Operator, name: str, names: Sequence[str]) -> Operator:
    arrays = [*(op.params[i] for i in op.arrays), *names]
    rest = [p for _, p in op.attrs if p not in names]
    scope: dict[str, Any] = {"body": op.body}
    options = []
    for p in rest:
        scope[f"d_{p}"] = default = op.defaults[op.index[p]]
        options.append(f"{p}: 'option'" + ("" if default is MISSING else f" = d_{p}"))
    head = ", ".join([*arrays, *(["*", *options] if options else [])])
    given = ", ".join(f"{p}={p}" for p in (*arrays, *rest))
    exec(f"def {op.name}({head}): return body({given})", scope)  # noqa: S102 -- our own text
    made = Operator(scope[op.name], "elementwise", name, result=op.result)
    made.tags = {k: v for k, v in op.tags.items() if k != "partials"}
    made.vjp_rule = rule = ElementwiseRule(made)
    made.kernels[None] = rule.kernel
    made.refusals = {"vjp": "only programs call it"}
    return made


def reading(op: Operator, count: int) -> Operator:
    """An operator that reads numbers off its last `count` arrays at every call, in Python."""
    name = f"{op.name}[{count}]"
    if name not in internal:
        internal[name] = made = copy.copy(op)
        made.name, made.family = name, "primitive"
        made.providers, made.least = {}, {}
        made.tags = {**op.tags, "reads": count}
        made.kernels = {None: _read_by(op, count)}
        made.vjp_rule, made.refusals = None, {"vjp": "only programs call it"}
        if op.name in EFFECTS:
            EFFECTS.add(name)
    return internal[name]


def _read_by(op: Operator, count: int) -> Callable[..., Any]:
    from .opening import changed

    def kernel(xp: Any, *arrays: Any, **attrs: Any) -> Any:
        numbers = [a.item() for a in arrays[-count:]]

        def number(x: Given) -> Any:
            return numbers[x.at]

        given = [number(x) if type(x) is Given else x for x in arrays[:-count]]
        options = changed(attrs, number, (Given,))
        metas = [wrap(x)._meta if isinstance(x, np.ndarray) else x for x in given]
        offered = dispatch.offers(op, of_device("cpu"))
        chosen = next((k for accepts, k in offered if accepts(metas, options)), op.kernels[None])
        return chosen(xp, *given, **options)

    return kernel
