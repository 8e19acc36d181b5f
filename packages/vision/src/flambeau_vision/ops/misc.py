"""Layers that several models share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flambeau import nn


class Conv2dNormActivation(nn.Sequential):
    """Convolution, normalisation and activation in one block; any of the last two may be None.

    Without `padding` the size is kept (at stride 1); without `bias` there is one only where nothing
    normalises after it.

    >>> from flambeau_vision.ops import Conv2dNormActivation
    >>> import flambeau
    >>> Conv2dNormActivation(3, 8, stride=2)(flambeau.zeros(1, 3, 8, 8)).shape
    flambeau.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str | None = None,
        groups: int = 1,
        norm_layer: Callable[..., nn.Module] | None = nn.BatchNorm2d,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU,
        dilation: int | tuple[int, int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                _same(kernel_size, dilation) if padding is None else padding,
                dilation=dilation,
                groups=groups,
                bias=norm_layer is None if bias is None else bias,
            )
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            options = {} if inplace is None else {"inplace": inplace}
            layers.append(activation_layer(**options))
        super().__init__(*layers)
        self.out_channels = out_channels


def _both(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _same(kernel_size: int | Sequence[int], dilation: int | Sequence[int]) -> int | tuple[int, int]:
    sizes, steps = _both(kernel_size), _both(dilation)
    pads = tuple((size - 1) // 2 * step for size, step in zip(sizes, steps, strict=True))
    if isinstance(kernel_size, int) and isinstance(dilation, int):
        return pads[0]
    return pads[0], pads[1]
