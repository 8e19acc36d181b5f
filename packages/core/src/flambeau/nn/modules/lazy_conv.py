"""Convolutions that take their number of input channels from the first input."""

from __future__ import annotations

from typing import Any, ClassVar

from flambeau.runtime.tensor import Tensor

from ..parameter import UninitializedParameter
from .conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    _Conv,
    _ConvNd,
    _ConvTransposeNd,
)
from .lazy import LazyModuleMixin


class _LazyConvXdMixin(LazyModuleMixin):
    """Weights without shapes, for all convolutions."""

    _dims: ClassVar[int]

    def _begin(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        module: Any = self
        module.weight = UninitializedParameter(device=device, dtype=dtype)
        module.out_channels = out_channels
        if bias:
            module.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw new initial values, once there are shapes."""
        module: Any = self
        if not self.has_uninitialized_params() and module.in_channels != 0:
            _ConvNd.reset_parameters(module)

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Shapes from the first input; what was loaded already keeps its own."""
        module: Any = self
        channels = self._get_in_channels(input)
        if channels % module.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        module.in_channels = channels
        if not self.has_uninitialized_params():
            return
        pair = (channels, module.out_channels)
        first, second = pair if module.transposed else pair[::-1]
        module.weight.materialize((first, second // module.groups, *module.kernel_size))
        if module.bias is not None:
            module.bias.materialize((module.out_channels,))
        self.reset_parameters()

    def _get_in_channels(self, input: Tensor) -> int:
        dims = self._dims
        if input.dim() not in (dims + 1, dims + 2):
            raise RuntimeError(
                f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape}"
            )
        return input.shape[-dims - 1]

    def _get_num_spatial_dims(self) -> int:
        return self._dims


class _LazyConv(_LazyConvXdMixin, _Conv):
    def __init__(
        self,
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
        # Without a bias at first, so that nothing is drawn twice.
        super().__init__(
            0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype
        )
        self._begin(out_channels, bias, device, dtype)


class _LazyConvTranspose(_LazyConvXdMixin, _ConvTransposeNd):
    def __init__(
        self,
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
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation,
            padding_mode, device, dtype,
        )  # fmt: skip
        self._begin(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    """A `Conv1d` that takes `in_channels` from its first input.

    >>> import flambeau
    >>> flambeau.nn.LazyConv1d(5, kernel_size=3)(flambeau.ones(2, 3, 8)).shape
    flambeau.Size([2, 5, 6])
    """

    cls_to_become = Conv1d
    _dims = 1


class LazyConv2d(_LazyConv, Conv2d):
    """A `Conv2d` that takes `in_channels` from its first input.

    >>> import flambeau
    >>> flambeau.nn.LazyConv2d(5, kernel_size=3)(flambeau.ones(2, 3, 8, 8)).shape
    flambeau.Size([2, 5, 6, 6])
    """

    cls_to_become = Conv2d
    _dims = 2


class LazyConv3d(_LazyConv, Conv3d):
    """A `Conv3d` that takes `in_channels` from its first input.

    >>> import flambeau
    >>> flambeau.nn.LazyConv3d(5, kernel_size=3)(flambeau.ones(2, 3, 8, 8, 8)).shape
    flambeau.Size([2, 5, 6, 6, 6])
    """

    cls_to_become = Conv3d
    _dims = 3


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A `ConvTranspose1d` that takes `in_channels` from its first input.

    >>> import flambeau
    >>> flambeau.nn.LazyConvTranspose1d(5, 2, stride=2)(flambeau.ones(2, 3, 4)).shape
    flambeau.Size([2, 5, 8])
    """

    cls_to_become = ConvTranspose1d
    _dims = 1


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A `ConvTranspose2d` that takes `in_channels` from its first input.

    >>> import flambeau
    >>> flambeau.nn.LazyConvTranspose2d(5, 2, stride=2)(flambeau.ones(2, 3, 4, 4)).shape
    flambeau.Size([2, 5, 8, 8])
    """

    cls_to_become = ConvTranspose2d
    _dims = 2


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A `ConvTranspose3d` that takes `in_channels` from its first input.

    >>> import flambeau
    >>> flambeau.nn.LazyConvTranspose3d(5, 2, stride=2)(flambeau.ones(2, 3, 4, 4, 4)).shape
    flambeau.Size([2, 5, 8, 8, 8])
    """

    cls_to_become = ConvTranspose3d
    _dims = 3
