"""MobileNetV2: inverted residuals, with torchvision's parameter names and initial values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flambeau import Tensor, nn

from ..ops.misc import Conv2dNormActivation
from ._weights import refuse_weights

__all__ = ["InvertedResidual", "MobileNetV2", "mobilenet_v2"]

Norm = Callable[..., nn.Module]

# expansion, channels, repeats, stride of each stage
_STAGES = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
]


def _make_divisible(value: float, divisor: int) -> int:
    """The nearest multiple of `divisor`, not more than a tenth below `value`."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class InvertedResidual(nn.Module):
    """Widen by 1×1, filter each channel by 3×3, narrow by 1×1; the input is carried where it fits.

    >>> from flambeau_vision.models.mobilenetv2 import InvertedResidual
    >>> import flambeau
    >>> InvertedResidual(8, 8, stride=1, expand_ratio=2)(flambeau.zeros(1, 8, 4, 4)).shape
    flambeau.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        inp: int,
        oup: int,
        stride: int,
        expand_ratio: int,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"InvertedResidual: stride {stride}; expected 1 or 2")
        norm = norm_layer or nn.BatchNorm2d
        hidden = round(inp * expand_ratio)
        block = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
        layers: list[nn.Module] = [block(inp, hidden, kernel_size=1)] if expand_ratio != 1 else []
        layers += [
            block(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, 1, 0, bias=False),
            norm(oup),
        ]
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        self.conv = nn.Sequential(*layers)
        self.out_channels = oup

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """A small network for phones; `width_mult` scales its channels.

    Takes `[batch, 3, height, width]`, returns `[batch, num_classes]`. Raises ValueError where
    `inverted_residual_setting` is not rows of (expansion, channels, repeats, stride).

    >>> from flambeau_vision.models import MobileNetV2
    >>> import flambeau
    >>> MobileNetV2(num_classes=5, width_mult=0.25).last_channel
    1280
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: list[list[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Norm | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        make = block or InvertedResidual
        norm = norm_layer or nn.BatchNorm2d
        stages = _STAGES if inverted_residual_setting is None else inverted_residual_setting
        if not stages or any(len(stage) != 4 for stage in stages):
            raise ValueError(
                f"MobileNetV2: inverted_residual_setting {stages}; expected rows of (expansion, "
                "channels, repeats, stride)"
            )
        channels = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        around = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
        layers: list[nn.Module] = [around(3, channels, stride=2)]
        for expansion, width, repeats, stride in stages:
            outputs = _make_divisible(width * width_mult, round_nearest)
            for i in range(repeats):
                step = stride if i == 0 else 1
                layers.append(
                    make(channels, outputs, step, expand_ratio=expansion, norm_layer=norm)
                )
                channels = outputs
        layers.append(around(channels, self.last_channel, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes)
        )
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(x.flatten(1))


def mobilenet_v2(*, weights: None = None, progress: bool = True, **kwargs: Any) -> MobileNetV2:
    """MobileNetV2, untrained; further arguments are `MobileNetV2`'s."""
    refuse_weights("mobilenet_v2", weights)
    return MobileNetV2(**kwargs)
