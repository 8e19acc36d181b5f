"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from flambeau.optim.elementwise import Elementwise, directed
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.options import check_implementation, check_lr
from flambeau.optim.sparse_adam import entries, write
from flambeau.runtime.tensor import Tensor

__all__ = ["SGD"]


class SGD(Elementwise):
    """Stochastic gradient descent, with momentum if asked for.

    ``b = momentum * b + (1 - dampening) * g`` and ``p -= lr * b``, where `g` is the gradient plus
    ``weight_decay * p``; with `nesterov`, ``p -= lr * (g + momentum * b)``. The first `b` is `g`.

    `maximize` ascends. `foreach` and `fused` are accepted and change nothing; with `differentiable` the
    step is recorded for autograd.

    >>> import flambeau
    >>> w = flambeau.nn.Parameter(flambeau.tensor([1.0, -2.0]))
    >>> optimizer = flambeau.optim.SGD([w], lr=0.1, momentum=0.9)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step(); w.detach()
    tensor([ 0.8000, -1.6000])
    """

    _counts_steps = False

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_implementation(None if not fused else foreach, fused, differentiable, True, lr)

    def _buffers(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] != 0 else ()

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], step: Any, fresh: bool) -> Any:
        return 1.0 if fresh else 1 - group["dampening"]

    @staticmethod
    def _rule(xp: Any, group: dict[str, Any], numbers: Any, p: Any, g: Any, *buffers: Any) -> None:
        g = directed(group, p, g)
        if buffers:
            (b,) = buffers
            b *= group["momentum"]
            b += g if numbers == 1 else numbers * g
            g = g + group["momentum"] * b if group["nesterov"] else b
        p -= group["lr"] * g

    def _step_sparse(self, group: dict[str, Any], p: Tensor) -> None:
        """Only the rows named move. Momentum is a sparse tensor too: it grows with the rows ever named."""
        g: Any = p.grad
        if group["weight_decay"] != 0:
            raise RuntimeError(
                "SGD: weight_decay would make a sparse gradient dense; use weight_decay=0 with sparse gradients"
            )
        if group["maximize"]:
            g = -g
        if group["momentum"] != 0:
            state = self.state[p]
            b = state.get("momentum_buffer")
            if b is None:
                b = g.detach().clone()
            else:
                b = b * group["momentum"] + g * (1 - group["dampening"])
            state["momentum_buffer"] = b = b.coalesce()
            g = g + b * group["momentum"] if group["nesterov"] else b
        at, values = entries(g)
        write(p, at, p[at] - group["lr"] * values)
