"""Pooling modules: the largest or the mean value of each window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from flambeau.runtime.tensor import Tensor

from .. import functional as F
from .module import Module
from .utils import _pair, _single, _triple

Sizes = int | tuple[int, ...]


class _MaxPoolNd(Module):
    __constants__ = [
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "return_indices",
        "ceil_mode",
    ]
    _function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        return type(self)._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """Largest value of each window of a (N, C, L) input; `stride` is `kernel_size` unless given.

    With `return_indices` also where it was, as a flat index into (L).

    >>> import flambeau
    >>> flambeau.nn.MaxPool1d(2)(flambeau.ones(1, 2, 6)).shape
    flambeau.Size([1, 2, 3])
    """

    _function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPoolNd):
    """Largest value of each window of a (N, C, H, W) input; `stride` is `kernel_size` unless given.

    With `return_indices` also where it was, as a flat index into (H, W).

    >>> import flambeau
    >>> flambeau.nn.MaxPool2d(2)(flambeau.ones(1, 2, 6, 6)).shape
    flambeau.Size([1, 2, 3, 3])
    """

    _function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """Largest value of each window of a (N, C, D, H, W) input; `stride` is `kernel_size` unless given.

    With `return_indices` also where it was, as a flat index into (D, H, W).

    >>> import flambeau
    >>> flambeau.nn.MaxPool3d(2)(flambeau.ones(1, 2, 6, 6, 6)).shape
    flambeau.Size([1, 2, 3, 3, 3])
    """

    _function = staticmethod(F.max_pool3d)


class AvgPool1d(Module):
    """Mean of each window of a (N, C, L) input.

    >>> import flambeau
    >>> flambeau.nn.AvgPool1d(2)(flambeau.ones(1, 2, 6)).shape
    flambeau.Size([1, 2, 3])
    """

    __constants__ = ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = _single(stride if stride is not None else kernel_size)
        self.padding = _single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPoolNd(Module):
    __constants__ = [
        "kernel_size",
        "stride",
        "padding",
        "ceil_mode",
        "count_include_pad",
        "divisor_override",
    ]
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPoolNd):
    """Mean of each window of a (N, C, H, W) input; padding counts unless told otherwise.

    >>> import flambeau
    >>> flambeau.nn.AvgPool2d(2)(flambeau.ones(1, 2, 6, 6)).shape
    flambeau.Size([1, 2, 3, 3])
    """

    _function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPoolNd):
    """Mean of each window of a (N, C, D, H, W) input; padding counts unless told otherwise.

    >>> import flambeau
    >>> flambeau.nn.AvgPool3d(2)(flambeau.ones(1, 2, 6, 6, 6)).shape
    flambeau.Size([1, 2, 3, 3, 3])
    """

    _function = staticmethod(F.avg_pool3d)


class _AdaptiveAvgPoolNd(Module):
    __constants__ = ["output_size"]
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMaxPoolNd(Module):
    __constants__ = ["output_size", "return_indices"]
    _function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return type(self)._function(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Mean of windows chosen so that the output has the size asked for.

    >>> import flambeau
    >>> flambeau.nn.AdaptiveAvgPool1d(3)(flambeau.ones(1, 2, 7)).shape
    flambeau.Size([1, 2, 3])
    """

    _function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Mean of windows chosen so that the output has the size asked for.

    >>> import flambeau
    >>> flambeau.nn.AdaptiveAvgPool2d(3)(flambeau.ones(1, 2, 7, 7)).shape
    flambeau.Size([1, 2, 3, 3])
    """

    _function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Mean of windows chosen so that the output has the size asked for.

    >>> import flambeau
    >>> flambeau.nn.AdaptiveAvgPool3d(3)(flambeau.ones(1, 2, 7, 7, 7)).shape
    flambeau.Size([1, 2, 3, 3, 3])
    """

    _function = staticmethod(F.adaptive_avg_pool3d)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Largest value of windows chosen so that the output has the size asked for.

    >>> import flambeau
    >>> flambeau.nn.AdaptiveMaxPool1d(3)(flambeau.ones(1, 2, 7)).shape
    flambeau.Size([1, 2, 3])
    """

    _function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Largest value of windows chosen so that the output has the size asked for.

    >>> import flambeau
    >>> flambeau.nn.AdaptiveMaxPool2d(3)(flambeau.ones(1, 2, 7, 7)).shape
    flambeau.Size([1, 2, 3, 3])
    """

    _function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Largest value of windows chosen so that the output has the size asked for.

    >>> import flambeau
    >>> flambeau.nn.AdaptiveMaxPool3d(3)(flambeau.ones(1, 2, 7, 7, 7)).shape
    flambeau.Size([1, 2, 3, 3, 3])
    """

    _function = staticmethod(F.adaptive_max_pool3d)


class _LPPoolNd(Module):
    __constants__ = ["norm_type", "kernel_size", "stride", "ceil_mode"]
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._function(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """The p-norm of each window of a (N, C, L) input; 1 is the sum, infinity the largest value.

    >>> import flambeau
    >>> flambeau.nn.LPPool1d(2, 3)(flambeau.ones(1, 2, 6)).shape
    flambeau.Size([1, 2, 2])
    """

    _function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """The p-norm of each window of a (N, C, H, W) input; 1 is the sum, infinity the largest value.

    >>> import flambeau
    >>> flambeau.nn.LPPool2d(2, 3)(flambeau.ones(1, 2, 6, 6)).shape
    flambeau.Size([1, 2, 2, 2])
    """

    _function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """The p-norm of each window of a (N, C, D, H, W) input; 1 is the sum, infinity the largest value.

    >>> import flambeau
    >>> flambeau.nn.LPPool3d(2, 3)(flambeau.ones(1, 2, 6, 6, 6)).shape
    flambeau.Size([1, 2, 2, 2, 2])
    """

    _function = staticmethod(F.lp_pool3d)


class _FractionalMaxPoolNd(Module):
    __constants__ = ["kernel_size", "return_indices", "output_size", "output_ratio"]
    _function: ClassVar[Callable[..., Any]]
    _tuple: ClassVar[Callable[..., tuple[Any, ...]]]

    def __init__(
        self,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: float | tuple[float, ...] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        if isinstance(kernel_size, int):
            bad = kernel_size <= 0
        else:
            bad = not all(k > 0 for k in kernel_size)
        if bad:
            raise ValueError(f"kernel_size must greater than zero, but got {kernel_size}")
        super().__init__()
        sizes = type(self)._tuple
        self.kernel_size = sizes(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else sizes(output_size)
        self.output_ratio = None if output_ratio is None else sizes(output_ratio)
        name = type(self).__name__
        if output_size is None and output_ratio is None:
            raise ValueError(
                f"{name} requires specifying either an output size, or a pooling ratio"
            )
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        return type(self)._function(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """Largest value of windows of a (N, C, H, W) input whose steps are drawn, so that the output has a size or ratio.

    >>> import flambeau
    >>> flambeau.nn.FractionalMaxPool2d(2, output_ratio=0.5)(flambeau.ones(1, 2, 8, 8)).shape
    flambeau.Size([1, 2, 4, 4])
    """

    _function = staticmethod(F.fractional_max_pool2d)
    _tuple = staticmethod(_pair)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """Largest value of windows of a (N, C, D, H, W) input whose steps are drawn.

    >>> import flambeau
    >>> flambeau.nn.FractionalMaxPool3d(2, output_size=3)(flambeau.ones(1, 2, 8, 8, 8)).shape
    flambeau.Size([1, 2, 3, 3, 3])
    """

    _function = staticmethod(F.fractional_max_pool3d)
    _tuple = staticmethod(_triple)


class _MaxUnpoolNd(Module):
    _function: ClassVar[Callable[..., Tensor]]
    _tuple: ClassVar[Callable[..., tuple[int, ...]]]

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        sizes = type(self)._tuple
        self.kernel_size = sizes(kernel_size)
        self.stride = sizes(stride if stride is not None else kernel_size)
        self.padding = sizes(padding)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return type(self)._function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Puts the values of `MaxPool1d` back where its indices say, zeros elsewhere.

    >>> import flambeau
    >>> values, places = flambeau.nn.MaxPool1d(2, return_indices=True)(flambeau.ones(1, 2, 6))
    >>> flambeau.nn.MaxUnpool1d(2)(values, places).shape
    flambeau.Size([1, 2, 6])
    """

    _function = staticmethod(F.max_unpool1d)
    _tuple = staticmethod(_single)


class MaxUnpool2d(_MaxUnpoolNd):
    """Puts the values of `MaxPool2d` back where its indices say, zeros elsewhere.

    >>> import flambeau
    >>> values, places = flambeau.nn.MaxPool2d(2, return_indices=True)(flambeau.ones(1, 2, 6, 6))
    >>> flambeau.nn.MaxUnpool2d(2)(values, places).shape
    flambeau.Size([1, 2, 6, 6])
    """

    _function = staticmethod(F.max_unpool2d)
    _tuple = staticmethod(_pair)


class MaxUnpool3d(_MaxUnpoolNd):
    """Puts the values of `MaxPool3d` back where its indices say, zeros elsewhere.

    >>> import flambeau
    >>> values, places = flambeau.nn.MaxPool3d(2, return_indices=True)(flambeau.ones(1, 2, 6, 6, 6))
    >>> flambeau.nn.MaxUnpool3d(2)(values, places).shape
    flambeau.Size([1, 2, 6, 6, 6])
    """

    _function = staticmethod(F.max_unpool3d)
    _tuple = staticmethod(_triple)
