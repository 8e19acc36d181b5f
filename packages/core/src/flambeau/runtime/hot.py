"""The hot path: closures for unary and binary elementwise operators on small plain arrays.

One closure per operator does what `dispatch.apply` does in general, and nothing that such a call does not need. It
gives way to the general path (`slow`) for Python numbers, mixed or rarer dtypes, wrapper tensors, other devices, active
modes, arrays so large that a compiled kernel may win, and errors. Measured on the reference machine: 0.73 us for an
8 x 8 add, of which NumPy takes 0.22 and its error state 0.08; PyTorch takes 1.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ir
from . import dispatch, state, tape
from .elementwise import ElementwiseRule
from .operator import Operator
from .promotion import INT_TO_FLOAT
from .tensor import Box, Tensor, history, new

ndarray = np.ndarray
F32, F64, I64 = np.dtype("float32"), np.dtype("float64"), np.dtype("int64")
LARGE = 1 << 15  # elements from which providers are asked
local, Node = state.local, tape.Node
_set, _reset, _QUIET = state.error_state.set, state.error_state.reset, state.quiet


def make(op: Operator, rule: ElementwiseRule) -> Callable[..., Any] | None:
    """The public function with a hot path, or None where the expression is not one NumPy function."""
    if len(op.params) != len(op.arrays) or len(op.arrays) > 2:
        if op.name not in ("add", "sub"):
            return None
    body = op.body(*(ir.var(op.params[i]) for i in op.arrays))
    if body.op not in ir.scalars or any(a.op != "var" for a in body.args):
        return None
    ufunc = getattr(np, ir.scalars[body.op].numpy, None)
    if not isinstance(ufunc, np.ufunc):
        return None
    floats = op.promote is INT_TO_FLOAT
    return (binary if len(op.arrays) == 2 else unary)(op, rule, ufunc, None if floats else I64)


def slow(op: Operator) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return dispatch.call(op, args, kwargs)

    return call


def binary(op: Operator, rule: ElementwiseRule, ufunc: np.ufunc, third: Any) -> Callable[..., Any]:
    """`f(input, other, **kw)` for one binary ufunc; `third` is a further dtype besides the two floats."""
    general = slow(op)
    attach = recorder(op, rule)

    def call(input: Any, other: Any, **kw: Any) -> Any:
        try:
            a = input._array
            b = other._array
        except AttributeError:
            return general(input, other, **kw)
        d = a.dtype
        if (
            d is not b.dtype
            or kw
            or state.active
            or (d is not F32 and d is not F64 and d is not third)
            or type(a) is not ndarray
            or type(b) is not ndarray
            or a.size > LARGE
        ):
            return general(input, other, **kw)
        token = _set(_QUIET)
        try:
            r = ufunc(a, b)
        except ValueError:
            return general(input, other)
        finally:
            _reset(token)
        if type(r) is not ndarray:
            r = np.asarray(r)
        t = new(Tensor)
        t._array = r
        if (input._node is not None or other._node is not None or input._base is not other._base) and local.grad:
            attach(t, input, other)
        return t

    return call


def recorder(op: Operator, rule: ElementwiseRule) -> Callable[..., None]:
    """Recording for a binary call: what `tape.record` does, unrolled."""
    if "vjp" in op.refusals or op.result == "bool":
        return lambda *_: None
    table: Any = None  # what is kept: where both inputs have a gradient, the first only, the second only

    def attach(t: Tensor, input: Tensor, other: Tensor) -> None:
        nonlocal table
        na = input._node if input._base is None else history(input)
        nb = other._node if other._base is None else history(other)
        if na is None and nb is None or t._array.dtype is I64:
            return
        if table is None:
            table = [_kept(rule, needs) for needs in ((True, True), (True, False), (False, True))]
        keeps = table[0 if na is not None and nb is not None else 1 if nb is None else 2]
        if tape.anomaly or keeps[2]:
            tape.record(op, t, (input, other), {})
            return
        node = new(Node)
        node.op = op
        node.edges = (na, nb)
        a, b = input._array.shape, other._array.shape
        same = node.same = a == b
        ia, ib = input._box, other._box
        node.saved = (
            input if keeps[0] else None if same else Shape(a),
            other if keeps[1] else None if same else Shape(b),
        )
        if ia is not None or ib is not None:
            node.versions = (
                ia.version if ia is not None and keeps[0] else 0,
                ib.version if ib is not None and keeps[1] else 0,
            )
        else:
            node.versions = _ZEROS
        t._node = node

    return attach


def _kept(rule: ElementwiseRule, needs: tuple[bool, ...]) -> tuple[bool, bool, bool]:
    """Whether the first input, the second and the result must be kept for the gradients of some inputs."""
    reads = rule.program({}).reads_where(needs)
    first, second = rule.names
    return first in reads, second in reads, "out" in reads


_ZEROS = (0, 0)
_ZERO = (0,)
_NOTHING = (None,)


def unary_recorder(op: Operator, rule: ElementwiseRule) -> Callable[..., None]:
    """Recording for a unary call."""
    if "vjp" in op.refusals or op.result == "bool":
        return lambda *_: None
    keeps: Any = None

    def attach(t: Tensor, input: Tensor) -> None:
        nonlocal keeps
        na = input._node if input._base is None else history(input)
        if na is None:
            return
        if keeps is None:
            reads = rule.program({}).reads
            keeps = (rule.names[0] in reads, "out" in reads)
        if tape.anomaly:
            tape.record(op, t, (input,), {})
            return
        node = new(Node)
        node.op = op
        node.edges = (na,)
        node.same = True
        if keeps[0]:
            node.saved = (input,)
            box = input._box
            node.versions = _ZERO if box is None else (box.version,)
        else:
            node.saved = _NOTHING
            node.versions = _ZERO
        if keeps[1]:
            o = new(Tensor)
            o._array = t._array
            o._box = t._box = Box()
            node.out = ((o,), _ZERO, False)
        t._node = node

    return attach


class Shape:
    """Only a shape, where a rule needs no more."""

    __slots__ = ("shape",)

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


def unary(op: Operator, rule: ElementwiseRule, ufunc: np.ufunc, third: Any) -> Callable[..., Any]:
    """`f(input, **kw)` for one unary ufunc."""
    general = slow(op)
    attach = unary_recorder(op, rule)

    def call(input: Any, **kw: Any) -> Any:
        try:
            a = input._array
        except AttributeError:
            return general(input, **kw)
        d = a.dtype
        if (
            kw
            or state.active
            or (d is not F32 and d is not F64 and d is not third)
            or type(a) is not ndarray
            or a.size > LARGE
        ):
            return general(input, **kw)
        token = _set(_QUIET)
        try:
            r = ufunc(a)
        finally:
            _reset(token)
        if type(r) is not ndarray:
            r = np.asarray(r)
        t = new(Tensor)
        t._array = r
        if (input._node is not None or input._base is not None) and local.grad:
            attach(t, input)
        return t

    return call


def select(op: Operator, input: Tensor, key: Any) -> Tensor | None:
    """`input[key]` for an int or a plain slice of a CPU tensor without history; None where that is not so.

    Datasets index sample by sample: this takes 1.3 us, the general path 5.
    """
    if type(key) is slice:
        start, stop, step = key.start, key.stop, key.step
        if step is not None or type(start) not in _BOUNDS or type(stop) not in _BOUNDS:
            return None
    a = getattr(input, "_array", None)
    if type(a) is not ndarray or not a.ndim or state.active or input._node is not None:
        return None
    base = input._base
    if base is not None and input._generation != input._box.generation:  # type: ignore[union-attr]
        return None
    try:
        made = a[key, ...]
    except IndexError:
        return None
    t = new(Tensor)
    t._array = made
    dispatch.link_view(t, input, op, {"key": (key,)}, None, (input,))
    return t


_BOUNDS = (int, type(None))
