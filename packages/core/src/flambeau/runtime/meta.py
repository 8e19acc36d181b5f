"""Shape, dtype and device of an array without its data: what operators' rules compute with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._base.checks import Shape
from .._base.devices import CPU, device
from .._base.dtypes import dtype


class Meta:
    """Shape, dtype and device.

    >>> Meta((2, 3), __import__("flambeau").float32)
    float32[2, 3]
    """

    __slots__ = ("device", "dtype", "shape")

    def __init__(self, shape: Sequence[int], dtype: dtype, device: device = CPU) -> None:
        self.shape: Shape = tuple(shape)
        self.dtype, self.device = dtype, device

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def numel(self) -> int:
        n = 1
        for s in self.shape:
            n *= s
        return n

    def like(self, shape: Sequence[int] | None = None, dtype: dtype | None = None) -> Meta:
        """The same with another shape or dtype."""
        return Meta(self.shape if shape is None else shape, dtype or self.dtype, self.device)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Meta) and (self.shape, self.dtype, self.device) == (
            other.shape,
            other.dtype,
            other.device,
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype.name, self.device))

    def __repr__(self) -> str:
        where = "" if self.device == CPU else f" on {self.device}"
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]{where}"
