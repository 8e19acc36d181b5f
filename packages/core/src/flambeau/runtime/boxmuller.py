"""Box-Muller as PyTorch's x86 kernel computes it in float32, to the last bit, and in float64.

`normal_` on 16 or more numbers works on blocks: eight uniforms give radii, the next eight give angles. In float32 the
logarithm, sine and cosine are the Cephes polynomials (Moshier), evaluated with fused multiply-adds in the order that
PyTorch's compiler chose. Equality holds only if each step rounds as there, so each step here is one line.

NumPy has no fused multiply-add: a product of two float32 numbers is exact in float64, so the sum is made there and
rounded to float32. That rounds twice, which differs from once for about one step in 2**29; all 2**24 values that the
generator can put into either half were compared with real fused instructions (see docs/random.md for the outcome).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .rounding import fma32, fma64

BLOCK = 16
HALF = BLOCK // 2
_CHUNK = (
    1024  # blocks at a time: the scratch arrays (64 KiB each) then stay in the second-level cache
)


def _single(*numbers: float) -> tuple[float, ...]:
    """Numbers as float32 has them."""
    return tuple(np.array(numbers, np.float32).tolist())


_LOG = _single(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
               -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)  # fmt: skip
_SIN = _single(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COS = _single(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_LN2_LOW, _LN2_HIGH = np.float32(-2.12194440e-4), 0.693359375
_QUARTER_PI = _single(-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)
_SQRT_HALF = np.float32(0.707106781186547524)
_TWO_PI = np.float32(2 * math.pi)
_FOUR_OVER_PI = np.float32(1.27323954473516)


def blocks32(uniforms: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Normal float32 numbers from as many uniform ones in [0, 1); the length is a multiple of 16."""
    out = np.empty((uniforms.size // BLOCK, 2, HALF), np.float32)
    source = uniforms.reshape(out.shape)
    for start in range(0, len(out), _CHUNK):
        part, into = source[start : start + _CHUNK], out[start : start + _CHUNK]
        radius = np.sqrt(np.float32(-2) * log32(np.float32(1) - part[:, 0]))
        sine, cosine = sincos32(_TWO_PI * part[:, 1])
        np.multiply(radius, cosine, out=into[:, 0])
        np.multiply(radius, sine, out=into[:, 1])
    return scaled(out.reshape(-1), mean, std, fma32)


def blocks64(uniforms: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Normal float64 numbers from as many uniform ones in [0, 1); the length is a multiple of 16.

    The C library's functions, as in PyTorch: NumPy's own vector code differs from them in the last bit now and then.
    """
    pairs = uniforms.reshape(-1, 2, HALF)
    radius = np.sqrt(-2 * c_library(math.log, 1 - pairs[:, 0]))
    angle = 2 * math.pi * pairs[:, 1]
    out = np.stack((radius * c_library(math.cos, angle), radius * c_library(math.sin, angle)), 1)
    return scaled(out.reshape(-1), mean, std, fma64)


def pairs64(uniforms: np.ndarray) -> np.ndarray:
    """Standard normal float64 numbers, two from each row of two uniforms: how PyTorch draws fewer than 16."""
    radius = np.sqrt(-2 * c_library(math.log1p, -uniforms[:, 1]))
    angle = 2 * math.pi * uniforms[:, 0]
    return np.stack(
        (radius * c_library(math.cos, angle), radius * c_library(math.sin, angle)), 1
    ).reshape(-1)


def c_library(function: Callable[[float], float], values: np.ndarray) -> np.ndarray:
    """`function` of `math` for each element: 60 ns each, where only the C library's own bits will do."""
    return np.fromiter(map(function, values.ravel().tolist()), np.float64, values.size).reshape(
        values.shape
    )


def scaled(
    standard: np.ndarray, mean: float, std: float, fma: Callable[..., np.ndarray]
) -> np.ndarray:
    """`standard * std + mean`, rounded once."""
    if mean == 0:
        return standard if std == 1 else standard * standard.dtype.type(std)
    return standard + standard.dtype.type(mean) if std == 1 else fma(standard, std, mean)


def _horner(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    """A polynomial in float32, highest power first, one rounding a step; `x` comes as float64."""
    total = x * coefficients[0]
    rounded = np.empty(x.shape, np.float32)
    for coefficient in coefficients[1:-1]:
        total += coefficient
        rounded[...] = total
        total[...] = rounded  # casts of whole arrays are faster than products of mixed types
        total *= x
    total += coefficients[-1]
    rounded[...] = total
    return rounded


def _fused(a: np.ndarray, b: np.ndarray | float, c: np.ndarray) -> np.ndarray:
    """`a * b + c` of float32 numbers, rounded to float32 (almost always as if once); `b` comes as float64."""
    wide = a.astype(np.float64)
    wide *= b
    wide += c
    return wide.astype(np.float32)


def log32(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of float32 numbers in [2**-126, 1], by Cephes' `logf`."""
    bits = x.view(np.int32)
    fraction = ((bits & 0x007FFFFF) | 0x3F000000).view(np.float32)  # in [1/2, 1)
    low = fraction < _SQRT_HALF
    exponent = (bits >> 23).astype(np.float32)
    exponent -= np.float32(126)
    exponent -= low
    f = np.where(low, fraction, np.float32(0))
    f += fraction
    f -= np.float32(1)
    square = f * f
    y = _horner(_LOG, f.astype(np.float64))
    y *= f
    y = _fused(y, square.astype(np.float64), exponent * _LN2_LOW)
    square *= np.float32(0.5)
    y -= square
    y += f
    return _fused(exponent, _LN2_HIGH, y)


def sincos32(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of float32 numbers in [0, 2 pi], by Cephes' `sinf` and `cosf`."""
    octant = (x * _FOUR_OVER_PI).astype(np.int32)
    octant += 1
    octant &= ~1
    turns = octant.astype(np.float32)
    for part in _QUARTER_PI:
        x = _fused(turns, part, x)
    square = x * x
    wide = square.astype(np.float64)
    cosine = _horner(_COS, wide)
    cosine *= square
    cosine = _fused(cosine, wide, square * np.float32(-0.5))
    cosine += np.float32(1)
    sine = _horner(_SIN, wide)
    sine *= square
    sine = _fused(sine, x.astype(np.float64), x)
    swapped = (octant & 2) != 0
    return (
        _signed(np.where(swapped, cosine, sine), octant),
        _signed(np.where(swapped, sine, cosine), octant + 2),
    )


def _signed(value: np.ndarray, octant: np.ndarray) -> np.ndarray:
    """`value`, negated where the octant is 4 to 7 modulo 8."""
    value += np.float32(
        0
    )  # -0 becomes 0 first, as where the two polynomials are merged by an addition
    bits = value.view(np.int32)
    bits ^= (octant & 4) << 29
    return value
