"""The one-cycle schedule (Smith and Topin, 2017)."""

from __future__ import annotations

import math
from typing import Any, Literal

from flambeau.optim.lr_scheduler.base import LRScheduler, check_optimizer, per_group
from flambeau.optim.lr_scheduler.momentum import set_momentum, start_momentum, uses_beta1
from flambeau.optim.optimizer import Optimizer

__all__ = ["OneCycleLR"]


class OneCycleLR(LRScheduler):
    """Up to `max_lr` and down to nearly nothing, over the whole training; meant to be stepped every batch.

    The length is `total_steps`, or ``epochs * steps_per_epoch``. The rise takes `pct_start` of it and begins
    at ``max_lr / div_factor``; the end is `final_div_factor` below that beginning. With `three_phase` the way
    down stops at the beginning's height first. With `cycle_momentum` the momentum goes the other way.

    >>> import flambeau
    >>> optimizer = flambeau.optim.SGD([flambeau.zeros(2, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> scheduler = flambeau.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> for _ in range(2): optimizer.step(); scheduler.step()
    >>> scheduler.get_last_lr()
    [1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _total(total_steps, epochs, steps_per_epoch)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._schedule_phases = _phases(pct_start, self.total_steps, three_phase)
        self._anneal_func_type = anneal_strategy
        highest = per_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, high in zip(optimizer.param_groups, highest, strict=True):
                group["initial_lr"] = high / div_factor
                group["max_lr"] = high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = uses_beta1(optimizer)
            start_momentum(optimizer, base_momentum, max_momentum, self.use_beta1, last_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The next learning rates; sets the momenta beside."""
        self._check_within_step()
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"Tried to step {self.last_epoch} times. "
                f"The specified number of total steps is {self.total_steps}"
            )
        phase, part = self._place()
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            for group in groups:
                momentum = self._between(
                    group[phase["start_momentum"]], group[phase["end_momentum"]], part
                )
                set_momentum(group, momentum, self.use_beta1)
        return [self._between(g[phase["start_lr"]], g[phase["end_lr"]], part) for g in groups]

    def _place(self) -> tuple[dict[str, Any], float]:
        """The present phase, and how much of it has passed."""
        start = 0.0
        for phase in self._schedule_phases:
            if self.last_epoch <= phase["end_step"]:
                break
            if phase is not self._schedule_phases[-1]:
                start = phase["end_step"]
        return phase, (self.last_epoch - start) / (phase["end_step"] - start)

    def _between(self, start: Any, end: Any, part: float) -> Any:
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)


def _total(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """The number of steps, given in one of two ways."""
    if total_steps is not None:
        return _positive("total_steps", total_steps)
    if epochs is not None and steps_per_epoch is not None:
        return _positive("epochs", epochs) * _positive("steps_per_epoch", steps_per_epoch)
    raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")


def _positive(name: str, value: int) -> int:
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"Expected positive integer {name}, but got {value}")
    return value


def _phases(pct_start: float, total: int, three_phase: bool) -> list[dict[str, Any]]:
    """The phases, by the step they end at and the names of their ends in the parameter groups."""
    up = _phase(float(pct_start * total) - 1, "initial_lr", "max_lr", "max", "base")
    if not three_phase:
        return [up, _phase(total - 1, "max_lr", "min_lr", "base", "max")]
    return [
        up,
        _phase(float(2 * pct_start * total) - 2, "max_lr", "initial_lr", "base", "max"),
        _phase(total - 1, "initial_lr", "min_lr", "max", "max"),
    ]


def _phase(end: float, lr: str, end_lr: str, momentum: str, end_momentum: str) -> dict[str, Any]:
    return {
        "end_step": end,
        "start_lr": lr,
        "end_lr": end_lr,
        "start_momentum": f"{momentum}_momentum",
        "end_momentum": f"{end_momentum}_momentum",
    }
