"""Elementwise composites that do not fit a narrower file."""

from __future__ import annotations

import math

from ..runtime.families import composite
from ..runtime.tensor import Tensor
from .comparison import isfinite, isnan, where
from .creation import ones_like, zeros_like


@composite
def masked_fill(input: Tensor, mask: Tensor, value: Tensor | float):
    """`input` with `value` where `mask` (bool, broadcast to input) holds.

    >>> import flambeau
    >>> flambeau.masked_fill(flambeau.ones(2), flambeau.tensor([True, False]), 5)
    tensor([5., 1.])
    """
    if mask.dtype.name != "bool":
        raise RuntimeError(
            f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype.name}"
        )
    if isinstance(value, (int, float)) and input.dtype.is_floating_point:
        value = float(value)
    return where(mask, value, input)


@composite
def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
):
    """NaN and infinities replaced by numbers: 0 and the largest finite values unless given.

    >>> import flambeau
    >>> flambeau.nan_to_num(flambeau.tensor([float("nan"), 1.0]))
    tensor([0., 1.])
    """
    if not input.dtype.is_floating_point:
        return input + 0
    largest = {2: 65504.0, 4: 3.4028234663852886e38, 8: 1.7976931348623157e308}[
        input.dtype.itemsize
    ]
    out = where(isnan(input), 0.0 if nan is None else float(nan), input)
    top = largest if posinf is None else float(posinf)
    bottom = -largest if neginf is None else float(neginf)
    return where(isfinite(out), out, where(out > 0, top, bottom))


@composite
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
):
    """Whether |input - other| <= atol + rtol * |other|, element by element.

    >>> import flambeau
    >>> flambeau.isclose(flambeau.tensor([1.0]), flambeau.tensor([1.0 + 1e-7]))
    tensor([True])
    """
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{input.dtype} did not match {other.dtype}")
    close = input == other
    if input.dtype.is_floating_point or input.dtype.is_complex:
        near = (input - other).abs() <= atol + rtol * other.abs()
        close = close | (near & isfinite(input) & isfinite(other))
        if equal_nan:
            close = close | (isnan(input) & isnan(other))
        return close
    return close | ((input - other).abs() <= atol + rtol * other.abs())


@composite
def xlogy(input: Tensor, other: Tensor):
    """input * log(other), 0 where input is 0.

    >>> import flambeau
    >>> flambeau.xlogy(flambeau.tensor([0.0, 1.0]), flambeau.tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    zero = (input == 0) & ~other.isnan() if isinstance(other, Tensor) else input == 0
    if not isinstance(other, Tensor):
        return input * math.log(other)
    return where(zero, zeros_like(input), input * where(zero, ones_like(other), other).log())
