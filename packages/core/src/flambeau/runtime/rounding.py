"""Exact fused multiply-add in NumPy, which has none: `fma(a, b, c)` rounds `a * b + c` once.

PyTorch's kernels are compiled with fused instructions, so the last bit of a scaled random number depends on it. The
sum is computed one format higher, or as a pair of doubles, and rounded to odd first: rounding twice is then exact
(Boldo and Melquiond, 2008). Overflow and subnormal results are not catered for: random numbers stay far from both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_SPLITTER = float(2**27 + 1)


def fma32(a: np.ndarray, b: float, c: float) -> np.ndarray:
    """`a * b + c` in float32, rounded once; `b` and `c` are taken as float32 numbers.

    >>> float(fma32(np.float32([1 + 2**-12]), 1 + 2**-12, -1.0)[0]) == 2**-11 + 2**-24
    True
    """
    product = np.multiply(a, np.float64(np.float32(b)), dtype=np.float64)  # 48 bits: exact
    high, low = _two_sum(product, np.float64(np.float32(c)))
    return _to_odd(high, low).astype(np.float32)


def fma64(a: np.ndarray, b: float, c: float) -> np.ndarray:
    """`a * b + c` in float64, rounded once."""
    high, low = _two_product(a, np.float64(b))
    third, fourth = _two_sum(np.float64(c), low)
    first, second = _two_sum(high, third)
    return first + _to_odd(*_two_sum(fourth, second))


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """The rounded sum and its exact error."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def _split(a: Any) -> tuple[Any, Any]:
    """Two halves of at most 26 bits that add up to `a`."""
    scaled = _SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


def _two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """The rounded product and its exact error."""
    product = a * b
    (a1, a0), (b1, b0) = _split(a), _split(b)
    return product, a0 * b0 - (((product - a1 * b1) - a0 * b1) - a1 * b0)


def _to_odd(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """`high + low` cut to a double whose last bit is 1 wherever the cut lost something."""
    bits = np.array(high, np.float64, ndmin=1).view(np.int64)
    lost = low != 0
    # Towards zero where the error points back to zero; then the lost part only needs the sticky last bit.
    bits = bits - (lost & ((low < 0) == (high > 0))).astype(np.int64)
    return np.where(lost, bits | 1, bits).view(np.float64).reshape(np.shape(high))
