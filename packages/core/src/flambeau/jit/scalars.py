"""Numbers among the arguments of a call that change: from the second value on they are inputs of its program.

They are left open as sizes are (`dynamic`). Those that only elementwise calls are given become arrays of no dimensions, computed for
each call; what else is made of them (a bound of a slice) follows as sizes do, by a plan for each value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .._base.dtypes import dtype
from ..graph import Graph, Value
from ..runtime.operator import find
from ..runtime.tensor import Tensor, wrap
from .descriptions import plain
from .polynomials import SCOPE

NUMBERS = (int, float)
_DOUBLE = np.dtype("float64")
_LARGEST = {np.dtype(k): float(np.finfo(k).max) for k in ("float32", "float64")}
_NAME = re.compile(r"\bn\d+\b")


def names_of(x: Any) -> set[str]:
    """The numbers that an open number follows from."""
    return set(_NAME.findall(x.text))


def same(x: Any, y: Any) -> bool:
    """Whether two numbers are one: a NaN is itself, zeros of two signs are two."""
    return bool(x == y and plain(x) == plain(y)) or (x != x and y != y)


def fits(x: Any, kind: np.dtype = _DOUBLE) -> bool:
    """Whether an array holds this number as Python has it, but for rounding; of others operators have more to say."""
    if type(x) is int:
        return -(1 << 63) <= x < 1 << 63
    return bool(-_LARGEST[kind] <= x <= _LARGEST[kind])


class Exactly:
    """For a program that was captured with these numbers: it takes none, and is for no others."""

    def __init__(self, values: Mapping[int, Any]) -> None:
        self.values = tuple(values.items())  # by place among the leaves of a call

    def __call__(self, leaves: Sequence[Any]) -> Sequence[Tensor] | None:
        return () if all(same(leaves[i], v) for i, v in self.values) else None


class Taken:
    """The numbers that a program is given as arrays.

    `names`: of the open numbers that are other ones at each call, by their places among its leaves. `others`: what its other open
    numbers and sizes are. `guards`: for which numbers the program is, as Python.
    """

    def __init__(self, names: Mapping[int, str], others: Mapping[str, Any], guards: Sequence[str]) -> None:  # fmt: skip
        self.names, self.others, self.guards = names, others, guards
        self.values: dict[tuple[str, dtype], Value] = {}  # what stands for each in the graphs

    def has(self, x: Any) -> bool:
        """Whether an open number is another at each call."""
        return not names_of(x).isdisjoint(self.names.values())

    def value(self, x: Any, number: Any, kind: dtype) -> Value:
        """What stands for an open number; `number` is it as captured."""
        found = self.values.get((x.text, kind))
        if found is None:
            meta = wrap(np.array(number, kind.numpy))._meta
            found = self.values[x.text, kind] = Value(f"k{len(self.values)}", meta, "input")
        return found

    def reader(
        self, exact: Mapping[int, Any]
    ) -> Callable[[Sequence[Any]], Sequence[Tensor] | None]:
        """What gives the arrays for the leaves of a call; None where the program is not for them. `exact`: numbers that must be these."""
        known = Exactly(exact)
        texts = "".join(f"{text}, " for text, _ in self.values)
        holds = " and ".join(f"({g})" for g in self.guards) or "True"
        scope: dict[str, Any] = {**SCOPE, **self.others}
        head = f"def read({', '.join(self.names.values())})"
        exec(f"{head}: return ({texts}) if {holds} else None", scope)  # noqa: S102 -- our own text
        read, places = scope["read"], tuple(self.names)
        kinds = [kind.numpy for _, kind in self.values]

        def arrays(leaves: Sequence[Any]) -> Sequence[Tensor] | None:
            given = [leaves[i] for i in places]
            if known(leaves) is None or not all(map(fits, given)):
                return None
            try:
                found = read(*given)
            except (ArithmeticError, ValueError):  # the function itself will say
                return None
            if found is None or not all(map(fits, found, kinds)):
                return None
            return [wrap(np.array(x, kind)) for x, kind in zip(found, kinds)]

        return arrays


def fixed_names(recipe: Any) -> tuple[set[str], set[str]]:
    """The open numbers of a captured call of which something else than arrays is made; and those of them that would stand in the
    text of a kernel."""
    from .opening import changed
    from .operands import READ, array_kind, is_read, numbers_of
    from .symbols import is_open

    fixed: set[str] = set()
    written: set[str] = set()

    def noted(found: set[str]) -> Callable[[Any], Any]:
        def note(x: Any) -> Any:
            found.update(names_of(x))
            return x

        return note

    for part in recipe.parts:
        if not isinstance(part, Graph):
            given = getattr(part, "given", ())  # of an effect, which gets numbers as they are
            changed([x for x in given if not is_open(x)], noted(fixed))
            continue
        for call in part.calls:
            changed([v.meta for v in call.outputs], noted(fixed))
            placed = array_kind(call) is not None or is_read(call)
            if placed and call.op in READ:
                changed({k: v for k, v in call.attrs.items() if k != READ[call.op]}, noted(fixed))
                continue
            inside = written if find(call.op).family == "elementwise" else fixed
            numbers = numbers_of(call)
            changed([x for x in numbers if not (placed and is_open(x))], noted(inside))
    template = [x[0] if type(x) is tuple else x for x in recipe.result[0]]
    changed([x for x in template if not is_open(x)], noted(fixed))
    return fixed | written, written
