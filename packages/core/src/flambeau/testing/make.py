"""Random tensors for tests."""

from __future__ import annotations

import math
import warnings
from typing import Any

from .._base import dtypes
from .._base.limits import finfo, iinfo
from ..ops import random as draws
from ..ops.creation import size_of
from ..runtime.tensor import Tensor


def make_tensor(
    *shape: Any,
    dtype: dtypes.dtype,
    device: Any = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of random numbers in [low, high): by default [-9, 9) for floats and complex numbers' parts, [0, 10) for
    unsigned and [-9, 10) for signed integers, [0, 2) for booleans.

    - `low` and `high` are held within what the dtype can represent; ValueError if they are NaN, in the wrong order, or both
      outside of it.
    - `noncontiguous` takes every second element of a larger tensor, where there are two elements or more;
      `memory_format` lays the tensor out; only one of both.
    - `exclude_zero` puts the smallest positive normal number, 1 for integers, in the place of zeros.

    >>> import flambeau
    >>> flambeau.testing.make_tensor(3, dtype=flambeau.float32).shape
    flambeau.Size([3])
    """
    size = tuple(size_of(shape))
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, "
            f"but got noncontiguous={noncontiguous} and memory_format={memory_format}"
        )
    whole = dtype.category < dtypes.FLOAT
    if requires_grad and whole:
        raise ValueError(
            f"`requires_grad=True` is not supported for boolean and integral dtypes, but got dtype={dtype}"
        )
    noncontiguous = noncontiguous and math.prod(size) > 1
    if noncontiguous:
        size = (*size[:-1], 2 * size[-1])
    first, last = _range(dtype, low, high)
    made = (
        draws.randint(int(first), int(last), size, dtype=dtype, device=device)
        if whole
        else _uniform(size, dtype, device, first, last)
    )
    if noncontiguous:
        made = made[..., 1::2]
    elif memory_format is not None:
        made = made.clone(memory_format=memory_format)
    if exclude_zero:
        made[made == 0] = 1 if whole else finfo(dtype).tiny
    return made.requires_grad_(requires_grad) if not whole else made


def _uniform(size: Any, dtype: dtypes.dtype, device: Any, low: float, high: float) -> Tensor:
    if dtype.is_complex:
        real = {"complex128": dtypes.float64, "complex64": dtypes.float32}.get(dtype.name)
        if real is None:
            raise _unsupported(dtype)
        from ..ops.complex import view_as_complex

        return view_as_complex(_uniform((*size, 2), real, device, low, high))
    wide = dtypes.float64 if dtype is dtypes.float64 else dtypes.float32
    # Not low + draw * (high - low), whose span overflows for the whole range of a dtype.
    drawn = draws.rand(size, dtype=wide, device=device)
    made = low * (1 - drawn) + high * drawn
    # Rounding may reach `high`, which is excluded, and go beyond what the narrower dtype holds.
    return made.clamp(low, high).to(dtype)


def _range(dtype: dtypes.dtype, low: float | None, high: float | None) -> tuple[float, float]:
    """The given bounds, or the dtype's usual ones, within what it can represent."""
    least: float
    most: float
    usual: tuple[float, float]
    if dtype is dtypes.bool_:
        least, most, usual = 0, 2, (0, 2)
    elif dtype.category < dtypes.FLOAT:
        info = iinfo(dtype)
        least, most = info.min, info.max + (dtype.name not in ("int64", "uint64"))
        usual = (-9, 10) if dtype.is_signed else (0, 10)
    else:
        limits = finfo(dtype)
        least, most, usual = limits.min, limits.max, (-9, 9)
    low, high = usual[0] if low is None else low, usual[1] if high is None else high
    if any(isinstance(v, float) and math.isnan(v) for v in (low, high)):
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={low} and high={high}")
    if low == high and dtype.category >= dtypes.FLOAT:
        warnings.warn(
            "Passing `low==high` to `make_tensor` for floating or complex types is deprecated. "
            "Use `full(...)` instead.",
            FutureWarning,
            stacklevel=4,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < least or low >= most:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), "
            f"but {dtype} only supports [{least}, {most})"
        )
    low, high = min(max(low, least), most), min(max(high, least), most)
    return (math.ceil(low), math.ceil(high)) if dtype.category < dtypes.FLOAT else (low, high)


def _unsupported(dtype: dtypes.dtype) -> TypeError:
    return TypeError(f"The requested dtype '{dtype}' is not supported by testing.make_tensor().")
