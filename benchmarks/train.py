"""Whole training steps, eager: zero_grad, forward, loss, backward, optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import models
from harness import Bar, Case, Side

TITLE = "Training steps, eager"
TEXT = (
    "zero_grad, forward, loss, backward, optimizer. The losses of the first three steps are compared. The limit counts "
    "the flops of products and convolutions, by PyTorch's counter."
)
BARS = [Bar(geomean=1.3, least=0.9)]


def normal(*shape: int) -> Callable[[Side], Any]:
    return lambda s: s.normal(*shape)


def integers(high: int, *shape: int) -> Callable[[Side], Any]:
    return lambda s: s.integers(high, *shape)


def cross_entropy(s: Side, out: Any, target: Any) -> Any:
    return s.F.cross_entropy(out.reshape(-1, out.shape[-1]), target.reshape(-1))


def squares(s: Side, out: Any, target: Any) -> Any:
    return s.F.mse_loss(out, target)


def step(
    build: Callable[[Any], Any],
    x: Callable[[Side], Any],
    target: Callable[[Side], Any],
    optimizer: str,
    loss: Callable[[Side, Any, Any], Any] = cross_entropy,
    **options: Any,
) -> Case:
    """A training step of the model on one batch, again and again."""

    def make(s: Side) -> Callable:
        model = s.model(build(s.lib))
        data, wanted = x(s), target(s)
        update = getattr(s.lib.optim, optimizer)(model.parameters(), **options)

        def run() -> Any:
            update.zero_grad()
            value = loss(s, model(data), wanted)
            value.backward()
            update.step()
            return value

        return run

    parts = {"build": build, "x": x, "target": target, "loss": loss}
    parts |= {"optimizer": optimizer, "options": options}
    return Case(make, calls=3, tolerance=5e-3, count_flops=True, parts=parts)


def lstm_lm(lib: Any) -> Any:
    return models.recurrent_lm(lib, "LSTM", 2000, 256, 2)


CASES = {
    "mlp_784_128_10_b64_sgd": step(
        lambda lib: models.mlp(lib, 784, 128, 10),
        normal(64, 784), integers(10, 64), "SGD", lr=0.01,
    ),
    "mlp_784_1024_1024_10_b256_adam": step(
        lambda lib: models.mlp(lib, 784, 1024, 1024, 10),
        normal(256, 784), integers(10, 256), "Adam", lr=1e-4,
    ),
    "lenet5_b64_sgd": step(
        models.lenet5, normal(64, 1, 28, 28), integers(10, 64), "SGD", lr=0.01, momentum=0.9
    ),
    "resnet18_cifar_b32_sgd": step(
        models.resnet18_cifar, normal(32, 3, 32, 32), integers(10, 32), "SGD", lr=0.01, momentum=0.9
    ),
    "gpt_6x384_t128_b8_adamw": step(
        models.gpt, integers(256, 8, 128), integers(256, 8, 128), "AdamW", lr=1e-4
    ),
    "lstm_lm_2x256_t35_b20_sgd": step(
        lstm_lm, integers(2000, 35, 20), integers(2000, 35, 20), "SGD", lr=0.1
    ),
    "vit_6x192_b32_adamw": step(
        models.vit, normal(32, 3, 32, 32), integers(10, 32), "AdamW", lr=1e-4
    ),
    "dcgan_generator_b64_adam": step(
        models.dcgan_generator, normal(64, 100, 1, 1), normal(64, 3, 64, 64), "Adam", squares, lr=1e-4
    ),
}  # fmt: skip
# The counter does not see into PyTorch's recurrent layers.
CASES["lstm_lm_2x256_t35_b20_sgd"].count_flops = False
CASES["lstm_lm_2x256_t35_b20_sgd"].flops = 6 * 35 * 20 * (2 * 1024 * 512 + 256 * 2000)


def encoder(lib: Any) -> Any:
    layer = lib.nn.TransformerEncoderLayer(64, 4, 256, dropout=0.0, batch_first=True)
    return lib.nn.Sequential(layer, lib.nn.Flatten(), lib.nn.Linear(64 * 32, 10))


HELD_OUT = {
    "mlp_100_300_7_b33_adamw": step(
        lambda lib: models.mlp(lib, 100, 300, 7), normal(33, 100), integers(7, 33), "AdamW", lr=1e-4
    ),
    "mlp_20_64_64_64_1_b1000_rmsprop": step(
        lambda lib: models.mlp(lib, 20, 64, 64, 64, 1),
        normal(1000, 20), normal(1000, 1), "RMSprop", squares, lr=1e-4,
    ),
    "small_cnn_b64_adam": step(
        models.small_cnn, normal(64, 1, 28, 28), integers(10, 64), "Adam", lr=1e-4
    ),
    "encoder_layer_16x32x64_adam": step(
        encoder, normal(16, 32, 64), integers(10, 16), "Adam", lr=1e-4
    ),
    "mobilenet_half_64_b16_sgd": step(
        lambda lib: models.mobilenet_v2(lib, 0.5, 10),
        normal(16, 3, 64, 64), integers(10, 16), "SGD", lr=1e-3,
    ),
    "gpt_3x192_t77_b5_adamw": step(
        lambda lib: models.gpt(lib, 3, 192, 1000), integers(1000, 5, 77), integers(1000, 5, 77), "AdamW", lr=1e-4
    ),
    "gru_lm_1x200_t50_b16_adam": step(
        lambda lib: models.recurrent_lm(lib, "GRU", 999, 200, 1),
        integers(999, 50, 16), integers(999, 50, 16), "Adam", lr=1e-4,
    ),
    "vit_4x128_48_b7_sgd": step(
        lambda lib: models.vit(lib, 4, 128, 48, 8), normal(7, 3, 48, 48), integers(10, 7), "SGD", lr=0.01
    ),
    "unet_b2_72_adam": step(
        models.unet, normal(2, 3, 72, 72), normal(2, 1, 72, 72), "Adam", squares, lr=1e-4
    ),
    "audio_cnn_b4_8000_adam": step(
        models.audio_cnn, normal(4, 1, 8000), integers(35, 4), "Adam", lr=1e-4
    ),
}  # fmt: skip
