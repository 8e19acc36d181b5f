"""RMSprop: the gradient divided by a running root mean square of itself."""

from __future__ import annotations

from typing import Any

from flambeau.optim.elementwise import Elementwise, directed
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.options import check_lr, check_positive
from flambeau.runtime.tensor import Tensor

__all__ = ["RMSprop"]


class RMSprop(Elementwise):
    """RMSprop (Hinton's lectures, 2012), centred (Graves, 2013) and with momentum if asked for.

    ``v = alpha * v + (1 - alpha) * g**2`` and ``p -= lr * g / (sqrt(v) + eps)``; `centered` subtracts the
    square of the mean gradient from `v`; with `momentum`, ``b = momentum * b + g / (sqrt(v) + eps)`` and
    ``p -= lr * b``.

    `capturable` keeps the step count as a tensor beside the parameter; `foreach` is accepted and changes
    nothing; with `differentiable` the step is recorded for autograd.

    >>> import flambeau
    >>> w = flambeau.nn.Parameter(flambeau.tensor([1.0, -2.0]))
    >>> optimizer = flambeau.optim.RMSprop([w], lr=0.05)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step(); w.detach()
    tensor([ 0.5000, -1.5000])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_positive(eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _buffers(self, group: dict[str, Any]) -> tuple[str, ...]:
        names = ["square_avg"]
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        return tuple(names)

    @staticmethod
    def _rule(xp: Any, group: dict[str, Any], numbers: Any, p: Any, g: Any, *buffers: Any) -> None:
        v, *rest = buffers
        alpha = group["alpha"]
        g = directed(group, p, g)
        v *= alpha
        v += (1 - alpha) * (g * g)
        if group["centered"]:
            mean = rest.pop()
            mean += (1 - alpha) * (g - mean)
            v = v - mean * mean
        g = g / (xp.sqrt(v) + group["eps"])
        for b in rest:
            b *= group["momentum"]
            b += g
            g = b
        p -= group["lr"] * g
