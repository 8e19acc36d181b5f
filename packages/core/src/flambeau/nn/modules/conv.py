"""Convolutions of one to three spatial dimensions and their transposes, as modules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from flambeau.ops.creation import empty
from flambeau.runtime.tensor import Tensor

from .. import functional as F
from .. import init
from ..parameter import Parameter
from .module import Module
from .utils import _pair, _reverse_repeat_tuple, _single, _triple

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions share: the sizes, the weight and its initial values."""

    __constants__ = [
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
        "output_padding",
        "in_channels",
        "out_channels",
        "kernel_size",
    ]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: Any,
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_sizes(in_channels, out_channels, groups, padding, stride, padding_mode)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = _explicit_padding(padding, dilation, kernel_size)
        channels = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        shape = (channels[0], channels[1] // groups, *kernel_size)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        zeros, ones = (0,) * len(self.kernel_size), (1,) * len(self.kernel_size)
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        ]
        if self.padding != zeros:
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != zeros:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "padding_mode" not in self.__dict__:
            self.padding_mode = "zeros"


def _check_sizes(
    in_channels: int,
    out_channels: int,
    groups: int,
    padding: Any,
    stride: tuple[int, ...],
    padding_mode: str,
) -> None:
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    if in_channels % groups != 0:
        raise ValueError("in_channels must be divisible by groups")
    if out_channels % groups != 0:
        raise ValueError("out_channels must be divisible by groups")
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(
                f"Invalid padding string {padding!r}, should be one of ('same', 'valid')"
            )
        if padding == "same" and any(step != 1 for step in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
    if padding_mode not in _PADDING_MODES:
        raise ValueError(
            f"padding_mode must be one of {set(_PADDING_MODES)}, "
            f"but got padding_mode='{padding_mode}'"
        )


def _explicit_padding(
    padding: Any, dilation: tuple[int, ...], kernel_size: tuple[int, ...]
) -> tuple[int, ...]:
    """The padding in the order of `F.pad`, for the modes that pad before convolving."""
    if padding == "valid":
        return (0,) * (2 * len(kernel_size))
    if padding != "same":
        return _reverse_repeat_tuple(padding, 2)
    sizes: list[int] = []
    for step, size in zip(reversed(dilation), reversed(kernel_size), strict=True):
        total = step * (size - 1)
        sizes += [total // 2, total - total // 2]
    return tuple(sizes)


class _Conv(_ConvNd):
    """A convolution; subclasses name the number of dimensions and the function."""

    _tuple: ClassVar[Any]  # (number or sequence) -> tuple of ints
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: str | int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        sizes = type(self)._tuple
        super().__init__(
            in_channels,
            out_channels,
            sizes(kernel_size),
            sizes(stride),
            padding if isinstance(padding, str) else sizes(padding),
            sizes(dilation),
            False,
            sizes(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return type(self)._function(
            input, weight, bias, self.stride, padding, self.dilation, self.groups
        )

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Conv):
    """Convolution over (N, C_in, L) or (C_in, L).

    `weight` has shape (out_channels, in_channels / groups, *kernel_size); `padding` may also be
    'same' or 'valid', `padding_mode` is 'zeros', 'reflect', 'replicate' or 'circular'.

    >>> import flambeau
    >>> flambeau.nn.Conv1d(3, 5, kernel_size=3)(flambeau.ones(2, 3, 8)).shape
    flambeau.Size([2, 5, 6])
    """

    _tuple = staticmethod(_single)
    _function = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """Convolution over (N, C_in, H, W) or (C_in, H, W).

    `weight` has shape (out_channels, in_channels / groups, *kernel_size); `padding` may also be
    'same' or 'valid', `padding_mode` is 'zeros', 'reflect', 'replicate' or 'circular'.

    >>> import flambeau
    >>> flambeau.nn.Conv2d(3, 5, kernel_size=3)(flambeau.ones(2, 3, 8, 8)).shape
    flambeau.Size([2, 5, 6, 6])
    """

    _tuple = staticmethod(_pair)
    _function = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """Convolution over (N, C_in, D, H, W) or (C_in, D, H, W).

    `weight` has shape (out_channels, in_channels / groups, *kernel_size); `padding` may also be
    'same' or 'valid', `padding_mode` is 'zeros', 'reflect', 'replicate' or 'circular'.

    >>> import flambeau
    >>> flambeau.nn.Conv3d(3, 5, kernel_size=3)(flambeau.ones(2, 3, 8, 8, 8)).shape
    flambeau.Size([2, 5, 6, 6, 6])
    """

    _tuple = staticmethod(_triple)
    _function = staticmethod(F.conv3d)


class _ConvTransposeNd(_ConvNd):
    """The gradient of a convolution with respect to its input, as a layer of its own."""

    _tuple: ClassVar[Any]  # (number or sequence) -> tuple of ints
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        sizes = type(self)._tuple
        super().__init__(
            in_channels,
            out_channels,
            sizes(kernel_size),
            sizes(stride),
            sizes(padding),
            sizes(dilation),
            True,
            sizes(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """What to add at the end of each dimension so that the output has the size asked for."""
        if output_size is None:
            return self.output_padding
        count = len(self.kernel_size)
        outer = input.dim() - count
        if len(output_size) == outer + count:
            output_size = output_size[outer:]
        if len(output_size) != count:
            raise ValueError(
                f"ConvTranspose{count}D: for {input.dim()}D input, output_size must have {count} "
                f"or {outer + count} elements (got {len(output_size)})"
            )
        least = [
            (input.size(i + outer) - 1) * self.stride[i]
            - 2 * self.padding[i]
            + self.dilation[i] * (self.kernel_size[i] - 1)
            + 1
            for i in range(count)
        ]
        most = [least[i] + self.stride[i] - 1 for i in range(count)]
        if any(not a <= n <= b for a, n, b in zip(least, output_size, most, strict=True)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {least} "
                f"to {most} (for an input of {input.size()[2:]})"
            )
        return tuple(n - a for a, n in zip(least, output_size, strict=True))

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return type(self)._function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._output_padding(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution over (N, C_in, L) or (C_in, L).

    `weight` has shape (in_channels, out_channels / groups, *kernel_size).

    >>> import flambeau
    >>> flambeau.nn.ConvTranspose1d(3, 5, kernel_size=2, stride=2)(flambeau.ones(2, 3, 4)).shape
    flambeau.Size([2, 5, 8])
    """

    _tuple = staticmethod(_single)
    _function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution over (N, C_in, H, W) or (C_in, H, W).

    `weight` has shape (in_channels, out_channels / groups, *kernel_size).

    >>> import flambeau
    >>> flambeau.nn.ConvTranspose2d(3, 5, kernel_size=2, stride=2)(flambeau.ones(2, 3, 4, 4)).shape
    flambeau.Size([2, 5, 8, 8])
    """

    _tuple = staticmethod(_pair)
    _function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution over (N, C_in, D, H, W) or (C_in, D, H, W).

    `weight` has shape (in_channels, out_channels / groups, *kernel_size).

    >>> import flambeau
    >>> flambeau.nn.ConvTranspose3d(3, 5, kernel_size=2, stride=2)(flambeau.ones(2, 3, 4, 4, 4)).shape
    flambeau.Size([2, 5, 8, 8, 8])
    """

    _tuple = staticmethod(_triple)
    _function = staticmethod(F.conv_transpose3d)
