"""In-place twins of operators: the operator computed, and its result written into the tensor (`dispatch.assign`), which keeps
history and versions right; in fewer steps where nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops import casting
from ..runtime import older, state, writes
from ..runtime.backend import of_device
from ..runtime.dispatch import assign
from ..runtime.elementwise import INTO, into
from ..runtime.hot import CHAINS, cube, free
from ..runtime.inference import check_written
from ..runtime.inplace import Rewriting
from ..runtime.numbers import number_array
from ..runtime.operator import Operator, registry
from ..runtime.overwriting import overwriting
from ..runtime.signature import BLAMED
from ..runtime.tensor import Box, Tensor, history

# Composites that are another operator where their other arguments are numbers.
BY_NUMBERS = {"clamp": "clamp_number", "clamp_min": "clamp_number", "clamp_max": "clamp_number"}


def inplace(op: Operator) -> Callable[..., Tensor]:
    """The in-place twin of an operator."""
    public = op.public
    usual = registry["true_divide"] if op.name == "div" else op  # without a rounding mode
    plain = _plain_inplace(usual)
    alone = _alone_inplace(usual)
    large = _large_inplace(usual) if usual.family == "elementwise" else None
    written = None
    if plain is None and alone is None:
        rule = op.tags.get("small_into")
        number_op = registry[BY_NUMBERS.get(op.name, usual.name)]
        written = overwriting(number_op, op) if rule is None else _by_rule(op, rule)
    keeps_input = None
    scaled = plain is not None and op.name in ("add", "sub")  # by alpha
    small = not op.random
    had_others = op.name in older.NAMES  # orders of arguments

    def call(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        nonlocal keeps_input
        if plain is not None and not kwargs and len(args) == 1:
            if plain(self, args[0]):
                return self
        if alone is not None and not args and not kwargs and alone(self):
            return self
        if written is not None and written(self, *args, **kwargs):
            return self
        if scaled and plain is not None and len(kwargs) == len(args) == 1 and "alpha" in kwargs:
            if plain(self, args[0], kwargs["alpha"]):
                return self
        if (
            small
            and (not had_others or len(args) < 2)
            and _small_inplace(public, self, args, kwargs)
        ):
            return self
        if had_others and len(args) > 1:
            found = older.rearranged(op.name, (self, *args), kwargs)
            if found is not None:
                (_, *args), kwargs = found  # type: ignore[assignment]
        array = self.__dict__.get("_array")
        tracked = state.local.grad and (
            self._node is not None or self._base is not None or _some_history(args)
        )
        if tracked or array is None or 0 in array.strides:
            writes.check_writable(self)
        if large is not None and array is not None and array.size >= INTO:
            if large(self, args, kwargs):
                return self
        source = self
        if tracked and (history(self) is not None or _some_history(args)):
            if keeps_input is None:
                keeps_input = _keeps_input(op)
            if keeps_input:
                source = casting.clone(
                    self
                )  # the rule needs the values that are about to be overwritten
        made = public(source, *args, **kwargs)
        b = made.__dict__.get("_array")
        alike = array is not None and b is not None and array.shape == b.shape
        if not alike and tuple(made.shape) != tuple(self.shape):
            raise RuntimeError(
                f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(made.shape)}"
            )
        if exact and made.dtype is not self.dtype:
            raise RuntimeError(
                f"{op.name}_(): the result has dtype {made.dtype.name}, which a {self.dtype.name} tensor cannot become "
                "in place"
            )
        return assign(self, made)

    # Also of `abs`, whose results are real: PyTorch has no complex numbers in their place.
    exact = op.tags.get("exact_out") or callable(op.result)
    call.__name__ = op.name + "_"
    call.__doc__ = f"In-place version of `{op.name}`."
    return call


def _small_inplace(
    public: Callable[..., Any], self: Tensor, args: tuple, kwargs: dict[str, Any]
) -> bool:
    """The operator's result copied over a small array without history, whose dtype and shape it has; whether that was so."""
    array: Any = self.__dict__.get("_array")
    if type(array) is not np.ndarray or array.size >= INTO or state.active:
        return False
    if state.local.grad and _some_history(args):
        return False
    if 0 in array.strides or not free(self) or not array.flags.writeable:
        return False
    made = public(self, *args, **kwargs)
    b: Any = getattr(made, "_array", None)
    if type(b) is not np.ndarray or b.shape != array.shape or b.dtype is not array.dtype:
        return False
    if made._node is not None:
        return False
    self._bump()
    np.copyto(array, b)
    return True


