"""Averaged SGD: a running mean of the parameters beside plain descent."""

from __future__ import annotations

from typing import Any

from flambeau.optim.elementwise import Elementwise, directed
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.options import check_lr, check_positive, scalar
from flambeau.runtime.tensor import Tensor

__all__ = ["ASGD"]


class ASGD(Elementwise):
    """Averaged stochastic gradient descent (Polyak and Juditsky, 1992).

    ``p *= 1 - lambd * eta``, ``p -= eta * g`` with ``eta = lr / (1 + lambd * lr * t)**alpha``. The mean of
    the parameters, ``state["ax"]``, is taken from step `t0` on.

    `capturable` keeps the step count as a tensor beside the parameter; `foreach` is accepted and changes
    nothing; with `differentiable` the step is recorded for autograd.

    >>> import flambeau
    >>> w = flambeau.nn.Parameter(flambeau.tensor([1.0, -2.0]))
    >>> optimizer = flambeau.optim.ASGD([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step(); w.detach()
    tensor([ 0.8000, -1.6000])
    """

    _own_numbers = ("eta", "mu")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_positive(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _buffers(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("ax",)

    def _begin(
        self, group: dict[str, Any], p: Tensor, state: dict[str, Any], names: tuple[str, ...]
    ) -> None:
        super()._begin(group, p, state, names)
        state["eta"] = self._number(group, p, float(scalar(group["lr"])))
        state["mu"] = self._number(group, p, 1.0)

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], step: Any, fresh: bool) -> Any:
        lr, lambd = group["lr"], group["lambd"]
        eta_now, mu_now = state["eta"].clone(), state["mu"].clone()
        state["eta"][...] = lr / (1 + lambd * lr * step) ** group["alpha"]
        past = step - group["t0"]
        if isinstance(step, Tensor):
            state["mu"][...] = 1 / past.clamp(min=1)
            return eta_now, mu_now
        state["mu"][...] = 1 / max(1, past)
        return eta_now.item(), mu_now.item()

    @staticmethod
    def _rule(xp: Any, group: dict[str, Any], numbers: Any, p: Any, g: Any, *buffers: Any) -> None:
        (mean,) = buffers
        eta, mu = numbers
        g = directed(group, p, g)
        p *= 1 - group["lambd"] * eta
        p -= eta * g
        mean += mu * (p - mean)
