"""Stopping when nothing gets better any more."""

from __future__ import annotations

from typing import Any

from flambeau.train.callbacks.monitor import Monitor

__all__ = ["EarlyStopping"]


class EarlyStopping:
    """Ends training when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    `monitor` is one of the trainer's numbers, by default the validation loss (the loss where there is none); `mode="max"`
    for those that should grow.

    >>> EarlyStopping("val_accuracy", mode="max", patience=5).patience
    5
    """

    def __init__(
        self,
        monitor: str | None = None,
        *,
        mode: str = "min",
        patience: int = 3,
        min_delta: float = 0.0,
    ) -> None:
        self.monitor = Monitor("EarlyStopping", monitor, mode, min_delta)
        self.patience = patience
        self.waited = 0

    def on_epoch_end(self, trainer: Any) -> None:
        """Counts the epochs that brought nothing."""
        self.waited = 0 if self.monitor.improved(trainer.logs) else self.waited + 1
        if self.waited >= self.patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.monitor.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.monitor.best, self.waited = state["best"], state["waited"]
