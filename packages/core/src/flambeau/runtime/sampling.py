"""Gamma, Dirichlet and binomial numbers: PyTorch's CPU numbers for the same seed.

How many random words an element takes depends on them, so that elements are drawn one after the other, 1 to 2 us each.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import numpy as np

from .._base.checks import check
from .generator import Generator
from .random import Shape, _bits, _narrowed, _Supply, default_generator


class _Numbers:
    """Uniform and normal float64 numbers in PyTorch's order: normals come in pairs, the second of which waits."""

    def __init__(self, generator: Generator, count: int) -> None:
        self._generator, self._waiting = generator, generator._normal
        self.unit = _Supply(generator, count)

    def normal(self) -> float:
        if self._waiting is not None:
            number, self._waiting = self._waiting, None
            return number
        angle, radius = self.unit(), self.unit()
        length = math.sqrt(-2.0 * math.log1p(-radius))
        angle *= 2.0 * math.pi
        self._waiting = length * math.sin(angle)
        return length * math.cos(angle)

    def settle(self) -> None:
        self.unit.settle()
        self._generator._normal = self._waiting


def _single(x: float) -> float:
    """The nearest float32 number."""
    return _FLOAT.unpack(_FLOAT.pack(x))[0] if abs(x) < _MOST else x


_FLOAT, _MOST = struct.Struct("f"), 3.4e38
# As PyTorch has them, in single precision.
_THIRD, _SQUEEZE = float(np.float32(1 / 3)), float(np.float32(0.0331))


def _gamma(alpha: float, numbers: _Numbers, rounded: Callable[[float], float]) -> float:
    """One number by Marsaglia and Tsang (2000): a transformed normal, of which few are refused.

    `rounded` is applied where PyTorch computes in the dtype of the concentrations.
    """
    scale = 1.0
    if alpha < 1.0:
        if alpha == 0.0:
            return 0.0
        scale = (1.0 - numbers.unit()) ** rounded(1.0 / alpha)
        alpha = rounded(alpha + 1.0)
    d = rounded(alpha - _THIRD)
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = numbers.normal()
        y = 1.0 + c * x
        if y <= 0.0:
            continue
        v, u, xx = y * y * y, 1.0 - numbers.unit(), x * x
        if u < 1.0 - _SQUEEZE * xx * xx or math.log(u) < 0.5 * xx + d * (1.0 - v + math.log(v)):
            return scale * d * v


def _gammas(
    generator: Generator | None,
    concentrations: np.ndarray,
    rounded: Callable[[float], float] = float,
) -> np.ndarray:
    generator = generator or default_generator
    flat = concentrations.astype(np.float64).ravel().tolist()
    made = [math.nan] * len(flat)
    with generator._lock:
        numbers = _Numbers(generator, 3 * len(flat) + 16)
        for i, alpha in enumerate(flat):
            if 0 <= alpha < math.inf:
                made[i] = _gamma(alpha, numbers, rounded)
        numbers.settle()
    return np.array(made, np.float64)


def standard_gamma(
    generator: Generator | None, concentrations: np.ndarray, shape: Shape, dtype: np.dtype
) -> np.ndarray:
    """Gamma-distributed numbers of rate 1; `concentrations` has `shape`.

    >>> bool(standard_gamma(None, np.array([3.0]), (1,), np.dtype("float32")) > 0)
    True
    """
    dtype = np.dtype(dtype)
    _bits(dtype, "gamma")
    rounded = _single if dtype.name == "float32" else float
    made = np.maximum(_gammas(generator, concentrations, rounded), _tiny(dtype))
    return _narrowed(made, dtype).reshape(shape)


def dirichlet(
    generator: Generator | None, concentrations: np.ndarray, shape: Shape, dtype: np.dtype
) -> np.ndarray:
    """Vectors along the last dimension that add up to 1, kept off 0 and 1."""
    dtype = np.dtype(dtype)
    _bits(dtype, "dirichlet")
    # Where all of a vector underflow, they are equal parts.
    gammas = np.maximum(_gammas(generator, concentrations), np.finfo(np.float64).tiny)
    gammas = gammas.reshape(shape)
    made = _narrowed(gammas / gammas.sum(-1, keepdims=True), dtype)
    below_one = 1 - 2.0 ** -(_bits(dtype, "dirichlet") if dtype.name != "bfloat16" else 8)
    return np.clip(made, _tiny(dtype), below_one).astype(dtype, copy=False)


