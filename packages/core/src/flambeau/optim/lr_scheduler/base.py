"""`LRScheduler`, the base: counts the epochs, writes the learning rates, saves and loads."""

from __future__ import annotations

import warnings
from typing import Any

from flambeau.optim.optimizer import Optimizer
from flambeau.optim.options import scalar
from flambeau.runtime import state
from flambeau.runtime.tensor import Tensor

__all__ = ["EPOCH_WARNING", "LRScheduler", "check_optimizer", "per_group", "set_option", "values"]

EPOCH_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. "
    "Please use `scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from "
    "None, the closed form is used instead of the new chainable form, where available."
)


def check_optimizer(optimizer: Any) -> None:
    """TypeError unless it is one."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value a parameter group, of one for all or of a list; ValueError if the list has another length."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        value = [value] * groups
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {groups}."
        )
    return [_copied(v) for v in value]


def values(optimizer: Optimizer, key: str = "lr") -> list[Any]:
    """An option of every group."""
    return [_copied(group[key]) for group in optimizer.param_groups]


def set_option(group: dict[str, Any], key: str, value: Any) -> None:
    """Sets an option; where it is a tensor, in place, so that whoever holds it sees the change."""
    if isinstance(group[key], Tensor):
        group[key].fill_(scalar(value))
    else:
        group[key] = value


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


class LRScheduler:
    """Base of the schedulers. A subclass gives `get_lr`, the groups' learning rates at `last_epoch`.

    Call `step` after the optimizer's: once an epoch, or once a batch, as the schedule is meant.

    >>> import flambeau
    >>> class Halving(flambeau.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self): return [lr / 2**self.last_epoch for lr in self.base_lrs]
    >>> optimizer = flambeau.optim.SGD([flambeau.zeros(2, requires_grad=True)], lr=1.0)
    >>> scheduler = Halving(optimizer)
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.5]
    """

    _get_lr_called_within_step = False
    _is_initial = False
    _last_lr: Any = state.Watched()  # list[Any]
    last_epoch: Any = state.Watched()
    _kept_by_step = frozenset(("_last_lr", "last_epoch", "_step_count"))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = state.as_effect(cls.step)  # type: ignore[method-assign]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                    "last_epoch >= 0.\nThis typically happens when:\n1. You're trying to resume training from "
                    "a checkpoint but haven't properly loaded the optimizer state\n2. You're using "
                    "last_epoch >= 0 for a fresh training run (not recommended)"
                )
        self.base_lrs: list[Any] = values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        """Sets the first learning rates."""
        self._step_count = 0
        self.optimizer._opt_called = False  # type: ignore[attr-defined]
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, for a checkpoint."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` saved."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The learning rates that this scheduler set last."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The groups' learning rates at `last_epoch`, computed from the present ones; for `step` only."""
        raise NotImplementedError

    @state.as_effect
    def step(self, epoch: int | None = None) -> None:
        """Goes on to the next epoch, or to the one named (deprecated), and sets the learning rates."""
        if self._step_count == 1 and not getattr(self.optimizer, "_opt_called", True):
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. You should call them in the "
                "opposite order: `optimizer.step()` before `lr_scheduler.step()`. Failure to do this will "
                "result in skipping the first value of the learning rate schedule.",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        if epoch is None:
            self.last_epoch += 1
            self._write(self.get_lr)
        else:
            self.last_epoch = epoch
            self._write(getattr(self, "_get_closed_form_lr", self.get_lr))

    def _write(self, compute: Any) -> None:
        """Computes the learning rates, with `get_lr` knowing that it is asked rightly, and sets them."""
        self._get_lr_called_within_step = True
        try:
            rates = compute()
        finally:
            self._get_lr_called_within_step = False
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            set_option(group, "lr", lr)
        self._last_lr = values(self.optimizer)

    def _check_within_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def _scaled(self, factor: float) -> list[Any]:
        """The present learning rates times `factor`."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]
