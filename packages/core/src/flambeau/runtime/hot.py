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
from .._base.dtypes import get_default_dtype
from . import dispatch, layouts, state, tape
from .elementwise import ElementwiseRule
from .inference import makes_tensors
from .numbers import number_array as number_array
from .numbers import numbers as numbers
from .operator import Operator
from .promotion import INT_DIVISOR, INT_TO_FLOAT
from .signature import BLAMED
from .straight import large, meta
from .tensor import Box, Tensor, history, new, wrap

ndarray, Step = np.ndarray, dispatch.Step
F32, F64, I64 = np.dtype("float32"), np.dtype("float64"), np.dtype("int64")
TRUTH = np.dtype(bool)
LARGE = 1 << 15  # elements from which providers are asked
CHAINS = 1 << 12  # the same for what is no function of NumPy's
SMALL = 1 << 10  # elements from which picking some runs in C
_RESULT_ONLY = ("result",)
local, Node = state.local, tape.Node
NOTHING_1, NOTHING_2 = tape.NOTHING_1, tape.NOTHING_2
_set, _reset, _QUIET = state.error_state.set, state.error_state.reset, state.quiet


def make(op: Operator, rule: ElementwiseRule) -> Callable[..., Any] | None:
    """The public function with a hot path, or None where the expression is neither of one array nor one NumPy function."""
    static = len(op.params) > len(op.arrays)
    named = op.positional == len(op.arrays) == 1  # static arguments, if any, are given by name
    if len(op.arrays) > 2 or (static and not (named or op.name in ("add", "sub"))):
        return None
    body = op.body(*(ir.var(op.params[i]) for i in op.arrays))
    ufunc = None
    if body.op in ir.scalars and not any(a.op != "var" for a in body.args):
        ufunc = getattr(np, ir.scalars[body.op].numpy, None)
    if not isinstance(ufunc, np.ufunc):
        if static:
            return None
        usual = len(op.arrays) == 1 and op.takes("float") and not callable(op.result)
        return None if not usual or op.tags.get("series") else unary(op, rule, None, None)
    floats = op.promote is INT_TO_FLOAT
    divides = op.promote is INT_DIVISOR
    third = None if floats or divides or not op.takes("int") or (static and named) else I64
    if not op.takes("float"):
        return None
    if len(op.arrays) == 1:
        return unary(op, rule, ufunc, third)
    first, second = (i not in op.strict for i in op.arrays)
    general = large(op)
    public = binary(op, rule, ufunc, third, general, (first, second), divides)
    public.behind = lambda general: binary(op, rule, ufunc, third, general, divides=divides)  # type: ignore[attr-defined]
    public.gave_way = general  # type: ignore[attr-defined]
    return public


def cube(x: Any, out: Any = None) -> Any:
    """An array to the power of 3 as PyTorch has it, by products: NumPy's powers take 50 ns an element."""
    return np.multiply(np.multiply(x, x), x, out)


def at_rest(op: Operator) -> dict[str, Any]:
    """An operator's static arguments at their defaults."""
    return {p: op.defaults[i] for i, p in op.attrs}


def whole_kinds(op: Operator, ufunc: Any) -> Callable[..., bool]:
    """Whether NumPy's function does the operator for arrays all of one dtype of whole numbers or truth values.

    That is so where the promotion leaves such tensors as they are, and the function gives what the operator says; asked once a dtype.
    """
    known: dict[np.dtype, bool] = {}
    usual = at_rest(op)

    def learn(d: np.dtype, tensors: tuple) -> bool:
        known[d] = False
        if d.kind not in "biu" or not isinstance(ufunc, np.ufunc) or callable(op.result):
            return False
        if getattr(op.promote, "by_value", False):
            return False
        try:
            made = tensors if op.promote is None else op.promote(op, tensors, usual)
            result = ufunc(*[np.empty(0, d) for _ in tensors]).dtype
        except (*BLAMED, NotImplementedError):
            return False
        known[d] = all(m is t for m, t in zip(made, tensors)) and result is (
            TRUTH if op.result == "bool" else d
        )
        return known[d]

    def fits(d: np.dtype, *tensors: Any) -> bool:
        found = known.get(d)
        return learn(d, tensors) if found is None else found

    return fits


