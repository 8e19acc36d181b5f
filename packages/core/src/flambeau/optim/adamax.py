"""Adamax: Adam with the largest recent gradient in place of the mean square."""

from __future__ import annotations

from typing import Any

from flambeau.optim.elementwise import Elementwise, directed
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.options import check_betas, check_lr, check_positive
from flambeau.runtime.tensor import Tensor

__all__ = ["Adamax"]


class Adamax(Elementwise):
    """Adamax (Kingma and Ba, 2014): Adam in the infinity norm.

    ``m += (1 - beta1) * (g - m)``, ``u = max(beta2 * u, abs(g) + eps)`` and
    ``p -= lr / (1 - beta1**t) * m / u``.

    `capturable` keeps the step count as a tensor beside the parameter; `foreach` is accepted and changes
    nothing; with `differentiable` the step is recorded for autograd.

    >>> import flambeau
    >>> w = flambeau.nn.Parameter(flambeau.tensor([1.0, -2.0]))
    >>> optimizer = flambeau.optim.Adamax([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step(); w.detach()
    tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_positive(eps=eps)
        check_betas(betas)
        check_positive(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _buffers(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], step: Any, fresh: bool) -> Any:
        return group["lr"] / (1 - group["betas"][0] ** step)

    @staticmethod
    def _rule(xp: Any, group: dict[str, Any], numbers: Any, p: Any, g: Any, *buffers: Any) -> None:
        m, u = buffers
        beta1, beta2 = group["betas"]
        g = directed(group, p, g)
        m += (1 - beta1) * (g - m)
        u[...] = xp.maximum(beta2 * u, abs(g) + group["eps"])
        p -= numbers * (m / u)
