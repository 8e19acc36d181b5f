"""Whole training steps and inference, eager in both libraries, on the sizes of the demo."""

from __future__ import annotations

from typing import Any

TITLE = "Training and inference, eager"
TEXT = "A step is forward, loss, backward and Adam. Both libraries use all cores."


def perceptron(lib: Any) -> Any:
    nn = lib.nn
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    return model, lib.randn(64, 784)


def convolutional(lib: Any) -> Any:
    nn = lib.nn
    model = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 10)),
    )
    return model, lib.randn(64, 1, 28, 28)


def transformer(lib: Any) -> Any:
    nn = lib.nn
    layer = nn.TransformerEncoderLayer(64, 4, 256, dropout=0.0, batch_first=True)
    model = nn.Sequential(layer, nn.Flatten(), nn.Linear(64 * 32, 10))
    return model, lib.randn(16, 32, 64)


def step_of(build: Any) -> Any:
    def make(lib: Any) -> Any:
        lib.manual_seed(0)
        model, x = build(lib)
        target = lib.randint(0, 10, (x.shape[0],))
        optimizer = lib.optim.Adam(model.parameters(), lr=1e-3)

        def step() -> None:
            optimizer.zero_grad()
            lib.nn.functional.cross_entropy(model(x), target).backward()
            optimizer.step()

        return step

    return make


def inference_of(build: Any) -> Any:
    def make(lib: Any) -> Any:
        lib.manual_seed(0)
        model, x = build(lib)
        model.eval()

        def infer() -> None:
            with lib.no_grad():
                model(x)

        return infer

    return make


CASES = {
    "perceptron 784-128-10, batch 64: step": (step_of(perceptron), None),
    "CNN of two layers, batch 64: step": (step_of(convolutional), None),
    "transformer layer, 16 x 32 x 64: step": (step_of(transformer), None),
    "CNN of two layers, batch 64: inference": (inference_of(convolutional), None),
    "transformer layer, 16 x 32 x 64: inference": (inference_of(transformer), None),
}
