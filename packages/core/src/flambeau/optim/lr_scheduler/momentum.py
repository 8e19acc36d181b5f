"""The momentum that cyclic schedules move against the learning rate: `momentum`, or the first of `betas`."""

from __future__ import annotations

from typing import Any

from flambeau.optim.lr_scheduler.base import per_group
from flambeau.optim.optimizer import Optimizer

__all__ = ["set_momentum", "start_momentum", "uses_beta1"]


def uses_beta1(optimizer: Optimizer) -> bool:
    """Whether the momentum is the first of `betas`; ValueError if the optimizer has neither."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError(
            "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
        )
    return "betas" in optimizer.defaults


def set_momentum(group: dict[str, Any], value: Any, beta1: bool) -> None:
    """Sets a group's momentum."""
    if beta1:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def start_momentum(
    optimizer: Optimizer, lowest: Any, highest: Any, beta1: bool, last_epoch: int
) -> tuple[list[Any], list[Any]]:
    """The bounds of every group; at the start of a training also noted in the groups and set."""
    lows = per_group("base_momentum", optimizer, lowest)
    highs = per_group("max_momentum", optimizer, highest)
    if last_epoch == -1:
        for group, low, high in zip(optimizer.param_groups, lows, highs, strict=True):
            set_momentum(group, high, beta1)
            group["max_momentum"] = high
            group["base_momentum"] = low
    return lows, highs
