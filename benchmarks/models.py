"""Models written once for both libraries: each function takes the library and returns a module of it."""

from __future__ import annotations

import itertools
from typing import Any


def mlp(lib: Any, *widths: int) -> Any:
    nn, layers = lib.nn, []
    for number, (a, b) in enumerate(itertools.pairwise(widths)):
        layers += [nn.ReLU()] * (number > 0) + [nn.Linear(a, b)]
    return nn.Sequential(*layers)


def lenet5(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def small_cnn(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 10)),
    )


def resnet(lib: Any, blocks: list[int], bottleneck: bool, small: bool, classes: int) -> Any:
    """A residual network; `small` has the stem for pictures of 32 × 32: one 3×3 convolution, no pooling."""
    nn = lib.nn
    growth = 4 if bottleneck else 1

    def norm_after(a: int, b: int, kernel: int, stride: int = 1) -> list:
        conv = nn.Conv2d(a, b, kernel, stride, kernel // 2, bias=False)
        return [conv, nn.BatchNorm2d(b)]

    class Block(nn.Module):
        def __init__(self, a: int, width: int, stride: int) -> None:
            super().__init__()
            relu, out = nn.ReLU(inplace=True), width * growth
            if bottleneck:
                layers = [*norm_after(a, width, 1), relu, *norm_after(width, width, 3, stride)]
                layers += [relu, *norm_after(width, out, 1)]
            else:
                layers = [*norm_after(a, width, 3, stride), relu, *norm_after(width, out, 3)]
            self.layers, self.relu = nn.Sequential(*layers), relu
            self.shortcut = (
                nn.Sequential(*norm_after(a, out, 1, stride)) if stride > 1 or a != out else None
            )

        def forward(self, x: Any) -> Any:
            shortcut = x if self.shortcut is None else self.shortcut(x)
            return self.relu(self.layers(x) + shortcut)

    layers = [*norm_after(3, 64, 3 if small else 7, 1 if small else 2), nn.ReLU(inplace=True)]
    layers += [] if small else [nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, count in enumerate(blocks):
        for number in range(count):
            layers.append(Block(channels, 64 << stage, 2 if stage > 0 and number == 0 else 1))
            channels = (64 << stage) * growth
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)
    )


def resnet18_cifar(lib: Any) -> Any:
    return resnet(lib, [2, 2, 2, 2], bottleneck=False, small=True, classes=10)


def resnet34(lib: Any) -> Any:
    return resnet(lib, [3, 4, 6, 3], bottleneck=False, small=False, classes=1000)


def resnet50(lib: Any) -> Any:
    return resnet(lib, [3, 4, 6, 3], bottleneck=True, small=False, classes=1000)


