"""How operators unify the dtypes of their inputs. Python numbers are weak, 0-d tensors nearly so, as in PyTorch."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._base import dtypes, limits
from .._base.dtypes import FLOAT, combine, dtype, of_number, promote_types
from .operator import Operator, registry
from .tensor import Tensor

Promotion = Callable[[Operator, tuple, dict], tuple]


def result_type(*operands: Any) -> dtype:
    """The dtype that tensors and numbers meet in.

    >>> import flambeau
    >>> flambeau.result_type(flambeau.ones(2, dtype=flambeau.int32), 1.5)
    flambeau.float32
    """
    dims = zero = numbers = None
    for x in operands:
        if isinstance(x, Tensor):
            d = x.dtype
            if x.ndim:
                dims = d if dims is None or dims is d else promote_types(dims, d)
            else:
                zero = d if zero is None or zero is d else promote_types(zero, d)
        elif x is not None:
            d = of_number(x)
            numbers = d if numbers is None else promote_types(numbers, d)
    return combine(dims, zero, numbers)


def _cast(arrays: tuple, target: dtype, which: range | tuple[int, ...] | None = None) -> tuple:
    """Tensors of `arrays` in dtype `target`; numbers become what NumPy takes as weak numbers of that dtype."""
    to = registry["to_dtype"].public
    out = list(arrays)
    for i in range(len(out)) if which is None else which:
        x = out[i]
        if isinstance(x, Tensor):
            if x.dtype is not target:
                out[i] = to(x, target)
        elif x is not None:
            out[i] = _number(x, target)
    return tuple(out)


def _number(x: Any, target: dtype) -> Any:
    if target.category == FLOAT and not isinstance(x, complex):
        if type(x) is int:
            in_64_bits(x)
        return float(x)
    if target.category == dtypes.INT and isinstance(x, (bool, int)):
        return int(x) if -1 < x < 128 else wrapped(x, target)
    return x


def in_64_bits(x: int) -> None:
    """OverflowError for an int that no integer dtype has."""
    if not -(1 << 63) <= x < 1 << 64:
        raise OverflowError("int too big to convert")


def wrapped(x: int, target: dtype) -> int:
    """An int as what is left of it in an integer dtype, modulo 2**bits: int8's 300 is 44."""
    in_64_bits(x)
    bits = 8 * target.itemsize
    x &= (1 << bits) - 1
    return x - (1 << bits) if target.is_signed and x >> (bits - 1) else x


def SAME(op: Operator, arrays: tuple, attrs: dict) -> tuple:
    """Inputs meet in their result type."""
    return _cast(arrays, result_type(*arrays))


def INT_TO_FLOAT(op: Operator, arrays: tuple, attrs: dict) -> tuple:
    """Inputs meet in their result type; integers and bools become the default float."""
    target = result_type(*arrays)
    return _cast(arrays, target if target.category >= FLOAT else dtypes.get_default_dtype())


def BOOL_TO_INT(op: Operator, arrays: tuple, attrs: dict) -> tuple:
    """As SAME, with bools as int64 (sums and products)."""
    target = attrs.get("dtype") or result_type(*arrays)
    if attrs.get("dtype") is None and target.category < FLOAT:
        target = dtypes.int64
    return _cast(arrays, target)


def TO_DTYPE(op: Operator, arrays: tuple, attrs: dict) -> tuple:
    """Inputs become attrs["dtype"] where that is given, else stay."""
    target = attrs.get("dtype")
    return arrays if target is None else _cast(arrays, target)


def TO_BOOL(op: Operator, arrays: tuple, attrs: dict) -> tuple:
    """Inputs become bool."""
    return _cast(arrays, dtypes.bool_)


def NO_BOOL(op: Operator, arrays: tuple, attrs: dict) -> tuple:
    """As SAME, refusing bools, for which PyTorch has no subtraction and no sign change."""
    target = result_type(*arrays)
    if any(
        x.dtype is dtypes.bool_ if isinstance(x, Tensor) else isinstance(x, bool) for x in arrays
    ):
        raise RuntimeError(
            f"{op.name}: the operator is not supported for bool tensors; "
            "use `^` or logical_xor() for a difference, `~` or logical_not() for a negation"
        )
    return _cast(arrays, target)


