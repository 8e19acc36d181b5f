"""Rprop: step sizes that grow while the gradient keeps its sign."""

from __future__ import annotations

from typing import Any

import flambeau
from flambeau.optim.elementwise import Elementwise
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.options import check_lr, scalar
from flambeau.runtime.tensor import Tensor

__all__ = ["Rprop"]


class Rprop(Elementwise):
    """Resilient backpropagation (Riedmiller and Braun, 1993), for whole batches.

    Only the gradient's sign is used: ``p -= sign(g) * s``. The step size `s` of an element starts with `lr`,
    grows by ``etas[1]`` where the sign stays, and shrinks by ``etas[0]`` where it changes, and there the
    element rests; it stays within `step_sizes`.

    `capturable` keeps the step count as a tensor beside the parameter; `foreach` is accepted and changes
    nothing; with `differentiable` the step is recorded for autograd.

    >>> import flambeau
    >>> w = flambeau.nn.Parameter(flambeau.tensor([1.0, -2.0]))
    >>> optimizer = flambeau.optim.Rprop([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step(); w.detach()
    tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _buffers(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("prev", "step_size")

    def _initial(self, name: str, group: dict[str, Any], p: Tensor) -> Tensor:
        if name == "prev":
            return flambeau.zeros_like(p)
        lr = scalar(group["lr"])
        return flambeau.full_like(p, complex(lr, lr) if p.is_complex() else lr)

    @staticmethod
    def _rule(xp: Any, group: dict[str, Any], numbers: Any, p: Any, g: Any, *buffers: Any) -> None:
        prev, size = buffers
        shrink, grow = group["etas"]
        if group["maximize"]:
            g = -g
        sign = xp.sign(g * prev)
        one = xp.ones_like(g)
        size *= xp.where(sign > 0, grow * one, xp.where(sign < 0, shrink * one, one))
        size[...] = xp.clip(size, *group["step_sizes"])
        g = xp.where(sign < 0, xp.zeros_like(g), g)
        p -= xp.sign(g) * size
        prev[...] = g