def _tiny(dtype: np.dtype) -> float:
    if dtype.name == "bfloat16":
        return 2.0**-126
    return float(np.finfo(dtype).tiny)


def binomial(
    generator: Generator | None,
    counts: np.ndarray,
    probs: np.ndarray,
    shape: Shape,
    dtype: np.dtype,
) -> np.ndarray:
    """Numbers of successes; `counts` and `probs` have `shape`.

    >>> binomial(None, np.array([4.0]), np.array([1.0]), (1,), np.dtype("float32")).tolist()
    [4.0]
    """
    dtype = np.dtype(dtype)
    _bits(dtype, "binomial_cpu")
    generator = generator or default_generator
    count_list = counts.astype(np.float64).ravel().tolist()
    prob_list = probs.astype(np.float64).ravel().tolist()
    check(all(n >= 0 for n in count_list), lambda: "binomial: expected counts of 0 or more")
    with generator._lock:
        supply = _Supply(generator, 4 * len(count_list) + 16)
        rounded = _single if dtype.name == "float32" else float
        made = [_binomial(n, p, supply, rounded) for n, p in zip(count_list, prob_list)]
        supply.settle()
    return np.array(made, np.float64).astype(dtype).reshape(shape)


def _binomial(
    count: float, prob: float, unit: Callable[[], float], rounded: Callable[[float], float]
) -> float:
    """One number, of successes or of failures, whichever are rarer; `rounded` as for gamma numbers."""
    if prob != prob:
        return math.nan
    if count <= 0 or prob <= 0:
        return 0.0
    if prob >= 1:
        return count
    rare = prob if prob <= 0.5 else rounded(1.0 - prob)
    made = (_rejected if count * rare >= 10.0 else _waited)(count, rare, unit, rounded)
    return made if prob <= 0.5 else count - made


def _waited(
    count: float, prob: float, unit: Callable[[], float], _: Callable[[float], float]
) -> float:
    """By the geometric numbers of trials from success to success."""
    log_fail, trials, successes = math.log1p(-prob), 0.0, 0.0
    while True:
        u = unit()
        trials += math.ceil(math.log(u) / log_fail) if u else math.inf
        if trials > count:
            return successes
        successes += 1


def _rejected(
    count: float, prob: float, unit: Callable[[], float], rounded: Callable[[float], float]
) -> float:
    """W. Hormann, The generation of binomial random variates (1993), algorithm BTRS."""
    spread = rounded(math.sqrt(count * prob * (1 - prob)))
    b = rounded(1.15 + 2.53 * spread)
    a = rounded(-0.0873 + 0.0248 * b + 0.01 * prob)
    c, accepted = rounded(count * prob + 0.5), rounded(0.92 - 4.2 / b)
    odds, alpha = rounded(prob / (1 - prob)), rounded((2.83 + 5.1 / b) * spread)
    mode = rounded(math.floor((count + 1) * prob))
    while True:
        u, v = unit() - 0.5, unit()
        us = 0.5 - abs(u)
        if not us:
            continue
        k = math.floor((2 * a / us + b) * u + c)
        if us >= 0.07 and v <= accepted:
            return k
        if k < 0 or k > count:
            continue
        left = math.log(v * alpha / (a / (us * us) + b)) if v else -math.inf
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (odds * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - k + 1))
            + (k + 0.5) * math.log(odds * (count - k + 1) / (k + 1))
            + _stirling_tail(mode)
            + _stirling_tail(count - mode)
            - _stirling_tail(k)
            - _stirling_tail(count - k)
        )
        if left <= bound:
            return k


# log k! minus Stirling's formula for it, (k + 1/2) log(k + 1) - (k + 1) + log(2 pi) / 2.
_TAILS = [
    math.lgamma(k + 1) - ((k + 0.5) * math.log(k + 1) - (k + 1) + 0.5 * math.log(2 * math.pi))
    for k in range(10)
]


def _stirling_tail(k: float) -> float:
    if k <= 9:
        return _TAILS[int(k)]
    square = (k + 1) ** 2
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)
