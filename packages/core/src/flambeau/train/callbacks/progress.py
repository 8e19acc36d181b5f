"""A bar that shows how far an epoch is."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from flambeau._base.errors import missing_extra
from flambeau.train import ranks

__all__ = ["ProgressBar", "wanted"]


def wanted(progress: bool | None) -> bool:
    """Whether there is to be a bar: as asked, else where someone may be looking at it and tqdm is there."""
    installed = importlib.util.find_spec("tqdm") is not None
    if progress is None:
        return installed and sys.stderr.isatty()
    if progress and not installed:
        raise missing_extra("Trainer: progress=True", "tqdm", "train")
    return progress


class ProgressBar:
    """Shows batches, loss and the epoch's results on standard error; in rank 0 only."""

    def __init__(self) -> None:
        self.bar: Any = None

    def on_epoch_start(self, trainer: Any) -> None:
        """A new bar, which begins where a resumed epoch does."""
        if ranks.mine() != 0:
            return
        from tqdm import tqdm

        length = trainer.train_loader.__len__ if hasattr(trainer.train_loader, "__len__") else None
        self.bar = tqdm(
            total=None if length is None else length(),
            initial=trainer.batch,
            desc=f"epoch {trainer.epoch + 1}/{trainer.epochs}",
            unit="batch",
            file=sys.stderr,
        )

    def on_step_end(self, trainer: Any) -> None:
        """Moves on to the batch that was finished."""
        if self.bar is not None:
            self.bar.set_postfix(loss=f"{trainer.logs['loss']:.4g}", refresh=False)
            self.bar.update(trainer.batch - self.bar.n)

    def on_epoch_end(self, trainer: Any) -> None:
        """Leaves the bar with the epoch's results."""
        self.on_fit_end(trainer, {name: f"{value:.4g}" for name, value in trainer.logs.items()})

    def on_fit_end(self, trainer: Any, results: dict[str, str] | None = None) -> None:
        """Closes the bar, also when training ended by an error."""
        if self.bar is not None:
            if results:
                self.bar.set_postfix(results, refresh=False)
            self.bar.close()
            self.bar = None
