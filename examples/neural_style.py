"""A photograph painted in another's texture (Gatys et al., https://arxiv.org/abs/1508.06576).

    pip download --no-deps scikit-image
    python examples/neural_style.py --data scikit_image-0.26.0-*.whl --out style.png

No trained network is needed: filters of several sizes with random weights see textures well enough (Ustyuzhaninov et al.,
https://arxiv.org/abs/1606.00021). The picture itself is what is optimized, by L-BFGS.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from shared import read_photo, save_curves, save_image

import flambeau
from flambeau import nn
from flambeau.nn import functional as F


class RandomFilters(nn.Module):
    """One layer of random filters, of several sizes: `(n, 3, h, w)` to a list of `(n, channels, h, w)`."""

    def __init__(self, channels: int, sizes: Sequence[int] = (3, 5, 7, 11)) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3, channels, size, bias=False) for size in sizes)
        for layer in self.layers:
            nn.init.orthogonal_(layer.weight)
        self.requires_grad_(False)

    def forward(self, x):
        return [F.relu(layer(x)) for layer in self.layers]


def gram(features):
    """How channels go together, wherever that is: `(n, channels, channels)`."""
    flat = features.flatten(2)
    return flat @ flat.mT / flat.shape[2]


def smoothness(x):
    """Total variation: the mean square step between neighbours."""
    return (x[..., 1:] - x[..., :-1]).square().mean() + (
        x[..., 1:, :] - x[..., :-1, :]
    ).square().mean()


def main(arguments: Sequence[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="scikit-image's wheel, or a photograph")
    parser.add_argument("--content", default="chelsea.png", help="name in the wheel")
    parser.add_argument("--style", default="coffee.png", help="name in the wheel")
    parser.add_argument("--style-data", help="a picture of another style")
    parser.add_argument("--size", type=int, default=160, help="shorter side")
    parser.add_argument("--channels", type=int, default=24)
    parser.add_argument("--steps", type=int, default=4, help="each of up to 20 evaluations")
    parser.add_argument("--style-weight", type=float, default=100.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="picture: content, style, and what became of them")
    parser.add_argument("--curve", help="picture of the losses, such as loss.svg")
    options = parser.parse_args(arguments)

    flambeau.manual_seed(options.seed)
    style_data = options.style_data or options.data
    content = flambeau.from_numpy(read_photo(options.data, options.content, options.size).copy())
    style = flambeau.from_numpy(read_photo(style_data, options.style, options.size).copy())
    content, style = content[None], style[None]
    see = RandomFilters(options.channels)
    content_features = see(content)
    style_grams = [gram(features) for features in see(style)]

    picture = content.clone().requires_grad_()
    optimizer = flambeau.optim.LBFGS([picture], history_size=10, line_search_fn="strong_wolfe")
    curves: dict[str, list[float]] = {"log10 of style": [], "log10 of content": []}

    def closure():
        optimizer.zero_grad()
        features = see(picture)
        style_loss = sum(
            F.mse_loss(gram(f), g) / g.square().mean() for f, g in zip(features, style_grams)
        )
        content_loss = sum(
            F.mse_loss(f, c) / c.square().mean() for f, c in zip(features, content_features)
        )
        loss = options.style_weight * style_loss + content_loss + smoothness(picture)
        loss.backward()
        curves["log10 of style"].append(math.log10(style_loss.item() + 1e-6))
        curves["log10 of content"].append(math.log10(content_loss.item() + 1e-6))
        return loss

    for step in range(1, options.steps + 1):
        loss = optimizer.step(closure)
        with flambeau.no_grad():
            picture.clamp_(0, 1)
        style_now, content_now = (10 ** line[-1] for line in curves.values())
        print(
            f"step {step:2}  loss {loss.item():.4f}  style {style_now:.4f}  content {content_now:.4f}"
        )
    if options.curve:
        save_curves(options.curve, curves, "evaluation")
    if options.out:
        height = min(content.shape[2], style.shape[2])
        row = [image[:, :, :height] for image in (content, style, picture.detach())]
        save_image(options.out, flambeau.cat(row, dim=3)[0].numpy())
    return 10 ** (curves["log10 of style"][-1] - curves["log10 of style"][0])


if __name__ == "__main__":
    main()
