"""The way back from max pooling: values put where their indices say, zeros elsewhere."""

from __future__ import annotations

from math import prod

from .._base.checks import check
from .._base.dtypes import int64
from ..runtime import state
from ..runtime.families import composite
from ..runtime.tensor import Tensor
from .casting import lying_as
from .creation import zeros


@composite(method=False)
def max_unpool(input: Tensor, indices: Tensor, size: tuple[int, ...]):
    """Values (*, *windows) at their indices into the flattened last dimensions of (*, *size), zeros elsewhere.

    >>> import flambeau
    >>> x, places = flambeau.tensor([[3.0, 5.0]]), flambeau.tensor([[1, 2]])
    >>> flambeau.ops.unpooling.max_unpool(x, places, (4,))
    tensor([[0., 3., 5., 0.]])
    """
    count = len(size)
    check(
        indices.dtype is int64,
        lambda: f"elements in indices should be type int64 but got: {indices.dtype}",
    )
    check(
        input.ndim in (count + 1, count + 2),
        lambda: (
            f"Input to max_unpooling{count}d should be a {count + 1}d or {count + 2}d Tensor, but got "
            f"tensor with dimension: {input.ndim}"
        ),
    )
    check(
        tuple(input.shape) == tuple(indices.shape),
        lambda: (
            f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) "
            f"but got indices tensor with shape: {list(indices.shape)}"
        ),
    )
    outer, places = tuple(input.shape[:-count]), prod(input.shape[-count:])
    flat, index = input.reshape(*outer, places), indices.reshape(*outer, places)
    if index.numel() and not index._level and not state.local.modes:
        low, high = int(index.min()), int(index.max())
        check(
            0 <= low and high < prod(size),
            lambda: (
                f"Found an invalid max index: {low if low < 0 else high} (output volumes are of size "
                f"{' x '.join(map(str, size))})"
            ),
        )
    empty = zeros(*outer, prod(size), dtype=input.dtype, device=input.device)
    return lying_as(empty.scatter(-1, index, flat).reshape(*outer, *size), input)
