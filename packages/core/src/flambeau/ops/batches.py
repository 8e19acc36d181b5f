"""Calls inside vmap that cannot be one call on the whole batch by the operators' own rules.

What reads numbers out of its tensors runs element by element; what draws with a tensor's elements draws once for all.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..runtime import state
from ..runtime.tensor import Tensor
from .joining import stack

RANDOM_REFUSED = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
    "randomness flags on vmap or perform the randomness operation out of vmap"
)
SAME_REFUSED = (
    "Vmap does not currently support same randomness with a batched tensor input: a draw with parameters that differ "
    "over the batch needs randomness='different'"
)


def level_of(*values: Any) -> int:
    """The level of the innermost wrapper among the tensors; 0 where there is none (sparse ones have one below 1)."""
    return int(max((v._level for v in values if isinstance(v, Tensor)), default=0))


def outside(depth: int, call: Callable[[], Any]) -> Any:
    """`call()` with only the `depth` outermost vmaps in force."""
    before, state.local.batch = state.local.batch, state.local.batch[:depth]
    try:
        return call()
    finally:
        state.local.batch = before


def element_by_element(name: str | None, function: Callable[..., Any], *values: Any) -> Any:
    """`function(*values)` on one element of the batch after the other, results stacked; no gradient.

    Where no value is a wrapper, as in the recursion, `function` is simply called. `name` warns, as PyTorch does, that the
    call is no single one. The results must agree in shape.
    """
    level = level_of(*values)
    if not level:
        return function(*values)
    depth = next((i for i, b in enumerate(state.local.batch) if b.level == level), None)
    if depth is None:
        raise RuntimeError("vmap: a tensor of a vmap that has returned is used outside it")
    batch = state.local.batch[depth]
    if name is not None:
        warnings.warn(
            f"There is a performance drop because we have not yet implemented the batching rule for {name}; "
            "it runs in a loop over the batch.",
            stacklevel=5,
        )
    inside = [isinstance(v, Tensor) and v._level == level for v in values]

    def loop() -> list:
        rows = []
        for i in range(batch.size):
            row = [v.value.select(0, i) if b else v for v, b in zip(values, inside)]
            rows.append(element_by_element(None, function, *row))
        return rows

    rows = outside(depth, loop)
    if not rows:
        raise RuntimeError(
            f"vmap: {name or 'this call'} runs element by element, and the batch has none"
        )
    if isinstance(rows[0], tuple):
        return tuple(batch.wrap(stack([r[k] for r in rows])) for k in range(len(rows[0])))
    return batch.wrap(stack(rows))


def drawn_by(function: Callable[..., Tensor], *parameters: Tensor) -> Tensor:
    """`function(*parameters)`, a draw whose parameters are tensors of one shape, as the innermost vmap's `randomness` says.

    With "different" it is one draw with the batch as a further first dimension, which `function` must take.
    """
    if not state.local.batch:
        return function(*parameters)
    batch, depth = state.local.batch[-1], len(state.local.batch) - 1
    if batch.randomness == "error":
        raise RuntimeError(RANDOM_REFUSED)
    inside = [x._level == batch.level for x in parameters]
    if batch.randomness == "same":
        if any(inside):
            raise RuntimeError(SAME_REFUSED)
        return outside(depth, lambda: drawn_by(function, *parameters))
    whole = [
        x.value if b else x.expand((batch.size, *x.shape))  # type: ignore[attr-defined]
        for x, b in zip(parameters, inside)
    ]
    return batch.wrap(outside(depth, lambda: drawn_by(function, *whole)))
