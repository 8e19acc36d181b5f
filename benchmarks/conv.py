"""Convolutions as ResNet-50, MobileNet, audio and generators have them; pooling and batch norm beside them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from harness import Bar, Case, Side, with_backward

TITLE = "Convolution, pooling, batch norm"
TEXT = (
    "The name says kernel, stride, channels in and out, size of the input, batch. Flops are those of direct "
    "computation: an algorithm that needs fewer may come below the limit."
)
BARS = [
    Bar("conv_", geomean=1.5, least=0.9),
    Bar("pool_", geomean=5.0),
    Bar("batch_norm_", geomean=2.0),
]


def conv(
    channels: int,
    out: int,
    size: tuple[int, ...],
    kernel: int,
    batch: int = 1,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
    padding: int | None = None,
    bias: bool = False,
    transposed: bool = False,
    backward: bool = False,
    first: bool = False,  # the first layer of a network: no gradient to its input is wanted
) -> Case:
    """A convolution of as many dimensions as `size` has; padding keeps the size unless given."""
    pad = dilation * (kernel - 1) // 2 if padding is None else padding
    dims = len(size)

    def make(s: Side) -> Callable:
        name = f"Conv{'Transpose' * transposed}{dims}d"
        layer = s.model(
            getattr(s.nn, name)(
                channels, out, kernel, stride, pad, bias=bias, groups=groups, dilation=dilation
            )
        )
        x = s.normal(batch, channels, *size, grad=backward and not first)
        if backward:
            return with_backward(s, lambda: layer(x), *[x] * (not first), layer.weight)
        layer.requires_grad_(False)
        return lambda: layer(x)

    span = dilation * (kernel - 1) + 1
    result = [
        (n - 1) * stride - 2 * pad + span if transposed else (n + 2 * pad - span) // stride + 1
        for n in size
    ]
    x, y = batch * channels * math.prod(size), batch * out * math.prod(result)
    flops = 2 * (x * out if transposed else y * channels) // groups * kernel**dims
    passes = (2 if first else 3) if backward else 1
    return Case(
        make, flops=passes * flops, read=4 * passes * x, written=4 * passes * y, tolerance=2e-3
    )


def layer(build: Callable[[Any], Any], shape: tuple, out: float, backward: bool) -> Case:
    """Pooling or normalization: `out` is the size of the result as a share of the input's."""

    def make(s: Side) -> Callable:
        module, x = s.model(build(s.nn)), s.normal(*shape, grad=backward)
        if backward:
            return with_backward(s, lambda: module(x), x, *module.parameters())
        return lambda: module(x)

    x = 4 * math.prod(shape)
    y = out * x
    if backward:
        return Case(make, read=x + y + (x if out == 1 else 0), written=y + x)
    return Case(make, read=x, written=y)


def max_pool(nn: Any) -> Any:
    return nn.MaxPool2d(3, 2, 1)


def uneven_max_pool(nn: Any) -> Any:
    """The largest values of 7 x 7 windows, whose places are found, too."""

    class Largest(nn.Module):
        def forward(self, x: Any) -> Any:
            return nn.functional.adaptive_max_pool2d(x, 7, return_indices=True)[0]

    return Largest()