def _by_rule(op: Operator, rule: Callable[..., Any]) -> Callable[..., bool]:
    """The operator's own way of writing over small arrays, where nothing is recorded."""
    set_, reset, quiet = state.error_state.set, state.error_state.reset, state.quiet
    xp: Any = None

    def call(self: Tensor, *args: Any, **kwargs: Any) -> bool:
        nonlocal xp
        if xp is None:
            xp = of_device("cpu").xp
        a: Any = getattr(self, "_array", None)
        if type(a) is not np.ndarray or a.size >= CHAINS or state.active or 0 in a.strides:
            return False
        if not a.flags.writeable or not free(self):
            return False
        try:
            arrays, attrs = op.bind((self, *args), kwargs)
        except BLAMED:  # said by the general way
            return False
        raw = []
        for x in arrays[1:]:
            if isinstance(x, Tensor):
                b: Any = getattr(x, "_array", None)
                if type(b) is not np.ndarray or not free(x):
                    return False
                if b is a or (not a.base is b.base is None and np.may_share_memory(a, b)):
                    return False
                raw.append(b)
            else:
                raw.append(x)
        box = self._box
        if box is None:
            box = self._box = Box()
        box.written += 1
        token = set_(quiet)
        try:
            done = rule(xp, a, *raw, **attrs) is None
        except BLAMED:
            done = False
        finally:
            reset(token)
        if not done:
            box.written -= 1
        return done

    return call


def _some_history(args: tuple) -> bool:
    """Whether some tensor among `args` has history."""
    for x in args:  # noqa: SIM110 -- a generator costs more than the loop
        if isinstance(x, Tensor) and history(x) is not None:
            return True
    return False


def _keeps_input(op: Operator) -> bool:
    rule = op.vjp_rule
    if op.family == "elementwise":
        first = op.params[op.arrays[0]]
        return (not op.attrs and first in rule.program({}).reads) or bool(op.attrs)
    return op.family == "composite" or (rule is not None and "tensor" in rule.keeps[:1])


def _plain_inplace(op: Operator) -> Callable[..., bool] | None:
    """The short way for small plain arrays without history: the ufunc with `out=`."""
    from .. import ir

    if op.family != "elementwise" or len(op.arrays) != 2 or op.result == "bool":
        return None
    if not op.takes("float"):
        return None
    numbers = op.arrays[1] not in op.strict
    usual = {p: op.defaults[i] for i, p in op.attrs}
    expr = op.body(*(ir.var(op.params[i]) for i in op.arrays))
    ufunc = getattr(np, ir.scalars[expr.op].numpy, None) if expr.op in ir.scalars else None
    if not isinstance(ufunc, np.ufunc) or any(a.op != "var" for a in expr.args):
        return None
    f32, f64 = np.dtype("float32"), np.dtype("float64")
    record: Any = None if "vjp" in op.refusals else Rewriting(op)
    cubes = ufunc is np.power
    set_, reset, quiet = state.error_state.set, state.error_state.reset, state.quiet
    local, ndarray = state.local, np.ndarray

    def call(self: Tensor, other: Any, alpha: Any = None) -> bool:
        try:
            a = self._array
        except AttributeError:
            return False
        d = a.dtype
        if (
            0 in a.strides
            or state.active
            or (d is not f32 and d is not f64)
            or type(a) is not ndarray
        ):
            return False
        if isinstance(other, Tensor):
            b: Any = getattr(other, "_array", None)
            if type(b) is not ndarray or b.dtype is not d or b.ndim > a.ndim:
                return False
            if other._node is not None and local.grad and self._node is None:
                return False
        elif numbers and (
            type(other) is float or (type(other) is int and -(1 << 63) <= other < 1 << 64)
        ):
            b = other
        else:
            return False
        if alpha is not None:  # of floats, which hold it, and nothing recorded
            if (type(alpha) is not float and type(alpha) is not int) or not -6e4 < alpha < 6e4:
                return False
            if (
                type(b) is not ndarray
                or not free(other)
                or self._node is not None
                or b.size >= INTO
            ):
                return False
            b = np.multiply(b, number_array(alpha, d))
        recorded = False
        if local.grad:
            base = self._base
            if self._node is not None or (isinstance(other, Tensor) and other._base is not None):
                recorded = record is not None and record.possible(self, other)
                if not recorded:
                    return False
            elif base is not None and (history(self) is not None or history(base) is not None):
                return False
        box = self._box
        if box is None:
            box = self._box = Box()
        box.written += 1
        token = set_(quiet)
        try:
            if a.size < INTO or not into(op, a, a, b, **usual):
                if cubes and type(b) is not ndarray and b == 3:
                    cube(a, a)
                else:
                    ufunc(a, b, out=a)
        except ValueError:
            box.written -= 1
            return False
        finally:
            reset(token)
        if recorded:
            record(self, other)
        return True

    return call


