"""A learning rate from one sweep through them (L. N. Smith, https://arxiv.org/abs/1506.01186, section 3.3)."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

from flambeau.train import batches, randomness, ranks

__all__ = ["LRFinder"]


class LRFinder:
    """Trains `steps` batches at rates growing from `start` to `end`, and takes the rate at which the loss fell fastest.

    As a callback it does so when training starts, puts everything back, and sets the optimizer's rate. By hand:
    `LRFinder().find(trainer, loader)` returns the rate; `rates` and `losses` are there to be plotted. The sweep ends when
    the smoothed loss is four times the smallest seen.
    """

    def __init__(self, start: float = 1e-6, end: float = 1.0, *, steps: int = 100) -> None:
        if not 0 < start < end or steps < 4:
            raise ValueError(
                f"LRFinder: start={start}, end={end}, steps={steps}, expected 0 < start < end and at least 4 steps"
            )
        self.start = start
        self.end = end
        self.steps = steps
        self.rates: list[float] = []
        self.losses: list[float] = []

    def on_fit_start(self, trainer: Any) -> None:
        """Sets the rate, at the beginning of a training; one that is resumed keeps its own."""
        if trainer.global_step:
            return
        if trainer.epoch_scheduler is not None or trainer.step_scheduler is not None:
            raise ValueError(
                "LRFinder: the scheduler was made with another rate; call LRFinder().find(trainer, loader) before you "
                "make it"
            )
        found = self.find(trainer, trainer.train_loader)
        for group in trainer.optimizer.param_groups:
            group["lr"] = found

    def find(self, trainer: Any, loader: Any) -> float:
        """The rate for `trainer` on the batches of `loader`; the trainer is as before afterwards."""
        if ranks.count() > 1:
            raise ValueError("LRFinder: expected one rank; find the rate first, then launch more")
        parts = (trainer.model, trainer.optimizer, trainer.stepper.scaler)
        kept = copy.deepcopy([part.state_dict() for part in parts])
        random = randomness.capture(loader)
        try:
            self._sweep(trainer, loader)
        finally:
            for part, state in zip(parts, kept):
                part.load_state_dict(state)
            randomness.restore(random, loader)
        return self.suggestion()

    def suggestion(self) -> float:
        """The rate at the steepest descent of the smoothed loss."""
        smooth = list(_smoothed(self.losses))
        if len(smooth) < 4:
            raise ValueError(
                f"LRFinder: the loss grew after {len(smooth)} steps, expected a smaller start than {self.start}"
            )
        # The first means are of few batches, and their slopes mere chance.
        skipped = min(10, len(smooth) // 3)
        slopes = [after - before for before, after in zip(smooth[skipped:], smooth[skipped + 2 :])]
        return self.rates[skipped + 1 + slopes.index(min(slopes))]

    def _sweep(self, trainer: Any, loader: Any) -> None:
        self.rates, self.losses = [], []
        trainer.model.train()
        trainer.optimizer.zero_grad()
        for step, batch in zip(range(self.steps), _again(loader)):
            rate = self.start * (self.end / self.start) ** (step / (self.steps - 1))
            for group in trainer.optimizer.param_groups:
                group["lr"] = rate
            with trainer.stepper.precision():
                loss = trainer._values(trainer.model, batches.moved(batch, trainer.device))["loss"]
            trainer.stepper.backward(loss, 1)
            trainer.stepper.step()
            value = float(loss.detach())
            if not math.isfinite(value):
                break
            self.rates.append(rate)
            self.losses.append(value)
            smooth = list(_smoothed(self.losses))
            # Batches differ: what one of the first few loses says nothing.
            if step >= 10 and smooth[-1] > 4 * min(smooth):
                break


def _again(loader: Any) -> Iterator[Any]:
    """The batches of pass after pass."""
    while True:
        yield from loader


def _smoothed(values: list[float], keep: float = 0.9) -> Iterator[float]:
    """Running means that weigh older values less and less."""
    mean = 0.0
    for count, value in enumerate(values, start=1):
        mean = keep * mean + (1 - keep) * value
        yield mean / (1 - keep**count)
