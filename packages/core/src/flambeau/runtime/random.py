"""Random arrays, number for number those of PyTorch's CPU generator for the same seed.

Each function takes a `Generator` (None: the default one), holds its lock while it takes words from it, and returns a
fresh NumPy array. What must agree with PyTorch is not only the numbers but how many words are taken for them, so that
a program that mixes draws stays in step; docs/random.md says for each function how exact the numbers are.

It refuses dtypes and ranges that PyTorch refuses, with the same error class. There is no loop over elements here:
NumPy makes the words and does the arithmetic, and where only the C library's own bits will do, `map` calls it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from .._base.checks import Shape, check, fail
from . import boxmuller, state
from .generator import Generator
from .permutation import swapped_in_turn
from .rounding import fma32, fma64

__all__ = [
    "Generator", "bernoulli", "cauchy", "default_generator", "dropout_mask", "exponential", "geometric",
    "get_rng_state", "initial_seed", "log_normal", "manual_seed", "multinomial", "normal", "poisson", "randint", "random",
    "randperm", "seed", "set_rng_state", "uniform",
]  # fmt: skip

# From this range on, 64 bits are drawn for an integer: the skew of a 32-bit remainder would pass 5 %.
WIDE_RANGE = 2**28
# PyTorch draws 64 bits a swap from this length on, and builds the permutation from the inside out.
_LONG_PERMUTATION = (2**32 - 1) // 20
_INT64 = np.iinfo(np.int64)
_MANTISSA = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
_C_NAMES = {"uint8": "unsigned char", "int8": "signed char", "int16": "short", "int32": "int", "int64": "long",
            "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double"}  # fmt: skip

default_generator = Generator()
default_generator._seed = None  # taken from the operating system when first asked for


def manual_seed(seed: int) -> Generator:
    """Starts the default generator's stream of `seed`, and returns that generator.

    >>> manual_seed(0).initial_seed()
    0
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Starts the default generator from a seed of the operating system; returns that seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator was started with."""
    return default_generator.initial_seed()


def get_rng_state() -> np.ndarray:
    """The default generator's 5056 state bytes."""
    return default_generator._get_bytes()


def set_rng_state(new_state: np.ndarray) -> None:
    """Lets the default generator go on from such bytes."""
    default_generator._set_bytes(new_state)