def INT_DIVISOR(op: Operator, arrays: tuple, attrs: dict) -> tuple:
    """As SAME, refusing a zero among integer divisors: no integer stands for the quotient. (A GPU is not asked.)"""
    made = _cast(arrays, result_type(*arrays))
    divisor = made[1]
    if isinstance(divisor, Tensor):
        raw = divisor.__dict__.get("_array")
        if type(raw) is np.ndarray and divisor.dtype.category < FLOAT and not raw.all():
            raise RuntimeError("ZeroDivisionError")
    elif isinstance(divisor, int) and divisor == 0:
        raise RuntimeError("ZeroDivisionError")
    return made


INT_DIVISOR.by_value = True  # type: ignore[attr-defined]  # what it says depends on more than dtypes


def refusing(*kinds: str) -> Promotion:
    """SAME, with a RuntimeError for dtypes of the kinds named: "bool", "complex"."""

    def rule(op: Operator, arrays: tuple, attrs: dict) -> tuple:
        target = result_type(*arrays)
        if ("bool" in kinds and target is dtypes.bool_) or (
            "complex" in kinds and target.is_complex
        ):
            raise RuntimeError(
                f"{op.name}: not defined for {target.name} tensors; cast the input with .to(dtype) first"
            )
        return _cast(arrays, target)

    return rule


C_NAMES = {
    "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double", "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>", "int32": "int",
}  # fmt: skip


@functools.cache
def range_of(target: dtype) -> tuple[float, float]:
    """The least and the largest number that fits into a real dtype; below zero unsigned ones wrap round."""
    info = limits.finfo(target) if target.category == FLOAT else limits.iinfo(target)
    return info.min or -info.max, info.max


def fits(x: Any, target: dtype) -> bool:
    """Whether a dtype can hold a Python number; unsigned integers hold ints below zero modulo their range."""
    if isinstance(x, bool) or target.category == dtypes.COMPLEX or target is dtypes.bool_:
        return True
    if isinstance(x, complex):
        return x.imag == 0
    if target.category == FLOAT:
        return abs(x) <= range_of(target)[1] or x in (math.inf, -math.inf) or x != x
    low, high = range_of(target)
    low = 0 if isinstance(x, float) and not target.is_signed else low
    return low <= x <= high


def check_fits(x: Any, target: dtype) -> None:
    """RuntimeError for a Python number that a dtype cannot hold: too large, or complex among reals.

    Unsigned integers take what is below zero, modulo their range, as in PyTorch.
    """
    if type(x) is int:
        in_64_bits(x)
    if not fits(x, target):
        name = C_NAMES.get(target.name, f"{target.name}_t")
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")


def weight(attrs: dict, name: str, target: dtype) -> None:
    """Makes the number `attrs[name]` that is added to or multiplied with arrays one of their dtype, or refuses it."""
    x = attrs[name]
    check_fits(x, target)
    if target.category == dtypes.INT and not isinstance(x, bool):
        attrs[name] = wrapped(int(x), target)


def computed(target: dtype) -> dtype:
    """What numbers beside arrays of a dtype are read in where floats of two bytes are widened."""
    return dtypes.float32 if target.category == FLOAT and target.itemsize == 2 else target


def fitting(promote: Promotion, *widened: str) -> Promotion:
    """As `promote`; the static numbers must fit into what the inputs become, those `widened` into what it is computed in."""

    def rule(op: Operator, arrays: tuple, attrs: dict) -> tuple:
        made = promote(op, arrays, attrs)
        target = result_type(*made)
        for name, x in attrs.items():
            if isinstance(x, (int, float)):
                check_fits(x, computed(target) if name in widened else target)
        return made

    rule.by_value = getattr(promote, "by_value", False)  # type: ignore[attr-defined]
    return rule


KINDS = ("bool", "int", "float", "complex")  # by the number of their category


def check_kind(op: Operator, found: dtype) -> None:
    """NotImplementedError for a dtype of a kind that the operator does not accept."""
    if not op.takes(KINDS[found.category]):
        raise NotImplementedError(
            f'"{op.name}" not implemented for {found.name}; it takes {" and ".join(op.accepts.split())} dtypes'  # type: ignore[union-attr]
        )


def AS_GIVEN(op: Operator, arrays: tuple, attrs: dict) -> tuple:
    """Inputs as they are."""
    return arrays


def accepting(promote: Promotion) -> Promotion:
    """`promote`, then a refusal of dtypes of kinds that the operator does not name in `accepts=`."""

    def rule(op: Operator, arrays: tuple, attrs: dict) -> tuple:
        made = promote(op, arrays, attrs)
        for a in made:
            if isinstance(a, Tensor):
                check_kind(op, a.dtype)
                break
        return made

    rule.by_value = getattr(promote, "by_value", False)  # type: ignore[attr-defined]
    return rule


