"""Adam: steps scaled by running averages of the gradient and of its square."""

from __future__ import annotations

from typing import Any

from flambeau.optim.elementwise import Elementwise
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.options import check_betas, check_implementation, check_lr, check_positive
from flambeau.runtime.tensor import Tensor

__all__ = ["Adam"]


class Adam(Elementwise):
    """Adam (Kingma and Ba, 2014), and AdamW with `decoupled_weight_decay`.

    ``m += (1 - beta1) * (g - m)``, ``v = beta2 * v + (1 - beta2) * g**2`` and
    ``p -= lr * m_hat / (sqrt(v_hat) + eps)`` with ``m_hat = m / (1 - beta1**t)``, ``v_hat`` likewise. With
    `amsgrad`, `v` is replaced by the largest `v` so far (Reddi et al., 2018).

    `capturable` keeps the step count as a tensor beside the parameter; `foreach` and `fused` are accepted
    and change nothing; with `differentiable` the step is recorded for autograd.

    >>> import flambeau
    >>> w = flambeau.nn.Parameter(flambeau.tensor([1.0, -2.0]))
    >>> optimizer = flambeau.optim.Adam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step(); w.detach()
    tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_lr(lr)
        check_positive(eps=eps)
        check_betas(betas)
        check_positive(weight_decay=weight_decay)
        if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
            raise ValueError("betas must be either both floats or both Tensors")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        check_implementation(foreach, fused, differentiable, capturable, lr)
        super().__init__(params, defaults)

    def _buffers(self, group: dict[str, Any]) -> tuple[str, ...]:
        if group["amsgrad"]:
            return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
        return ("exp_avg", "exp_avg_sq")

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], step: Any, fresh: bool) -> Any:
        beta1, beta2 = group["betas"]
        return group["lr"] / (1 - beta1**step), (1 - beta2**step) ** 0.5

    @staticmethod
    def _rule(xp: Any, group: dict[str, Any], numbers: Any, p: Any, g: Any, *buffers: Any) -> None:
        m, v, *largest = buffers
        beta1, beta2 = group["betas"]
        size, correction = numbers
        if group["maximize"]:
            g = -g
        if group["weight_decay"] != 0:
            if group["decoupled_weight_decay"]:
                p *= 1 - group["lr"] * group["weight_decay"]
            else:
                g = g + group["weight_decay"] * p
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * (g * g)
        for top in largest:
            top[...] = xp.maximum(top, v)
            v = top
        p -= size * (m / (xp.sqrt(v) / correction + group["eps"]))