def uniform(
    generator: Generator | None, shape: Shape, dtype: np.dtype, low: float = 0.0, high: float = 1.0
) -> np.ndarray:
    """Floating numbers in [low, high): 24 random bits for each (53 for float64).

    >>> float(uniform(Generator().manual_seed(0), (1,), np.dtype("float32"))[0])
    0.49625658988952637
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        return _as_complex(uniform(generator, (*shape, 2), _real(dtype), low, high), dtype)
    bits = _bits(dtype, "check_uniform_bounds")
    check(
        low <= high,
        lambda: (
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}"
        ),
    )
    largest = _largest(dtype)
    check(-largest <= low <= largest, lambda: f"from is out of bounds for {_c_name(dtype)}")
    check(-largest <= high <= largest, lambda: f"to is out of bounds for {_c_name(dtype)}")
    check(
        high - low <= largest,
        lambda: (
            f"uniform_ expects to-from <= the largest {_c_name(dtype)}, but found to={high:g} and from={low:g} "
            "which result in to-from to exceed the limit"
        ),
    )
    count = math.prod(shape)
    if bits == 53:
        values = _scaled64(_unit64(generator, count), low, high)
        return (
            np.where(values == high, low, values).reshape(shape)
            if low < high
            else values.reshape(shape)
        )
    values = _scaled32(_unit32(generator, count), low, high).astype(dtype, copy=False)
    if (
        low != 0 or bits != 24
    ):  # rounding may have reached the upper bound, which is not in the range
        values[values == dtype.type(high)] = dtype.type(low)
    return values.reshape(shape)


def normal(
    generator: Generator | None,
    shape: Shape,
    dtype: np.dtype,
    mean: float = 0.0,
    std: float = 1.0,
    contiguous: bool = True,
) -> np.ndarray:
    """Numbers of the normal distribution, by Box and Muller's method.

    Sixteen or more are made in blocks, fewer one by one in double precision, of which every second is kept for the
    next call; PyTorch fills non-contiguous tensors of any size in the second way (`contiguous=False`).

    >>> float(normal(Generator().manual_seed(0), (1,), np.dtype("float32"))[0])
    1.5409960746765137
    """
    dtype = np.dtype(dtype)
    check(std >= 0, lambda: f"normal expects std >= 0.0, but found std {std:g}")
    if dtype.kind == "c":
        return _as_complex(
            normal(generator, (*shape, 2), _real(dtype), mean, std / math.sqrt(2), contiguous),
            dtype,
        )
    bits = _bits(dtype, "normal_kernel_cpu")
    generator = generator or default_generator
    count = math.prod(shape)
    if count < boxmuller.BLOCK or not contiguous:
        return _narrowed(
            boxmuller.scaled(_standard_normals(generator, count), mean, std, fma64), dtype
        ).reshape(shape)
    unit, blocks = (_unit64, boxmuller.blocks64) if bits == 53 else (_unit32, boxmuller.blocks32)
    tail = count % boxmuller.BLOCK
    with generator._lock:
        # PyTorch fills all of a float32 or float64 tensor before it draws the last block anew.
        first = unit(generator, count if dtype.itemsize >= 4 else count - tail)[: count - tail]
        last = unit(generator, boxmuller.BLOCK) if tail else first[:0]
    made = blocks(np.concatenate((first, last)) if tail else first, mean, std)
    values = np.empty(count, dtype)
    values[: count - tail] = made[: count - tail]
    if tail:
        values[-boxmuller.BLOCK :] = made[-boxmuller.BLOCK :]
    return values.reshape(shape)


def randint(
    generator: Generator | None, low: int, high: int, shape: Shape, dtype: np.dtype
) -> np.ndarray:
    """Whole numbers in [low, high), of any real dtype.

    >>> randint(Generator().manual_seed(0), 0, 10, (5,), np.dtype("int64")).tolist()
    [4, 9, 3, 0, 3]
    """
    dtype = np.dtype(dtype)
    _check_randint_dtype(dtype)
    check(
        _INT64.min <= low and high <= _INT64.max,
        lambda: f"randint: [{low}, {high}) does not fit into 64 bits",
        ValueError,
    )
    check(
        low < high,
        lambda: f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}",
    )
    if dtype.name in _MANTISSA:
        low, high = _up_to_representable(low, dtype), _down_to_representable(high, dtype)
        check(
            low < high,
            lambda: (
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
                f"but got from={low} >= to={high}"
            ),
        )
    _check_bounds(low, high - 1, dtype)
    return _integers(generator, high - low, low, shape, dtype)


def random(
    generator: Generator | None,
    shape: Shape,
    dtype: np.dtype,
    low: int | None = None,
    high: int | None = None,
) -> np.ndarray:
    """What `Tensor.random_` draws: [low, high), or [low, the largest], or all non-negative values of the dtype.

    Floating dtypes stop at 2 to the number of their mantissa bits, where whole numbers begin to be left out.

    >>> random(Generator().manual_seed(0), (3,), np.dtype("uint8")).tolist()
    [172, 47, 117]
    """
    dtype = np.dtype(dtype)
    _check_randint_dtype(dtype)
    if high is not None:
        return randint(generator, low or 0, high, shape, dtype)
    if low is None:
        return _all_values(generator, shape, dtype)
    if low == _INT64.min:
        words = _words(generator, math.prod(shape), wide=True)
        return words.view(np.int64).astype(dtype).reshape(shape)
    if dtype.name in _MANTISSA:
        low, last = _up_to_representable(low, dtype), 2 ** _MANTISSA[dtype.name]
        check(
            low < last,
            lambda: (
                f"random_ expects 'from' to be below 2**mantissa bits, but got from={low} > {last}"
            ),
        )
    else:
        last = 1 if dtype.kind == "b" else min(np.iinfo(dtype).max, _INT64.max)
    _check_bounds(low, last, dtype)
    return _integers(generator, last - low + 1, low, shape, dtype)


def randperm(generator: Generator | None, n: int, dtype: np.dtype) -> np.ndarray:
    """A permutation of 0, 1, ..., n - 1.

    >>> randperm(Generator().manual_seed(0), 4, np.dtype("int64")).tolist()
    [0, 1, 3, 2]
    """
    dtype = np.dtype(dtype)
    check(n >= 0, lambda: f"randperm: expected n to be non-negative, but got {n}")
    _check_holds_range(n, dtype)
    if n < _LONG_PERMUTATION:
        words = _words(generator, max(n - 1, 0))
        first = np.arange(words.size)
        second = first + (words % (n - first).astype(np.uint32))
    else:
        words = _words(generator, n, wide=True)
        first = np.arange(n)
        second = (words % (first + 1).astype(np.uint64)).astype(np.int64)
    return swapped_in_turn(n, first, second).astype(dtype, copy=False)


def bernoulli(
    generator: Generator | None, p: float | np.ndarray, shape: Shape, dtype: np.dtype
) -> np.ndarray:
    """Ones with probability `p` (a number, or an array that broadcasts to `shape`), else zeros.

    A number and a float64 array take 53 random bits for each element, other arrays 24, as in PyTorch.

    >>> bernoulli(Generator().manual_seed(0), 0.5, (6,), np.dtype("float32")).tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    """
    dtype = np.dtype(dtype)
    count = math.prod(shape)
    if not isinstance(p, np.ndarray):
        _refuse_complex(dtype, "bernoulli_scalar_cpu_")
        check(0 <= p <= 1, lambda: f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
        return (_unit64(generator, count) < p).astype(dtype).reshape(shape)
    _refuse_complex(dtype, "bernoulli_tensor_cpu_self_")
    bits = _bits(p.dtype, "bernoulli_tensor_cpu_p_")
    check(
        p.size == 0 or bool(np.all((p >= 0) & (p <= 1))),
        lambda: "bernoulli: expected every probability to be in [0, 1], but got one outside of it",
    )
    if bits == 53:
        return (_unit64(generator, count).reshape(shape) < p).astype(dtype)
    return (_unit32(generator, count).reshape(shape) < p.astype(np.float32, copy=False)).astype(
        dtype
    )


def dropout_mask(
    generator: Generator | None, p: float, shape: Shape, dtype: np.dtype
) -> np.ndarray:
    """What dropout with probability `p` multiplies by: 0, or 1 / (1 - p).

    >>> dropout_mask(Generator().manual_seed(0), 0.5, (6,), np.dtype("float32")).tolist()
    [0.0, 0.0, 2.0, 0.0, 0.0, 0.0]
    """
    check(
        0 <= p <= 1,
        lambda: f"dropout probability has to be between 0 and 1, but got {p:g}",
    )
    mask = bernoulli(generator, 1 - p, shape, dtype)
    if p == 1:
        return mask
    wide = np.dtype(np.float32) if mask.dtype.itemsize == 2 else mask.dtype
    return (mask.astype(wide, copy=False) / wide.type(1 - p)).astype(mask.dtype, copy=False)


def exponential(
    generator: Generator | None, rate: float, shape: Shape, dtype: np.dtype
) -> np.ndarray:
    """Waiting times of an event that happens `rate` times per unit of time.

    >>> float(exponential(Generator().manual_seed(0), 1.0, (1,), np.dtype("float64"))[0])
    3.508326186707642
    """
    dtype = np.dtype(dtype)
    check(
        _floats(dtype),
        lambda: (
            "Exponential distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {dtype.name}"
        ),
    )
    check(rate > 0, lambda: f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")
    values = -_unit64(generator, math.prod(shape))
    logs = _accurate(math.log1p, np.log1p, values, dtype)
    return _narrowed((-1.0 / rate) * logs, dtype).reshape(shape)


def geometric(generator: Generator | None, p: float, shape: Shape, dtype: np.dtype) -> np.ndarray:
    """How often one must try until an event of probability `p` happens.

    >>> geometric(Generator().manual_seed(0), 0.5, (4,), np.dtype("int64")).tolist()
    [1, 1, 2, 1]
    """
    dtype = np.dtype(dtype)
    _refuse_complex(dtype, "geometric_cpu")
    check(0 < p < 1, lambda: f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    with np.errstate(divide="ignore"):
        logs = np.log(_unit64(generator, math.prod(shape)))
    return _narrowed(np.ceil(logs / math.log1p(-p)), dtype).reshape(shape)


def cauchy(
    generator: Generator | None, median: float, sigma: float, shape: Shape, dtype: np.dtype
) -> np.ndarray:
    """Numbers of the Cauchy distribution around `median` with half width `sigma`."""
    dtype = np.dtype(dtype)
    _bits(dtype, "cauchy_cpu")
    check(sigma > 0, lambda: f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    angle = math.pi * (_unit64(generator, math.prod(shape)) - 0.5)
    return _narrowed(fma64(boxmuller.c_library(math.tan, angle), sigma, median), dtype).reshape(
        shape
    )


def log_normal(
    generator: Generator | None, mean: float, std: float, shape: Shape, dtype: np.dtype
) -> np.ndarray:
    """Numbers whose logarithm is normal with `mean` and `std`."""
    dtype = np.dtype(dtype)
    _bits(dtype, "log_normal_cpu")
    check(std > 0, lambda: f"log_normal_ expects std > 0.0, but found std={std:g}")
    logs = fma64(_standard_normals(generator or default_generator, math.prod(shape)), std, mean)
    return _narrowed(boxmuller.c_library(math.exp, logs), dtype).reshape(shape)


def poisson(
    generator: Generator | None, rates: np.ndarray, shape: Shape, dtype: np.dtype
) -> np.ndarray:
    """How often events happened that are expected `rates` times; `rates` has `shape`.

    How many random numbers an element takes depends on them, so that the elements are drawn one after the other.

    >>> poisson(Generator().manual_seed(0), np.array([3.0, 50.0]), (2,), np.dtype("float32")).tolist()
    [6.0, 47.0]
    """
    dtype = np.dtype(dtype)
    _bits(dtype, "poisson_cpu")
    generator = generator or default_generator
    flat = rates.astype(np.float64).reshape(-1)
    check(
        bool(np.all(flat >= 0)),
        lambda: "invalid Poisson rate, expected rate to be non-negative",
    )
    with generator._lock:
        supply = _Supply(generator, 4 * flat.size + 16)
        made = [_poisson(rate, supply) for rate in flat.tolist()]
        supply.settle()
    return np.array(made, np.float64).astype(dtype).reshape(shape)


class _Supply:
    """Uniform float64 numbers one by one, taken in bulk; `settle` puts back what was not used. Hold the lock."""

    def __init__(self, generator: Generator, count: int) -> None:
        self._generator, self._count, self._used = generator, count, 0
        self._begin = generator._get_bytes()
        self._units = _unit64(generator, count).tolist()

    def __call__(self) -> float:
        if self._used == len(self._units):
            self._units += _unit64(self._generator, self._count).tolist()
        self._used += 1
        return self._units[self._used - 1]

    def settle(self) -> None:
        self._generator._set_bytes(self._begin)
        _unit64(self._generator, self._used)


def _poisson(rate: float, unit: Callable[[], float]) -> int:
    """One number. From 10 on by W. Hormann, The transformed rejection method for generating Poisson random variables
    (1993), algorithm PTRS; below by multiplying uniform numbers until they are under exp(-rate)."""
    if not rate >= 10:
        bound, product, k = math.exp(-rate), 1.0, 0
        if rate == 0:
            return 0
        while True:
            product *= unit()
            if not product > bound:
                return k
            k += 1
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    scale = math.log(1.1239 + 1.1328 / (b - 3.4))
    accepted = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = unit() - 0.5, unit()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43) if us else -1
        if us >= 0.07 and v <= accepted:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        left = (math.log(v) if v else -math.inf) + scale - math.log(a / (us * us) + b)
        if left <= -rate + k * math.log(rate) - math.lgamma(k + 1):
            return k


def multinomial(
    generator: Generator | None, weights: np.ndarray, num_samples: int, replacement: bool = False
) -> np.ndarray:
    """Indices (int64) drawn with the probabilities that each row of `weights` is proportional to.

    `weights` has one or two dimensions, the last of which is replaced by `num_samples`.

    >>> multinomial(Generator().manual_seed(0), np.array([0.1, 0.2, 0.7]), 5, replacement=True).tolist()
    [2, 2, 2, 2, 2]
    """
    check(
        _floats(weights.dtype),
        lambda: (
            f"multinomial only supports floating-point dtypes for input, got: {weights.dtype.name}"
        ),
    )
    check(
        num_samples > 0, lambda: f"cannot sample n_sample <= 0 samples, got n_sample={num_samples}"
    )
    check(
        weights.ndim in (1, 2) and weights.shape[-1] > 0,
        lambda: (
            f"prob_dist must be 1 or 2 dim and not empty in the last, got shape {list(weights.shape)}"
        ),
    )
    check(
        replacement or num_samples <= weights.shape[-1],
        lambda: (
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement: "
            f"n_sample={num_samples}, prob_dist.size(-1)={weights.shape[-1]}"
        ),
    )
    if weights.size == 0:
        return np.empty((*weights.shape[:-1], num_samples), np.int64)
    if replacement and num_samples > 1:
        return _with_replacement(generator, weights, num_samples)
    return _without_replacement(generator, weights, num_samples)


def _with_replacement(
    generator: Generator | None, weights: np.ndarray, num_samples: int
) -> np.ndarray:
    """The slot of each uniform number in the running sums, which are kept in the weights' own precision."""
    wide = weights if weights.dtype.itemsize >= 4 else weights.astype(np.float32)
    what = "invalid multinomial distribution"
    check(bool(np.all(wide >= 0)), lambda: f"{what} (encountering probability entry < 0)")
    check(
        bool(np.all(np.isfinite(wide))),
        lambda: f"{what} (encountering probability entry = infinity or NaN)",
    )
    sums = np.cumsum(np.atleast_2d(wide), axis=1)
    check(bool(np.all(sums[:, -1] > 0)), lambda: f"{what} (sum of probabilities <= 0)")
    sums /= sums[:, -1:].copy()
    sums[:, -1] = 1
    picks = _unit64(generator, len(sums) * num_samples).reshape(len(sums), num_samples)
    rows = [
        np.searchsorted(row, pick) for row, pick in zip(sums.astype(np.float64), picks, strict=True)
    ]
    return np.stack(rows).reshape(*weights.shape[:-1], num_samples).astype(np.int64)


