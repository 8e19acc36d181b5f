"""Reading the arguments that several transforms share: sizes, angles and ranges."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import cast


def as_pair(size: int | Sequence[int], name: str) -> tuple[int, int]:
    """Height and width, of one number or two."""
    if isinstance(size, numbers.Number):
        return int(cast(int, size)), int(cast(int, size))
    sizes = cast("Sequence[int]", size)
    if len(sizes) == 1:
        return sizes[0], sizes[0]
    if len(sizes) != 2:
        raise ValueError(
            f"{name}: size {list(sizes)}; expected one number or two (height and width)"
        )
    return sizes[0], sizes[1]


def as_angles(value: float | Sequence[float], name: str, counts: tuple[int, ...]) -> list[float]:
    """A range of angles: a number a stands for -a to a."""
    if isinstance(value, numbers.Number):
        angle = cast(float, value)
        if angle < 0:
            raise ValueError(f"{name}: {angle} as a single number; expected it not negative")
        return [float(-angle), float(angle)]
    values = cast("Sequence[float]", value)
    check_sequence(values, name, counts)
    return [float(angle) for angle in values]


def check_sequence(value: object, name: str, counts: tuple[int, ...]) -> None:
    expected = f"a sequence of {' or '.join(str(count) for count in counts)} numbers"
    if not isinstance(value, Sequence):
        raise TypeError(f"{name}: {value!r}; expected {expected}")
    if len(value) not in counts:
        raise ValueError(f"{name}: {list(value)}; expected {expected}")