_FLOATS = (np.dtype("float32"), np.dtype("float64"))


def checked(op: Operator, body: Callable[..., Any]) -> Callable[..., Any]:
    """A composite's body behind the checks of its `numbers=` and `accepts=`."""

    # A float tensor as the only input is right where floats are; most calls are that.
    single = len(op.arrays) == 1 and op.arrays[0] == 0 and op.takes("float")

    @functools.wraps(body)
    def call(*args: Any, **kwargs: Any) -> Any:
        if single and args and getattr(getattr(args[0], "_array", None), "dtype", None) in _FLOATS:
            return body(*args, **kwargs)
        if op.numbers is not None:
            op.check_tensors(args, kwargs)
        if op.accepts is not None:
            arrays = _arrays_of(op, args, kwargs)
            if arrays:
                check_kind(op, result_type(*arrays))
        return body(*args, **kwargs)

    return call


def _arrays_of(op: Operator, args: tuple, kwargs: dict[str, Any]) -> list[Any]:
    given = [args[i] if i < len(args) else kwargs.get(op.params[i]) for i in op.arrays]
    return [x for x in given if isinstance(x, (Tensor, int, float, complex))]


HALVES = (dtypes.float16, dtypes.bfloat16)


def wide(op: Operator) -> Callable[..., Any]:
    """A composite's body with float16 and bfloat16 computed in float32, and the results rounded once.

    Without it every operator inside rounds. PyTorch's kernels keep what is between in float32.
    """
    body = op.body

    @functools.wraps(body)
    def call(*args: Any, **kwargs: Any) -> Any:
        for x in (*args, *kwargs.values()):
            if isinstance(x, Tensor) and x.dtype in HALVES:
                break
        else:
            return body(*args, **kwargs)
        narrow = result_type(*_arrays_of(op, args, kwargs))
        args = tuple([_widened(a) for a in args])
        kwargs = {name: _widened(a) for name, a in kwargs.items()}
        return _narrowed(body(*args, **kwargs), narrow)

    return call


def _widened(x: Any) -> Any:
    return x.to(dtypes.float32) if isinstance(x, Tensor) and x.dtype in HALVES else x


def _narrowed(made: Any, dtype: dtype) -> Any:
    if isinstance(made, Tensor):
        return made.to(dtype) if made.dtype is dtypes.float32 and dtype in HALVES else made
    return (
        type(made)(_narrowed(m, dtype) for m in made) if isinstance(made, (tuple, list)) else made
    )


def scaled(promote: Promotion) -> Promotion:
    """`promote`, and an `alpha` of a kind that the result can hold."""

    def rule(op: Operator, arrays: tuple, attrs: dict) -> tuple:
        made = promote(op, arrays, attrs)
        alpha = attrs["alpha"]
        if alpha == 1 and type(alpha) is int:
            return made
        target = result_type(*made)
        if isinstance(alpha, bool) and target.category != dtypes.BOOL:
            raise RuntimeError("Boolean alpha only supported for Boolean results.")
        if isinstance(alpha, (float, complex)) and target.category < FLOAT:
            raise RuntimeError(
                "For integral input tensors, argument alpha must not be a floating point number."
            )
        if isinstance(alpha, complex) and target.category == FLOAT:
            raise RuntimeError(
                "For non-complex input tensors, argument alpha must not be a complex number."
            )
        weight(attrs, "alpha", target)
        return made

    return rule


def only(*positions: int) -> Promotion:
    """SAME among the inputs at `positions`, the others left alone; Python numbers must fit."""

    def rule(op: Operator, arrays: tuple, attrs: dict) -> tuple:
        target = result_type(*(arrays[i] for i in positions))
        for i in positions:
            if not isinstance(arrays[i], Tensor):
                check_fits(arrays[i], target)
        return _cast(arrays, target, positions)

    return rule


def SAME_REQUIRED(op: Operator, arrays: tuple, attrs: dict) -> tuple:
    """Refuses inputs of different dtypes, as matrix products do."""
    first: Any = None
    for a in arrays:
        if isinstance(a, Tensor):
            if first is None:
                first = a.dtype
            elif a.dtype is not first:
                raise RuntimeError(
                    f"{op.name}: expected inputs of one dtype, but got "
                    f"{', '.join(str(x.dtype) for x in arrays if isinstance(x, Tensor))}"
                )
    return arrays
