"""Modules that pad the last dimensions: with a constant, mirrored, repeated or wrapped around."""

from __future__ import annotations

from typing import ClassVar

from flambeau.runtime.tensor import Tensor

from .. import functional as F
from .module import Module
from .utils import _ntuple


class _PadNd(Module):
    __constants__ = ["padding"]
    _mode: ClassVar[str]
    _count: ClassVar[int]

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        self.padding = _ntuple(self._count)(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(Module):
    __constants__ = ["padding", "value"]
    _count: ClassVar[int]

    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__()
        self.padding = _ntuple(self._count)(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Pads the last 1 dimension with a value.

    >>> import flambeau
    >>> flambeau.nn.ConstantPad1d(1, 3.5)(flambeau.ones(1, 2, 4)).shape
    flambeau.Size([1, 2, 6])
    """

    _count = 2


class ZeroPad1d(ConstantPad1d):
    """Pads the last 1 dimension with zeros.

    >>> import flambeau
    >>> flambeau.nn.ZeroPad1d(1)(flambeau.ones(1, 2, 4)).shape
    flambeau.Size([1, 2, 6])
    """

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad1d(_PadNd):
    """Pads the last 1 dimension by mirroring at the border, which is not repeated.

    >>> import flambeau
    >>> flambeau.nn.ReflectionPad1d(1)(flambeau.ones(1, 2, 4)).shape
    flambeau.Size([1, 2, 6])
    """

    _mode = "reflect"
    _count = 2


class ReplicationPad1d(_PadNd):
    """Pads the last 1 dimension by repeating the border.

    >>> import flambeau
    >>> flambeau.nn.ReplicationPad1d(1)(flambeau.ones(1, 2, 4)).shape
    flambeau.Size([1, 2, 6])
    """

    _mode = "replicate"
    _count = 2


class CircularPad1d(_PadNd):
    """Pads the last 1 dimension by wrapping around.

    >>> import flambeau
    >>> flambeau.nn.CircularPad1d(1)(flambeau.ones(1, 2, 4)).shape
    flambeau.Size([1, 2, 6])
    """

    _mode = "circular"
    _count = 2


class ConstantPad2d(_ConstantPadNd):
    """Pads the last 2 dimensions with a value.

    >>> import flambeau
    >>> flambeau.nn.ConstantPad2d(1, 3.5)(flambeau.ones(1, 2, 4, 4)).shape
    flambeau.Size([1, 2, 6, 6])
    """

    _count = 4


class ZeroPad2d(ConstantPad2d):
    """Pads the last 2 dimensions with zeros.

    >>> import flambeau
    >>> flambeau.nn.ZeroPad2d(1)(flambeau.ones(1, 2, 4, 4)).shape
    flambeau.Size([1, 2, 6, 6])
    """

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad2d(_PadNd):
    """Pads the last 2 dimensions by mirroring at the border, which is not repeated.

    >>> import flambeau
    >>> flambeau.nn.ReflectionPad2d(1)(flambeau.ones(1, 2, 4, 4)).shape
    flambeau.Size([1, 2, 6, 6])
    """

    _mode = "reflect"
    _count = 4


class ReplicationPad2d(_PadNd):
    """Pads the last 2 dimensions by repeating the border.

    >>> import flambeau
    >>> flambeau.nn.ReplicationPad2d(1)(flambeau.ones(1, 2, 4, 4)).shape
    flambeau.Size([1, 2, 6, 6])
    """

    _mode = "replicate"
    _count = 4


class CircularPad2d(_PadNd):
    """Pads the last 2 dimensions by wrapping around.

    >>> import flambeau
    >>> flambeau.nn.CircularPad2d(1)(flambeau.ones(1, 2, 4, 4)).shape
    flambeau.Size([1, 2, 6, 6])
    """

    _mode = "circular"
    _count = 4


class ConstantPad3d(_ConstantPadNd):
    """Pads the last 3 dimensions with a value.

    >>> import flambeau
    >>> flambeau.nn.ConstantPad3d(1, 3.5)(flambeau.ones(1, 2, 4, 4, 4)).shape
    flambeau.Size([1, 2, 6, 6, 6])
    """

    _count = 6


class ZeroPad3d(ConstantPad3d):
    """Pads the last 3 dimensions with zeros.

    >>> import flambeau
    >>> flambeau.nn.ZeroPad3d(1)(flambeau.ones(1, 2, 4, 4, 4)).shape
    flambeau.Size([1, 2, 6, 6, 6])
    """

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad3d(_PadNd):
    """Pads the last 3 dimensions by mirroring at the border, which is not repeated.

    >>> import flambeau
    >>> flambeau.nn.ReflectionPad3d(1)(flambeau.ones(1, 2, 4, 4, 4)).shape
    flambeau.Size([1, 2, 6, 6, 6])
    """

    _mode = "reflect"
    _count = 6


class ReplicationPad3d(_PadNd):
    """Pads the last 3 dimensions by repeating the border.

    >>> import flambeau
    >>> flambeau.nn.ReplicationPad3d(1)(flambeau.ones(1, 2, 4, 4, 4)).shape
    flambeau.Size([1, 2, 6, 6, 6])
    """

    _mode = "replicate"
    _count = 6


class CircularPad3d(_PadNd):
    """Pads the last 3 dimensions by wrapping around.

    >>> import flambeau
    >>> flambeau.nn.CircularPad3d(1)(flambeau.ones(1, 2, 4, 4, 4)).shape
    flambeau.Size([1, 2, 6, 6, 6])
    """

    _mode = "circular"
    _count = 6
