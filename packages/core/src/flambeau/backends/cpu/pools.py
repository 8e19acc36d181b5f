"""Pooling by the kernels of `kernels/pool.c`: the largest value or the sum of each window, means, and all their gradients.

The primitives of `ops/sliding.py` are offered one by one; the composites `avg_pool1d` to `avg_pool3d` are claimed whole, so
that the division is made while a row of sums is in the cache.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ..._base import dtypes
from ...ops.pooling import _covered, _options
from ...runtime.claims import claim, lasting
from ...runtime.layouts import BACK, ORDERS, is_last
from ...runtime.operator import registry
from . import library
from .native import Kernels, address, table
from .offers import FLOATS, offer
from .softmax import dense

pool = Kernels("pool.c")
halves = Kernels("pool_halves.c")
last = Kernels("pool_last.c")

Shape = tuple[int, ...]
DIMENSIONS = 3
# Windows with more rows than this are left to the reference: their numbers would not be exact in float32.
MOST_ROWS = 1 << 20
HALVED = (2, 4)  # windows along the last dimension that `pool_halves.c` is for
HALVED_ROWS = 64


def real(x: np.ndarray) -> str:
    """The name of an array's dtype, float32 or float64; NumPy's own attribute takes a microsecond."""
    return "float32" if x.itemsize == 4 else "float64"


@lru_cache(maxsize=1024)
def _described(
    planes: int, size: Shape, out: Shape, kernel: Shape, stride: Shape, padding: Shape, gap: Shape
) -> tuple[Kernels, int, np.ndarray]:
    """Whose functions to call, and the numbers that C reads (`struct pool`): their address, and themselves."""
    missing = DIMENSIONS - len(size)
    ones, none = (1,) * missing, (0,) * missing
    parts = [ones + size, ones + out, ones + kernel, ones + stride, none + padding, ones + gap]
    numbers = table([planes, *[n for part in parts for n in part]])
    inside = all((o - 1) * s + k <= n for n, o, k, s in zip(size, out, kernel, stride))
    apart = all(s >= k for k, s in zip(kernel, stride)) and stride[-1] == kernel[-1]
    plain = apart and inside and not any(padding) and max(gap) == 1
    pairs = plain and kernel[-1] in HALVED and prod(kernel[:-1]) <= HALVED_ROWS
    return halves if pairs else pool, address(numbers), numbers


def _accepts(metas: list, attrs: dict[str, Any]) -> bool:
    kernel = attrs["kernel"]
    return 1 <= len(kernel) <= DIMENSIONS and prod(kernel) < MOST_ROWS


def _plan(
    x: np.ndarray,
    size: Shape,
    kernel: Any,
    stride: Any,
    padding: Any,
    out: Any,
    dilation: Any = None,
) -> tuple[Kernels, int]:
    """Whose functions serve these windows, and the address of their numbers."""
    planes = prod(x.shape[: x.ndim - len(kernel)])
    gap = (1,) * len(kernel) if dilation is None else tuple(dilation)
    options = (tuple(kernel), tuple(stride), tuple(padding))
    return _described(planes, size, tuple(out), *options, gap)[:2]


def max_pool(
    x: np.ndarray, *, kernel: Any, stride: Any, padding: Any, dilation: Any, out: Any
) -> Any:
    """The largest value of each window."""
    count = len(kernel)
    if x.ndim == count + 2 == 4 and x.size and is_last(x):
        from . import packed  # which imports this family's operators

        seen = x.transpose(ORDERS[4])
        options = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
        return packed._largest(np, seen, out=out, **options).transpose(BACK[4])
    y = np.empty((*x.shape[:-count], *out), x.dtype)
    if y.size and x.size:
        x = _whole(x)
        found, plan = _plan(x, x.shape[-count:], kernel, stride, padding, out, dilation)
        getattr(found, real(x)).max_forward(address(x), address(y), plan)
        return y
    return NotImplemented


def max_pool_places(
    x: np.ndarray, *, kernel: Any, stride: Any, padding: Any, dilation: Any, out: Any
) -> Any:
    """Where they are, as indices into the flattened last dimensions."""
    count = len(kernel)
    y = np.empty((*x.shape[:-count], *out), np.int64)
    if y.size and x.size:
        x = _whole(x)
        _, plan = _plan(x, x.shape[-count:], kernel, stride, padding, out, dilation)
        getattr(pool, real(x)).max_places(address(x), address(y), plan)
        return y
    return NotImplemented


def max_pool_spread(
    g: np.ndarray,
    x: np.ndarray,
    best: np.ndarray,
    *,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    out: Any,
) -> Any:
    """The gradient of `max_pool`; `best` is found anew, which costs less than to read it."""
    if not (x.size and g.size) or g.shape != best.shape:
        return NotImplemented
    if x.ndim == len(kernel) + 2 == 4 and is_last(x):
        from . import packed

        seen, back, top = (_whole(a.transpose(ORDERS[4])) for a in (x, g, best))
        sides = tuple((p, p) for p in padding)
        options = (tuple(kernel), tuple(stride), sides, tuple(dilation), tuple(out))
        way, made = packed._pooling(seen.shape, *options), np.empty(seen.shape, x.dtype)
        call = getattr(last, real(x)).largest_back
        call(address(back), address(seen), address(top), address(made), way.address)
        return made.transpose(BACK[4])
    g, x = _whole(g), _whole(x)
    made = np.empty(x.shape, x.dtype)
    found, plan = _plan(x, x.shape[-len(kernel) :], kernel, stride, padding, out, dilation)
    getattr(found, real(x)).max_backward(address(g), address(x), address(made), plan)
    return made


def max_pool_pick(
    values: np.ndarray,
    x: np.ndarray,
    best: np.ndarray,
    *,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    out: Any,
) -> Any:
    """The transpose of `max_pool_spread`."""
    if not (x.size and best.size) or values.shape != x.shape:
        return NotImplemented
    values, x = _whole(values), _whole(x)
    made = np.empty(best.shape, x.dtype)
    _, plan = _plan(x, x.shape[-len(kernel) :], kernel, stride, padding, out, dilation)
    getattr(pool, real(x)).max_pick(address(values), address(x), address(made), plan)
    return made


def window_sum(x: np.ndarray, *, kernel: Any, stride: Any, padding: Any, out: Any) -> Any:
    """The sum of each window."""
    return _sums(x, 0, kernel, stride, padding, out)


def _sums(x: np.ndarray, counts: int, kernel: Any, stride: Any, padding: Any, out: Any) -> Any:
    count = len(kernel)
    y = np.empty((*x.shape[:-count], *out), x.dtype)
    if not (y.size and x.size):
        return NotImplemented
    x = _whole(x)
    found, plan = _plan(x, x.shape[-count:], kernel, stride, padding, out)
    getattr(found, real(x)).sum_forward(address(x), address(y), counts, plan)
    return y


def window_spread(g: np.ndarray, *, size: Any, kernel: Any, stride: Any, padding: Any) -> Any:
    """The transpose of `window_sum`."""
    return _spread(g, 0, tuple(size), kernel, stride, padding)


def _spread(g: np.ndarray, counts: int, size: Shape, kernel: Any, stride: Any, padding: Any) -> Any:
    count = len(kernel)
    made = np.empty((*g.shape[:-count], *size), g.dtype)
    if not (made.size and g.size):
        return NotImplemented
    g = _whole(g)
    found, plan = _plan(g, size, kernel, stride, padding, g.shape[-count:])
    getattr(found, real(g)).sum_backward(address(g), address(made), counts, plan)
    return made


def _whole(x: np.ndarray) -> np.ndarray:
    """`x` in one piece and aligned, as C reads it."""
    return x if x.flags.carray else dense(x)


# -- means -------------------------------------------------------------------------------------------


class _Mean:
    """The claim on one of the composites avg_pool1d, avg_pool2d and avg_pool3d."""

    ORDER = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count

    def accepts(self, metas: list, attrs: dict[str, Any]) -> bool:
        x = metas[0]
        if x.dtype not in FLOATS or x.numel == 0 or x.ndim not in (self.count + 1, self.count + 2):
            return False
        if attrs.get("divisor_override") == 0 or not library.available():
            return False
        kernel = self.told(x.shape, x.dtype.name, attrs)[0]
        # Three dimensions smaller than the window are refused, by the body.
        fits = self.count < 3 or all(n >= k for n, k in zip(x.shape[-self.count :], kernel))
        return fits and prod(kernel) < MOST_ROWS

    def told(self, shape: Shape, dtype: str, attrs: dict[str, Any]) -> tuple:
        """Kernel, stride, padding, windows and what their sums are divided by."""
        given = [attrs[name] for name in self.ORDER] + [attrs.get("divisor_override")]
        given = [tuple(v) if isinstance(v, list) else v for v in given]
        return _mean_options(self.name, self.count, tuple(shape), dtype, *given)

    def forward(self, x: np.ndarray, wants: bool, **attrs: Any) -> tuple:
        kernel, stride, padding, out, counts = self.told(x.shape, real(x), attrs)
        if self.count == 2 and is_last(x):
            made = _mean_last(x, kernel, stride, padding, out, attrs)
            if made is not None:
                return made, ()
        return _sums(x, address(counts), kernel, stride, padding, out), ()

    def backward(
        self, g: np.ndarray, result: Any, kept: tuple, needs: tuple, x: np.ndarray, **attrs: Any
    ) -> list:
        kernel, stride, padding, _, counts = self.told(x.shape, real(x), attrs)
        size = x.shape[-self.count :]
        return [_spread(g, address(counts), size, kernel, stride, padding)]


def _mean_last(
    x: np.ndarray, kernel: Shape, stride: Shape, padding: Shape, out: Shape, attrs: dict[str, Any]
) -> np.ndarray | None:
    """The means of an array with channels last; None where windows reach beyond the padding, which have rules of their own."""
    from . import packed

    for o, s, k, n, p in zip(out, stride, kernel, x.shape[2:], padding):
        if (o - 1) * s + k > n + 2 * p:
            return None
    counted = attrs["divisor_override"] or (prod(kernel) if attrs["count_include_pad"] else 0)
    options = {"kernel": kernel, "stride": stride, "padding": padding, "out": out}
    return packed._average(np, x.transpose(ORDERS[4]), counted=counted, **options).transpose(BACK[4])  # fmt: skip


class Look:
    """What `_options` asks of a tensor."""

    def __init__(self, shape: Shape, dtype: str) -> None:
        self.shape, self.ndim, self.dtype = shape, len(shape), dtypes.from_numpy(np.dtype(dtype))


@lru_cache(maxsize=512)
def _mean_options(
    name: str,
    count: int,
    shape: Shape,
    dtype: str,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    include: bool,
    divisor: int | None,
) -> tuple:
    """As the composite reads its arguments; refuses what it refuses, in its words."""
    given = (kernel_size, stride, padding, 1, ceil_mode)
    kernel, stride, padding, _, out = _options(name, Look(shape, dtype), count, *given)
    counts = _counts(shape[-count:], kernel, stride, padding, out, include, divisor, dtype)
    return kernel, stride, padding, out, counts


def _counts(
    size: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    out: Shape,
    include: bool,
    divisor: int | None,
    dtype: str,
) -> np.ndarray:
    """What the windows of each dimension are divided by, as factors, one dimension after the other."""
    lines = [_covered(*args, include) for args in zip(size, kernel, stride, padding, out)]
    if divisor is not None:
        lines = [[1] * n for n in out]
        lines[0] = [divisor] * out[0]
    missing = [[1]] * (DIMENSIONS - len(size))
    return np.array([n for line in missing + lines for n in line], dtype)


# -- offers ------------------------------------------------------------------------------------------


def register() -> None:
    """Enters the offers; called when one of the operators first meets an array that is large enough."""
    from .providers import BY_HAND

    least = BY_HAND["pools"]
    made = (max_pool, max_pool_places, max_pool_spread, max_pool_pick, window_sum, window_spread)
    for kernel in made:
        offer(kernel.__name__, kernel, _accepts, least[kernel.__name__])
    for count in (1, 2, 3):
        name = f"avg_pool{count}d"
        mean = _Mean(name, count)
        claim(
            registry[name],
            "cpu",
            lasting(mean.accepts, library.available),
            mean.forward,
            mean.backward,
            False,
            least[name],
        )
