"""Windows for spectra: the five that PyTorch has at the top, and the shapes that `flambeau.signal.windows` is made of.

All are computed in double precision and rounded once. A symmetric window has equal ends; a periodic one (sym=False,
periodic=True) is a symmetric one of one more element without its last, so that its repetition is smooth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._base import dtypes
from .._base.checks import as_size, check
from ..runtime.families import composite
from ..runtime.tensor import Tensor
from .bessel import i0
from .creation import arange, ones

# -- shapes, as doubles -----------------------------------------------------------------------------------------------


def steps(length: int, sym: bool, device: Any) -> tuple[Tensor, int]:
    """0, 1, ... and the period: the length, less one where the window is symmetric (or has one element)."""
    period = length - 1 if sym or length == 1 else length
    return arange(length, dtype=dtypes.float64, device=device), period


def cosines(length: int, weights: Sequence[float], sym: bool, device: Any) -> Tensor:
    """weights[0] - weights[1] cos(2 pi n / N) + weights[2] cos(4 pi n / N) - ..."""
    if length <= 1:
        return ones(length, dtype=dtypes.float64, device=device)
    n, period = steps(length, sym, device)
    total = weights[0] + 0 * n
    for i, weight in enumerate(weights[1:], 1):
        total = total + (-weight if i % 2 else weight) * (n * (2 * math.pi * i / period)).cos()
    return total


def triangle(length: int, sym: bool, device: Any) -> Tensor:
    """1 in the middle, 0 at the ends."""
    if length <= 1:
        return ones(length, dtype=dtypes.float64, device=device)
    n, period = steps(length, sym, device)
    return 1 - (n * (2 / period) - 1).abs()


def kaiser_shape(length: int, beta: float, sym: bool, device: Any) -> Tensor:
    """i0(beta sqrt(1 - r^2)) / i0(beta), r from -1 to 1."""
    if length <= 1:
        return ones(length, dtype=dtypes.float64, device=device)
    n, period = steps(length, sym, device)
    # 1 - r^2 as a product, which is exact at the ends
    inside = n * (period - n) * (4 / period**2)
    return i0(beta * inside.clamp(min=0).sqrt()) / i0(beta + 0 * n)


# -- torch.hann_window and the like -----------------------------------------------------------------------------------


def _length(name: str, window_length: int, dtype: Any) -> tuple[int, Any]:
    (length,) = as_size((window_length,), "window_length")
    kind = dtype or dtypes.get_default_dtype()
    check(
        length >= 0,
        lambda: f"{name} requires non-negative window_length, got window_length={length}",
    )
    check(kind.is_floating_point, lambda: f"{name} expects floating point dtypes, got: {kind}")
    return length, kind


@composite(method=False)
def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
):
    """`alpha - beta cos(2 pi n / N)`: a raised cosine that ends at 0.08.

    With `periodic` the first element would follow the last (N is the length), as spectra want it; otherwise both ends
    are alike (N is the length less one).

    >>> import flambeau
    >>> flambeau.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    length, kind = _length("hamming_window", window_length, dtype)
    made = cosines(length, (alpha, beta), not periodic, device)
    return made.to(kind).requires_grad_(requires_grad)


@composite(method=False)
def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
):
    """`(1 - cos(2 pi n / N)) / 2`: a raised cosine that ends at 0. See `hamming_window` for `periodic`.

    >>> import flambeau
    >>> flambeau.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    length, kind = _length("hann_window", window_length, dtype)
    made = cosines(length, (0.5, 0.5), not periodic, device)
    return made.to(kind).requires_grad_(requires_grad)


@composite(method=False)
def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
):
    """`0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N)`. See `hamming_window` for `periodic`.

    >>> import flambeau
    >>> flambeau.blackman_window(4)[1:]
    tensor([0.3400, 1.0000, 0.3400])
    """
    length, kind = _length("blackman_window", window_length, dtype)
    made = cosines(length, (0.42, 0.5, 0.08), not periodic, device)
    return made.to(kind).requires_grad_(requires_grad)


@composite(method=False)
def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
):
    """`1 - |2 n / N - 1|`: a triangle. See `hamming_window` for `periodic`.

    >>> import flambeau
    >>> flambeau.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    length, kind = _length("bartlett_window", window_length, dtype)
    return triangle(length, not periodic, device).to(kind).requires_grad_(requires_grad)


@composite(method=False)
def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
):
    """`i0(beta sqrt(1 - (2 n / N - 1)^2)) / i0(beta)`. See `hamming_window` for `periodic`.

    >>> import flambeau
    >>> flambeau.kaiser_window(4, beta=2.0)
    tensor([0.4387, 0.8348, 1.0000, 0.8348])
    """
    length, kind = _length("kaiser_window", window_length, dtype)
    made = kaiser_shape(length, float(beta), not periodic, device)
    return made.to(kind).requires_grad_(requires_grad)
