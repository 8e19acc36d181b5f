"""The trainer's numbers as curves in TensorBoard."""

from __future__ import annotations

import os
from typing import Any

from flambeau.train import ranks

__all__ = ["TensorBoard"]


class TensorBoard:
    """Writes the loss every `every_n_steps` optimizer steps, and all numbers of each epoch, to event files in `folder`.

    A resumed run hides what was written after its checkpoint.
    """

    def __init__(self, folder: str | os.PathLike[str], *, every_n_steps: int = 10) -> None:
        self.folder = folder
        self.every_n_steps = every_n_steps
        self.writer: Any = None

    def on_fit_start(self, trainer: Any) -> None:
        """Opens the event file."""
        if ranks.mine() != 0:
            return
        from flambeau.utils.tensorboard import SummaryWriter

        purge = trainer.global_step + 1 if trainer.global_step else None
        self.writer = SummaryWriter(os.fspath(self.folder), purge_step=purge)

    def on_step_end(self, trainer: Any) -> None:
        """The loss of the newest batch and the learning rate."""
        if self.writer is not None and trainer.global_step % self.every_n_steps == 0:
            self.writer.add_scalar("step/loss", trainer.logs["loss"], trainer.global_step)
            rate = float(trainer.optimizer.param_groups[0]["lr"])
            self.writer.add_scalar("step/lr", rate, trainer.global_step)

    def on_epoch_end(self, trainer: Any) -> None:
        """All numbers of the epoch, at the step where it ended."""
        if self.writer is None:
            return
        for name, value in trainer.logs.items():
            self.writer.add_scalar(f"epoch/{name}", value, trainer.global_step)
        self.writer.flush()

    def on_fit_end(self, trainer: Any) -> None:
        """Closes the file."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None
