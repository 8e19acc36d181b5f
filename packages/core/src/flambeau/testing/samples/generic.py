"""Samples of elementwise operators and reductions, from their number of inputs and a table of domains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...runtime.operator import MISSING, Operator
from . import Make, Sample

# Where an operator is smooth; others take (-2, 2), a little away from zero's neighbourhood by chance of the seed.
DOMAINS: dict[str, tuple[float, float]] = {
    "log": (0.2, 3), "log2": (0.2, 3), "log10": (0.2, 3), "log1p": (-0.7, 3), "sqrt": (0.2, 3), "rsqrt": (0.2, 3),
    "reciprocal": (0.3, 3), "asin": (-0.8, 0.8), "acos": (-0.8, 0.8), "acosh": (1.3, 3), "atanh": (-0.8, 0.8),
    "tan": (-1.2, 1.2), "pow": (0.3, 2), "true_divide": (0.3, 2), "remainder": (0.6, 2.9), "fmod": (0.6, 2.9),
    "floor_divide": (0.6, 2.9), "sign": (0.1, 2), "abs": (0.1, 2), "atan2": (0.3, 2), "relu": (0.1, 2),
    "addcdiv": (0.3, 2), "quotient_down": (0.6, 2.9), "quotient_to_zero": (0.6, 2.9), "angle_of_real": (0.1, 2), "prod_dims": (0.3, 2),
}  # fmt: skip
BOOLEAN = ("logical_and", "logical_or", "logical_xor", "logical_not")
INTEGER = ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not")


def elementwise(op: Operator, make: Make) -> Iterator[Sample]:
    """Each shape combination for the operator's number of inputs."""
    low, high = DOMAINS.get(op.name, (-2.0, 2.0))
    n = len(op.arrays)
    extra: dict[str, Any] = {p: 0.7 for i, p in op.attrs if op.defaults[i] is MISSING}
    shapes: dict[int, list[tuple]] = {
        1: [((2, 3),), ((),), ((0, 2),)],
        2: [((2, 3), (2, 3)), ((2, 3), (3,)), ((), (2,)), ((2, 1), (1, 3)), ((0, 2), (2,))],
        3: [((2, 3), (2, 3), (2, 3)), ((2, 3), (3,), ())],
    }
    for group in shapes[n]:
        yield Sample(*(_input(op, i, make, s, low, high) for i, s in enumerate(group)), **extra)
    if n == 1 and op.name not in (*BOOLEAN, *INTEGER):
        yield Sample(make.transposed(2, 3, low=low, high=high), **extra)
    if n == 2 and op.arrays[1] not in op.strict and op.name not in INTEGER:
        yield Sample(make(2, 3, low=low, high=high), 1.5, **extra)


def _input(
    op: Operator, position: int, make: Make, shape: tuple[int, ...], low: float, high: float
) -> Any:
    if op.name in BOOLEAN or (op.name == "where" and position == 0):
        return make.bools(*shape)
    if op.name in INTEGER:
        return make.ints(*shape, below=8)
    return make(*shape, low=low, high=high)


def reduction(op: Operator, make: Make) -> Iterator[Sample]:
    """All dimensions, one, several, with and without keeping them."""
    low, high = DOMAINS.get(op.name, (-2.0, 2.0))

    def x(*shape: int) -> Any:
        return (
            make.distinct(*shape)
            if op.name in ("amax", "amin")
            else make(*shape, low=low, high=high)
        )

    yield Sample(x(2, 3))
    yield Sample(x(2, 3), 1)
    yield Sample(x(2, 3), -2, True)
    yield Sample(x(2, 3, 2), (0, 2))
    yield Sample(x())
    if op.name not in ("amax", "amin"):
        yield Sample(x(0, 2), 0)
    yield Sample(x(2, 0), 0)


FAMILIES: dict[str, Callable[[Operator, Make], Iterator[Sample]]] = {
    "elementwise": elementwise,
    "reduction": reduction,
}
