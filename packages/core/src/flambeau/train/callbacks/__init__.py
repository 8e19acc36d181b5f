"""What watches a training: plain objects with methods that the trainer calls."""

from __future__ import annotations

from flambeau.train.callbacks.checkpoint import ModelCheckpoint
from flambeau.train.callbacks.csv_logger import CSVLogger
from flambeau.train.callbacks.early_stopping import EarlyStopping
from flambeau.train.callbacks.lr_finder import LRFinder
from flambeau.train.callbacks.progress import ProgressBar
from flambeau.train.callbacks.tensorboard import TensorBoard

__all__ = [
    "CSVLogger",
    "EarlyStopping",
    "LRFinder",
    "ModelCheckpoint",
    "ProgressBar",
    "TensorBoard",
]
