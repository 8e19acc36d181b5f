"""RAdam: Adam without the adaptive rate while its variance is unknown."""

from __future__ import annotations

from typing import Any

from flambeau.optim.elementwise import Elementwise, directed
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.options import check_betas, check_lr, check_positive
from flambeau.runtime.tensor import Tensor

__all__ = ["RAdam"]


class RAdam(Elementwise):
    """Rectified Adam (Liu et al., 2019): plain momentum for the first steps, then `Adam` scaled by `r`.

    With ``rho = 2 / (1 - beta2) - 1`` and ``rho_t = rho - 2 * t * beta2**t / (1 - beta2**t)`` the adaptive
    rate is used once ``rho_t > 5``.

    `capturable` keeps the step count as a tensor beside the parameter; `foreach` is accepted and changes
    nothing; with `differentiable` the step is recorded for autograd.

    >>> import flambeau
    >>> w = flambeau.nn.Parameter(flambeau.tensor([1.0, -2.0]))
    >>> optimizer = flambeau.optim.RAdam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step(); w.detach()
    tensor([ 0.8000, -1.6000])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _buffers(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], step: Any, fresh: bool) -> Any:
        beta1, beta2 = group["betas"]
        correction = 1 - beta2**step
        limit = 2 / (1 - beta2) - 1
        rho = limit - 2 * step * beta2**step / correction
        adaptive = rho > 5.0
        # Below 5 the factor is not used; 5 keeps the root real.
        rho = rho.clamp(min=5.0) if isinstance(step, Tensor) else max(rho, 5.0)
        rectify = (rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)
        return group["lr"] / (1 - beta1**step), adaptive, (rectify * correction) ** 0.5

    @staticmethod
    def _rule(xp: Any, group: dict[str, Any], numbers: Any, p: Any, g: Any, *buffers: Any) -> None:
        m, v = buffers
        beta1, beta2 = group["betas"]
        size, adaptive, scale = numbers
        g = directed(group, p, g)
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * (g * g)
        if adaptive is False:
            p -= size * m
            return
        update = scale / (xp.sqrt(v) + group["eps"])
        if adaptive is not True:
            update = xp.where(adaptive, update, xp.ones_like(update))
        p -= size * (m * update)
