"""How a module of kernels offers them: `offer` for operators, `runtime.claims.claim` for composites taken whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..._base import dtypes
from ...runtime import layouts, state
from ...runtime.layouts import is_last
from ...runtime.operator import Checker, registry
from ...runtime.tensor import wrap
from . import library
from .compiler import CompileError

FLOATS = (dtypes.float32, dtypes.float64)
HALVES = (dtypes.float16, dtypes.bfloat16)
LEAST_FILLED = 1 << 13


def write(target: np.ndarray, source: np.ndarray) -> None:
    """`source` into `target`, of the same shape and dtype: in C, which a compiled program can do again."""
    from . import copies

    if library.available() and target.itemsize in copies.SIZES:
        copies.write(target, source)
    else:
        target[...] = source


def fill(target: np.ndarray, value: Any) -> None:
    """One number everywhere, on all cores where it is large; nothing that a compiled program does again.

    bfloat16 is written here from LEAST_FILLED elements on: 64 K take NumPy 25 us, and this 2.
    """
    from . import copies, native

    if (
        type(target) is not np.ndarray
        or target.size < (LEAST_FILLED if target.dtype.kind == "V" else layouts.LARGE)
        or not (target.flags.c_contiguous and target.flags.writeable)
        or target.dtype.kind not in "fiubcV"
        or native.recorders
        or not library.available()
    ):
        target.fill(value)
        return
    copies.fill(target, value)


def spaced(start: float, end: float, step: float, half: int, count: int, dtype: Any) -> Any:
    """Numbers at equal distances (`kernels/range.c`); None where they cannot be made here."""
    from . import native

    if dtype.char not in "fd" or native.recorders or not library.available():
        return None
    if any(type(v) not in (int, float) or abs(v) > 1e300 for v in (start, end, step)):
        return None
    made = np.empty(count, dtype)
    kernels = _ranges(dtype.char)
    kernels.range(native.address(made), half, count, float(start), float(end), float(step))
    return made


@cache
def _ranges(char: str) -> Any:
    from . import native

    return native.load("range.c", {"f": "float32", "d": "float64"}[char])


layouts.compiled[0] = write
layouts.ranging[0] = spaced
layouts.filling[0] = fill


def of_kinds(kinds: tuple, accepts: Checker | None = None) -> Checker:
    """Accepts calls whose arrays are all of these dtypes, that `accepts` too, while there are compiled kernels."""

    def checker(metas: list, attrs: dict[str, Any]) -> bool:
        for m in metas:
            if m is not None and m.dtype not in kinds:
                return False
        return (accepts is None or accepts(metas, attrs)) and library.available()

    checker.holds = library.available  # type: ignore[attr-defined]  # see `claims.lasting`
    if accepts is None:  # see `straight.picker`
        checker.by_kind = library.available  # type: ignore[attr-defined]
    return checker


def offer(
    name: str,
    kernel: Callable[..., Any],
    accepts: Checker | None = None,
    least: int = 0,
    kinds: tuple = FLOATS,
    halves: bool = False,
) -> None:
    """Offers `kernel(*raw arrays, **attrs)` for operator `name`, where all arrays are of `kinds` and `accepts` agrees.

    The kernel may return NotImplemented: then, and where nothing can be compiled, the reference runs. `halves`: floats of
    two bytes are taken too, as float32 in the kernel's eyes; a result of float32 is rounded to them.
    """
    if halves:
        kinds, kernel = (*kinds, *HALVES), in_float32(kernel)
    op = registry[name]
    following = layouts.FOLLOWING.get(name, 0)

    def call(xp: Any, *raw: Any, **attrs: Any) -> Any:
        try:
            made = kernel(*raw, **attrs)
        except CompileError:  # remembered: `library.available` is False from now on
            made = NotImplemented
        if made is NotImplemented:
            return op.kernels[None](xp, *raw, **attrs)
        if following and (is_last(raw[0]) or (following == 2 and is_last(raw[1]))):
            return layouts.with_last(np, made, write)
        return made

    op.provide("cpu", of_kinds(kinds, accepts), least)(call)


def in_float32(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """`kernel` for floats of two bytes too: it gets them as float32, and what it makes in float32 is rounded to them once."""

    def call(first: Any, *more: Any, **attrs: Any) -> Any:
        half = getattr(first, "dtype", None)
        if half is None or half.itemsize != 2 or half.kind not in "fV":
            return kernel(first, *more, **attrs)
        made = kernel(_wide(first), *map(_wide, more), **attrs)
        return tuple([_narrow(m, half) for m in made]) if type(made) in (tuple, list) else _narrow(made, half)  # fmt: skip

    return call


def computed(x: np.ndarray) -> np.dtype:
    """The dtype in which kernels compute on `x`, and keep what is no element of it: float32 for floats of two bytes."""
    return x.dtype if x.itemsize > 2 else np.dtype(np.float32)


def cast(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`x` itself where it is of `dtype`, else rounded to it in C, which a compiled program can do again."""
    from . import copies

    return x if x.dtype == dtype else copies.cast(x, dtype)


def _wide(x: Any) -> Any:
    if type(x) is not np.ndarray or x.itemsize != 2 or x.dtype.kind not in "fV":
        return x
    from . import copies

    return copies.cast(x, np.dtype(np.float32))


def _narrow(x: Any, half: np.dtype) -> Any:
    if type(x) is not np.ndarray or x.dtype != np.float32:
        return x
    from . import copies

    return copies.cast(x, half)


def offer_gradient(name: str, gradient: Callable[..., Any]) -> None:
    """Offers `gradient(g, out, needs, *raw, **attrs)`, the raw gradients of all inputs, for a primitive with a `vjp`.

    It has what the rule keeps (None for the rest), and may return NotImplemented. Only where no graph is recorded.
    """
    from ...runtime import tape

    rule = registry[name].vjp_rule

    def claimed(node: Any, g: Any, needs: tuple) -> Any:
        saved = tape.unpack(node, tape.Overwritten)
        out = tape.unpack_result(node, rule.optional_out)
        several = isinstance(g, tuple)
        if isinstance(out, tape.Results):
            out = tuple(out)
        given = [*saved, *(g if several else (g,)), *(out if isinstance(out, tuple) else (out,))]
        if not all(_plain(t) for t in given):
            return None
        grads = tuple([_raw(x) for x in g]) if several else g._array
        outs = tuple([_raw(x) for x in out]) if isinstance(out, tuple) else _raw(out)
        token = state.error_state.set(state.quiet)
        try:
            made = gradient(grads, outs, needs, *[_raw(s) for s in saved], **node.attrs)
        except CompileError:
            return None
        finally:
            state.error_state.reset(token)
        return None if made is NotImplemented else [None if m is None else wrap(m) for m in made]

    rule.claimed = claimed


def _plain(value: Any) -> bool:
    if getattr(value, "_level", 0):  # a wrapper
        return False
    array = getattr(value, "_array", None)
    return array is None or type(array) is np.ndarray


def _raw(value: Any) -> Any:
    return getattr(value, "_array", value)
