"""Random tensors for tests."""

from __future__ import annotations

from typing import Any

from .._base import dtypes
from ..ops import random as draws
from ..ops.creation import size_of
from ..runtime.tensor import Tensor


def make_tensor(
    *shape: Any,
    dtype: dtypes.dtype,
    device: Any = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
) -> Tensor:
    """A tensor of random numbers in [low, high): [-9, 9] for floats, [0, 10) for unsigned, [-9, 10) for signed integers.

    >>> import flambeau
    >>> flambeau.testing.make_tensor(3, dtype=flambeau.float32).shape
    flambeau.Size([3])
    """
    size = size_of(shape)
    if dtype is dtypes.bool_:
        made = draws.randint(0, 2, size, device=device).to(dtype)
    elif dtype.category == dtypes.INT:
        first = (-9 if dtype.is_signed else 0) if low is None else int(low)
        made = draws.randint(
            first, 10 if high is None else int(high), size, dtype=dtype, device=device
        )
    else:
        a, b = -9.0 if low is None else low, 9.0 if high is None else high
        made = draws.rand(size, dtype=dtype, device=device) * (b - a) + a
    if exclude_zero:
        made = made.masked_fill(made == 0, 1)
    if noncontiguous and made.ndim:
        made = made.repeat_interleave(2, -1)[..., ::2]
    return made.requires_grad_(requires_grad)