def mobilenet_v2(lib: Any, width: float = 1.0, classes: int = 1000) -> Any:
    nn = lib.nn

    def step(a: int, b: int, kernel: int, stride: int = 1, groups: int = 1) -> list:
        conv = nn.Conv2d(a, b, kernel, stride, kernel // 2, groups=groups, bias=False)
        return [conv, nn.BatchNorm2d(b), nn.ReLU6(inplace=True)]

    class Inverted(nn.Module):
        def __init__(self, a: int, b: int, stride: int, expand: int) -> None:
            super().__init__()
            inner = a * expand
            layers = step(a, inner, 1) if expand > 1 else []
            layers += [*step(inner, inner, 3, stride, inner), nn.Conv2d(inner, b, 1, bias=False)]
            self.layers = nn.Sequential(*layers, nn.BatchNorm2d(b))
            self.residual = stride == 1 and a == b

        def forward(self, x: Any) -> Any:
            return x + self.layers(x) if self.residual else self.layers(x)

    def scaled(channels: int) -> int:
        return max(8, int(channels * width + 4) // 8 * 8)

    channels = scaled(32)
    layers = step(3, channels, 3, 2)
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)]
    for expand, out, count, stride in [*stages, (6, 160, 3, 2), (6, 320, 1, 1)]:
        for number in range(count):
            layers.append(Inverted(channels, scaled(out), 1 if number else stride, expand))
            channels = scaled(out)
    return nn.Sequential(
        *layers, *step(channels, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(1280, classes),
    )  # fmt: skip


def attention_class(lib: Any) -> Any:
    """Self-attention with one product for queries, keys and values; `past` holds earlier keys and values."""
    nn, F = lib.nn, lib.nn.functional

    class Attention(nn.Module):
        def __init__(self, width: int, heads: int, causal: bool) -> None:
            super().__init__()
            self.heads, self.causal = heads, causal
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

        def forward(self, x: Any, past: list | None = None) -> Any:
            batch, positions, width = x.shape
            parts = self.qkv(x).reshape(batch, positions, 3, self.heads, width // self.heads)
            q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
            if past is not None:
                if past:
                    k, v = lib.cat([past[0], k], 2), lib.cat([past[1], v], 2)
                past[:] = [k, v]
            causal = self.causal and positions > 1
            y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
            return self.out(y.transpose(1, 2).reshape(batch, positions, width))

    return Attention


def block_class(lib: Any) -> Any:
    """A transformer block that normalizes before (GPT, ViT) or after (BERT) each half."""
    nn, attention = lib.nn, attention_class(lib)

    class Block(nn.Module):
        def __init__(self, width: int, heads: int, causal: bool, before: bool = True) -> None:
            super().__init__()
            self.before, self.attention = before, attention(width, heads, causal)
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.mlp = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
            )

        def forward(self, x: Any, past: list | None = None) -> Any:
            if self.before:
                x = x + self.attention(self.norm1(x), past)
                return x + self.mlp(self.norm2(x))
            x = self.norm1(x + self.attention(x, past))
            return self.norm2(x + self.mlp(x))

    return Block


def gpt(
    lib: Any, layers: int = 6, width: int = 384, vocabulary: int = 256, longest: int = 128
) -> Any:
    nn, block = lib.nn, block_class(lib)

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(vocabulary, width)
            self.positions = nn.Embedding(longest, width)
            self.blocks = nn.ModuleList([block(width, width // 64, True) for _ in range(layers)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

        def forward(self, tokens: Any, past: list[list] | None = None, start: int = 0) -> Any:
            places = lib.arange(start, start + tokens.shape[1])
            x = self.tokens(tokens) + self.positions(places)
            for number, one in enumerate(self.blocks):
                x = one(x, None if past is None else past[number])
            return self.head(self.norm(x))

    return GPT()


def bert(lib: Any, layers: int = 12, width: int = 768, vocabulary: int = 30522) -> Any:
    nn, block = lib.nn, block_class(lib)

    class BERT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(512, width)
            self.norm = nn.LayerNorm(width)
            self.blocks = nn.Sequential(
                *[block(width, width // 64, False, before=False) for _ in range(layers)]
            )
            self.pooler = nn.Sequential(nn.Linear(width, width), nn.Tanh())

        def forward(self, tokens: Any) -> Any:
            x = self.norm(self.tokens(tokens) + self.positions(lib.arange(tokens.shape[1])))
            x = self.blocks(x)
            return x, self.pooler(x[:, 0])

    return BERT()


def vit(lib: Any, layers: int = 6, width: int = 192, size: int = 32, patch: int = 4) -> Any:
    nn, block = lib.nn, block_class(lib)

    class ViT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, width, patch, patch)
            self.first = nn.Parameter(lib.zeros(1, 1, width))
            self.places = nn.Parameter(lib.zeros(1, (size // patch) ** 2 + 1, width))
            self.blocks = nn.Sequential(*[block(width, width // 64, False) for _ in range(layers)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

        def forward(self, x: Any) -> Any:
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = lib.cat([self.first.expand(x.shape[0], -1, -1), x], 1) + self.places
            return self.head(self.norm(self.blocks(x))[:, 0])

    return ViT()


def recurrent_lm(lib: Any, kind: str, vocabulary: int, width: int, layers: int) -> Any:
    """A language model of a recurrent layer: (T, B) tokens to (T, B, vocabulary)."""
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(vocabulary, width)
            self.rnn = getattr(nn, kind)(width, width, layers)
            self.head = nn.Linear(width, vocabulary)

        def forward(self, tokens: Any) -> Any:
            return self.head(self.rnn(self.tokens(tokens))[0])

    return Model()


def dcgan_generator(lib: Any, width: int = 32) -> Any:
    """Noise (N, 100, 1, 1) to pictures (N, 3, 64, 64)."""
    nn = lib.nn
    layers, channels = [], 100
    for number, out in enumerate((8 * width, 4 * width, 2 * width, width)):
        stride, pad = (2, 1) if number else (1, 0)
        layers += [nn.ConvTranspose2d(channels, out, 4, stride, pad, bias=False)]
        layers += [nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        channels = out
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())


def unet(lib: Any, width: int = 16) -> Any:
    """Two levels down and up, with upsampling and concatenation."""
    nn, F = lib.nn, lib.nn.functional

    def two(a: int, b: int) -> Any:
        first, second = nn.Conv2d(a, b, 3, padding=1), nn.Conv2d(b, b, 3, padding=1)
        return nn.Sequential(first, nn.GroupNorm(4, b), nn.SiLU(), second, nn.SiLU())

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.top, self.middle = two(3, width), two(width, 2 * width)
            self.deep = two(2 * width, 4 * width)
            self.up1, self.up2 = two(6 * width, 2 * width), two(3 * width, width)
            self.head = nn.Conv2d(width, 1, 1)

        def forward(self, x: Any) -> Any:
            a = self.top(x)
            b = self.middle(F.max_pool2d(a, 2))
            c = self.deep(F.max_pool2d(b, 2))
            b = self.up1(lib.cat([b, F.interpolate(c, scale_factor=2)], 1))
            return self.head(self.up2(lib.cat([a, F.interpolate(b, scale_factor=2)], 1)))

    return UNet()


def audio_cnn(lib: Any) -> Any:
    """One-dimensional convolutions on raw sound."""
    nn, layers, channels = lib.nn, [], 1
    for out, kernel, stride in ((32, 80, 4), (32, 3, 1), (64, 3, 1), (64, 3, 1)):
        layers += [nn.Conv1d(channels, out, kernel, stride), nn.BatchNorm1d(out), nn.ReLU()]
        layers += [nn.MaxPool1d(4)]
        channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 35))
