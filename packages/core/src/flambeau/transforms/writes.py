"""Writes into views (`x[:, 0] = y`) as choices between old and new elements, for who has no writes: exporters."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from ..graph import Call, Graph, Value
from ..ops.writing import part_of
from ..runtime.backend import of_array
from ..runtime.meta import Meta
from ..runtime.tensor import wrap


def writes_as_choices(graph: Graph) -> Graph:
    """The graph with a look-up in old elements followed by new ones for each write into a view."""
    if all(call.op != "write_view" for call in graph.calls):
        return graph
    made = copy.copy(graph)
    made.calls, made.constants = [], list(graph.constants)
    for call in graph.calls:
        if call.op == "write_view":
            _choose(made, call)
        else:
            made.calls.append(call)
    return made


def _choose(graph: Graph, write: Call) -> None:
    old, new = write.inputs
    steps, shape = write.attrs["steps"], tuple(old.meta.shape)
    lead = _untouched(
        steps, len(shape)
    )  # these dimensions may be open: nothing depends on their sizes
    if any(type(n) is not int for n in shape[lead:]):
        raise RuntimeError(
            f"a write into a view of {old.meta} needs the sizes that it takes parts of; give it fixed sizes"
        )
    choice = _choice(steps, shape, lead)
    count = math.prod(new.meta.shape[lead:])

    def add(op: str, inputs: tuple, sizes: tuple, **attrs: Any) -> Value:
        meta = Meta(sizes, old.meta.dtype, old.meta.device)
        return graph.add(op, inputs, attrs, (meta,))[0]

    def flat(value: Value, n: int) -> Value:
        return add("reshape", (value,), (*shape[:lead], n), shape=(*shape[:lead], n))

    both = add(
        "cat",
        (flat(old, choice.size), flat(new, count)),
        (*shape[:lead], choice.size + count),
        dim=lead,
    )
    table = wrap(choice)
    where = Value(graph.name("c"), table._meta, "constant", table)
    graph.constants.append(where)
    chosen = add(
        "index", (both, where), (*shape[:lead], choice.size), positions=(lead,), from_end=False
    )
    graph.calls.append(Call("reshape", (chosen,), {"shape": shape}, write.outputs, False))


def _untouched(steps: tuple, rank: int) -> int:
    """How many leading dimensions the view has whole."""
    if len(steps) != 1 or steps[0].op.name != "basic_index":
        return 0
    count = 0
    for k in steps[0].attrs["key"]:
        if k is Ellipsis:
            named = sum(1 for other in steps[0].attrs["key"] if other not in (None, Ellipsis))
            count += rank - named
        elif k == slice(None):
            count += 1
        else:
            break
    return count


def _choice(steps: tuple, shape: tuple, lead: int) -> np.ndarray:
    """For each element its place among old and new ones, row by row, of the dimensions from `lead` on."""
    whole = np.arange(math.prod(shape[lead:]))
    part = part_of(of_array(whole).xp, whole.reshape((1,) * lead + shape[lead:]), steps)
    choice = whole.copy()
    choice[part.reshape(-1)] = whole.size + np.arange(part.size)
    return choice