def binary(
    op: Operator,
    rule: ElementwiseRule,
    ufunc: np.ufunc,
    third: Any,
    general: Callable[..., Any],
    numbers: tuple[bool, bool] = (True, True),
    divides: bool = False,
) -> Callable[..., Any]:
    """`f(input, other, **kw)` for one binary ufunc; `third` is a further dtype besides the two floats.

    `numbers` says which of the two may be a Python number; with `divides` whole ones other than 0 may divide int64. `general` takes every other call. Python's operators have one of their own, which gives NotImplemented for strangers.
    """
    attach = recorder(op, rule)
    attach_number = number_recorder(op, rule)
    of_two_kinds, of_whole = mixed(op, ufunc, third, attach), whole_and_number(op, ufunc)
    fits = whole_kinds(op, ufunc)
    cubes = ufunc is np.power

    def with_number(tensor: Any, number: float, first: bool) -> Any:
        """The call with a Python number as its second (or first) operand."""
        a = getattr(tensor, "_array", None)
        if (
            type(a) is ndarray
            and not state.active
            and a.size <= LARGE
            and (
                (d := a.dtype) is F32
                or d is F64
                or (
                    (d is third or (divides and d is I64 and number))
                    and type(number) is int
                    and -128 <= number < 128
                    and first
                )
            )
        ):
            b = number_array(number, d)
            token = _set(_QUIET)
            try:
                if cubes and number == 3 and first:
                    r = cube(a)
                else:
                    r = ufunc(a, b) if first else ufunc(b, a)
            except ValueError:  # of integers: a negative power
                return general(tensor, number) if first else general(number, tensor)
            finally:
                _reset(token)
            if type(r) is not ndarray:
                r = np.asarray(r)
            t = new(Tensor)
            t._array = r
            if (tensor._node is not None or tensor._base is not None) and local.grad:
                attach_number(t, tensor, number, first)
            return t
        if type(a) is ndarray and a.dtype.kind in "biu" and not state.active:
            made = of_whole(tensor, a, number, first)
            if made is not None:
                return made
        return general(tensor, number) if first else general(number, tensor)

    def refused(tensor: Any, number: float, first: bool) -> Any:
        return general(tensor, number) if first else general(number, tensor)

    number_first = with_number if numbers[0] else refused
    number_second = with_number if numbers[1] else refused

    def call(input: Any, other: Any, *rest: Any, **kw: Any) -> Any:
        try:
            a = input._array
            b = other._array
        except AttributeError:
            if rest:  # an older order of arguments, or a mistake
                return general(input, other, *rest, **kw)
            if not kw:
                if type(other) is float or type(other) is int:
                    return number_second(input, other, True)
                if type(input) is float or type(input) is int:
                    return number_first(other, input, False)
            return general(input, other, **kw)
        d = a.dtype
        if (
            d is not b.dtype
            or kw
            or rest
            or state.active
            or type(a) is not ndarray
            or type(b) is not ndarray
            or (d is not F32 and d is not F64 and d is not third and not fits(d, input, other))
            or (n := a.size) > LARGE
            or b.size > LARGE
            or (n * b.size > LARGE and (n != b.size or a.ndim != b.ndim) and is_wide(a, b))
        ):
            if not (kw or rest or state.active or (d is b.dtype and (d is F32 or d is F64))):
                made = of_two_kinds(input, other, a, b)
                if made is not None:
                    return made
            return general(input, other, *rest, **kw)
        token = _set(_QUIET)
        try:
            r = ufunc(a, b)
        except (ValueError, TypeError):
            return general(input, other)
        finally:
            _reset(token)
        if type(r) is not ndarray:
            r = np.asarray(r)
        t = new(Tensor)
        t._array = r
        if (
            input._node is not None or other._node is not None or input._base is not other._base
        ) and local.grad:
            attach(t, input, other)
        return t

    # The operator's own names for its two operands, as in `pow(x, exponent=2)`.
    names = tuple(op.params[i] for i in op.arrays[:2])
    call.__code__ = call.__code__.replace(co_varnames=names + call.__code__.co_varnames[2:])
    return call


