"""CuPy's namespace, with the functions that operators need and CuPy lacks or spells elsewhere."""

from __future__ import annotations

from typing import Any

import cupy
from cupyx.scipy import special

erf, erfc, sigmoid = special.erf, special.erfc, special.expit

max, min, sum, all, any, abs, round = (
    cupy.max,
    cupy.min,
    cupy.sum,
    cupy.all,
    cupy.any,
    cupy.absolute,
    cupy.around,
)
pow = cupy.power


def __getattr__(name: str) -> Any:
    """CuPy's, kept from then on."""
    found = globals()[name] = getattr(cupy, name)
    return found


def rsqrt(x: Any) -> Any:
    """1 / sqrt(x)."""
    return cupy.reciprocal(cupy.sqrt(x))


def strided(x: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """A view of `x` with other shape and strides, all within its memory."""
    return cupy.lib.stride_tricks.as_strided(x, shape, strides)


def matmul(a: Any, b: Any) -> Any:
    """Matrix product. CuPy's batched product has no bfloat16; that goes through float32, the product's own precision."""
    if a.dtype.kind in "fc" or (a.ndim <= 2 and b.ndim <= 2):
        return cupy.matmul(a, b)
    if a.dtype.name == "bfloat16":
        return cupy.matmul(a.astype(cupy.float32), b.astype(cupy.float32)).astype(a.dtype)
    return cupy.matmul(a, b)
