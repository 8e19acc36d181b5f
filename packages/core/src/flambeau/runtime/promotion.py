"""How operators unify the dtypes of their inputs. Python numbers are weak, 0-d tensors nearly so, as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base import dtypes
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
        return float(x)
    if target.category == dtypes.INT and isinstance(x, bool):
        return int(x)
    return x


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
    elif type(divisor) is int and divisor == 0:
        raise RuntimeError("ZeroDivisionError")
    return made


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


def only(*positions: int) -> Promotion:
    """SAME among the inputs at `positions`, the others left alone."""

    def rule(op: Operator, arrays: tuple, attrs: dict) -> tuple:
        return _cast(arrays, result_type(*(arrays[i] for i in positions)), positions)

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