def _alone_inplace(op: Operator) -> Callable[[Tensor], bool] | None:
    """The same for an operator of one array: what its expression is on small ones."""
    if op.family != "elementwise" or len(op.params) != 1 or op.result == "bool":
        return None
    if not op.takes("float") or op.tags.get("series"):
        return None
    if callable(op.result) and op.result(np.dtype("float32")) != "float32":
        return None
    f32, f64 = np.dtype("float32"), np.dtype("float64")
    set_, reset, quiet = state.error_state.set, state.error_state.reset, state.quiet
    local, ndarray = state.local, np.ndarray
    into: Any = None

    def call(self: Tensor) -> bool:
        nonlocal into
        try:
            a = self._array
        except AttributeError:
            return False
        d = a.dtype
        if (
            state.active
            or (d is not f32 and d is not f64)
            or type(a) is not ndarray
            or a.size >= CHAINS
            or (
                local.grad and (self._node is not None or self._base is not None) and not free(self)
            )
            or 0 in a.strides
        ):
            return False
        if into is None:
            into = op.vjp_rule.program({}).into
        box = self._box
        if box is None:
            box = self._box = Box()
        box.written += 1
        token = set_(quiet)
        try:
            into(a, a)
        finally:
            reset(token)
        return True

    return call


def _large_inplace(op: Operator) -> Callable[[Tensor, tuple, dict], bool] | None:
    """The same for a large one: a compiled kernel that writes where it reads, in one pass instead of two."""
    f32, f64 = np.dtype("float32"), np.dtype("float64")
    local, ndarray = state.local, np.ndarray

    def call(self: Tensor, args: tuple, kwargs: dict[str, Any]) -> bool:
        a: Any = getattr(self, "_array", None)
        if type(a) is not ndarray or a.size < INTO or state.active or a.dtype not in (f32, f64):
            return False
        try:
            arrays, attrs = op.bind((self, *args), kwargs)
        except (TypeError, RuntimeError):
            return False  # said by the usual way
        raw = []
        x: Any
        for x in arrays:
            if isinstance(x, Tensor):
                if local.grad and history(x) is not None:
                    return False
                x = getattr(x, "_array", None)
                if type(x) is not ndarray or x.dtype is not a.dtype:
                    return False
            elif type(x) is int and not -(1 << 63) <= x < 1 << 64:
                return False  # refused by the usual way
            elif type(x) not in (int, float):
                return False
            raw.append(x)
        if any(v is not None and type(v) not in (bool, int, float, str) for v in attrs.values()):
            return False
        if local.grad and self._base is not None and history(self) is not None:
            return False
        check_written(self)
        if not into(op, a, *raw, **attrs):
            return False
        self._bump()
        return True

    return call
