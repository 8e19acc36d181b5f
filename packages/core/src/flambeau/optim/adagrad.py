"""Adagrad: each element's step shrinks with the sum of its squared gradients."""

from __future__ import annotations

from typing import Any

import flambeau
from flambeau.optim.elementwise import Elementwise, directed
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.options import check_implementation, check_lr, check_positive
from flambeau.optim.sparse_adam import entries, write
from flambeau.runtime.tensor import Tensor

__all__ = ["Adagrad"]


class Adagrad(Elementwise):
    """Adagrad (Duchi, Hazan and Singer, 2011).

    ``s += g**2`` and ``p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)``; `s` starts with
    `initial_accumulator_value`.

    `foreach` and `fused` are accepted and change nothing; with `differentiable` the step is recorded for
    autograd.

    >>> import flambeau
    >>> w = flambeau.nn.Parameter(flambeau.tensor([1.0, -2.0]))
    >>> optimizer = flambeau.optim.Adagrad([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step(); w.detach()
    tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_positive(lr_decay=lr_decay, weight_decay=weight_decay)
        check_positive(initial_accumulator_value=initial_accumulator_value, eps=eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        check_implementation(foreach, fused, differentiable, True, lr)
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                self._begin(group, p, self.state[p], self._buffers(group))

    def _buffers(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("sum",)

    def _initial(self, name: str, group: dict[str, Any], p: Tensor) -> Tensor:
        start = group["initial_accumulator_value"]
        return flambeau.full_like(p, complex(start, start) if p.is_complex() else start)

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], step: Any, fresh: bool) -> Any:
        return group["lr"] / (1 + (step - 1) * group["lr_decay"])

    @staticmethod
    def _rule(xp: Any, group: dict[str, Any], numbers: Any, p: Any, g: Any, *buffers: Any) -> None:
        (s,) = buffers
        g = directed(group, p, g)
        s += g * g
        p -= numbers * (g / (xp.sqrt(s) + group["eps"]))

    def _step_sparse(self, group: dict[str, Any], p: Tensor) -> None:
        """Only the rows named move; the sums of the others stay."""
        if group["weight_decay"] != 0:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        state = self.state[p]
        state["step"] += 1
        at, g = entries(p.grad)
        if not g.numel():
            return
        g = -g if group["maximize"] else g
        total = state["sum"][at] + g * g
        write(state["sum"], at, total)
        rate = self._numbers(group, state, state["step"].item(), False)
        write(p, at, p[at] - rate * (g / (total.sqrt() + group["eps"])))
