"""Training without a loop of one's own: `Trainer` and what may watch it.

Any `nn.Module`, loss function, optimizer and iterable of batches will do; nothing has a base class to inherit.

>>> import flambeau
>>> from flambeau.train import Trainer
>>> x = flambeau.linspace(-1, 1, 32).reshape(-1, 1)
>>> data = flambeau.utils.data.TensorDataset(x, 3 * x + 1)
>>> model = flambeau.nn.Linear(1, 1)
>>> optimizer = flambeau.optim.SGD(model.parameters(), lr=0.1)
>>> trainer = Trainer(model, flambeau.nn.functional.mse_loss, optimizer, seed=0)
>>> history = trainer.fit(flambeau.utils.data.DataLoader(data, batch_size=8), epochs=30)
>>> history[-1]["loss"] < 0.01
True
"""

from __future__ import annotations

from flambeau.train.callbacks import (
    CSVLogger,
    EarlyStopping,
    LRFinder,
    ModelCheckpoint,
    ProgressBar,
    TensorBoard,
)
from flambeau.train.metrics import accuracy
from flambeau.train.randomness import seed_everything
from flambeau.train.trainer import Trainer

__all__ = [
    "CSVLogger",
    "EarlyStopping",
    "LRFinder",
    "ModelCheckpoint",
    "ProgressBar",
    "TensorBoard",
    "Trainer",
    "accuracy",
    "seed_everything",
]
