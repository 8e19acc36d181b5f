"""CuPy's namespace, with the functions that operators need and CuPy lacks or spells elsewhere."""

from __future__ import annotations

from typing import Any

import cupy
import cupyx
from cupyx.scipy import special

from .. import factorizing
from . import ufuncs

at_hand = False  # looking at an array's numbers waits for the GPU
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


class _Lapack(factorizing.On):
    """Decompositions with what LAPACK reports about them; CuPy's own where it has them."""

    def cholesky(self, a: Any) -> tuple[Any, Any]:
        """(L, info): CuPy's, and a slow second look at what is not positive-definite, to say where."""
        with cupyx.errstate(linalg="raise"):
            try:
                return cupy.linalg.cholesky(a), cupy.zeros(a.shape[:-2], "int32")
            except ValueError:  # NumPy's LinAlgError is one
                return factorizing.cholesky(cupy, a)


lapack = _Lapack(cupy)


def __getattr__(name: str) -> Any:
    """CuPy's, kept from then on."""
    found = globals()[name] = getattr(cupy, name)
    return found


def signum(x: Any) -> Any:
    """CuPy's sign, of truth values themselves, and of NaN 0."""
    return x.copy() if x.dtype == bool else cupy.where(x == x, cupy.sign(x), 0).astype(x.dtype)


def rint(x: Any) -> Any:
    """CuPy's, and of integers themselves."""
    return cupy.rint(x) if x.dtype.kind not in "iu" else x.copy()


def power(a: Any, b: Any) -> Any:
    """CuPy's, and of integers with negative exponents the whole part of the result (0, 1 or -1)."""
    if getattr(b, "dtype", None) is None or b.dtype.kind != "i":
        return cupy.power(a, b)
    odd = cupy.where(b & 1, -1, 1)
    whole = cupy.where(cupy.equal(a, -1), odd, cupy.equal(a, 1))
    made = cupy.power(a, cupy.maximum(b, 0))
    return cupy.where(b < 0, whole, made).astype(made.dtype)


def fused(a: Any, b: float, c: float) -> Any:
    """a * b + c in float64, rounded once."""
    kernel = cupy.ElementwiseKernel(
        "float64 a, float64 b, float64 c", "float64 r", "r = fma(a, b, c)", "flambeau_fma"
    )  # CuPy keeps what it has compiled
    return kernel(a, b, c)


def rsqrt(x: Any) -> Any:
    """1 / sqrt(x)."""
    return cupy.reciprocal(cupy.sqrt(x))


def strided(x: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """A view of `x` with other shape and strides, all within its memory."""
    return cupy.lib.stride_tricks.as_strided(x, shape, strides)


def matmul(a: Any, b: Any, out: Any = None) -> Any:
    """Matrix product. CuPy's batched product has no bfloat16; that goes through float32, the product's own precision."""
    if a.dtype.name != "bfloat16" or (a.ndim <= 2 and b.ndim <= 2):
        return cupy.matmul(a, b, out=out)
    made = cupy.matmul(a.astype(cupy.float32), b.astype(cupy.float32)).astype(a.dtype)
    if out is None:
        return made
    out[...] = made
    return out


add, multiply = ufuncs.Add(cupy), ufuncs.Multiply(cupy)
maximum, minimum = ufuncs.Extreme(cupy, "maximum"), ufuncs.Extreme(cupy, "minimum")
logaddexp, logical_or = ufuncs.Ufunc(cupy, "logaddexp"), ufuncs.Ufunc(cupy, "logical_or")
bitwise_xor = ufuncs.Ufunc(cupy, "bitwise_xor")
