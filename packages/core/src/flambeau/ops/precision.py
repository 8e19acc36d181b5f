"""16-bit floats: what composites compute in between is kept in float32 and rounded once, at the end.

PyTorch's kernels do so (it calls the wider type opmath). A chain of operators on bfloat16 itself would round after every
one of them, and lose two of its three digits over a window or a loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._base.dtypes import bfloat16, dtype, float16, float32
from ..runtime.tensor import Tensor
from .casting import to_dtype

_HALVES = (bfloat16, float16)


def _wide(x: Any) -> Any:
    return to_dtype(x, float32) if isinstance(x, Tensor) and x.dtype in _HALVES else x


def _narrow(made: Any, kind: dtype) -> Any:
    if isinstance(made, tuple):
        return tuple(_narrow(m, kind) for m in made)
    return to_dtype(made, kind) if isinstance(made, Tensor) and made.dtype is float32 else made


def in_float32(compute: Callable[..., Any], input: Tensor, *args: Any) -> Any:
    """`compute(input, *args)`; where `input` has 16-bit floats, all such tensors in float32 and the result in its dtype.

    >>> import flambeau
    >>> x = flambeau.full((3,), 0.1, dtype=flambeau.bfloat16)
    >>> in_float32(lambda x: (x * x).sum(), x).dtype
    flambeau.bfloat16
    """
    if input.dtype not in _HALVES:
        return compute(input, *args)
    return _narrow(compute(_wide(input), *[_wide(a) for a in args]), input.dtype)
