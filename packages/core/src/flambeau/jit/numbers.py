"""Numbers of a captured call that are part of its result: read at every call, after the stretch that computes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..graph import Value
from ..runtime.tensor import Tensor, wrap

READERS: dict[str, Callable[[Tensor], Any]] = {
    "item": lambda t: t.item(), "tolist": lambda t: t.tolist(), "float": float, "int": int,
}  # fmt: skip


@dataclass(frozen=True)
class Number:
    """In the place of a number in a result: which of the call's readings it is."""

    index: int


class Reading:
    """A value that is read as Python has it: `how` is a key of READERS."""

    def __init__(self, value: Value, how: str) -> None:
        self.value, self.how = value, how

    def __str__(self) -> str:
        call = self.how in ("item", "tolist")
        return f"{self.value}.{self.how}()" if call else f"{self.how}({self.value})"


class Numbers:
    """Readings after a stretch; the first is number `first` of the call."""

    def __init__(self, first: int, readings: Sequence[Reading]) -> None:
        self.first, self.readings = first, list(readings)

    def values(self) -> list[Value]:
        """The values that are read."""
        return [r.value for r in self.readings]

    def __str__(self) -> str:
        return "\n".join(map(str, self.readings))


class Read:
    """Readings from a table of arrays. The numbers stand at its end, the first of the call last."""

    def __init__(self, part: Numbers, slots: dict[int, int]) -> None:
        self.work = [
            (-1 - part.first - i, READERS[r.how], slots[id(r.value)])
            for i, r in enumerate(part.readings)
        ]

    def __call__(self, table: list[Any]) -> None:
        for place, read, i in self.work:
            table[place] = read(wrap(table[i]))


# -- while capturing ------------------------------------------------------------------------------------------------------


class _Whole(int):
    pass


class _Real(float):
    pass


class _Complex(complex):
    pass


class _List(list):
    pass


_KINDS: dict[type, Callable[[Any], Any]] = {
    bool: _Whole, int: _Whole, float: _Real, complex: _Complex, list: _List
}  # fmt: skip


def stand_in(value: Any, how: str, index: int) -> Any:
    """An object for a number, like no other, by which it is found in the result.

    Of what `float` and `int` give Python demands the class; nobody sees an `int` that is not the number.
    """
    if how == "float":
        return value  # a float is an object of its own
    return (1 << 4096) + index if how == "int" else _KINDS[type(value)](value)
