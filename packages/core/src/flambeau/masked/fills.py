"""What stands at a masked-out element: the number that changes nothing in the reduction at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau
from flambeau._base.checks import wrap_dim
from flambeau.runtime.tensor import Tensor
from flambeau.transforms.composed import link

Dims = int | Sequence[int] | None


def dims_of(dim: Dims, ndim: int) -> tuple[int, ...]:
    """The dimensions of a reduction, sorted, each counted from the front; all of them for None and ().

    RuntimeError for a dimension that is named twice.
    """
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    found: list[int] = []
    for d in given:
        at = wrap_dim(d, ndim)
        if at in found:
            raise RuntimeError(f"dim={at} appears multiple times in the list of dims")
        found.append(at)
    return tuple(sorted(found))


def lowest(input: Tensor) -> Any:
    """The smallest number of a dtype: minus infinity where there is one."""
    return -flambeau.inf if _has_infinity(input) else flambeau.iinfo(_integer(input)).min


def highest(input: Tensor) -> Any:
    """The largest number of a dtype: infinity where there is one."""
    return flambeau.inf if _has_infinity(input) else flambeau.iinfo(_integer(input)).max


def _has_infinity(input: Tensor) -> bool:
    return input.is_floating_point() or input.is_complex()


def _integer(input: Tensor) -> Any:
    if input.dtype is flambeau.bool:
        raise NotImplementedError(
            f"masked: there is no number that changes nothing for {input.dtype}"
        )
    return input.dtype


def check_mask(input: Tensor, mask: Tensor) -> None:
    """IndexError for a mask of higher rank than `input`."""
    if mask.ndim > input.ndim:
        raise IndexError(
            "_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)"
        )


def input_mask(input: Tensor, mask: Tensor | None) -> Tensor:
    """The mask in `input`'s shape, of bools: True where an element counts."""
    if mask is None:
        return flambeau.ones(input.shape, dtype=flambeau.bool, device=input.device)
    check_mask(input, mask)
    if tuple(mask.shape) != tuple(input.shape):
        mask = mask.expand(input.shape)
    return mask if mask.dtype is flambeau.bool else mask != 0


def filled(input: Tensor, mask: Tensor | None, value: Any) -> Tensor:
    """`input` with `value` at all elements that do not count."""
    if mask is None:
        return input
    keep = input_mask(input, mask)
    with flambeau.no_grad():
        there = flambeau.full((), value, dtype=input.dtype, device=input.device)
        made = flambeau.where(keep, input, there)
    # The gradient is cut by the mask, not multiplied by it: what does not count may have NaN for one.
    return link(made, "masked_fill", [input], [lambda g: filled(g, keep, 0)])
