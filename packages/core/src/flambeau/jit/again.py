"""What a call needs to be made a second time for a graph of its backward: the random numbers of then, and no second writing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from ..graph import Graph
from ..runtime import random
from ..runtime.operator import find
from ..runtime.tensor import Tensor


def draws(graphs: Sequence[Graph]) -> bool:
    """Whether any of these graphs draws random numbers."""
    return any(find(c.op).random for g in graphs for c in g.calls)


def written(graphs: Sequence[Graph]) -> list[Tensor]:
    """The captured tensors that these graphs write into."""
    return [t.tensor for g in graphs for t, _ in g.writes if t.kind == "captured"]


@contextlib.contextmanager
def as_then(dice: Any, kept: Sequence[Tensor]) -> Iterator[None]:
    """Draws the numbers that follow the state `dice` (None: it does not matter). Afterwards the generator and the content of
    these tensors are as they were."""
    now = None if dice is None else random.get_rng_state()
    before = [(t, t._array.copy(), None if t._box is None else t._box.version) for t in kept]
    if dice is not None:
        random.set_rng_state(dice)
    try:
        yield
    finally:
        if now is not None:
            random.set_rng_state(now)
        for t, array, version in before:
            t._array[...] = array
            if t._box is not None and version is not None:
                t._box.version = version
