"""Inference, eager: models in eval mode under no_grad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import models
from harness import Bar, Case, Side

TITLE = "Inference, eager"
TEXT = "Eval mode, no_grad. The limit counts flops of products and convolutions, or bytes of weights where given."
BARS = [Bar(geomean=1.3)]


def predict(build: Callable[[Any], Any], x: Callable[[Side], Any], flops: float = 0) -> Case:
    def make(s: Side) -> Callable:
        model, data, lib = s.model(build(s.lib)).eval(), x(s), s.lib

        def run() -> Any:
            with lib.no_grad():
                return model(data)

        return run

    return Case(make, flops=flops, count_flops=not flops, parts={"build": build, "x": x})


def decode(tokens: int, prompt: int = 1, **sizes: int) -> Case:
    """Greedy decoding by a GPT, one token at a time, with keys and values kept."""

    def make(s: Side) -> Callable:
        lib, model = s.lib, s.model(models.gpt(s.lib, **sizes)).eval()
        start = s.integers(256, 1, prompt)

        def run() -> Any:
            past: list[list] = [[] for _ in model.blocks]
            token, out, place = start, [], 0
            with lib.no_grad():
                for _ in range(tokens):
                    logits = model(token, past, place)
                    place += token.shape[1]
                    token = logits[:, -1:].argmax(-1)
                    out.append(token)
                return lib.cat(out, 1)

        return run

    layers, width = sizes.get("layers", 6), sizes.get("width", 384)
    parts = {"tokens": tokens, "prompt": prompt, "sizes": sizes}
    return Case(make, read=4 * tokens * 12 * layers * width**2, parts=parts)


def picture(*shape: int) -> Callable[[Side], Any]:
    return lambda s: s.normal(*shape)


def text(batch: int, positions: int) -> Callable[[Side], Any]:
    return lambda s: s.integers(30522, batch, positions)


CASES = {
    "resnet50_224_b1": predict(models.resnet50, picture(1, 3, 224, 224)),
    "resnet50_224_b8": predict(models.resnet50, picture(8, 3, 224, 224)),
    "mobilenetv2_224_b1": predict(models.mobilenet_v2, picture(1, 3, 224, 224)),
    "bert_base_t128_b1": predict(models.bert, text(1, 128)),
    "lstm_3x256_t100_b1": predict(
        lambda lib: lib.nn.LSTM(256, 256, 3), picture(100, 1, 256), 2 * 100 * 3 * 1024 * 512
    ),
    "gpt_decode_64_b1": decode(64),
}
HELD_OUT = {
    "lenet5_b1": predict(models.lenet5, picture(1, 1, 28, 28)),
    "mlp_784_512_10_b1": predict(lambda lib: models.mlp(lib, 784, 512, 10), picture(1, 784)),
    "resnet34_200_b1": predict(models.resnet34, picture(1, 3, 200, 200)),
    "resnet18_cifar_b17": predict(models.resnet18_cifar, picture(17, 3, 32, 32)),
    "mobilenet_half_160_b4": predict(
        lambda lib: models.mobilenet_v2(lib, 0.5), picture(4, 3, 160, 160)
    ),
    "bert_4x256_t50_b3": predict(lambda lib: models.bert(lib, 4, 256), text(3, 50)),
    "vit_b5": predict(models.vit, picture(5, 3, 32, 32)),
    "gru_2x128_t200_b1": predict(
        lambda lib: lib.nn.GRU(128, 128, 2), picture(200, 1, 128), 2 * 200 * 2 * 384 * 256
    ),
    "gpt_decode_50_3x256": decode(50, 9, layers=3, width=256),
    "dcgan_generator_b3": predict(models.dcgan_generator, picture(3, 100, 1, 1)),
    "unet_b1_128": predict(models.unet, picture(1, 3, 128, 128)),
    "audio_cnn_b1_16000": predict(models.audio_cnn, picture(1, 1, 16_000)),
}
