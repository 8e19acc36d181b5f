"""Averages of models over training: stochastic weight averaging and exponential moving averages."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, Literal

import flambeau
from flambeau.nn import Module
from flambeau.optim.lr_scheduler.base import LRScheduler, per_group
from flambeau.optim.optimizer import Optimizer
from flambeau.runtime.state import as_effect
from flambeau.runtime.tensor import Tensor

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

AverageFunction = Callable[[Tensor, Tensor, Any], Tensor]
MultiAverageFunction = Callable[[Any, Any, Any], None]


def get_ema_avg_fn(decay: float = 0.999) -> AverageFunction:
    """``decay * average + (1 - decay) * current``."""
    _check_decay(decay)

    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> AverageFunction:
    """The mean of all models seen."""

    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverageFunction:
    """`get_ema_avg_fn` over lists of tensors, in place."""
    return _over_lists(get_ema_avg_fn(decay), lambda found, n: found.mix(decay, 1 - decay))


def get_swa_multi_avg_fn() -> MultiAverageFunction:
    """`get_swa_avg_fn` over lists of tensors, in place."""
    return _over_lists(get_swa_avg_fn(), lambda found, n: found.approach(float(n) + 1))


def _over_lists(
    average: AverageFunction, native: Callable[[Any, Any], None] | None = None
) -> MultiAverageFunction:
    """`average` of each pair of tensors; `native` does plain arrays of one dtype in one pass."""

    def update(averaged_params: Any, current_params: Any, num_averaged: Any) -> None:
        from flambeau.backends.cpu import lists  # here: importing must not pay for ctypes

        averaged_params, current_params = list(averaged_params), list(current_params)
        found = None
        if native is not None and len(averaged_params) == len(current_params):
            pairs = list(zip(averaged_params, current_params, strict=True))
            found = lists.listed(pairs, read_only=1)
        if native is not None and found is not None:
            native(found, num_averaged)
            for averaged in averaged_params:
                averaged._bump()
            return
        with flambeau.no_grad():
            for averaged, current in zip(averaged_params, current_params, strict=True):
                averaged.copy_(average(averaged, current, num_averaged))

    return update


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of that model's over the calls of `update_parameters`.

    The average is `avg_fn(averaged, current, n)` for one tensor or `multi_avg_fn` for lists of them; without,
    the plain mean (stochastic weight averaging). With `use_buffers` the buffers are averaged too, else copied.

    >>> import flambeau
    >>> model = flambeau.nn.Linear(2, 1)
    >>> average = AveragedModel(model, avg_fn=get_ema_avg_fn(0.9))
    >>> average.update_parameters(model)
    >>> average(flambeau.ones(1, 2)).shape, average.n_averaged
    (flambeau.Size([1, 1]), tensor(1))
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AverageFunction | None = None,
        multi_avg_fn: MultiAverageFunction | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", flambeau.tensor(0, dtype=flambeau.long, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model answers."""
        return self.module(*args, **kwargs)

    @as_effect
    def update_parameters(self, model: Module) -> None:
        """Takes the present parameters of `model` into the average."""
        averaged = [p.detach() for p in self._averaged_tensors(self.module)]
        current = [p.detach() for p in self._averaged_tensors(model)]
        current = [c.to(a.device) for a, c in zip(averaged, current, strict=True)]
        with flambeau.no_grad():
            if self.n_averaged == 0:
                for a, c in zip(averaged, current, strict=True):
                    a.copy_(c)
            else:
                update = self.multi_avg_fn or (
                    _over_lists(self.avg_fn) if self.avg_fn else get_swa_multi_avg_fn()
                )
                update(averaged, current, self.n_averaged)
            if not self.use_buffers:
                for mine, theirs in zip(self.module.buffers(), model.buffers(), strict=True):
                    mine.detach().copy_(theirs.detach().to(mine.device))
            self.n_averaged += 1

    def _averaged_tensors(self, module: Module) -> Iterable[Tensor]:
        if self.use_buffers:
            return itertools.chain(module.parameters(), module.buffers())
        return module.parameters()


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running statistics of the model's batch normalisation anew, over one pass of `loader`.

    The loader gives batches, or tuples whose first item is the batch. Averaged parameters need this, as
    statistics cannot be averaged like parameters.
    """
    from flambeau.nn.modules.batchnorm import _BatchNorm

    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    momenta = [module.momentum for module in norms]
    was_training = model.training
    model.train()
    for module in norms:
        module.reset_running_stats()
        module.momentum = None
    with flambeau.no_grad():
        for batch in loader:
            batch = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(batch if device is None else batch.to(device))
    for module, momentum in zip(norms, momenta, strict=True):
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the learning rate that it finds to `swa_lr` in `anneal_epochs`, then constant.

    >>> import flambeau
    >>> optimizer = flambeau.optim.SGD([flambeau.zeros(2, requires_grad=True)], lr=1.0)
    >>> scheduler = SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> for _ in range(2): optimizer.step(); scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        for lr, group in zip(
            per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True
        ):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _annealed(self, step: int) -> float:
        """How far the way is done after `step` steps, from 0 to 1."""
        part = max(0, min(1, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2

    def get_lr(self) -> list[Any]:
        """The next learning rates, from what the present ones say the start was."""
        self._check_within_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._annealed(step - 1), self._annealed(step)
        rates = []
        for group in self.optimizer.param_groups:
            end = group["swa_lr"]
            start = end if before == 1 else (group["lr"] - before * end) / (1 - before)
            rates.append(end * now + start * (1 - now))
        return rates
