"""Keeping the last state and the best one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flambeau.train import ranks
from flambeau.train.callbacks.monitor import Monitor

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint:
    """Writes `last.pt` after each epoch, and `best.pt` when `monitor` is better than ever.

    With `every_n_steps` the last state is also written after every n optimizer steps, in the middle of an epoch: that is what
    a run that is killed loses at most. Files are replaced whole, so that there is always a good one. `Trainer.fit(...,
    resume=True)` goes on from the last; `flambeau.load(checkpoint.best_path)["model"]` is the best model's state dict.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        monitor: str | None = None,
        *,
        mode: str = "min",
        every_n_steps: int | None = None,
    ) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(f"ModelCheckpoint: every_n_steps={every_n_steps}, expected at least 1")
        self.folder = Path(folder)
        self.monitor = Monitor("ModelCheckpoint", monitor, mode)
        self.every_n_steps = every_n_steps
        self.last_path = self.folder / "last.pt"
        self.best_path = self.folder / "best.pt"

    def on_fit_start(self, trainer: Any) -> None:
        """Makes the folder before hours are spent."""
        if ranks.mine() == 0:
            self.folder.mkdir(parents=True, exist_ok=True)

    def on_step_end(self, trainer: Any) -> None:
        """Writes the last state, every n steps."""
        if self.every_n_steps and trainer.global_step % self.every_n_steps == 0:
            trainer.save(self.last_path)

    def on_epoch_end(self, trainer: Any) -> None:
        """Writes the best first: a run killed in between repeats the epoch and writes it again."""
        if self.monitor.improved(trainer.logs):
            trainer.save(self.best_path)
        trainer.save(self.last_path)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.monitor.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.monitor.best = state["best"]