def mixed(
    op: Operator, ufunc: np.ufunc, third: Any, attach: Callable[..., None]
) -> Callable[..., Tensor | None]:
    """The call on two small arrays that meet in another dtype; None where it is not so simple, or what has history is to be cast.

    What the two meet in is asked once for each pair of dtypes, apart for those of no dimension.
    """
    known: dict[tuple, Any] = {}
    usual = at_rest(op)

    def meet(input: Any, other: Any) -> Any:
        if op.promote is None or getattr(op.promote, "by_value", False):
            return None
        try:
            a, b = op.promote(op, (input, other), usual)
        except BLAMED:
            return None
        d = a._array.dtype
        return d if d is b._array.dtype and (d is F32 or d is F64 or d is third) else None

    def call(input: Any, other: Any, a: Any, b: Any) -> Tensor | None:
        if type(a) is not ndarray or type(b) is not ndarray or a.size > SMALL or b.size > SMALL:
            return None
        key = a.dtype, b.dtype, a.ndim > 0, b.ndim > 0, get_default_dtype()
        if key not in known:
            known[key] = meet(input, other)
        d = known[key]
        if d is None:
            return None
        recorded = local.grad and (history(input) is not None or history(other) is not None)
        if a.dtype is not d:
            if recorded and history(input) is not None:
                return None
            a = a.astype(d)
            input = wrap(a)
        if b.dtype is not d:
            if recorded and history(other) is not None:
                return None
            b = b.astype(d)
            other = wrap(b)
        token = _set(_QUIET)
        try:
            r = ufunc(a, b)
        except (ValueError, TypeError):
            return None
        finally:
            _reset(token)
        t = new(Tensor)
        t._array = r if type(r) is ndarray else np.asarray(r)
        if recorded:
            attach(t, input, other)
        return t

    return call


def whole_and_number(op: Operator, ufunc: np.ufunc) -> Callable[..., Tensor | None]:
    """The call on a small array of whole numbers and a Python number; None where it is not so simple.

    What the two meet in is asked once a dtype and kind of number: a float dtype, or the array's own, which holds small whole numbers.
    """
    known: dict[tuple, Any] = {}
    usual = at_rest(op)

    def meet(tensor: Tensor, number: float, first: bool) -> Any:
        if op.promote is None or getattr(op.promote, "by_value", False):
            return None
        try:
            made = op.promote(op, (tensor, number) if first else (number, tensor), usual)
        except BLAMED:
            return None
        d, kind = made[0 if first else 1]._array.dtype, type(made[first])
        if (d is F32 or d is F64) and kind is float:
            return d
        same = d is tensor._array.dtype and d.kind in "iu" and kind is int
        return d if same and op.result is None else None

    def call(tensor: Tensor, a: Any, number: float, first: bool) -> Tensor | None:
        if a.size > SMALL or not -6e4 < number < 6e4:
            return None
        key = a.dtype, type(number), first, get_default_dtype()
        if key not in known:
            known[key] = meet(tensor, number, first)
        d = known[key]
        if d is None or (d.kind != "f" and not 0 <= number < 128):
            return None
        if a.dtype is not d:
            a = a.astype(d)
        b = number_array(number, d)
        token = _set(_QUIET)
        try:
            r = ufunc(a, b) if first else ufunc(b, a)
        except (ValueError, TypeError):
            return None
        finally:
            _reset(token)
        if d.kind != "f" and r.dtype is not d:
            return None
        t = new(Tensor)
        t._array = r if type(r) is ndarray else np.asarray(r)
        return t

    return call


