"""A network that reads digits leaves for a microcontroller, in float and in int8, and is tested there on real ones.

pip install flambeau, and the wheel of scikit-learn for its 1,797 digits of 8x8 points (only the file is read)
python examples/export_c.py --data scikit_learn-1.9.1-*.whl --out digits-c
"""

from __future__ import annotations

import argparse
import gzip
import pathlib
import subprocess
import zipfile
from collections.abc import Sequence

import numpy as np

import flambeau
from flambeau import Tensor, nn
from flambeau.export import c99
from flambeau.nn import functional as F

INSIDE = "sklearn/datasets/data/digits.csv.gz"


def digits(wheel: pathlib.Path | None) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 8, 8) of 0 to 1 and their labels; made up ones, a column for each digit, without a file."""
    if wheel is None:
        labels = np.arange(400) % 8
        images = np.random.default_rng(0).uniform(0, 0.6, (400, 8, 8))
        images[np.arange(400), :, labels] += 0.4
        return flambeau.from_numpy(images[:, None].astype("float32")), flambeau.tensor(labels)
    with zipfile.ZipFile(wheel) as archive:
        table = np.loadtxt(
            gzip.decompress(archive.read(INSIDE)).decode().splitlines(), delimiter=","
        )
    images = (table[:, :64] / 16).reshape(-1, 1, 8, 8).astype("float32")
    return flambeau.from_numpy(images), flambeau.tensor(table[:, 64].astype("int64"))


def network() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.Conv2d(16, 32, 1), nn.BatchNorm2d(32)),
        *(nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10)),
    )


def train(model: nn.Module, x: Tensor, y: Tensor, epochs: int) -> None:
    optimizer = flambeau.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for rows in flambeau.randperm(len(x)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    model.eval()


def answers(folder: pathlib.Path, x: Tensor) -> np.ndarray:
    """What the C program says of each image: compiled by make, fed as text."""
    subprocess.run(["make", "-s", "-C", str(folder)], check=True)
    made = []
    for image in x.numpy():
        text = " ".join(map(str, image.reshape(-1)))
        done = subprocess.run(
            [f"{folder}/main"], input=text, capture_output=True, text=True, check=True
        )
        made.append(np.array(done.stdout.split(), dtype=float).argmax())
    return np.array(made)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, exports twice, compiles, and compares on images that no training saw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, help="scikit-learn's wheel")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("digits-c"))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--test", type=int, default=450, help="images to test on")
    options = parser.parse_args(arguments)
    flambeau.manual_seed(0)
    x, y = digits(options.data)
    held = options.test
    model = network()
    train(model, x[held:], y[held:], options.epochs)
    with flambeau.no_grad():
        eager = model(x[:held]).argmax(1).numpy()
    labels = y[:held].numpy()
    print(f"eager  {100 * (eager == labels).mean():.2f}% right")
    examples = [x[i : i + 1] for i in range(held, min(held + 200, len(x)))]
    for kind, how in (("float", {}), ("int8", {"quantize": "int8", "calibration": examples})):
        made = c99(model, x[:1], options.out / kind, **how)
        right = 100 * (answers(made.path, x[:held]) == labels).mean()
        sizes = made.sizes()
        print(f"{kind:<6} {right:.2f}% right, RAM {sizes['ram']:,} bytes, weights {sizes['weights']:,}, code {sizes['code']:,}")  # fmt: skip


if __name__ == "__main__":
    main()
