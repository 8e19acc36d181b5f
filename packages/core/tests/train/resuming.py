"""The script that test_resume.py kills: python resuming.py FOLDER [--workers N] [--stop-at STEP].

It draws random numbers from every source there is (dropout, augmentation with `random`, NumPy and flambeau, a shuffling
generator of its own) and uses what has state (batch normalization, AdamW, two schedulers, a scaler, accumulation).
"""

from __future__ import annotations

import argparse
import random
import sys

import numpy as np

import flambeau
from flambeau import nn
from flambeau.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau
from flambeau.train import (
    CSVLogger,
    EarlyStopping,
    ModelCheckpoint,
    Trainer,
    accuracy,
    seed_everything,
)
from flambeau.utils.data import DataLoader

EPOCHS = 3


class Noisy:
    """Points with labels, disturbed anew whenever they are read."""

    def __init__(self, count: int) -> None:
        self.points = flambeau.randn(count, 6, generator=flambeau.Generator().manual_seed(5))
        self.labels = (self.points.sum(dim=1) > 0).long()

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int):
        x = self.points[index] + 0.1 * flambeau.randn(6)
        x = x + 0.1 * float(np.random.randn())
        return x * (1 + 0.1 * random.random()), self.labels[index]


class Pause:
    """Says that a step is reached and waits, to be killed right there."""

    def __init__(self, step: int | None) -> None:
        self.step = step

    def on_step_end(self, trainer: Trainer) -> None:
        if trainer.global_step == self.step:
            print(f"epoch {trainer.epoch} batch {trainer.batch}", flush=True)
            sys.stdin.read()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--stop-at", type=int)
    parser.add_argument("--own-generator", action="store_true")
    options = parser.parse_args()

    seed_everything(3)
    model = nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2)
    )
    generator = flambeau.Generator().manual_seed(9) if options.own_generator else None
    loader = DataLoader(
        Noisy(88), batch_size=4, shuffle=True, num_workers=options.workers, generator=generator
    )
    optimizer = flambeau.optim.AdamW(model.parameters(), lr=1e-2)
    trainer = Trainer(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        metrics={"accuracy": accuracy},
        step_scheduler=OneCycleLR(optimizer, max_lr=1e-2, total_steps=11 * EPOCHS),
        epoch_scheduler=ReduceLROnPlateau(optimizer, patience=0),
        callbacks=[
            ModelCheckpoint(options.folder, every_n_steps=3),
            EarlyStopping(patience=10),
            CSVLogger(f"{options.folder}/log.csv"),
            Pause(options.stop_at),
        ],
        accumulate=2,
        clip_grad_norm=1.0,
        amp=flambeau.float16 if options.own_generator else None,
        seed=3,
    )
    trainer.fit(loader, DataLoader(Noisy(20), batch_size=8), epochs=EPOCHS, resume=True)
    flambeau.save({"steps": trainer.global_step}, f"{options.folder}/done.pt")


if __name__ == "__main__":
    main()