SHAPES: dict[str, Callable[..., Case]] = {
    "stem_7x7s2_3_64_224": partial(conv, 3, 64, (224, 224), 7, stride=2, first=True),
    "1x1_64_256_56": partial(conv, 64, 256, (56, 56), 1),
    "1x1_1024_256_14": partial(conv, 1024, 256, (14, 14), 1),
    "3x3_64_64_56": partial(conv, 64, 64, (56, 56), 3),
    "3x3_256_256_14": partial(conv, 256, 256, (14, 14), 3),
    "3x3s2_128_128_56": partial(conv, 128, 128, (56, 56), 3, stride=2),
    "depthwise_3x3_144_56": partial(conv, 144, 144, (56, 56), 3, groups=144),
    "depthwise_3x3s2_384_28": partial(conv, 384, 384, (28, 28), 3, stride=2, groups=384),
    "pointwise_32_192_28": partial(conv, 32, 192, (28, 28), 1),
}
PASSES = {"fwd": False, "fwd_bwd": True}
CASES = {
    **{
        f"conv_{name}.b{batch}.{way}": shape(batch=batch, backward=backward)
        for name, shape in SHAPES.items()
        for batch in (1, 16)
        for way, backward in PASSES.items()
    },
    **{
        f"conv_1d_64_64_k9_16000.b8.{way}": conv(
            64, 64, (16_000,), 9, batch=8, bias=True, backward=backward
        )
        for way, backward in PASSES.items()
    },
    **{
        f"conv_transpose_4x4s2_256_128_16.b16.{way}": conv(
            *(256, 128, (16, 16), 4, 16),
            stride=2,
            padding=1,
            bias=True,
            transposed=True,
            backward=backward,
        )
        for way, backward in PASSES.items()
    },
    **{
        f"pool_max_3x3s2_64_112.b16.{way}": layer(max_pool, (16, 64, 112, 112), 0.25, backward)
        for way, backward in PASSES.items()
    },
    **{
        f"pool_avg_2x2_64_112.b16.{way}": layer(
            lambda nn: nn.AvgPool2d(2), (16, 64, 112, 112), 0.25, backward
        )
        for way, backward in PASSES.items()
    },
    "batch_norm_64_56.b16.fwd_bwd": layer(lambda nn: nn.BatchNorm2d(64), (16, 64, 56, 56), 1, True),
}
HELD_OUT = {
    f"{name}.{way}": make(backward)
    for name, make in {
        "conv_3x3_3_17_65.b5": lambda b: conv(3, 17, (65, 65), 3, 5, backward=b),
        "conv_5x5_6_16_14.b64": lambda b: conv(6, 16, (14, 14), 5, 64, padding=0, backward=b),
        "conv_3x3_48_96_35x51.b3": lambda b: conv(48, 96, (35, 51), 3, 3, bias=True, backward=b),
        "conv_3x3_512_512_7.b4": lambda b: conv(512, 512, (7, 7), 3, 4, backward=b),
        "conv_1x1_97_33_29.b7": lambda b: conv(97, 33, (29, 29), 1, 7, backward=b),
        "conv_1x1s2_256_512_28.b2": lambda b: conv(256, 512, (28, 28), 1, 2, stride=2, backward=b),
        "conv_3x3_dilated2_64_64_33.b4": lambda b: conv(
            64, 64, (33, 33), 3, 4, dilation=2, backward=b
        ),
        "conv_3x3_grouped4_64_128_28.b4": lambda b: conv(
            64, 128, (28, 28), 3, 4, groups=4, backward=b
        ),
        "conv_depthwise_5x5_96_31.b4": lambda b: conv(
            96, 96, (31, 31), 5, 4, groups=96, backward=b
        ),
        "conv_depthwise_7x7_128_28.b2": lambda b: conv(
            128, 128, (28, 28), 7, 2, groups=128, backward=b
        ),
        "conv_16x16s16_3_192_224.b8": lambda b: conv(
            3, 192, (224, 224), 16, 8, stride=16, padding=0, bias=True, backward=b
        ),
        "conv_1d_1_32_k80s4_8000.b4": lambda b: conv(
            1, 32, (8000,), 80, 4, stride=4, padding=0, backward=b
        ),
        "conv_1d_128_128_k3_999.b4": lambda b: conv(128, 128, (999,), 3, 4, backward=b),
        "conv_3d_16_32_16.b2": lambda b: conv(16, 32, (16, 16, 16), 3, 2, backward=b),
        "conv_3d_s2_64_64_28.b2": lambda b: conv(64, 64, (8, 28, 28), 3, 2, stride=2, backward=b),
        "conv_3x3_grouped32_256_256_14.b4": lambda b: conv(
            256, 256, (14, 14), 3, 4, groups=32, backward=b
        ),
        "conv_5x5_16_32_14.b32": lambda b: conv(16, 32, (14, 14), 5, 32, backward=b),
        "conv_7x7_16_16_40.b2": lambda b: conv(16, 16, (40, 40), 7, 2, backward=b),
        "conv_3x3_128_128_7.b4": lambda b: conv(128, 128, (7, 7), 3, 4, backward=b),
        "conv_4x4s2_64_128_32.b8": lambda b: conv(
            64, 128, (32, 32), 4, 8, stride=2, padding=1, backward=b
        ),
        "conv_4x4_512_1_4.b64": lambda b: conv(512, 1, (4, 4), 4, 64, padding=0, backward=b),
        "conv_1d_32_64_k31_2000.b4": lambda b: conv(32, 64, (2000,), 31, 4, backward=b),
        "conv_1d_1_512_k10s5_16000": lambda b: conv(
            1, 512, (16_000,), 10, 1, stride=5, padding=0, backward=b
        ),
        "conv_transpose_4x4s2_32_3_32.b64": lambda b: conv(
            32, 3, (32, 32), 4, 64, stride=2, padding=1, transposed=True, backward=b
        ),
        "conv_transpose_2x2s2_128_64_28.b4": lambda b: conv(
            128, 64, (28, 28), 2, 4, stride=2, padding=0, transposed=True, backward=b
        ),
        "conv_transpose_3x3s2_64_32_27.b3": lambda b: conv(
            64, 32, (27, 27), 3, 3, stride=2, padding=1, transposed=True, backward=b
        ),
        "conv_transpose_1d_64_32_k8s4_500.b4": lambda b: conv(
            64, 32, (500,), 8, 4, stride=4, padding=2, transposed=True, backward=b
        ),
        "pool_max_2x2_17_63.b9": lambda b: layer(
            lambda nn: nn.MaxPool2d(2), (9, 17, 63, 63), 0.25, b
        ),
        "pool_avg_3x3_32_35.b8": lambda b: layer(
            lambda nn: nn.AvgPool2d(3, 1, 1), (8, 32, 35, 35), 1, b
        ),
        "pool_adaptive_512_7.b32": lambda b: layer(
            lambda nn: nn.AdaptiveAvgPool2d(1), (32, 512, 7, 7), 1 / 49, b
        ),
        "pool_adaptive_max_places_32_7.b8": lambda b: layer(
            uneven_max_pool,
            (8, 32, 32, 32),
            49 / 1024,
            b,
        ),
        "pool_max_1d_k4_32_4001.b8": lambda b: layer(
            lambda nn: nn.MaxPool1d(4), (8, 32, 4001), 0.25, b
        ),
        "batch_norm_37_29.b5": lambda b: layer(
            lambda nn: nn.BatchNorm2d(37), (5, 37, 29, 29), 1, b
        ),
        "batch_norm_1d_512.b256": lambda b: layer(lambda nn: nn.BatchNorm1d(512), (256, 512), 1, b),
        "batch_norm_instance_32_64.b4": lambda b: layer(
            lambda nn: nn.InstanceNorm2d(32, affine=True), (4, 32, 64, 64), 1, b
        ),
    }.items()
    for way, backward in PASSES.items()
}
