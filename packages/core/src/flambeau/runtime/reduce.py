"""What is derived from a reduction's combine rule: dimensions, the kernel, the shape, batching."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._base.checks import wrap_dims
from .operator import Operator


class Combine:
    """How a reduction folds: `numpy` is the array function, `scalar` the binary scalar function that C folds with,
    `init` its neutral element (None: there is none, and reducing nothing is an error)."""

    __slots__ = ("init", "numpy", "scalar")

    def __init__(self, numpy: str, scalar: str, init: float | bool | None) -> None:
        self.numpy, self.scalar, self.init = numpy, scalar, init


# Sums of two-byte floats are accumulated in float32 and rounded once, as PyTorch's are.
_ROUNDING, _SHORT = ("sum", "prod"), ("float16", "bfloat16")


_UFUNCS: dict[str, Any] = {
    "sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum, "amax": np.maximum,
    "amin": np.minimum, "any": np.logical_or, "all": np.logical_and,
}  # fmt: skip
_PLAIN = (np.dtype("float32"), np.dtype("float64"), np.dtype("int64"))


class ReductionKernel:
    """The reference kernel of one reduction, with PyTorch's reading of `dim` and `keepdim`."""

    def __init__(self, op: Operator) -> None:
        self.op = op
        self.combine: Combine = op.body(**dict.fromkeys(op.params))
        self.ufunc = _UFUNCS[self.combine.numpy]
        # Dtypes whose results the ufunc gives as PyTorch has them.
        self.kinds = (*_PLAIN, np.dtype(bool)) if callable(op.result) else _PLAIN

    def __call__(self, xp: Any, x: Any, *, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
        combine = self.combine
        n = x.ndim
        if x.size and n and type(x) is np.ndarray and x.dtype in self.kinds:
            if dim == ():
                dim = None
            if dim is None or (type(dim) is int and -n <= dim < n) or _distinct(dim, n):
                return self.ufunc.reduce(x, dim, None, None, bool(keepdim))  # what fold ends in
        dims = wrap_dims(dim, n)
        if combine.init is None and x.size == 0:
            if dim is None or dim == ():
                raise RuntimeError(
                    f"{self.op.name}(): Expected reduction dim to be specified for input.numel() == 0. "
                    "Specify the reduction dim with the 'dim' argument."
                )
            empty = [d for d in dims if x.ndim and x.shape[d] == 0]
            if empty or not x.ndim:
                raise IndexError(
                    f"{self.op.name}(): Expected reduction dim {empty[0]} to have non-zero size."
                )
        if x.ndim == 0:
            dims = ()
        result = self.op.result
        fold = getattr(xp, combine.numpy)
        # The name of a dtype takes NumPy 2 us to find.
        if x.dtype.itemsize == 2 and combine.numpy in _ROUNDING and x.dtype.name in _SHORT:
            made = fold(x, axis=dims, keepdims=bool(keepdim), dtype="float32")
        else:
            made = fold(x, axis=dims, keepdims=bool(keepdim))
        expected = result(x.dtype) if callable(result) else x.dtype
        return made if made.dtype == expected else made.astype(expected)


def _distinct(dim: Any, n: int) -> bool:
    """Whether `dim` is a tuple of ints that name dimensions of `n`, none of them twice."""
    if type(dim) is not tuple:
        return False
    seen = set()
    for d in dim:
        if type(d) is not int or not -n <= d < n:
            return False
        seen.add(d % n)
    return len(seen) == len(dim)


def reduced_shape(shape: tuple[int, ...], dim: Any, keepdim: bool) -> tuple[int, ...]:
    """The shape left after reducing `dim`."""
    dims = wrap_dims(dim, len(shape))
    if keepdim:
        return tuple(1 if i in dims else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in dims)