def is_wide(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether small operands broadcast to a large result, as those of an outer product do."""
    try:
        return np.broadcast(a, b).size > LARGE
    except ValueError:
        return True  # for the general path to say what is wrong


def recorder(op: Operator, rule: ElementwiseRule) -> Callable[..., None]:
    """Recording for a binary call: what `tape.record` does, unrolled."""
    if "vjp" in op.refusals or op.result == "bool":
        return lambda *_: None
    table: Any = (
        None  # what is kept: where both inputs have a gradient, the first only, the second only
    )

    def attach(t: Tensor, input: Tensor, other: Tensor) -> None:
        nonlocal table
        na = input._node if input._base is None else history(input)
        nb = other._node if other._base is None else history(other)
        if na is None and nb is None:
            return
        if table is None:
            if "vjp" in op.refusals:  # said after the operator was made
                return
            table = [_kept(rule, needs) for needs in ((True, True), (True, False), (False, True))]
        keeps = table[0 if na is not None and nb is not None else 1 if nb is None else 2]
        if tape.anomaly or keeps[2]:
            tape.record(op, t, (input, other), {})
            return
        node = new(Node)
        node.op = op
        node.edges = (na, nb)
        a, b = input._array.shape, other._array.shape
        same = a == b
        if not same:
            node.same = False
        ia, ib = input._box, other._box
        if same and not keeps[0] and not keeps[1]:
            node.saved = NOTHING_2
        else:
            node.saved = (
                input if keeps[0] else None if same else Shape(a),
                other if keeps[1] else None if same else Shape(b),
            )
        if ia is not None or ib is not None:
            node.versions = (
                ia.version if ia is not None and keeps[0] else 0,
                ib.version if ib is not None and keeps[1] else 0,
            )
        t._node = node

    return attach


def number_recorder(op: Operator, rule: ElementwiseRule) -> Callable[..., None]:
    """Recording for a call with one tensor and one number."""
    if "vjp" in op.refusals or op.result == "bool":
        return lambda *_: None
    tables: dict[
        bool, tuple[bool, bool]
    ] = {}  # by place of the tensor: whether it and the result are kept

    def attach(t: Tensor, tensor: Tensor, number: float, first: bool) -> None:
        node_before = tensor._node if tensor._base is None else history(tensor)
        if node_before is None:
            return
        keeps = tables.get(first)
        if keeps is None:
            if "vjp" in op.refusals:
                return
            reads = rule.program({}).reads_where((first, not first))
            keeps = tables[first] = (rule.names[0 if first else 1] in reads, "out" in reads)
        if tape.anomaly or keeps[1]:
            tape.record(op, t, (tensor, number) if first else (number, tensor), {})
            return
        node = new(Node)
        node.op = op
        kept = tensor if keeps[0] else None
        box = tensor._box
        if first:
            node.edges, node.saved = (node_before, None), (kept, number)
            if box is not None:
                node.versions = (box.version, 0)
        else:
            node.edges, node.saved = (None, node_before), (number, kept)
            if box is not None:
                node.versions = (0, box.version)
        t._node = node

    return attach


def _kept(rule: ElementwiseRule, needs: tuple[bool, ...]) -> tuple[bool, bool, bool]:
    """Whether the first input, the second and the result must be kept for the gradients of some inputs."""
    reads = rule.program({}).reads_where(needs)
    first, second = rule.names
    return first in reads, second in reads, "out" in reads


_ZERO = (0,)


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
        if keeps[0]:
            node.saved = (input,)
            box = input._box
            if box is not None:
                node.versions = (box.version,)
        else:
            node.saved = _RESULT_ONLY if keeps[1] else NOTHING_1
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


def unary(op: Operator, rule: ElementwiseRule, ufunc: Any, third: Any) -> Callable[..., Any]:
    """`f(input, **kw)` for one unary ufunc; without one, for what the operator's program is on small arrays."""
    general = large(op)
    attach = unary_recorder(op, rule)
    fits = whole_kinds(op, ufunc)
    most = LARGE

    def first(a: np.ndarray) -> Any:
        nonlocal ufunc
        ufunc = rule.program({}).small
        return ufunc(a)

    if ufunc is None:
        ufunc, most = first, CHAINS

    def call(input: Any, **kw: Any) -> Any:
        try:
            a = input._array
        except AttributeError:
            return general(input, **kw)
        d = a.dtype
        if (
            kw
            or state.active
            or type(a) is not ndarray
            or (d is not F32 and d is not F64 and d is not third and not fits(d, input))
            or a.size > most
        ):
            return general(input, **kw)
        token = _set(_QUIET)
        try:
            r = ufunc(a)
        except TypeError:
            return general(input)
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


def basic(key: Any) -> tuple | None:
    """A key of ints, slices without a step, None and ... as a tuple; None for any other."""
    kind = type(key)
    if kind is int:
        return (key,)
    if kind is slice:
        if key.step is not None or type(key.start) not in _BOUNDS or type(key.stop) not in _BOUNDS:
            return None
        return (key,)
    if kind is not tuple or not key:
        return None
    for k in key:
        kind = type(k)
        if kind is slice:
            if k.step is not None or type(k.start) not in _BOUNDS or type(k.stop) not in _BOUNDS:
                return None
        elif kind is not int and k is not None and k is not Ellipsis:
            return None
    return key


_BOUNDS = (int, type(None))


class Picked(dispatch.Step):
    """The step of `input[key]` for one int; what replaying it needs is made when it is asked for.

    The key is kept in the slot of `attrs`.
    """

    __slots__ = ()
    op: Operator = None  # type: ignore[assignment]  # basic_index, given by `ops.indexing`
    rest = ()
    index = None
    key = dispatch.Step.__dict__["attrs"]
    attrs = property(lambda self: {"key": (self.key,)})


def item(input: Any, key: int) -> Tensor | None:
    """`input[key]` of a CPU tensor that records nothing, for one int; None for every other.

    Datasets index sample by sample: this takes 0.35 us, `select` 0.65, the general path 5.
    """
    try:
        a, base = input._array, input._base
        if type(a) is not ndarray or state.active or (input._node is not None and local.grad):
            return None
        made = a[key, ...]
    except (AttributeError, IndexError, OverflowError):
        return None
    box = input._box
    step = new(Picked)
    step.key = key
    t = new(Tensor)
    t._array = made
    if base is None:
        if box is None:
            box = input._box = Box()
        t._base, t._replay = input, (step,)
    elif input._generation != box.generation:
        return None
    else:
        t._base, t._replay = base, (*input._replay, step)
    t._box = box
    if box.generation:
        t._generation = box.generation
    return t


def select(op: Operator, input: Tensor, key: tuple) -> Tensor | None:
    """`input[key]` of a CPU tensor for a key from `basic`; None where that is not so simple."""
    a = getattr(input, "_array", None)
    if type(a) is not ndarray or not a.ndim or state.active:
        return None
    base, box, before = input._base, input._box, input._node
    if base is not None and input._generation != box.generation:  # type: ignore[union-attr]
        return None
    recorded = before is not None and local.grad
    if recorded and (tape.anomaly or ((d := a.dtype) is not F32 and d is not F64)):
        return None
    try:
        made = a[key if Ellipsis in key else (*key, ...)]
    except (IndexError, OverflowError):
        return None
    if box is None:
        box = input._box = Box()
    t = new(Tensor)
    t._array = made
    # `dispatch.link_view`, unrolled
    t._box = box
    if box.generation:
        t._generation = box.generation
    t._base = input if base is None else base
    attrs = {"key": key}
    step = new(Step)
    step.op, step.rest, step.attrs, step.index = op, (), attrs, None
    t._replay = (step,) if base is None else (*input._replay, step)
    if recorded:
        node = new(Node)
        node.op, node.attrs, node.edges, node.saved = op, attrs, (before,), (meta(a),)
        t._node = node
    return t


def picked(op: Operator, input: Any, key: tuple) -> Tensor | None:
    """`input[key]` of small arrays by tensors of whole numbers, or by one mask where nothing is recorded; None for every other."""
    a = getattr(input, "_array", None)
    if type(a) is not ndarray or state.active or not 0 < a.size <= SMALL:
        return None
    raw = keys_of(a, key)
    if raw is None:
        return None
    masked = raw[0].dtype is TRUTH
    recorded = local.grad and history(input) is not None
    if recorded and masked:
        return None
    try:
        made = a.take(raw[0], 0) if len(raw) == 1 and not masked else a[raw]
    except IndexError:
        return None
    t = new(Tensor)
    t._array = made if made.flags.c_contiguous else np.ascontiguousarray(made)
    if recorded:
        attrs = {"positions": tuple(range(len(key))), "from_end": True}
        return tape.record(op, t, (input, *key), attrs)
    return t


class Piece(dispatch.Part):
    """The step to one of several views that one call gives. The key is kept in the slot of `attrs`."""

    __slots__ = ()
    op: Operator = None  # type: ignore[assignment]  # basic_index, given by `ops.indexing`
    rest = ()
    key = dispatch.Step.__dict__["attrs"]
    attrs = property(lambda self: {"key": self.key})


def pieces(input: Tensor, keys: list[tuple], name: str) -> tuple | None:
    """`dispatch.parts` of `select` for each key, with what they share done once; None where that is not so simple."""
    a = getattr(input, "_array", None)
    if type(a) is not ndarray or not a.ndim or state.active:
        return None
    base, box, before, replay = input._base, input._box, input._node, input._replay
    if base is None:
        base = input
    elif input._generation != box.generation:  # type: ignore[union-attr]
        return None
    recorded = before is not None and local.grad
    if recorded and (tape.anomaly or ((d := a.dtype) is not F32 and d is not F64)):
        return None
    if box is None:
        box = input._box = Box()
    generation = box.generation
    kept = (meta(a),) if recorded else ()
    out = []
    for i, key in enumerate(keys):
        t = new(Tensor)
        t._array = a[key]
        t._box = box
        t._base = base
        step = new(Piece)
        step.key, step.index = key, i
        t._replay = (*replay, step)
        if generation:
            t._generation = generation
        if recorded:
            node = new(Node)
            node.op, node.attrs, node.edges, node.saved = step.op, {"key": key}, (before,), kept
            node.label = name
            t._node = node
        out.append(t)
    return tuple(out)


def write(input: Tensor, key: tuple, value: Any) -> bool:
    """`input[key] = value` where nothing has history, for a key from `basic`; whether it was done.

    The value is a number that the dtype surely holds, or a tensor of the dtype that fits the part.
    """
    a = getattr(input, "_array", None)
    if type(a) is not ndarray or not a.ndim or state.active or 0 in a.strides or not free(input):
        return False
    b = None
    if not holds(a.dtype, value):
        b = getattr(value, "_array", None)
        if type(b) is not ndarray or b.dtype is not a.dtype or not isinstance(value, Tensor):
            return False
        if not free(value):
            return False
    box = input._box
    if box is None:
        box = input._box = Box()
    box.written += 1
    try:
        part = a[key if Ellipsis in key else (*key, ...)]
        if b is None:
            layouts.filling[0](part, value)
            return True
        if b.shape == part.shape or not b.ndim:
            if (
                part.size >= layouts.LARGE
                and b.ndim
                and part.flags.writeable
                and not np.may_share_memory(part, b)
            ):
                layouts.compiled[0](part, b)
            else:
                np.copyto(part, b)
            return True
        if part.ndim and part.size <= SMALL:
            part[...] = b
            return True
    except (IndexError, OverflowError, ValueError):
        pass
    box.written -= 1
    return False


def holds(d: np.dtype, value: Any) -> bool:
    """Whether a value is a Python number that a dtype surely holds."""
    kind = type(value)
    if d is F32 or d is F64:
        return (kind is float or kind is int) and -6e4 < value < 6e4
    if d is I64:
        return kind is int and -128 <= value < 128
    return d is TRUTH and kind is bool


def keys_of(a: ndarray, key: tuple) -> tuple | None:  # type: ignore[valid-type]
    """Index tensors as the arrays by which NumPy picks from a small one: of whole numbers, or one mask; None for others."""
    raw = []
    for k in key:
        k = getattr(k, "_array", None)
        if type(k) is not ndarray or not k.ndim or not 0 < k.size <= SMALL:
            return None
        if k.dtype is not I64:
            if k.dtype is not TRUTH or len(key) > 1 or k.shape != a.shape[: k.ndim]:  # type: ignore[attr-defined]
                return None
        raw.append(k)
    return tuple(raw) if 0 < len(raw) <= a.ndim else None  # type: ignore[attr-defined]


def put(input: Tensor, key: tuple, value: Any) -> bool:
    """`input[key] = value` of small arrays where nothing has history, for index tensors or one mask; whether it was done."""
    a: Any = getattr(input, "_array", None)
    if type(a) is not ndarray or state.active or not 0 < a.size <= SMALL or 0 in a.strides:
        return False
    keys = keys_of(a, key)
    if keys is None or not free(input):
        return False
    if not holds(a.dtype, value):
        b = getattr(value, "_array", None)
        if type(b) is not ndarray or b.dtype is not a.dtype or not isinstance(value, Tensor):
            return False
        if not free(value) or np.may_share_memory(a, b):
            return False
        value = b
    box = input._box
    if box is None:
        box = input._box = Box()
    box.written += 1
    try:
        a[keys] = value
        return True
    except (IndexError, TypeError, ValueError):
        box.written -= 1
        return False


def free(tensor: Tensor) -> bool:
    """Whether a write of or into `tensor` has nothing to do with gradients."""
    if not local.grad:
        return True
    base = tensor._base
    if base is None:
        return tensor._node is None
    return history(tensor) is None and history(base) is None


makes_tensors(globals())
