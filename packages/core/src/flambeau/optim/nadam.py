"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import Any

from flambeau.optim.elementwise import Elementwise, directed
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.options import check_betas, check_lr, check_positive
from flambeau.runtime.tensor import Tensor

__all__ = ["NAdam"]


class NAdam(Elementwise):
    """NAdam (Dozat, 2016): Adam that looks ahead along its momentum.

    As `Adam`, with the mean of gradients weighed by ``mu_t = beta1 * (1 - 0.96**(t * momentum_decay) / 2)``
    and the present gradient given its share at once.

    `capturable` keeps the step count as a tensor beside the parameter; `foreach` is accepted and changes
    nothing; with `differentiable` the step is recorded for autograd.

    >>> import flambeau
    >>> w = flambeau.nn.Parameter(flambeau.tensor([1.0, -2.0]))
    >>> optimizer = flambeau.optim.NAdam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step(); w.detach()
    tensor([ 0.8944, -1.8944])
    """

    _own_numbers = ("mu_product",)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_positive(weight_decay=weight_decay, momentum_decay=momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _buffers(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _begin(
        self, group: dict[str, Any], p: Tensor, state: dict[str, Any], names: tuple[str, ...]
    ) -> None:
        super()._begin(group, p, state, names)
        state["mu_product"] = self._number(group, p, 1.0)

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], step: Any, fresh: bool) -> Any:
        beta1, beta2 = group["betas"]
        decay = group["momentum_decay"]
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * decay))
        following = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * decay))
        state["mu_product"] *= mu
        product = state["mu_product"]
        product = product.clone() if isinstance(step, Tensor) else product.item()
        present = group["lr"] * (1.0 - mu) / (1.0 - product)
        past = group["lr"] * following / (1.0 - product * following)
        return present, past, 1 - beta2**step

    @staticmethod
    def _rule(xp: Any, group: dict[str, Any], numbers: Any, p: Any, g: Any, *buffers: Any) -> None:
        m, v = buffers
        beta1, beta2 = group["betas"]
        present, past, correction = numbers
        g = directed(group, p, g)
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * (g * g)
        root = xp.sqrt(v / correction) + group["eps"]
        p -= present * (g / root)
        p -= past * (m / root)
