"""Operators that run programs of their own, and sequences of tensors.

`function(attributes, run, *inputs)`: `run(name, *values)` runs the program in an attribute, which sees all values of the
program around it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ops.creation import tensor
from ..ops.joining import cat, stack
from ..runtime.tensor import Tensor
from .nodes import Attributes, Function, operator

Run = Callable[..., list[Any]]
CONTROL: dict[str, Function] = {}


def _control(f: Function) -> Function:
    CONTROL[f.__name__] = f
    return f


@_control
def If(a: Attributes, run: Run, condition: Tensor) -> tuple:
    return tuple(run("then_branch" if condition.item() else "else_branch"))


@_control
def Loop(
    a: Attributes, run: Run, count: Tensor | None, condition: Tensor | None, *state: Any
) -> tuple:
    """What the last round leaves, and of each further result those of all rounds, stacked."""
    limit = None if count is None else int(count.item())
    goes_on = condition is None or bool(condition.item())
    kept: list[list[Any]] = []
    rounds = 0
    while goes_on and (limit is None or rounds < limit):
        again, *made = run("body", tensor(rounds), tensor(True), *state)
        state = tuple(made[: len(state)])
        kept.append(made[len(state) :])
        goes_on = bool(again.item())
        rounds += 1
    if not kept and a.results > len(state):
        raise a.unsupported("no rounds, whose results would be stacked")
    return *state, *(stack(list(values), 0) for values in zip(*kept))


@operator
def SequenceEmpty(a: Attributes) -> list:
    return []


@operator
def SequenceConstruct(a: Attributes, *xs: Tensor) -> list:
    return list(xs)


@operator
def SequenceInsert(a: Attributes, xs: list, x: Tensor, at: Tensor | None = None) -> list:
    place = len(xs) if at is None else int(at.item())
    place = place + len(xs) if place < 0 else place
    return [*xs[:place], x, *xs[place:]]


@operator
def SequenceAt(a: Attributes, xs: list, at: Tensor) -> Tensor:
    return xs[int(at.item())]


@operator
def SequenceLength(a: Attributes, xs: list) -> Tensor:
    return tensor(len(xs))


@operator
def ConcatFromSequence(a: Attributes, xs: list) -> Tensor:
    return stack(xs, a["axis"]) if a.get("new_axis") else cat(xs, a["axis"])
