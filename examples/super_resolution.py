"""Photographs in twice the resolution, by sub-pixel convolution (Shi et al., https://arxiv.org/abs/1609.05158).

    pip download --no-deps scikit-image
    python examples/super_resolution.py --data scikit_image-0.26.0-*.whl --out cat.png

It learns from some photographs and is judged, beside bicubic interpolation, on one it never saw.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from shared import read_photo, save_curves, save_image

import flambeau
from flambeau import nn
from flambeau.nn import functional as F

SEEN = ("chelsea.png", "coffee.png", "hubble_deep_field.jpg", "rocket.jpg", "motorcycle_left.png")
UNSEEN = "astronaut.png"


class Upscaler(nn.Module):
    """What bicubic interpolation lacks, added to it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 5, padding=2),
            nn.PReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.PReLU(),
            nn.Conv2d(width, 3 * 4, 3, padding=1),
            nn.PixelShuffle(2),
        )
        nn.init.normal_(self.layers[-2].weight, std=1e-3)
        nn.init.zeros_(self.layers[-2].bias)

    def forward(self, x):
        return bicubic(x, 2.0) + self.layers(x - 0.5)


def bicubic(x, factor: float):
    return F.interpolate(x, scale_factor=factor, mode="bicubic", align_corners=False)


def halved(x):
    """A photograph as a camera of half the resolution sees it."""
    return F.avg_pool2d(x, 2)


def patches(photos, count: int, size: int):
    """Random squares of the photographs, `(count, 3, size, size)`."""
    found = []
    for _ in range(count):
        photo = photos[flambeau.randint(len(photos), (1,)).item()]
        y = flambeau.randint(photo.shape[1] - size + 1, (1,)).item()
        x = flambeau.randint(photo.shape[2] - size + 1, (1,)).item()
        found.append(photo[:, y : y + size, x : x + size])
    return flambeau.stack(found)


def psnr(made, photo) -> float:
    """Peak signal-to-noise ratio in dB."""
    return -10 * math.log10(F.mse_loss(made.clamp(0, 1), photo).item())


def main(arguments: Sequence[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="scikit-image's wheel, or one photograph")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--patch", type=int, default=32)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--size", type=int, default=300, help="shorter side of the photographs")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="picture: bicubic, learned, and the photograph")
    parser.add_argument("--curve", help="picture of the losses, such as loss.svg")
    options = parser.parse_args(arguments)

    flambeau.manual_seed(options.seed)
    photos = [
        flambeau.from_numpy(read_photo(options.data, name, options.size).copy())
        for name in (*SEEN, UNSEEN)
    ]
    unseen = photos.pop()[None]
    unseen = unseen[..., : unseen.shape[2] // 2 * 2, : unseen.shape[3] // 2 * 2]
    small = halved(unseen)
    plain = psnr(bicubic(small, 2.0), unseen)
    model = Upscaler(options.width)
    optimizer = flambeau.optim.Adam(model.parameters(), lr=options.lr)
    scheduler = flambeau.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    curve = []
    for step in range(1, options.steps + 1):
        large = patches(photos, options.batch_size, options.patch)
        optimizer.zero_grad()
        loss = F.mse_loss(model(halved(large)), large)
        loss.backward()
        optimizer.step()
        scheduler.step()
        curve.append(loss.item())
        if step % max(options.steps // 6, 1) == 0:
            with flambeau.no_grad():
                made = model(small)
            learned = psnr(made, unseen)
            print(
                f"step {step:4}  loss {loss.item():.6f}  {learned:.2f} dB, bicubic {plain:.2f} dB"
            )
    if options.curve:
        save_curves(
            options.curve, {"log10 of the mean square error": [math.log10(x) for x in curve]}
        )
    if options.out:
        row = flambeau.cat([bicubic(small, 2.0), made, unseen], dim=3)
        save_image(options.out, row[0].numpy())
    return learned - plain


if __name__ == "__main__":
    main()