def _without_replacement(
    generator: Generator | None, weights: np.ndarray, num_samples: int
) -> np.ndarray:
    """The events that come first when each waits an exponential time of rate `weights`."""
    most = weights.max(-1)
    check(  # NaN is neither
        bool(weights.min() >= 0 and most.max() < math.inf),
        lambda: "probability tensor contains either `inf`, `nan` or element < 0",
    )
    check(
        bool(most.min() > 0), lambda: "invalid multinomial distribution (sum of probabilities <= 0)"
    )
    waiting = exponential(generator, 1.0, weights.shape, weights.dtype)
    token = state.error_state.set(state.quiet)  # a wait of 0: at once
    try:
        order = (weights / waiting).astype(weights.dtype, copy=False)
    finally:
        state.error_state.reset(token)
    if num_samples == 1:
        return order.argmax(-1, keepdims=True)
    return _first_few(-order, num_samples)


def _first_few(x: np.ndarray, k: int) -> np.ndarray:
    """The first k places of `np.argsort(x, kind="stable")` along the last dimension: of few, a tenth of sorting all."""
    if 4 * k < x.shape[-1] and x.dtype.itemsize >= 4:
        last = np.partition(x, k - 1, axis=-1)[..., k - 1 : k]
        found = np.nonzero(x <= last)[-1]
        if found.size == k * (x.size // x.shape[-1]):  # else some are equal, or NaN
            found = found.reshape(*x.shape[:-1], k)
            order = np.argsort(np.take_along_axis(x, found, -1), axis=-1, kind="stable")
            return np.take_along_axis(found, order, -1).astype(np.int64, copy=False)
    return np.argsort(x, axis=-1, kind="stable")[..., :k].astype(np.int64, copy=False)


def _words(generator: Generator | None, count: int, wide: bool = False) -> np.ndarray:
    """`count` random words of 32 bits, or 64 where `wide`."""
    generator = generator or default_generator
    with generator._lock:
        return generator._uint64(count) if wide else generator._uint32(count)


def _unit32(generator: Generator | None, count: int) -> np.ndarray:
    """float32 numbers in [0, 1) of 24 random bits."""
    words = _words(generator, count)
    words &= np.uint32(2**24 - 1)
    values = words.astype(np.float32)
    values *= np.float32(2.0**-24)
    return values


def _unit64(generator: Generator | None, count: int) -> np.ndarray:
    """float64 numbers in [0, 1) of 53 random bits."""
    words = _words(generator, count, wide=True)
    words &= np.uint64(2**53 - 1)
    values = words.astype(np.float64)
    values *= 2.0**-53
    return values


def _scaled32(unit: np.ndarray, low: float, high: float) -> np.ndarray:
    if (low, high) == (0, 1):
        return unit
    width = np.float32(high) - np.float32(low)
    return unit * width if low == 0 else fma32(unit, float(width), low)


def _scaled64(unit: np.ndarray, low: float, high: float) -> np.ndarray:
    if low == 0:
        return unit if high == 1 else unit * high
    return fma64(unit, high - low, low)


def _standard_normals(generator: Generator, count: int) -> np.ndarray:
    """Normal float64 numbers in pairs; an odd one out waits in the generator for the next call."""
    with generator._lock:
        waiting = [] if generator._normal is None or count == 0 else [generator._normal]
        needed = count - len(waiting)
        made = boxmuller.pairs64(_unit64(generator, needed + needed % 2).reshape(-1, 2))
        if count:
            generator._normal = float(made[-1]) if needed % 2 else None
    return np.concatenate((waiting, made[:needed]))


def _integers(
    generator: Generator | None, size: int, base: int, shape: Shape, dtype: np.dtype
) -> np.ndarray:
    """`base` plus a random remainder modulo `size`."""
    words = _words(generator, math.prod(shape), wide=size >= WIDE_RANGE)
    words %= words.dtype.type(size)
    if words.dtype == np.uint32:
        words = words.astype(np.int64)
    values = words.view(np.int64)
    values += base  # wraps as in C; the sum fits by the checks on the range
    return values.astype(dtype, copy=False).reshape(shape)


def _all_values(generator: Generator | None, shape: Shape, dtype: np.dtype) -> np.ndarray:
    words = _words(generator, math.prod(shape), wide=dtype.name in ("int64", "float64"))
    if dtype.kind == "b":
        return (words & 1).astype(dtype).reshape(shape)
    size = (
        2 ** _MANTISSA[dtype.name] + 1 if dtype.name in _MANTISSA else int(np.iinfo(dtype).max) + 1
    )
    if size <= words.dtype.type(-1 % 2 ** (8 * words.itemsize)):
        words %= words.dtype.type(size)
    return words.astype(dtype).reshape(shape)


def _accurate(
    exact: Callable[[float], float],
    fast: Callable[[np.ndarray], np.ndarray],
    values: np.ndarray,
    dtype: np.dtype,
) -> np.ndarray:
    """The C library's function where float64 shows its last bit; NumPy's, six times faster, where rounding hides it."""
    return boxmuller.c_library(exact, values) if dtype.itemsize == 8 else fast(values)


def _narrowed(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """float64 numbers as `dtype`; half precision by way of float32, so rounded twice, as PyTorch's C++ types do."""
    if dtype.itemsize == 2 and _floats(dtype):
        values = values.astype(np.float32)
    return values.astype(dtype, copy=False)


@cache  # the name of a dtype takes NumPy 3 us to find
def _floats(dtype: np.dtype) -> bool:
    """Whether it is a floating dtype that numbers are drawn of."""
    return dtype.name in _MANTISSA


@cache  # the name of a dtype takes NumPy 3 us to find
def _bits(dtype: np.dtype, kernel: str) -> int:
    """Random bits of a floating dtype's uniform numbers; NotImplementedError, as PyTorch's, for another dtype."""
    if dtype.name not in _MANTISSA:
        fail(
            f'"{kernel}" not implemented for {dtype.name}; expected a floating-point dtype',
            NotImplementedError,
        )
    return 53 if dtype.name == "float64" else 24 if dtype.name == "float32" else 11


def _refuse_complex(dtype: np.dtype, kernel: str) -> None:
    if dtype.kind == "c":
        fail(
            f'"{kernel}" not implemented for {dtype.name}; expected a real dtype',
            NotImplementedError,
        )


@cache
def _largest(dtype: np.dtype) -> float:
    if dtype.name == "bfloat16":
        return float.fromhex("0x1.fep127")
    return float(np.finfo(dtype).max)


@cache
def _c_name(dtype: np.dtype) -> str:
    return _C_NAMES.get(dtype.name, dtype.name)


def _real(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.float32 if dtype.itemsize == 8 else np.float64)


def _as_complex(pairs: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return pairs.reshape(-1).view(dtype).reshape(pairs.shape[:-1])


def _check_randint_dtype(dtype: np.dtype) -> None:
    check(
        dtype.kind in "biu" or dtype.name in _MANTISSA,
        lambda: (
            f"check_random_bounds handles only integral, floating-point and boolean types, but got {dtype.name}"
        ),
    )


def _check_bounds(low: int, last: int, dtype: np.dtype) -> None:
    if dtype.kind == "b":
        smallest, largest = 0, 1
    elif dtype.kind in "iu":
        smallest, largest = int(np.iinfo(dtype).min), min(int(np.iinfo(dtype).max), int(_INT64.max))
    else:
        largest = int(_largest(dtype))
        smallest = -largest
    check(smallest <= low <= largest, lambda: f"from is out of bounds for {_c_name(dtype)}: {low}")
    check(
        smallest <= last <= largest, lambda: f"to - 1 is out of bounds for {_c_name(dtype)}: {last}"
    )


def _up_to_representable(low: int, dtype: np.dtype) -> int:
    """`low`, or the next whole number above that the dtype has, where it would be rounded down."""
    rounded = _through(low + 1, dtype)
    return rounded + _spacing(low + 1, dtype) if rounded < low else low


def _down_to_representable(high: int, dtype: np.dtype) -> int:
    """`high`, or a whole number below it that the dtype has, where `high - 1` would be rounded up."""
    rounded = _through(high - 1, dtype)
    return rounded - _spacing(high - 1, dtype) if rounded >= high else high


def _through(value: int, dtype: np.dtype) -> int:
    with np.errstate(over="ignore"):
        passed = float(np.array(value).astype(dtype))
    return int(passed) if abs(passed) < 2.0**63 else _INT64.min  # what the conversion gives in C


def _spacing(value: int, dtype: np.dtype) -> int:
    return 1 << max(abs(value).bit_length() - _MANTISSA[dtype.name], 0)


def _check_holds_range(n: int, dtype: np.dtype) -> None:
    _refuse_complex(dtype, "randperm")
    if dtype.name in _MANTISSA:
        most = 2 ** _MANTISSA[dtype.name] + 1
        check(n <= most, lambda: f"n cannot be greater than {most} for {dtype.name} type.")
    else:
        check(
            dtype.kind in "iu", lambda: f"randperm: expected a numeric dtype, but got {dtype.name}"
        )
        most = int(np.iinfo(dtype).max)
        check(
            n <= most,
            lambda: f"randperm: value {n} cannot be converted to {dtype.name} without overflow",
        )
